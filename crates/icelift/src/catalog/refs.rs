//! The branches and tags of a table, and what led to their snapshots.
//!
//! `iceberg` answers by name only, so they are read from the metadata as it would be written. Of tables of format version 1
//! it knows no other branch than main: what it does not know it must not be asked to expire.

use std::collections::{BTreeMap, HashSet};

use iceberg::spec::{FormatVersion, MAIN_BRANCH, SnapshotRef, SnapshotReference, TableMetadata};
use serde::Deserialize;

use super::Table;
use crate::error::{Error, ErrorKind, Result, Stage};

/// References by name.
pub(crate) type Refs = BTreeMap<String, SnapshotReference>;

/// The part of a metadata file that has them.
#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    refs: Option<Refs>,
}

/// The references that this side knows of.
pub(crate) fn refs(metadata: &TableMetadata) -> Result<Refs> {
    let found = serde_json::to_vec(metadata).and_then(|json| serde_json::from_slice::<Metadata>(&json));
    let mut refs = found.map_err(unreadable)?.refs.unwrap_or_default();
    if let Some(main) = metadata.current_snapshot_id().filter(|_| !refs.contains_key(MAIN_BRANCH)) {
        let retention = iceberg::spec::SnapshotRetention::branch(None, None, None);
        refs.insert(MAIN_BRANCH.to_string(), SnapshotReference::new(main, retention));
    }
    Ok(refs)
}

/// Fails if the table may have references that are lost on this side.
///
/// # Errors
/// [`ErrorKind::Unsupported`] for a table of format version 1 with other references than main.
pub(crate) async fn check_refs_are_known(table: &Table) -> Result<()> {
    if table.metadata.format_version() != FormatVersion::V1 {
        return Ok(());
    }
    let bytes = table.store.read(table.metadata_file()?).await?;
    let found = serde_json::from_slice::<Metadata>(&bytes).map_err(unreadable)?;
    let others: Vec<String> = found
        .refs
        .unwrap_or_default()
        .into_keys()
        .filter(|name| name != MAIN_BRANCH)
        .map(|it| format!("`{it}`"))
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    let message = format!("the table has format version 1 and the branches or tags {}", others.join(", "));
    Err(Error::new(ErrorKind::Unsupported, message)
        .place(Stage::Catalog, &table.name)
        .hint("they are only supported from format version 2 on: set the property `format-version` to 2"))
}

fn unreadable(source: serde_json::Error) -> Error {
    Error::new(ErrorKind::Read, "the references of the table cannot be read").stage(Stage::Catalog).source(source)
}

/// The snapshot and those that led to it, the newest first, as far as they are there. A chain that damaged metadata closes to a
/// ring ends.
pub(crate) fn ancestors(metadata: &TableMetadata, id: Option<i64>) -> impl Iterator<Item = &SnapshotRef> {
    let mut seen = HashSet::new();
    let found = |id: Option<i64>| id.and_then(|id| metadata.snapshot_by_id(id));
    std::iter::successors(found(id), move |snapshot| found(snapshot.parent_snapshot_id()))
        .take_while(move |snapshot| seen.insert(snapshot.snapshot_id()))
}
