//! The calendar on integers: exact for every day and timestamp that a column can hold.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};

/// The Gregorian calendar repeats after 400 years.
const DAYS_PER_CYCLE: i64 = 146_097;
const MONTHS_PER_CYCLE: i64 = 4_800;
/// From 0000-03-01, where the arithmetic starts so that leap days end a year, to 1970-01-01.
const EPOCH_DAY: i64 = 719_468;
const EPOCH_MONTH: i64 = 1_970 * 12 - 2;
const SECONDS_PER_DAY: i64 = 86_400;

/// Months since January 1970 of a day since 1970-01-01.
pub(crate) fn month_of_day(day: i64) -> i64 {
    // Whole cycles are taken off before the epoch is added: nothing can overflow.
    let shifted = day.rem_euclid(DAYS_PER_CYCLE) + EPOCH_DAY;
    let cycle = day.div_euclid(DAYS_PER_CYCLE) + shifted / DAYS_PER_CYCLE;
    let day = shifted % DAYS_PER_CYCLE;
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    // March to July, August to December and January to February have 31, 30, 31, 30, 31 days: 153 in five months.
    let month = (5 * day_of_year + 2) / 153;
    cycle * MONTHS_PER_CYCLE + year * 12 + month - EPOCH_MONTH
}

/// The first day, since 1970-01-01, of a month since January 1970: for all months that a timestamp can lie in.
pub(crate) fn first_day_of_month(month: i64) -> i64 {
    let shifted = month + EPOCH_MONTH;
    let (year, month) = (shifted.rem_euclid(MONTHS_PER_CYCLE) / 12, shifted.rem_euclid(12));
    let day = 365 * year + year / 4 - year / 100 + (153 * month + 2) / 5;
    shifted.div_euclid(MONTHS_PER_CYCLE) * DAYS_PER_CYCLE + day - EPOCH_DAY
}

/// The numbers of a date or timestamp column, null slots included. Zones do not matter: instants are kept in UTC.
pub(in crate::pipeline::select) enum Instants<'a> {
    /// Days since 1970-01-01.
    Days(&'a [i32]),
    /// Time since 1970-01-01 00:00 UTC.
    Ticks { values: &'a [i64], per_day: i64 },
}

impl<'a> Instants<'a> {
    /// `None` if `array` holds neither dates nor timestamps.
    pub(in crate::pipeline::select) fn of(array: &'a ArrayRef) -> Option<Self> {
        let (values, per_second): (&[i64], i64) = match array.data_type() {
            DataType::Date32 => return Some(Self::Days(array.as_primitive::<Date32Type>().values())),
            DataType::Date64 => (array.as_primitive::<Date64Type>().values(), 1_000),
            DataType::Timestamp(unit, _) => match unit {
                TimeUnit::Second => (array.as_primitive::<TimestampSecondType>().values(), 1),
                TimeUnit::Millisecond => (array.as_primitive::<TimestampMillisecondType>().values(), 1_000),
                TimeUnit::Microsecond => (array.as_primitive::<TimestampMicrosecondType>().values(), 1_000_000),
                TimeUnit::Nanosecond => (array.as_primitive::<TimestampNanosecondType>().values(), 1_000_000_000),
            },
            _ => return None,
        };
        Some(Self::Ticks { values, per_day: per_second * SECONDS_PER_DAY })
    }
}
