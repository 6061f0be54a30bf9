//! SQL text as tokens with places, and the errors that name those places.

use std::any::TypeId;
use std::ops::Range;

use datafusion::common::DataFusionError;
use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect};
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer, TokenizerError};

use crate::error::{Error, ErrorKind, Result};

/// DataFusion's dialect, except that `/*! … */` is a comment like any other.
///
/// The generic dialect opens such a comment and gives its content as tokens, at places that do not exist in the text: a
/// licence banner would be run as SQL, and no text could be cut by places.
#[derive(Debug)]
struct Lexing(GenericDialect);

const LEXING: Lexing = Lexing(GenericDialect {});

// What the tokenizer asks for: delegated where the generic dialect answers otherwise than a dialect does by default.
impl Dialect for Lexing {
    fn dialect(&self) -> TypeId {
        self.0.dialect()
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        self.0.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        self.0.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        self.0.is_identifier_part(ch)
    }

    fn supports_nested_comments(&self) -> bool {
        self.0.supports_nested_comments()
    }

    fn supports_pipe_operator(&self) -> bool {
        self.0.supports_pipe_operator()
    }

    fn supports_quote_delimited_string(&self) -> bool {
        self.0.supports_quote_delimited_string()
    }

    fn supports_string_escape_constant(&self) -> bool {
        self.0.supports_string_escape_constant()
    }

    fn supports_unicode_string_literal(&self) -> bool {
        self.0.supports_unicode_string_literal()
    }

    fn supports_multiline_comment_hints(&self) -> bool {
        false
    }
}

/// A text in tokens. Every character of the text belongs to one, up to where the text is broken, if it is.
pub(super) struct Lexed {
    pub tokens: Vec<TokenWithSpan>,
    /// The bytes of each token.
    pub ranges: Vec<Range<usize>>,
    /// Why the rest of the text is not a token.
    broken: Option<TokenizerError>,
}

impl Lexed {
    pub fn of(text: &str) -> Self {
        let mut tokens = Vec::new();
        let broken = Tokenizer::new(&LEXING, text).tokenize_with_location_into_buf(&mut tokens).err();
        let ranges = ranges(text, &tokens);
        Self { tokens, ranges, broken }
    }

    /// Fails if the text ends inside a string, a quoted name or a comment.
    pub fn whole(text: &str) -> Result<Self> {
        let lexed = Self::of(text);
        match &lexed.broken {
            None => Ok(lexed),
            Some(reason) => Err(lexed.error(text, reason)),
        }
    }

    /// The text from where it is broken on.
    pub fn broken_rest<'t>(&self, text: &'t str) -> Option<&'t str> {
        let end = self.ranges.last().map_or(0, |range| range.end);
        self.broken.as_ref().and_then(|_| text.get(end..))
    }

    /// Names the place where the broken token begins: the tokenizer often knows only the end of the text.
    fn error(&self, text: &str, reason: &TokenizerError) -> Error {
        let start = self.tokens.last().map_or(Location::new(1, 1), |token| token.span.end);
        let rest = self.broken_rest(text).unwrap_or_default();
        let what = match rest.chars().next() {
            Some('/') => "unterminated comment",
            Some('\'') => "unterminated string",
            Some('"' | '`') => "unterminated quoted name",
            Some('$') => "unterminated dollar-quoted string",
            _ => return sql_error(lower_first(&reason.message), start),
        };
        sql_error(format!("{what} that begins"), start)
    }
}

/// Finds the bytes of tokens by counting lines and columns as the tokenizer does: columns are characters.
fn ranges(text: &str, tokens: &[TokenWithSpan]) -> Vec<Range<usize>> {
    let (mut line, mut column, mut byte) = (1, 1, 0);
    let mut chars = text.chars();
    let mut ranges = Vec::with_capacity(tokens.len());
    for token in tokens {
        let start = byte;
        while Location::new(line, column) < token.span.end {
            match chars.next() {
                None => break,
                Some(ch) => {
                    byte += ch.len_utf8();
                    (line, column) = if ch == '\n' { (line + 1, 1) } else { (line, column + 1) };
                }
            }
        }
        ranges.push(start..byte);
    }
    ranges
}

/// The tokens of the one statement in `text`, without its `;`, closed by an [`Token::EOF`] that knows its place.
pub(super) fn statement(text: &str) -> Result<Vec<TokenWithSpan>> {
    let mut tokens = Lexed::whole(text)?.tokens;
    let ends = |token: &TokenWithSpan| token.token == Token::SemiColon || !is_significant(token);
    let Some(last) = tokens.iter().rposition(|token| !ends(token)) else {
        return Err(Error::new(ErrorKind::Sql, "there is no statement"));
    };
    tokens.truncate(last + 1);
    let first = tokens.iter().position(|token| !ends(token)).unwrap_or(0);
    tokens.drain(..first);
    if let Some(second) = tokens.iter().skip_while(|token| token.token != Token::SemiColon).find(|token| !ends(token)) {
        let message = "expected one statement, found another one that begins";
        return Err(sql_error(message, second.span.start).hint("run them as a script"));
    }
    let end = tokens.last().map_or(Location::new(1, 1), |token| token.span.end);
    tokens.push(eof(end));
    Ok(tokens)
}

/// The end of a statement or of a part of it.
pub(super) fn eof(at: Location) -> TokenWithSpan {
    TokenWithSpan::new(Token::EOF, Span::new(at, at))
}

/// Tells whether a token is more than space or a comment.
pub(super) fn is_significant(token: &TokenWithSpan) -> bool {
    !matches!(token.token, Token::Whitespace(_))
}

/// An error at a place of the statement.
pub(super) fn sql_error(message: impl Into<String>, at: Location) -> Error {
    Error::new(ErrorKind::Sql, placed(message, at))
}

/// An error at a part of the statement that is understood but cannot be done.
pub(super) fn unsupported(message: impl Into<String>, at: Location) -> Error {
    Error::new(ErrorKind::Unsupported, placed(message, at))
}

/// A message and the place that it is about.
pub(super) fn placed(message: impl Into<String>, at: Location) -> String {
    let message = message.into();
    format!("{message} at line {}, column {}", at.line, at.column)
}

/// Puts an error of sqlparser into our words.
pub(super) fn from_parser(error: &ParserError) -> Error {
    match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => {
            Error::new(ErrorKind::Sql, lower_first(&place_in_our_words(text)))
        }
        ParserError::RecursionLimitExceeded => Error::new(ErrorKind::Sql, "the statement is nested too deeply"),
    }
}

/// Puts an error of DataFusion's parser into our words.
pub(super) fn from_datafusion(error: DataFusionError) -> Error {
    match error.find_root() {
        DataFusionError::SQL(cause, _) => from_parser(cause),
        _ => Error::from(error),
    }
}

/// `… at Line: 1, Column: 12` as we write it.
fn place_in_our_words(text: &str) -> String {
    let place = text.rsplit_once(" at Line: ").and_then(|(what, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        let numbers = line.parse::<u64>().is_ok() && column.parse::<u64>().is_ok();
        numbers.then(|| format!("{what} at line {line}, column {column}"))
    });
    place.unwrap_or_else(|| text.to_string())
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    // A word in capitals is a keyword.
    if text.chars().nth(1).is_some_and(char::is_uppercase) {
        return text.to_owned();
    }
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The wrapped dialect must not drift from DataFusion's when sqlparser asks for more.
    #[test]
    fn same_tokens_as_the_generic_dialect() {
        for text in [
            "SELECT b'1', B\"x\", r'\\', N'n', nq'[a]', q'{b}', e'\\n', U&'\\0041', x'ff', 0xff, 1_000, 1.5e-3, 5L, .5",
            "a.b.\"C d\".`e` || $1 || $tag$ ; $tag$ || $$;$$ ? ?1 @x #y t$snapshots a->b a->>'c' a#>b x::int :y := =>",
            "/* a /* b */ c */ -- d\n # e\n //f |> g >> h << i <=> j != k !~* l ~~ m @> n <@ o & p && q ^ r ^@ s % t",
            "'it''s' \"a\"\"b\" '\\' %x {a: [1:2]} \u{a0}ü ??| |/ ||/ !! \\ ~",
            "SELECT _a, 1.e, t._b, 2019.q, a.1, 1__0\r\n\t;",
        ] {
            let generic = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location();
            assert_eq!(Lexed::whole(text).unwrap().tokens, generic.unwrap(), "{text}");
        }
    }

    #[test]
    fn ranges_cover_the_text() {
        for text in ["", "sel\r\nect 'ü\n' -- é\n;x /*!50110 a */ é", "/* ; */", "e'\\u00e9' x"] {
            let lexed = Lexed::whole(text).unwrap();
            let pieces: String = lexed.ranges.iter().map(|range| &text[range.clone()]).collect();
            assert_eq!(pieces, text);
        }
    }

    #[test]
    fn broken_text_names_where_it_begins() {
        let message = |text: &str| Lexed::whole(text).err().unwrap().to_string();
        assert_eq!(message("SELECT\n 'a\nb"), "unterminated string that begins at line 2, column 2");
        assert_eq!(message("/* a\n /* b */"), "unterminated comment that begins at line 1, column 1");
        assert_eq!(message("SELECT \"a"), "unterminated quoted name that begins at line 1, column 8");
        assert_eq!(message("SELECT $x$ a"), "unterminated dollar-quoted string that begins at line 1, column 8");
        assert_eq!(message("SELECT ._a"), "unexpected character '_' at line 1, column 8");
    }

    #[test]
    fn exactly_one_statement() {
        let message = |text: &str| statement(text).unwrap_err().to_string();
        assert_eq!(message(" -- nothing\n;"), "there is no statement");
        assert_eq!(
            message("SELECT 1;\nSELECT 2"),
            "expected one statement, found another one that begins at line 2, column 1"
        );
        assert!(statement(" /*!x*/ ; SELECT 1 ; ; -- end").is_ok());
    }

    #[test]
    fn parser_errors_in_our_words() {
        let error = ParserError::ParserError("Expected: a, found: b at Line: 3, Column: 4".to_string());
        assert_eq!(from_parser(&error).to_string(), "expected: a, found: b at line 3, column 4");
        let error = ParserError::ParserError("Odd at Line: x".to_string());
        assert_eq!(from_parser(&error).to_string(), "odd at Line: x");
    }
}
