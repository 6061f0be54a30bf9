//! `MIGRATE TABLE`: the query part, then clauses in any order.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast::{self, Expr, SelectItem};
use datafusion::sql::sqlparser::tokenizer::{Location, Token};

use super::cursor::{Cursor, is_word, set_once};
use super::options::{self, Keys};
use super::partition::{self, PartitionField};
use super::query;
use super::tokens::{is_significant, sql_error, unsupported};
use super::unbuilt;
use super::version::{self, Version};
use super::wording::wording;
use crate::error::Result;

mod settings;

pub use settings::ReportFormat;
pub(crate) use settings::{MigrateOptions, OnError, ReportFile, option_names};

/// `MIGRATE TABLE source TO target …`
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Migrate {
    pub source: Vec<String>,
    /// The version of the source that is to be copied; the newest unless set.
    pub version: Option<Version>,
    pub target: Vec<String>,
    /// `SELECT items FROM source [WHERE filter]`; the items are `*` unless they are given.
    pub query: Box<ast::Query>,
    /// The words of the items. Texts that differ only in space, comments and the case of words without quotes are one.
    pub select_text: Option<String>,
    /// The words of the filter, likewise.
    pub where_text: Option<String>,
    pub partition_by: Option<Vec<PartitionField>>,
    /// What makes a batch. Any transform is read; it has no name of its own.
    pub batch_by: Option<PartitionField>,
    pub properties: BTreeMap<String, String>,
    pub options: MigrateOptions,
}

/// What an error offers.
const CLAUSES: &str = "PARTITIONED BY, BATCH BY, TBLPROPERTIES or WITH (…)";

/// What a query has and a migration has not: each row of the source is looked at alone.
const REFUSED: &[&[&str]] = &[
    &["FROM"],
    &["GROUP", "BY"],
    &["HAVING"],
    &["ORDER", "BY"],
    &["SORT", "BY"],
    &["LIMIT"],
    &["OFFSET"],
    &["UNION"],
    &["INTERSECT"],
];

/// The clauses read so far.
#[derive(Default)]
struct Clauses {
    select: Option<(Vec<SelectItem>, String)>,
    filter: Option<(Expr, String)>,
    partition_by: Option<Vec<PartitionField>>,
    batch_by: Option<PartitionField>,
    properties: Option<BTreeMap<String, String>>,
    options: Option<MigrateOptions>,
}

/// Reads `MIGRATE …`.
pub(super) fn migrate(cursor: &mut Cursor<'_>) -> Result<Migrate> {
    cursor.expect_words(&["MIGRATE"], "first")?;
    if cursor.sees(&["SCHEMA"]) {
        return Err(unbuilt("MIGRATE SCHEMA"));
    }
    cursor.expect_words(&["TABLE"], "after MIGRATE")?;
    let place = cursor.place();
    let source = cursor.name("the name of the source")?;
    let version = version::clause(cursor)?;
    cursor.expect_words(&["TO"], "after the source")?;
    let target = cursor.name("the name of the target")?;
    let mut clauses = Clauses::default();
    while cursor.peek().token != Token::EOF {
        clauses.next(cursor)?;
    }
    let (items, select_text) = clauses.select.unzip();
    let (filter, where_text) = clauses.filter.unzip();
    Ok(Migrate {
        query: query::of_table(&source, place, items, filter)?,
        source,
        version,
        target,
        select_text,
        where_text,
        partition_by: clauses.partition_by,
        batch_by: clauses.batch_by,
        properties: clauses.properties.unwrap_or_default(),
        options: clauses.options.unwrap_or_default(),
    })
}

impl Clauses {
    /// Reads one clause.
    fn next(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        refuse(cursor)?;
        let place = cursor.place();
        if cursor.words(&["SELECT"]) {
            self.expect_none_before("SELECT", self.filter.is_some(), place)?;
            set_once(&mut self.select, select(cursor)?, "SELECT", place)
        } else if cursor.words(&["WHERE"]) {
            self.expect_none_before("WHERE", false, place)?;
            set_once(&mut self.filter, filter(cursor)?, "WHERE", place)
        } else if cursor.words(&["PARTITIONED", "BY"]) {
            set_once(&mut self.partition_by, partition::fields(cursor)?, "PARTITIONED BY", place)
        } else if cursor.words(&["BATCH", "BY"]) {
            set_once(&mut self.batch_by, batch(cursor)?, "BATCH BY", place)
        } else if cursor.words(&["TBLPROPERTIES"]) {
            set_once(&mut self.properties, options::parse(cursor, Keys::Kept)?, "TBLPROPERTIES", place)
        } else if cursor.words(&["WITH"]) {
            set_once(&mut self.options, MigrateOptions::parse(cursor)?, "WITH", place)
        } else if self.has_clause() {
            Err(cursor.expected(CLAUSES))
        } else {
            Err(cursor.expected(&format!("SELECT, WHERE, {CLAUSES}")))
        }
    }

    /// Fails if what stands before the clauses comes behind one, or behind WHERE.
    fn expect_none_before(&self, word: &str, behind_where: bool, place: Location) -> Result<()> {
        if !behind_where && !self.has_clause() {
            return Ok(());
        }
        Err(sql_error(format!("SELECT, WHERE and the other clauses come in this order; {word} comes too late"), place))
    }

    fn has_clause(&self) -> bool {
        let tables = self.partition_by.is_some() || self.properties.is_some();
        tables || self.batch_by.is_some() || self.options.is_some()
    }
}

/// Reads the items of SELECT.
fn select(cursor: &mut Cursor<'_>) -> Result<(Vec<SelectItem>, String)> {
    let number_follows = matches!(cursor.peek_nth(1).token, Token::Number(..));
    for word in ["DISTINCT", "ALL", "TOP"] {
        if cursor.sees(&[word]) && (word != "TOP" || number_follows) {
            return Err(refusal(&format!("SELECT {word}"), cursor.place()));
        }
    }
    let nothing = cursor.peek().token == Token::EOF || cursor.sees(&["WHERE"]) || cursor.sees(&["FROM"]);
    if nothing || begins_clause(cursor) {
        return Err(cursor.expected("the items of SELECT"));
    }
    let tokens = cursor.take_until(ends_part);
    let last = tokens.iter().rfind(|token| is_significant(token) && token.token != Token::EOF);
    // The parser would take the comma for a decoration.
    if last.is_some_and(|last| last.token == Token::Comma) {
        return Err(cursor.expected("an item after `,`"));
    }
    let text = wording(&tokens);
    Ok((query::items(tokens)?, text))
}

/// Reads the condition of WHERE.
fn filter(cursor: &mut Cursor<'_>) -> Result<(Expr, String)> {
    if cursor.peek().token == Token::EOF || begins_clause(cursor) {
        return Err(cursor.expected("a condition after WHERE"));
    }
    let tokens = cursor.take_until(ends_part);
    let text = wording(&tokens);
    Ok((query::condition(tokens)?, text))
}

/// Reads the one field of BATCH BY.
fn batch(cursor: &mut Cursor<'_>) -> Result<PartitionField> {
    let field = partition::unnamed(cursor)?;
    if cursor.peek().token == Token::Comma {
        return Err(unsupported("BATCH BY takes one field; another one is given", cursor.place()));
    }
    Ok(field)
}

/// Tells whether the items or the condition end here.
fn ends_part(cursor: &Cursor<'_>) -> bool {
    let ends = cursor.sees(&["SELECT"]) || cursor.sees(&["WHERE"]) || begins_clause(cursor);
    ends || REFUSED.iter().any(|words| cursor.sees(words))
}

/// Tells whether a clause begins here, where sqlparser would take its first word for an alias.
fn begins_clause(cursor: &Cursor<'_>) -> bool {
    let parenthesis = cursor.peek_nth(1).token == Token::LParen;
    cursor.sees(&["PARTITIONED", "BY"])
        || cursor.sees(&["BATCH", "BY"])
        || (parenthesis && (cursor.sees(&["TBLPROPERTIES"]) || cursor.sees(&["WITH"])))
}

/// Fails at clauses of a query that a migration does not have.
fn refuse(cursor: &Cursor<'_>) -> Result<()> {
    let (name, behind) = (&cursor.peek_nth(1).token, &cursor.peek_nth(2).token);
    let names_query = matches!(name, Token::Word(_)) && (is_word(behind, "AS") || *behind == Token::LParen);
    if cursor.sees(&["WITH", "RECURSIVE"]) || (cursor.sees(&["WITH"]) && names_query) {
        return Err(refusal("WITH of a query", cursor.place()));
    }
    match REFUSED.iter().find(|words| cursor.sees(words)) {
        None => Ok(()),
        Some(words) => Err(refusal(&words.join(" "), cursor.place())),
    }
}

fn refusal(clause: &str, place: Location) -> crate::error::Error {
    unsupported(format!("MIGRATE … {clause} is not supported"), place)
        .hint("MIGRATE takes the rows of its source one by one; INSERT INTO … SELECT takes any query")
}

#[cfg(test)]
mod tests;
