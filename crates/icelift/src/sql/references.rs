//! Puts the version that a statement says behind a table into the table's name, before the statement is parsed.
//!
//! Works on tokens: a string, a comment or a column that says `version` is no clause. A clause is looked for only where a
//! table may stand, which is behind FROM and JOIN and behind the commas of a FROM. What must hold: a statement without
//! such a clause comes out token for token as it went in.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};

use super::added_rows;
use super::cursor::{Cursor, is_word};
use super::tokens::is_significant;
use super::version::{self, Reference};
use crate::error::Result;
use crate::inspect::MetadataTable;

/// Words that begin a part of a query in which commas separate other things than tables.
const NO_TABLES: &[&str] = &[
    "SELECT",
    "WHERE",
    "GROUP",
    "HAVING",
    "ORDER",
    "SORT",
    "CLUSTER",
    "DISTRIBUTE",
    "LIMIT",
    "OFFSET",
    "FETCH",
    "UNION",
    "EXCEPT",
    "MINUS",
    "INTERSECT",
    "WINDOW",
    "QUALIFY",
    "VALUES",
    "SET",
    "RETURNING",
];

/// Words that may stand before a table and are none.
const BEFORE_TABLES: &[&str] = &["LATERAL", "ONLY", "TABLE", "UNNEST"];

/// Where a table may stand within one pair of parentheses.
#[derive(Debug, Clone, Copy, Default)]
struct Scope {
    /// Whether a comma separates tables.
    in_from: bool,
    /// Whether a table may come next.
    expects_table: bool,
}

/// Rewrites the tables of a statement that are named with a version, or as `table.metadata_table`.
///
/// # Errors
/// A clause that is begun and not well formed.
pub(super) fn rewrite(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>> {
    let first = tokens.iter().find(|token| is_significant(token)).map(|first| &first.token);
    if first.is_some_and(|first| is_word(first, "SHOW")) {
        return Ok(tokens);
    }
    // DELETE FROM names what is changed, which has no versions.
    let mut is_target = first.is_some_and(|first| is_word(first, "DELETE"));
    let mut rewritten = Vec::with_capacity(tokens.len());
    let mut scopes = vec![Scope::default()];
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let scope = scopes.last().copied().unwrap_or_default();
        if scope.expects_table
            && is_significant(token)
            && let Some(table) = table(tokens.get(at..).unwrap_or_default())?
        {
            rewritten.extend(table.name);
            at += table.read;
            if let Some(scope) = scopes.last_mut() {
                scope.expects_table = false;
            }
            continue;
        }
        if is_target && is_word(&token.token, "FROM") {
            is_target = false;
        } else {
            step(&mut scopes, token);
        }
        rewritten.push(token.clone());
        at += 1;
    }
    Ok(rewritten)
}

fn step(scopes: &mut Vec<Scope>, token: &TokenWithSpan) {
    let depth = scopes.len();
    let Some(scope) = scopes.last_mut() else { return };
    let expected = std::mem::take(&mut scope.expects_table);
    match &token.token {
        Token::Whitespace(_) => scope.expects_table = expected,
        Token::Comma => scope.expects_table = scope.in_from,
        Token::LParen => scopes.push(Scope { in_from: expected, expects_table: expected }),
        Token::RParen if depth > 1 => {
            scopes.pop();
        }
        word if is_word(word, "FROM") || is_word(word, "JOIN") => {
            *scope = Scope { in_from: true, expects_table: true };
        }
        word if NO_TABLES.iter().any(|other| is_word(word, other)) => scope.in_from = false,
        _ => {}
    }
}

/// A table in its new words.
struct Rewritten {
    name: Vec<TokenWithSpan>,
    /// Tokens of the statement that it stands for.
    read: usize,
}

/// The table that these tokens begin with, if it is to be rewritten.
fn table(tokens: &[TokenWithSpan]) -> Result<Option<Rewritten>> {
    let mut cursor = Cursor::new(tokens);
    if BEFORE_TABLES.iter().any(|word| cursor.sees(&[word])) {
        return Ok(None);
    }
    if let Some(name) = added_rows::call(&mut cursor)? {
        return Ok(Some(Rewritten { name, read: cursor.position() }));
    }
    let Ok(parts) = cursor.name("the name of a table") else { return Ok(None) };
    let mut read = cursor.position();
    let version = version::clause(&mut cursor)?;
    if version.is_some() {
        read = cursor.position();
    }
    let (kept, last) = match joined(&parts) {
        Some(joined) => (parts.len().saturating_sub(2), joined),
        None if version.is_none() => return Ok(None),
        None => (parts.len().saturating_sub(1), parts.last().cloned().unwrap_or_default()),
    };
    let span = tokens.first().map(|first| first.span).unwrap_or_else(Span::empty);
    let last = Reference { table: last, version }.encode();
    let parts = parts.into_iter().take(kept).chain([last]).collect::<Vec<_>>();
    Ok(Some(Rewritten { name: name(&parts, span), read }))
}

/// `catalog.namespace.table.files` as Spark has it is `catalog.namespace."table$files"`: no table has four names.
fn joined(parts: &[String]) -> Option<String> {
    let [_, _, table, metadata] = parts else { return None };
    MetadataTable::named(metadata).map(|metadata| format!("{table}${}", metadata.name()))
}

/// A name in tokens, all at one place.
pub(super) fn name(parts: &[String], span: Span) -> Vec<TokenWithSpan> {
    let mut tokens = Vec::with_capacity(parts.len() * 2);
    for part in parts {
        let word = Word { value: part.clone(), quote_style: Some('"'), keyword: Keyword::NoKeyword };
        tokens.push(TokenWithSpan::new(Token::Word(word), span));
        tokens.push(TokenWithSpan::new(Token::Period, span));
    }
    tokens.pop();
    tokens
}

#[cfg(test)]
mod tests;
