//! `ROLLBACK MIGRATION`: batches leave the target as they came, whole and in one snapshot, and the register with them.
//!
//! What must hold:
//! - exactly the files that the batches were committed with go, and only if all of them are there as they were: what others
//!   rewrote or deleted from is not ours to take out ([`files`]);
//! - the register says in the same commit that the batches are not there. The commit brings another epoch and owner, so that
//!   a driver that is at work stops, and another round, so that nothing that was written before is adopted again: who
//!   tidies may still be deleting it (`model.rs`);
//! - the commit is only made on the snapshot that was looked at. If others commit meanwhile, it is looked at again.

mod choice;
mod commit;
mod files;

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use self::choice::Choice;
use super::job::JobId;
use super::register::Detail;
use crate::catalog::{Catalog, Table};
use crate::engine::names::{table_name, unknown_catalog};
use crate::engine::{Engine, RowStream};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::sql::RollbackMigration;

/// How often it is looked at the table again, because it has gone on.
const LOOKS: usize = 8;

/// The columns of the answer.
static COLUMNS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let field = |name: &str, data_type| Field::new(name, data_type, true);
    Arc::new(Schema::new(vec![
        field("batch", DataType::Utf8),
        field("rows", DataType::UInt64),
        field("files", DataType::UInt64),
        field("bytes", DataType::UInt64),
        field("snapshot", DataType::Int64),
        field("job", DataType::Utf8),
    ]))
});

/// Runs the statement: one row for each batch that is not there any more. None if there was none to take out.
pub(crate) async fn answer(engine: &Engine, statement: &RollbackMigration) -> Result<RowStream> {
    let name = table_name(&statement.target)?;
    let catalog = engine.catalogs.get(&name.catalog).ok_or_else(|| unknown_catalog(&statement.target))?;
    for _ in 0..LOOKS {
        let table = catalog.load_table(&name.ident).await?;
        let place = |error: Error| error.place(Stage::Snapshot, &name);
        let Some(choice) = Choice::new(&table, statement).await.map_err(place)? else {
            return rows(&[], None, None);
        };
        match roll_back(engine, &catalog, &table, &choice).await {
            // Another writer has committed since the table was looked at, or a driver.
            Err(error) if error.kind() == ErrorKind::Fenced => {
                tracing::info!(table = %name, "the table went on, the rollback is looked at again");
            }
            Err(error) => return Err(place(error)),
            Ok(snapshot) => return rows(&choice.batches, Some(snapshot), Some(choice.job)),
        }
    }
    Err(place_busy(&name))
}

fn place_busy(name: &crate::catalog::TableName) -> Error {
    Error::new(ErrorKind::CommitConflict, "others commit to the table all the time, nothing was rolled back")
        .place(Stage::Snapshot, name)
        .hint("stop what writes to the table, a running MIGRATE among it, and run the statement again")
}

/// Takes the batches out. Returns the snapshot that does so.
async fn roll_back(engine: &Engine, catalog: &Arc<dyn Catalog>, table: &Table, choice: &Choice) -> Result<i64> {
    let remove = files::of_batches(engine, catalog, table, choice).await?;
    engine.failpoints.reach("rollback.before_commit").await?;
    let snapshot = commit::commit(catalog, table, choice, remove).await?;
    engine.failpoints.reach("rollback.after_commit").await?;
    Ok(snapshot)
}

fn rows(batches: &[Detail], snapshot: Option<i64>, job: Option<JobId>) -> Result<RowStream> {
    let number = |of: &dyn Fn(&Detail) -> u64| -> ArrayRef {
        Arc::new(batches.iter().map(|detail| Some(of(detail))).collect::<UInt64Array>())
    };
    let keys: StringArray = batches.iter().map(|detail| Some(detail.key.as_str())).collect();
    let snapshots: Int64Array = batches.iter().map(|_| snapshot).collect();
    let jobs: StringArray = batches.iter().map(|_| job.map(|job| job.to_string())).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(keys),
        number(&|detail| detail.print.rows),
        number(&|detail| detail.files),
        number(&|detail| detail.bytes),
        Arc::new(snapshots),
        Arc::new(jobs),
    ];
    Ok(RowStream::of_batch(RecordBatch::try_new(Arc::clone(&COLUMNS), columns)?))
}

#[cfg(test)]
mod tests;
