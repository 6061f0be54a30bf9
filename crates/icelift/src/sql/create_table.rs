//! `CREATE TABLE`: Spark's clauses, in any order, before or after the query.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::columns::{self, Column};
use super::cursor::{Cursor, set_once, string_value};
use super::options::{self, Keys};
use super::partition::{self, PartitionField};
use super::query;
use super::tokens::sql_error;
use crate::error::Result;

/// `CREATE [OR REPLACE] TABLE [IF NOT EXISTS] name …`
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CreateTable {
    pub name: Vec<String>,
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub columns: Option<Vec<Column>>,
    pub comment: Option<String>,
    pub partition_by: Vec<PartitionField>,
    pub properties: BTreeMap<String, String>,
    pub location: Option<String>,
    pub source: TableSource,
}

/// Where the columns, and perhaps the rows, of a new table come from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TableSource {
    /// The list of columns.
    Columns,
    /// The columns of another table.
    Like(Vec<String>),
    /// A query.
    Query(Box<ast::Query>),
}

/// What stands before the clauses.
pub(super) struct Head {
    pub name: Vec<String>,
    or_replace: bool,
    if_not_exists: bool,
}

/// The clauses read so far.
#[derive(Default)]
struct Clauses {
    columns: Option<Vec<Column>>,
    comment: Option<String>,
    partition_by: Option<Vec<PartitionField>>,
    properties: Option<BTreeMap<String, String>>,
    location: Option<String>,
    source: Option<TableSource>,
}

/// Reads `CREATE TABLE …`.
pub(super) fn create_table(cursor: &mut Cursor<'_>) -> Result<CreateTable> {
    let Head { name, or_replace, if_not_exists } = head(cursor)?;
    let mut clauses = Clauses::default();
    if cursor.peek().token == Token::LParen {
        clauses.parentheses(cursor)?;
    }
    while cursor.peek().token != Token::EOF {
        clauses.next(cursor)?;
    }
    let source = match (clauses.source, &clauses.columns) {
        (Some(source), _) => source,
        (None, Some(_)) => TableSource::Columns,
        (None, None) => return Err(cursor.expected("a list of columns, LIKE or AS with a query")),
    };
    Ok(CreateTable {
        name,
        or_replace,
        if_not_exists,
        columns: clauses.columns,
        comment: clauses.comment,
        partition_by: clauses.partition_by.unwrap_or_default(),
        properties: clauses.properties.unwrap_or_default(),
        location: clauses.location,
        source,
    })
}

/// Reads up to the name of the table.
pub(super) fn head(cursor: &mut Cursor<'_>) -> Result<Head> {
    cursor.expect_words(&["CREATE"], "first")?;
    let place = cursor.place();
    let or_replace = cursor.words(&["OR", "REPLACE"]);
    cursor.expect_words(&["TABLE"], "after CREATE")?;
    let if_not_exists = cursor.words(&["IF", "NOT", "EXISTS"]);
    if or_replace && if_not_exists {
        return Err(sql_error("OR REPLACE excludes IF NOT EXISTS", place));
    }
    Ok(Head { name: cursor.name("the name of a table")?, or_replace, if_not_exists })
}

impl Clauses {
    /// Reads the list of columns, or `(LIKE other)`.
    fn parentheses(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        let mut inside = cursor.clone();
        inside.step();
        if inside.words(&["LIKE"]) && matches!(inside.peek().token, Token::Word(_)) {
            self.source = Some(TableSource::Like(inside.name("the name of a table")?));
            inside.expect_symbol(&Token::RParen, "after the name of a table")?;
            *cursor = inside;
        } else {
            self.columns = Some(columns::columns(cursor)?);
        }
        Ok(())
    }

    /// Reads one clause.
    fn next(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        let place = cursor.place();
        if cursor.words(&["PARTITIONED", "BY"]) {
            set_once(&mut self.partition_by, partition::fields(cursor)?, "PARTITIONED BY", place)
        } else if cursor.words(&["TBLPROPERTIES"]) {
            set_once(&mut self.properties, options::parse(cursor, Keys::Kept)?, "TBLPROPERTIES", place)
        } else if cursor.words(&["COMMENT"]) {
            set_once(&mut self.comment, cursor.string("a comment between single quotes")?, "COMMENT", place)
        } else if cursor.words(&["LOCATION"]) {
            set_once(&mut self.location, cursor.string("a location between single quotes")?, "LOCATION", place)
        } else if cursor.words(&["LIKE"]) {
            if self.columns.is_some() {
                return Err(sql_error("LIKE excludes a list of columns", place));
            }
            set_once(&mut self.source, TableSource::Like(cursor.name("the name of a table")?), "LIKE or AS", place)
        } else if cursor.words(&["AS"]) {
            let query = query::parse(cursor.take_until(begins_clause))?;
            set_once(&mut self.source, TableSource::Query(query), "LIKE or AS", place)
        } else {
            Err(cursor.expected("PARTITIONED BY, TBLPROPERTIES, COMMENT, LOCATION, LIKE or AS"))
        }
    }
}

/// Tells whether a clause begins here behind a query, where sqlparser would take its first word for an alias.
fn begins_clause(cursor: &Cursor<'_>) -> bool {
    let says = |cursor: &Cursor<'_>| string_value(&cursor.peek_nth(1).token).is_some();
    cursor.sees(&["PARTITIONED", "BY"])
        || (cursor.sees(&["TBLPROPERTIES"]) && cursor.peek_nth(1).token == Token::LParen)
        || (cursor.sees(&["COMMENT"]) && says(cursor))
        || (cursor.sees(&["LOCATION"]) && says(cursor))
}

#[cfg(test)]
mod tests;
