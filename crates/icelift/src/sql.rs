//! From text to one [`Statement`], before DataFusion sees it.
//!
//! DataFusion's parser knows neither catalogs that are attached nor Spark's clauses, and would read some of them as
//! aliases. So the statements that icelift runs itself are read here, on sqlparser's tokens; their queries and all
//! other statements go through the parsers that DataFusion uses. Whether a name belongs to an attached catalog is not
//! known here: [`parse_for_datafusion`] reads the same text as DataFusion would, and [`target`] tells the name even
//! where a statement is none of ours.

use std::collections::BTreeMap;

use datafusion::sql::parser::{DFParserBuilder, Statement as DataFusionStatement};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use crate::error::{Error, ErrorKind, Result};

mod added_rows;
mod alter;
mod attach;
mod call;
mod columns;
mod create_table;
mod cursor;
mod delete;
mod effect;
mod insert;
mod migrate;
mod names;
mod options;
mod partition;
mod query;
mod references;
mod rollback;
pub mod script;
mod show;
mod tokens;
pub mod variables;
mod verify;
mod version;
mod wording;

pub(crate) use alter::{AddedColumn, AlterTable, ColumnAction, Distribution, OrderField, Position, TableChange};
pub use attach::Attach;
pub(crate) use call::{Arguments, Call, Value};
pub(crate) use columns::{Column, ColumnType};
pub(crate) use create_table::{CreateTable, TableSource};
pub(crate) use delete::Delete;
pub use effect::Effect;
pub(crate) use effect::{effect, makes_or_drops};
pub(crate) use insert::{Insert, Overwrite};
pub use migrate::ReportFormat;
pub(crate) use migrate::{Migrate, OnError, ReportFile, option_names as migrate_option_names};
pub(crate) use partition::PartitionField;
pub(crate) use query::with_distinct_names;
pub(crate) use rollback::RollbackMigration;
pub(crate) use show::Show;
pub(crate) use verify::{BatchValue, Verify};
pub(crate) use version::{Reference, Version};

use cursor::Cursor;
use tokens::{from_datafusion, sql_error, unsupported};

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Statement {
    Attach(Attach),
    Detach {
        name: String,
        if_exists: bool,
    },
    CreateSchema {
        name: Vec<String>,
        if_not_exists: bool,
        properties: BTreeMap<String, String>,
    },
    DropSchema {
        name: Vec<String>,
        if_exists: bool,
        cascade: bool,
    },
    CreateTable(CreateTable),
    DropTable {
        name: Vec<String>,
        if_exists: bool,
        purge: bool,
    },
    AlterTable(AlterTable),
    Delete(Delete),
    Insert(Insert),
    Migrate(Migrate),
    ExplainMigrate(Migrate),
    Verify(Verify),
    ShowMigrations {
        /// The catalog, and perhaps the schema.
        from: Option<Vec<String>>,
    },
    ShowMigration {
        target: Vec<String>,
    },
    RollbackMigration(RollbackMigration),
    Call(Call),
    Show(Show),
    /// Of an `INSERT` or a `CREATE TABLE … AS`.
    Explain {
        analyze: bool,
        verbose: bool,
        statement: Box<Statement>,
    },
    /// Everything else, as DataFusion's parser reads it.
    Query(Box<DataFusionStatement>),
}

/// Reads the one statement in `text`; a `;` may end it.
pub(crate) fn parse(text: &str) -> Result<Statement> {
    let tokens = references::rewrite(tokens::statement(text)?)?;
    match own(&mut Cursor::new(&tokens))? {
        Some(statement) => Ok(statement),
        None => Ok(Statement::Query(Box::new(datafusion_statement(tokens)?))),
    }
}

/// Reads the one statement in `text` as DataFusion does, for statements of ours that concern a table of DataFusion's.
pub(crate) fn parse_for_datafusion(text: &str) -> Result<DataFusionStatement> {
    datafusion_statement(references::rewrite(tokens::statement(text)?)?)
}

/// Reads a name of one or more parts, with its quotes, as it stands in a statement.
pub(crate) fn parse_name(text: &str) -> Result<Vec<String>> {
    let tokens = tokens::statement(text)?;
    let mut cursor = Cursor::new(&tokens);
    let name = cursor.name("a name")?;
    cursor.end()?;
    Ok(name)
}

/// The table or schema that a `CREATE`, `DROP` or `INSERT` concerns, also inside `EXPLAIN`, also if [`parse`] rejects
/// the rest: DataFusion's own tables can have types and clauses that Iceberg's have not. Statements that DataFusion does
/// not know have none.
pub(crate) fn target(text: &str) -> Option<Vec<String>> {
    let tokens = tokens::statement(text).ok()?;
    let cursor = &mut Cursor::new(&tokens);
    if Kind::of(cursor) == Kind::Explain {
        explain_head(cursor);
    }
    match Kind::of(cursor) {
        Kind::CreateSchema => names::create_schema_head(cursor).ok().map(|(_, name)| name),
        Kind::DropSchema => names::drop_head(cursor, "SCHEMA").ok().map(|(_, name)| name),
        Kind::CreateTable => create_table::head(cursor).ok().map(|head| head.name),
        Kind::DropTable => names::drop_head(cursor, "TABLE").ok().map(|(_, name)| name),
        Kind::AlterTable => alter::head(cursor).ok(),
        Kind::Delete => delete::delete_head(cursor).ok(),
        Kind::Truncate => delete::truncate_head(cursor).ok(),
        Kind::Insert => insert::head(cursor).ok().map(|(_, name)| name),
        Kind::Attach | Kind::Detach | Kind::Explain | Kind::Other => None,
        Kind::Migrate | Kind::Verify | Kind::ShowMigrations | Kind::ShowMigration | Kind::Call | Kind::Show => None,
        Kind::RollbackMigration => None,
    }
}

/// What the first words of a statement tell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Attach,
    Detach,
    CreateSchema,
    DropSchema,
    CreateTable,
    DropTable,
    AlterTable,
    Delete,
    Truncate,
    Insert,
    Migrate,
    Verify,
    ShowMigrations,
    ShowMigration,
    RollbackMigration,
    Call,
    Show,
    Explain,
    Other,
}

impl Kind {
    fn of(cursor: &Cursor<'_>) -> Self {
        let kinds = [
            (&["ATTACH"][..], Kind::Attach),
            (&["DETACH"], Kind::Detach),
            (&["CREATE", "SCHEMA"], Kind::CreateSchema),
            (&["DROP", "SCHEMA"], Kind::DropSchema),
            (&["CREATE", "TABLE"], Kind::CreateTable),
            (&["CREATE", "OR", "REPLACE", "TABLE"], Kind::CreateTable),
            (&["DROP", "TABLE"], Kind::DropTable),
            (&["ALTER", "TABLE"], Kind::AlterTable),
            (&["DELETE", "FROM"], Kind::Delete),
            (&["TRUNCATE", "TABLE"], Kind::Truncate),
            (&["INSERT"], Kind::Insert),
            (&["EXPLAIN"], Kind::Explain),
            (&["MIGRATE"], Kind::Migrate),
            (&["VERIFY"], Kind::Verify),
            (&["SHOW", "MIGRATIONS"], Kind::ShowMigrations),
            (&["SHOW", "MIGRATION"], Kind::ShowMigration),
            (&["CALL"], Kind::Call),
            (&["ROLLBACK", "MIGRATION"], Kind::RollbackMigration),
        ];
        if show::begins(cursor) {
            return Kind::Show;
        }
        let found = kinds.into_iter().find(|(words, _)| cursor.sees(words));
        found.map_or(Kind::Other, |(_, kind)| kind)
    }
}

/// Reads a statement of ours; `None` is for DataFusion.
fn own(cursor: &mut Cursor<'_>) -> Result<Option<Statement>> {
    Ok(Some(match Kind::of(cursor) {
        Kind::Attach => Statement::Attach(attach::attach(cursor)?),
        Kind::Detach => attach::detach(cursor)?,
        Kind::CreateSchema => names::create_schema(cursor)?,
        Kind::DropSchema => names::drop_schema(cursor)?,
        Kind::CreateTable => Statement::CreateTable(create_table::create_table(cursor)?),
        Kind::DropTable => names::drop_table(cursor)?,
        Kind::AlterTable => Statement::AlterTable(alter::alter_table(cursor)?),
        Kind::Delete => Statement::Delete(delete::delete(cursor)?),
        Kind::Truncate => Statement::Delete(delete::truncate(cursor)?),
        Kind::Insert => Statement::Insert(insert::insert(cursor)?),
        Kind::Migrate => Statement::Migrate(migrate::migrate(cursor)?),
        Kind::Verify => Statement::Verify(verify::verify(cursor)?),
        Kind::ShowMigrations => names::show_migrations(cursor)?,
        Kind::ShowMigration => names::show_migration(cursor)?,
        Kind::RollbackMigration => Statement::RollbackMigration(rollback::rollback_migration(cursor)?),
        Kind::Call => Statement::Call(call::call(cursor)?),
        Kind::Show => Statement::Show(show::show(cursor)?),
        Kind::Explain => return explain(cursor),
        Kind::Other => return Ok(None),
    }))
}

/// Reads `EXPLAIN …` of a statement of ours; `None` is for DataFusion.
fn explain(cursor: &mut Cursor<'_>) -> Result<Option<Statement>> {
    let Explained { analyze, verbose, format, options } = explain_head(cursor);
    let place = cursor.place();
    let statement = match Kind::of(cursor) {
        Kind::Insert => Statement::Insert(insert::insert(cursor)?),
        Kind::CreateTable => match create_table::create_table(cursor)? {
            create @ CreateTable { source: TableSource::Query(_), .. } => Statement::CreateTable(create),
            _ => return Ok(None),
        },
        Kind::Migrate if analyze || verbose || format => {
            return Err(unsupported("EXPLAIN MIGRATE takes no ANALYZE, VERBOSE or FORMAT; one is given", options)
                .hint("EXPLAIN MIGRATE shows the plan and its price, and runs nothing"));
        }
        Kind::Migrate => return Ok(Some(Statement::ExplainMigrate(migrate::migrate(cursor)?))),
        // DataFusion's parser would show what an ATTACH says, and recurse without limit at EXPLAIN EXPLAIN.
        Kind::Attach | Kind::Detach | Kind::Explain => return Err(unexplained(place)),
        Kind::Verify | Kind::ShowMigrations | Kind::ShowMigration | Kind::Call | Kind::Show => {
            return Err(unexplained(place));
        }
        Kind::AlterTable | Kind::Delete | Kind::Truncate | Kind::RollbackMigration => return Err(unexplained(place)),
        Kind::CreateSchema | Kind::DropSchema | Kind::DropTable | Kind::Other => return Ok(None),
    };
    if format {
        return Err(unsupported("EXPLAIN FORMAT is only supported for queries, not for the statement", place));
    }
    Ok(Some(Statement::Explain { analyze, verbose, statement: Box::new(statement) }))
}

fn unexplained(place: Location) -> Error {
    sql_error("EXPLAIN takes a query, INSERT, CREATE TABLE … AS or MIGRATE TABLE; another statement begins", place)
}

/// What stands between EXPLAIN and the statement.
struct Explained {
    analyze: bool,
    verbose: bool,
    format: bool,
    /// Where the first of them stands, if there is one.
    options: Location,
}

/// Reads `EXPLAIN [ANALYZE] [VERBOSE] [FORMAT name]`, in DataFusion's order.
fn explain_head(cursor: &mut Cursor<'_>) -> Explained {
    cursor.words(&["EXPLAIN"]);
    let options = cursor.place();
    let analyze = cursor.words(&["ANALYZE"]);
    let verbose = cursor.words(&["VERBOSE"]);
    let format = cursor.words(&["FORMAT"]);
    if format {
        cursor.step();
    }
    Explained { analyze, verbose, format, options }
}

/// What is said of a statement that a later version has.
pub(crate) fn unbuilt(name: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{name} is not supported in this version"))
}

fn datafusion_statement(tokens: Vec<TokenWithSpan>) -> Result<DataFusionStatement> {
    let mut parser = DFParserBuilder::new(tokens).build().map_err(from_datafusion)?;
    let statement = parser.parse_statement().map_err(from_datafusion)?;
    let rest = parser.parser.peek_token_ref();
    if rest.token == Token::EOF {
        return Ok(statement);
    }
    Err(sql_error(format!("expected the end of the statement, found `{}`", rest.token), rest.span.start))
}

#[cfg(test)]
mod tests;
