//! From the columns of a file to the columns of the table, by field id.
//!
//! Columns may be renamed, reordered, promoted, added or dropped since the file was written, at any depth. A column that
//! the file lacks is filled as the spec says (section "Column Projection"): identity partition value, initial default,
//! NULL.

use std::borrow::Borrow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, RecordBatchOptions, StructArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema as ArrowSchema, SchemaRef};
use datafusion::common::ScalarValue;
use iceberg::spec::{MappedField, NameMapping, Schema};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::values::default_scalar;

/// The field's id, if it has one.
pub(crate) fn field_id(field: &Field) -> Option<i32> {
    field.metadata().get(PARQUET_FIELD_ID_META_KEY)?.parse().ok()
}

/// The file's columns with field ids: its own, else those of the name mapping, else their positions.
pub(super) fn identified(file: &ArrowSchema, mapping: Option<&NameMapping>) -> Fields {
    let fields = file.fields();
    if fields.iter().any(|field| field_id(field).is_some()) {
        return fields.clone();
    }
    match mapping {
        Some(mapping) => mapped(fields, mapping.fields()),
        None => fields.iter().enumerate().map(|(index, field)| with_id(field, index as i32 + 1)).collect(),
    }
}

fn with_id(field: &Field, id: i32) -> FieldRef {
    let mut metadata = field.metadata().clone();
    metadata.insert(PARQUET_FIELD_ID_META_KEY.to_string(), id.to_string());
    Arc::new(field.clone().with_metadata(metadata))
}

fn mapped<M: Borrow<MappedField>>(fields: &Fields, mapping: &[M]) -> Fields {
    let find = |field: &FieldRef| {
        let found = mapping.iter().map(Borrow::borrow).find(|known| known.names().contains(field.name()));
        let Some(found) = found else { return Arc::clone(field) };
        let data_type = mapped_type(field.data_type(), found.fields());
        let field = field.as_ref().clone().with_data_type(data_type);
        found.field_id().map_or_else(|| Arc::new(field.clone()), |id| with_id(&field, id))
    };
    fields.iter().map(find).collect()
}

fn mapped_type(data_type: &DataType, mapping: &[Arc<MappedField>]) -> DataType {
    // The mapping calls the parts of lists and maps by the spec's names, whatever the file calls them.
    let part = |field: &FieldRef, name: &str| {
        let inner = mapping.iter().find(|known| known.names().iter().any(|it| it == name));
        let nested = inner.map_or(&[][..], |inner| inner.fields());
        let renamed = field.as_ref().clone().with_data_type(mapped_type(field.data_type(), nested));
        inner.and_then(|inner| inner.field_id()).map_or_else(|| Arc::new(renamed.clone()), |id| with_id(&renamed, id))
    };
    match data_type {
        DataType::Struct(fields) => DataType::Struct(mapped(fields, mapping)),
        DataType::List(element) => DataType::List(part(element, "element")),
        DataType::Map(entries, sorted) => {
            let DataType::Struct(pair) = entries.data_type() else { return data_type.clone() };
            let names = ["key", "value"];
            let pair: Fields = pair.iter().zip(names).map(|(field, name)| part(field, name)).collect();
            let entries = entries.as_ref().clone().with_data_type(DataType::Struct(pair));
            DataType::Map(Arc::new(entries), *sorted)
        }
        other => other.clone(),
    }
}

/// How the batches of one file become batches of the table.
#[derive(Debug, Clone)]
pub(super) struct Reshape {
    schema: SchemaRef,
    /// The file's columns that must be decoded, in file order.
    pub roots: Vec<usize>,
    columns: Vec<Source>,
}

/// Where a column of the table comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin<'a> {
    /// The column of the file with this index, as it is.
    Same(usize),
    /// The same, converted.
    Converted(usize),
    Constant(&'a ScalarValue),
}

#[derive(Debug, Clone)]
enum Source {
    /// The nth decoded column.
    File(usize, Convert),
    Constant(ScalarValue),
}

#[derive(Debug, Clone)]
enum Convert {
    Same,
    /// From and to.
    Cast(DataType, DataType),
    /// Of a struct with so many children in the file.
    Struct(Fields, Vec<Source>, usize),
    List(FieldRef, Box<Convert>),
    Map(FieldRef, bool, Box<Convert>),
}

impl Reshape {
    /// `constant` gives the value of a column that the file lacks, by field id.
    pub fn new(
        file: &Fields,
        target: &SchemaRef,
        schema: &Schema,
        constant: impl Fn(i32) -> Option<ScalarValue>,
    ) -> Result<Self> {
        let find = |target: &Field| {
            let id = field_id(target)?;
            file.iter().position(|field| field_id(field) == Some(id))
        };
        let mut roots: Vec<usize> = target.fields().iter().filter_map(|field| find(field)).collect();
        roots.sort_unstable();
        roots.dedup();
        let source = |target: &FieldRef| match find(target) {
            Some(root) => {
                let decoded = roots.partition_point(|known| *known < root);
                Ok(Source::File(decoded, convert(&file[root], target, schema)?))
            }
            None => match field_id(target).and_then(&constant) {
                Some(value) => Ok(Source::Constant(value.cast_to(target.data_type())?)),
                None => missing(target, schema),
            },
        };
        let columns = target.fields().iter().map(source).collect::<Result<_>>()?;
        Ok(Self { schema: Arc::clone(target), roots, columns })
    }

    /// Where a column comes from.
    pub fn origin(&self, column: usize) -> Origin<'_> {
        match &self.columns[column] {
            Source::Constant(value) => Origin::Constant(value),
            Source::File(decoded, convert) if convert.keeps_all() => Origin::Same(self.roots[*decoded]),
            Source::File(decoded, _) => Origin::Converted(self.roots[*decoded]),
        }
    }

    /// A batch of the table from a batch of the decoded columns.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let columns = self.columns.iter().map(|source| source.array(batch.columns(), rows));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(|source| {
            Error::new(ErrorKind::Read, "the file's values do not fit the table's schema").source(source)
        })
    }
}

/// A column that is not in the file and not a partition value.
fn missing(target: &Field, schema: &Schema) -> Result<Source> {
    let known = field_id(target).and_then(|id| schema.field_by_id(id));
    let default = known.and_then(|field| default_scalar(field.initial_default.as_ref()?, &field.field_type));
    match default {
        Some(default) => Ok(Source::Constant(default.cast_to(target.data_type())?)),
        None if target.is_nullable() => Ok(Source::Constant(ScalarValue::try_from(target.data_type())?)),
        None => Err(Error::new(ErrorKind::Read, format!("the file lacks the required column `{}`", target.name()))),
    }
}

fn convert(file: &Field, target: &Field, schema: &Schema) -> Result<Convert> {
    Ok(match (file.data_type(), target.data_type()) {
        (DataType::Struct(from), DataType::Struct(to)) => {
            let child = |target: &FieldRef| {
                let id = field_id(target);
                match from.iter().position(|field| id.is_some() && field_id(field) == id) {
                    Some(index) => Ok(Source::File(index, convert(&from[index], target, schema)?)),
                    None => missing(target, schema),
                }
            };
            Convert::Struct(to.clone(), to.iter().map(child).collect::<Result<_>>()?, from.len())
        }
        (DataType::List(from), DataType::List(to)) => {
            Convert::List(Arc::clone(to), Box::new(convert(from, to, schema)?))
        }
        (DataType::Map(from, _), DataType::Map(to, sorted)) => {
            let (DataType::Struct(from), DataType::Struct(pair)) = (from.data_type(), to.data_type()) else {
                return Err(mismatch(file, target));
            };
            let parts = from
                .iter()
                .zip(pair)
                .enumerate()
                .map(|(index, (from, to))| Ok(Source::File(index, convert(from, to, schema)?)));
            let inner = Convert::Struct(pair.clone(), parts.collect::<Result<_>>()?, from.len());
            Convert::Map(Arc::clone(to), *sorted, Box::new(inner))
        }
        (from, to) if from == to => Convert::Same,
        (from, to) if promotes(from, to) => Convert::Cast(from.clone(), to.clone()),
        _ => return Err(mismatch(file, target)),
    })
}

/// The promotions of the spec, and other Arrow spellings of the same Iceberg type.
fn promotes(from: &DataType, to: &DataType) -> bool {
    use DataType::{Binary, Date32, Decimal128, FixedSizeBinary, Float32, Float64, Int8, Int16, Int32, Int64};
    use DataType::{LargeBinary, LargeUtf8, Timestamp, UInt8, UInt16, UInt32, Utf8};
    match (from, to) {
        (Int8 | Int16 | UInt8 | UInt16, Int32 | Int64) | (Int32 | UInt32, Int64) | (Float32, Float64) => true,
        (Decimal128(from, scale), Decimal128(to, target)) => scale == target && from <= to,
        (Binary | FixedSizeBinary(_), LargeBinary) | (LargeUtf8 | Binary, Utf8) | (Date32, Timestamp(..)) => true,
        (Binary, FixedSizeBinary(_)) => true,
        (Timestamp(_, from), Timestamp(_, to)) => from.is_some() == to.is_some(),
        _ => false,
    }
}

/// Whether both are the same values in a file, and only differ in memory.
fn is_stored_alike(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (DataType::Binary, DataType::LargeBinary) => true,
        // Both are instants in UTC, whatever the zone is called.
        (DataType::Timestamp(from, Some(_)), DataType::Timestamp(to, Some(_))) => from == to,
        _ => false,
    }
}

fn mismatch(file: &Field, target: &Field) -> Error {
    let message =
        format!("the file's column `{}` is {}, the table's is {}", target.name(), file.data_type(), target.data_type());
    Error::new(ErrorKind::Read, message).hint("the file was not written for this table; check its field ids")
}

impl Source {
    fn array(&self, decoded: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        match self {
            Source::File(index, convert) => convert.array(&decoded[*index]),
            Source::Constant(value) => Ok(value.to_array_of_size(rows)?),
        }
    }
}

impl Convert {
    /// Whether all parts come out as they are, in their order, and none is left out.
    fn keeps_all(&self) -> bool {
        match self {
            Convert::Same => true,
            Convert::Cast(from, to) => is_stored_alike(from, to),
            Convert::Struct(_, children, of) => {
                let kept = |(index, child): (usize, &Source)| matches!(child, Source::File(from, convert) if *from == index && convert.keeps_all());
                children.len() == *of && children.iter().enumerate().all(kept)
            }
            Convert::List(_, inner) | Convert::Map(_, _, inner) => inner.keeps_all(),
        }
    }

    fn array(&self, array: &ArrayRef) -> Result<ArrayRef> {
        // A value that does not fit is an error, never NULL.
        let options = CastOptions { safe: false, ..Default::default() };
        Ok(match self {
            Convert::Same => Arc::clone(array),
            Convert::Cast(_, to) => cast_with_options(array, to, &options).map_err(bad_values)?,
            Convert::Struct(fields, children, _) => {
                let from = array.as_struct();
                let children = children.iter().map(|child| child.array(from.columns(), from.len()));
                let (children, nulls) = (children.collect::<Result<Vec<_>>>()?, from.nulls().cloned());
                let built = StructArray::try_new_with_length(fields.clone(), children, nulls, from.len());
                Arc::new(built.map_err(bad_values)?)
            }
            Convert::List(field, inner) => {
                let from = array.as_list::<i32>();
                let values = inner.array(from.values())?;
                let built =
                    ListArray::try_new(Arc::clone(field), from.offsets().clone(), values, from.nulls().cloned());
                Arc::new(built.map_err(bad_values)?)
            }
            Convert::Map(field, sorted, inner) => {
                let from = array.as_map();
                let entries: ArrayRef = Arc::new(from.entries().clone());
                let entries = inner.array(&entries)?.as_struct().clone();
                let (offsets, nulls) = (from.offsets().clone(), from.nulls().cloned());
                let built = MapArray::try_new(Arc::clone(field), offsets, entries, nulls, *sorted);
                Arc::new(built.map_err(bad_values)?)
            }
        })
    }
}

fn bad_values(source: arrow::error::ArrowError) -> Error {
    Error::new(ErrorKind::Read, "the file's values do not fit the table's schema").source(source)
}
