//! What changed between two versions of a table, found by comparing the manifests that only one of them has.
//!
//! What must hold: it is read from what the versions list, not from the history between them, which may have expired or
//! turned back.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use iceberg::spec::{DataContentType, DataFile, ManifestContentType, ManifestFile, PartitionSpecRef};

use super::removal::DeleteId;
use crate::catalog::Table;
use crate::error::{Error, ErrorKind, Result, Stage};

/// Manifests that are read at once.
const MANIFEST_CONCURRENCY: usize = 16;

/// A live data file, or a live delete, of a snapshot.
#[derive(Debug, Clone)]
pub(crate) struct LiveFile {
    pub file: DataFile,
    pub spec: PartitionSpecRef,
    /// The data sequence number.
    pub sequence: i64,
}

impl LiveFile {
    /// Whether it deletes rows by what they hold.
    pub fn compares_keys(&self) -> bool {
        self.file.content_type() == DataContentType::EqualityDeletes
    }
}

/// The files that only one of two versions of a table has.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    pub added: Vec<LiveFile>,
    pub removed: Vec<LiveFile>,
    pub added_deletes: Vec<LiveFile>,
    pub removed_deletes: Vec<LiveFile>,
}

impl Difference {
    /// What has changed since `before` in the current snapshot of `now`, the same table at a later time.
    ///
    /// # Errors
    /// Manifests that cannot be read, as those of a snapshot that has expired meanwhile.
    pub async fn since(before: &Table, now: &Table) -> Result<Self> {
        if before.metadata.current_snapshot_id() == now.metadata.current_snapshot_id() {
            return Ok(Self::default());
        }
        let (old, new) = (manifests(before).await.map_err(|error| expired(error, before, now))?, manifests(now).await?);
        let only = |these: &HashMap<String, ManifestFile>, those: &HashMap<String, ManifestFile>| {
            let only = these.iter().filter(|(path, _)| !those.contains_key(*path));
            only.map(|(_, manifest)| manifest.clone()).collect::<Vec<_>>()
        };
        let old_files = entries(before, only(&old, &new)).await.map_err(|error| expired(error, before, now))?;
        let new_files = entries(now, only(&new, &old)).await?;
        let was: HashSet<_> = old_files.iter().map(identity).collect();
        let is: HashSet<_> = new_files.iter().map(identity).collect();
        let mut found = Self::default();
        for (files, known, data, deletes) in [
            (&new_files, &was, &mut found.added, &mut found.added_deletes),
            (&old_files, &is, &mut found.removed, &mut found.removed_deletes),
        ] {
            for entry in files.iter().filter(|entry| !known.contains(&identity(entry))) {
                match entry.0 {
                    ManifestContentType::Data => data.push(entry.1.clone()),
                    ManifestContentType::Deletes => deletes.push(entry.1.clone()),
                }
            }
        }
        Ok(found)
    }
}

type Entry = (ManifestContentType, LiveFile);

/// A file that has been added again has another sequence number, by which other deletes apply to it.
fn identity((content, live): &Entry) -> (bool, DeleteId, i64) {
    (*content == ManifestContentType::Deletes, DeleteId::of(&live.file), live.sequence)
}

async fn manifests(table: &Table) -> Result<HashMap<String, ManifestFile>> {
    let Some(snapshot) = table.metadata.current_snapshot() else { return Ok(HashMap::new()) };
    let list = table.manifest_list(snapshot).await?;
    Ok(list.consume_entries().into_iter().map(|manifest| (manifest.manifest_path.clone(), manifest)).collect())
}

/// The live entries of the manifests.
async fn entries(table: &Table, manifests: Vec<ManifestFile>) -> Result<Vec<Entry>> {
    let reads = manifests.into_iter().map(|file| async move {
        let spec = table.metadata.partition_spec_by_id(file.partition_spec_id).cloned().ok_or_else(|| {
            let message = format!("the manifest names the unknown partition spec {}", file.partition_spec_id);
            Error::new(ErrorKind::Read, message).subject(&file.manifest_path)
        })?;
        let manifest = table.manifest(&file).await?;
        let alive = manifest.entries().iter().filter(|entry| entry.is_alive());
        let live = alive.map(|entry| {
            let sequence = entry.sequence_number().unwrap_or(0);
            (file.content, LiveFile { file: entry.data_file().clone(), spec: spec.clone(), sequence })
        });
        Ok::<_, Error>(live.collect::<Vec<_>>())
    });
    stream::iter(reads).buffer_unordered(MANIFEST_CONCURRENCY).try_concat().await
}

/// Says so if the snapshot is gone, instead of which of its files is.
fn expired(error: Error, before: &Table, now: &Table) -> Error {
    match before.metadata.current_snapshot_id() {
        Some(id) if now.metadata.snapshot_by_id(id).is_none() => Error::new(
            ErrorKind::Drift,
            format!("the snapshot {id}, from which the statement read, has expired meanwhile"),
        )
        .place(Stage::Snapshot, &now.name)
        .hint("nothing was changed; run the statement again, and keep snapshots for longer than it takes")
        .source(error),
        _ => error,
    }
}
