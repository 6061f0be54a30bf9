//! Year, month, day and hour: how many of them since 1970, rounded down before it too.
//!
//! Not iceberg-rust's: 0.10.1 puts some timestamps before 1970 into the next day, has no hours of nanoseconds, makes
//! NULL of years that chrono does not know and wraps hours that do not fit.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Date32Array, Int32Array};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use iceberg::spec::Transform;

use super::calendar::{Instants, month_of_day};
use super::unsupported;
use crate::error::{Error, ErrorKind, Result};

/// Applies one of the four to a date or timestamp column. Days come as dates, as in the partition type.
pub(super) fn apply(transform: &Transform, array: &ArrayRef) -> Result<ArrayRef> {
    let Some(instants) = Instants::of(array) else {
        return Err(unsupported(transform, array.data_type()));
    };
    let nulls = array.nulls();
    let numbers = match (transform, instants) {
        (Transform::Year, instants) => of_days(instants, nulls, |day| month_of_day(day).div_euclid(12)),
        (Transform::Month, instants) => of_days(instants, nulls, month_of_day),
        (Transform::Day, instants) => of_days(instants, nulls, |day| day),
        (Transform::Hour, Instants::Ticks { values, per_day }) => {
            let per_hour = per_day / 24;
            narrowed(values, nulls, |value| value.div_euclid(per_hour))
        }
        _ => return Err(unsupported(transform, array.data_type())),
    };
    let numbers = numbers.map_err(|value| {
        let message = format!("the {transform} of value {value} in a {} column does not fit an int", array.data_type());
        Error::new(ErrorKind::Execution, message)
    })?;
    let numbers = ScalarBuffer::from(numbers);
    Ok(match transform {
        Transform::Day => Arc::new(Date32Array::new(numbers, nulls.cloned())),
        _ => Arc::new(Int32Array::new(numbers, nulls.cloned())),
    })
}

fn of_days(instants: Instants<'_>, nulls: Option<&NullBuffer>, f: impl Fn(i64) -> i64) -> Result<Vec<i32>, i64> {
    match instants {
        Instants::Days(days) => narrowed(days, nulls, f),
        Instants::Ticks { values, per_day } => narrowed(values, nulls, |value| f(value.div_euclid(per_day))),
    }
}

/// Applies `f`; the error is the first value that is not null and whose result does not fit.
fn narrowed<T: Copy + Into<i64>>(
    values: &[T],
    nulls: Option<&NullBuffer>,
    f: impl Fn(i64) -> i64,
) -> Result<Vec<i32>, i64> {
    let mut fits = true;
    let numbers = values.iter().map(|&value| {
        let wide = f(value.into());
        fits &= i32::try_from(wide).is_ok();
        wide as i32
    });
    let numbers: Vec<i32> = numbers.collect();
    if fits {
        return Ok(numbers);
    }
    // A null slot may hold anything: only now is it worth asking which slots are null.
    let is_bad = |&(row, &value): &(usize, &T)| {
        nulls.is_none_or(|nulls| nulls.is_valid(row)) && i32::try_from(f(value.into())).is_err()
    };
    match values.iter().enumerate().find(is_bad) {
        Some((_, &value)) => Err(value.into()),
        None => Ok(numbers),
    }
}
