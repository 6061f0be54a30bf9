//! A further pin of the same source: which batches are in the target as they are now, and what becomes of the others.
//!
//! A batch that was copied from the same files and deletes holds the same rows. One that has got files since gets the rows of
//! those files; any other is replaced as a whole, in one snapshot.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use iceberg::spec::{Operation, TableMetadata};

use super::attempt::Attempt;
use super::batches::{self, Batch, Rows};
use super::job::{BatchId, JobId};
use super::register::{Detail, Done};
use crate::catalog::{IcebergTable, Table};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::scan::PlannedFile;

/// How the rows of a batch come into the target.
#[derive(Debug, Clone)]
pub(crate) enum Mode {
    /// The target has none of them.
    Copy,
    /// The target has the rows of the other files, as the detail says.
    Append { files: Vec<Arc<PlannedFile>>, before: Detail },
    /// The target has rows of the batch that are not valid any more, as the detail says.
    Replace { before: Detail },
}

impl Mode {
    /// The source's files that are read.
    pub fn files<'a>(&'a self, batch: &'a Batch) -> &'a [Arc<PlannedFile>] {
        match self {
            Mode::Append { files, .. } => files,
            Mode::Copy | Mode::Replace { .. } => &batch.files,
        }
    }
}

/// Adds batches that the target has and the source has no more, so that they become empty. In the order of their keys.
pub(super) fn with_vanished(mut plan: Vec<Batch>, details: &BTreeMap<String, Detail>) -> Vec<Batch> {
    let keys: HashSet<String> = plan.iter().map(|batch| batch.key.clone()).collect();
    let vanished = details.keys().filter(|key| !keys.contains(*key)).map(|key| Batch {
        key: key.clone(),
        value: None,
        predicate: None,
        files: Vec::new(),
        rows: Rows { count: 0, exact: true },
        bytes: 0,
        source: batches::files_digest(&[]),
    });
    plan.extend(vanished);
    plan
}

/// Compares a plan with what the target has of an earlier pin.
pub(super) struct Comparison<'a> {
    /// The source as it is now, which still has earlier snapshots.
    pub current: &'a IcebergTable,
    pub details: &'a BTreeMap<String, Detail>,
}

impl Comparison<'_> {
    /// Counts the batches that are in the target as they are.
    pub fn carry_over(&self, done: &mut Done, plan: &[Batch], snapshot: Option<i64>) {
        done.renumber();
        for (number, batch) in (0..).zip(plan) {
            if let Some(detail) = self.details.get(&batch.key)
                && (detail.source == batch.source || self.only_rewritten(detail.pin, snapshot))
            {
                done.count_in(number, detail);
            }
        }
    }

    /// Whether every snapshot from the one to the other kept the rows as they were.
    fn only_rewritten(&self, from: Option<i64>, to: Option<i64>) -> bool {
        let metadata = &self.current.table.metadata;
        let mut at = to;
        for _ in 0..=metadata.snapshots().len() {
            if at == from {
                return true;
            }
            let Some(snapshot) = at.and_then(|id| metadata.snapshot_by_id(id)) else { return false };
            if snapshot.summary().operation != Operation::Replace {
                return false;
            }
            at = snapshot.parent_snapshot_id();
        }
        false
    }

    /// How a batch that is not done comes into the target. `earlier` keeps the plans of earlier snapshots.
    pub async fn mode(&self, batch: &Batch, earlier: &mut Earlier<'_>) -> Result<Mode> {
        let Some(before) = self.details.get(&batch.key) else { return Ok(Mode::Copy) };
        if before.print.rows == 0 {
            return Ok(Mode::Copy);
        }
        let old = earlier.batch(self, before).await?;
        let added = old.and_then(|old| added(&old, batch));
        Ok(match added {
            Some(files) => Mode::Append { files, before: before.clone() },
            None => Mode::Replace { before: before.clone() },
        })
    }
}

/// The files that the batch has got, if it has lost none and none has got or lost deletes.
fn added(old: &[Arc<PlannedFile>], batch: &Batch) -> Option<Vec<Arc<PlannedFile>>> {
    let mut left: HashSet<_> = old.iter().map(|file| file.identity()).collect();
    let new: Vec<_> = batch.files.iter().filter(|file| !left.remove(&file.identity())).cloned().collect();
    left.is_empty().then_some(new)
}

/// The plans of earlier snapshots, made when they are first asked for.
pub(super) struct Earlier<'a> {
    pub plan: &'a (dyn Planner + Sync),
    pub known: BTreeMap<i64, Vec<Batch>>,
}

/// Makes the batches of a version of the source.
#[async_trait::async_trait]
pub(super) trait Planner {
    async fn plan(&self, source: &IcebergTable) -> Result<Vec<Batch>>;
}

impl Earlier<'_> {
    /// The files that the batch had when its detail was noted; `None` if that is not known any more.
    async fn batch(&mut self, now: &Comparison<'_>, detail: &Detail) -> Result<Option<Vec<Arc<PlannedFile>>>> {
        let Some(snapshot) = detail.pin else { return Ok(None) };
        if !self.known.contains_key(&snapshot) {
            let metadata = &now.current.table.metadata;
            let Some(schema) = schema_of(metadata, snapshot) else { return Ok(None) };
            let table = now.current.table.pinned(snapshot, schema)?;
            let source = IcebergTable::new(Arc::clone(now.current.catalog()), table)?;
            let plan = self.plan.plan(&source).await?;
            self.known.insert(snapshot, plan);
        }
        let plan = self.known.get(&snapshot).map(Vec::as_slice).unwrap_or_default();
        let found = plan.iter().find(|batch| batch.key == detail.key && batch.source == detail.source);
        Ok(found.map(|batch| batch.files.clone()))
    }
}

fn schema_of(metadata: &TableMetadata, snapshot: i64) -> Option<i32> {
    let snapshot = metadata.snapshot_by_id(snapshot)?;
    Some(snapshot.schema_id().unwrap_or_else(|| metadata.current_schema_id()))
}

/// The target's files that hold the rows of a batch, found by their names.
///
/// # Errors
/// [`ErrorKind::Drift`] if they do not hold as many rows as were committed: they were rewritten or deleted from.
pub(super) fn files_of_batch(
    target: &Table,
    files: &[Arc<PlannedFile>],
    job: JobId,
    before: &Detail,
) -> Result<HashSet<String>> {
    let batch = BatchId::new(&before.key);
    let is_of_batch = |file: &&Arc<PlannedFile>| {
        let attempt = Attempt::of(file.file.file_path());
        attempt.is_some_and(|attempt| (attempt.job, attempt.batch) == (job, batch))
    };
    let found: Vec<_> = files.iter().filter(is_of_batch).collect();
    let rows: u64 = found.iter().map(|file| file.file.record_count()).sum();
    if rows == before.print.rows && found.iter().all(|file| !file.has_deletes()) {
        return Ok(found.into_iter().map(|file| file.file.file_path().to_string()).collect());
    }
    let message = format!(
        "the batch `{}` is to be replaced: {} of its rows were committed, its files now hold {rows}",
        before.key, before.print.rows
    );
    Err(Error::new(ErrorKind::Drift, message)
        .place(Stage::Snapshot, &target.name)
        .hint("another writer has rewritten files of the batch or deleted from it; drop the target and migrate anew"))
}
