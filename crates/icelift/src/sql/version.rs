//! Versions of a table: `FOR VERSION AS OF`, `FOR TIMESTAMP AS OF`, and the rows that came between two of them.
//!
//! No dialect of sqlparser takes these clauses as Spark has them, and DataFusion's planner would leave out what it reads.
//! So a version becomes part of the table's name before parsing ([`super::references`]), and whoever looks the table up
//! takes the name apart again. What must hold: a name that says no version is left as it is.

use std::fmt;

use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::{Cursor, string_value};
use super::tokens::{from_parser, sql_error};
use crate::error::Result;

/// Which version of a table a statement means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Version {
    /// The snapshot of this id.
    Snapshot(i64),
    /// A branch, a tag, or the digits of a snapshot's id.
    Named(String),
    /// What the table was at a point in time: the text of a constant expression.
    Timestamp(String),
    /// The rows that came after the first version, up to the second one: the newest of the main branch unless it is given.
    Added { after: Box<Version>, up_to: Option<Box<Version>> },
}

/// The name of a table as a statement has it, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub table: String,
    pub version: Option<Version>,
}

/// Stands between a name and its version. To look at it is a space, but nobody types it into a name.
const MARK: char = '\u{a0}';

const VERSION: &str = "FOR VERSION AS OF ";
const TIMESTAMP: &str = "FOR TIMESTAMP AS OF ";
const ADDED: &str = "ROWS ADDED AFTER ";
const UP_TO: &str = " UP TO ";

/// The clause as it would be typed.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Snapshot(id) => write!(f, "{VERSION}{id}"),
            Self::Named(name) => write!(f, "{VERSION}{}", string_literal(name)),
            Self::Timestamp(expression) => write!(f, "{TIMESTAMP}{expression}"),
            Self::Added { after, up_to } => {
                write!(f, "{ADDED}{}", after.bare())?;
                up_to.as_ref().map_or(Ok(()), |up_to| write!(f, "{UP_TO}{}", up_to.bare()))
            }
        }
    }
}

impl Version {
    /// The version without the words of its clause.
    fn bare(&self) -> String {
        let clause = self.to_string();
        clause.strip_prefix(VERSION).map_or_else(|| clause.clone(), str::to_string)
    }

    /// What a clause says, as [`Display`](fmt::Display) writes it.
    fn decode(clause: &str) -> Option<Self> {
        if let Some(version) = clause.strip_prefix(VERSION) {
            return Self::decode_bare(version);
        }
        if let Some(expression) = clause.strip_prefix(TIMESTAMP) {
            return Some(Self::Timestamp(expression.to_string()));
        }
        let added = clause.strip_prefix(ADDED)?;
        // A name may hold the words between the two.
        let mut splits = added.match_indices(UP_TO).map(|(at, _)| (&added[..at], Some(&added[at + UP_TO.len()..])));
        let whole = || std::iter::once((added, None));
        splits.by_ref().chain(whole()).find_map(|(after, up_to)| {
            let after = Box::new(Self::decode_bare(after)?);
            let up_to = match up_to {
                Some(up_to) => Some(Box::new(Self::decode_bare(up_to)?)),
                None => None,
            };
            Some(Self::Added { after, up_to })
        })
    }

    fn decode_bare(version: &str) -> Option<Self> {
        if let Ok(id) = version.parse() {
            return Some(Self::Snapshot(id));
        }
        let quoted = version.strip_prefix('\'')?.strip_suffix('\'')?;
        let name = quoted.replace("''", "'");
        (string_literal(&name) == version).then_some(Self::Named(name))
    }
}

impl Reference {
    /// The reference as one name.
    pub fn encode(&self) -> String {
        match &self.version {
            Some(version) => format!("{}{MARK}{version}", self.table),
            None => self.table.clone(),
        }
    }

    /// Takes a name apart.
    pub fn decode(name: &str) -> Self {
        let decoded = name.match_indices(MARK).find_map(|(at, mark)| {
            let version = Version::decode(&name[at + mark.len()..])?;
            Some(Self { table: name[..at].to_string(), version: Some(version) })
        });
        decoded.unwrap_or_else(|| Self { table: name.to_string(), version: None })
    }
}

fn string_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

const VALUE: &str = "the id of a snapshot, or the name of a branch or tag between single quotes";

/// Reads a clause that says a version, if one comes next.
pub(super) fn clause(cursor: &mut Cursor<'_>) -> Result<Option<Version>> {
    for word in ["VERSION", "SYSTEM_VERSION"] {
        if cursor.words(&["FOR", word, "AS", "OF"]) || cursor.words(&[word, "AS", "OF"]) {
            return value(cursor).map(Some);
        }
    }
    for word in ["TIMESTAMP", "SYSTEM_TIME"] {
        if cursor.words(&["FOR", word, "AS", "OF"]) || cursor.words(&[word, "AS", "OF"]) {
            return Ok(Some(Version::Timestamp(expression(cursor)?)));
        }
    }
    Ok(None)
}

/// Reads what VERSION AS OF says.
fn value(cursor: &mut Cursor<'_>) -> Result<Version> {
    let place = cursor.place();
    if let Some(name) = string_value(&cursor.peek().token) {
        let name = name.to_string();
        cursor.step();
        return Ok(Version::Named(name));
    }
    if !matches!(cursor.peek().token, Token::Number(_, false)) {
        return Err(cursor.expected(VALUE));
    }
    let digits = cursor.signed_number().unwrap_or_default();
    let id = digits.parse().map_err(|_| sql_error(format!("`{digits}` is not the id of a snapshot, given"), place))?;
    Ok(Version::Snapshot(id))
}

/// Reads an expression, as DataFusion's parser does, and gives its text.
fn expression(cursor: &mut Cursor<'_>) -> Result<String> {
    let rest = cursor.rest().to_vec();
    let mut parser = Parser::new(&GenericDialect {}).with_tokens_with_locations(rest);
    let parsed: Expr = parser.parse_expr().map_err(|error| from_parser(&error))?;
    let read = parser.index();
    cursor.skip(read);
    Ok(parsed.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_as_they_were_put_together() {
        let named = |name: &str| Version::Named(name.to_string());
        let added =
            |after, up_to: Option<Version>| Version::Added { after: Box::new(after), up_to: up_to.map(Box::new) };
        for version in [
            Version::Snapshot(i64::MAX),
            named("main"),
            named("it's 'quoted' UP TO 'x'"),
            named(""),
            named("123"),
            Version::Timestamp("TIMESTAMP '2019-01-01' - INTERVAL '1' DAY".to_string()),
            added(Version::Snapshot(1), None),
            added(named("a' UP TO 'b"), Some(named("c UP TO 'd'"))),
            added(Version::Snapshot(1), Some(Version::Snapshot(2))),
        ] {
            for table in ["t", "t$files", "a\u{a0}b", "FOR VERSION AS OF 1", ""] {
                let reference = Reference { table: table.to_string(), version: Some(version.clone()) };
                assert_eq!(Reference::decode(&reference.encode()), reference);
            }
        }
    }

    #[test]
    fn other_names_say_no_version() {
        for name in ["t", "t FOR VERSION AS OF 1", "t\u{a0}x", "\u{a0}", "t\u{a0}FOR VERSION AS OF x", "t\u{a0}FOR"] {
            let expected = Reference { table: name.to_string(), version: None };
            assert_eq!(Reference::decode(name), expected);
            assert_eq!(expected.encode(), name);
        }
    }
}
