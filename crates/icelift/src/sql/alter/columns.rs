//! The part of `ALTER TABLE` that is about columns.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::{TableChange, paths};
use crate::error::Result;
use crate::sql::columns::{self, Column, ColumnType};
use crate::sql::cursor::{Cursor, set_once};
use crate::sql::tokens::sql_error;

/// A column to add.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AddedColumn {
    /// The struct that it goes into; empty for the table itself.
    pub parent: Vec<String>,
    pub column: Column,
    pub position: Option<Position>,
}

/// Where a column goes among its siblings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Position {
    First,
    After(String),
}

/// What happens to a column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ColumnAction {
    Type(ColumnType),
    SetNotNull,
    DropNotNull,
    Comment(String),
    Move(Position),
}

/// Reads a change of columns; `None` if none begins.
pub(super) fn change(cursor: &mut Cursor<'_>) -> Result<Option<TableChange>> {
    Ok(Some(if words_of_columns(cursor, "ADD") {
        add(cursor)?
    } else if words_of_columns(cursor, "DROP") {
        let if_exists = cursor.words(&["IF", "EXISTS"]);
        TableChange::DropColumns { columns: paths(cursor)?, if_exists }
    } else if cursor.words(&["RENAME", "COLUMN"]) {
        let column = cursor.name("the name of a column")?;
        cursor.expect_words(&["TO"], "after the name of the column")?;
        TableChange::RenameColumn { column, to: cursor.identifier("the new name of the column")? }
    } else if cursor.words(&["ALTER"]) || cursor.words(&["CHANGE"]) {
        cursor.words(&["COLUMN"]);
        let column = cursor.name("the name of a column")?;
        TableChange::AlterColumn { column, actions: actions(cursor)? }
    } else {
        return Ok(None);
    }))
}

fn words_of_columns(cursor: &mut Cursor<'_>, verb: &str) -> bool {
    cursor.words(&[verb, "COLUMN"]) || cursor.words(&[verb, "COLUMNS"])
}

/// Reads `[IF NOT EXISTS] name type …, …`, with or without parentheses.
fn add(cursor: &mut Cursor<'_>) -> Result<TableChange> {
    let if_not_exists = cursor.words(&["IF", "NOT", "EXISTS"]);
    let in_parentheses = cursor.symbol(&Token::LParen);
    let mut added = Vec::<AddedColumn>::new();
    loop {
        let place = cursor.place();
        let column = added_column(cursor)?;
        let twice = |it: &AddedColumn| it.parent == column.parent && it.column.name == column.column.name;
        if added.iter().any(twice) {
            return Err(sql_error(format!("column `{}` is given twice, again", column.column.name), place));
        }
        added.push(column);
        if !cursor.symbol(&Token::Comma) {
            break;
        }
    }
    if in_parentheses && !cursor.symbol(&Token::RParen) {
        return Err(cursor.expected("NOT NULL, COMMENT, FIRST, AFTER, `,` or `)` after a column"));
    }
    Ok(TableChange::AddColumns { columns: added, if_not_exists })
}

fn added_column(cursor: &mut Cursor<'_>) -> Result<AddedColumn> {
    let mut parent = cursor.name("the name of a column")?;
    let name = parent.pop().unwrap_or_default();
    let data_type = columns::data_type(cursor)?;
    let (mut nullable, mut comment, mut position) = (None, None, None);
    loop {
        let place = cursor.place();
        if cursor.words(&["NOT", "NULL"]) {
            set_once(&mut nullable, false, "NULL or NOT NULL", place)?;
        } else if cursor.words(&["NULL"]) {
            set_once(&mut nullable, true, "NULL or NOT NULL", place)?;
        } else if cursor.words(&["COMMENT"]) {
            set_once(&mut comment, cursor.string("a comment between single quotes")?, "COMMENT", place)?;
        } else if let Some(given) = read_position(cursor)? {
            set_once(&mut position, given, "FIRST or AFTER", place)?;
        } else {
            columns::refuse_attribute(cursor)?;
            break;
        }
    }
    let column = Column { name, data_type, required: nullable == Some(false), comment };
    Ok(AddedColumn { parent, column, position })
}

/// Reads `FIRST` or `AFTER name`, if one comes next.
fn read_position(cursor: &mut Cursor<'_>) -> Result<Option<Position>> {
    if cursor.words(&["FIRST"]) {
        return Ok(Some(Position::First));
    }
    if cursor.words(&["AFTER"]) {
        return Ok(Some(Position::After(cursor.identifier("the name of a column beside it")?)));
    }
    Ok(None)
}

/// Reads what happens to one column, each sort of change at most once.
fn actions(cursor: &mut Cursor<'_>) -> Result<Vec<ColumnAction>> {
    let mut actions = Vec::new();
    while cursor.peek().token != Token::EOF || actions.is_empty() {
        let place = cursor.place();
        let action = action(cursor)?;
        let same = |other: &ColumnAction| sort_of(other) == sort_of(&action);
        if actions.iter().any(same) {
            return Err(sql_error(format!("{} is given twice, again", sort_of(&action)), place));
        }
        actions.push(action);
    }
    Ok(actions)
}

fn action(cursor: &mut Cursor<'_>) -> Result<ColumnAction> {
    if cursor.words(&["TYPE"]) || cursor.words(&["SET", "DATA", "TYPE"]) {
        return Ok(ColumnAction::Type(columns::data_type(cursor)?));
    }
    if cursor.words(&["SET", "NOT", "NULL"]) {
        return Ok(ColumnAction::SetNotNull);
    }
    if cursor.words(&["DROP", "NOT", "NULL"]) {
        return Ok(ColumnAction::DropNotNull);
    }
    if cursor.words(&["COMMENT"]) {
        return Ok(ColumnAction::Comment(cursor.string("a comment between single quotes")?));
    }
    match read_position(cursor)? {
        Some(position) => Ok(ColumnAction::Move(position)),
        None => Err(cursor.expected("TYPE, SET NOT NULL, DROP NOT NULL, COMMENT, FIRST or AFTER")),
    }
}

fn sort_of(action: &ColumnAction) -> &'static str {
    match action {
        ColumnAction::Type(_) => "TYPE",
        ColumnAction::SetNotNull | ColumnAction::DropNotNull => "NOT NULL",
        ColumnAction::Comment(_) => "COMMENT",
        ColumnAction::Move(_) => "FIRST or AFTER",
    }
}
