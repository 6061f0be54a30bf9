//! Dates as days since 1970-01-01.

use std::ops::Range;

/// The first day of the statistics, 2013-04-10.
pub const FIRST_DAY: i32 = epoch_day(2013, 4, 10);
/// The last day of the statistics, 2026-06-30.
pub const LAST_DAY: i32 = epoch_day(2026, 6, 30);

/// The day since 1970-01-01 of a date after the year 0.
pub const fn epoch_day(year: i32, month: i32, day: i32) -> i32 {
    // Years that begin in March end with their leap day.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// The days of a year that have statistics.
pub fn days_of_year(year: i32) -> Range<i32> {
    epoch_day(year, 1, 1).max(FIRST_DAY)..epoch_day(year + 1, 1, 1).min(LAST_DAY + 1)
}
