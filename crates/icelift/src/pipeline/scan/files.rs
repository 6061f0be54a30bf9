//! The files of a snapshot: manifests read, pruned by partition and by file metrics, deletes matched.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Statistics};
use futures::{StreamExt, TryStreamExt, stream};
use iceberg::spec::{
    DataContentType, DataFile, DataFileFormat, ManifestContentType, ManifestEntryRef, ManifestFile, PartitionSpecRef,
};

use super::bounds::Filter;
use super::deletes::DeleteFile;
use crate::catalog::Table;
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::shuffle::refuse_uuid_partitions;
use crate::pipeline::snapshot::DeleteId;
use crate::pipeline::values::is_avro_name;

/// Manifests that are read at once.
pub(super) const MANIFEST_CONCURRENCY: usize = 16;

/// A data file to read, with everything that bears on its rows.
#[derive(Debug)]
pub(crate) struct PlannedFile {
    pub file: DataFile,
    pub spec: PartitionSpecRef,
    /// The data sequence number, by which deletes apply.
    pub sequence: i64,
    pub(super) deletes: Vec<Arc<DeleteFile>>,
}

impl PlannedFile {
    /// Whether rows of the file may be deleted.
    pub fn has_deletes(&self) -> bool {
        !self.deletes.is_empty()
    }

    /// Whether rows of the file may be deleted by what they hold.
    pub fn has_equality_deletes(&self) -> bool {
        self.deletes.iter().any(|delete| delete.compares_keys())
    }

    /// The deletes that bear on this file and on no other.
    pub fn own_deletes(&self) -> Vec<DeleteId> {
        self.deletes.iter().filter_map(|delete| delete.of_one_file()).collect()
    }

    /// The locations of the deletes that bear on the file.
    pub fn delete_files(&self) -> impl Iterator<Item = &str> {
        self.deletes.iter().map(|delete| delete.location())
    }

    /// What decides which rows of the file are live: its location and its deletes, in an order of their own.
    pub fn identity(&self) -> Vec<String> {
        let mut deletes: Vec<_> = self.deletes.iter().map(|delete| delete.identity()).collect();
        deletes.sort_unstable();
        deletes.insert(0, self.file.file_path().to_string());
        deletes
    }
}

#[cfg(test)]
impl PlannedFile {
    /// A file that no delete bears on, for tests that plan without a table.
    pub fn without_deletes(file: DataFile, spec: PartitionSpecRef) -> Self {
        Self { file, spec, sequence: 0, deletes: Vec::new() }
    }
}

/// The files of a scan, in the order of the manifests.
#[derive(Debug, Default)]
pub(super) struct PlannedFiles {
    pub files: Vec<Arc<PlannedFile>>,
    pruned_manifests: usize,
    pruned_files: usize,
}

/// A live entry, with what it inherits from its manifest.
struct Entry {
    entry: ManifestEntryRef,
    spec: PartitionSpecRef,
}

/// Reads the manifests of the current snapshot and keeps the files that may hold matching rows.
pub(super) async fn plan(table: &Table, filter: Option<&Filter>) -> Result<PlannedFiles> {
    let mut planned = PlannedFiles::default();
    let Some(snapshot) = table.metadata.current_snapshot() else { return Ok(planned) };
    let list = table.manifest_list(snapshot).await?;
    let mut wanted = Vec::new();
    for manifest in list.consume_entries() {
        let spec = spec_of(table, &manifest)?;
        if filter.is_none_or(|filter| filter.manifest_may_match(&manifest, &spec)) {
            wanted.push((manifest, spec));
        } else {
            planned.pruned_manifests += 1;
        }
    }
    let (mut data, mut deletes) = (Vec::new(), Vec::new());
    let loads = wanted.into_iter().map(|(manifest, spec)| async move {
        let entries = table.manifest(&manifest).await?.into_parts().0;
        Ok::<_, Error>((manifest, spec, entries))
    });
    // In order, so that files are read in the order in which they were written.
    let mut loaded = stream::iter(loads).buffered(MANIFEST_CONCURRENCY);
    while let Some((manifest, spec, entries)) = loaded.try_next().await? {
        for entry in entries.into_iter().filter(|entry| entry.is_alive()) {
            let entry = Entry { entry, spec: Arc::clone(&spec) };
            if manifest.content == ManifestContentType::Deletes {
                deletes.push(delete_file(&manifest, entry)?);
            } else if filter.is_none_or(|filter| filter.file_may_match(entry.entry.data_file(), &entry.spec)) {
                data.push(entry);
            } else {
                planned.pruned_files += 1;
            }
        }
    }
    for entry in data {
        planned.files.push(Arc::new(planned_file(entry, &deletes)?));
    }
    Ok(planned)
}

pub(super) fn spec_of(table: &Table, manifest: &ManifestFile) -> Result<PartitionSpecRef> {
    let spec = table.metadata.partition_spec_by_id(manifest.partition_spec_id).ok_or_else(|| {
        let message = format!("the manifest names the unknown partition spec {}", manifest.partition_spec_id);
        Error::new(ErrorKind::Read, message).subject(&manifest.manifest_path)
    })?;
    refuse_uuid_partitions(spec, table.metadata.current_schema())?;
    Ok(Arc::clone(spec))
}

fn planned_file(Entry { entry, spec }: Entry, deletes: &[Arc<DeleteFile>]) -> Result<PlannedFile> {
    let file = entry.data_file().clone();
    check_format(&file)?;
    let sequence = entry.sequence_number().unwrap_or(0);
    let applies = |delete: &&Arc<DeleteFile>| delete.applies_to(&file, spec.spec_id(), sequence);
    let deletes: Vec<_> = deletes.iter().filter(applies).cloned().collect();
    let unreadable = spec.fields().iter().any(|field| !is_avro_name(&field.name));
    if unreadable && deletes.iter().any(|delete| delete.compares_keys()) {
        return Err(unsupported(&file, "equality deletes in partitions whose names Avro does not take"));
    }
    Ok(PlannedFile { file, spec, sequence, deletes })
}

/// Refuses data files that cannot be read.
pub(super) fn check_format(file: &DataFile) -> Result<()> {
    if file.file_format() != DataFileFormat::Parquet {
        return Err(unsupported(file, &format!("data files of format {}", file.file_format())));
    }
    if file.key_metadata().is_some() {
        return Err(unsupported(file, "encrypted data files"));
    }
    Ok(())
}

fn delete_file(manifest: &ManifestFile, Entry { entry, spec }: Entry) -> Result<Arc<DeleteFile>> {
    let file = entry.data_file().clone();
    if file.file_format() != DataFileFormat::Parquet && file.file_format() != DataFileFormat::Puffin {
        return Err(unsupported(&file, &format!("delete files of format {}", file.file_format())));
    }
    if file.content_type() == DataContentType::Data {
        let message = "a delete manifest lists a data file";
        return Err(Error::new(ErrorKind::Read, message).subject(&manifest.manifest_path));
    }
    Ok(Arc::new(DeleteFile::new(file, spec, entry.sequence_number().unwrap_or(0))))
}

fn unsupported(file: &DataFile, what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{what} cannot be read"))
        .subject(file.file_path())
        .hint("rewrite the table's files as Parquet with the engine that wrote them")
}

impl PlannedFiles {
    /// Of files that were planned before, those that may hold matching rows.
    pub fn of(files: &[Arc<PlannedFile>], filter: Option<&Filter>) -> Self {
        let may_match = |planned: &&Arc<PlannedFile>| {
            filter.is_none_or(|filter| filter.file_may_match(&planned.file, &planned.spec))
        };
        let kept: Vec<_> = files.iter().filter(may_match).cloned().collect();
        Self { pruned_manifests: 0, pruned_files: files.len() - kept.len(), files: kept }
    }

    /// What EXPLAIN shows of the files.
    pub fn summary(&self) -> String {
        let bytes: u64 = self.files.iter().map(|planned| planned.file.file_size_in_bytes()).sum();
        let mut text = format!("files={}, bytes={bytes}", self.files.len());
        let with_deletes = self.files.iter().filter(|planned| !planned.deletes.is_empty()).count();
        for (count, what) in [
            (with_deletes, "files_with_deletes"),
            (self.pruned_files, "files_pruned"),
            (self.pruned_manifests, "manifests_pruned"),
        ] {
            if count > 0 {
                text.push_str(&format!(", {what}={count}"));
            }
        }
        text
    }

    /// Row and null counts. Exact where the metadata is: without deletes, and without a filter that may drop rows.
    pub fn statistics(&self, table: &Table, schema: &SchemaRef, all_rows: bool) -> Statistics {
        let exact = all_rows && self.files.iter().all(|planned| planned.deletes.is_empty());
        let precision = |value: usize| if exact { Precision::Exact(value) } else { Precision::Inexact(value) };
        let rows: u64 = self.files.iter().map(|planned| planned.file.record_count()).sum();
        let bytes: u64 = self.files.iter().map(|planned| planned.file.file_size_in_bytes()).sum();
        let fields = table.metadata.current_schema().as_struct().fields();
        let columns = fields.iter().map(|field| self.column_statistics(field.id, exact));
        let column_statistics: Vec<_> = columns.collect();
        debug_assert_eq!(column_statistics.len(), schema.fields().len());
        Statistics {
            num_rows: precision(rows as usize),
            total_byte_size: Precision::Inexact(bytes as usize),
            column_statistics,
        }
    }

    /// Null counts, where every file has one. No bounds: DataFusion's interval arithmetic fails on those of evolved or
    /// infinite values, and files are pruned by theirs already.
    fn column_statistics(&self, id: i32, exact: bool) -> ColumnStatistics {
        let mut statistics = ColumnStatistics::new_unknown();
        let nulls = self.files.iter().map(|planned| planned.file.null_value_counts().get(&id).copied());
        if let Some(nulls) = nulls.sum::<Option<u64>>() {
            let nulls = nulls as usize;
            statistics.null_count = if exact { Precision::Exact(nulls) } else { Precision::Inexact(nulls) };
        }
        statistics
    }
}
