//! The data files that snapshots brought, for the rows that came between two of them.
//!
//! What must hold: each file that one of the snapshots added comes once, with all its rows. Files that were rewritten since
//! are read as they were added, so that rows are not counted again. Nothing was deleted from them: a snapshot that deletes
//! is refused, here once more where its summary does not say so.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use iceberg::spec::{ManifestContentType, ManifestFile, ManifestStatus, SnapshotRef};

use super::files::{MANIFEST_CONCURRENCY, PlannedFile, check_format, spec_of};
use crate::catalog::Table;
use crate::error::{Error, ErrorKind, Result};

/// The files that these snapshots added, in their order. Reads their manifest lists, and manifests of theirs alone.
///
/// # Errors
/// Snapshots that removed files, and what else keeps files from being read.
pub(crate) async fn added_files(table: &Table, snapshots: &[SnapshotRef]) -> Result<Vec<Arc<PlannedFile>>> {
    let lists = snapshots.iter().cloned().map(|snapshot| async move {
        let id = snapshot.snapshot_id();
        let manifests = table.manifest_list(&snapshot).await?.consume_entries().into_iter();
        let own: Vec<_> = manifests.filter(|manifest| manifest.added_snapshot_id == id).collect();
        Ok::<_, Error>(stream::iter(own.into_iter().map(Ok::<_, Error>)))
    });
    let lists: Vec<_> = lists.collect();
    let manifests = stream::iter(lists).buffered(MANIFEST_CONCURRENCY).try_flatten();
    let files = manifests.map_ok(|manifest| async move { added_by(table, &manifest).await });
    let files: Vec<Vec<_>> = files.try_buffered(MANIFEST_CONCURRENCY).try_collect().await?;
    Ok(files.into_iter().flatten().collect())
}

/// The files that the manifest's snapshot added.
async fn added_by(table: &Table, manifest: &ManifestFile) -> Result<Vec<Arc<PlannedFile>>> {
    if manifest.content == ManifestContentType::Deletes {
        return Err(removes(manifest.added_snapshot_id));
    }
    let spec = spec_of(table, manifest)?;
    let mut files = Vec::new();
    for entry in table.manifest(manifest).await?.into_parts().0 {
        if entry.snapshot_id() != Some(manifest.added_snapshot_id) {
            continue;
        }
        match entry.status() {
            ManifestStatus::Existing => {}
            ManifestStatus::Deleted => return Err(removes(manifest.added_snapshot_id)),
            ManifestStatus::Added => {
                check_format(entry.data_file())?;
                let (file, sequence) = (entry.data_file().clone(), entry.sequence_number().unwrap_or(0));
                files.push(Arc::new(PlannedFile { file, spec: Arc::clone(&spec), sequence, deletes: Vec::new() }));
            }
        }
    }
    Ok(files)
}

fn removes(snapshot: i64) -> Error {
    let message = format!("the snapshot {snapshot} removes rows, though it says that it appends");
    Error::new(ErrorKind::Unsupported, message).hint("take the rows up to it and from it on")
}
