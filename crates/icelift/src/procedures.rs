//! `CALL catalog.system.<procedure>`: Spark's procedures, each in the file of its name.
//!
//! A procedure is one [`Procedure`]: its parameters and columns are declared, and the reference in the docs is made of that
//! (`docs/reference/procedures.md`).

mod ancestors_of;
mod arguments;
mod expire_snapshots;
mod fast_forward;
mod moves;
mod register_table;
mod remove_orphan_files;
mod rewrite_data_files;
mod rewrite_manifests;
mod rollback_to_snapshot;
mod rollback_to_timestamp;
mod set_current_snapshot;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use self::arguments::{Bound, Kind, Parameter};
use crate::catalog::{Catalog, Table, TableName};
use crate::engine::names::{table_name, unknown_catalog};
use crate::engine::{Engine, RowStream};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::sql::{self, Call};

/// All procedures, by name.
const PROCEDURES: [&Procedure; 10] = [
    &ancestors_of::PROCEDURE,
    &expire_snapshots::PROCEDURE,
    &fast_forward::PROCEDURE,
    &register_table::PROCEDURE,
    &remove_orphan_files::PROCEDURE,
    &rewrite_data_files::PROCEDURE,
    &rewrite_manifests::PROCEDURE,
    &rollback_to_snapshot::PROCEDURE,
    &rollback_to_timestamp::PROCEDURE,
    &set_current_snapshot::PROCEDURE,
];

/// The first parameter of nearly all.
const TABLE: Parameter = Parameter {
    name: "table",
    kind: Kind::String,
    default: None,
    about: "the table, as in `'default.t'`, in the catalog that is called",
};
/// Removals that are under way at once, unless told otherwise.
const REMOVALS_DEFAULT: usize = 16;
/// As many requests as a store has under way unless told otherwise.
const REMOVALS_MAX: usize = 64;

/// Of those that remove files.
const MAX_CONCURRENT_DELETES: Parameter = Parameter {
    name: "max_concurrent_deletes",
    kind: Kind::Integer,
    default: Some("16"),
    about: "how many removals are under way at once, from 1 on; more than 64 count as 64",
};

/// What a procedure takes, gives and does.
struct Procedure {
    name: &'static str,
    /// In the order in which they are given without names: Spark's, then ours.
    parameters: &'static [Parameter],
    columns: &'static [Column],
}

/// A column of the answer.
struct Column {
    name: &'static str,
    data_type: DataType,
}

/// Where a procedure runs.
struct Context<'a> {
    engine: &'a Engine,
    name: &'a str,
    catalog: Arc<dyn Catalog>,
}

impl Procedure {
    fn schema(&self) -> SchemaRef {
        let fields = self.columns.iter().map(|column| Field::new(column.name, column.data_type.clone(), true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// The answer of these columns.
    fn answer(&self, columns: Vec<ArrayRef>) -> Result<RowStream> {
        Ok(RowStream::of_batch(RecordBatch::try_new(self.schema(), columns)?))
    }
}

impl Context<'_> {
    /// The table that the argument `table` names, as it is now.
    async fn table(&self, bound: &Bound) -> Result<Table> {
        let name = self.table_name(bound.required_string("table")?)?;
        self.catalog.load_table(&name.ident).await
    }

    /// The table that the argument `table` names: `namespace.table`, with or without the catalog before it.
    fn table_name(&self, text: &str) -> Result<TableName> {
        let wrong = || {
            Error::new(ErrorKind::Sql, format!("`{text}` is no name of a table, expected `namespace.table`"))
                .hint("parts with capitals or signs stand in double quotes: table => 'default.\"T\"'")
        };
        // Behind a point every word is a name.
        let parts = sql::parse_name(&format!("c.{text}")).map_err(|source| wrong().source(source))?;
        let [_, parts @ ..] = parts.as_slice() else { return Err(wrong()) };
        let parts = match parts {
            [catalog, rest @ ..] if rest.len() > 1 && catalog == self.name => rest,
            parts => parts,
        };
        let name: Vec<String> = std::iter::once(self.name.to_string()).chain(parts.iter().cloned()).collect();
        table_name(&name).map_err(|_| wrong())
    }
}

/// Whether a CALL names a procedure, and gives it what it takes.
pub(crate) fn check(engine: &Engine, call: &Call) -> Result<()> {
    let name = std::slice::from_ref(&call.catalog);
    engine.catalogs.get(&call.catalog).ok_or_else(|| unknown_catalog(name))?;
    Bound::new(named(&call.procedure)?, &call.arguments).map(drop)
}

/// The names of procedures, and of what each takes.
pub(crate) fn signatures() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    let names = |procedure: &'static Procedure| procedure.parameters.iter().map(|parameter| parameter.name).collect();
    PROCEDURES.into_iter().map(move |procedure| (procedure.name, names(procedure)))
}

/// Runs a procedure.
///
/// # Errors
/// A catalog that is not attached, a procedure that there is none of, arguments that are not its own, and its own errors.
pub(crate) async fn call(engine: &Engine, call: &Call) -> Result<RowStream> {
    let name = &call.catalog;
    let catalog = engine.catalogs.get(name).ok_or_else(|| unknown_catalog(std::slice::from_ref(name)))?;
    let procedure = named(&call.procedure)?;
    let bound = Bound::new(procedure, &call.arguments)?;
    let context = Context { engine, name, catalog };
    match procedure.name {
        "ancestors_of" => ancestors_of::run(&context, &bound).await,
        "expire_snapshots" => expire_snapshots::run(&context, &bound).await,
        "fast_forward" => fast_forward::run(&context, &bound).await,
        "register_table" => register_table::run(&context, &bound).await,
        "remove_orphan_files" => remove_orphan_files::run(&context, &bound).await,
        "rewrite_data_files" => rewrite_data_files::run(&context, &bound).await,
        "rewrite_manifests" => rewrite_manifests::run(&context, &bound).await,
        "rollback_to_snapshot" => rollback_to_snapshot::run(&context, &bound).await,
        "rollback_to_timestamp" => rollback_to_timestamp::run(&context, &bound).await,
        "set_current_snapshot" => set_current_snapshot::run(&context, &bound).await,
        name => Err(Error::new(ErrorKind::Internal, format!("nothing runs `{name}`"))),
    }
}

/// The argument `max_concurrent_deletes`.
fn removals(bound: &Bound) -> Result<usize> {
    Ok(bound.count("max_concurrent_deletes")?.unwrap_or(REMOVALS_DEFAULT).min(REMOVALS_MAX))
}

/// Tables whose files belong to others say so by a property, which Spark heeds too.
fn check_owned(table: &Table) -> Result<()> {
    if table.metadata.properties().get("gc.enabled").is_none_or(|value| !value.eq_ignore_ascii_case("false")) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsupported, "the table property `gc.enabled` is false: its files may be others' too")
        .place(Stage::Catalog, &table.name)
        .hint("list them with dry_run => true"))
}

fn named(name: &str) -> Result<&'static Procedure> {
    PROCEDURES.into_iter().find(|procedure| procedure.name == name).ok_or_else(|| {
        let names: Vec<_> = PROCEDURES.iter().map(|procedure| procedure.name).collect();
        Error::new(ErrorKind::NotFound, format!("there is no procedure `{name}`"))
            .hint(format!("in this version there is {}", names.join(", ")))
    })
}

#[cfg(test)]
mod tests;
