//! The open files of a sink: one per partition, filled with row groups from all lanes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use iceberg::spec::{DataContentType, DataFile, DataFileBuilder, DataFileFormat};
use parquet::file::writer::SerializedFileWriter;
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::task::TaskTracker;

use super::encode::{EncodedRowGroup, Encoder, parquet_failed};
use super::metrics::ColumnMetrics;
use super::pending::Pending;
use super::{SinkTarget, paths};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::shuffle::PartitionKey;
use crate::storage::{Store, Upload};

/// Files that are open at once; beyond that the first one found idle is closed early.
const MAX_OPEN_FILES: usize = 256;

/// All files of one sink. Shared by its lanes.
pub(super) struct Files {
    target: Arc<SinkTarget>,
    encoder: Arc<Encoder>,
    file_prefix: String,
    pool: Arc<dyn MemoryPool>,
    partitions: Mutex<HashMap<Arc<[u8]>, SharedPartition>>,
    written: Mutex<Progress>,
    /// Uploads that are being completed: these run to their end even if the statement is cancelled, so that it is known
    /// which files there are.
    completing: TaskTracker,
}

#[derive(Default)]
struct Progress {
    next_number: usize,
    open: usize,
    finished: Vec<DataFile>,
    /// Where a file was begun, finished or not.
    locations: Vec<String>,
    /// The statement is over: no file may be begun or completed any more.
    cancelled: bool,
}

/// Held by one lane at a time while it appends.
type SharedPartition = Arc<AsyncMutex<PartitionFiles>>;

/// The files of one partition: at most one is open.
struct PartitionFiles {
    key: PartitionKey,
    open: Option<OpenFile>,
}

struct OpenFile {
    location: String,
    writer: SerializedFileWriter<Pending>,
    /// What the writer has written and the upload has not taken.
    pending: Pending,
    upload: Upload,
    nans: BTreeMap<i32, u64>,
    rows: usize,
    reservation: MemoryReservation,
}

impl Files {
    pub fn new(target: Arc<SinkTarget>, encoder: Arc<Encoder>, file_prefix: String, pool: Arc<dyn MemoryPool>) -> Self {
        let (partitions, written) = (Mutex::default(), Mutex::default());
        Self { target, encoder, file_prefix, pool, partitions, written, completing: TaskTracker::new() }
    }

    fn progress(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a row group to the open file of its partition, and closes the file when it has reached its size.
    pub async fn append(&self, key: &PartitionKey, row_group: EncodedRowGroup) -> Result<()> {
        let partition = {
            let mut partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(AsyncMutex::new(PartitionFiles { key: key.clone(), open: None }));
            Arc::clone(partitions.entry(Arc::clone(&key.bytes)).or_insert_with(new))
        };
        let mut partition = partition.lock().await;
        if partition.open.is_none() {
            self.make_room().await?;
            partition.open = Some(self.open(key)?);
        }
        let Some(open) = &mut partition.open else { return Ok(()) };
        open.append(row_group).await?;
        // Half a row group above or below the target is nearer to it than a whole one.
        let settings = &self.target.settings;
        if open.writer.bytes_written() + settings.row_group_bytes / 2 >= settings.target_file_bytes {
            return self.close(&mut partition).await;
        }
        self.reserve(&mut partition).await
    }

    /// Accounts for the bytes that wait to be sent. Where the pool refuses, parts in flight are waited for, then other files
    /// are closed early. In the end there are the files that lanes write to just now, each with the one part that it collects,
    /// and the engine's reserve has room for those: to close them would cost file size and free little.
    async fn reserve(&self, partition: &mut PartitionFiles) -> Result<()> {
        loop {
            let Some(open) = &mut partition.open else { return Ok(()) };
            if open.reservation.try_resize(open.upload.memory_bytes()).is_ok() {
                return Ok(());
            }
            if !open.upload.settle_parts().await? && !self.close_idle().await? {
                open.reservation.resize(open.upload.memory_bytes());
                return Ok(());
            }
        }
    }

    fn open(&self, key: &PartitionKey) -> Result<OpenFile> {
        let table = &self.target.table;
        let metadata = &table.metadata;
        let partition =
            paths::partition_folder(metadata.default_partition_spec(), metadata.current_schema(), &key.values);
        let mut progress = self.progress();
        progress.check()?;
        progress.next_number += 1;
        progress.open += 1;
        let number = progress.next_number;
        let name = paths::file_name(&self.file_prefix, number);
        let location = format!("{}/{partition}{name}", paths::data_folder(metadata));
        progress.locations.push(location.clone());
        drop(progress);
        let (schema, properties) = (Arc::clone(&self.encoder.parquet_schema), Arc::clone(&self.encoder.properties));
        let pending = Pending::default();
        let writer = SerializedFileWriter::new(pending.clone(), schema, properties).map_err(parquet_failed)?;
        let settings = &self.target.settings;
        let expected_bytes = settings.target_file_bytes.saturating_add(settings.row_group_bytes) as u64;
        let upload = table.store.upload_sized(&location, expected_bytes)?;
        let reservation = MemoryConsumer::new(format!("IcebergSink file {number}")).register(&self.pool);
        Ok(OpenFile { location, writer, pending, upload, nans: BTreeMap::new(), rows: 0, reservation })
    }

    /// Completes an upload in a task of its own, which no cancellation can tear in two.
    async fn complete(&self, upload: Upload) -> Result<u64> {
        let completed = {
            let progress = self.progress();
            progress.check()?;
            self.completing.spawn(upload.finish())
        };
        completed.await.map_err(|source| Error::new(ErrorKind::Internal, "an upload died").source(source))?
    }

    /// Ends all writing and removes every file that was begun.
    async fn remove_all(&self) {
        let locations = {
            let mut progress = self.progress();
            progress.cancelled = true;
            std::mem::take(&mut progress.locations)
        };
        self.completing.close();
        self.completing.wait().await;
        remove(&self.target.table.store, locations.iter().map(String::as_str)).await;
    }

    /// Closes a file of another partition if too many are open.
    async fn make_room(&self) -> Result<()> {
        if self.progress().open >= MAX_OPEN_FILES {
            self.close_idle().await?;
        }
        Ok(())
    }

    /// Closes the file of a partition that no lane writes to just now. False if there is none.
    async fn close_idle(&self) -> Result<bool> {
        let all: Vec<_> = {
            let partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
            partitions.values().cloned().collect()
        };
        for other in all {
            // A partition that is busy is not idle; the caller's own is locked and so passed over.
            if let Ok(mut other) = other.try_lock()
                && other.open.is_some()
            {
                self.close(&mut other).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn close(&self, partition: &mut PartitionFiles) -> Result<()> {
        let Some(open) = partition.open.take() else { return Ok(()) };
        let file = open.finish(self, &partition.key).await?;
        let mut progress = self.progress();
        progress.open -= 1;
        progress.finished.push(file);
        Ok(())
    }

    /// Closes all files. To be called when no lane writes any more.
    pub async fn finish(&self) -> Result<Vec<DataFile>> {
        let all: Vec<_> = {
            let mut partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
            partitions.drain().map(|(_, partition)| partition).collect()
        };
        for partition in all {
            self.close(&mut *partition.lock().await).await?;
        }
        let mut files = std::mem::take(&mut self.progress().finished);
        files.sort_by(|a: &DataFile, b| a.file_path().cmp(b.file_path()));
        Ok(files)
    }
}

impl Progress {
    fn check(&self) -> Result<()> {
        if self.cancelled { Err(Error::new(ErrorKind::Execution, "the statement was cancelled")) } else { Ok(()) }
    }
}

impl OpenFile {
    async fn append(&mut self, row_group: EncodedRowGroup) -> Result<()> {
        let mut writer = self.writer.next_row_group().map_err(parquet_failed)?;
        for chunk in row_group.chunks {
            chunk.append_to_row_group(&mut writer).map_err(parquet_failed)?;
            send(self.pending.take_full(), &mut self.upload, &self.reservation).await?;
        }
        writer.close().map_err(parquet_failed)?;
        for (id, count) in row_group.nans {
            *self.nans.entry(id).or_default() += count;
        }
        self.rows += row_group.rows;
        self.send().await
    }

    /// Hands all that is encoded to the upload.
    async fn send(&mut self) -> Result<()> {
        self.writer.flush().map_err(|source| parquet_failed(source.into()))?;
        send(self.pending.take(), &mut self.upload, &self.reservation).await
    }

    async fn finish(mut self, files: &Files, key: &PartitionKey) -> Result<DataFile> {
        let target = &files.target;
        let metadata = self.writer.finish().map_err(parquet_failed)?;
        self.send().await?;
        let Self { location, upload, nans, rows, .. } = self;
        let size_bytes = files.complete(upload).await?;
        if i64::try_from(rows).ok() != Some(metadata.file_metadata().num_rows()) {
            let message = format!("{rows} rows were encoded, the file has {}", metadata.file_metadata().num_rows());
            return Err(Error::new(ErrorKind::Internal, message).subject(format!("`{location}`")));
        }
        let table = &target.table.metadata;
        let metrics = ColumnMetrics::new(&metadata, table.current_schema(), &target.settings, &nans);
        let built = DataFileBuilder::default()
            .content(DataContentType::Data)
            .file_path(location)
            .file_format(DataFileFormat::Parquet)
            .partition(key.values.clone())
            .partition_spec_id(table.default_partition_spec_id())
            .record_count(rows as u64)
            .file_size_in_bytes(size_bytes)
            .column_sizes(metrics.column_sizes)
            .value_counts(metrics.value_counts)
            .null_value_counts(metrics.null_value_counts)
            .nan_value_counts(metrics.nan_value_counts)
            .lower_bounds(metrics.lower_bounds)
            .upper_bounds(metrics.upper_bounds)
            .split_offsets(Some(metrics.split_offsets))
            .sort_order_id(0)
            .build();
        built
            .map_err(|source| Error::new(ErrorKind::Internal, "a data file's description is incomplete").source(source))
    }
}

/// Hands bytes to the upload, and accounts for them as they go. Where the pool refuses, no part is on its way any more when
/// the next one begins; what is left then, `Files::reserve` asks for.
async fn send(blocks: Vec<Bytes>, upload: &mut Upload, reservation: &MemoryReservation) -> Result<()> {
    for block in blocks {
        upload.write(block).await?;
        if reservation.try_resize(upload.memory_bytes()).is_err() {
            upload.settle_parts().await?;
        }
    }
    Ok(())
}

/// Removes the files of a statement that does not commit them, however it ends.
pub(super) struct Leftovers(Option<Arc<Files>>);

impl Leftovers {
    pub fn new(files: &Arc<Files>) -> Self {
        Self(Some(Arc::clone(files)))
    }

    /// The files are committed, or may be: hands off.
    pub fn keep(mut self) {
        self.0 = None;
    }

    /// Removes the files now.
    pub async fn remove(mut self) {
        if let Some(files) = self.0.take() {
            files.remove_all().await;
        }
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        let Some(files) = self.0.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        // From here on no lane begins or completes a file, wherever it is.
        files.progress().cancelled = true;
        let tracker = files.target.table.store.cleanup().clone();
        tracker.spawn_on(async move { files.remove_all().await }, &runtime);
    }
}

pub(super) async fn remove(store: &Store, locations: impl Iterator<Item = &str>) {
    for location in locations {
        if let Err(error) = store.delete(location).await {
            let stage = Stage::Sink;
            tracing::warn!(%stage, location, %error, "an uncommitted data file could not be removed");
        }
    }
}
