//! `added_rows(table, start_snapshot_id, end_snapshot_id)`: a table function that is read before the statement is parsed.
//!
//! DataFusion asks a table function for its columns at once, and those of a table are known only when its metadata was
//! read. So the call becomes a name that says which version is meant, as the other clauses do.

use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan};

use super::call::{self, Arguments, Value};
use super::cursor::{Cursor, is_word};
use super::references;
use super::tokens::sql_error;
use super::version::{Reference, Version};
use crate::error::{Error, Result};

/// The name of the function.
pub(super) const NAME: &str = "added_rows";

const PARAMETERS: [&str; 3] = ["table", "start_snapshot_id", "end_snapshot_id"];

const SIGNATURE: &str = "added_rows('catalog.schema.table', start_snapshot_id[, end_snapshot_id]), each also by name: \
                         start_snapshot_id => …";

/// Reads a call of the function, if one comes next, and gives the name that stands for it.
pub(super) fn call(cursor: &mut Cursor<'_>) -> Result<Option<Vec<TokenWithSpan>>> {
    if !is_word(&cursor.peek().token, NAME) || cursor.peek_nth(1).token != Token::LParen {
        return Ok(None);
    }
    let span = cursor.peek().span;
    cursor.step();
    let [table, after, up_to] = bound(call::arguments(cursor)?, span.start)?;
    let wrong = |what: String| sql_error(what, span.start).hint(SIGNATURE);
    let Some(Value::String(table)) = table else {
        return Err(wrong("added_rows takes the name of the table as a string; it is called".to_string()));
    };
    let after = version(after, PARAMETERS[1], span.start)?
        .ok_or_else(|| wrong("added_rows takes the snapshot behind which rows are wanted; it is called".to_string()))?;
    let up_to = version(up_to, PARAMETERS[2], span.start)?;
    let version = Version::Added { after: Box::new(after), up_to: up_to.map(Box::new) };
    named(&table, version, span).map(Some)
}

/// The arguments in the order of the parameters.
fn bound(arguments: Arguments, place: Location) -> Result<[Option<Value>; 3]> {
    let mut bound = [None, None, None];
    let wrong = |what: String| -> Error { sql_error(what, place).hint(SIGNATURE) };
    match arguments {
        Arguments::Positional(values) if values.len() > bound.len() => {
            return Err(wrong(format!("added_rows takes 2 or 3 arguments, not {}; it is called", values.len())));
        }
        Arguments::Positional(values) => {
            for (slot, value) in bound.iter_mut().zip(values) {
                *slot = Some(value);
            }
        }
        Arguments::Named(values) => {
            for (name, value) in values {
                let slot = PARAMETERS.iter().position(|parameter| *parameter == name).and_then(|at| bound.get_mut(at));
                *slot.ok_or_else(|| wrong(format!("added_rows has no argument `{name}`; it is called")))? = Some(value);
            }
        }
    }
    Ok(bound)
}

fn version(value: Option<Value>, parameter: &str, place: Location) -> Result<Option<Version>> {
    let snapshot = |digits: &str| digits.parse().ok().map(Version::Snapshot);
    let version = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(digits)) => snapshot(&digits),
        Some(Value::String(name)) => Some(Version::Named(name)),
        Some(_) => None,
    };
    version.map(Some).ok_or_else(|| {
        let message =
            format!("`{parameter}` of added_rows is the id of a snapshot, or the name of a branch or tag; called");
        sql_error(message, place).hint(SIGNATURE)
    })
}

/// The table's name with the version in it.
fn named(table: &str, version: Version, span: Span) -> Result<Vec<TokenWithSpan>> {
    let mut parts = super::parse_name(table)?;
    let table = parts.pop().unwrap_or_default();
    // DataFusion's names have at most three parts, so that the levels of a namespace are one.
    let levels = parts.split_off(parts.len().min(1));
    let levels = if levels.is_empty() { None } else { Some(levels.join(".")) };
    let table = Reference { table, version: Some(version) }.encode();
    let parts = parts.into_iter().chain(levels).chain([table]).collect::<Vec<_>>();
    Ok(references::name(&parts, span))
}
