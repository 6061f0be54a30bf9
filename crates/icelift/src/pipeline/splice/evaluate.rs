//! What an expression gives for the rows of a row group, found by evaluating it for every value that may occur.
//!
//! So no rule about any function is needed: `quarter(date)` is constant in a row group if it gives one label for all days
//! between the first and the last. What must hold: an outcome is told only if no row can have another.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::physical_plan::expressions::{BinaryExpr, CastExpr, Column, IsNotNullExpr, Literal};

use super::domain::{Domain, Grain, Nulls};
use crate::error::Result;

/// An expression is evaluated at most so often: beyond that, to decode the rows is not much slower.
const MOST_SAMPLES: usize = 1 << 14;

/// Functions of our own that give the same for all instants of a day.
const DAY_FUNCTIONS: [&str; 4] = ["quarter", "years", "months", "days"];
/// What `date_part` and `date_trunc` may be asked for to be the same.
const DAY_PARTS: [&str; 7] = ["year", "quarter", "month", "week", "day", "doy", "dow"];

/// An expression over the columns of a scan.
#[derive(Debug, Clone)]
pub(super) struct Evaluated {
    /// Over `columns`, in their order.
    expr: Arc<dyn PhysicalExpr>,
    columns: Vec<(usize, Grain)>,
    schema: SchemaRef,
    /// Set if it is a column as it is.
    pub column: Option<usize>,
}

impl Evaluated {
    /// Binds the expression to what it needs of the scan's columns.
    pub fn new(expr: &Arc<dyn PhysicalExpr>, scan: &Schema) -> Result<Self> {
        let column = expr.as_any().downcast_ref::<Column>().map(Column::index);
        let mut columns: Vec<(usize, Grain)> = Vec::new();
        look(expr, Grain::Value, &mut columns);
        let fields = columns.iter().map(|(index, _)| {
            let field = scan.field(*index);
            Field::new(field.name(), field.data_type().clone(), true)
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let compact = Arc::clone(expr).transform_up(|node| {
            let Some(column) = node.as_any().downcast_ref::<Column>() else { return Ok(Transformed::no(node)) };
            let place = columns.iter().position(|(index, _)| *index == column.index()).unwrap_or_default();
            Ok(Transformed::yes(Arc::new(Column::new(column.name(), place))))
        });
        Ok(Self { expr: compact.data()?, columns, schema, column })
    }

    /// The value for all rows. `None` if it may differ or is not known.
    pub fn constant(&self, domain: impl Fn(usize) -> Domain) -> Result<Option<ScalarValue>> {
        let Some(samples) = self.samples(&domain)? else { return Ok(None) };
        let Some(outcomes) = self.evaluate(samples) else { return Ok(None) };
        let first = ScalarValue::try_from_array(&outcomes, 0)?;
        if outcomes.data_type().is_nested() && outcomes.len() > 1 {
            return Ok(None);
        }
        let same = outcomes.len() == 1 || not_distinct(&outcomes, &first.to_scalar()?)?.false_count() == 0;
        Ok(same.then_some(first))
    }

    /// Whether the expression, a condition, is true of every row.
    pub fn is_true(&self, domain: impl Fn(usize) -> Domain) -> Result<bool> {
        if let Some(known) = self.is_true_of_range(&domain) {
            return Ok(known);
        }
        let Some(samples) = self.samples(&domain)? else { return Ok(false) };
        Ok(self.evaluate(samples).is_some_and(|outcomes| is_all_true(&outcomes)))
    }

    /// Comparisons with one value: true of both bounds, so of all between. `None` for other conditions.
    fn is_true_of_range(&self, domain: &impl Fn(usize) -> Domain) -> Option<bool> {
        let [(column, _)] = self.columns[..] else { return None };
        if let Some(condition) = self.expr.as_any().downcast_ref::<IsNotNullExpr>()
            && condition.arg().as_any().is::<Column>()
        {
            return Some(domain(column).nulls == Nulls::None);
        }
        let comparison = self.expr.as_any().downcast_ref::<BinaryExpr>()?;
        let sides = [comparison.left(), comparison.right()];
        let is_ordered = matches!(comparison.op(), Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq);
        let has = |test: fn(&dyn std::any::Any) -> bool| sides.iter().any(|side| test(side.as_any()));
        if !is_ordered || !has(|it| it.is::<Column>()) || !has(|it| it.is::<Literal>()) {
            return None;
        }
        let domain = domain(column);
        let (lower, upper) = domain.range()?;
        let bounds = ScalarValue::iter_to_array([lower.clone(), upper.clone()]).ok()?;
        Some(self.evaluate(vec![bounds]).is_some_and(|outcomes| is_all_true(&outcomes)))
    }

    /// Every combination of samples of the columns. `None` if they are unknown or too many.
    fn samples(&self, domain: &impl Fn(usize) -> Domain) -> Result<Option<Vec<ArrayRef>>> {
        let mut each = Vec::new();
        let mut combinations = 1_usize;
        for (column, grain) in &self.columns {
            let Some(samples) = domain(*column).samples(*grain, MOST_SAMPLES)? else { return Ok(None) };
            combinations = combinations.saturating_mul(samples.len());
            each.push(samples);
        }
        if combinations > MOST_SAMPLES {
            return Ok(None);
        }
        let mut repeat = 1;
        let mut all = Vec::new();
        for samples in each {
            let rows = (0..combinations).map(|row| ((row / repeat) % samples.len()) as u64);
            all.push(take(&samples, &UInt64Array::from_iter_values(rows), None)?);
            repeat *= samples.len();
        }
        Ok(Some(all))
    }

    /// What comes out; `None` where a value has no result: then its row shall fail as every other does.
    fn evaluate(&self, samples: Vec<ArrayRef>) -> Option<ArrayRef> {
        let rows = samples.first().map_or(1, |column| column.len());
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), samples, &options).ok()?;
        self.expr.evaluate(&batch).and_then(|outcomes| outcomes.into_array(rows)).ok()
    }
}

fn is_all_true(outcomes: &ArrayRef) -> bool {
    outcomes.as_boolean_opt().is_some_and(|outcomes| outcomes.null_count() == 0 && outcomes.false_count() == 0)
}

/// Notes which columns the expression looks at, and how finely.
fn look(expr: &Arc<dyn PhysicalExpr>, grain: Grain, columns: &mut Vec<(usize, Grain)>) {
    if let Some(column) = expr.as_any().downcast_ref::<Column>() {
        match columns.iter_mut().find(|(index, _)| *index == column.index()) {
            Some((_, known)) if *known != grain => *known = Grain::Value,
            Some(_) => {}
            None => columns.push((column.index(), grain)),
        }
        return;
    }
    let inside = if is_same_all_day(expr) { Grain::Day } else { Grain::Value };
    for child in expr.children() {
        look(child, inside, columns);
    }
}

/// Whether the expression gives the same for all instants of a day. Its argument must be the column itself to profit.
fn is_same_all_day(expr: &Arc<dyn PhysicalExpr>) -> bool {
    if let Some(cast) = expr.as_any().downcast_ref::<CastExpr>() {
        return *cast.cast_type() == DataType::Date32;
    }
    let Some(function) = expr.as_any().downcast_ref::<ScalarFunctionExpr>() else { return false };
    if DAY_FUNCTIONS.contains(&function.name()) {
        return true;
    }
    let part = function.args().first().and_then(|it| it.as_any().downcast_ref::<Literal>());
    let part = part.and_then(|it| it.value().try_as_str().flatten().map(str::to_ascii_lowercase));
    ["date_part", "date_trunc"].contains(&function.name()) && part.is_some_and(|it| DAY_PARTS.contains(&it.as_str()))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
    use datafusion::common::{DFSchema, ScalarValue};
    use datafusion::logical_expr::{Expr, col, lit};
    use datafusion::prelude::SessionContext;

    use super::{Domain, Evaluated, Nulls};
    use crate::pipeline::select::quarter::quarter;

    fn schema() -> Schema {
        Schema::new(vec![
            Field::new("day", DataType::Date32, true),
            Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, None), true),
            Field::new("name", DataType::Utf8, true),
        ])
    }

    fn evaluated(expr: Expr) -> Evaluated {
        let df_schema = DFSchema::try_from(schema()).unwrap();
        let expr = SessionContext::new().create_physical_expr(expr, &df_schema).unwrap();
        Evaluated::new(&expr, &schema()).unwrap()
    }

    fn days(lower: i32, upper: i32, nulls: Nulls) -> impl Fn(usize) -> Domain {
        let bounds = Some((ScalarValue::Date32(Some(lower)), ScalarValue::Date32(Some(upper))));
        move |column| {
            assert_eq!(column, 0);
            Domain { data_type: DataType::Date32, bounds: bounds.clone(), nulls }
        }
    }

    #[test]
    fn a_quarter_is_constant_within_its_days_only() {
        let label = evaluated(quarter().call(vec![col("day")]));
        let constant = |lower, upper, nulls| label.constant(days(lower, upper, nulls)).unwrap();
        assert_eq!(constant(0, 89, Nulls::None), Some(ScalarValue::from("Q1")));
        assert_eq!(constant(0, 90, Nulls::None), None);
        assert_eq!(constant(0, 89, Nulls::Some), None);
        assert_eq!(constant(0, 1 << 20, Nulls::None), None);
    }

    #[test]
    fn instants_are_looked_at_day_by_day() {
        let at = |upper: i64| {
            let bounds = [0, upper].map(|it| ScalarValue::TimestampMicrosecond(Some(it), None));
            let bounds = Some(bounds.into());
            let data_type = DataType::Timestamp(TimeUnit::Microsecond, None);
            move |_| Domain { data_type: data_type.clone(), bounds: bounds.clone(), nulls: Nulls::None }
        };
        let quarter_micros = 90 * 86_400_000_000;
        let label = evaluated(quarter().call(vec![col("at")]));
        assert_eq!(label.constant(at(quarter_micros - 1)).unwrap(), Some(ScalarValue::from("Q1")));
        assert_eq!(label.constant(at(quarter_micros)).unwrap(), None);
        // The instant itself shows beside the day.
        let both = evaluated(quarter().call(vec![col("at")]).eq(lit("Q1")).and(col("at").is_not_null()));
        assert!(!both.is_true(at(quarter_micros - 1)).unwrap());
    }

    #[test]
    fn conditions_hold_for_every_row_or_not() {
        let early = evaluated(col("day").lt(lit(ScalarValue::Date32(Some(100)))));
        assert!(early.is_true(days(-1_000_000, 99, Nulls::None)).unwrap());
        assert!(!early.is_true(days(0, 100, Nulls::None)).unwrap());
        assert!(!early.is_true(days(0, 99, Nulls::Some)).unwrap());
        let odd = evaluated(col("day").not_eq(lit(ScalarValue::Date32(Some(50)))));
        assert!(!odd.is_true(days(0, 99, Nulls::None)).unwrap());
        assert!(odd.is_true(days(51, 99, Nulls::None)).unwrap());
    }

    #[test]
    fn text_is_compared_by_its_bounds_and_never_enumerated() {
        let names = |lower: &str, upper: &str| {
            let bounds = Some((ScalarValue::from(lower), ScalarValue::from(upper)));
            move |_| Domain { data_type: DataType::Utf8, bounds: bounds.clone(), nulls: Nulls::None }
        };
        let condition = evaluated(col("name").gt_eq(lit("b")));
        assert!(condition.is_true(names("b", "z")).unwrap());
        assert!(!condition.is_true(names("a", "z")).unwrap());
        let long = evaluated(col("name").like(lit("b%")));
        assert!(!long.is_true(names("b", "bz")).unwrap());
        assert!(long.is_true(names("bz", "bz")).unwrap());
    }

    #[test]
    fn what_fails_for_a_value_is_not_proved() {
        let bad =
            evaluated((lit(1_i32) / datafusion::logical_expr::cast(col("day"), DataType::Int32)).gt_eq(lit(0_i32)));
        assert!(!bad.is_true(days(0, 3, Nulls::None)).unwrap());
        assert!(bad.is_true(days(1, 3, Nulls::None)).unwrap());
    }
}
