//! Opens and decodes Parquet files, whatever they are: data or deletes.

use std::any::Any;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Fields, Schema as ArrowSchema, TimeUnit};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use iceberg::spec::NameMapping;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, RowSelection};
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::basic::Type as PhysicalType;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};

use super::reshape::{Reshape, identified};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::{Rank, Store};

/// Bytes read from the end of a file of this size at once, in the hope that the footer is in them. They may be data that is
/// read again with its row group: less than a hundredth of a file that is not small.
pub(crate) fn footer_prefetch_bytes(file_bytes: u64) -> u64 {
    (file_bytes / 128).clamp(64 << 10, 256 << 10)
}

/// A Parquet file with its footer.
#[derive(Debug, Clone)]
pub(super) struct Parquet {
    store: Store,
    location: String,
    pub metadata: ArrowReaderMetadata,
    /// The top-level columns with field ids.
    pub fields: Fields,
}

impl Parquet {
    /// Reads the footer, and the page index if asked.
    pub async fn open(
        store: &Store,
        location: &str,
        size_bytes: u64,
        mapping: Option<&NameMapping>,
        page_index: bool,
    ) -> Result<Self> {
        let mut fetch = StoreReader { store: store.clone(), location: location.to_string(), rank: store.rank() };
        let policy = if page_index { PageIndexPolicy::Optional } else { PageIndexPolicy::Skip };
        let prefetch_bytes = footer_prefetch_bytes(size_bytes) as usize;
        let reader =
            ParquetMetaDataReader::new().with_prefetch_hint(Some(prefetch_bytes)).with_page_index_policy(policy);
        let metadata =
            reader.load_and_finish(&mut fetch, size_bytes).await.map_err(|source| parquet_error(location, source))?;
        let failed = |source| parquet_error(location, source);
        let file = metadata.file_metadata();
        // The Arrow schema that some writers embed would bring in types that Iceberg does not have.
        let canonical = parquet_to_arrow_schema(file.schema_descr(), None).map_err(failed)?;
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let options = match with_int96_as_micros(&canonical, &metadata) {
            Some(schema) => options.with_schema(Arc::new(schema)),
            None => options,
        };
        let metadata = ArrowReaderMetadata::try_new(Arc::new(metadata), options).map_err(failed)?;
        let fields = identified(metadata.schema(), mapping);
        Ok(Self { store: store.clone(), location: location.to_string(), metadata, fields })
    }

    /// Whether it is on a local disk.
    pub fn is_local(&self) -> bool {
        self.store.is_local()
    }

    /// Whether these columns can be read without keys: a footer that is plain may tell of columns that are encrypted.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] with the column that cannot.
    pub fn check_plain(&self, roots: &[usize]) -> Result<()> {
        let metadata = self.metadata.metadata();
        let chunks = metadata.row_groups().iter().flat_map(|row_group| row_group.columns().iter().enumerate());
        let mut encrypted = chunks.filter(|(_, chunk)| chunk.crypto_metadata().is_some());
        let schema = self.metadata.parquet_schema();
        match encrypted.find(|(leaf, _)| roots.contains(&schema.get_column_root_idx(*leaf))) {
            Some((_, chunk)) => {
                Err(encrypted_error(&format!("the column `{}`", chunk.column_path().string()), &self.location))
            }
            None => Ok(()),
        }
    }

    /// Decodes `row_groups`, or of them the selected rows, and reshapes them.
    pub fn read(
        &self,
        reshape: Reshape,
        row_groups: Vec<usize>,
        selection: Option<RowSelection>,
        batch_rows: usize,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let (store, location, rank) = (self.store.clone(), self.location.clone(), self.store.rank());
        let reader = StoreReader { store, location, rank };
        self.check_plain(&reshape.roots)?;
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), reshape.roots.iter().copied());
        let mut builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, self.metadata.clone())
            .with_projection(mask)
            .with_row_groups(row_groups)
            .with_batch_size(batch_rows);
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        let location = self.location.clone();
        let decoded = builder.build().map_err(|source| parquet_error(&location, source))?;
        // The decoders panic over some damaged pages; the stream ends with it, and the rest of the process goes on.
        let decoded = AssertUnwindSafe(decoded).catch_unwind();
        let batches = decoded.map(move |batch| {
            let batch = batch.unwrap_or_else(|panic| Err(ParquetError::General(words_of(panic.as_ref()))));
            let batch = batch.map_err(|source| parquet_error(&location, source))?;
            reshape.apply(&batch).map_err(|error| error.subject(&location))
        });
        Ok(batches.boxed())
    }
}

/// Spark's old timestamps have nanoseconds and overflow in the year 2262: read them as microseconds.
fn with_int96_as_micros(schema: &ArrowSchema, metadata: &ParquetMetaData) -> Option<ArrowSchema> {
    let descriptor = metadata.file_metadata().schema_descr();
    let is_int96 = |index: usize| {
        let root = &descriptor.root_schema().get_fields()[index];
        root.is_primitive() && root.get_physical_type() == PhysicalType::INT96
    };
    if !(0..schema.fields().len()).any(is_int96) {
        return None;
    }
    let fields = schema.fields().iter().enumerate().map(|(index, field)| {
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        if is_int96(index) { Arc::new(field.as_ref().clone().with_data_type(micros)) } else { Arc::clone(field) }
    });
    Some(ArrowSchema::new_with_metadata(fields.collect::<Fields>(), schema.metadata().clone()))
}

/// Keeps an error of ours that travelled through the Parquet reader.
fn parquet_error(location: &str, source: ParquetError) -> Error {
    let subject = location.to_string();
    match source {
        ParquetError::External(cause) => match cause.downcast::<Error>() {
            Ok(own) => own.subject(subject),
            Err(cause) => broken(ParquetError::External(cause), subject),
        },
        ParquetError::General(words) if words.contains("encrypted footer") => encrypted_error("the footer", location),
        other => broken(other, subject),
    }
}

fn encrypted_error(what: &str, location: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{what} is encrypted")).subject(location).hint(
        "icelift has no keys of files: let the engine that has them write the table anew, or leave the column out",
    )
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the decoder gave up: {}", words.unwrap_or("no reason"))
}

fn broken(source: ParquetError, subject: String) -> Error {
    Error::new(ErrorKind::Read, "the Parquet file cannot be read")
        .subject(subject)
        .hint("the file is truncated or damaged; restore it, or read an older snapshot")
        .source(source)
}

/// A file in a [`Store`] as the Parquet reader wants it.
struct StoreReader {
    store: Store,
    location: String,
    rank: Rank,
}

fn external(error: Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl AsyncFileReader for StoreReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move { self.store.read_range(&self.location, range).await.map_err(external) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        async move { self.store.read_ranges(&self.location, &ranges, self.rank).await.map_err(external) }.boxed()
    }

    /// Never called: the footer is read before and handed over.
    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        async move {
            let size = self.store.size_bytes(&self.location).await.map_err(external)?;
            ParquetMetaDataReader::new().load_and_finish(self, size).await.map(Arc::new)
        }
        .boxed()
    }
}
