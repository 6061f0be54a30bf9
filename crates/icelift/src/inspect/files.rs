//! `$files`, `$data_files`, `$delete_files` and `$entries`: what manifests list.

use std::collections::HashMap;
use std::sync::Arc;

use iceberg::spec::{DataFile, Datum, ManifestEntryRef, TableMetadata};

use super::columns::{Column, Columns, bytes, count, int, list, long, map, text};
use super::metrics::readable_metrics;
use super::partition::PartitionType;
use crate::error::Result;

/// An entry of a manifest.
#[derive(Debug, Clone)]
pub(super) struct FileRow {
    pub entry: ManifestEntryRef,
    /// The partition spec of the manifest.
    pub spec_id: i32,
}

impl FileRow {
    pub fn file(&self) -> &DataFile {
        self.entry.data_file()
    }
}

/// The columns of a file, and its metrics as values.
pub(super) fn files(metadata: &TableMetadata) -> Result<Columns<FileRow>> {
    let mut columns = file_columns(metadata)?;
    columns.0.push(readable_metrics(metadata.current_schema())?);
    Ok(columns)
}

/// The columns of an entry, with those of its file in one.
pub(super) fn entries(metadata: &TableMetadata) -> Result<Columns<FileRow>> {
    Ok(Columns(vec![
        int("status", |it: &FileRow| Some(it.entry.status() as i32)).required(),
        long("snapshot_id", |it: &FileRow| it.entry.snapshot_id()),
        long("sequence_number", |it: &FileRow| it.entry.sequence_number()),
        long("file_sequence_number", |it: &FileRow| it.entry.file_sequence_number),
        file_columns(metadata)?.nested("data_file").required(),
        readable_metrics(metadata.current_schema())?,
    ]))
}

fn file_columns(metadata: &TableMetadata) -> Result<Columns<FileRow>> {
    let partition = Arc::new(PartitionType::new(metadata)?);
    let mut columns = vec![
        int("content", |it: &FileRow| Some(it.file().content_type() as i32)),
        text("file_path", |it: &FileRow| Some(it.file().file_path().to_string())).required(),
        text("file_format", |it: &FileRow| Some(it.file().file_format().to_string().to_uppercase())).required(),
        int("spec_id", |it: &FileRow| Some(it.spec_id)),
    ];
    // An empty struct is not what every reader takes.
    if !partition.is_empty() {
        let of = Arc::clone(&partition);
        let value = move |it: &FileRow, field: usize| of.value(field, it.spec_id, it.file().partition());
        columns.push(partition.columns(value).nested("partition").required());
    }
    columns.extend([
        count("record_count", |it: &FileRow| Some(it.file().record_count())).required(),
        count("file_size_in_bytes", |it: &FileRow| Some(it.file().file_size_in_bytes())).required(),
        counts("column_sizes", DataFile::column_sizes),
        counts("value_counts", DataFile::value_counts),
        counts("null_value_counts", DataFile::null_value_counts),
        counts("nan_value_counts", DataFile::nan_value_counts),
        bounds("lower_bounds", DataFile::lower_bounds),
        bounds("upper_bounds", DataFile::upper_bounds),
        bytes("key_metadata", |it: &FileRow| it.file().key_metadata().map(<[u8]>::to_vec)),
        list("split_offsets", long("element", |it: &i64| Some(*it)).required(), |it: &FileRow| {
            it.file().split_offsets().map(<[i64]>::to_vec)
        }),
        list("equality_ids", int("element", |it: &i32| Some(*it)).required(), |it: &FileRow| it.file().equality_ids()),
        int("sort_order_id", |it: &FileRow| it.file().sort_order_id()),
        long("first_row_id", |it: &FileRow| it.file().first_row_id()),
        text("referenced_data_file", |it: &FileRow| it.file().referenced_data_file()),
        long("content_offset", |it: &FileRow| it.file().content_offset()),
        long("content_size_in_bytes", |it: &FileRow| it.file().content_size_in_bytes()),
    ]);
    Ok(Columns(columns))
}

/// Counts by column id. Nothing was counted where a map is empty: whether it was there is not told.
fn counts(name: &str, get: fn(&DataFile) -> &HashMap<i32, u64>) -> Column<FileRow> {
    map(
        name,
        int("key", |(id, _): &(i32, u64)| Some(*id)),
        count("value", |(_, it): &(i32, u64)| Some(*it)),
        move |row: &FileRow| sorted(get(row.file()).iter().map(|(id, count)| (*id, *count)).collect()),
    )
}

/// Bounds by column id, as the manifest has them.
fn bounds(name: &str, get: fn(&DataFile) -> &HashMap<i32, Datum>) -> Column<FileRow> {
    let value = bytes("value", |(_, bytes): &(i32, Vec<u8>)| Some(bytes.clone()));
    map(name, int("key", |(id, _): &(i32, Vec<u8>)| Some(*id)), value, move |row: &FileRow| {
        let in_bytes = |(id, bound): (&i32, &Datum)| Some((*id, bound.to_bytes().ok()?.into_vec()));
        sorted(get(row.file()).iter().filter_map(in_bytes).collect())
    })
}

fn sorted<V: Ord>(mut entries: Vec<(i32, V)>) -> Option<Vec<(i32, V)>> {
    entries.sort_unstable();
    Some(entries).filter(|entries| !entries.is_empty())
}
