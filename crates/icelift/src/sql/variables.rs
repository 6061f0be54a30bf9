//! Variables: `:name` in SQL, as psql has them, and `${NAME}` in the options of `ATTACH` and in configuration.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Word};

use super::cursor::is_word;
use super::tokens::Lexed;
use crate::error::{Error, ErrorKind, Result};

/// Puts values in the place of `${NAME}`; `$${` stands for `${`. Values are not expanded again, and no error shows any
/// part of the text but the name.
pub fn expand(text: &str, variables: &BTreeMap<String, String>) -> Result<String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = after;
            continue;
        }
        expanded.push_str(before);
        let (name, after) = after.split_once('}').ok_or_else(|| {
            Error::new(ErrorKind::Config, "`${` without `}`").hint("write `$${` for `${` that is no variable")
        })?;
        if !is_variable_name(name) {
            return Err(Error::new(ErrorKind::Config, "what stands between `${` and `}` is no name of a variable")
                .hint("names are made of letters, digits and `_`; write `$${` for `${` that is no variable"));
        }
        let value = variables.get(name).ok_or_else(|| not_set(name))?;
        expanded.push_str(value);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// A text names a variable that nobody has set.
pub fn not_set(name: &str) -> Error {
    Error::new(ErrorKind::Config, format!("variable `{name}` is not set"))
        .hint(format!("set {name} in the environment, or write `$${{{name}}}` for the text itself"))
}

/// Puts values in the place of `:name` (as they are), `:'name'` (as a string) and `:"name"` (as a name), outside
/// strings, quoted names and comments. Lines keep their numbers.
pub fn substitute(sql: &str, variables: &BTreeMap<String, String>) -> Result<String> {
    let lexed = Lexed::whole(sql)?;
    let mut substituted = String::with_capacity(sql.len());
    let mut brackets = Brackets::default();
    let mut tokens = lexed.tokens.iter().zip(&lexed.ranges).peekable();
    let mut previous: Option<&Token> = None;
    while let Some((token, range)) = tokens.next() {
        let written = sql.get(range.clone()).unwrap_or_default();
        let reference =
            tokens.peek().filter(|_| token.token == Token::Colon).and_then(|(next, _)| Reference::of(&next.token));
        match reference {
            Some(reference) if variables.contains_key(reference.name) || !brackets.explain_colon(previous) => {
                substituted.push_str(&reference.value(variables, token)?);
                previous = tokens.next().map(|(name, _)| &name.token);
            }
            _ => {
                substituted.push_str(written);
                brackets.see(&token.token, previous);
                previous = Some(&token.token);
            }
        }
    }
    Ok(substituted)
}

/// What follows a colon without space, if it may name a variable.
struct Reference<'t> {
    name: &'t str,
    quotes: Option<char>,
    /// What belongs to the word but not to the name: `$snapshots` in `:t$snapshots`.
    rest: &'t str,
}

impl<'t> Reference<'t> {
    fn of(token: &'t Token) -> Option<Self> {
        let reference = match token {
            Token::Word(Word { value, quote_style: None, .. }) => {
                let end = value.find(|ch| !is_name_part(ch)).unwrap_or(value.len());
                let (name, rest) = value.split_at(end);
                Reference { name, quotes: None, rest }
            }
            Token::Word(Word { value, quote_style: Some('"'), .. }) => {
                Reference { name: value, quotes: Some('"'), rest: "" }
            }
            Token::SingleQuotedString(value) => Reference { name: value, quotes: Some('\''), rest: "" },
            _ => return None,
        };
        is_variable_name(reference.name).then_some(reference)
    }

    fn value(&self, variables: &BTreeMap<String, String>, colon: &TokenWithSpan) -> Result<String> {
        let name = self.name;
        let Location { line, column } = colon.span.start;
        let value = variables.get(name).ok_or_else(|| {
            Error::new(ErrorKind::Config, format!("variable `{name}` is not set, at line {line}, column {column}"))
                .hint(format!("set it with -v {name}=<value>"))
        })?;
        if value.contains(['\n', '\r']) {
            // The lines that errors name would no longer be those of the script.
            let message = format!("variable `{name}` has more than one line, at line {line}, column {column}");
            return Err(Error::new(ErrorKind::Config, message));
        }
        Ok(match self.quotes {
            None => format!("{value}{}", self.rest),
            Some(quote) => format!("{quote}{}{quote}", value.replace(quote, &format!("{quote}{quote}"))),
        })
    }
}

/// The brackets that are open, and whether a colon in each has a meaning of its own.
#[derive(Default)]
struct Brackets(Vec<bool>);

impl Brackets {
    fn see(&mut self, token: &Token, previous: Option<&Token>) {
        match token {
            Token::LBrace => self.0.push(true),
            // A subscript, which can be a slice, follows what it is taken from; a literal of an array does not.
            Token::LBracket => self.0.push(previous.is_some_and(|token| ends_value(token) && !is_word(token, "ARRAY"))),
            Token::LParen => self.0.push(false),
            Token::RBrace | Token::RBracket | Token::RParen => drop(self.0.pop()),
            _ => {}
        }
    }

    /// Tells whether a colon is explained without a variable: as `{a:b}`, `x[a:b]` or `x[:b]`.
    fn explain_colon(&self, previous: Option<&Token>) -> bool {
        let open = self.0.last() == Some(&true);
        open && previous.is_some_and(|token| ends_value(token) || *token == Token::LBracket)
    }
}

/// Tells whether a value can end with this token, directly before the next one.
fn ends_value(token: &Token) -> bool {
    matches!(
        token,
        Token::Word(_)
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::RParen
            | Token::RBracket
            | Token::RBrace
    )
}

fn is_variable_name(name: &str) -> bool {
    name.chars().all(is_name_part) && name.chars().next().is_some_and(|first| !first.is_numeric())
}

fn is_name_part(ch: char) -> bool {
    ch.is_alphanumeric() || ch == '_'
}

#[cfg(test)]
mod tests;
