//! What a partition value says of the source column: the inverse of a transform, as far as it has one.

use datafusion::common::ScalarValue;
use iceberg::spec::{PrimitiveLiteral, PrimitiveType, Transform};

use crate::pipeline::values::scalar;

const MICROS_PER_SECOND: i128 = 1_000_000;
const HOUR_SECONDS: i128 = 3_600;
const DAY_SECONDS: i128 = 24 * HOUR_SECONDS;

/// The smallest and largest source values whose transform lies in `lower ..= upper`. An end is `None` where it has no
/// bound, the whole is `None` where the transform says nothing of the order (bucket, void).
pub(crate) fn source_range(
    transform: &Transform,
    lower: &PrimitiveLiteral,
    upper: &PrimitiveLiteral,
    source: &PrimitiveType,
) -> Option<(Option<ScalarValue>, Option<ScalarValue>)> {
    match transform {
        Transform::Identity if lower.is_nan() || upper.is_nan() => None,
        Transform::Identity => Some((scalar(lower, source), scalar(upper, source))),
        Transform::Truncate(width) => truncated(*width, lower, upper, source),
        Transform::Year | Transform::Month | Transform::Day | Transform::Hour => {
            let start = seconds(transform, integer(lower)?)?;
            let end = seconds(transform, integer(upper)?.checked_add(1)?)?;
            Some((instant(start, 0, source), instant(end, -1, source)))
        }
        _ => None,
    }
}

/// Strings: every value with the prefix is at least the prefix; how far above is unknown. Numbers: a run of `width`.
fn truncated(
    width: u32,
    lower: &PrimitiveLiteral,
    upper: &PrimitiveLiteral,
    source: &PrimitiveType,
) -> Option<(Option<ScalarValue>, Option<ScalarValue>)> {
    let last = i64::from(width) - 1;
    let upper = match upper {
        PrimitiveLiteral::Int(value) => value.checked_add(i32::try_from(last).ok()?).map(PrimitiveLiteral::Int),
        PrimitiveLiteral::Long(value) => value.checked_add(last).map(PrimitiveLiteral::Long),
        PrimitiveLiteral::Int128(value) => value.checked_add(i128::from(last)).map(PrimitiveLiteral::Int128),
        PrimitiveLiteral::String(value) if value.chars().count() < width as usize => Some(upper.clone()),
        _ => None,
    };
    Some((scalar(lower, source), upper.and_then(|upper| scalar(&upper, source))))
}

fn integer(literal: &PrimitiveLiteral) -> Option<i64> {
    match literal {
        PrimitiveLiteral::Int(value) => Some(i64::from(*value)),
        PrimitiveLiteral::Long(value) => Some(*value),
        _ => None,
    }
}

/// Seconds from 1970 to the start of the period that `ordinal` counts.
fn seconds(transform: &Transform, ordinal: i64) -> Option<i128> {
    let months = match transform {
        Transform::Hour => return Some(i128::from(ordinal) * HOUR_SECONDS),
        Transform::Day => return Some(i128::from(ordinal) * DAY_SECONDS),
        Transform::Year => ordinal.checked_mul(12)?,
        _ => ordinal,
    };
    let year = i32::try_from(1970 + months.div_euclid(12)).ok()?;
    let month = u32::try_from(months.rem_euclid(12)).ok()? + 1;
    let epoch = chrono::NaiveDate::from_ymd_opt(1970, 1, 1)?;
    let days = chrono::NaiveDate::from_ymd_opt(year, month, 1)?.signed_duration_since(epoch).num_days();
    Some(i128::from(days) * DAY_SECONDS)
}

/// `seconds` after 1970 plus `ticks` of the source's own unit.
fn instant(seconds: i128, ticks: i128, source: &PrimitiveType) -> Option<ScalarValue> {
    let literal = match source {
        PrimitiveType::Date => PrimitiveLiteral::Int(i32::try_from(seconds.div_euclid(DAY_SECONDS) + ticks).ok()?),
        PrimitiveType::Timestamp | PrimitiveType::Timestamptz => {
            PrimitiveLiteral::Long(i64::try_from(seconds * MICROS_PER_SECOND + ticks).ok()?)
        }
        PrimitiveType::TimestampNs | PrimitiveType::TimestamptzNs => {
            PrimitiveLiteral::Long(i64::try_from(seconds * MICROS_PER_SECOND * 1_000 + ticks).ok()?)
        }
        _ => return None,
    };
    scalar(&literal, source)
}

#[cfg(test)]
mod tests {
    use datafusion::common::ScalarValue;
    use iceberg::spec::{PrimitiveLiteral, PrimitiveType, Transform};

    use super::source_range;

    fn ends(transform: Transform, value: PrimitiveLiteral, source: PrimitiveType) -> (String, String) {
        let (lower, upper) = source_range(&transform, &value, &value, &source).unwrap();
        let text = |value: Option<ScalarValue>| value.map_or("-".to_string(), |value| value.to_string());
        (text(lower), text(upper))
    }

    #[test]
    fn periods() {
        let pair = |a: &str, b: &str| (a.to_string(), b.to_string());
        let date = |transform, value| ends(transform, PrimitiveLiteral::Int(value), PrimitiveType::Date);
        assert_eq!(date(Transform::Year, 0), pair("1970-01-01", "1970-12-31"));
        assert_eq!(date(Transform::Month, -1), pair("1969-12-01", "1969-12-31"));
        assert_eq!(date(Transform::Day, 31), pair("1970-02-01", "1970-02-01"));
        let micros = ends(Transform::Hour, PrimitiveLiteral::Int(-1), PrimitiveType::Timestamp);
        assert_eq!(micros, pair("-3600000000", "-1"));
    }

    #[test]
    fn truncation() {
        let pair = |a: &str, b: &str| (a.to_string(), b.to_string());
        assert_eq!(ends(Transform::Truncate(10), PrimitiveLiteral::Int(-10), PrimitiveType::Int), pair("-10", "-1"));
        let text = |value: &str| PrimitiveLiteral::String(value.to_string());
        assert_eq!(ends(Transform::Truncate(3), text("abc"), PrimitiveType::String), pair("abc", "-"));
        assert_eq!(ends(Transform::Truncate(3), text("ab"), PrimitiveType::String), pair("ab", "ab"));
    }
}
