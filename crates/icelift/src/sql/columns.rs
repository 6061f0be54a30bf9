//! Columns and their types, in the spellings of Iceberg, Spark and standard SQL.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::tokenizer::{Token, Word};

use super::cursor::Cursor;
use super::tokens::{sql_error, unsupported};
use crate::error::Result;

mod types;

/// A column of a table or a field of a struct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub name: String,
    pub data_type: ColumnType,
    pub required: bool,
    pub comment: Option<String>,
}

/// The types that Iceberg has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ColumnType {
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Decimal { precision: u32, scale: u32 },
    Date,
    Time,
    Timestamp,
    TimestampTz,
    TimestampNs,
    TimestampTzNs,
    String,
    Uuid,
    Fixed(u64),
    Binary,
    Struct(Vec<Column>),
    List { element: Box<ColumnType>, element_required: bool },
    Map { key: Box<ColumnType>, value: Box<ColumnType>, value_required: bool },
}

/// Reads `(name type [NOT NULL] [COMMENT '…'], …)`.
pub(super) fn columns(cursor: &mut Cursor<'_>) -> Result<Vec<Column>> {
    cursor.expect_symbol(&Token::LParen, "before the columns")?;
    let mut columns = Vec::new();
    let mut seen = BTreeSet::new();
    loop {
        refuse_constraint(cursor)?;
        let place = cursor.place();
        let name = cursor.identifier("the name of a column")?;
        if !seen.insert(name.clone()) {
            return Err(sql_error(format!("column `{name}` is given twice, again"), place));
        }
        let data_type = types::parse(cursor)?;
        let (required, comment) = attributes(cursor)?;
        columns.push(Column { name, data_type, required, comment });
        if cursor.symbol(&Token::RParen) {
            return Ok(columns);
        }
        if !cursor.symbol(&Token::Comma) {
            return Err(cursor.expected("NOT NULL, COMMENT, `,` or `)` after a column"));
        }
    }
}

/// Reads `NOT NULL` and `COMMENT '…'` in either order.
fn attributes(cursor: &mut Cursor<'_>) -> Result<(bool, Option<String>)> {
    let (mut nullable, mut comment) = (None, None);
    loop {
        let unset = nullable.is_none();
        if unset && cursor.words(&["NOT", "NULL"]) {
            nullable = Some(false);
        } else if unset && cursor.words(&["NULL"]) {
            nullable = Some(true);
        } else if comment.is_none() && cursor.words(&["COMMENT"]) {
            comment = Some(cursor.string("a comment between single quotes")?);
        } else {
            refuse_attribute(cursor)?;
            return Ok((nullable == Some(false), comment));
        }
    }
}

/// Reads one type.
pub(super) fn data_type(cursor: &mut Cursor<'_>) -> Result<ColumnType> {
    types::parse(cursor)
}

/// Fails at what other databases can say about a column.
pub(super) fn refuse_attribute(cursor: &Cursor<'_>) -> Result<()> {
    for words in [&["PRIMARY", "KEY"][..], &["DEFAULT"], &["UNIQUE"], &["CHECK"], &["REFERENCES"], &["GENERATED"]] {
        if cursor.sees(words) {
            return Err(unsupported(format!("{} is not supported for a column", words.join(" ")), cursor.place()));
        }
    }
    Ok(())
}

/// Fails at a constraint in the place of a column.
fn refuse_constraint(cursor: &Cursor<'_>) -> Result<()> {
    let parenthesis = cursor.peek_nth(1).token == Token::LParen;
    let named = cursor.sees(&["PRIMARY", "KEY"]) || cursor.sees(&["FOREIGN", "KEY"]);
    let checked = parenthesis && (cursor.sees(&["UNIQUE"]) || cursor.sees(&["CHECK"]));
    let constraint = cursor.sees(&["CONSTRAINT"])
        && matches!(&cursor.peek_nth(2).token, Token::Word(Word { quote_style: None, value, .. })
            if ["PRIMARY", "FOREIGN", "UNIQUE", "CHECK"].iter().any(|word| value.eq_ignore_ascii_case(word)));
    if named || checked || constraint {
        return Err(unsupported("Iceberg tables have no constraints; one begins", cursor.place()));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
