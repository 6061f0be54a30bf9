//! Iceberg's partition transforms on Arrow columns: [`apply`] for the sink, [`transforms`] for SQL.
//!
//! Both take any column that has an Iceberg type, in whatever Arrow encoding, and give the type that the partition field
//! has. Bucket and truncate are iceberg-rust's wherever it handles the type as the specification says.

pub(crate) mod calendar;
mod temporal;
mod udf;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, LargeBinaryArray, new_null_array};
use arrow::compute::{CastOptions, cast_with_options, take};
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType, TimestampNanosecondType};
use iceberg::spec::Transform;
use iceberg::transform::create_transform_function;

use crate::error::{Error, ErrorKind, Result};
pub use udf::transforms;

/// Iceberg's name for UTC in the Arrow schemas it makes.
const UTC: &str = "+00:00";

/// The partition values of the source column `array`; its nulls stay null.
pub(crate) fn apply(transform: &Transform, array: &ArrayRef) -> Result<ArrayRef> {
    let result = result_type(transform, array.data_type())?;
    match array.data_type() {
        DataType::Null => Ok(new_null_array(&result, array.len())),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let values = apply(transform, dictionary.values())?;
            take(&values, dictionary.keys(), None).map_err(failed)
        }
        DataType::RunEndEncoded(_, value) => apply(transform, &converted(array, value.data_type())?),
        _ => apply_plain(transform, array, &result),
    }
}

/// The Arrow type of the partition values of a column of type `source`, or why it has none.
pub(crate) fn result_type(transform: &Transform, source: &DataType) -> Result<DataType> {
    let Some(plain) = iceberg_type(source) else {
        return Err(unsupported(transform, source));
    };
    let is_timestamp = matches!(plain, DataType::Timestamp(..));
    let is_null = plain == DataType::Null;
    match transform {
        Transform::Identity | Transform::Void => Ok(plain),
        Transform::Year | Transform::Month if is_timestamp || is_null || plain == DataType::Date32 => {
            Ok(DataType::Int32)
        }
        Transform::Day if is_timestamp || is_null || plain == DataType::Date32 => Ok(DataType::Date32),
        Transform::Hour if is_timestamp || is_null => Ok(DataType::Int32),
        Transform::Bucket(width) => {
            check_width(transform, *width)?;
            match plain {
                DataType::Boolean | DataType::Float32 | DataType::Float64 => Err(unsupported(transform, source)),
                _ => Ok(DataType::Int32),
            }
        }
        Transform::Truncate(width) => {
            check_width(transform, *width)?;
            match plain {
                DataType::Int32 | DataType::Int64 | DataType::Utf8 | DataType::LargeBinary => Ok(plain),
                DataType::Decimal128(..) | DataType::Null => Ok(plain),
                _ => Err(unsupported(transform, source)),
            }
        }
        _ => Err(unsupported(transform, source)),
    }
}

/// The Arrow type that iceberg-rust uses for values of `data_type`, if Iceberg has such a type and it is primitive.
fn iceberg_type(data_type: &DataType) -> Option<DataType> {
    use DataType::*;
    Some(match data_type {
        Null | Boolean | Int32 | Int64 | Float32 | Float64 | Date32 | Utf8 | LargeBinary => data_type.clone(),
        FixedSizeBinary(_) | Decimal128(..) => data_type.clone(),
        Int8 | Int16 | UInt8 | UInt16 => Int32,
        UInt32 | UInt64 => Int64,
        Float16 => Float32,
        Date64 => Date32,
        Time32(_) | Time64(_) => Time64(TimeUnit::Microsecond),
        Timestamp(unit, zone) => {
            let unit = if *unit == TimeUnit::Nanosecond { *unit } else { TimeUnit::Microsecond };
            Timestamp(unit, zone.as_ref().map(|_| Arc::from(UTC)))
        }
        Utf8View | LargeUtf8 => Utf8,
        Binary | BinaryView => LargeBinary,
        Decimal32(precision, scale) | Decimal64(precision, scale) => Decimal128(*precision, *scale),
        Decimal256(precision, scale) => Decimal128((*precision).min(38), *scale),
        Dictionary(_, value) => return iceberg_type(value),
        RunEndEncoded(_, value) => return iceberg_type(value.data_type()),
        _ => return None,
    })
}

fn apply_plain(transform: &Transform, array: &ArrayRef, result: &DataType) -> Result<ArrayRef> {
    match transform {
        Transform::Void => Ok(new_null_array(result, array.len())),
        Transform::Year | Transform::Month | Transform::Day | Transform::Hour => temporal::apply(transform, array),
        Transform::Identity => plain(array),
        Transform::Bucket(_) => bucket(transform, &plain(array)?),
        Transform::Truncate(width) => truncate(transform, i64::from(*width), &plain(array)?),
        Transform::Unknown => Err(unsupported(transform, array.data_type())),
    }
}

/// The column in the Arrow type that iceberg-rust uses for its values.
fn plain(array: &ArrayRef) -> Result<ArrayRef> {
    match iceberg_type(array.data_type()) {
        // Arrow's cast rounds towards 1970 and wraps what does not fit.
        Some(DataType::Date32) => temporal::apply(&Transform::Day, array),
        Some(wanted) => converted(array, &wanted),
        None => Err(unsupported(&Transform::Identity, array.data_type())),
    }
}

fn converted(array: &ArrayRef, wanted: &DataType) -> Result<ArrayRef> {
    if array.data_type() == wanted {
        return Ok(Arc::clone(array));
    }
    // `safe` would turn what does not fit into NULL.
    cast_with_options(array, wanted, &CastOptions { safe: false, ..CastOptions::default() }).map_err(failed)
}

fn bucket(transform: &Transform, array: &ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        // Hashed as microseconds. iceberg-rust rounds them towards 1970, the specification and Java round down.
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            let nanos = array.as_primitive::<TimestampNanosecondType>();
            let micros = nanos.unary::<_, TimestampMicrosecondType>(|value| value.div_euclid(1_000));
            by_iceberg(transform, Arc::new(micros))
        }
        _ => by_iceberg(transform, Arc::clone(array)),
    }
}

fn truncate(transform: &Transform, width: i64, array: &ArrayRef) -> Result<ArrayRef> {
    // Below the smallest multiple of the width the result wraps, as Java's does: partition values must agree.
    match array.data_type() {
        DataType::Int32 => {
            // The width fits an int, so does every remainder.
            let truncated = |value: i32| value.wrapping_sub(i64::from(value).rem_euclid(width) as i32);
            let numbers: Int32Array = array.as_primitive::<Int32Type>().unary(truncated);
            Ok(Arc::new(numbers))
        }
        DataType::Int64 => {
            let truncated = |value: i64| value.wrapping_sub(value.rem_euclid(width));
            let numbers: Int64Array = array.as_primitive::<Int64Type>().unary(truncated);
            Ok(Arc::new(numbers))
        }
        DataType::LargeBinary => {
            let width = usize::try_from(width).unwrap_or(usize::MAX);
            let values = array.as_binary::<i64>().iter();
            let prefixes: LargeBinaryArray = values.map(|bytes| bytes.map(|bytes| prefix(bytes, width))).collect();
            Ok(Arc::new(prefixes))
        }
        _ => by_iceberg(transform, Arc::clone(array)),
    }
}

fn prefix(bytes: &[u8], width: usize) -> &[u8] {
    bytes.get(..width).unwrap_or(bytes)
}

fn by_iceberg(transform: &Transform, array: ArrayRef) -> Result<ArrayRef> {
    create_transform_function(transform).and_then(|function| function.transform(array)).map_err(failed)
}

fn check_width(transform: &Transform, width: u32) -> Result<()> {
    if (1..=i32::MAX as u32).contains(&width) {
        return Ok(());
    }
    let message = format!("the width of {transform} must be between 1 and {}", i32::MAX);
    Err(Error::new(ErrorKind::Unsupported, message))
}

fn unsupported(transform: &Transform, data_type: &DataType) -> Error {
    let message = format!("the transform {transform} does not take values of type {data_type}");
    Error::new(ErrorKind::Unsupported, message)
}

fn failed(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Execution, "a partition value could not be computed").source(cause)
}

#[cfg(test)]
mod tests;
