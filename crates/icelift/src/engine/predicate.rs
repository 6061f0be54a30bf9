//! The condition of a DELETE, and what it says of rows that stay.
//!
//! What must hold: the condition has the same value for a row however often it is asked, because files are looked at first and
//! written later; a row goes only if the condition is TRUE, so that one for which it is NULL stays.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::logical_expr::expr::{Between, InList};
use datafusion::logical_expr::expr_rewriter::unnormalize_col;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator, Volatility, lit};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;

use super::simplify::simplify;
use crate::catalog::IcebergTable;
use crate::error::{Error, ErrorKind, Result, Stage};

/// The condition of `SELECT * FROM table WHERE condition`, on the bare columns of the table, with the time of now.
///
/// # Errors
/// Subqueries, and functions that have another value each time.
pub(super) fn of_query(query: &LogicalPlan, table: &IcebergTable, state: &SessionState) -> Result<Expr> {
    let mut found = None;
    query.apply(|node| {
        Ok(match node {
            LogicalPlan::Filter(filter) => {
                found = Some(filter.predicate.clone());
                TreeNodeRecursion::Stop
            }
            _ => TreeNodeRecursion::Continue,
        })
    })?;
    let condition = found.ok_or_else(|| Error::new(ErrorKind::Internal, "the condition was lost"))?;
    refuse(
        &condition,
        |part| matches!(part, Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_)),
        || {
            Error::new(ErrorKind::Unsupported, "the condition has a subquery")
                .hint("write out the values, or CREATE TABLE … AS with the rows that stay")
        },
    )?;
    let schema = datafusion::catalog::TableProvider::schema(table);
    let schema = Arc::new(DFSchema::try_from(schema)?);
    let context = SimplifyContext::default()
        .with_schema(Arc::clone(&schema))
        .with_config_options(Arc::clone(state.config_options()))
        .with_current_time();
    let simplifier = ExprSimplifier::new(context);
    let coerced = simplifier.coerce(unnormalize_col(condition), &schema)?;
    let folded = simplify(coerced, &simplifier, &schema)?.data;
    let is_unsteady = |part: &Expr| match part {
        Expr::ScalarFunction(call) => call.func.signature().volatility != Volatility::Immutable,
        _ => false,
    };
    refuse(&folded, is_unsteady, || {
        Error::new(
            ErrorKind::Unsupported,
            "the condition has a function with another value each time, such as random()",
        )
        .hint("CREATE TABLE … AS with the rows that stay takes any condition")
    })?;
    Ok(folded)
}

fn refuse(condition: &Expr, is_refused: impl Fn(&Expr) -> bool, error: impl Fn() -> Error) -> Result<()> {
    if condition.exists(|part| Ok(is_refused(part)))? {
        return Err(error().stage(Stage::Select));
    }
    Ok(())
}

/// What holds for every row for which the condition is not TRUE, and perhaps for others: to prove that a file has none.
pub(super) fn of_rows_that_stay(condition: &Expr) -> Expr {
    not(condition, Truth::True)
}

/// What a condition is not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Truth {
    True,
    False,
}

impl Truth {
    fn other(self) -> Self {
        match self {
            Truth::True => Truth::False,
            Truth::False => Truth::True,
        }
    }
}

/// What holds where the expression is not `truth`: the other one, or NULL.
fn not(expr: &Expr, truth: Truth) -> Expr {
    match expr {
        Expr::Not(inner) => not(inner, truth.other()),
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let (left, right) = (not(left, truth), not(right, truth));
            // A conjunction is not TRUE if one side is not, and not FALSE if both are not.
            if (*op == Operator::And) == (truth == Truth::True) { left.or(right) } else { left.and(right) }
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (operator(*op, truth), columns(&[left, right])) {
            (Some(op), Some(columns)) => {
                or_null(Expr::BinaryExpr(BinaryExpr { left: left.clone(), op, right: right.clone() }), columns)
            }
            _ => lit(true),
        },
        Expr::InList(InList { expr: item, list, negated }) => {
            let parts: Vec<&Expr> = list.iter().chain([item.as_ref()]).collect();
            match columns(&parts) {
                Some(columns) => {
                    let negated = *negated != (truth == Truth::True);
                    or_null(Expr::InList(InList { expr: item.clone(), list: list.clone(), negated }), columns)
                }
                None => lit(true),
            }
        }
        Expr::Between(Between { expr: item, negated, low, high }) => match columns(&[item, low, high]) {
            Some(columns) => {
                let negated = *negated != (truth == Truth::True);
                let between = Between { expr: item.clone(), negated, low: low.clone(), high: high.clone() };
                or_null(Expr::Between(between), columns)
            }
            None => lit(true),
        },
        // Never NULL themselves.
        Expr::IsNull(inner) if truth == Truth::True => Expr::IsNotNull(inner.clone()),
        Expr::IsNotNull(inner) if truth == Truth::True => Expr::IsNull(inner.clone()),
        Expr::IsNull(_) | Expr::IsNotNull(_) => expr.clone(),
        Expr::Column(_) => {
            let value = if truth == Truth::True { Expr::Not(Box::new(expr.clone())) } else { expr.clone() };
            value.or(Expr::IsNull(Box::new(expr.clone())))
        }
        Expr::Literal(ScalarValue::Boolean(Some(value)), _) => lit(*value != (truth == Truth::True)),
        _ => lit(true),
    }
}

/// The comparison that holds where `op` does not, or the same one.
fn operator(op: Operator, truth: Truth) -> Option<Operator> {
    let negated = match op {
        Operator::Eq => Operator::NotEq,
        Operator::NotEq => Operator::Eq,
        Operator::Lt => Operator::GtEq,
        Operator::LtEq => Operator::Gt,
        Operator::Gt => Operator::LtEq,
        Operator::GtEq => Operator::Lt,
        _ => return None,
    };
    Some(if truth == Truth::True { negated } else { op })
}

/// The columns that must be NULL for one of these to be so; `None` if it can be NULL otherwise.
fn columns(parts: &[&Expr]) -> Option<Vec<Expr>> {
    let mut found = Vec::new();
    for part in parts {
        match part {
            Expr::Column(_) => found.push((*part).clone()),
            Expr::Literal(value, _) if !value.is_null() => {}
            Expr::Cast(cast) => found.extend(columns(&[&cast.expr])?),
            _ => return None,
        }
    }
    Some(found)
}

fn or_null(expr: Expr, columns: Vec<Expr>) -> Expr {
    columns.into_iter().fold(expr, |expr, column| expr.or(Expr::IsNull(Box::new(column))))
}

#[cfg(test)]
mod tests;
