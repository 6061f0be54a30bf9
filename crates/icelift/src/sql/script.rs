//! Scripts: many statements in one text, each with its line.

use std::fmt;

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::tokens::{Lexed, is_significant};
use crate::error::Result;

/// One statement of a script, as written, from its first word to its last one.
#[derive(Clone, PartialEq, Eq)]
pub struct Piece {
    /// The statement without its `;`.
    pub sql: String,
    /// The line of the script on which it begins, counted from 1.
    pub line: usize,
}

/// Prints no SQL: an `ATTACH` may hold a secret.
impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Piece").field("line", &self.line).finish_non_exhaustive()
    }
}

/// Cuts a script at its `;`, except for those in strings, quoted names and comments.
pub fn split(text: &str) -> Result<Vec<Piece>> {
    let lexed = Lexed::whole(text)?;
    let mut pieces = Vec::new();
    let mut from = 0;
    for statement in lexed.tokens.split(|token| token.token == Token::SemiColon) {
        pieces.extend(piece(text, &lexed, from, statement));
        from += statement.len() + 1;
    }
    Ok(pieces)
}

/// The text of the tokens of one statement, the first of which is number `from` of the script.
fn piece(text: &str, lexed: &Lexed, from: usize, statement: &[TokenWithSpan]) -> Option<Piece> {
    let first = statement.iter().position(counts)?;
    let last = statement.iter().rposition(counts)?;
    let start = lexed.ranges.get(from + first)?.start;
    let end = lexed.ranges.get(from + last)?.end;
    let line = statement.get(first)?.span.start.line;
    Some(Piece { sql: text.get(start..end)?.to_string(), line: usize::try_from(line).unwrap_or(usize::MAX) })
}

/// Tells whether a token is part of a statement; the byte order mark of a file is not.
fn counts(token: &TokenWithSpan) -> bool {
    is_significant(token) && token.token != Token::Char('\u{feff}')
}

/// Reads the one statement in `text` and forgets it.
///
/// # Errors
/// What is wrong with its words; whether its names exist is not asked.
pub fn check(text: &str) -> Result<()> {
    super::parse(text).map(drop)
}

/// The first statement of a text, and what comes behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct First {
    /// None where no word stands before the end.
    pub statement: Option<Piece>,
    pub end: End,
    /// Where the end is, in bytes: behind a `;`, at the sign of a command.
    pub rest: usize,
}

/// What ends the first statement of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A `;`.
    Semicolon,
    /// A command of a terminal: a `\\`, or a `.` where a statement would begin.
    Command,
    /// The text.
    Text,
    /// The text, in the middle of a string, a quoted name or a comment; or at what is no token at all.
    Broken,
}

/// Finds the first statement of a text that may hold commands of a terminal, whose lines are no SQL.
pub fn first(text: &str) -> First {
    let mut lines = 1;
    loop {
        // What stands on later lines is looked at only if it is needed: a script is not read again for each of its statements.
        let end = text.match_indices('\n').nth(lines - 1).map_or(text.len(), |(at, _)| at + 1);
        let part = text.get(..end).unwrap_or(text);
        let lexed = Lexed::of(part);
        let begin = lexed.tokens.iter().position(counts);
        let is_end = |(at, it): (usize, &TokenWithSpan)| match it.token {
            Token::SemiColon | Token::Backslash => true,
            Token::Period => Some(at) == begin,
            _ => false,
        };
        if let Some(at) = lexed.tokens.iter().enumerate().position(is_end) {
            let statement = lexed.tokens.get(..at).and_then(|tokens| piece(part, &lexed, 0, tokens));
            let range = lexed.ranges.get(at).cloned().unwrap_or_default();
            return match lexed.tokens.get(at).map(|it| &it.token) {
                Some(Token::SemiColon) => First { statement, end: End::Semicolon, rest: range.end },
                _ => First { statement, end: End::Command, rest: range.start },
            };
        }
        if end == text.len() {
            let statement = piece(part, &lexed, 0, &lexed.tokens);
            let end = if lexed.broken_rest(part).is_some() { End::Broken } else { End::Text };
            return First { statement, end, rest: text.len() };
        }
        lines *= 2;
    }
}

/// Tells whether what a user has typed so far can be run: it ends with a `;` that ends a statement.
///
/// Text that no further line could mend is complete, too, so that its error is shown.
pub fn is_complete(text: &str) -> bool {
    let lexed = Lexed::of(text);
    match lexed.broken_rest(text) {
        // The one thing that the tokenizer refuses without being at the end of the text: a period in a wrong place.
        Some(rest) => rest.starts_with('.'),
        None => {
            lexed.tokens.iter().rfind(|token| is_significant(token)).is_some_and(|last| last.token == Token::SemiColon)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<(usize, String)> {
        split(text).unwrap().into_iter().map(|piece| (piece.line, piece.sql)).collect()
    }

    fn piece(line: usize, sql: &str) -> (usize, String) {
        (line, sql.to_string())
    }

    #[test]
    fn cuts_at_the_right_places() {
        let script = "-- one; two\n/* a ; /* b ; */ ; */ SELECT ';', \";\", `;`,\n $$;$$, $x$;$x$, e'\\';' ; -- c\n;;\n\
                      \tSELECT\r\n 2 -- é ; \n  FROM t /* end */\n;\n/*! ; */\nSELECT 3 ; -- last";
        let expected = [
            piece(2, "SELECT ';', \";\", `;`,\n $$;$$, $x$;$x$, e'\\';'"),
            piece(5, "SELECT\r\n 2 -- é ; \n  FROM t"),
            piece(10, "SELECT 3"),
        ];
        assert_eq!(pieces(script), expected);
        assert_eq!(
            pieces("é;ü\n;'\u{1f9ca};\n';x"),
            [piece(1, "é"), piece(1, "ü"), piece(2, "'\u{1f9ca};\n'"), piece(3, "x")]
        );
        assert!(pieces(" -- nothing\n;/* at all */;").is_empty());
        assert_eq!(pieces("\u{feff}SELECT 1;"), [piece(1, "SELECT 1")]);
    }

    #[test]
    fn what_does_not_end_is_named() {
        let message = |text: &str| split(text).unwrap_err().to_string();
        assert_eq!(message("SELECT 1;\nSELECT 'a;\n\n"), "unterminated string that begins at line 2, column 8");
        assert_eq!(message("\n\n/* a\n"), "unterminated comment that begins at line 3, column 1");
    }

    #[test]
    fn first_statements() {
        let found = |text: &str| {
            let First { statement, end, rest } = first(text);
            (statement.map(|piece| (piece.line, piece.sql)), end, rest)
        };
        assert_eq!(found("\n SELECT ';\n' ; x"), (Some(piece(2, "SELECT ';\n'")), End::Semicolon, 15));
        assert_eq!(found("SELECT 1 \\g it's"), (Some(piece(1, "SELECT 1")), End::Command, 9));
        assert_eq!(found("-- a\n\\echo it's\nSELECT"), (None, End::Command, 5));
        assert_eq!(found("/* . */\n.mode csv\n"), (None, End::Command, 8));
        assert_eq!(found("SELECT a\n.b\n'open"), (Some(piece(1, "SELECT a\n.b")), End::Broken, 17));
        assert_eq!(found("SELECT\n\n\n\n1\n"), (Some(piece(1, "SELECT\n\n\n\n1")), End::Text, 12));
        assert_eq!(found(" -- nothing\n;"), (None, End::Semicolon, 13));
        assert_eq!(found(""), (None, End::Text, 0));
    }

    #[test]
    fn complete_input() {
        for text in ["SELECT 1;", "SELECT 1 ; -- x", ";", "SELECT ';' /* ; */ ;\n", "SELECT ._a"] {
            assert!(is_complete(text), "{text}");
        }
        for text in
            ["", "SELECT 1", "SELECT 1; SELECT", "SELECT ';", "SELECT \";", "/* ;", "-- ;", "SELECT $$;", "SELECT e';"]
        {
            assert!(!is_complete(text), "{text}");
        }
    }

    #[test]
    fn debug_shows_no_sql() {
        let pieces = split("ATTACH AS r (TOKEN 'hunter2')").unwrap();
        assert!(!format!("{pieces:?}").contains("hunter2"));
    }
}
