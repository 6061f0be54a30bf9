//! `CALL catalog.system.<procedure>`: Spark's procedures, each in the file of its name.
//!
//! A procedure is one [`Procedure`]: its parameters and columns are declared, and the reference in the docs is made of that
//! (`docs/reference/procedures.md`).

mod arguments;
mod remove_orphan_files;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use self::arguments::{Bound, Parameter};
use crate::catalog::{Catalog, TableName};
use crate::engine::names::{table_name, unknown_catalog};
use crate::engine::{Engine, RowStream};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::{self, Call};

/// All procedures, by name.
const PROCEDURES: [&Procedure; 1] = [&remove_orphan_files::PROCEDURE];

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
}

impl Context<'_> {
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
        "remove_orphan_files" => remove_orphan_files::run(&context, &bound).await,
        name => Err(Error::new(ErrorKind::Internal, format!("nothing runs `{name}`"))),
    }
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
