//! Reads the pieces of files: footer, pruning, deletes, decoding, reshaping.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Fields, Schema as ArrowSchema, SchemaRef, TimeUnit};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use iceberg::spec::{NameMapping, Schema, SchemaRef as IcebergSchemaRef, Transform};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, RowSelection};
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::basic::Type as PhysicalType;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use tokio::sync::OnceCell;

use super::bounds::Filter;
use super::deletes::DeletedRows;
use super::files::PlannedFile;
use super::reshape::{Reshape, identified};
use super::rows;
use super::splits::Split;
use crate::catalog::Table;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::values::scalar;
use crate::storage::Store;

/// Bytes read from the end of a file at once, in the hope that the footer is in them.
const FOOTER_PREFETCH_BYTES: usize = 256 << 10;
const NAME_MAPPING: &str = "schema.name-mapping.default";

/// What all pieces of a scan share.
pub(super) struct ScanContext {
    pub table: Table,
    pub schema: SchemaRef,
    filter: Option<Filter>,
    batch_rows: usize,
    name_mapping: Option<NameMapping>,
}

impl fmt::Debug for ScanContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScanContext").field("table", &self.table.name).finish_non_exhaustive()
    }
}

impl ScanContext {
    pub fn new(
        table: &Table,
        projected: &SchemaRef,
        _columns: &[usize],
        filter: Option<Filter>,
        batch_rows: usize,
    ) -> Result<Self> {
        let mapping = table.metadata.properties().get(NAME_MAPPING);
        let name_mapping = mapping.map(|json| serde_json::from_str(json)).transpose().map_err(|source| {
            Error::new(ErrorKind::Read, format!("the property `{NAME_MAPPING}` is no name mapping")).source(source)
        })?;
        Ok(Self { table: table.clone(), schema: Arc::clone(projected), filter, batch_rows, name_mapping })
    }

    pub fn filter(&self) -> Option<&Filter> {
        self.filter.as_ref()
    }

    fn iceberg_schema(&self) -> &IcebergSchemaRef {
        self.table.metadata.current_schema()
    }
}

/// A data file whose footer is read once, whatever number of pieces it is split into.
#[derive(Debug)]
pub(crate) struct OpenFile {
    planned: Arc<PlannedFile>,
    parquet: OnceCell<Parquet>,
    deleted: OnceCell<Arc<DeletedRows>>,
}

impl OpenFile {
    pub fn new(planned: Arc<PlannedFile>) -> Self {
        Self { planned, parquet: OnceCell::new(), deleted: OnceCell::new() }
    }

    async fn parquet(&self, context: &ScanContext) -> Result<&Parquet> {
        let open = || async {
            let (store, file) = (&context.table.store, &self.planned.file);
            let pages = context.filter.as_ref().is_some_and(|filter| !filter.single_columns.is_empty());
            let mapping = context.name_mapping.as_ref();
            let parquet = Parquet::open(store, file.file_path(), file.file_size_in_bytes(), mapping, pages).await?;
            let rows = parquet.metadata.metadata().file_metadata().num_rows();
            if u64::try_from(rows).ok() == Some(file.record_count()) {
                return Ok(parquet);
            }
            let message = format!("the file holds {rows} rows, its manifest says {}", file.record_count());
            Err(Error::new(ErrorKind::Read, message).hint("the file was replaced or the manifest is wrong"))
        };
        self.parquet.get_or_try_init(open).await
    }

    async fn deleted(&self, context: &ScanContext) -> Result<&Arc<DeletedRows>> {
        let load = || async {
            let deletes = &self.planned.deletes;
            DeletedRows::load(&context.table, self.planned.file.file_path(), deletes).await.map(Arc::new)
        };
        self.deleted.get_or_try_init(load).await
    }
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
        let mut fetch = StoreReader { store: store.clone(), location: location.to_string() };
        let policy = if page_index { PageIndexPolicy::Optional } else { PageIndexPolicy::Skip };
        let reader =
            ParquetMetaDataReader::new().with_prefetch_hint(Some(FOOTER_PREFETCH_BYTES)).with_page_index_policy(policy);
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

    /// Decodes `row_groups`, or of them the selected rows, and reshapes them.
    pub fn read(
        &self,
        reshape: Reshape,
        row_groups: Vec<usize>,
        selection: Option<RowSelection>,
        batch_rows: usize,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let reader = StoreReader { store: self.store.clone(), location: self.location.clone() };
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
        let batches = decoded.map(move |batch| {
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
            Ok(own) => own.stage(Stage::Scan).subject(subject),
            Err(cause) => broken(ParquetError::External(cause), subject),
        },
        other => broken(other, subject),
    }
}

fn broken(source: ParquetError, subject: String) -> Error {
    Error::new(ErrorKind::Read, "the Parquet file cannot be read")
        .stage(Stage::Scan)
        .subject(subject)
        .hint("the file is truncated or damaged; restore it, or read an older snapshot")
        .source(source)
}

/// All rows of `splits`, one after the other; the next piece is opened while one is read.
pub(super) fn read(
    context: Arc<ScanContext>,
    splits: Vec<Split>,
    limit: Option<usize>,
) -> BoxStream<'static, Result<RecordBatch>> {
    let table = context.table.name.clone();
    let pieces = stream::iter(splits).map(move |split| {
        let context = Arc::clone(&context);
        async move {
            let location = split.file.planned.file.file_path().to_string();
            let rows = read_split(&context, &split).await;
            rows.map_err(|error| error.stage(Stage::Scan).subject(location))
        }
    });
    let rows = pieces.buffered(2).try_flatten().map_err(move |error| error.place(Stage::Scan, &table));
    match limit {
        None => rows.boxed(),
        Some(limit) => stream::try_unfold((rows.boxed(), limit), |(mut rows, left)| async move {
            if left == 0 {
                return Ok(None);
            }
            let Some(batch) = rows.try_next().await? else { return Ok(None) };
            let batch = batch.slice(0, batch.num_rows().min(left));
            let left = left - batch.num_rows();
            Ok(Some((batch, (rows, left))))
        })
        .boxed(),
    }
}

async fn read_split(context: &ScanContext, split: &Split) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let file = &split.file;
    let parquet = file.parquet(context).await?;
    let row_groups = row_groups_in(&parquet.metadata, &split.start_bytes);
    let (row_groups, mut selection) = match &context.filter {
        Some(filter) => rows::select(filter, &parquet.metadata, &parquet.fields, row_groups),
        None => (row_groups, None),
    };
    if row_groups.is_empty() {
        return Ok(stream::empty().boxed());
    }
    let constants = partition_constants(&file.planned, context.iceberg_schema());
    let constant = |id: i32| constants.get(&id).cloned();
    if file.planned.deletes.is_empty() {
        let reshape = Reshape::new(&parquet.fields, &context.schema, context.iceberg_schema(), constant)?;
        return parquet.read(reshape, row_groups, selection, context.batch_rows);
    }
    let deleted = Arc::clone(file.deleted(context).await?);
    if let Some(kept) = deleted.kept_rows(&parquet.metadata, &row_groups) {
        selection = Some(selection.map_or(kept.clone(), |selection| selection.intersection(&kept)));
    }
    // Key columns of equality deletes are read beside the wanted ones and dropped again.
    let with_keys = with_key_columns(context, &deleted)?;
    let reshape = Reshape::new(&parquet.fields, &with_keys, context.iceberg_schema(), constant)?;
    let batches = parquet.read(reshape, row_groups, selection, context.batch_rows)?;
    let wanted: Vec<usize> = (0..context.schema.fields().len()).collect();
    let live = batches.map(move |batch| {
        let batch = deleted.filter(batch?)?;
        Ok(batch.project(&wanted)?)
    });
    Ok(live.boxed())
}

/// The row groups whose first byte lies in the range.
fn row_groups_in(metadata: &ArrowReaderMetadata, start_bytes: &Range<u64>) -> Vec<usize> {
    let row_groups = metadata.metadata().row_groups().iter().enumerate();
    let starts = row_groups.map(|(index, row_group)| {
        let columns = row_group.columns().iter().map(|column| column.byte_range().0);
        (index, columns.min().unwrap_or(0))
    });
    starts.filter(|(_, start)| start_bytes.contains(start)).map(|(index, _)| index).collect()
}

/// The values of the file's identity partition fields, for columns that the file itself lacks.
fn partition_constants(planned: &PlannedFile, schema: &Schema) -> BTreeMap<i32, datafusion::common::ScalarValue> {
    let mut constants = BTreeMap::new();
    for (field, value) in planned.spec.fields().iter().zip(planned.file.partition().fields()) {
        let source = schema.field_by_id(field.source_id).and_then(|source| source.field_type.as_primitive_type());
        let (Transform::Identity, Some(source)) = (field.transform, source) else { continue };
        let literal = value.as_ref().and_then(|value| value.as_primitive_literal());
        if let Some(value) = literal.and_then(|literal| scalar(&literal, source)) {
            constants.insert(field.source_id, value);
        }
    }
    constants
}

fn with_key_columns(context: &ScanContext, deleted: &DeletedRows) -> Result<SchemaRef> {
    let mut fields: Vec<_> = context.schema.fields().iter().cloned().collect();
    fields.extend(deleted.key_fields());
    Ok(Arc::new(ArrowSchema::new(fields)))
}

/// A file in a [`Store`] as the Parquet reader wants it.
struct StoreReader {
    store: Store,
    location: String,
}

fn external(error: Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl AsyncFileReader for StoreReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move { self.store.read_range(&self.location, range).await.map_err(external) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        async move { self.store.read_ranges(&self.location, &ranges).await.map_err(external) }.boxed()
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
