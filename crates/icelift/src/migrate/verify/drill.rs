//! Finds the rows that differ, and the target's files that hold them.
//!
//! In: the partitions whose fingerprints differ. Both sides are read once to count the hashes of their rows, and once more
//! to show the rows whose counts differ. What must hold: memory is bounded; where there are too many rows, that is said.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::logical_expr::LogicalPlan;
use futures::{StreamExt, stream};

use super::rows::{Check, Verdict};
use super::sides::{BatchPair, Sides};
use crate::error::{Error, Result, Stage};
use crate::pipeline::shuffle::Partitioner;
use crate::pipeline::sink::partition_folder;
use crate::pipeline::verify::{ContentHasher, Level};

/// Different rows whose hashes are kept, of both sides: some hundreds of megabytes.
const COUNTED_ROWS_MAX: usize = 10_000_000;
/// Rows that are shown of a batch and side.
const SHOWN_ROWS_MAX: usize = 10;
/// Characters that are shown of a row.
const SHOWN_CHARACTERS_MAX: usize = 400;

/// How often a row is there on the source's side, less how often on the target's.
type Balance = HashMap<u128, i64>;

/// One check for each row that only one side has, up to a number of them, and for each file of the target that has such rows.
pub(super) async fn drill(sides: &Sides, pair: &BatchPair, partitions: &BTreeSet<String>) -> Result<Vec<Check>> {
    let Some(source) = sides.source_rows(pair).await? else { return Ok(Vec::new()) };
    let target = sides.target_rows(pair)?;
    let mut balance = Balance::new();
    let mut full = false;
    for (plan, step) in [(&source, 1), (&target, -1)] {
        visit(sides, plan.clone(), partitions, |_, _, hashes| {
            for hash in hashes {
                full |= balance.len() >= COUNTED_ROWS_MAX;
                if !full || balance.contains_key(hash) {
                    *balance.entry(*hash).or_default() += step;
                }
            }
        })
        .await?;
    }
    if full {
        let shown = format!("more than {COUNTED_ROWS_MAX} rows to compare: rows are not listed");
        return Ok(vec![row(pair, None, Some(shown), None)]);
    }
    balance.retain(|_, count| *count != 0);
    let mut checks = shown(sides, pair, source, partitions, balance.clone(), 1).await?;
    checks.extend(shown(sides, pair, target, partitions, balance.clone(), -1).await?);
    checks.extend(files(sides, pair, partitions, &balance).await?);
    Ok(checks)
}

fn row(pair: &BatchPair, partition: Option<&str>, source: Option<String>, target: Option<String>) -> Check {
    let (batch, partition) = (pair.key.clone(), partition.map(str::to_string));
    Check { batch, partition, check: "row", source, target, verdict: Verdict::Different }
}

/// The first rows that one side has more often than the other.
async fn shown(
    sides: &Sides,
    pair: &BatchPair,
    plan: LogicalPlan,
    partitions: &BTreeSet<String>,
    mut balance: Balance,
    side: i64,
) -> Result<Vec<Check>> {
    let mut found = Vec::new();
    visit(sides, plan, partitions, |partition, rows, hashes| {
        for (index, hash) in hashes.iter().enumerate() {
            let Some(count) = balance.get_mut(hash).filter(|count| count.signum() == side) else { continue };
            if found.len() < SHOWN_ROWS_MAX {
                *count -= side;
                found.push((partition.to_string(), text(rows, index)));
            }
        }
    })
    .await?;
    let check = |(partition, text): (String, String)| match side {
        1 => row(pair, Some(&partition), Some(text), None),
        _ => row(pair, Some(&partition), None, Some(text)),
    };
    Ok(found.into_iter().map(check).collect())
}

/// The target's files with rows that the source does not have, or not as often.
async fn files(
    sides: &Sides,
    pair: &BatchPair,
    partitions: &BTreeSet<String>,
    balance: &Balance,
) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    let (spec, schema) = {
        let metadata = &sides.target.table.metadata;
        (metadata.default_partition_spec(), metadata.current_schema())
    };
    for planned in pair.target.iter().flat_map(|batch| &batch.files) {
        let folder = partition_folder(&planned.spec, schema, planned.file.partition());
        if planned.spec.spec_id() == spec.spec_id() && !partitions.contains(&folder) {
            continue;
        }
        let plan = sides.target_rows_of(pair, std::slice::from_ref(planned))?;
        let mut surplus = 0_u64;
        visit(sides, plan, partitions, |_, _, hashes| {
            surplus += hashes.iter().filter(|hash| balance.get(hash).is_some_and(|count| *count < 0)).count() as u64;
        })
        .await?;
        if surplus > 0 {
            checks.push(Check {
                batch: pair.key.clone(),
                partition: Some(folder),
                check: "file",
                source: None,
                target: Some(format!("{surplus} rows in {}", planned.file.file_path())),
                verdict: Verdict::Different,
            });
        }
    }
    Ok(checks)
}

/// Shows all rows of the partitions with their hashes.
async fn visit(
    sides: &Sides,
    plan: LogicalPlan,
    partitions: &BTreeSet<String>,
    mut see: impl FnMut(&str, &RecordBatch, &[u128]),
) -> Result<()> {
    let metadata = &sides.target.table.metadata;
    let (spec, schema) = (metadata.default_partition_spec(), metadata.current_schema());
    let columns = sides.compared_columns(Level::Content);
    let mut hasher = ContentHasher::new(&sides.columns.project(&columns)?)?;
    let mut partitioner = Partitioner::new(spec, schema, &sides.columns)?;
    let mut streams = stream::select_all(sides.run(plan).await?);
    while let Some(batch) = streams.next().await {
        let batch = batch.map_err(|error| Error::from(error).stage(Stage::Verify))?;
        if batch.num_rows() == 0 {
            continue;
        }
        for (key, rows) in partitioner.split(batch)? {
            let folder = partition_folder(spec, schema, &key.values);
            if partitions.contains(&folder) {
                let hashes = hasher.hashes(&rows.project(&columns)?)?;
                see(&folder, &rows, &hashes);
            }
        }
    }
    Ok(())
}

/// A row as a person reads it, cut where it is long.
fn text(rows: &RecordBatch, index: usize) -> String {
    let options = FormatOptions::default().with_null("NULL").with_display_error(true);
    let mut text = String::new();
    for (field, column) in rows.schema_ref().fields().iter().zip(rows.columns()) {
        if text.len() >= SHOWN_CHARACTERS_MAX {
            text.push('…');
            break;
        }
        let separator = if text.is_empty() { "" } else { ", " };
        if let Ok(shown) = ArrayFormatter::try_new(column.as_ref(), &options) {
            let _ = write!(text, "{separator}{}={}", field.name(), shown.value(index));
        }
    }
    text
}
