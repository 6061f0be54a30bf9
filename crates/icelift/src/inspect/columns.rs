//! Columns of metadata tables: the name, the type and how the values come out of the rows of metadata, in one place.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int32Array, Int64Array, LargeBinaryArray, ListArray, MapArray, RecordBatch,
    RecordBatchOptions, StringArray, StructArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use datafusion::common::ScalarValue;

use crate::error::Result;

type Values<R> = Box<dyn Fn(&[R]) -> Result<ArrayRef> + Send + Sync>;

/// One column, made of rows of type `R`.
pub(super) struct Column<R> {
    pub field: FieldRef,
    values: Values<R>,
}

/// The columns of a table, or the fields of a struct.
pub(super) struct Columns<R>(pub Vec<Column<R>>);

impl<R> std::fmt::Debug for Columns<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|column| column.field.name())).finish()
    }
}

impl<R: 'static> Columns<R> {
    pub fn fields(&self) -> Fields {
        self.0.iter().map(|column| Arc::clone(&column.field)).collect()
    }

    pub fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.fields()))
    }

    /// Some of the columns of these rows, whose schema is `schema`.
    pub fn batch(&self, rows: &[R], columns: &[usize], schema: &SchemaRef) -> Result<RecordBatch> {
        let wanted = columns.iter().filter_map(|index| self.0.get(*index));
        let arrays = wanted.map(|column| (column.values)(rows)).collect::<Result<Vec<_>>>()?;
        // COUNT(*) asks for no column.
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)?)
    }

    /// The columns as the fields of one that is never NULL.
    pub fn nested(self, name: &str) -> Column<R> {
        let fields = self.fields();
        let of = fields.clone();
        column(name, DataType::Struct(fields), move |rows: &[R]| {
            let arrays = self.0.iter().map(|column| (column.values)(rows)).collect::<Result<Vec<_>>>()?;
            Ok(Arc::new(StructArray::try_new_with_length(of.clone(), arrays, None, rows.len())?))
        })
    }
}

impl<R: 'static> Column<R> {
    /// The same column, of which no value is NULL.
    pub fn required(self) -> Self {
        Self { field: Arc::new(self.field.as_ref().clone().with_nullable(false)), ..self }
    }
}

fn column<R>(
    name: &str,
    data_type: DataType,
    values: impl Fn(&[R]) -> Result<ArrayRef> + Send + Sync + 'static,
) -> Column<R> {
    Column { field: Arc::new(Field::new(name, data_type, true)), values: Box::new(values) }
}

pub(super) fn long<R: 'static>(name: &str, get: impl Fn(&R) -> Option<i64> + Send + Sync + 'static) -> Column<R> {
    column(name, DataType::Int64, move |rows: &[R]| Ok(Arc::new(rows.iter().map(&get).collect::<Int64Array>())))
}

/// A count; one beyond the range of the type, which no file has, is not known.
pub(super) fn count<R: 'static>(name: &str, get: impl Fn(&R) -> Option<u64> + Send + Sync + 'static) -> Column<R> {
    long(name, move |row| get(row).and_then(|count| i64::try_from(count).ok()))
}

pub(super) fn int<R: 'static>(name: &str, get: impl Fn(&R) -> Option<i32> + Send + Sync + 'static) -> Column<R> {
    column(name, DataType::Int32, move |rows: &[R]| Ok(Arc::new(rows.iter().map(&get).collect::<Int32Array>())))
}

pub(super) fn boolean<R: 'static>(name: &str, get: impl Fn(&R) -> Option<bool> + Send + Sync + 'static) -> Column<R> {
    column(name, DataType::Boolean, move |rows: &[R]| Ok(Arc::new(rows.iter().map(&get).collect::<BooleanArray>())))
}

pub(super) fn text<R: 'static>(name: &str, get: impl Fn(&R) -> Option<String> + Send + Sync + 'static) -> Column<R> {
    column(name, DataType::Utf8, move |rows: &[R]| Ok(Arc::new(rows.iter().map(&get).collect::<StringArray>())))
}

pub(super) fn bytes<R: 'static>(name: &str, get: impl Fn(&R) -> Option<Vec<u8>> + Send + Sync + 'static) -> Column<R> {
    column(name, DataType::LargeBinary, move |rows: &[R]| {
        Ok(Arc::new(rows.iter().map(&get).collect::<LargeBinaryArray>()))
    })
}

/// A point in time, given in milliseconds.
pub(super) fn instant<R: 'static>(name: &str, get: impl Fn(&R) -> Option<i64> + Send + Sync + 'static) -> Column<R> {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()));
    column(name, utc, move |rows: &[R]| {
        let microseconds = rows.iter().map(|row| get(row).map(|ms| ms.saturating_mul(1000)));
        Ok(Arc::new(microseconds.collect::<TimestampMicrosecondArray>().with_timezone("+00:00")))
    })
}

/// Values of a type that is known only when the table is. A value of an earlier type is cast to it.
pub(super) fn value<R: 'static>(
    name: &str,
    data_type: DataType,
    get: impl Fn(&R) -> Result<Option<ScalarValue>> + Send + Sync + 'static,
) -> Column<R> {
    let of = data_type.clone();
    column(name, data_type, move |rows: &[R]| {
        let null = ScalarValue::try_from(&of)?;
        let values = rows.iter().map(|row| match get(row)? {
            Some(value) if value.data_type() == of => Ok(value),
            Some(value) => Ok(value.cast_to(&of)?),
            None => Ok(null.clone()),
        });
        let values = values.collect::<Result<Vec<_>>>()?;
        if values.is_empty() {
            return Ok(new_null_array(&of, 0));
        }
        Ok(ScalarValue::iter_to_array(values)?)
    })
}

/// A list, whose elements are values of the column `element`.
pub(super) fn list<R: 'static, T: 'static>(
    name: &str,
    element: Column<T>,
    get: impl Fn(&R) -> Option<Vec<T>> + Send + Sync + 'static,
) -> Column<R> {
    let field = Arc::clone(&element.field);
    column(name, DataType::List(Arc::clone(&field)), move |rows: &[R]| {
        let Elements { flat, offsets, nulls } = Elements::of(rows, &get);
        Ok(Arc::new(ListArray::try_new(Arc::clone(&field), offsets, (element.values)(&flat)?, Some(nulls))?))
    })
}

/// A map, whose keys and values come out of pairs.
pub(super) fn map<R: 'static, T: 'static>(
    name: &str,
    key: Column<T>,
    value: Column<T>,
    get: impl Fn(&R) -> Option<Vec<T>> + Send + Sync + 'static,
) -> Column<R> {
    let entries = Columns(vec![key.required(), value.required()]);
    let fields = entries.fields();
    let pair = Arc::new(Field::new("key_value", DataType::Struct(fields.clone()), false));
    column(name, DataType::Map(Arc::clone(&pair), false), move |rows: &[R]| {
        let Elements { flat, offsets, nulls } = Elements::of(rows, &get);
        let arrays = entries.0.iter().map(|column| (column.values)(&flat)).collect::<Result<Vec<_>>>()?;
        let pairs = StructArray::try_new_with_length(fields.clone(), arrays, None, flat.len())?;
        Ok(Arc::new(MapArray::try_new(Arc::clone(&pair), offsets, pairs, Some(nulls), false)?))
    })
}

/// The elements of all rows, one behind the other.
struct Elements<T> {
    flat: Vec<T>,
    offsets: OffsetBuffer<i32>,
    nulls: NullBuffer,
}

impl<T> Elements<T> {
    fn of<R>(rows: &[R], get: impl Fn(&R) -> Option<Vec<T>>) -> Self {
        let (mut flat, mut lengths, mut valid) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            let elements = get(row);
            valid.push(elements.is_some());
            let elements = elements.unwrap_or_default();
            lengths.push(elements.len());
            flat.extend(elements);
        }
        Self { flat, offsets: OffsetBuffer::from_lengths(lengths), nulls: NullBuffer::from(valid) }
    }
}
