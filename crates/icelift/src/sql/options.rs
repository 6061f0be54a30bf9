//! Lists of options in parentheses: `(TYPE r2, URI '…')`, `('k' = 'v')`.
//!
//! What an option says may be a secret, also when it stands in the wrong place or without its quotes: errors here name
//! places and keys, never anything else of the text.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::sql::sqlparser::tokenizer::{Location, Token, Word};

use super::cursor::{Cursor, string_value};
use super::tokens::sql_error;
use crate::error::{Error, Result};

/// How keys are stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keys {
    /// In lower case, because people write `TYPE` and `URI` as SQL words.
    Lowered,
    /// As written.
    Kept,
}

/// One option and where it stands.
pub(super) struct Given {
    pub key: String,
    pub value: String,
    pub place: Location,
}

/// Reads `(key value, key = value, …)`.
pub(super) fn parse(cursor: &mut Cursor<'_>, keys: Keys) -> Result<BTreeMap<String, String>> {
    Ok(list(cursor, keys)?.into_iter().map(|given| (given.key, given.value)).collect())
}

/// Reads `(key value, key = value, …)` in the order of the text.
pub(super) fn list(cursor: &mut Cursor<'_>, keys: Keys) -> Result<Vec<Given>> {
    let mut options = Vec::new();
    let mut seen = BTreeSet::new();
    if !cursor.symbol(&Token::LParen) {
        return Err(misplaced(cursor, "`(` before the options"));
    }
    if cursor.symbol(&Token::RParen) {
        return Ok(options);
    }
    loop {
        let place = cursor.place();
        let key = key(cursor)?;
        let key = if keys == Keys::Lowered { key.to_lowercase() } else { key };
        if !seen.insert(key.clone()) {
            return Err(sql_error(format!("option `{key}` is given twice, again"), place));
        }
        cursor.symbol(&Token::Eq);
        let value = value(cursor)?;
        options.push(Given { key, value, place });
        if cursor.symbol(&Token::RParen) {
            return Ok(options);
        }
        if !cursor.symbol(&Token::Comma) {
            return Err(misplaced(cursor, "`,` or `)` after an option"));
        }
    }
}

fn key(cursor: &mut Cursor<'_>) -> Result<String> {
    let key = match &cursor.peek().token {
        Token::Word(Word { quote_style: Some(_), value, .. }) => value.clone(),
        Token::Word(_) => return compound(cursor),
        token => match string_value(token) {
            Some(value) => value.to_string(),
            None => return Err(misplaced(cursor, "the name of an option")),
        },
    };
    if key.is_empty() {
        return Err(misplaced(cursor, "the name of an option"));
    }
    cursor.step();
    Ok(key)
}

fn value(cursor: &mut Cursor<'_>) -> Result<String> {
    if let Some(number) = cursor.signed_number() {
        return Ok(number);
    }
    let value = match &cursor.peek().token {
        Token::Word(Word { quote_style: Some(_), value, .. }) => value.clone(),
        Token::Word(_) => return compound(cursor),
        token => match string_value(token) {
            Some(value) => value.to_string(),
            None => return Err(misplaced(cursor, "the value of an option")),
        },
    };
    cursor.step();
    Ok(value)
}

/// Reads a word, further parts attached by `.` or `-` without space: `s3.region`, `oauth2-server-uri`, `us-east-1`.
fn compound(cursor: &mut Cursor<'_>) -> Result<String> {
    let mut text = String::new();
    loop {
        match &cursor.peek().token {
            Token::Word(word) if word.quote_style.is_none() => text.push_str(&word.value),
            Token::Number(digits, _) if !text.is_empty() => text.push_str(digits),
            _ => return Err(misplaced(cursor, "the next part of a name")),
        }
        cursor.step();
        match cursor.adjacent().token {
            Token::Period => text.push('.'),
            Token::Minus => text.push('-'),
            _ => return Ok(text),
        }
        cursor.step();
    }
}

/// An error that tells the sort of the next token, not its text.
fn misplaced(cursor: &Cursor<'_>, expected: &str) -> Error {
    let token = &cursor.peek().token;
    let found = match token {
        Token::EOF => "the end of the statement".to_string(),
        Token::Comma | Token::LParen | Token::RParen | Token::Eq => format!("`{token}`"),
        Token::Word(_) => "a word".to_string(),
        Token::Number(..) => "a number".to_string(),
        token if string_value(token).is_some() => "a string".to_string(),
        _ => "another sign".to_string(),
    };
    sql_error(format!("expected {expected}, found {found}"), cursor.place())
        .hint("put values that are more than one word or number between single quotes, also '${VARIABLE}'")
}
