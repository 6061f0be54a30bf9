//! What may be stored where without a CAST: Iceberg's promotions, and casts that lose nothing.

use arrow::compute::CastOptions;
use arrow::datatypes::{DataType, Fields, TimeUnit};
use datafusion::common::ScalarValue;

/// Whether the types differ at most in what Parquet does not store: metadata, nullability, names of list and map parts.
pub(super) fn same_shape(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (DataType::List(from), DataType::List(to)) => same_shape(from.data_type(), to.data_type()),
        (DataType::Struct(from), DataType::Struct(to)) => same_fields(from, to),
        (DataType::Map(from, _), DataType::Map(to, _)) => match (from.data_type(), to.data_type()) {
            (DataType::Struct(from), DataType::Struct(to)) => {
                from.len() == to.len()
                    && from.iter().zip(to).all(|(from, to)| same_shape(from.data_type(), to.data_type()))
            }
            _ => false,
        },
        // Iceberg stores the instant in UTC, whatever the zone is called.
        (DataType::Timestamp(from, Some(zone)), DataType::Timestamp(to, Some(_))) => {
            from == to && ["UTC", "+00:00"].contains(&zone.as_ref())
        }
        (from, to) => from == to,
    }
}

fn same_fields(from: &Fields, to: &Fields) -> bool {
    let same = |(from, to): (&arrow::datatypes::FieldRef, &arrow::datatypes::FieldRef)| {
        from.name() == to.name() && same_shape(from.data_type(), to.data_type())
    };
    from.len() == to.len() && from.iter().zip(to).all(same)
}

/// Whether every value of `from` is a value of `to`.
pub(crate) fn assignable(from: &DataType, to: &DataType) -> bool {
    use DataType::*;
    if same_shape(from, to) {
        return true;
    }
    match (from, to) {
        (Null, _) => true,
        (Dictionary(_, from), to) => assignable(from, to),
        (RunEndEncoded(_, from), to) => assignable(from.data_type(), to),
        (Int8 | Int16 | UInt8 | UInt16, Int32) => true,
        (Int8 | Int16 | Int32 | UInt8 | UInt16 | UInt32, Int64) => true,
        (Int8 | Int16 | UInt8 | UInt16, Float32) => true,
        (Int8 | Int16 | Int32 | UInt8 | UInt16 | UInt32 | Float16 | Float32, Float64) => true,
        (Float16, Float32) => true,
        (Decimal32(from, scale) | Decimal64(from, scale) | Decimal128(from, scale), Decimal128(to, target)) => {
            target >= scale && i16::from(*to) - i16::from(*target) >= i16::from(*from) - i16::from(*scale)
        }
        (integer, Decimal128(to, target)) => {
            digits(integer).is_some_and(|digits| i16::from(*to) - i16::from(*target) >= digits)
        }
        (LargeUtf8 | Utf8View | Utf8, Utf8) => true,
        (Binary | LargeBinary | BinaryView | FixedSizeBinary(_), LargeBinary) => true,
        (Date32, Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, None)) => true,
        (Timestamp(from, from_zone), Timestamp(to, to_zone)) => {
            from_zone.is_some() == to_zone.is_some() && fineness(from) <= fineness(to)
        }
        (Time32(_) | Time64(TimeUnit::Microsecond), Time64(TimeUnit::Microsecond)) => true,
        (List(from) | LargeList(from) | FixedSizeList(from, _), List(to)) => {
            assignable(from.data_type(), to.data_type())
        }
        (Struct(from), Struct(to)) => {
            from.len() == to.len()
                && from
                    .iter()
                    .zip(to)
                    .all(|(from, to)| from.name() == to.name() && assignable(from.data_type(), to.data_type()))
        }
        _ => false,
    }
}

/// The decimal digits that hold every value of an integer type.
fn digits(integer: &DataType) -> Option<i16> {
    Some(match integer {
        DataType::Int8 | DataType::UInt8 => 3,
        DataType::Int16 | DataType::UInt16 => 5,
        DataType::Int32 | DataType::UInt32 => 10,
        DataType::Int64 => 19,
        DataType::UInt64 => 20,
        _ => return None,
    })
}

fn fineness(unit: &TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 1,
        TimeUnit::Microsecond => 2,
        TimeUnit::Nanosecond => 3,
    }
}

/// Whether a value that the user spelled out is one of `to`: 7 is an INT and '2024-01-31' a DATE, 3000000000 is no INT.
pub(super) fn constant_fits(value: &ScalarValue, to: &DataType) -> bool {
    if value.is_null() {
        return true;
    }
    let options = CastOptions { safe: false, ..Default::default() };
    let Ok(stored) = value.cast_to_with_options(to, &options) else { return false };
    if stored.is_null() {
        return false;
    }
    match (value.data_type(), to) {
        (DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View, to) => to.is_temporal(),
        // Every literal with a point is a double; rounding it to the column is what was meant.
        (DataType::Float64, DataType::Float32) => true,
        (from, _) => stored.cast_to_with_options(&from, &options).is_ok_and(|back| back == *value),
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType::{
        self, Date32, Decimal128, Float32, Float64, Int32, Int64, Timestamp, UInt64, Utf8,
    };
    use arrow::datatypes::TimeUnit::{Microsecond, Nanosecond, Second};
    use datafusion::common::ScalarValue;

    use super::{assignable, constant_fits};

    #[test]
    fn only_what_loses_nothing() {
        let zone = || Some("+00:00".into());
        let yes: [(DataType, DataType); 7] = [
            (Int32, Int64),
            (Float32, Float64),
            (Int32, Decimal128(12, 2)),
            (Decimal128(9, 2), Decimal128(11, 4)),
            (Date32, Timestamp(Microsecond, None)),
            (Timestamp(Second, None), Timestamp(Microsecond, None)),
            (Timestamp(Microsecond, Some("UTC".into())), Timestamp(Microsecond, zone())),
        ];
        let no: [(DataType, DataType); 9] = [
            (Int64, Int32),
            (Int64, Float64),
            (Float64, Float32),
            (UInt64, Int64),
            (Int32, Decimal128(9, 0)),
            (Decimal128(9, 2), Decimal128(9, 3)),
            (Timestamp(Nanosecond, None), Timestamp(Microsecond, None)),
            (Timestamp(Microsecond, None), Timestamp(Microsecond, zone())),
            (Int64, Utf8),
        ];
        for (from, to) in yes {
            assert!(assignable(&from, &to), "{from} to {to}");
        }
        for (from, to) in no {
            assert!(!assignable(&from, &to), "{from} to {to}");
        }
    }

    #[test]
    fn constants_fit_by_value() {
        assert!(constant_fits(&ScalarValue::from(7_i64), &Int32));
        assert!(!constant_fits(&ScalarValue::from(3_000_000_000_i64), &Int32));
        assert!(constant_fits(&ScalarValue::from(12.25), &Decimal128(9, 2)));
        assert!(!constant_fits(&ScalarValue::from(12.345), &Decimal128(9, 2)));
        assert!(constant_fits(&ScalarValue::from("2024-01-31"), &Date32));
        assert!(!constant_fits(&ScalarValue::from("2024-31-01"), &Date32));
        assert!(!constant_fits(&ScalarValue::from("7"), &Int32));
    }
}
