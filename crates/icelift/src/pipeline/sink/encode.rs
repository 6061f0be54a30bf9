//! Encodes rows into row groups that belong to no file yet: numbers and texts that are in no group here, all else by the library.

mod bounds;
mod column;
mod numbers;
mod pages;
mod table;
mod texts;
mod values;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Float64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, SchemaRef};
use iceberg::spec::{PrimitiveType, Schema};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::LogicalType;
use parquet::file::properties::WriterPropertiesPtr;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, Type as ParquetType, TypePtr};

use self::column::ColumnEncoder;
use super::SinkTarget;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::scan::field_id;
use crate::pipeline::splice::{Chunk, Layout, PageCompressor};

/// A row group closes at this many rows, however few bytes they are.
const ROW_GROUP_MAX_ROWS: usize = 1 << 24;

/// What all row groups and files of a sink have in common.
pub(super) struct Encoder {
    columns: SchemaRef,
    pub layout: Arc<Layout>,
    pub properties: WriterPropertiesPtr,
    factory: ArrowRowGroupWriterFactory,
    /// What a full row group has.
    pub row_group_bytes: usize,
}

impl Encoder {
    pub fn new(target: &SinkTarget) -> Result<Self> {
        let schema = target.table.metadata.current_schema();
        let parquet_schema = parquet_schema(&target.schema, schema)?;
        let properties = Arc::new(target.settings.writer_properties(true));
        // The factory wants a writer for its schema and properties only; nothing is written by it.
        let template = SerializedFileWriter::new(Vec::new(), Arc::clone(&parquet_schema), Arc::clone(&properties));
        let template = template.map_err(parquet_failed)?;
        let factory = ArrowRowGroupWriterFactory::new(&template, Arc::clone(&target.schema));
        let columns = Arc::clone(&target.schema);
        let layout = Arc::new(Layout::new(parquet_schema, true));
        let row_group_bytes = target.settings.row_group_bytes;
        Ok(Self { columns, layout, properties, factory, row_group_bytes })
    }

    pub fn open(&self) -> Result<OpenRowGroup> {
        let writers = self.factory.create_column_writers(0).map_err(parquet_failed)?;
        let schema = &self.layout.schema;
        let mut columns = Vec::with_capacity(self.columns.fields().len());
        for (leaf, writer) in writers.into_iter().enumerate() {
            let root = schema.get_column_root_idx(leaf);
            if let Some(Column::Library(writers)) = columns.get_mut(root) {
                writers.push(writer);
                continue;
            }
            let own = ColumnEncoder::new(self.columns.field(root).data_type(), &schema.column(leaf), &self.properties);
            columns.push(own.map_or_else(|| Column::Library(vec![writer]), |own| Column::Own(Box::new(own))));
        }
        Ok(OpenRowGroup { columns, rows: 0, nans: BTreeMap::new() })
    }

    /// What a lane compresses its pages with.
    pub fn compressor(&self) -> PageCompressor {
        // No column has a codec of its own.
        PageCompressor::new(self.properties.compression(&ColumnPath::new(Vec::new())))
    }
}

/// The Parquet schema of the columns, with the field ids and the logical types that Iceberg wants.
pub(super) fn parquet_schema(columns: &SchemaRef, schema: &Schema) -> Result<TypePtr> {
    let converted = ArrowSchemaConverter::new().schema_root("table").convert(columns).map_err(parquet_failed)?;
    with_uuids(&converted.root_schema_ptr(), schema)
}

/// Arrow has no UUID: `iceberg` maps it to 16 plain bytes, which would lose the logical type.
fn with_uuids(of: &TypePtr, schema: &Schema) -> Result<TypePtr> {
    let info = of.get_basic_info();
    if of.is_primitive() {
        let field = info.has_id().then(|| schema.field_by_id(info.id())).flatten();
        let uuid = field.is_some_and(|field| field.field_type.as_primitive_type() == Some(&PrimitiveType::Uuid));
        if !uuid {
            return Ok(Arc::clone(of));
        }
        let built = ParquetType::primitive_type_builder(info.name(), of.get_physical_type())
            .with_repetition(info.repetition())
            .with_length(16)
            .with_logical_type(Some(LogicalType::Uuid))
            .with_id(Some(info.id()))
            .build();
        return built.map(Arc::new).map_err(parquet_failed);
    }
    let fields = of.get_fields().iter().map(|field| with_uuids(field, schema)).collect::<Result<Vec<_>>>()?;
    let mut builder = ParquetType::group_type_builder(info.name())
        .with_fields(fields)
        .with_logical_type(info.logical_type_ref().cloned())
        .with_converted_type(info.converted_type())
        .with_id(info.has_id().then(|| info.id()));
    if info.has_repetition() {
        builder = builder.with_repetition(info.repetition());
    }
    builder.build().map(Arc::new).map_err(parquet_failed)
}

pub(super) fn parquet_failed(source: parquet::errors::ParquetError) -> Error {
    Error::new(ErrorKind::Write, "the rows cannot be encoded as Parquet").stage(Stage::Sink).source(source)
}

/// A row group being encoded.
pub(super) struct OpenRowGroup {
    columns: Vec<Column>,
    rows: usize,
    nans: BTreeMap<i32, u64>,
}

/// A column of it.
enum Column {
    Own(Box<ColumnEncoder>),
    /// By leaf.
    Library(Vec<ArrowColumnWriter>),
}

/// An encoded row group, ready to be appended to any file of the sink.
pub(super) struct EncodedRowGroup {
    pub chunks: Vec<EncodedChunk>,
    pub rows: usize,
    /// NaN values by field id: Parquet has no statistics of them.
    pub nans: BTreeMap<i32, u64>,
}

/// A chunk of it.
pub(super) enum EncodedChunk {
    Own(Chunk),
    Library(ArrowColumnChunk),
}

impl OpenRowGroup {
    /// Encodes the rows of a batch.
    ///
    /// # Errors
    /// NULL in a required column.
    pub fn write(&mut self, encoder: &Encoder, batch: &RecordBatch, compressor: &mut PageCompressor) -> Result<()> {
        for ((field, array), column) in encoder.columns.fields().iter().zip(batch.columns()).zip(&mut self.columns) {
            check_required(field, array)?;
            count_nans(field, array, &mut self.nans);
            match column {
                Column::Own(own) => own.write(array, compressor).map_err(parquet_failed)?,
                Column::Library(writers) => {
                    for (leaf, writer) in compute_leaves(field, array).map_err(parquet_failed)?.iter().zip(writers) {
                        writer.write(leaf).map_err(parquet_failed)?;
                    }
                }
            }
        }
        self.rows += batch.num_rows();
        Ok(())
    }

    pub fn is_full(&self, encoder: &Encoder) -> bool {
        self.rows >= ROW_GROUP_MAX_ROWS || self.encoded_bytes() >= encoder.row_group_bytes
    }

    /// About how many bytes it would have in a file.
    pub fn encoded_bytes(&self) -> usize {
        let bytes = self.columns.iter().map(|column| match column {
            Column::Own(own) => own.encoded_bytes(),
            Column::Library(writers) => writers.iter().map(ArrowColumnWriter::get_estimated_total_bytes).sum(),
        });
        bytes.sum()
    }

    /// Bytes held in memory.
    pub fn memory_bytes(&self) -> usize {
        let bytes = self.columns.iter().map(|column| match column {
            Column::Own(own) => own.memory_bytes(),
            Column::Library(writers) => writers.iter().map(ArrowColumnWriter::memory_size).sum(),
        });
        bytes.sum()
    }

    pub fn finish(self, compressor: &mut PageCompressor) -> Result<EncodedRowGroup> {
        let mut chunks = Vec::new();
        for column in self.columns {
            match column {
                Column::Own(own) => chunks.push(EncodedChunk::Own(own.finish(compressor).map_err(parquet_failed)?)),
                Column::Library(writers) => {
                    for writer in writers {
                        chunks.push(EncodedChunk::Library(writer.close().map_err(parquet_failed)?));
                    }
                }
            }
        }
        Ok(EncodedRowGroup { chunks, rows: self.rows, nans: self.nans })
    }
}

/// Arrow checks NOT NULL nowhere on the way here.
fn check_required(field: &Field, array: &ArrayRef) -> Result<()> {
    if !field.is_nullable() && array.logical_null_count() > 0 {
        return Err(Error::new(ErrorKind::SchemaMismatch, format!("NULL for the required column `{}`", field.name()))
            .hint("filter such rows out, or give them a value with COALESCE"));
    }
    match (field.data_type(), array.data_type()) {
        (DataType::Struct(fields), DataType::Struct(_)) => {
            let parent = array.as_struct();
            for (field, child) in fields.iter().zip(parent.columns()) {
                // A child is NULL wherever its parent is; only the other rows count.
                let excused = parent.nulls().is_some_and(|parent| {
                    child
                        .logical_nulls()
                        .is_none_or(|child| parent.iter().zip(child.iter()).all(|(parent, child)| child || !parent))
                });
                if !excused {
                    check_required(field, child)?;
                }
            }
            Ok(())
        }
        (DataType::List(element), DataType::List(_)) => check_required(element, array.as_list::<i32>().values()),
        (DataType::Map(entries, _), DataType::Map(..)) => {
            let inner: ArrayRef = Arc::new(array.as_map().entries().clone());
            check_required(entries, &inner)
        }
        _ => Ok(()),
    }
}

fn count_nans(field: &Field, array: &ArrayRef, nans: &mut BTreeMap<i32, u64>) {
    let found = match field.data_type() {
        DataType::Float32 => array
            .as_any()
            .downcast_ref::<Float32Array>()
            .map(|array| array.iter().flatten().filter(|value| value.is_nan()).count()),
        DataType::Float64 => array
            .as_any()
            .downcast_ref::<Float64Array>()
            .map(|array| array.iter().flatten().filter(|value| value.is_nan()).count()),
        DataType::Struct(fields) => {
            for (field, child) in fields.iter().zip(array.as_struct().columns()) {
                count_nans(field, child, nans);
            }
            None
        }
        _ => None,
    };
    if let Some(found) = found
        && let Some(id) = field_id(field)
    {
        *nans.entry(id).or_default() += found as u64;
    }
}
