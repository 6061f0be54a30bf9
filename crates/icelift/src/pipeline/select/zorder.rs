//! `zorder(a, b, …)`: a value by which rows that are near each other in all columns come near each other.
//!
//! Each column becomes 64 bits that sort as its values do; their bits are interleaved, as in Java's `ZOrderByteUtils`. It is
//! for sorting only: values that differ may become the same bits.

use std::any::Any;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, TimeUnit};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

const SIGN: u64 = 1 << 63;

/// The function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Zorder {
    signature: Signature,
}

impl Default for Zorder {
    fn default() -> Self {
        Self { signature: Signature::variadic_any(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Zorder {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &str {
        "zorder"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        if arguments.is_empty() {
            return plan_err!("zorder takes one column or more");
        }
        match arguments.iter().find(|argument| !is_known(argument)) {
            Some(unknown) => plan_err!("zorder takes no column of type {unknown}"),
            None => Ok(DataType::Binary),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = arguments.args.iter().map(|argument| bits(&argument.to_array(arguments.number_rows)?));
        let interleaved = interleave(&columns.collect::<Result<Vec<_>>>()?, arguments.number_rows);
        Ok(ColumnarValue::Array(Arc::new(interleaved)))
    }
}

fn is_known(data_type: &DataType) -> bool {
    use DataType::{
        Binary, BinaryView, Boolean, Date32, Decimal128, FixedSizeBinary, LargeBinary, LargeUtf8, Time64, Timestamp,
        Utf8, Utf8View,
    };
    matches!(
        data_type,
        Boolean | Date32 | Time64(TimeUnit::Microsecond) | Timestamp(..) | Decimal128(..) | Utf8 | LargeUtf8 | Utf8View
    ) || matches!(data_type, Binary | LargeBinary | BinaryView | FixedSizeBinary(_))
        || data_type.is_integer()
        || data_type.is_floating()
}

/// 64 bits for each value, which sort as the values do; 0 for NULL.
fn bits(column: &ArrayRef) -> Result<Vec<u64>> {
    let of_number = |number: i64| number as u64 ^ SIGN;
    Ok(match column.data_type() {
        DataType::Boolean => column.as_boolean().iter().map(|value| u64::from(value == Some(true)) << 63).collect(),
        DataType::Decimal128(..) => {
            let high =
                |number: i128| of_number(i64::try_from(number).unwrap_or(if number < 0 { i64::MIN } else { i64::MAX }));
            column.as_primitive::<Decimal128Type>().iter().map(|value| value.map_or(0, high)).collect()
        }
        DataType::Date32 => numbers(&cast(column, &DataType::Int32)?, of_number)?,
        floating if floating.is_floating() => {
            let order = |number: f64| {
                let bits = number.to_bits();
                if bits & SIGN == 0 { bits | SIGN } else { !bits }
            };
            let values = cast(column, &DataType::Float64)?;
            values.as_primitive::<Float64Type>().iter().map(|value| value.map_or(0, order)).collect()
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => texts(
            &cast(column, &DataType::Utf8)?
                .as_string::<i32>()
                .iter()
                .map(|value| value.map(str::as_bytes))
                .collect::<Vec<_>>(),
        ),
        DataType::FixedSizeBinary(_) => texts(&column.as_fixed_size_binary().iter().collect::<Vec<_>>()),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            texts(&cast(column, &DataType::LargeBinary)?.as_binary::<i64>().iter().collect::<Vec<_>>())
        }
        known if is_known(known) => numbers(column, of_number)?,
        other => return exec_err!("zorder takes no column of type {other}"),
    })
}

fn numbers(column: &ArrayRef, order: impl Fn(i64) -> u64) -> Result<Vec<u64>> {
    let values = cast(column, &DataType::Int64)?;
    Ok(values.as_primitive::<Int64Type>().iter().map(|value| value.map_or(0, &order)).collect())
}

/// The first eight bytes of each value.
fn texts(values: &[Option<&[u8]>]) -> Vec<u64> {
    let first = |value: &[u8]| {
        let mut first = [0; 8];
        let length = value.len().min(first.len());
        first[..length].copy_from_slice(&value[..length]);
        u64::from_be_bytes(first)
    };
    values.iter().map(|value| value.map_or(0, first)).collect()
}

/// The first bits of all columns, then their second bits, and so on.
fn interleave(columns: &[Vec<u64>], rows: usize) -> BinaryArray {
    let mut all = BinaryBuilder::with_capacity(rows, rows * columns.len() * 8);
    let mut bytes = vec![0_u8; columns.len() * 8];
    for row in 0..rows {
        bytes.fill(0);
        let mut at = 0;
        for bit in (0..64).rev() {
            for column in columns {
                let set = (column[row] >> bit) as u8 & 1;
                bytes[at / 8] |= set << (7 - at % 8);
                at += 1;
            }
        }
        all.append_value(&bytes);
    }
    all.finish()
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float32Array, Int32Array, StringArray};

    use super::*;

    #[test]
    fn bits_sort_as_their_values_do() {
        let columns: [ArrayRef; 3] = [
            Arc::new(Int32Array::from(vec![None, Some(i32::MIN), Some(-1), Some(0), Some(7)])),
            Arc::new(Float32Array::from(vec![None, Some(f32::NEG_INFINITY), Some(-0.5), Some(0.0), Some(f32::NAN)])),
            Arc::new(StringArray::from(vec![None, Some("a"), Some("aa"), Some("b"), Some("é")])),
        ];
        for column in columns {
            let bits = bits(&column).unwrap();
            assert!(bits.is_sorted_by(|a, b| a < b), "{bits:x?}");
        }
    }

    #[test]
    fn the_first_bits_come_first() {
        let found = interleave(&[vec![0b1010 << 60, 1], vec![0b0111 << 60, 0]], 2);
        assert_eq!(found.value(0)[..2], [0b1001_1101, 0]);
        assert_eq!(found.value(1)[15], 0b10);
    }
}
