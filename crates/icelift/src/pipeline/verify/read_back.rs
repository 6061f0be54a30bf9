//! Reads files again that were just written, before a commit names them.
//!
//! In: the descriptions that a commit will put into a manifest. Out: what is in the files. What must hold: every byte comes
//! from the store; a file that is not as it was described, or holds a row of another partition, is an error and never a
//! fingerprint.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::memory_pool::MemoryPool;
use futures::{StreamExt, TryStreamExt, stream};
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::spec::{DataFile, Struct};
use tokio::task::JoinSet;

use super::fingerprint::Fingerprint;
use super::level::Level;
use super::portable::PortableFingerprint;
use super::prints::{Hashers, PortableColumns, Prints};
use crate::catalog::Table;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::scan::{self, Piece};
use crate::pipeline::shuffle::Partitioner;
use crate::pipeline::sink::partition_folder;
use crate::storage::Store;

const REPLACED: &str = "the file is not the one that was written: write it again";

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Readback {
    pub location: String,
    pub rows: u64,
    /// Of these rows so many were copied undecoded: of them `content` has digests of their bytes.
    pub copied_rows: u64,
    /// Of the columns asked for; `None` where only metadata is compared.
    pub content: Option<Fingerprint>,
    /// The same for other engines, where the level asks for it.
    pub portable: Option<PortableFingerprint>,
}

/// What is wanted of the files.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub level: Level,
    /// Counts the memory that the reading takes.
    pub pool: Arc<dyn MemoryPool>,
    /// What goes into the portable fingerprint; all columns unless set.
    pub portable: Option<PortableColumns>,
}

/// Reads `files` of the table's default partition spec on up to `parallelism` cores and tells what each holds. The
/// fingerprint `content1` is of all columns of the table's current schema.
///
/// As many row groups are in memory at once, compressed and a batch of each decoded.
///
/// # Errors
/// A file that is missing, damaged, or not of the size, the number of rows or the partition that it was described with.
pub(crate) async fn read_back(
    table: &Table,
    files: Vec<DataFile>,
    parallelism: usize,
    wanted: Wanted,
) -> Result<Vec<Readback>> {
    let place = |error: Error| error.place(Stage::Verify, &table.name);
    let level = wanted.level;
    let task = Task::new(table, files, wanted).map_err(place)?;
    let parallelism = parallelism.max(1);
    task.check_sizes(parallelism).await.map_err(place)?;
    let mut pieces = scan::pieces(table, &task.all, &task.files, Stage::Verify).map_err(place)?;
    match level {
        // One footer for each file.
        Level::Metadata => pieces.dedup_by_key(|piece| piece.file),
        Level::Content | Level::Portable => table.store.passed().plan(pieces.iter().map(Piece::size_bytes).sum()),
    }
    run(Arc::new(task), pieces, parallelism).await.map_err(place)
}

/// Reads the pieces, up to `parallelism` of them at once.
async fn run(task: Arc<Task>, pieces: Vec<Piece>, parallelism: usize) -> Result<Vec<Readback>> {
    let mut found: Vec<Readback> = task.files.iter().map(|file| task.nothing_of(file)).collect();
    let mut running: JoinSet<Result<(usize, Readback)>> = JoinSet::new();
    let mut waiting = pieces.into_iter();
    loop {
        while running.len() < parallelism
            && let Some(piece) = waiting.next()
        {
            running.spawn(Arc::clone(&task).read(piece));
        }
        let Some(done) = running.join_next().await else { break };
        let died = |source| Error::new(ErrorKind::Internal, "a task of the verification died").source(source);
        let (file, part) = done.map_err(died).and_then(|part| part)?;
        found[file].merge(part);
    }
    for (file, found) in task.files.iter().zip(&found) {
        if found.rows != file.record_count() {
            let message = format!("{} rows were read, the file was described with {}", found.rows, file.record_count());
            return Err(Error::new(ErrorKind::Read, message).subject(file.file_path()));
        }
    }
    Ok(found)
}

impl Readback {
    /// The fingerprints of all rows, as a sink takes them.
    pub fn prints(&self) -> Prints {
        let content = self.content.unwrap_or_default();
        Prints { content, copied_rows: self.copied_rows, portable: self.portable }
    }

    fn merge(&mut self, part: Self) {
        self.rows += part.rows;
        self.copied_rows += part.copied_rows;
        if let (Some(content), Some(part)) = (&mut self.content, part.content) {
            content.merge(part);
        }
        if let (Some(portable), Some(part)) = (&mut self.portable, part.portable) {
            portable.merge(part);
        }
    }
}

async fn check_size(store: Store, file: DataFile) -> Result<()> {
    let (location, described) = (file.file_path(), file.file_size_in_bytes());
    let found = store.size_bytes(location).await.map_err(|error| error.subject(location))?;
    if found == described {
        return Ok(());
    }
    let message = format!("the file has {found} bytes and was described with {described}");
    Err(Error::new(ErrorKind::Read, message).subject(location).hint(REPLACED))
}

/// What all pieces share.
struct Task {
    table: Table,
    files: Vec<DataFile>,
    level: Level,
    pool: Arc<dyn MemoryPool>,
    /// All columns of the table.
    all: SchemaRef,
    portable: Option<PortableColumns>,
}

impl Task {
    fn new(table: &Table, files: Vec<DataFile>, wanted: Wanted) -> Result<Self> {
        let schema = table.metadata.current_schema();
        let all = schema_to_arrow_schema(schema).map_err(|source| {
            let message = format!("the schema has a type that is not supported: {}", source.message());
            Error::new(ErrorKind::Unsupported, message).source(source)
        })?;
        let fields = schema.as_struct().fields();
        let every = || PortableColumns { indices: (0..fields.len()).collect(), fields: fields.to_vec() };
        let Wanted { level, pool, portable } = wanted;
        let portable = (level == Level::Portable).then(|| portable.unwrap_or_else(every));
        Ok(Self { table: table.clone(), files, level, pool, all: Arc::new(all), portable })
    }

    /// Whether each file is as long as it was described.
    async fn check_sizes(&self, parallelism: usize) -> Result<()> {
        let checks: Vec<_> =
            self.files.iter().cloned().map(|file| check_size(self.table.store.clone(), file)).collect();
        stream::iter(checks).buffer_unordered(parallelism).try_collect().await
    }

    fn nothing_of(&self, file: &DataFile) -> Readback {
        Readback {
            location: file.file_path().to_string(),
            rows: 0,
            copied_rows: 0,
            content: (self.level >= Level::Content).then(Fingerprint::default),
            portable: (self.level >= Level::Portable).then(PortableFingerprint::default),
        }
    }

    async fn read(self: Arc<Self>, piece: Piece) -> Result<(usize, Readback)> {
        let (index, file) = (piece.file, &self.files[piece.file]);
        let mut found = self.nothing_of(file);
        if self.level == Level::Metadata {
            piece.open().await?;
            found.rows = file.record_count();
            return Ok((index, found));
        }
        let read = self.read_rows(piece, file, &mut found).await;
        read.map_err(|error| error.stage(Stage::Verify).subject(file.file_path()))?;
        Ok((index, found))
    }

    async fn read_rows(&self, piece: Piece, file: &DataFile, found: &mut Readback) -> Result<()> {
        let metadata = &self.table.metadata;
        let (spec, schema) = (metadata.default_partition_spec(), metadata.current_schema());
        let mut partitioner = Partitioner::new(spec, schema, &self.all)?;
        let mut hashers = Hashers::new(&self.all, self.portable.as_ref())?;
        let mut prints = Prints::default();
        for copied in piece.copied().await? {
            let (rows, digest) = copied.digest(&self.pool).await?;
            prints.merge(Prints::copied(rows, digest));
            found.rows += rows;
        }
        let mut batches = piece.read(&self.pool);
        while let Some(batch) = batches.try_next().await? {
            self.check_partition(&mut partitioner, &batch, file.partition())?;
            found.rows += batch.num_rows() as u64;
            prints.merge(hashers.hash(&batch)?);
        }
        (found.content, found.copied_rows) = (Some(prints.content), prints.copied_rows);
        found.portable = self.portable.as_ref().map(|_| prints.portable.unwrap_or_default());
        Ok(())
    }

    /// Whether all rows belong to the partition that their file is to be committed to.
    fn check_partition(&self, partitioner: &mut Partitioner, batch: &RecordBatch, described: &Struct) -> Result<()> {
        let metadata = &self.table.metadata;
        for (key, _) in partitioner.split(batch.clone())? {
            if key.values == *described {
                continue;
            }
            let folder =
                |values| partition_folder(metadata.default_partition_spec(), metadata.current_schema(), values);
            let (found, described) = (folder(&key.values), folder(described));
            let message = format!("a row of the partition `{found}` lies in a file of the partition `{described}`");
            return Err(Error::new(ErrorKind::Read, message).hint(REPLACED));
        }
        Ok(())
    }
}
