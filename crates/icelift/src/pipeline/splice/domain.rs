//! The values that a column may have in a row group, as far as its statistics tell.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int32Array, Int64Array, new_null_array};
use arrow::compute::concat;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;

use crate::error::Result;

const DAY_MICROS: i64 = 86_400_000_000;
const MICRO_NANOS: i64 = 1_000;

/// What is known of a column in one row group. What must hold: every value that occurs is one that is told of here.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Domain {
    pub data_type: DataType,
    /// All values lie between these, themselves included; NULL and unknown bounds apart.
    pub bounds: Option<(ScalarValue, ScalarValue)>,
    pub nulls: Nulls,
}

/// How many rows are NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nulls {
    None,
    Some,
    All,
}

/// How finely an expression looks at the values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grain {
    Value,
    /// It gives the same for all instants of a day (UTC).
    Day,
}

impl Domain {
    /// Nothing is known.
    pub fn unknown(data_type: &DataType) -> Self {
        Self { data_type: data_type.clone(), bounds: None, nulls: Nulls::Some }
    }

    /// Every row has this value.
    pub fn constant(value: &ScalarValue) -> Self {
        let nulls = if value.is_null() { Nulls::All } else { Nulls::None };
        Self { data_type: value.data_type(), bounds: Some((value.clone(), value.clone())), nulls }
    }

    /// The one value that all rows have, NULL among them.
    pub fn single(&self) -> Option<ScalarValue> {
        match (&self.bounds, self.nulls) {
            (_, Nulls::All) => ScalarValue::try_from(&self.data_type).ok(),
            (Some((lower, upper)), Nulls::None) if lower == upper => Some(lower.clone()),
            _ => None,
        }
    }

    /// Bounds of a column without NULLs.
    pub fn range(&self) -> Option<(&ScalarValue, &ScalarValue)> {
        self.bounds.as_ref().filter(|_| self.nulls == Nulls::None).map(|(lower, upper)| (lower, upper))
    }

    /// Values such that an expression of this grain gives for each value that occurs what it gives for one of them. `None`
    /// if they are unknown or more than `most`.
    pub(super) fn samples(&self, grain: Grain, most: usize) -> Result<Option<ArrayRef>> {
        let null = || new_null_array(&self.data_type, 1);
        if self.nulls == Nulls::All {
            return Ok(Some(null()));
        }
        let Some((lower, upper)) = &self.bounds else { return Ok(None) };
        let values = if lower == upper { Some(lower.to_array()?) } else { between(lower, upper, grain, most) };
        let Some(values) = values else { return Ok(None) };
        if self.nulls == Nulls::None {
            return Ok(Some(values));
        }
        Ok(Some(concat(&[values.as_ref(), null().as_ref()])?))
    }
}

fn between(lower: &ScalarValue, upper: &ScalarValue, grain: Grain, most: usize) -> Option<ArrayRef> {
    let most = i64::try_from(most).ok()?;
    let few = |lower: i64, upper: i64| upper.checked_sub(lower).is_some_and(|steps| (0..most).contains(&steps));
    match (lower, upper) {
        (ScalarValue::Int32(Some(lower)), ScalarValue::Int32(Some(upper))) => {
            few((*lower).into(), (*upper).into()).then(|| Arc::new(Int32Array::from_iter_values(*lower..=*upper)) as _)
        }
        (ScalarValue::Date32(Some(lower)), ScalarValue::Date32(Some(upper))) => {
            few((*lower).into(), (*upper).into()).then(|| Arc::new(Date32Array::from_iter_values(*lower..=*upper)) as _)
        }
        (ScalarValue::Int64(Some(lower)), ScalarValue::Int64(Some(upper))) => {
            few(*lower, *upper).then(|| Arc::new(Int64Array::from_iter_values(*lower..=*upper)) as _)
        }
        (ScalarValue::TimestampMicrosecond(Some(lower), zone), ScalarValue::TimestampMicrosecond(Some(upper), _)) => {
            let days = days(*lower, *upper, grain, DAY_MICROS, most)?;
            let days = days.map(|it| ScalarValue::TimestampMicrosecond(Some(it), zone.clone()));
            ScalarValue::iter_to_array(days).ok()
        }
        (ScalarValue::TimestampNanosecond(Some(lower), zone), ScalarValue::TimestampNanosecond(Some(upper), _)) => {
            let days = days(*lower, *upper, grain, DAY_MICROS * MICRO_NANOS, most)?;
            let days = days.map(|it| ScalarValue::TimestampNanosecond(Some(it), zone.clone()));
            ScalarValue::iter_to_array(days).ok()
        }
        _ => None,
    }
}

/// An instant of each day from `lower` to `upper`.
fn days(lower: i64, upper: i64, grain: Grain, day: i64, most: i64) -> Option<impl Iterator<Item = i64>> {
    if grain != Grain::Day || lower > upper {
        return None;
    }
    let (first, last) = (lower.div_euclid(day), upper.div_euclid(day));
    ((last - first) < most).then(|| (first..=last).map(move |it| (it * day).clamp(lower, upper)))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{DataType, Int32Type, TimeUnit, TimestampMicrosecondType};
    use datafusion::common::ScalarValue;

    use super::{DAY_MICROS, Domain, Grain, Nulls};

    fn domain(lower: i32, upper: i32, nulls: Nulls) -> Domain {
        let bounds = Some((ScalarValue::Int32(Some(lower)), ScalarValue::Int32(Some(upper))));
        Domain { data_type: DataType::Int32, bounds, nulls }
    }

    #[test]
    fn samples_hold_every_value_and_null_where_it_may_occur() {
        let samples = |domain: Domain| domain.samples(Grain::Value, 10).unwrap();
        let values = samples(domain(3, 5, Nulls::Some)).unwrap();
        assert_eq!(values.as_primitive::<Int32Type>().iter().collect::<Vec<_>>(), [Some(3), Some(4), Some(5), None]);
        assert_eq!(samples(domain(3, 5, Nulls::None)).unwrap().len(), 3);
        assert_eq!(samples(domain(3, 5, Nulls::All)).unwrap().null_count(), 1);
        assert!(samples(domain(0, 10, Nulls::None)).is_none());
        assert!(samples(domain(i32::MIN, i32::MAX, Nulls::None)).is_none());
        assert!(samples(Domain::unknown(&DataType::Utf8)).is_none());
    }

    #[test]
    fn one_value_is_single_and_one_value_beside_null_is_not() {
        assert_eq!(domain(7, 7, Nulls::None).single(), Some(ScalarValue::Int32(Some(7))));
        assert_eq!(domain(7, 7, Nulls::Some).single(), None);
        assert_eq!(domain(1, 7, Nulls::All).single(), Some(ScalarValue::Int32(None)));
    }

    #[test]
    fn days_are_sampled_inside_of_the_bounds() {
        let instant = |it: i64| ScalarValue::TimestampMicrosecond(Some(it), None);
        let data_type = DataType::Timestamp(TimeUnit::Microsecond, None);
        let bounds = Some((instant(-1), instant(DAY_MICROS + 5)));
        let domain = Domain { data_type, bounds, nulls: Nulls::None };
        assert!(domain.samples(Grain::Value, 100).unwrap().is_none());
        let days = domain.samples(Grain::Day, 100).unwrap().unwrap();
        let days: Vec<_> = days.as_primitive::<TimestampMicrosecondType>().values().to_vec();
        assert_eq!(days, [-1, 0, DAY_MICROS]);
        assert!(domain.samples(Grain::Day, 2).unwrap().is_none());
    }
}
