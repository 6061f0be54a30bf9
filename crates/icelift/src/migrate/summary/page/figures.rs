//! Figures as a person reads them.

use chrono::DateTime;

pub(super) use crate::thousands::thousands as count;

/// `1 batch`, `2 batches`, `3 rows`.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// `999`, `12.5 k`, `3.4 M`, `2 bn`: three digits and what they stand for.
pub(super) fn short(number: f64) -> String {
    scaled(number, &["", "k", "M", "bn", "tn"])
}

/// `512 B`, `12.5 MB`: powers of 1000, as clouds count.
pub(super) fn bytes(number: u64) -> String {
    scaled(number as f64, &["B", "kB", "MB", "GB", "TB", "PB"])
}

fn scaled(number: f64, units: &[&str]) -> String {
    let mut size = number;
    let mut units = units.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    for larger in units {
        // What would be rounded to 1000 has the next unit.
        if size < 999.95 {
            break;
        }
        (size, unit) = (size / 1000.0, larger);
    }
    let is_whole = size >= 100.0 || ((size * 10.0).round() / 10.0).fract() == 0.0;
    let digits = usize::from(!is_whole);
    format!("{size:.digits$} {unit}").trim_end().to_string()
}

/// `12 ms`, `3.4 s`, `5 min 06 s`, `2 h 05 min`, `3 d 04 h`.
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.round().max(0.0) as u64;
    match seconds {
        short if short < 0.9995 => format!("{:.0} ms", short.max(0.0) * 1e3),
        medium if medium < 59.95 => format!("{medium:.1} s"),
        _ if whole < 3_600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ if whole < 86_400 => format!("{} h {:02} min", whole / 3_600, whole / 60 % 60),
        _ => format!("{} d {:02} h", whole / 86_400, whole / 3_600 % 24),
    }
}

/// `$0.18`; what is less than a cent as far as its first digits.
pub(super) fn dollars(amount: f64) -> String {
    match amount {
        nothing if nothing.abs() < 5e-7 => "$0.00".to_string(),
        little if little < 0.005 => format!("${little:.6}").trim_end_matches('0').to_string(),
        _ => {
            let cents = (amount * 100.0).round() as u64;
            format!("${}.{:02}", count(cents / 100), cents % 100)
        }
    }
}

/// `2026-11-27 06:50:09`.
pub(super) fn time(unix_ms: u64) -> String {
    formatted(unix_ms, "%Y-%m-%d %H:%M:%S")
}

pub(super) fn formatted(unix_ms: u64, format: &str) -> String {
    let time = i64::try_from(unix_ms).ok().and_then(DateTime::from_timestamp_millis);
    time.map(|time| time.format(format).to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(counted(1, "batch", "batches") + &counted(2_000, "batch", "batches"), "1 batch2,000 batches");
        assert_eq!(
            [0, 999, 1000, 999_960, 12_540_000, 345_678_901].map(bytes),
            ["0 B", "999 B", "1 kB", "1 MB", "12.5 MB", "346 MB"]
        );
        assert_eq!([0.0, 3.25, 12_500.0, 3.4e6].map(short), ["0", "3.2", "12.5 k", "3.4 M"]);
    }

    #[test]
    fn times_read_well() {
        let shown = [0.0, 0.012, 3.4, 59.96, 306.0, 7_500.0, 270_000.0].map(duration);
        assert_eq!(shown, ["0 ms", "12 ms", "3.4 s", "1 min 00 s", "5 min 06 s", "2 h 05 min", "3 d 03 h"]);
        assert_eq!(time(1_764_226_209_000), "2025-11-27 06:50:09");
        assert_eq!(time(u64::MAX), "");
    }

    #[test]
    fn amounts_read_well() {
        let shown = [0.0, 0.000_001, 0.001_2, 0.18, 1.995, 7_791.0].map(dollars);
        assert_eq!(shown, ["$0.00", "$0.000001", "$0.0012", "$0.18", "$2.00", "$7,791.00"]);
    }
}
