//! What the user's filters have to do with the batches: which they keep, and whether they keep them whole.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_optimizer::pruning::PruningPredicate;
use iceberg::spec::Transform;

use super::Batch;
use super::by::{BatchBy, BatchColumn};
use crate::error::{Error, ErrorKind, Result};

/// Whether the filters look at nothing but the value that all rows of a batch have in common: then they pick batches of one
/// and the same migration, and no batch is cut.
pub(crate) fn selects_batches(filters: &[Expr], by: &BatchBy) -> bool {
    let column = match by {
        BatchBy::Field { column, transform: Transform::Identity } => column.as_str(),
        _ => "",
    };
    let is_of_column = |filter: &Expr| filter.column_refs().iter().all(|it| it.name == column);
    filters.iter().all(|filter| is_plannable(filter) && is_of_column(filter))
}

/// Whether the filters, which only look at the batch's value, keep the batch.
///
/// # Errors
/// Filters that cannot be evaluated.
pub(crate) fn selected(batch: &Batch, filters: &[Expr], by: &BatchBy, state: &dyn Session) -> Result<bool> {
    let (BatchBy::Field { column, .. }, Some(value)) = (by, &batch.value) else { return Ok(filters.is_empty()) };
    let Some(filter) = conjunction(filters.iter().map(unqualified)) else { return Ok(true) };
    let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new(column, value.data_type(), true)]));
    let physical = state.create_physical_expr(filter, &DFSchema::try_from(Arc::clone(&schema))?)?;
    let row = RecordBatch::try_new(schema, vec![value.to_array()?])?;
    let kept = physical.evaluate(&row)?.into_array(1)?;
    match kept.as_boolean_opt() {
        Some(kept) => Ok(kept.is_valid(0) && kept.value(0)),
        None => {
            Err(Error::new(ErrorKind::Sql, format!("a filter is of type {}, expected a truth value", kept.data_type())))
        }
    }
}

/// The filters that can be planned without the rest of the query, to prune by. The others are applied to the rows.
pub(super) fn plannable(filters: &[Expr]) -> Vec<Expr> {
    filters.iter().filter(|filter| is_plannable(filter)).map(unqualified).collect()
}

fn is_plannable(filter: &Expr) -> bool {
    let is_of_query = |expr: &Expr| {
        matches!(expr, Expr::Exists(_) | Expr::InSubquery(_) | Expr::ScalarSubquery(_) | Expr::OuterReferenceColumn(..))
    };
    !filter.is_volatile() && !filter.exists(|expr| Ok(is_of_query(expr))).unwrap_or(true)
}

/// There is one table only, whatever the query calls it.
fn unqualified(filter: &Expr) -> Expr {
    let renamed = filter.clone().transform(|expr| {
        Ok(match expr {
            Expr::Column(Column { relation: Some(_), name, .. }) => {
                Transformed::yes(Expr::Column(Column::new_unqualified(name)))
            }
            other => Transformed::no(other),
        })
    });
    renamed.map_or_else(|_| filter.clone(), |renamed| renamed.data)
}

/// Keeps the batches that may have rows for which the filters hold.
pub(super) struct Chooser<'a> {
    filters: &'a [Expr],
    by: &'a BatchBy,
    column: &'a BatchColumn,
    state: &'a dyn Session,
    picks: bool,
}

impl<'a> Chooser<'a> {
    pub fn new(filters: &'a [Expr], by: &'a BatchBy, column: &'a BatchColumn, state: &'a dyn Session) -> Self {
        Self { filters, by, column, state, picks: selects_batches(filters, by) }
    }

    /// Whether what is kept is kept whole.
    pub fn is_exact(&self) -> bool {
        self.picks
    }

    pub fn choose(&self, batches: Vec<Batch>) -> Result<Vec<Batch>> {
        let keep = if self.picks {
            let keep = batches.iter().map(|batch| selected(batch, self.filters, self.by, self.state));
            keep.collect::<Result<Vec<_>>>()?
        } else {
            self.may_match(&batches)?
        };
        Ok(batches.into_iter().zip(keep).filter(|(_, keep)| *keep).map(|(batch, _)| batch).collect())
    }

    /// For each batch whether rows with its value may match, by the same rules that prune files.
    fn may_match(&self, batches: &[Batch]) -> Result<Vec<bool>> {
        let all = vec![true; batches.len()];
        let ([name], Some((own, _))) = (self.column.path.as_slice(), self.values(batches)) else { return Ok(all) };
        let schema = Arc::new(Schema::new(vec![Field::new(name, own.data_type().clone(), true)]));
        let of_column =
            plannable(self.filters).into_iter().filter(|it| it.column_refs().iter().all(|it| it.name == *name));
        let Some(filter) = conjunction(of_column) else { return Ok(all) };
        let physical = self.state.create_physical_expr(filter, &DFSchema::try_from(Arc::clone(&schema))?)?;
        let Ok(predicate) = PruningPredicate::try_new(physical, schema) else { return Ok(all) };
        Ok(predicate.prune(&Values { chooser: self, batches, name }).unwrap_or(all))
    }

    /// The first and the last value of each batch; NULL where they are not known.
    fn values(&self, batches: &[Batch]) -> Option<(ArrayRef, ArrayRef)> {
        let ends = batches.iter().map(|batch| match &batch.value {
            Some(value) if !value.is_null() => self.column.ends(value),
            _ => (None, None),
        });
        let (lower, upper): (Vec<_>, Vec<_>) = ends.unzip();
        let own = lower.iter().chain(&upper).flatten().next()?.data_type();
        Some((array(lower, &own)?, array(upper, &own)?))
    }
}

fn array(values: Vec<Option<ScalarValue>>, of: &DataType) -> Option<ArrayRef> {
    let null = ScalarValue::try_from(of).ok()?;
    ScalarValue::iter_to_array(values.into_iter().map(|value| value.unwrap_or_else(|| null.clone()))).ok()
}

/// The batches as containers of rows.
struct Values<'a> {
    chooser: &'a Chooser<'a>,
    batches: &'a [Batch],
    name: &'a str,
}

impl PruningStatistics for Values<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.chooser.values(self.batches).filter(|_| column.name == self.name).map(|(lower, _)| lower)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.chooser.values(self.batches).filter(|_| column.name == self.name).map(|(_, upper)| upper)
    }

    fn num_containers(&self) -> usize {
        self.batches.len()
    }

    /// A batch has one row here: either it is NULL or not.
    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let is_null = |batch: &Batch| u64::from(batch.value.as_ref().is_some_and(ScalarValue::is_null));
        let counts: UInt64Array = self.batches.iter().map(|batch| Some(is_null(batch))).collect();
        (column.name == self.name).then(|| Arc::new(counts) as _)
    }

    fn row_counts(&self, column: &Column) -> Option<ArrayRef> {
        let ones = UInt64Array::from(vec![1; self.batches.len()]);
        (column.name == self.name).then(|| Arc::new(ones) as _)
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
