//! The batches of a migration, from the source's metadata alone.
//!
//! In: a pinned source, the user's filters, and what to batch by. Out: the batches in the order of their values, NULL last.
//! What must hold: every row of the source that the filters keep is selected by the predicate of exactly one batch, and
//! the file that holds it is among that batch's files; what metadata cannot promise is refused, never guessed.

mod by;
mod choice;
mod held;
mod units;

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::prelude::SessionContext;
use sha2::{Digest, Sha256};

pub(crate) use self::by::BatchBy;
use self::by::BatchColumn;
use self::choice::{Chooser, plannable};
pub(crate) use self::choice::{selected, selects_batches};
use self::held::{Held, Share};
use super::register::hex;
use crate::catalog::IcebergTable;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::scan::PlannedFile;

/// The register of a migration names its batches one by one.
const BATCHES_MAX: usize = 100_000;
/// A file stands in every batch that may hold rows of it: batches times files that are named at most.
const NAMED_FILES_MAX: usize = 10_000_000;
/// What helps where metadata does not tell.
const SCAN_HINT: &str = "WITH (scan_batches = true) finds the values with a query of that one column";

/// A part of the source that is migrated by one commit.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    /// Unique in the plan, what a person reads and types: `year=2019`, `ts_month=2024-05`, `year=null`, `all`.
    pub key: String,
    /// The value that the batch column has in all rows, or that its transform gives: a year as years since 1970. NULL is a
    /// value of its own. None for the whole table.
    pub value: Option<ScalarValue>,
    /// What selects exactly the rows of the batch, on the source's columns. None for the whole table.
    pub predicate: Option<Expr>,
    /// The files that may hold rows of the batch, in the order in which they were written.
    pub files: Vec<Arc<PlannedFile>>,
    pub rows: Rows,
    /// Of the source's files. One that batches share counts by its share of the rows, or fully where that is not known.
    pub bytes: u64,
    /// A digest of what decides which rows the batch has: its files and their deletes.
    pub source: String,
}

/// A number of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rows {
    pub count: u64,
    /// Whether that is what a scan will find. Otherwise it is an estimate.
    pub exact: bool,
}

/// The batches of the source, of which the filters keep rows; reads manifests, no data.
///
/// # Errors
/// Files whose metadata does not tell their batches, and whatever keeps manifests from being read.
pub(crate) async fn batches(
    source: &IcebergTable,
    state: &dyn Session,
    filters: &[Expr],
    by: &BatchBy,
) -> Result<Vec<Batch>> {
    planned(source, state, filters, by, None).await
}

/// The same where a query has found the values: those of the column, or of its transform, NULL included.
pub(crate) async fn batches_from_values(
    source: &IcebergTable,
    state: &dyn Session,
    filters: &[Expr],
    by: &BatchBy,
    values: Vec<ScalarValue>,
) -> Result<Vec<Batch>> {
    planned(source, state, filters, by, Some(values)).await
}

/// Finds the values with a query that reads the batch column of the rows that the filters keep.
///
/// # Errors
/// More values than a migration can have batches.
pub(crate) async fn scanned_values(
    context: &SessionContext,
    source: &IcebergTable,
    filters: &[Expr],
    by: &BatchBy,
) -> Result<Vec<ScalarValue>> {
    let Some(column) = by.bind(source.table.metadata.current_schema())? else { return Ok(Vec::new()) };
    let mut frame = context.read_table(Arc::new(source.clone()))?;
    if let Some(filter) = conjunction(filters.iter().cloned()) {
        frame = frame.filter(filter)?;
    }
    let found = frame.select(vec![column.unit_expr()?.alias("value")])?.distinct()?.limit(0, Some(BATCHES_MAX + 1))?;
    let mut values = Vec::new();
    for batch in found.collect().await? {
        for row in 0..batch.num_rows() {
            values.push(ScalarValue::try_from_array(batch.column(0), row)?);
        }
    }
    if values.len() > BATCHES_MAX {
        return Err(too_many(by).place(Stage::Scan, &source.table.name));
    }
    Ok(values)
}

async fn planned(
    source: &IcebergTable,
    state: &dyn Session,
    filters: &[Expr],
    by: &BatchBy,
    values: Option<Vec<ScalarValue>>,
) -> Result<Vec<Batch>> {
    let place = |error: Error| error.place(Stage::Scan, &source.table.name);
    let bound = by.bind(source.table.metadata.current_schema()).map_err(place)?;
    let files = source.live_files(state, &plannable(filters)).await?;
    let Some(column) = bound else { return Ok(whole(files, filters.is_empty())) };
    let dealt = deal(&column, files, values).map_err(place)?;
    let chooser = Chooser::new(filters, by, &column, state);
    let mut kept = chooser.choose(dealt)?;
    if !chooser.is_exact() {
        kept.iter_mut().for_each(|batch| batch.rows.exact = false);
    }
    Ok(kept)
}

/// The one batch of a migration that has no batches.
fn whole(files: Vec<Arc<PlannedFile>>, all_rows: bool) -> Vec<Batch> {
    let count = files.iter().map(|planned| planned.file.record_count()).sum();
    if count == 0 {
        return Vec::new();
    }
    let exact = all_rows && !files.iter().any(|planned| planned.has_deletes());
    vec![Batch {
        key: "all".to_string(),
        value: None,
        predicate: None,
        rows: Rows { count, exact },
        bytes: files.iter().map(|planned| planned.file.file_size_in_bytes()).sum(),
        source: files_digest(&files),
        files,
    }]
}

/// Deals the files to batches: by what their metadata says, or, if `values` were found, to all of these that it allows.
fn deal(column: &BatchColumn, files: Vec<Arc<PlannedFile>>, values: Option<Vec<ScalarValue>>) -> Result<Vec<Batch>> {
    let values = values.map(|values| units::sorted(column, values)).transpose()?;
    let mut dealt = Dealt::default();
    let mut named_files = 0;
    for planned in files.into_iter().filter(|planned| planned.file.record_count() > 0) {
        let at_file = |error: Error| error.subject(planned.file.file_path());
        let held = Held::of(&planned, column).map_err(at_file)?;
        let shares = match &values {
            Some(values) => held.among(values),
            None => held.shares(column, BATCHES_MAX).map_err(at_file)?,
        };
        named_files += shares.len();
        for share in shares {
            dealt.add(&planned, share);
        }
        if dealt.piles.len() > BATCHES_MAX || named_files > NAMED_FILES_MAX {
            return Err(too_many(&column.by()));
        }
    }
    dealt.into_batches(column)
}

fn too_many(by: &BatchBy) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("`{by}` makes more than {BATCHES_MAX} batches, or puts files into too many"),
    )
    .hint("BATCH BY a coarser unit or a column with fewer values")
}

/// What one batch gets.
struct Pile {
    value: ScalarValue,
    files: Vec<Arc<PlannedFile>>,
    rows: Rows,
    bytes: u64,
}

#[derive(Default)]
struct Dealt {
    piles: Vec<Pile>,
    by_value: HashMap<ScalarValue, usize>,
}

impl Dealt {
    fn add(&mut self, planned: &Arc<PlannedFile>, share: Share) {
        let Share { value, rows: Rows { count, exact } } = share;
        let index = *self.by_value.entry(value.clone()).or_insert(self.piles.len());
        if index == self.piles.len() {
            let rows = Rows { count: 0, exact: true };
            self.piles.push(Pile { value, files: Vec::new(), rows, bytes: 0 });
        }
        let (pile, size_bytes) = (&mut self.piles[index], planned.file.file_size_in_bytes());
        pile.bytes += if exact { part_of(size_bytes, count, planned.file.record_count()) } else { size_bytes };
        pile.rows.count += count;
        pile.rows.exact &= exact && !planned.has_deletes();
        pile.files.push(Arc::clone(planned));
    }

    fn into_batches(self, column: &BatchColumn) -> Result<Vec<Batch>> {
        let mut piles = self.piles;
        piles.sort_by(|a, b| units::order(&a.value, &b.value));
        let batch = |pile: Pile| Batch {
            key: column.key(&pile.value),
            predicate: Some(column.predicate(&pile.value)),
            value: Some(pile.value),
            source: files_digest(&pile.files),
            files: pile.files,
            rows: pile.rows,
            bytes: pile.bytes,
        };
        Ok(piles.into_iter().map(batch).collect())
    }
}

fn part_of(total: u64, part: u64, whole: u64) -> u64 {
    let part = u128::from(total) * u128::from(part) / u128::from(whole.max(1));
    u64::try_from(part).unwrap_or(u64::MAX)
}

/// The digest of the batches' keys, in their order.
pub(crate) fn plan_hash(batches: &[Batch]) -> String {
    digest(batches.iter().map(|batch| [batch.key.as_str()]))
}

/// The digest of the files and their deletes, in whatever order they come.
pub(crate) fn files_digest(files: &[Arc<PlannedFile>]) -> String {
    let mut identities: Vec<_> = files.iter().map(|planned| planned.identity()).collect();
    identities.sort_unstable();
    digest(identities)
}

/// 32 hexadecimal digits of SHA-256 over groups of texts; where each begins and ends goes in, too.
fn digest<G: AsRef<[T]>, T: AsRef<str>>(groups: impl IntoIterator<Item = G>) -> String {
    let mut sha = Sha256::new();
    for group in groups {
        sha.update((group.as_ref().len() as u64).to_le_bytes());
        for text in group.as_ref() {
            sha.update((text.as_ref().len() as u64).to_le_bytes());
            sha.update(text.as_ref().as_bytes());
        }
    }
    hex(&sha.finalize()[..16])
}

/// The files of a batch in runs that each have `slice_bytes` or end with the batch; no run is empty.
pub(crate) fn slices(files: &[Arc<PlannedFile>], slice_bytes: u64) -> Vec<Vec<Arc<PlannedFile>>> {
    let mut slices = Vec::new();
    let (mut slice, mut size_bytes) = (Vec::new(), 0_u64);
    for planned in files {
        size_bytes = size_bytes.saturating_add(planned.file.file_size_in_bytes());
        slice.push(Arc::clone(planned));
        if size_bytes >= slice_bytes {
            slices.push(std::mem::take(&mut slice));
            size_bytes = 0;
        }
    }
    if !slice.is_empty() {
        slices.push(slice);
    }
    slices
}

#[cfg(test)]
mod tests;
