//! `$partitions`: the files of a snapshot, added up for each partition.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::ScalarValue;
use iceberg::spec::{DataContentType, DataFile, TableMetadata};

use super::columns::{Columns, count, instant, int, long};
use super::files::FileRow;
use super::partition::PartitionType;
use crate::error::Result;

/// A partition, whatever spec its files have.
#[derive(Debug, Clone, Default)]
pub(super) struct PartitionRow {
    values: Vec<Option<ScalarValue>>,
    spec_id: i32,
    data: Sum,
    data_bytes: u64,
    position_deletes: Sum,
    equality_deletes: Sum,
    last_updated: Option<Updated>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    records: u64,
    files: i32,
}

#[derive(Debug, Clone, Copy)]
struct Updated {
    at_ms: i64,
    snapshot_id: i64,
}

pub(super) fn partitions(partition: &PartitionType) -> Columns<PartitionRow> {
    let mut columns = Vec::new();
    if !partition.is_empty() {
        let value = |it: &PartitionRow, field: usize| Ok(it.values.get(field).cloned().flatten());
        columns.push(partition.columns(value).nested("partition").required());
        columns.push(int("spec_id", |it: &PartitionRow| Some(it.spec_id)).required());
    }
    columns.extend([
        count("record_count", |it: &PartitionRow| Some(it.data.records)).required(),
        int("file_count", |it: &PartitionRow| Some(it.data.files)).required(),
        count("total_data_file_size_in_bytes", |it: &PartitionRow| Some(it.data_bytes)).required(),
        count("position_delete_record_count", |it: &PartitionRow| Some(it.position_deletes.records)).required(),
        int("position_delete_file_count", |it: &PartitionRow| Some(it.position_deletes.files)).required(),
        count("equality_delete_record_count", |it: &PartitionRow| Some(it.equality_deletes.records)).required(),
        int("equality_delete_file_count", |it: &PartitionRow| Some(it.equality_deletes.files)).required(),
        instant("last_updated_at", |it: &PartitionRow| it.last_updated.map(|it| it.at_ms)),
        long("last_updated_snapshot_id", |it: &PartitionRow| it.last_updated.map(|it| it.snapshot_id)),
    ]);
    Columns(columns)
}

/// Adds up files. Holds as many rows as there are partitions.
pub(super) struct Adder {
    partition: Arc<PartitionType>,
    found: HashMap<Vec<Option<ScalarValue>>, PartitionRow>,
}

impl Adder {
    pub fn new(partition: Arc<PartitionType>) -> Self {
        Self { partition, found: HashMap::new() }
    }

    /// # Errors
    /// A partition value that cannot be read.
    pub fn add(&mut self, row: &FileRow, metadata: &TableMetadata) -> Result<()> {
        let values = self.partition.values(row.spec_id, row.file().partition())?;
        let new = || PartitionRow { values: values.clone(), spec_id: row.spec_id, ..PartitionRow::default() };
        let snapshot = row.entry.snapshot_id().and_then(|id| metadata.snapshot_by_id(id));
        let updated = snapshot.map(|it| Updated { at_ms: it.timestamp_ms(), snapshot_id: it.snapshot_id() });
        self.found.entry(values.clone()).or_insert_with(new).add(row.file(), row.spec_id, updated);
        Ok(())
    }

    /// The partitions in the order of their values.
    pub fn rows(self) -> Vec<PartitionRow> {
        let mut rows: Vec<_> = self.found.into_values().collect();
        rows.sort_by(|a, b| a.values.partial_cmp(&b.values).unwrap_or(std::cmp::Ordering::Equal));
        rows
    }
}

impl PartitionRow {
    fn add(&mut self, file: &DataFile, spec_id: i32, updated: Option<Updated>) {
        let newer = updated.filter(|updated| self.last_updated.is_none_or(|last| updated.at_ms > last.at_ms));
        if newer.is_some() {
            (self.last_updated, self.spec_id) = (newer, spec_id);
        }
        let sum = match file.content_type() {
            DataContentType::Data => {
                self.data_bytes = self.data_bytes.saturating_add(file.file_size_in_bytes());
                &mut self.data
            }
            DataContentType::PositionDeletes => &mut self.position_deletes,
            DataContentType::EqualityDeletes => &mut self.equality_deletes,
        };
        sum.records = sum.records.saturating_add(file.record_count());
        sum.files = sum.files.saturating_add(1);
    }
}
