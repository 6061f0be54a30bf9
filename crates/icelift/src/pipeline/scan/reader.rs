//! Reads the pieces of files: footer, pruning, deletes, decoding, reshaping.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Fields, Schema as ArrowSchema, SchemaRef};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use iceberg::spec::{NameMapping, Schema, SchemaRef as IcebergSchemaRef, Transform};
use parquet::file::metadata::ParquetMetaData;
use tokio::sync::OnceCell;

use super::bounds::Filter;
use super::decode::Parquet;
use super::deletes::DeletedRows;
use super::fetch::{Fetch, has_page_index};
use super::files::PlannedFile;
use super::passing::{Passing, bytes_of};
use super::reshape::{Reshape, field_id};
use super::rows;
use super::splits::Split;
use super::whole::TakesRowGroups;
use crate::catalog::Table;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::values::{is_avro_name, scalar};

const NAME_MAPPING: &str = "schema.name-mapping.default";

/// What all pieces of a scan share.
#[derive(Clone)]
pub(crate) struct ScanContext {
    pub table: Table,
    pub schema: SchemaRef,
    filter: Option<Filter>,
    batch_rows: usize,
    name_mapping: Option<NameMapping>,
    stage: Stage,
    /// Whether the index of the pages is read with the footer.
    with_pages: bool,
    /// Who takes row groups whole; they are left out of the rows then.
    taker: Option<Arc<dyn TakesRowGroups>>,
}

impl fmt::Debug for ScanContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScanContext").field("table", &self.table.name).finish_non_exhaustive()
    }
}

impl ScanContext {
    pub fn new(table: &Table, projected: &SchemaRef, filter: Option<Filter>, batch_rows: usize) -> Result<Self> {
        let mapping = table.metadata.properties().get(NAME_MAPPING);
        let name_mapping = mapping.map(|json| serde_json::from_str(json)).transpose().map_err(|source| {
            Error::new(ErrorKind::Read, format!("the property `{NAME_MAPPING}` is no name mapping")).source(source)
        })?;
        let (table, schema, stage) = (table.clone(), Arc::clone(projected), Stage::Scan);
        Ok(Self { table, schema, filter, batch_rows, name_mapping, stage, with_pages: false, taker: None })
    }

    /// The same for who takes row groups whole, and the index of their pages along.
    pub fn with_pages(&self) -> Self {
        Self { with_pages: true, ..self.clone() }
    }

    /// The same without the row groups that somebody takes whole.
    pub fn without(&self, taker: Arc<dyn TakesRowGroups>) -> Self {
        Self { taker: Some(taker), ..self.clone() }
    }

    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The same for another stage, which is then named by errors.
    pub fn of_stage(self, stage: Stage) -> Self {
        Self { stage, ..self }
    }

    pub fn filter(&self) -> Option<&Filter> {
        self.filter.as_ref()
    }

    pub fn batch_rows(&self) -> usize {
        self.batch_rows
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
    /// The same with an index of its pages, for who has to read it piecemeal.
    paged: OnceCell<Parquet>,
    deleted: OnceCell<Arc<DeletedRows>>,
}

impl OpenFile {
    pub fn new(planned: Arc<PlannedFile>) -> Self {
        Self { planned, parquet: OnceCell::new(), paged: OnceCell::new(), deleted: OnceCell::new() }
    }

    pub fn location(&self) -> &str {
        self.planned.file.file_path()
    }

    pub fn planned(&self) -> &PlannedFile {
        &self.planned
    }

    pub(super) async fn parquet(&self, context: &ScanContext) -> Result<&Parquet> {
        let filters_pages = context.filter.as_ref().is_some_and(|filter| !filter.single_columns.is_empty());
        let pages = filters_pages || context.with_pages;
        self.parquet.get_or_try_init(|| self.open(context, pages)).await
    }

    /// The file with an index of its pages, as far as it has one.
    pub(super) async fn paged(&self, context: &ScanContext) -> Result<&Parquet> {
        let parquet = self.parquet(context).await?;
        if has_page_index(parquet) {
            return Ok(parquet);
        }
        self.paged.get_or_try_init(|| self.open(context, true)).await
    }

    async fn open(&self, context: &ScanContext, pages: bool) -> Result<Parquet> {
        let (store, file) = (&context.table.store, &self.planned.file);
        let mapping = context.name_mapping.as_ref();
        let parquet = Parquet::open(store, file.file_path(), file.file_size_in_bytes(), mapping, pages).await?;
        let rows = parquet.metadata.metadata().file_metadata().num_rows();
        if u64::try_from(rows).ok() == Some(file.record_count()) {
            return Ok(parquet);
        }
        let message = format!("the file holds {rows} rows, its manifest says {}", file.record_count());
        Err(Error::new(ErrorKind::Read, message).hint("the file was replaced or the manifest is wrong"))
    }

    async fn deleted(&self, context: &ScanContext) -> Result<&Arc<DeletedRows>> {
        let load = || async {
            let deletes = &self.planned.deletes;
            DeletedRows::load(&context.table, self.planned.file.file_path(), deletes).await.map(Arc::new)
        };
        self.deleted.get_or_try_init(load).await
    }
}

/// All rows of `splits`, one after the other; the next piece is opened while one is read.
pub(super) fn read(
    context: Arc<ScanContext>,
    splits: Vec<Split>,
    limit: Option<usize>,
    pool: &Arc<dyn MemoryPool>,
) -> BoxStream<'static, Result<RecordBatch>> {
    let (table, stage) = (context.table.name.clone(), context.stage);
    let reservation = MemoryConsumer::new(format!("IcebergScan of {table}")).register(pool);
    let pieces = stream::iter(splits).map(move |split| {
        let context = Arc::clone(&context);
        let held = reservation.new_empty();
        async move {
            let rows = read_split(&context, &split, held).await;
            rows.map_err(|error| error.stage(stage).subject(split.file.planned.file.file_path()))
        }
    });
    let rows = pieces.buffered(2).try_flatten().map_err(move |error| error.place(stage, &table));
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

/// Reads the footer of the split's file, unless it is known.
pub(super) async fn open(context: &ScanContext, split: &Split) -> Result<()> {
    let opened = split.file.parquet(context).await;
    let place =
        |error: Error| error.subject(split.file.planned.file.file_path()).place(context.stage, &context.table.name);
    opened.map(|_| ()).map_err(place)
}

async fn read_split(
    context: &Arc<ScanContext>,
    split: &Split,
    held: MemoryReservation,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let file = &split.file;
    let parquet = file.parquet(context).await?;
    let metadata = parquet.metadata.metadata();
    let all = row_groups_in(metadata, &split.start_bytes);
    let row_groups = left_over(context, file, all.clone()).await?;
    // Who takes row groups tells of them.
    let taken_bytes = bytes_of(metadata, &all).saturating_sub(bytes_of(metadata, &row_groups));
    let (row_groups, mut selection) = match &context.filter {
        Some(filter) => rows::select(filter, &parquet.metadata, &parquet.fields, row_groups),
        None => (row_groups, None),
    };
    let left_bytes = split.size_bytes.saturating_sub(taken_bytes);
    let mut passing = Passing::new(&context.table.store, left_bytes, metadata, &row_groups);
    if row_groups.is_empty() {
        return Ok(stream::empty().boxed());
    }
    let reshape = reshape(context, file, parquet)?;
    if file.planned.deletes.is_empty() {
        let (context, file) = (Arc::clone(context), Arc::clone(file));
        let rows = Fetch { context, file, reshape, row_groups, selection, held }.rows();
        return Ok(rows.inspect_ok(move |batch| passing.pass(batch.num_rows())).boxed());
    }
    let deleted = Arc::clone(file.deleted(context).await?);
    if let Some(kept) = deleted.kept_rows(&parquet.metadata, &row_groups) {
        selection = Some(selection.map_or(kept.clone(), |selection| selection.intersection(&kept)));
    }
    // Key columns of equality deletes are read beside the wanted ones and dropped again.
    let with_keys = with_key_columns(context, &deleted)?;
    let reshape = reshape_to(&with_keys, context, file, parquet)?;
    let wanted: Vec<usize> = (0..context.schema.fields().len()).collect();
    let (context, file) = (Arc::clone(context), Arc::clone(file));
    let batches = Fetch { context, file, reshape, row_groups, selection, held }.rows();
    let live = batches.map(move |batch| {
        let batch = batch?;
        passing.pass(batch.num_rows());
        let batch = deleted.filter(batch)?;
        Ok(batch.project(&wanted)?)
    });
    Ok(live.boxed())
}

/// Those of the row groups that nobody takes whole.
async fn left_over(context: &ScanContext, file: &OpenFile, mut row_groups: Vec<usize>) -> Result<Vec<usize>> {
    if let Some(taker) = &context.taker {
        let taken = taker.taken(file).await?;
        row_groups.retain(|row_group| !taken.contains(row_group));
    }
    Ok(row_groups)
}

/// How the columns of the file become those of the scan.
pub(super) fn reshape(context: &ScanContext, file: &OpenFile, parquet: &Parquet) -> Result<Reshape> {
    reshape_to(&context.schema, context, file, parquet)
}

fn reshape_to(columns: &SchemaRef, context: &ScanContext, file: &OpenFile, parquet: &Parquet) -> Result<Reshape> {
    check_constants(&file.planned, &parquet.fields, columns)?;
    let constants = partition_constants(&file.planned, context.iceberg_schema());
    let constant = |id: i32| constants.get(&id).cloned();
    Reshape::new(&parquet.fields, columns, context.iceberg_schema(), constant)
}

/// The row groups whose first byte lies in the range.
pub(super) fn row_groups_in(metadata: &ParquetMetaData, start_bytes: &Range<u64>) -> Vec<usize> {
    let row_groups = metadata.row_groups().iter().enumerate();
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

/// Fails where a column of the scan would have to be filled from a partition value that could not be read.
fn check_constants(planned: &PlannedFile, file: &Fields, wanted: &SchemaRef) -> Result<()> {
    let has = |fields: &Fields, id: i32| fields.iter().any(|field| field_id(field) == Some(id));
    for (field, value) in planned.spec.fields().iter().zip(planned.file.partition().fields()) {
        let needed = has(wanted.fields(), field.source_id) && !has(file, field.source_id);
        if needed && value.is_none() && field.transform == Transform::Identity && !is_avro_name(&field.name) {
            let message = format!("the value of the partition field `{}` cannot be read from its manifest", field.name);
            return Err(Error::new(ErrorKind::Unsupported, message)
                .hint("rewrite the table's manifests with a partition field name of letters, digits and underscores"));
        }
    }
    Ok(())
}

fn with_key_columns(context: &ScanContext, deleted: &DeletedRows) -> Result<SchemaRef> {
    let mut fields: Vec<_> = context.schema.fields().iter().cloned().collect();
    fields.extend(deleted.key_fields());
    Ok(Arc::new(ArrowSchema::new(fields)))
}
