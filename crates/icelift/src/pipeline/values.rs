//! Single values between Iceberg, DataFusion and Arrow.

use arrow::array::{Array, ArrayRef};

use datafusion::common::ScalarValue;
use iceberg::spec::{DataFile, Literal, PrimitiveLiteral, PrimitiveType, Struct, Type};

use crate::error::{Error, ErrorKind, Result};

/// The scalar of the Arrow type that `iceberg` maps `primitive` to; `None` for literals out of its range.
pub(crate) fn scalar(literal: &PrimitiveLiteral, primitive: &PrimitiveType) -> Option<ScalarValue> {
    let utc = || Some("+00:00".into());
    Some(match (literal, primitive) {
        (PrimitiveLiteral::Boolean(value), PrimitiveType::Boolean) => ScalarValue::Boolean(Some(*value)),
        (PrimitiveLiteral::Int(value), PrimitiveType::Int) => ScalarValue::Int32(Some(*value)),
        (PrimitiveLiteral::Int(value), PrimitiveType::Date) => ScalarValue::Date32(Some(*value)),
        (PrimitiveLiteral::Int(value), PrimitiveType::Long) => ScalarValue::Int64(Some(i64::from(*value))),
        (PrimitiveLiteral::Long(value), PrimitiveType::Long) => ScalarValue::Int64(Some(*value)),
        (PrimitiveLiteral::Long(value), PrimitiveType::Time) => ScalarValue::Time64Microsecond(Some(*value)),
        (PrimitiveLiteral::Long(value), PrimitiveType::Timestamp) => {
            ScalarValue::TimestampMicrosecond(Some(*value), None)
        }
        (PrimitiveLiteral::Long(value), PrimitiveType::Timestamptz) => {
            ScalarValue::TimestampMicrosecond(Some(*value), utc())
        }
        (PrimitiveLiteral::Long(value), PrimitiveType::TimestampNs) => {
            ScalarValue::TimestampNanosecond(Some(*value), None)
        }
        (PrimitiveLiteral::Long(value), PrimitiveType::TimestamptzNs) => {
            ScalarValue::TimestampNanosecond(Some(*value), utc())
        }
        (PrimitiveLiteral::Float(value), PrimitiveType::Float) => ScalarValue::Float32(Some(value.0)),
        (PrimitiveLiteral::Float(value), PrimitiveType::Double) => ScalarValue::Float64(Some(f64::from(value.0))),
        (PrimitiveLiteral::Double(value), PrimitiveType::Double) => ScalarValue::Float64(Some(value.0)),
        (PrimitiveLiteral::String(value), PrimitiveType::String) => ScalarValue::Utf8(Some(value.clone())),
        (PrimitiveLiteral::Binary(value), PrimitiveType::Binary) => ScalarValue::LargeBinary(Some(value.clone())),
        (PrimitiveLiteral::Binary(value), PrimitiveType::Fixed(size)) => {
            ScalarValue::FixedSizeBinary(i32::try_from(*size).ok()?, Some(value.clone()))
        }
        (PrimitiveLiteral::Int128(value), PrimitiveType::Decimal { precision, scale }) => {
            let (precision, scale) = (u8::try_from(*precision).ok()?, i8::try_from(*scale).ok()?);
            ScalarValue::Decimal128(Some(*value), precision, scale)
        }
        (PrimitiveLiteral::UInt128(value), PrimitiveType::Uuid) => {
            ScalarValue::FixedSizeBinary(16, Some(value.to_be_bytes().to_vec()))
        }
        _ => return None,
    })
}

/// The scalar of a default value; `None` for nested ones.
pub(crate) fn default_scalar(default: &Literal, of: &Type) -> Option<ScalarValue> {
    scalar(&default.as_primitive_literal()?, of.as_primitive_type()?)
}

/// The value of an array as a literal of the Iceberg type `of`; `None` for NULL.
///
/// # Errors
/// An array that is not what `iceberg` maps the type to.
pub(crate) fn literal_at(array: &ArrayRef, row: usize, of: &Type) -> Result<Option<Literal>> {
    let value = ScalarValue::try_from_array(array, row)?;
    if value.is_null() {
        return Ok(None);
    }
    let literal = match (value, of.as_primitive_type()) {
        (ScalarValue::Boolean(Some(value)), _) => PrimitiveLiteral::Boolean(value),
        (ScalarValue::Int32(Some(value)) | ScalarValue::Date32(Some(value)), _) => PrimitiveLiteral::Int(value),
        (
            ScalarValue::Int64(Some(value))
            | ScalarValue::Time64Microsecond(Some(value))
            | ScalarValue::TimestampMicrosecond(Some(value), _)
            | ScalarValue::TimestampNanosecond(Some(value), _),
            _,
        ) => PrimitiveLiteral::Long(value),
        (ScalarValue::Float32(Some(value)), _) => PrimitiveLiteral::Float(value.into()),
        (ScalarValue::Float64(Some(value)), _) => PrimitiveLiteral::Double(value.into()),
        (ScalarValue::Utf8(Some(value)), _) => PrimitiveLiteral::String(value),
        (ScalarValue::Decimal128(Some(value), ..), _) => PrimitiveLiteral::Int128(value),
        (ScalarValue::FixedSizeBinary(_, Some(value)), Some(PrimitiveType::Uuid)) => {
            let bytes = <[u8; 16]>::try_from(value.as_slice());
            PrimitiveLiteral::UInt128(u128::from_be_bytes(bytes.map_err(|_| unexpected(array, of))?))
        }
        (ScalarValue::FixedSizeBinary(_, Some(value)) | ScalarValue::LargeBinary(Some(value)), _) => {
            PrimitiveLiteral::Binary(value)
        }
        _ => return Err(unexpected(array, of)),
    };
    Ok(Some(Literal::Primitive(literal)))
}

fn unexpected(array: &ArrayRef, of: &Type) -> Error {
    Error::new(ErrorKind::Internal, format!("an array of {} stands for the type {of}", array.data_type()))
}

/// The value as one of the wider type to which its column has been promoted since; `None` if it is of the type already.
pub(crate) fn widened(value: &PrimitiveLiteral, of: &PrimitiveType) -> Option<PrimitiveLiteral> {
    match (value, of) {
        (PrimitiveLiteral::Int(number), PrimitiveType::Long) => Some(PrimitiveLiteral::Long(i64::from(*number))),
        (PrimitiveLiteral::Float(number), PrimitiveType::Double) => {
            Some(PrimitiveLiteral::Double(f64::from(number.0).into()))
        }
        _ => None,
    }
}

/// The partition of a file, to be compared with those of files of the same spec: a field whose source has been promoted since
/// has values of two types.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd)]
pub(crate) struct PartitionValues(Vec<Option<PrimitiveLiteral>>);

impl PartitionValues {
    pub fn of(file: &DataFile) -> Self {
        Self::from(file.partition())
    }

    pub fn get(&self, field: usize) -> Option<&PrimitiveLiteral> {
        self.0.get(field)?.as_ref()
    }
}

impl From<&Struct> for PartitionValues {
    fn from(values: &Struct) -> Self {
        let wide = |value: &Option<Literal>| {
            let value = value.as_ref()?.as_primitive_literal()?;
            let wider = widened(&value, &PrimitiveType::Long).or_else(|| widened(&value, &PrimitiveType::Double));
            Some(wider.unwrap_or(value))
        };
        Self(values.fields().iter().map(wide).collect())
    }
}

/// As Java makes names fit: a character that Avro does not take becomes `_x` and its code.
pub(crate) fn avro_name(name: &str) -> String {
    let mut fitting = String::new();
    for (index, character) in name.chars().enumerate() {
        match character {
            '0'..='9' if index == 0 => fitting.extend(['_', character]),
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => fitting.push(character),
            other => fitting.push_str(&format!("_x{:X}", u32::from(other))),
        }
    }
    fitting
}

/// Whether Avro takes the name as it is. Writers rename other partition fields in their manifests, and the `iceberg` crate
/// then finds no value: such a NULL means that the value is unknown.
pub(crate) fn is_avro_name(name: &str) -> bool {
    avro_name(name) == name
}
