//! What the metadata file itself tells: snapshots, history, references and earlier metadata files. Reads nothing else.

use std::collections::{HashMap, HashSet};

use iceberg::spec::{SnapshotLog, SnapshotRef, SnapshotReference, SnapshotRetention, TableMetadata};

use super::columns::{Columns, boolean, instant, int, long, map, text};
use crate::catalog::{Table, ancestors, refs as references_of};
use crate::error::Result;

pub(super) fn snapshots() -> Columns<SnapshotRef> {
    let summary = |it: &SnapshotRef| {
        let mut entries: Vec<_> = it.summary().additional_properties.clone().into_iter().collect();
        entries.sort_unstable();
        Some(entries)
    };
    Columns(vec![
        instant("committed_at", |it: &SnapshotRef| Some(it.timestamp_ms())).required(),
        long("snapshot_id", |it: &SnapshotRef| Some(it.snapshot_id())).required(),
        long("parent_id", |it: &SnapshotRef| it.parent_snapshot_id()),
        text("operation", |it: &SnapshotRef| Some(it.summary().operation.as_str().to_string())),
        text("manifest_list", |it: &SnapshotRef| Some(it.manifest_list().to_string())),
        map(
            "summary",
            text("key", |(key, _): &(String, String)| Some(key.clone())),
            text("value", |(_, value): &(String, String)| Some(value.clone())),
            summary,
        ),
    ])
}

/// The snapshots in the order in which they were made.
pub(super) fn snapshot_rows(metadata: &TableMetadata) -> Vec<SnapshotRef> {
    let mut snapshots: Vec<_> = metadata.snapshots().cloned().collect();
    snapshots.sort_by_key(|it| (it.sequence_number(), it.timestamp_ms(), it.snapshot_id()));
    snapshots
}

/// An entry of the history of the main branch.
#[derive(Debug, Clone)]
pub(super) struct Made {
    made_current_ms: i64,
    snapshot_id: i64,
    parent_id: Option<i64>,
    is_current_ancestor: bool,
}

pub(super) fn history() -> Columns<Made> {
    Columns(vec![
        instant("made_current_at", |it: &Made| Some(it.made_current_ms)).required(),
        long("snapshot_id", |it: &Made| Some(it.snapshot_id)).required(),
        long("parent_id", |it: &Made| it.parent_id),
        boolean("is_current_ancestor", |it: &Made| Some(it.is_current_ancestor)).required(),
    ])
}

pub(super) fn history_rows(metadata: &TableMetadata) -> Vec<Made> {
    let ancestors: HashSet<_> =
        ancestors(metadata, metadata.current_snapshot_id()).map(|snapshot| snapshot.snapshot_id()).collect();
    let made = |entry: &SnapshotLog| Made {
        made_current_ms: entry.timestamp_ms,
        snapshot_id: entry.snapshot_id,
        parent_id: metadata.snapshot_by_id(entry.snapshot_id).and_then(|it| it.parent_snapshot_id()),
        is_current_ancestor: ancestors.contains(&entry.snapshot_id),
    };
    metadata.history().iter().map(made).collect()
}

type NamedReference = (String, SnapshotReference);

pub(super) fn refs() -> Columns<NamedReference> {
    Columns(vec![
        text("name", |(name, _): &NamedReference| Some(name.clone())).required(),
        text("type", |(_, it): &NamedReference| Some(if it.is_branch() { "BRANCH" } else { "TAG" }.to_string()))
            .required(),
        long("snapshot_id", |(_, it): &NamedReference| Some(it.snapshot_id)).required(),
        long("max_reference_age_in_ms", |(_, it): &NamedReference| match it.retention {
            SnapshotRetention::Branch { max_ref_age_ms, .. } | SnapshotRetention::Tag { max_ref_age_ms } => {
                max_ref_age_ms
            }
        }),
        int("min_snapshots_to_keep", |(_, it): &NamedReference| match it.retention {
            SnapshotRetention::Branch { min_snapshots_to_keep, .. } => min_snapshots_to_keep,
            SnapshotRetention::Tag { .. } => None,
        }),
        long("max_snapshot_age_in_ms", |(_, it): &NamedReference| match it.retention {
            SnapshotRetention::Branch { max_snapshot_age_ms, .. } => max_snapshot_age_ms,
            SnapshotRetention::Tag { .. } => None,
        }),
    ])
}

pub(super) fn ref_rows(metadata: &TableMetadata) -> Result<Vec<NamedReference>> {
    Ok(references_of(metadata)?.into_iter().collect())
}

/// A metadata file, and what the table's main branch was when it was written.
#[derive(Debug, Clone)]
pub(super) struct Logged {
    written_ms: i64,
    file: String,
    latest: Option<SnapshotRef>,
}

pub(super) fn metadata_log() -> Columns<Logged> {
    Columns(vec![
        instant("timestamp", |it: &Logged| Some(it.written_ms)).required(),
        text("file", |it: &Logged| Some(it.file.clone())).required(),
        long("latest_snapshot_id", |it: &Logged| it.latest.as_ref().map(|latest| latest.snapshot_id())),
        int("latest_schema_id", |it: &Logged| it.latest.as_ref().and_then(|latest| latest.schema_id())),
        long("latest_sequence_number", |it: &Logged| it.latest.as_ref().map(|latest| latest.sequence_number())),
    ])
}

/// The earlier files, and that of now.
pub(super) fn metadata_log_rows(table: &Table) -> Vec<Logged> {
    let metadata = &table.metadata;
    let by_id: HashMap<i64, &SnapshotRef> = metadata.snapshots().map(|it| (it.snapshot_id(), it)).collect();
    let logged = |written_ms: i64, file: &str| {
        let made = metadata.history().iter().rfind(|entry| entry.timestamp_ms <= written_ms);
        let latest = made.and_then(|entry| by_id.get(&entry.snapshot_id)).map(|it| SnapshotRef::clone(it));
        Logged { written_ms, file: file.to_string(), latest }
    };
    let mut rows: Vec<_> =
        metadata.metadata_log().iter().map(|it| logged(it.timestamp_ms, &it.metadata_file)).collect();
    if let Some(location) = &table.metadata_location {
        rows.push(logged(metadata.last_updated_ms(), location));
    }
    rows
}
