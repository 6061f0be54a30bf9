//! A query that takes the rows of one scan one by one, as what it computes for each: a column of the scan, or something else.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result as DataFusionResult, internal_datafusion_err};
use datafusion::physical_expr::utils::split_conjunction;
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::expressions::Column;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, Partitioning, PhysicalExpr};

use crate::pipeline::scan::IcebergScan;

type Expr = Arc<dyn PhysicalExpr>;

/// What a plan computes from each row of a scan, and which rows it keeps.
#[derive(Debug, Clone)]
pub(super) struct Query {
    /// An [`IcebergScan`].
    pub scan: Arc<dyn ExecutionPlan>,
    /// The columns that come out, over those of the scan.
    pub exprs: Vec<Expr>,
    /// All of them must be true of a row that comes out.
    pub filters: Vec<Expr>,
}

impl Query {
    /// Reads the plan from its scan up. `None` where it does more: joins, aggregates, limits, or something that may change
    /// from row to row.
    pub fn of(plan: &Arc<dyn ExecutionPlan>) -> Option<Self> {
        let query = read(plan)?;
        let all = query.exprs.iter().chain(&query.filters);
        if all.into_iter().any(is_volatile) { None } else { Some(query) }
    }
}

fn read(plan: &Arc<dyn ExecutionPlan>) -> Option<Query> {
    if let Some(scan) = plan.as_any().downcast_ref::<IcebergScan>() {
        return (!scan.is_limited()).then(|| all_columns(plan));
    }
    let [child] = plan.children()[..] else { return None };
    if plan.fetch().is_some() {
        return None;
    }
    let below = read(child)?;
    if let Some(projection) = plan.as_any().downcast_ref::<ProjectionExec>() {
        let exprs = projection.expr().iter().map(|it| over(&it.expr, &below.exprs).ok());
        return Some(Query { exprs: exprs.collect::<Option<_>>()?, ..below });
    }
    if let Some(filter) = plan.as_any().downcast_ref::<FilterExec>() {
        return filtered(filter, below);
    }
    passes_rows_on(plan).then_some(below)
}

fn all_columns(scan: &Arc<dyn ExecutionPlan>) -> Query {
    let schema = scan.schema();
    let columns = schema.fields().iter().enumerate();
    let exprs = columns.map(|(index, field)| Arc::new(Column::new(field.name(), index)) as Expr).collect();
    Query { scan: Arc::clone(scan), exprs, filters: Vec::new() }
}

fn filtered(filter: &FilterExec, below: Query) -> Option<Query> {
    let Query { scan, exprs: columns, mut filters } = below;
    let predicate = over(filter.predicate(), &columns).ok()?;
    filters.extend(split_conjunction(&predicate).into_iter().cloned());
    let exprs = match filter.projection() {
        Some(kept) => kept.iter().map(|index| columns.get(*index).cloned()).collect::<Option<_>>()?,
        None => columns,
    };
    Some(Query { scan, exprs, filters })
}

/// Whether every row that goes in comes out as it is.
fn passes_rows_on(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let any = plan.as_any();
    any.is::<CooperativeExec>()
        || any
            .downcast_ref::<RepartitionExec>()
            .is_some_and(|it| matches!(it.partitioning(), Partitioning::RoundRobinBatch(_)))
}

/// The expression with the columns of a plan replaced by what they are.
fn over(expr: &Expr, columns: &[Expr]) -> DataFusionResult<Expr> {
    let replaced = Arc::clone(expr).transform_up(|node| {
        let Some(column) = node.as_any().downcast_ref::<Column>() else { return Ok(Transformed::no(node)) };
        let is = columns.get(column.index()).ok_or_else(|| internal_datafusion_err!("no column {}", column.index()))?;
        // Not looked into again: its columns are those of the scan already.
        Ok(Transformed::yes(Arc::clone(is)))
    });
    replaced.data()
}
