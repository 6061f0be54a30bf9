//! The dates of signatures: `20130524T000000Z`.

use std::time::{SystemTime, UNIX_EPOCH};

const DAY_SECONDS: u64 = 86_400;

/// This moment.
pub(crate) fn timestamp() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (year, month, day) = date(seconds / DAY_SECONDS);
    let of_day = seconds % DAY_SECONDS;
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

/// Seconds since 1970 of a date of this form.
pub(crate) fn seconds_of(timestamp: &str) -> Option<u64> {
    let number = |from: usize, to: usize| timestamp.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let of_day = number(9, 11)? * 3600 + number(11, 13)? * 60 + number(13, 15)?;
    let in_shape = timestamp.len() == 16 && &timestamp[8..9] == "T" && timestamp.ends_with('Z');
    let in_range = year >= 1970 && (1..=12).contains(&month) && (1..=31).contains(&day);
    (in_shape && in_range).then(|| days(year, month, day) * DAY_SECONDS + of_day)
}

/// Days since 1970-01-01. The year begins in March, so that the leap day is its last.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468
}

/// The inverse of `days`.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_based = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_based + 2) / 5 + 1;
    let month = if march_based < 10 { march_based + 3 } else { march_based - 9 };
    let year = year_of_era + days / 146_097 * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use super::{date, days, seconds_of};

    #[test]
    fn dates_and_days_are_inverse() {
        for day in (0..40_000).step_by(7) {
            let (year, month, of_month) = date(day);
            assert_eq!(days(year, month, of_month), day);
        }
        assert_eq!(date(19_782), (2024, 2, 29));
    }

    #[test]
    fn seconds_of_a_timestamp() {
        assert_eq!(seconds_of("20130524T000000Z"), Some(1_369_353_600));
        assert_eq!(seconds_of("2013-05-24T00:00"), None);
    }
}
