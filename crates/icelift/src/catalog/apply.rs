//! From a commit request to the next metadata file, for catalogs that keep a pointer to it.

use std::collections::{BTreeSet, HashSet};
use std::str::FromStr;

use iceberg::spec::{MetadataLog, Schema, TableMetadata, TableMetadataBuildResult};
use iceberg::{MetadataLocation, TableUpdate};

use super::{Author, CommitRequest, Table, TableName, refs};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::storage::Store;

/// The metadata that the request makes of `base`, or of the table that it creates.
pub(super) fn apply(
    name: &TableName,
    base: Option<&Table>,
    request: &CommitRequest,
) -> Result<TableMetadataBuildResult> {
    let before = base.map(|base| base.metadata.as_ref());
    for requirement in &request.requirements {
        requirement.check(before).map_err(|source| conflict(name).source(source))?;
    }
    let missing = || Error::new(ErrorKind::Internal, "a commit to no table").place(Stage::Snapshot, name);
    let refused = |source: iceberg::Error| {
        Error::new(ErrorKind::Write, "the commit is not valid").place(Stage::Snapshot, name).source(source)
    };
    if let Some(before) = before {
        check_refs_stay(name, before, request)?;
    }
    let start = before.or(request.create.as_deref()).ok_or_else(missing)?.clone();
    let mut builder = start.into_builder(base.and_then(|base| base.metadata_location.clone()));
    for update in &request.updates {
        builder = update.clone().apply(builder).map_err(refused)?;
    }
    builder.build().map_err(refused)
}

/// Whether two schemas differ at most in their ids.
pub(crate) fn is_same_schema(left: &Schema, right: &Schema) -> bool {
    let keys = |schema: &Schema| schema.identifier_field_ids().collect::<BTreeSet<_>>();
    left.as_struct() == right.as_struct() && keys(left) == keys(right)
}

/// A snapshot that a branch or tag points to is not removed: `iceberg` would drop the reference with it, and somebody may have
/// made it since the request was built.
fn check_refs_stay(name: &TableName, before: &TableMetadata, request: &CommitRequest) -> Result<()> {
    let (mut snapshots, mut kept) = (HashSet::new(), None);
    for update in &request.updates {
        match update {
            TableUpdate::RemoveSnapshots { snapshot_ids } => snapshots.extend(snapshot_ids.iter().copied()),
            TableUpdate::RemoveSnapshotRef { ref_name } => {
                if kept.is_none() {
                    kept = Some(refs(before)?);
                }
                kept.iter_mut().for_each(|kept| {
                    kept.remove(ref_name);
                });
            }
            _ => {}
        }
    }
    if snapshots.is_empty() {
        return Ok(());
    }
    let kept = kept.map_or_else(|| refs(before), Ok)?;
    match kept.iter().find(|(_, reference)| snapshots.contains(&reference.snapshot_id)) {
        None => Ok(()),
        Some((reference, _)) => {
            let message = format!("the branch or tag `{reference}` points to a snapshot that is to be removed");
            Err(Error::new(ErrorKind::CommitConflict, message).place(Stage::Snapshot, name))
        }
    }
}

/// The next metadata file; one that was named by rules unknown to us starts the count anew.
pub(super) fn next_location(
    base: Option<&Table>,
    metadata: &TableMetadata,
    author: Option<Author>,
) -> MetadataLocation {
    let current = base.and_then(|base| MetadataLocation::from_str(base.metadata_location.as_deref()?).ok());
    let next = match current {
        Some(current) => current.with_next_version().with_new_metadata(metadata),
        None => MetadataLocation::new_with_metadata(metadata.location(), metadata),
    };
    match author {
        Some(author) => author.sign(next, metadata.uuid()),
        None => next,
    }
}

/// Writes a metadata file.
pub(super) async fn write_metadata(store: &Store, metadata: &TableMetadata, location: &MetadataLocation) -> Result<()> {
    metadata.write_to(&store.file_io(), location).await.map_err(|source| {
        Error::new(ErrorKind::Write, format!("the metadata file `{location}` cannot be written"))
            .stage(Stage::Catalog)
            .hint("check the space left and the rights on the warehouse")
            .source(source)
    })
}

/// The snapshots that a request adds.
pub(super) fn added_snapshots(request: &CommitRequest) -> Vec<i64> {
    let added = request.updates.iter().filter_map(|update| match update {
        TableUpdate::AddSnapshot { snapshot } => Some(snapshot.snapshot_id()),
        _ => None,
    });
    added.collect()
}

/// Whether the table was committed to on top of a commit, which wrote the metadata file and added the snapshots.
pub(super) fn is_built_on(table: &TableMetadata, metadata_file: &str, snapshot_ids: &[i64]) -> bool {
    table.metadata_log().iter().any(|log| log.metadata_file == metadata_file)
        || snapshot_ids.iter().any(|id| table.snapshot_by_id(*id).is_some())
}

/// Deletes metadata files that the table forgot, where `write.metadata.delete-after-commit.enabled` asks for it.
pub(super) async fn delete_expired(store: &Store, metadata: &TableMetadata, expired: &[MetadataLog]) {
    let wanted = metadata.properties().get("write.metadata.delete-after-commit.enabled");
    if wanted.is_none_or(|value| value != "true") {
        return;
    }
    for log in expired {
        if let Err(error) = store.delete(&log.metadata_file).await {
            tracing::warn!(%error, "an expired metadata file could not be deleted");
        }
    }
}

pub(super) fn table_exists(name: &TableName) -> Error {
    Error::new(ErrorKind::AlreadyExists, format!("the table {name} exists already"))
        .hint("CREATE TABLE IF NOT EXISTS leaves it as it is")
}

/// The error for a name that a table can neither be registered by nor renamed to.
pub(super) fn name_is_taken(name: &TableName) -> Error {
    Error::new(ErrorKind::AlreadyExists, format!("the table {name} exists already"))
        .hint("choose another name, or drop the table first; its files stay")
}

pub(super) fn conflict(name: &TableName) -> Error {
    Error::new(ErrorKind::CommitConflict, "the table was changed by another writer")
        .place(Stage::Snapshot, name)
        .hint("run the statement again")
}
