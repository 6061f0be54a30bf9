//! The open files of a sink: one per partition, filled with row groups from all lanes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use futures::{StreamExt, TryStreamExt, stream};
use iceberg::spec::{DataContentType, DataFile, DataFileBuilder, DataFileFormat};
use parquet::file::properties::WriterPropertiesPtr;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::task::TaskTracker;

use super::coming::Coming;
use super::encode::{EncodedChunk, EncodedRowGroup, Encoder, parquet_failed};
use super::metrics::ColumnMetrics;
use super::pending::Pending;
use super::{SinkTarget, paths};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::shuffle::PartitionKey;
use crate::pipeline::splice::{Chunk, Hollow, Layout, RowGroupCopy, SplicedRowGroup, copied_mark};
use crate::storage::{Store, Upload};

/// Files that are open at once; beyond that the first one found idle is closed early.
const MAX_OPEN_FILES: usize = 256;

/// Files that are completed at once when all rows are there: each waits for answers of its store.
pub(super) const COMPLETED_AT_ONCE: usize = 8;

/// All files of one sink. Shared by its lanes.
pub(super) struct Files {
    target: Arc<SinkTarget>,
    encoder: Arc<Encoder>,
    file_prefix: String,
    pool: Arc<dyn MemoryPool>,
    partitions: Mutex<HashMap<Arc<[u8]>, Vec<SharedPartition>>>,
    /// The layouts of the files so far, and how files of each are written.
    layouts: Mutex<Vec<(Arc<Layout>, WriterPropertiesPtr)>>,
    written: Mutex<Progress>,
    coming: Coming,
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

/// The files of one partition and layout: at most one is open.
struct PartitionFiles {
    key: PartitionKey,
    open: Option<OpenFile>,
}

/// A row group that goes into a file.
pub(super) enum RowGroup {
    Encoded(EncodedRowGroup),
    /// What comes to an end with it learns its digest.
    Copied(Box<RowGroupCopy>, Arc<SplicedRowGroup>),
}

struct OpenFile {
    location: String,
    writer: SerializedFileWriter<Pending>,
    /// What the writer has written and the upload has not taken.
    pending: Pending,
    upload: Upload,
    /// By field id; `None` where a row group does not tell.
    nans: BTreeMap<i32, Option<u64>>,
    rows: usize,
    row_groups: usize,
    /// Those that were copied.
    copied: Vec<usize>,
    /// Bytes of the last one.
    last_bytes: usize,
    reservation: MemoryReservation,
}

impl Files {
    pub fn new(target: Arc<SinkTarget>, encoder: Arc<Encoder>, file_prefix: String, pool: Arc<dyn MemoryPool>) -> Self {
        let (partitions, written) = (Mutex::default(), Mutex::default());
        let layouts = Mutex::new(vec![(Arc::clone(&encoder.layout), Arc::clone(&encoder.properties))]);
        let (coming, completing) = (Coming::default(), TaskTracker::new());
        Self { target, encoder, file_prefix, pool, partitions, layouts, written, coming, completing }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What comes still: who knows it says it.
    pub fn coming(&self) -> &Coming {
        &self.coming
    }

    /// Completes the files of a partition into which nothing more comes.
    pub async fn close_partition(&self, key: &Arc<[u8]>) -> Result<()> {
        let partition = self.partitions().remove(key);
        self.close_all(partition.into_iter().flatten()).await
    }

    /// Completes the files of all partitions into which nothing more comes.
    pub async fn close_over(&self) -> Result<()> {
        let over: Vec<_> = self.partitions().extract_if(|key, _| self.coming.is_over(key)).collect();
        self.close_all(over.into_iter().flat_map(|(_, partition)| partition)).await
    }

    fn partitions(&self) -> MutexGuard<'_, HashMap<Arc<[u8]>, Vec<SharedPartition>>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn close_all(&self, partitions: impl Iterator<Item = SharedPartition>) -> Result<()> {
        let all: Vec<_> = partitions.collect();
        let closed = stream::iter(all).map(|partition| async move { self.close(&mut *partition.lock().await).await });
        closed.buffer_unordered(COMPLETED_AT_ONCE).try_for_each(|()| async { Ok(()) }).await
    }

    /// Appends a row group to the open file of its partition and layout, and closes the file when it has reached its size.
    /// Returns the digest of what was copied.
    pub async fn append(&self, key: &PartitionKey, row_group: RowGroup) -> Result<u128> {
        let layout = match &row_group {
            RowGroup::Encoded(_) => &self.encoder.layout,
            RowGroup::Copied(_, spliced) => &spliced.layout,
        };
        let (number, properties) = self.layout(layout);
        let partition = {
            let mut partitions = self.partitions();
            let by_layout = partitions.entry(Arc::clone(&key.bytes)).or_default();
            by_layout.resize_with(by_layout.len().max(number + 1), || {
                Arc::new(AsyncMutex::new(PartitionFiles { key: key.clone(), open: None }))
            });
            Arc::clone(&by_layout[number])
        };
        let mut partition = partition.lock().await;
        if partition.open.is_none() {
            self.make_room().await?;
            partition.open = Some(self.open(key, layout, properties)?);
        }
        let Some(open) = &mut partition.open else { return Ok(0) };
        let digest = open.append(row_group).await?;
        // Half a row group above or below the target is nearer to it than a whole one.
        let settings = &self.target.settings;
        let next_bytes = open.last_bytes.max(settings.row_group_bytes);
        if open.writer.bytes_written() + next_bytes / 2 >= settings.target_file_bytes {
            return self.close(&mut partition).await.map(|()| digest);
        }
        self.reserve(&mut partition).await.map(|()| digest)
    }

    /// The number of a layout, and how its files are written.
    fn layout(&self, layout: &Arc<Layout>) -> (usize, WriterPropertiesPtr) {
        let mut layouts = self.layouts.lock().unwrap_or_else(PoisonError::into_inner);
        let known = layouts.iter().position(|(known, _)| Arc::ptr_eq(known, layout) || known == layout);
        let number = known.unwrap_or_else(|| {
            let properties = self.target.settings.writer_properties(layout.page_index);
            layouts.push((Arc::clone(layout), Arc::new(properties)));
            layouts.len() - 1
        });
        (number, Arc::clone(&layouts[number].1))
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

    fn open(&self, key: &PartitionKey, layout: &Layout, properties: WriterPropertiesPtr) -> Result<OpenFile> {
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
        let schema = layout.schema.root_schema_ptr();
        let pending = Pending::default();
        let writer = SerializedFileWriter::new(pending.clone(), schema, properties).map_err(parquet_failed)?;
        let settings = &self.target.settings;
        let expected_bytes = settings.target_file_bytes.saturating_add(settings.row_group_bytes) as u64;
        let upload = table.store.upload_sized(&location, expected_bytes)?;
        let reservation = MemoryConsumer::new(format!("IcebergSink file {number}")).register(&self.pool);
        Ok(OpenFile {
            location,
            writer,
            pending,
            upload,
            nans: BTreeMap::new(),
            rows: 0,
            row_groups: 0,
            copied: Vec::new(),
            last_bytes: 0,
            reservation,
        })
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
        let all: Vec<_> = self.partitions().values().flatten().cloned().collect();
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
        if let Some(delivery) = &self.target.delivery {
            delivery.say_completed(&file);
        }
        let mut progress = self.progress();
        progress.open -= 1;
        progress.finished.push(file);
        Ok(())
    }

    /// Closes all files. To be called when no lane writes any more.
    pub async fn finish(&self) -> Result<Vec<DataFile>> {
        let all = std::mem::take(&mut *self.partitions());
        self.close_all(all.into_values().flatten()).await?;
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
    async fn append(&mut self, row_group: RowGroup) -> Result<u128> {
        let before = self.writer.bytes_written();
        let digest = match row_group {
            RowGroup::Encoded(encoded) => self.append_encoded(encoded).await.map(|()| 0)?,
            RowGroup::Copied(copy, spliced) => {
                self.copied.push(self.row_groups);
                self.append_copied(*copy, &spliced).await?
            }
        };
        self.row_groups += 1;
        self.last_bytes = self.writer.bytes_written() - before;
        self.send().await?;
        Ok(digest)
    }

    async fn append_encoded(&mut self, row_group: EncodedRowGroup) -> Result<()> {
        let mut start = self.writer.bytes_written() as u64;
        let mut writer = self.writer.next_row_group().map_err(parquet_failed)?;
        for chunk in row_group.chunks {
            match chunk {
                EncodedChunk::Own(chunk) => start += pass(chunk, start, &mut writer, &self.pending)?,
                EncodedChunk::Library(chunk) => {
                    start += chunk.close().metadata.compressed_size().cast_unsigned();
                    chunk.append_to_row_group(&mut writer).map_err(parquet_failed)?;
                }
            }
            send(self.pending.take_full(), &mut self.upload, &self.reservation).await?;
        }
        writer.close().map_err(parquet_failed)?;
        self.count(row_group.rows, row_group.nans.into_iter().map(|(id, count)| (id, Some(count))));
        Ok(())
    }

    async fn append_copied(&mut self, mut copy: RowGroupCopy, spliced: &SplicedRowGroup) -> Result<u128> {
        let mut start = self.writer.bytes_written() as u64;
        let mut writer = self.writer.next_row_group().map_err(parquet_failed)?;
        while let Some(chunk) = copy.next().await? {
            start += pass(chunk, start, &mut writer, &self.pending)?;
            send(self.pending.take_full(), &mut self.upload, &self.reservation).await?;
        }
        writer.close().map_err(parquet_failed)?;
        self.count(spliced.rows, spliced.nans.iter().copied());
        Ok(copy.digest())
    }

    /// Counts a row group.
    fn count(&mut self, rows: usize, nans: impl Iterator<Item = (i32, Option<u64>)>) {
        for (id, count) in nans {
            let known = self.nans.entry(id).or_insert(Some(0));
            *known = known.zip(count).map(|(known, count)| known + count);
        }
        self.rows += rows;
    }

    /// Hands all that is encoded to the upload.
    async fn send(&mut self) -> Result<()> {
        self.writer.flush().map_err(|source| parquet_failed(source.into()))?;
        send(self.pending.take(), &mut self.upload, &self.reservation).await
    }

    async fn finish(mut self, files: &Files, key: &PartitionKey) -> Result<DataFile> {
        let target = &files.target;
        if !self.copied.is_empty() {
            self.writer.append_key_value_metadata(copied_mark(&self.copied));
        }
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

/// Appends a chunk behind the first `start` bytes of a file. The writer counts and describes it; the bytes themselves go past it.
/// Returns how many they are.
fn pass(
    chunk: Chunk,
    start: u64,
    writer: &mut SerializedRowGroupWriter<'_, Pending>,
    pending: &Pending,
) -> Result<u64> {
    let hollow = Hollow(chunk.bytes.length());
    pending.pass(start, chunk.bytes.into_pieces());
    writer.append_column(&hollow, chunk.close).map_err(parquet_failed)?;
    Ok(hollow.0)
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
