//! The files of batches, if they are as they were committed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use iceberg::spec::{Operation, TableMetadata};

use super::choice::Choice;
use crate::catalog::{Catalog, IcebergTable, Table, ancestors};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::migrate::attempt::Attempt;
use crate::migrate::job::BatchId;
use crate::migrate::register::Detail;
use crate::pipeline::scan::PlannedFile;

/// Files that a message names for each thing that happened to them.
const NAMED_MAX: usize = 20;
/// Snapshots that a message names.
const SNAPSHOTS_MAX: usize = 5;

/// The files that go.
///
/// # Errors
/// [`ErrorKind::Drift`], with the list, if others have rewritten files of the batches or deleted from them.
pub(super) async fn of_batches(
    engine: &Engine,
    catalog: &Arc<dyn Catalog>,
    table: &Table,
    choice: &Choice,
) -> Result<HashSet<String>> {
    let target = IcebergTable::new(Arc::clone(catalog), table.clone())?;
    let live = target.live_files(&engine.session().state(), &[]).await?;
    let mut by_batch: HashMap<BatchId, Vec<&PlannedFile>> = HashMap::new();
    for file in &live {
        let attempt = Attempt::of(file.file.file_path());
        let is_own = |attempt: &Attempt| (attempt.job, attempt.birth) == (choice.job, choice.register.birth);
        if let Some(attempt) = attempt.filter(is_own) {
            by_batch.entry(attempt.batch).or_default().push(file);
        }
    }
    let (mut remove, mut changed) = (HashSet::new(), BTreeMap::new());
    for batch in &choice.batches {
        let files = by_batch.remove(&BatchId::new(&batch.key)).unwrap_or_default();
        let rows: u64 = files.iter().map(|file| file.file.record_count()).sum();
        if rows != batch.print.rows || files.iter().any(|file| file.has_deletes()) {
            changed.insert(batch.key.as_str(), (batch, files));
            continue;
        }
        remove.extend(files.iter().map(|file| file.file.file_path().to_string()));
    }
    match changed.first_key_value() {
        None => Ok(remove),
        Some((_, (batch, files))) => Err(refusal(table, choice, batch, files, changed.len()).await),
    }
}

/// What became of the files of a batch, as far as the table tells.
async fn refusal(table: &Table, choice: &Choice, batch: &Detail, live: &[&PlannedFile], batches: usize) -> Error {
    let rows: u64 = live.iter().map(|file| file.file.record_count()).sum();
    let mut message = format!("the batch `{}` is not as it was committed", batch.key);
    if batches > 1 {
        let _ = write!(message, ", and {} others are not", batches - 1);
    }
    let _ = write!(message, ": {} rows in {} files came, its files hold {rows}", batch.print.rows, batch.files);
    let names: HashSet<&str> = live.iter().map(|file| file.file.file_path()).collect();
    let mut gone = committed(table, choice, batch).await;
    gone.retain(|file| !names.contains(file.as_str()));
    let cut: Vec<String> =
        live.iter().filter(|file| file.has_deletes()).map(|file| file.file.file_path().to_string()).collect();
    let mut parts = Vec::new();
    if !gone.is_empty() {
        parts.push(format!("not in the table any more: {}", listed(&gone)));
    } else if rows != batch.print.rows {
        parts.push(format!(
            "still in the table: {}",
            listed(&names.iter().map(|it| it.to_string()).collect::<Vec<_>>())
        ));
    }
    if !cut.is_empty() {
        parts.push(format!("rows were deleted from {}", listed(&cut)));
    }
    let others = others(&table.metadata, batch.snapshot);
    if !others.is_empty() {
        parts.push(format!("changes since: {}", others.join(", ")));
    }
    parts.push(
        "nothing was changed; `rollback_to_snapshot` or DELETE take the rows out, without the record".to_string(),
    );
    Error::new(ErrorKind::Drift, message).hint(parts.join("; "))
}

fn listed(files: &[String]) -> String {
    let mut files: Vec<_> = files.iter().map(|file| format!("`{file}`")).collect();
    files.sort();
    let more = files.len().saturating_sub(NAMED_MAX);
    files.truncate(NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", files.join(", "))
}

/// The files that the batch's last commit brought; none if its snapshot has expired or cannot be read.
async fn committed(table: &Table, choice: &Choice, batch: &Detail) -> Vec<String> {
    let found = async {
        let Some(snapshot) = table.metadata.snapshot_by_id(batch.snapshot) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        let manifests = table.manifest_list(snapshot).await?.consume_entries().into_iter();
        let manifests: Vec<_> = manifests.filter(|manifest| manifest.added_snapshot_id == batch.snapshot).collect();
        for manifest in manifests {
            let entries = table.manifest(&manifest).await?;
            let files = entries.entries().iter().filter(|entry| entry.is_alive()).map(|entry| entry.file_path());
            let id = BatchId::new(&batch.key);
            let is_own =
                |file: &&str| Attempt::of(file).is_some_and(|attempt| (attempt.job, attempt.batch) == (choice.job, id));
            found.extend(files.filter(is_own).map(str::to_string));
        }
        Ok::<_, Error>(found)
    };
    found.await.unwrap_or_else(|error| {
        tracing::debug!(table = %table.name, %error, "the files of a batch cannot be told");
        Vec::new()
    })
}

/// The snapshots since that one which took files out.
fn others(metadata: &TableMetadata, since: i64) -> Vec<String> {
    let since =
        ancestors(metadata, metadata.current_snapshot_id()).take_while(|snapshot| snapshot.snapshot_id() != since);
    let mut found = Vec::new();
    for snapshot in since {
        let operation = &snapshot.summary().operation;
        if *operation != Operation::Append && found.len() < SNAPSHOTS_MAX {
            found.push(format!("snapshot {} ({})", snapshot.snapshot_id(), operation.as_str()));
        }
    }
    found
}
