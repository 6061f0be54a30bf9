//! What one file holds of the batch column, as far as its metadata tells.
//!
//! Two sources are brought together: the partition values of the file's own spec, whatever the table's spec is now, and the
//! column's bounds and null count. Where one of them says nothing the other one may; where neither does, nobody knows.

use datafusion::common::ScalarValue;
use iceberg::spec::{Datum, PrimitiveLiteral, Transform};

use super::by::BatchColumn;
use super::{Rows, SCAN_HINT, units};
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::scan::{PlannedFile, source_range};
use crate::pipeline::values::{is_avro_name, scalar};

/// What Iceberg cuts bounds of text to by default. One of that length may be the beginning of something longer.
const BOUND_CHARS: usize = 16;

/// The units that the rows of a file may lie in.
#[derive(Debug)]
pub(super) struct Held {
    rows: u64,
    /// The first and last unit of rows that are not NULL. None where it is not known.
    lower: Option<ScalarValue>,
    upper: Option<ScalarValue>,
    nulls: Nulls,
    /// NULL in the type of the units.
    null: ScalarValue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nulls {
    Count(u64),
    All,
    Unknown,
}

/// Rows of one file that lie in one unit.
#[derive(Debug)]
pub(super) struct Share {
    pub value: ScalarValue,
    pub rows: Rows,
}

impl Held {
    /// What is known of the file.
    ///
    /// # Errors
    /// A file whose partition and bounds contradict each other.
    pub fn of(planned: &PlannedFile, column: &BatchColumn) -> Result<Self> {
        let file = &planned.file;
        let mut held = Self {
            rows: file.record_count(),
            lower: bound(file.lower_bounds().get(&column.id), column)?,
            upper: bound(file.upper_bounds().get(&column.id), column)?,
            nulls: Nulls::Unknown,
            null: column.null()?,
        };
        let has_bounds = held.lower.is_some() || held.upper.is_some();
        held.nulls = match file.null_value_counts().get(&column.id) {
            _ if column.is_required => Nulls::Count(0),
            Some(count) if *count == held.rows && !has_bounds => Nulls::All,
            // A count that leaves no row for the bounds, or is above all rows, is wrong somewhere.
            Some(count) if *count < held.rows => Nulls::Count(*count),
            _ => Nulls::Unknown,
        };
        let fields = planned.spec.fields().iter().zip(file.partition().fields());
        for (field, value) in fields.filter(|(field, _)| field.source_id == column.id) {
            match value.as_ref().and_then(|literal| literal.as_primitive_literal()) {
                Some(literal) => held.narrow(field.transform, &literal, column)?,
                // NULL under a name that Avro does not take may be a value that was not found.
                None if field.transform == Transform::Void || !is_avro_name(&field.name) => {}
                None => held.nulls = Nulls::All,
            }
        }
        match (&held.lower, &held.upper) {
            (Some(lower), Some(upper)) if units::order(lower, upper).is_gt() => Err(Error::new(
                ErrorKind::Read,
                format!("the bounds of `{}` contradict the file's partition", column.name()),
            )
            .hint("the table's metadata is damaged; rewrite the file with the engine that wrote it")),
            _ => Ok(held),
        }
    }

    /// Takes in what a partition value says.
    fn narrow(&mut self, transform: Transform, value: &PrimitiveLiteral, column: &BatchColumn) -> Result<()> {
        if !matches!(transform, Transform::Void | Transform::Unknown) {
            // All transforms make NULL of NULL only.
            self.nulls = Nulls::Count(0);
        }
        let Some((lower, upper)) = source_range(&transform, value, value, &column.primitive) else { return Ok(()) };
        let lower = lower.map(|value| column.unit_of(value)).transpose()?;
        let upper = upper.map(|value| column.unit_of(value)).transpose()?;
        let narrower =
            |known: Option<ScalarValue>, said: Option<ScalarValue>, wins: fn(std::cmp::Ordering) -> bool| match (
                known, said,
            ) {
                (Some(known), Some(said)) if wins(units::order(&said, &known)) => Some(said),
                (known, said) => known.or(said),
            };
        self.lower = narrower(self.lower.take(), lower, std::cmp::Ordering::is_gt);
        self.upper = narrower(self.upper.take(), upper, std::cmp::Ordering::is_lt);
        Ok(())
    }

    /// The units that rows of the file lie in, or may, with their numbers of rows.
    ///
    /// # Errors
    /// Units that metadata does not tell, or more than `limit`.
    pub fn shares(&self, column: &BatchColumn, limit: usize) -> Result<Vec<Share>> {
        if self.nulls == Nulls::All {
            return Ok(self.dealt(Vec::new(), true));
        }
        let (Some(lower), Some(upper)) = (&self.lower, &self.upper) else {
            let message = format!("the file's metadata does not say between which values `{}` lies", column.name());
            return Err(Error::new(ErrorKind::Unsupported, message).hint(SCAN_HINT));
        };
        match column.distance(lower, upper) {
            Some(count) if count <= limit as u64 => {
                Ok(self.dealt(column.between(lower, upper), self.nulls != Nulls::Count(0)))
            }
            Some(_) => Err(super::too_many(&column.by())),
            None => {
                let message =
                    format!("the file may hold several values of `{}`, and metadata does not say which", column.name());
                Err(Error::new(ErrorKind::Unsupported, message).hint(SCAN_HINT))
            }
        }
    }

    /// The same for units that a query has found, in their order: all rows lie in these.
    pub fn among(&self, found: &[ScalarValue]) -> Vec<Share> {
        let has_null = found.last().is_some_and(ScalarValue::is_null) && self.nulls != Nulls::Count(0);
        if self.nulls == Nulls::All {
            return self.dealt(Vec::new(), has_null);
        }
        let values = &found[..found.partition_point(|value| !value.is_null())];
        let first = self.lower.as_ref().map_or(0, |lower| values.partition_point(|it| units::order(it, lower).is_lt()));
        let end = self
            .upper
            .as_ref()
            .map_or(values.len(), |upper| values.partition_point(|it| units::order(it, upper).is_le()));
        self.dealt(values.get(first..end).unwrap_or_default().to_vec(), has_null)
    }

    /// Deals the rows to `values`, evenly as nothing else is known, and to NULL.
    fn dealt(&self, values: Vec<ScalarValue>, may_be_null: bool) -> Vec<Share> {
        let nulls = match self.nulls {
            Nulls::Count(count) => Some(count),
            Nulls::All => Some(self.rows),
            Nulls::Unknown => None,
        };
        let (rows, parts) = (u128::from(self.rows - nulls.unwrap_or(0)), values.len() as u128);
        let exact = parts == 1 && nulls.is_some() && self.lower.is_some() && self.lower == self.upper;
        let up_to = |part: usize| (rows * part as u128).checked_div(parts).unwrap_or(0);
        let share = |(part, value)| {
            let count = u64::try_from(up_to(part + 1) - up_to(part)).unwrap_or(u64::MAX);
            Share { value, rows: Rows { count, exact } }
        };
        let mut shares: Vec<Share> = values.into_iter().enumerate().map(share).collect();
        if may_be_null {
            // Where there is no other unit, all rows must be NULL.
            let count = nulls.unwrap_or(if parts == 0 { self.rows } else { 0 });
            let rows = Rows { count, exact: nulls.is_some() };
            shares.push(Share { value: self.null.clone(), rows });
        }
        shares
    }
}

/// The unit of a bound of the column's values. None if it is not there or not sure to be one.
fn bound(datum: Option<&Datum>, column: &BatchColumn) -> Result<Option<ScalarValue>> {
    let Some(value) = datum.and_then(|datum| scalar(datum.literal(), &column.primitive)) else { return Ok(None) };
    match &value {
        ScalarValue::Utf8(Some(text)) if text.chars().count() >= BOUND_CHARS => Ok(None),
        _ => column.unit_of(value).map(Some),
    }
}
