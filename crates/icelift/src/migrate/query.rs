//! What a migration's SELECT may be: each row of the source gives at most one row of the target, the same one every time.
//!
//! Batches are copied at different times, on different machines, some of them twice. Only a query that looks at one row and
//! at nothing else gives the same rows whichever way they are cut.

use std::collections::BTreeSet;

use arrow::datatypes::{FieldRef, Schema};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};

use crate::error::{Error, ErrorKind, Result, Stage};

/// Fails unless the plan reads one table and maps its rows one by one.
///
/// # Errors
/// Aggregates, windows, joins, subqueries, limits, and functions such as `random()` and `now()`.
pub(super) fn check_row_by_row(plan: &LogicalPlan) -> Result<()> {
    let refused = |what: &str| {
        Error::new(ErrorKind::Unsupported, format!("MIGRATE copies row by row, its SELECT cannot have {what}"))
            .stage(Stage::Select)
            .hint("CREATE TABLE … AS and INSERT INTO take any query")
    };
    let mut found = None;
    plan.apply(|node| {
        found = match node {
            LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::TableScan(_)
            | LogicalPlan::SubqueryAlias(_) => node.expressions().iter().find_map(refused_in),
            LogicalPlan::Aggregate(_) => Some("aggregates"),
            LogicalPlan::Window(_) => Some("window functions"),
            LogicalPlan::Unnest(_) => Some("unnest()"),
            _ => Some("more than columns and a filter"),
        };
        Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    found.map_or(Ok(()), |what| Err(refused(what)))
}

fn refused_in(expr: &Expr) -> Option<&'static str> {
    let mut found = None;
    let walked = expr.apply(|part| {
        found = match part {
            Expr::ScalarFunction(call) => match call.func.signature().volatility {
                Volatility::Immutable => None,
                // The current time among them: another one for each batch.
                Volatility::Stable => Some("functions that depend on when they run, such as now()"),
                Volatility::Volatile => Some("functions with another value each time, such as random()"),
            },
            Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) => Some("subqueries"),
            _ => None,
        };
        Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    walked.ok().and(found)
}

/// The names of the plan's columns that are more than a column of the same name.
pub(super) fn computed(plan: &LogicalPlan) -> BTreeSet<String> {
    let LogicalPlan::Projection(projection) = plan else { return BTreeSet::new() };
    let named = projection.expr.iter().zip(plan.schema().fields());
    let is_computed = |(expr, field): &(&Expr, &FieldRef)| !matches!((*expr).clone().unalias(), Expr::Column(column) if column.name == *field.name());
    named.filter(is_computed).map(|(_, field)| field.name().clone()).collect()
}

/// The target's columns, as indices, that are the source's of the same name as they are, in the order of the source: what a
/// fingerprint for other engines is taken of.
pub(super) fn copied(source: &Schema, target: &Schema, computed: &BTreeSet<String>) -> Vec<usize> {
    let names = source.fields().iter().map(|field| field.name()).filter(|name| !computed.contains(*name));
    names.filter_map(|name| target.index_of(name).ok()).collect()
}

/// The conditions of the plan's filters, each of which must hold.
pub(super) fn filters(plan: &LogicalPlan) -> Result<Vec<Expr>> {
    let mut found = Vec::new();
    plan.apply(|node| {
        if let LogicalPlan::Filter(filter) = node {
            found.extend(split_conjunction_owned(filter.predicate.clone()));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    found.into_iter().map(unqualified).collect()
}

/// The condition on the bare columns of the source.
fn unqualified(expr: Expr) -> Result<Expr> {
    use datafusion::common::Column;
    use datafusion::common::tree_node::Transformed;
    let bare = expr.transform(|part| match part {
        Expr::Column(column) if column.relation.is_some() => {
            Ok(Transformed::yes(Expr::Column(Column::from_name(column.name))))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(bare.data)
}
