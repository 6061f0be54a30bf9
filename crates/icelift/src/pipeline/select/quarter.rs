//! `quarter(date)`: the label 'Q1' … 'Q4' of a date or timestamp.
//!
//! A timestamp with a zone is taken in UTC, whatever its zone: so Iceberg stores and partitions `timestamptz`, and a
//! row keeps its label when the session's zone changes. The arithmetic is on integers only, so every value that a
//! column can hold has a quarter, beyond the years that date libraries know too.

use std::any::Any;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, new_null_array};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_err, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::transforms::calendar::{Instants, first_day_of_month, month_of_day};

/// Bytes of a label.
const LABEL: usize = 2;

/// The function `quarter`, to register in a session.
pub fn quarter() -> ScalarUDF {
    ScalarUDF::from(Quarter { signature: Signature::any(1, Volatility::Immutable) })
}

fn quarter_of_month(month: i64) -> u8 {
    // 0 to 11 before the division, hence 1 to 4: the cast loses nothing.
    (month.rem_euclid(12) / 3 + 1) as u8
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Quarter {
    signature: Signature,
}

impl ScalarUDFImpl for Quarter {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &str {
        "quarter"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [argument] if is_supported(argument) => Ok(DataType::Utf8),
            [argument] => plan_err!(
                "quarter takes a date or a timestamp, not {argument}: write quarter(CAST(… AS DATE)) if it holds dates"
            ),
            _ => plan_err!("quarter takes one argument, not {}", arguments.len()),
        }
    }

    /// As nullable as the argument, so that the label of a required column can go into a required column.
    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let data_type = self.return_type(&types)?;
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), data_type, nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.as_slice() {
            [ColumnarValue::Array(dates)] => labels(dates).map(ColumnarValue::Array),
            [ColumnarValue::Scalar(date)] => {
                let label = labels(&date.to_array()?)?;
                ScalarValue::try_from_array(&label, 0).map(ColumnarValue::Scalar)
            }
            other => internal_err!("quarter was called with {} arguments", other.len()),
        }
    }
}

fn is_supported(data_type: &DataType) -> bool {
    match data_type {
        DataType::Null | DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => true,
        DataType::Dictionary(_, value) => is_supported(value),
        DataType::RunEndEncoded(_, value) => is_supported(value.data_type()),
        _ => false,
    }
}

fn labels(dates: &ArrayRef) -> Result<ArrayRef> {
    match dates.data_type() {
        DataType::Null => Ok(new_null_array(&DataType::Utf8, dates.len())),
        DataType::Dictionary(..) => {
            let dictionary = dates.as_any_dictionary();
            Ok(take(&labels(dictionary.values())?, dictionary.keys(), None)?)
        }
        DataType::RunEndEncoded(_, value) => labels(&cast(dates, value.data_type())?),
        other => match Instants::of(dates) {
            Some(Instants::Days(days)) => packed(days, 1, dates.nulls()),
            Some(Instants::Ticks { values, per_day }) => packed(values, per_day, dates.nulls()),
            None => exec_err!("quarter takes a date or a timestamp, not {other}"),
        },
    }
}

/// The labels of `values`, of which `per_day` make a day. All labels are equally long, so a null slot may keep the one
/// that its leftover value asks for, and the offsets need no counting.
fn packed<T: Copy + Into<i64>>(values: &[T], per_day: i64, nulls: Option<&NullBuffer>) -> Result<ArrayRef> {
    if values.len() > i32::MAX as usize / LABEL {
        return exec_err!("quarter cannot label {} rows in one batch", values.len());
    }
    let mut text = vec![b'Q'; values.len() * LABEL];
    let mut span = Span::EMPTY;
    for (label, value) in text.chunks_exact_mut(LABEL).zip(values) {
        let value = (*value).into();
        if !span.contains(value) {
            span = Span::around(value, per_day);
        }
        label[1] = span.digit;
    }
    let offsets = OffsetBuffer::from_repeated_length(LABEL, values.len());
    Ok(Arc::new(StringArray::try_new(offsets, Buffer::from_vec(text), nulls.cloned())?))
}

/// The values from `first` up to but not including `end`, which share a quarter. Neighbouring rows nearly always do,
/// and two comparisons are cheaper than the calendar.
struct Span {
    first: i64,
    end: i64,
    digit: u8,
}

impl Span {
    const EMPTY: Self = Self { first: 0, end: 0, digit: b'0' };

    fn around(value: i64, per_day: i64) -> Self {
        let month = month_of_day(value.div_euclid(per_day));
        let first_month = month - month.rem_euclid(3);
        Self {
            first: first_day_of_month(first_month).saturating_mul(per_day),
            end: first_day_of_month(first_month + 3).saturating_mul(per_day),
            digit: b'0' + quarter_of_month(month),
        }
    }

    fn contains(&self, value: i64) -> bool {
        self.first <= value && value < self.end
    }
}

#[cfg(test)]
mod tests;
