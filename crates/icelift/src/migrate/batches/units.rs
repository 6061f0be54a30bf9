//! Values of a batch column: which unit a value lies in, what selects a unit, and how a person names it.
//!
//! A *unit* is a value itself, or a year, month, day or hour in the type that Iceberg's transform gives. Units of time are
//! counted since 1970 and exact for every value that a column can hold.

use std::cmp::Ordering;

use arrow::datatypes::{DataType, Decimal128Type, DecimalType};
use datafusion::common::{Column, ScalarValue};
use datafusion::functions::core::expr_fn::get_field;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use iceberg::spec::{PrimitiveLiteral, PrimitiveType, Transform};

use super::by::BatchColumn;
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::select::transforms;
use crate::pipeline::select::transforms::calendar::{first_day_of_month, month_of_day};
use crate::pipeline::values::scalar;

const SECONDS_PER_HOUR: i128 = 3_600;
const SECONDS_PER_DAY: i128 = 86_400;
const MICROS_PER_SECOND: i128 = 1_000_000;

/// The order of units: NULL comes last.
pub(super) fn order(a: &ScalarValue, b: &ScalarValue) -> Ordering {
    a.is_null().cmp(&b.is_null()).then_with(|| a.partial_cmp(b).unwrap_or(Ordering::Equal))
}

/// Units that a query has found, in their order and type, each once.
///
/// # Errors
/// A value that is no unit of the column.
pub(super) fn sorted(column: &BatchColumn, values: Vec<ScalarValue>) -> Result<Vec<ScalarValue>> {
    let unit_type = column.unit_type()?;
    let typed = values.into_iter().map(|value| value.cast_to(&unit_type));
    let mut units = typed.collect::<Result<Vec<_>, _>>()?;
    units.sort_by(order);
    units.dedup();
    Ok(units)
}

impl BatchColumn {
    fn unit_type(&self) -> Result<DataType> {
        let unknown = || Error::new(ErrorKind::Internal, format!("`{}` has no Arrow type", self.name()));
        let own = match &self.primitive {
            PrimitiveType::Decimal { precision, scale } => {
                let parts = (u8::try_from(*precision), i8::try_from(*scale));
                let (Ok(precision), Ok(scale)) = parts else { return Err(unknown()) };
                DataType::Decimal128(precision, scale)
            }
            PrimitiveType::Boolean => DataType::Boolean,
            PrimitiveType::String => DataType::Utf8,
            primitive => {
                let sample = [PrimitiveLiteral::Int(0), PrimitiveLiteral::Long(0)];
                sample.iter().find_map(|it| scalar(it, primitive)).ok_or_else(unknown)?.data_type()
            }
        };
        transforms::result_type(&self.transform, &own)
    }

    /// NULL as a unit.
    pub fn null(&self) -> Result<ScalarValue> {
        Ok(ScalarValue::try_from(&self.unit_type()?)?)
    }

    /// The unit that a value of the column lies in.
    pub fn unit_of(&self, value: ScalarValue) -> Result<ScalarValue> {
        if self.transform == Transform::Identity {
            return Ok(value);
        }
        let units = transforms::apply(&self.transform, &value.to_array()?)?;
        Ok(ScalarValue::try_from_array(&units, 0)?)
    }

    /// How many units lie between the two, both counted. None for values, which cannot be counted, unless they are equal.
    pub fn distance(&self, lower: &ScalarValue, upper: &ScalarValue) -> Option<u64> {
        if lower == upper {
            return Some(1);
        }
        let (lower, upper) = (self.ordinal(lower)?, self.ordinal(upper)?);
        u64::try_from(upper - lower + 1).ok()
    }

    /// The units from one to the other, both included.
    pub fn between(&self, lower: &ScalarValue, upper: &ScalarValue) -> Vec<ScalarValue> {
        let ordinals = self.ordinal(lower).zip(self.ordinal(upper));
        let Some((first, last)) = ordinals else { return vec![lower.clone()] };
        // Both are ints, so all between are.
        let unit = |ordinal: i64| match lower {
            ScalarValue::Date32(_) => ScalarValue::Date32(Some(ordinal as i32)),
            _ => ScalarValue::Int32(Some(ordinal as i32)),
        };
        (first..=last).map(unit).collect()
    }

    /// Which unit of time since 1970 it is.
    fn ordinal(&self, unit: &ScalarValue) -> Option<i64> {
        match unit {
            _ if self.transform == Transform::Identity => None,
            ScalarValue::Int32(Some(ordinal)) | ScalarValue::Date32(Some(ordinal)) => Some(i64::from(*ordinal)),
            _ => None,
        }
    }

    /// When a unit of time begins, in the column's own ticks since 1970.
    fn start(&self, ordinal: i64) -> i128 {
        let seconds = match self.transform {
            Transform::Hour => i128::from(ordinal) * SECONDS_PER_HOUR,
            Transform::Day => i128::from(ordinal) * SECONDS_PER_DAY,
            Transform::Month => i128::from(first_day_of_month(ordinal)) * SECONDS_PER_DAY,
            _ => i128::from(first_day_of_month(12 * ordinal)) * SECONDS_PER_DAY,
        };
        match self.primitive {
            PrimitiveType::Date => seconds / SECONDS_PER_DAY,
            PrimitiveType::TimestampNs | PrimitiveType::TimestamptzNs => seconds * MICROS_PER_SECOND * 1_000,
            _ => seconds * MICROS_PER_SECOND,
        }
    }

    /// A moment as a value of the column. None if it lies before or after all that the column can hold.
    fn instant(&self, ticks: i128) -> Option<ScalarValue> {
        let literal = match self.primitive {
            PrimitiveType::Date => PrimitiveLiteral::Int(i32::try_from(ticks).ok()?),
            _ => PrimitiveLiteral::Long(i64::try_from(ticks).ok()?),
        };
        scalar(&literal, &self.primitive)
    }

    /// The first and the last value of a unit; None where the column's values end first.
    pub fn ends(&self, unit: &ScalarValue) -> (Option<ScalarValue>, Option<ScalarValue>) {
        match self.ordinal(unit) {
            None => (Some(unit.clone()), Some(unit.clone())),
            Some(ordinal) => (self.instant(self.start(ordinal)), self.instant(self.start(ordinal + 1) - 1)),
        }
    }

    /// The column in a query of the source.
    pub fn expr(&self) -> Expr {
        let (top, inner) = self.path.split_first().map_or(("", &[][..]), |(top, inner)| (top.as_str(), inner));
        let column = Expr::Column(Column::new_unqualified(top));
        inner.iter().fold(column, |parent, name| get_field(parent, name.as_str()))
    }

    /// The unit of a row in a query of the source.
    pub fn unit_expr(&self) -> Result<Expr> {
        let name = match self.transform {
            Transform::Identity => return Ok(self.expr()),
            transform => format!("{transform}s"),
        };
        let function = transforms::transforms().into_iter().find(|function| function.name() == name);
        let function =
            function.ok_or_else(|| Error::new(ErrorKind::Internal, format!("there is no function `{name}`")))?;
        Ok(function.call(vec![self.expr()]))
    }

    /// What selects exactly the rows of a unit.
    pub fn predicate(&self, unit: &ScalarValue) -> Expr {
        let literal = |value: ScalarValue| Expr::Literal(value, None);
        if unit.is_null() {
            return self.expr().is_null();
        }
        let Some(ordinal) = self.ordinal(unit) else { return self.expr().eq(literal(unit.clone())) };
        let from = self.instant(self.start(ordinal)).map(|start| self.expr().gt_eq(literal(start)));
        let to = self.instant(self.start(ordinal + 1)).map(|end| self.expr().lt(literal(end)));
        conjunction(from.into_iter().chain(to)).unwrap_or_else(|| self.expr().is_not_null())
    }

    /// What a person calls the batch of a unit.
    pub fn key(&self, unit: &ScalarValue) -> String {
        let name = match self.transform {
            Transform::Identity => self.name().to_string(),
            transform => format!("{}_{transform}", self.name()),
        };
        format!("{name}={}", self.text(unit))
    }

    fn text(&self, unit: &ScalarValue) -> String {
        if unit.is_null() {
            return "null".to_string();
        }
        if let Some(ordinal) = self.ordinal(unit) {
            let hours = ordinal.rem_euclid(24);
            return match self.transform {
                Transform::Year => year(1970 + ordinal),
                Transform::Month => month(ordinal),
                Transform::Hour => format!("{}-{hours:02}", day(ordinal.div_euclid(24))),
                _ => day(ordinal),
            };
        }
        match unit {
            // So that no text reads like NULL, and none like another one that is quoted.
            ScalarValue::Utf8(Some(text)) if text.is_empty() || text == "null" || text.starts_with('\'') => {
                format!("'{}'", text.replace('\'', "''"))
            }
            ScalarValue::Utf8(Some(text)) => text.clone(),
            ScalarValue::Date32(Some(days)) => day(i64::from(*days)),
            ScalarValue::Time64Microsecond(Some(micros)) => clock(*micros, 6),
            ScalarValue::TimestampMicrosecond(Some(ticks), zone) => moment(*ticks, 6, zone.is_some()),
            ScalarValue::TimestampNanosecond(Some(ticks), zone) => moment(*ticks, 9, zone.is_some()),
            ScalarValue::Decimal128(Some(value), precision, scale) => {
                Decimal128Type::format_decimal(*value, *precision, *scale)
            }
            other => other.to_string(),
        }
    }
}

fn year(year: i64) -> String {
    if year < 0 { format!("-{:04}", -year) } else { format!("{year:04}") }
}

fn month(month: i64) -> String {
    format!("{}-{:02}", year(1970 + month.div_euclid(12)), month.rem_euclid(12) + 1)
}

fn day(day: i64) -> String {
    let of = month_of_day(day);
    format!("{}-{:02}", month(of), day - first_day_of_month(of) + 1)
}

/// The time of day, with a fraction of so many digits if there is one.
fn clock(ticks: i64, digits: u32) -> String {
    let per_second = 10_i64.pow(digits);
    let (seconds, fraction) = (ticks.div_euclid(per_second), ticks.rem_euclid(per_second));
    let text = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if fraction == 0 { text } else { format!("{text}.{fraction:0width$}", width = digits as usize) }
}

fn moment(ticks: i64, digits: u32, in_utc: bool) -> String {
    let per_day = 86_400 * 10_i64.pow(digits);
    let zone = if in_utc { "Z" } else { "" };
    format!("{}T{}{zone}", day(ticks.div_euclid(per_day)), clock(ticks.rem_euclid(per_day), digits))
}
