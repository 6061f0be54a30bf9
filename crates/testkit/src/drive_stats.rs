//! Made-up drive statistics in the shape of Backblaze's: one row for each drive and day from 2013-04-10 on.
//!
//! Columns, sparsity, models, growth, failures and dirt follow what is published about the real data. Every value is a
//! function of the seed, the drive and the day: which days are asked for, and in which order, changes nothing.
//!
//! ```
//! use icelift_testkit::drive_stats::{DriveStats, epoch_day};
//!
//! let stats = DriveStats::new(42, 1_000);
//! let day = stats.day(epoch_day(2024, 5, 1));
//! assert_eq!(day.num_columns(), 193);
//! ```

mod calendar;
mod columns;
mod fleet;
mod models;
mod random;
mod rows;
mod smart;

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StructArray, new_null_array};
use arrow::datatypes::{Schema, SchemaRef};

pub use calendar::{FIRST_DAY, LAST_DAY, days_of_year, epoch_day};
pub use columns::{columns, full_schema, schema};
use fleet::Fleet;
use models::Spellings;
pub use random::mix;
use rows::{Labels, Rows};

/// The statistics of one fleet.
pub struct DriveStats {
    fleet: Fleet,
    spellings: Spellings,
    labels: Labels,
}

impl DriveStats {
    /// A fleet of about `drives` drives at the end of 2024, far fewer before and some more after: the real one has
    /// 300,000. One row a drive and day makes `drives` × 366 rows of 2024.
    ///
    /// Failures are as frequent as in reality, 1.2 to 1.8 % a year of late, except that fleets of fewer than ten thousand
    /// drives have more in the second quarter of 2024, so that a report on it has something to say.
    pub fn new(seed: u64, drives: usize) -> Self {
        Self { fleet: Fleet::new(seed, drives), spellings: Spellings::new(), labels: Labels::new() }
    }

    /// The columns of a day's file: see [`schema`].
    pub fn schema(day: i32) -> SchemaRef {
        schema(day)
    }

    /// The rows of a day since 1970-01-01; none before [`FIRST_DAY`] and after [`LAST_DAY`].
    pub fn day(&self, day: i32) -> RecordBatch {
        let rows = Rows::of(&self.fleet, day);
        let columns = columns(day);
        let arrays = rows.arrays(&columns, &self.fleet, &self.spellings, &self.labels);
        batch(schema(day), arrays)
    }

    /// A batch for each day of a year, in the order of the days.
    pub fn year(&self, year: i32) -> impl Iterator<Item = RecordBatch> + '_ {
        self.days(days_of_year(year))
    }

    /// A batch for each of `days`, in their order.
    pub fn days(&self, days: Range<i32>) -> impl Iterator<Item = RecordBatch> + '_ {
        days.map(|day| self.day(day))
    }
}

/// The same rows with the columns of `schema`, found by name: NULL where `batch` has none.
///
/// # Panics
/// If a column has another type than in `schema`.
pub fn widen(batch: &RecordBatch, schema: &SchemaRef) -> RecordBatch {
    let found = |name: &str, data_type: &_| match batch.column_by_name(name) {
        Some(column) => Arc::clone(column),
        None => new_null_array(data_type, batch.num_rows()),
    };
    let arrays = schema.fields().iter().map(|field| found(field.name(), field.data_type())).collect();
    self::batch(Arc::clone(schema), arrays)
}

/// That columns fit their schema is up to this module, so there is no error to hand on.
fn batch(schema: SchemaRef, arrays: Vec<ArrayRef>) -> RecordBatch {
    let Schema { fields, .. } = schema.as_ref();
    RecordBatch::from(StructArray::new(fields.clone(), arrays, None))
}

#[cfg(test)]
mod tests;
