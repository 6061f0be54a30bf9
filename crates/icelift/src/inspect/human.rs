//! Partition values as people read them, the way Java writes them into paths.

use chrono::{DateTime, Datelike, Duration, NaiveDate, Timelike};
use iceberg::spec::{Datum, PrimitiveLiteral, PrimitiveType, Transform};

/// The text of a bound of a partition field; `None` if the bytes are no value of the type.
pub(super) fn bound(bytes: &[u8], transform: &Transform, result: &PrimitiveType) -> Option<String> {
    let datum = Datum::try_from_bytes(bytes, result.clone()).ok()?;
    Some(match (transform, datum.literal()) {
        (Transform::Void, _) => "null".to_string(),
        (Transform::Year, PrimitiveLiteral::Int(years)) => format!("{:04}", 1970 + i64::from(*years)),
        (Transform::Month, PrimitiveLiteral::Int(months)) => {
            let (years, month) = (i64::from(months.div_euclid(12)), months.rem_euclid(12) + 1);
            format!("{:04}-{month:02}", 1970 + years)
        }
        (Transform::Day, PrimitiveLiteral::Int(days)) => date(*days)?.format("%Y-%m-%d").to_string(),
        (Transform::Hour, PrimitiveLiteral::Int(hours)) => {
            let at = DateTime::from_timestamp(i64::from(*hours) * 3600, 0)?;
            format!("{:04}-{:02}-{:02}-{:02}", at.year(), at.month(), at.day(), at.hour())
        }
        (_, PrimitiveLiteral::Binary(bytes)) => base64(bytes),
        _ if is_timestamp(result) => datum.to_human_string().replacen(' ', "T", 1).replace(" UTC", "+00:00"),
        _ => datum.to_human_string(),
    })
}

fn is_timestamp(result: &PrimitiveType) -> bool {
    use PrimitiveType::{Timestamp, TimestampNs, Timestamptz, TimestamptzNs};
    matches!(result, Timestamp | TimestampNs | Timestamptz | TimestamptzNs)
}

fn date(days: i32) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(1970, 1, 1)?.checked_add_signed(Duration::try_days(i64::from(days))?)
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let three = [0, 1, 2].map(|at| chunk.get(at).copied().map_or(0, u32::from));
        let bits = three.into_iter().fold(0, |bits, byte| bits << 8 | byte);
        for place in 0..4 {
            let digit = DIGITS.get((bits >> (18 - 6 * place)) as usize & 63).copied().unwrap_or(b'=');
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_java_writes_them() {
        let int = |value: i32| value.to_le_bytes();
        for (transform, value, text) in [
            (Transform::Year, 49, "2019"),
            (Transform::Year, -1, "1969"),
            (Transform::Month, 13, "1971-02"),
            (Transform::Month, -1, "1969-12"),
            (Transform::Day, 0, "1970-01-01"),
            (Transform::Day, -1, "1969-12-31"),
            (Transform::Hour, 25, "1970-01-02-01"),
            (Transform::Hour, -1, "1969-12-31-23"),
            (Transform::Bucket(4), 3, "3"),
            (Transform::Void, 3, "null"),
        ] {
            assert_eq!(bound(&int(value), &transform, &PrimitiveType::Int).unwrap(), text, "{transform} of {value}");
        }
        assert_eq!(bound(b"caf\xc3\xa9", &Transform::Identity, &PrimitiveType::String).unwrap(), "café");
        assert_eq!(bound(b"xx", &Transform::Identity, &PrimitiveType::Int), None);
        let timestamp = |result| bound(&1_000_001_i64.to_le_bytes(), &Transform::Identity, &result).unwrap();
        assert_eq!(timestamp(PrimitiveType::Timestamp), "1970-01-01T00:00:01.000001");
        assert_eq!(timestamp(PrimitiveType::Timestamptz), "1970-01-01T00:00:01.000001+00:00");
        for (bytes, text) in [(&b""[..], ""), (b"f", "Zg=="), (b"fo", "Zm8="), (b"foo", "Zm9v"), (b"foob", "Zm9vYg==")]
        {
            assert_eq!(bound(bytes, &Transform::Identity, &PrimitiveType::Binary).unwrap(), text);
        }
    }
}
