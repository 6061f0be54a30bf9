//! `ALTER TABLE`: Spark's words, and those of Iceberg's SQL extensions.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::{Cursor, string_value};
use super::options::{self, Keys};
use super::tokens::{sql_error, unsupported};
use crate::error::Result;

mod columns;
mod layout;

pub(crate) use columns::{AddedColumn, ColumnAction, Position};
pub(crate) use layout::{Distribution, OrderField};

use super::PartitionField;

/// What an error offers.
const CHANGES: &str = "ADD COLUMN, DROP COLUMN, RENAME COLUMN, ALTER COLUMN, ADD PARTITION FIELD, DROP PARTITION FIELD, \
                       REPLACE PARTITION FIELD, WRITE, SET IDENTIFIER FIELDS, DROP IDENTIFIER FIELDS, SET TBLPROPERTIES, \
                       UNSET TBLPROPERTIES or RENAME TO";

/// `ALTER TABLE name …`
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AlterTable {
    pub table: Vec<String>,
    pub change: TableChange,
}

/// What is to change. A column is a path: `element` leads into a list, `value` into a map.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TableChange {
    AddColumns {
        columns: Vec<AddedColumn>,
        if_not_exists: bool,
    },
    DropColumns {
        columns: Vec<Vec<String>>,
        if_exists: bool,
    },
    RenameColumn {
        column: Vec<String>,
        to: String,
    },
    AlterColumn {
        column: Vec<String>,
        actions: Vec<ColumnAction>,
    },
    AddPartitionField(PartitionField),
    /// The field has this name, or is made like this.
    DropPartitionField(PartitionField),
    ReplacePartitionField {
        field: PartitionField,
        with: PartitionField,
    },
    WriteOrder {
        /// `None` leaves the order as it is.
        fields: Option<Vec<OrderField>>,
        distribution: Distribution,
    },
    SetIdentifierFields(Vec<Vec<String>>),
    DropIdentifierFields(Vec<Vec<String>>),
    SetProperties(BTreeMap<String, String>),
    UnsetProperties {
        keys: BTreeSet<String>,
        if_exists: bool,
    },
    RenameTable(Vec<String>),
}

/// Reads `ALTER TABLE …`.
pub(super) fn alter_table(cursor: &mut Cursor<'_>) -> Result<AlterTable> {
    let table = head(cursor)?;
    let change = change(cursor)?;
    cursor.end()?;
    Ok(AlterTable { table, change })
}

/// Reads up to the name of the table.
pub(super) fn head(cursor: &mut Cursor<'_>) -> Result<Vec<String>> {
    cursor.expect_words(&["ALTER", "TABLE"], "first")?;
    cursor.name("the name of a table")
}

fn change(cursor: &mut Cursor<'_>) -> Result<TableChange> {
    let place = cursor.place();
    if cursor.words(&["ADD", "PARTITION", "FIELD"]) {
        return layout::added_field(cursor);
    }
    if cursor.words(&["DROP", "PARTITION", "FIELD"]) {
        return layout::dropped_field(cursor);
    }
    if cursor.words(&["REPLACE", "PARTITION", "FIELD"]) {
        return layout::replaced_field(cursor);
    }
    if cursor.words(&["WRITE"]) {
        return layout::order(cursor);
    }
    if cursor.words(&["SET", "IDENTIFIER", "FIELDS"]) {
        return Ok(TableChange::SetIdentifierFields(paths(cursor)?));
    }
    if cursor.words(&["DROP", "IDENTIFIER", "FIELDS"]) {
        return Ok(TableChange::DropIdentifierFields(paths(cursor)?));
    }
    if cursor.words(&["SET", "TBLPROPERTIES"]) {
        return Ok(TableChange::SetProperties(options::parse(cursor, Keys::Kept)?));
    }
    if cursor.words(&["UNSET", "TBLPROPERTIES"]) {
        return unset(cursor);
    }
    if cursor.words(&["RENAME", "TO"]) {
        return Ok(TableChange::RenameTable(cursor.name("the new name of the table")?));
    }
    for other in [&["ADD", "PARTITION"][..], &["DROP", "PARTITION"], &["SET", "LOCATION"], &["REPLACE", "COLUMNS"]] {
        if cursor.sees(other) {
            let message = format!("ALTER TABLE … {} is not supported; it begins", other.join(" "));
            return Err(unsupported(message, place).hint(format!("the changes are {CHANGES}")));
        }
    }
    match columns::change(cursor)? {
        Some(change) => Ok(change),
        None => Err(cursor.expected(CHANGES)),
    }
}

/// Reads `[IF EXISTS] ('key', …)`.
fn unset(cursor: &mut Cursor<'_>) -> Result<TableChange> {
    let if_exists = cursor.words(&["IF", "EXISTS"]);
    cursor.expect_symbol(&Token::LParen, "before the keys")?;
    let mut keys = BTreeSet::new();
    loop {
        let place = cursor.place();
        let key = match string_value(&cursor.peek().token) {
            Some(_) => cursor.string("a key")?,
            None => cursor.name("the key of a property between single quotes")?.join("."),
        };
        if !keys.insert(key.clone()) {
            return Err(sql_error(format!("the key `{key}` is given twice, again"), place));
        }
        if cursor.symbol(&Token::RParen) {
            return Ok(TableChange::UnsetProperties { keys, if_exists });
        }
        if !cursor.symbol(&Token::Comma) {
            return Err(cursor.expected("`,` or `)` after a key"));
        }
    }
}

/// Reads `a, b.c`, with or without parentheses.
fn paths(cursor: &mut Cursor<'_>) -> Result<Vec<Vec<String>>> {
    let in_parentheses = cursor.symbol(&Token::LParen);
    let mut paths = Vec::new();
    loop {
        let place = cursor.place();
        let path = cursor.name("the name of a column")?;
        if paths.contains(&path) {
            return Err(sql_error(format!("column `{}` is given twice, again", path.join(".")), place));
        }
        paths.push(path);
        if !cursor.symbol(&Token::Comma) {
            break;
        }
    }
    if in_parentheses {
        cursor.expect_symbol(&Token::RParen, "after the columns")?;
    }
    Ok(paths)
}

#[cfg(test)]
mod tests;
