//! The canonical text of values.

use std::fmt::Write;

use arrow::array::{Array, ArrayAccessor, ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType, TimestampNanosecondType,
};
use iceberg::spec::{NestedFieldRef, PrimitiveType, Type};

use crate::error::{Error, ErrorKind, Result};

/// Every NaN is this one.
const NAN_BITS: i64 = 0x7FF8_0000_0000_0000;

/// Appends the text of the value in a row.
pub(super) type Writer<'a> = Box<dyn Fn(usize, &mut String) + 'a>;

/// One for each column.
pub(super) fn writers<'a>(columns: &'a [NestedFieldRef], arrays: &'a [ArrayRef]) -> Result<Vec<Writer<'a>>> {
    if arrays.len() != columns.len() {
        let message = format!("{} columns came, {} were announced", arrays.len(), columns.len());
        return Err(Error::new(ErrorKind::Internal, message));
    }
    columns.iter().zip(arrays).map(|(column, array)| writer(column, array)).collect()
}

/// Appends the texts of a row's values with commas between them.
pub(super) fn join(writers: &[Writer<'_>], row: usize, text: &mut String) {
    for (index, write) in writers.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        write(row, text);
    }
}

fn writer<'a>(column: &'a NestedFieldRef, array: &'a ArrayRef) -> Result<Writer<'a>> {
    let announced = || {
        let message =
            format!("the column `{}` came as {}, not as {}", column.name, array.data_type(), column.field_type);
        Error::new(ErrorKind::Internal, message)
    };
    let write: Writer<'a> = match (column.field_type.as_ref(), array.data_type()) {
        (Type::Primitive(primitive), _) => of_primitive(primitive, array).ok_or_else(announced)?,
        (Type::Struct(of), DataType::Struct(_)) => {
            let children = writers(of.fields(), array.as_struct().columns())?;
            Box::new(move |row, text| {
                text.push('{');
                join(&children, row, text);
                text.push('}');
            })
        }
        (Type::List(of), DataType::List(_)) => of_list(&of.element_field, array)?,
        (Type::Map(of), DataType::Map(..)) => of_map(&of.key_field, &of.value_field, array)?,
        _ => return Err(announced()),
    };
    let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) else { return Ok(write) };
    Ok(Box::new(move |row, text| if nulls.is_null(row) { text.push('N') } else { write(row, text) }))
}

fn of_list<'a>(element: &'a NestedFieldRef, array: &'a ArrayRef) -> Result<Writer<'a>> {
    let list = array.as_list::<i32>();
    let write = writer(element, list.values())?;
    Ok(Box::new(move |row, text| {
        let (start, end) = (list.offsets()[row] as usize, list.offsets()[row + 1] as usize);
        number(text, end - start, "[", ";");
        for index in start..end {
            if index > start {
                text.push(',');
            }
            write(index, text);
        }
        text.push(']');
    }))
}

fn of_map<'a>(key: &'a NestedFieldRef, value: &'a NestedFieldRef, array: &'a ArrayRef) -> Result<Writer<'a>> {
    let map = array.as_map();
    let (keys, values) = (writer(key, map.keys())?, writer(value, map.values())?);
    Ok(Box::new(move |row, text| {
        let (start, end) = (map.offsets()[row] as usize, map.offsets()[row + 1] as usize);
        let text_of = |write: &Writer<'_>, index: usize| {
            let mut text = String::new();
            write(index, &mut text);
            text
        };
        let mut entries: Vec<_> = (start..end).map(|index| (text_of(&keys, index), text_of(&values, index))).collect();
        entries.sort_unstable();
        number(text, entries.len(), "<", ";");
        for (index, (key, value)) in entries.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            // Writing to a string does not fail.
            let _ = write!(text, "{comma}{key}={value}");
        }
        text.push('>');
    }))
}

/// `None` if the array is not what `iceberg` maps the type to, or one that is promoted to it.
fn of_primitive<'a>(primitive: &PrimitiveType, array: &'a ArrayRef) -> Option<Writer<'a>> {
    use DataType::{
        Date32, Decimal128, FixedSizeBinary, Float32, Float64, Int8, Int16, Int32, Int64, Time64, Timestamp,
    };
    use TimeUnit::{Microsecond, Nanosecond};
    Some(match (primitive, array.data_type()) {
        (PrimitiveType::Boolean, DataType::Boolean) => {
            let values = array.as_boolean();
            Box::new(move |row, text| text.push_str(if values.value(row) { "true" } else { "false" }))
        }
        (PrimitiveType::Int | PrimitiveType::Long, Int8) => integers::<Int8Type>(array),
        (PrimitiveType::Int | PrimitiveType::Long, Int16) => integers::<Int16Type>(array),
        (PrimitiveType::Int | PrimitiveType::Long, Int32) => integers::<Int32Type>(array),
        (PrimitiveType::Int | PrimitiveType::Long, Int64) => integers::<Int64Type>(array),
        (PrimitiveType::Float | PrimitiveType::Double, Float32) => floats::<Float32Type>(array),
        (PrimitiveType::Float | PrimitiveType::Double, Float64) => floats::<Float64Type>(array),
        (PrimitiveType::Decimal { scale, .. }, Decimal128(_, given)) if i64::from(*scale) == i64::from(*given) => {
            decimals(array.as_primitive(), *scale as usize)
        }
        (PrimitiveType::Date, Date32) => integers::<Date32Type>(array),
        (PrimitiveType::Time, Time64(Microsecond)) => integers::<Time64MicrosecondType>(array),
        (PrimitiveType::Timestamp | PrimitiveType::Timestamptz, Timestamp(Microsecond, _)) => {
            integers::<TimestampMicrosecondType>(array)
        }
        (PrimitiveType::TimestampNs | PrimitiveType::TimestamptzNs, Timestamp(Nanosecond, _)) => {
            integers::<TimestampNanosecondType>(array)
        }
        (PrimitiveType::String, DataType::Utf8) => strings(array.as_string::<i32>()),
        (PrimitiveType::String, DataType::LargeUtf8) => strings(array.as_string::<i64>()),
        (PrimitiveType::String, DataType::Utf8View) => strings(array.as_string_view()),
        (PrimitiveType::Uuid, FixedSizeBinary(16)) => {
            let values = array.as_fixed_size_binary();
            Box::new(move |row, text| {
                let uuid = uuid::Uuid::from_slice(values.value(row)).unwrap_or_default();
                let _ = write!(text, "{}", uuid.hyphenated());
            })
        }
        (PrimitiveType::Binary | PrimitiveType::Fixed(_), data_type) => match data_type {
            DataType::Binary => bytes(array.as_binary::<i32>()),
            DataType::LargeBinary => bytes(array.as_binary::<i64>()),
            DataType::BinaryView => bytes(array.as_binary_view()),
            FixedSizeBinary(_) => bytes(array.as_fixed_size_binary()),
            _ => return None,
        },
        _ => return None,
    })
}

fn integers<T: ArrowPrimitiveType>(array: &ArrayRef) -> Writer<'_>
where
    T::Native: Into<i64>,
{
    let values = array.as_primitive::<T>();
    Box::new(move |row, text| number(text, Into::<i64>::into(values.value(row)), "", ""))
}

fn floats<T: ArrowPrimitiveType>(array: &ArrayRef) -> Writer<'_>
where
    T::Native: Into<f64>,
{
    let values = array.as_primitive::<T>();
    Box::new(move |row, text| {
        let value: f64 = values.value(row).into();
        number(text, if value.is_nan() { NAN_BITS } else { value.to_bits() as i64 }, "", "");
    })
}

/// All fraction digits and at least one before them. Arrow's own text cuts what does not fit the precision.
fn decimals(values: &PrimitiveArray<Decimal128Type>, scale: usize) -> Writer<'_> {
    Box::new(move |row, text| {
        let value = values.value(row);
        let sign = if value < 0 { "-" } else { "" };
        let digits = format!("{:0>1$}", value.unsigned_abs(), scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let point = if scale > 0 { "." } else { "" };
        let _ = write!(text, "{sign}{whole}{point}{fraction}");
    })
}

fn strings<'a, A: ArrayAccessor<Item = &'a str> + 'a>(values: A) -> Writer<'a> {
    Box::new(move |row, text| {
        let value = values.value(row);
        number(text, value.chars().count(), "", ":");
        text.push_str(value);
    })
}

fn bytes<'a, A: ArrayAccessor<Item = &'a [u8]> + 'a>(values: A) -> Writer<'a> {
    Box::new(move |row, text| {
        for byte in values.value(row) {
            let _ = write!(text, "{byte:02x}");
        }
    })
}

fn number(text: &mut String, number: impl std::fmt::Display, before: &str, after: &str) {
    let _ = write!(text, "{before}{number}{after}");
}
