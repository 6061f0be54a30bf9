//! Replaces rows of a table: what `DELETE`, `TRUNCATE` and `INSERT OVERWRITE` have in common.
//!
//! In: a condition. Out: which files go, and new files with the rows of those that go which stay. One commit takes the former
//! out and puts the latter in. What must hold: a row goes only if the condition is TRUE for it; a file without such a row is not
//! touched; one with nothing else goes by metadata alone; others are written again without them, and what is written is as many
//! rows as were counted before; what another writer did meanwhile to the files that go fails the statement.

mod conflict;
mod unclaimed;

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, UInt64Array};
use arrow::datatypes::Int64Type;
use datafusion::datasource::provider_as_source;
use datafusion::functions_aggregate::count::count_all;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use futures::{StreamExt, TryStreamExt, stream};
use iceberg::spec::{DataFile, PartitionSpec};
use uuid::Uuid;

pub(super) use self::conflict::{Isolation, NoNewRows, Replaced};
pub(super) use self::unclaimed::Unclaimed;
use super::RowStream;
use super::predicate::of_rows_that_stay;
use super::view::{View, write_plan};
use crate::catalog::{CommitOutcome, IcebergTable, TableName};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::scan::PlannedFile;
use crate::pipeline::select::Assignment;
use crate::pipeline::sink::{Delivery, count_schema};
use crate::pipeline::snapshot::{self, Change, Precondition, SameDeletes};
use crate::pipeline::values::is_avro_name;

/// Files that are looked into at once.
const FILES_AT_ONCE: usize = 4;

/// What goes, and what was written in its place.
pub(super) struct Replacement {
    pub removed: Vec<Arc<PlannedFile>>,
    pub written: Vec<DataFile>,
    /// Rows that go.
    pub rows: u64,
}

/// Takes out the rows for which the condition is TRUE, or all rows: plans the files and writes what stays.
pub(super) async fn replace(
    view: &View<'_>,
    table: &Arc<IcebergTable>,
    condition: Option<&Expr>,
    unclaimed: &mut Unclaimed,
) -> Result<Replacement> {
    let state = view.state();
    let filters: Vec<Expr> = condition.cloned().into_iter().collect();
    let candidates = table.live_files(&state, &filters).await?;
    let Some(condition) = condition else {
        let rows = live_rows(view, table, &candidates).await?;
        return Ok(Replacement { removed: candidates, written: Vec::new(), rows });
    };
    let mixed = table.reading_only(&candidates).live_files(&state, &[of_rows_that_stay(condition)]).await?;
    let undecided: HashSet<&str> = mixed.iter().map(|file| file.file.file_path()).collect();
    let (undecided, whole): (Vec<_>, Vec<_>) =
        candidates.iter().cloned().partition(|file| undecided.contains(file.file.file_path()));
    let mut rows = live_rows(view, table, &whole).await?;
    let mut removed = whole;
    let (mut partial, mut stay) = (Vec::new(), 0);
    let counted = stream::iter(undecided).map(|file| async move {
        let hit = count(view, table, &file, Some(condition)).await?;
        let live = if hit == 0 { 0 } else { live_rows(view, table, std::slice::from_ref(&file)).await? };
        Ok::<_, Error>((file, hit, live))
    });
    for (file, hit, live) in counted.buffered(FILES_AT_ONCE).try_collect::<Vec<_>>().await? {
        rows += hit;
        match live.checked_sub(hit) {
            _ if hit == 0 => {}
            Some(0) => removed.push(file),
            Some(left) => {
                stay += left;
                partial.push(file);
            }
            None => return Err(miscounted(table, hit, live)),
        }
    }
    let written = stayers(view, table, condition, &partial, stay, unclaimed).await?;
    removed.extend(partial);
    Ok(Replacement { removed, written, rows })
}

/// Writes the rows of the files that stay.
async fn stayers(
    view: &View<'_>,
    table: &Arc<IcebergTable>,
    condition: &Expr,
    files: &[Arc<PlannedFile>],
    expected: u64,
    unclaimed: &mut Unclaimed,
) -> Result<Vec<DataFile>> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let stays = Expr::IsNotTrue(Box::new(condition.clone()));
    let plan = scan(&table.reading_only(files))?.filter(stays)?.build()?;
    let (written, rows) = deliver(view, table, plan, Assignment::Position, unclaimed).await?;
    if rows == expected { Ok(written) } else { Err(miscounted(table, rows, expected)) }
}

/// Writes the rows of a plan into files that no commit names yet. Returns them and the number of rows.
pub(super) async fn deliver(
    view: &View<'_>,
    table: &Arc<IcebergTable>,
    plan: LogicalPlan,
    assignment: Assignment<'_>,
    unclaimed: &mut Unclaimed,
) -> Result<(Vec<DataFile>, u64)> {
    let delivery = Arc::new(Delivery::new(Uuid::now_v7().to_string()));
    let target = Arc::new(table.delivering(Arc::clone(&delivery)));
    let rows = view.execute(write_plan(plan, assignment, target)?).await?;
    rows.try_for_each(|_| async { Ok(()) }).await?;
    let written = delivery.take().ok_or_else(|| {
        Error::new(ErrorKind::Internal, "the sink handed nothing over").place(Stage::Sink, &table.table.name)
    })?;
    unclaimed.add(&written.files);
    Ok((written.files, written.rows))
}

fn scan(table: &IcebergTable) -> Result<LogicalPlanBuilder> {
    Ok(LogicalPlanBuilder::scan("t", provider_as_source(Arc::new(table.clone())), None)?)
}

/// The live rows of files: what their manifests say, and a look where rows are deleted.
async fn live_rows(view: &View<'_>, table: &Arc<IcebergTable>, files: &[Arc<PlannedFile>]) -> Result<u64> {
    let (with_deletes, plain): (Vec<_>, Vec<_>) = files.iter().cloned().partition(|file| file.has_deletes());
    let known: u64 = plain.iter().map(|file| file.file.record_count()).sum();
    let looked_up = stream::iter(with_deletes).map(|file| async move { count(view, table, &file, None).await });
    let counts: Vec<u64> = looked_up.buffered(FILES_AT_ONCE).try_collect().await?;
    Ok(known + counts.into_iter().sum::<u64>())
}

/// The live rows of a file for which the condition is TRUE.
async fn count(
    view: &View<'_>,
    table: &Arc<IcebergTable>,
    file: &Arc<PlannedFile>,
    condition: Option<&Expr>,
) -> Result<u64> {
    let mut plan = scan(&table.reading_only(std::slice::from_ref(file)))?;
    if let Some(condition) = condition {
        plan = plan.filter(condition.clone())?;
    }
    let plan = plan.aggregate(Vec::<Expr>::new(), vec![count_all()])?.build()?;
    let batches = view.execute(plan).await?.collect().await?;
    let value = batches.iter().find(|batch| batch.num_rows() == 1).and_then(|batch| {
        let counts = batch.column(0).as_primitive_opt::<Int64Type>()?;
        u64::try_from(counts.value(0)).ok()
    });
    value.ok_or_else(|| {
        Error::new(ErrorKind::Internal, "rows could not be counted").place(Stage::Scan, &table.table.name)
    })
}

fn miscounted(table: &IcebergTable, found: u64, expected: u64) -> Error {
    Error::new(ErrorKind::Internal, format!("{found} rows were found or written, {expected} were counted before"))
        .place(Stage::Sink, &table.table.name)
        .hint("nothing was changed")
}

/// Commits: the files that go out, what was written in. In a task of its own: once it has begun, a statement that is dropped
/// still learns whether its files are to stay.
pub(super) async fn commit(
    table: &Arc<IcebergTable>,
    removed: Vec<Arc<PlannedFile>>,
    written: Vec<DataFile>,
    conflicts: Option<NoNewRows>,
    unclaimed: Unclaimed,
) -> Result<()> {
    if removed.is_empty() && written.is_empty() {
        return Ok(());
    }
    removed.iter().try_for_each(|file| check_names(&file.spec)).map_err(about(&table.table.name))?;
    let (table, catalog) = (table.table.clone(), Arc::clone(table.catalog()));
    let remove = removed.iter().map(|file| file.file.file_path().to_string()).collect();
    // Deletes that name one of the files, and nothing else, mean nothing without it.
    let remove_deletes = removed.iter().flat_map(|file| file.own_deletes()).collect();
    let same_deletes = SameDeletes { planned: table.clone(), files: removed, keeps_sequence_in: None };
    let mut preconditions: Vec<Arc<dyn Precondition>> = vec![Arc::new(same_deletes)];
    preconditions.extend(conflicts.map(|conflicts| Arc::new(conflicts) as Arc<dyn Precondition>));
    let change = Change { files: written, remove, remove_deletes, preconditions, ..Change::default() };
    let tracker = table.store.cleanup().clone();
    let task = tracker.spawn(async move {
        match snapshot::commit(&catalog, &table, table.clone(), change).await {
            CommitOutcome::Landed => {
                unclaimed.keep();
                Ok(())
            }
            CommitOutcome::Unknown(error) => {
                unclaimed.keep();
                Err(error)
            }
            CommitOutcome::NotLanded(error) => {
                unclaimed.remove().await;
                Err(error)
            }
        }
    });
    let died =
        |source| Error::new(ErrorKind::CommitUnknown, "the commit task died").stage(Stage::Snapshot).source(source);
    task.await.map_err(died)?
}

/// The `iceberg` crate loses the values of partition fields whose names Avro does not take, so that their manifests cannot be
/// written again, nor their partitions compared.
pub(super) fn check_names(spec: &PartitionSpec) -> Result<()> {
    match spec.fields().iter().find(|field| !is_avro_name(&field.name)) {
        None => Ok(()),
        Some(field) => {
            let message =
                format!("rows cannot be replaced in partitions by `{}`, a name that Avro does not take", field.name);
            Err(Error::new(ErrorKind::Unsupported, message)
                .hint("CREATE TABLE … AS with the rows that stay, partitioned by a field of letters and digits"))
        }
    }
}

/// One row: how many rows went or came, as INSERT answers.
pub(super) fn answer(rows: u64) -> Result<RowStream> {
    let batch = RecordBatch::try_new(count_schema(), vec![Arc::new(UInt64Array::from(vec![rows]))])?;
    Ok(RowStream::of_batch(batch))
}

/// Names the table in errors that name none.
pub(super) fn about(name: &TableName) -> impl Fn(Error) -> Error + '_ {
    move |error| error.place(Stage::Select, name)
}

#[cfg(test)]
mod tests;
