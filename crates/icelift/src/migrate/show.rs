//! `SHOW MIGRATIONS` and `SHOW MIGRATION`: what the registers of targets say.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::{StreamExt, stream};

use super::job::JobId;
use super::register::{Detail, MIXED_SCHEMAS, Register};
use crate::catalog::{Catalog, TableName, tables_of};
use crate::engine::names::{namespace_name, table_name, unknown_catalog};
use crate::engine::{Engine, RowStream};
use crate::error::{Result, Stage};

/// Tables that are loaded at once.
const LOAD_CONCURRENCY: usize = 8;

/// The columns of the answer to SHOW MIGRATIONS.
static MIGRATIONS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        field("target", DataType::Utf8),
        field("source", DataType::Utf8),
        field("job", DataType::Utf8),
        field("state", DataType::Utf8),
        field("batches", DataType::UInt64),
        field("done", DataType::UInt64),
        field("rows", DataType::UInt64),
        field("files", DataType::UInt64),
        field("bytes", DataType::UInt64),
        field("round", DataType::UInt64),
        field("source_snapshot", DataType::Int64),
        field("statement", DataType::Utf8),
    ]))
});

/// The columns of the answer to SHOW MIGRATION.
static BATCHES: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        field("batch", DataType::Utf8),
        field("state", DataType::Utf8),
        field("rows", DataType::UInt64),
        field("files", DataType::UInt64),
        field("bytes", DataType::UInt64),
        field("fingerprint", DataType::Utf8),
        field("source_snapshot", DataType::Int64),
        field("snapshot", DataType::Int64),
        field("attempt", DataType::Utf8),
        field("job", DataType::Utf8),
    ]))
});

fn field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

/// A migration and the table that has it.
struct Shown {
    target: TableName,
    job: JobId,
    register: Register,
}

/// The migrations into the tables of every attached catalog, or of the named catalog or namespace.
///
/// # Errors
/// A catalog that is not attached, a namespace that does not exist, and catalogs that cannot be listed. A table that cannot
/// be read is a warning.
pub(crate) async fn migrations(engine: &Engine, from: Option<&[String]>) -> Result<RowStream> {
    let mut tables = Vec::new();
    match from {
        None => {
            for catalog in engine.catalogs.describe() {
                let Some(found) = engine.catalogs.get(&catalog.name) else { continue };
                let names = tables_of(found.as_ref(), &catalog.name, None).await?;
                tables.extend(names.into_iter().map(|name| (Arc::clone(&found), name)));
            }
        }
        Some(name) => {
            let (catalog, namespace) = match name {
                [catalog] => (catalog.clone(), None),
                name => namespace_name(name).map(|(catalog, namespace)| (catalog, Some(namespace)))?,
            };
            let found = engine.catalogs.get(&catalog).ok_or_else(|| unknown_catalog(name))?;
            let names = tables_of(found.as_ref(), &catalog, namespace).await?;
            tables.extend(names.into_iter().map(|name| (Arc::clone(&found), name)));
        }
    }
    let loads: Vec<_> = tables.into_iter().map(|(catalog, name)| registers(catalog, name)).collect();
    let shown: Vec<Vec<Shown>> = stream::iter(loads).buffered(LOAD_CONCURRENCY).collect().await;
    let shown: Vec<Shown> = shown.into_iter().flatten().collect();
    Ok(RowStream::of_batch(overview(&shown)?))
}

/// The migrations into a table; none, with a warning, where they cannot be read.
async fn registers(catalog: Arc<dyn Catalog>, target: TableName) -> Vec<Shown> {
    let found = catalog.find_table(&target.ident).await.and_then(|table| match table {
        Some(table) => Register::all(&table.metadata),
        None => Ok(Vec::new()),
    });
    match found {
        Ok(found) => found.into_iter().map(|(job, register)| Shown { target: target.clone(), job, register }).collect(),
        Err(error) => {
            tracing::warn!(table = %target, %error, "the migrations into a table cannot be read, they are not shown");
            Vec::new()
        }
    }
}

fn overview(shown: &[Shown]) -> Result<RecordBatch> {
    let text = |of: &dyn Fn(&Shown) -> String| texts(shown.iter().map(|shown| Some(of(shown))));
    let number = |of: &dyn Fn(&Register) -> u64| numbers(shown.iter().map(|shown| Some(of(&shown.register))));
    let state = |shown: &Shown| match &shown.register {
        register if register.is_finished() => "finished".to_string(),
        register if register.is_rolled_back() => "rolled back".to_string(),
        _ => "running".to_string(),
    };
    let snapshots: Int64Array = shown.iter().map(|shown| shown.register.pin.snapshot).collect();
    let columns = vec![
        text(&|shown| shown.target.plain()),
        text(&|shown| shown.register.source.clone()),
        text(&|shown| shown.job.to_string()),
        text(&state),
        number(&|register| u64::from(register.batches)),
        number(&|register| register.done.count()),
        number(&|register| register.done.totals().print.rows),
        number(&|register| register.done.totals().files),
        number(&|register| register.done.totals().bytes),
        number(&|register| u64::from(register.pin.round)),
        Arc::new(snapshots),
        text(&|shown| shown.register.statement.to_string()),
    ];
    Ok(RecordBatch::try_new(Arc::clone(&MIGRATIONS), columns)?)
}

/// The batches of the migrations into one table.
///
/// # Errors
/// A table that does not exist, a register or a file of details that cannot be read.
pub(crate) async fn migration(engine: &Engine, target: &[String]) -> Result<RowStream> {
    let name = table_name(target)?;
    let catalog = engine.catalogs.get(&name.catalog).ok_or_else(|| unknown_catalog(target))?;
    let table = catalog.load_table(&name.ident).await?;
    let registers = Register::all(&table.metadata).map_err(|error| error.place(Stage::Catalog, &name))?;
    let mut rows = Vec::new();
    for (job, register) in registers {
        let details = register.entries(&table).await?;
        rows.extend(batches(job, &register, details.into_values().collect()));
    }
    Ok(RowStream::of_batch(batch_rows(&rows)?))
}

/// One row of the answer to SHOW MIGRATION.
struct BatchRow {
    batch: String,
    state: String,
    /// `None` for the batches of which only the number is known.
    detail: Option<Detail>,
    job: JobId,
}

fn batches(job: JobId, register: &Register, details: Vec<Detail>) -> Vec<BatchRow> {
    let is_of_pin = |detail: &Detail| detail.pin == register.pin.snapshot;
    let rolled_back = details.iter().filter(|detail| detail.rolled_back).count();
    let all_are_done = register.counts_all(details.len() - rolled_back);
    let row = |detail: Detail| {
        if detail.rolled_back {
            return BatchRow { batch: detail.key, state: "rolled back".to_string(), detail: None, job };
        }
        let state = if all_are_done || is_of_pin(&detail) { "done" } else { "earlier" };
        BatchRow { batch: detail.key.clone(), state: state.to_string(), detail: Some(detail), job }
    };
    let mut rows: Vec<_> = details.into_iter().map(row).collect();
    // Those that were rolled back are told by name.
    let pending = register.pending().count().saturating_sub(rolled_back);
    if pending > 0 {
        let state = if pending == 1 { "1 batch".to_string() } else { format!("{pending} batches") };
        rows.push(BatchRow { batch: "(pending)".to_string(), state, detail: None, job });
    }
    rows
}

fn batch_rows(rows: &[BatchRow]) -> Result<RecordBatch> {
    let text = |of: &dyn Fn(&BatchRow) -> Option<String>| texts(rows.iter().map(of));
    let number = |of: &dyn Fn(&Detail) -> u64| numbers(rows.iter().map(|row| row.detail.as_ref().map(of)));
    let details = || rows.iter().map(|row| row.detail.as_ref());
    let pins: Int64Array = details().map(|detail| detail.and_then(|detail| detail.pin)).collect();
    let snapshots: Int64Array = details().map(|detail| detail.map(|detail| detail.snapshot)).collect();
    // What was taken with several schemas compares with nothing.
    let print = |detail: &Detail| (detail.schema != MIXED_SCHEMAS).then(|| detail.prints().to_string());
    let attempt = |detail: &Detail| (!detail.attempt.is_nil()).then(|| detail.attempt.to_string());
    let columns = vec![
        text(&|row| Some(row.batch.clone())),
        text(&|row| Some(row.state.clone())),
        number(&|detail| detail.print.rows),
        number(&|detail| detail.files),
        number(&|detail| detail.bytes),
        text(&|row| row.detail.as_ref().and_then(print)),
        Arc::new(pins),
        Arc::new(snapshots),
        text(&|row| row.detail.as_ref().and_then(attempt)),
        text(&|row| Some(row.job.to_string())),
    ];
    Ok(RecordBatch::try_new(Arc::clone(&BATCHES), columns)?)
}

fn texts(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn numbers(values: impl Iterator<Item = Option<u64>>) -> ArrayRef {
    Arc::new(values.collect::<UInt64Array>())
}

#[cfg(test)]
mod tests;
