//! Simplifies expressions as DataFusion does, and keeps SQL's three values.
//!
//! DataFusion 53 puts lists of one value together as if it were never NULL: it makes FALSE of `n IN (0) AND n IN (1)`, which is NULL
//! where `n` is, and TRUE of `n NOT IN (0) OR n NOT IN (1)`. Behind a NOT the first lets rows through as well. What must hold:
//! an expression has the same of the three values for every row before and after, in conditions and in what is selected.
//!
//! Lists are found by looking at two sides of an AND or OR, and come out of much: of `=`, of patterns, of BETWEEN, of functions.
//! So each truth value that is no AND, OR or NOT is put into a function of ours first, behind which DataFusion simplifies it
//! alone; behind the simplification it is taken out again. `=` and IN of one column between ORs stay one list: of a union
//! nothing is wrong.

mod atom;

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DFSchemaRef, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::optimizer::{ApplyOrder, Optimizer, OptimizerConfig, OptimizerRule};

type Rule = Arc<dyn OptimizerRule + Send + Sync>;

/// The rules of DataFusion, with this one in the place of its own.
pub(super) fn optimizer_rules() -> Vec<Rule> {
    let exact = |rule: Rule| -> Rule {
        match rule.name() {
            NAME => Arc::new(SimplifyExactly),
            _ => rule,
        }
    };
    Optimizer::new().rules.into_iter().map(exact).collect()
}

/// The name of DataFusion's rule.
const NAME: &str = "simplify_expressions";

#[derive(Debug)]
struct SimplifyExactly;

impl OptimizerRule for SimplifyExactly {
    fn name(&self) -> &str {
        NAME
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let schema = columns_of(&plan)?;
        let context = SimplifyContext::default()
            .with_schema(Arc::clone(&schema))
            .with_config_options(config.options())
            .with_query_execution_start_time(config.query_execution_start_time());
        // The sides of a join's pairs are in the order of its inputs.
        let simplifier = ExprSimplifier::new(context).with_canonicalize(!matches!(plan, LogicalPlan::Join(_)));
        let names = NamePreserver::new(&plan);
        let simplified = |expr: Expr| {
            let name = names.save(&expr);
            Ok(simplify(expr, &simplifier, &schema)?.update_data(|expr| name.restore(expr)))
        };
        plan.map_expressions(|expr| match expr {
            // Its parts have names, it has none.
            Expr::GroupingSet(_) => expr.map_children(simplified),
            expr => simplified(expr),
        })
    }
}

/// The columns that a plan's expressions see: those of its inputs, of a scan those of the whole table.
fn columns_of(plan: &LogicalPlan) -> Result<DFSchemaRef> {
    let inputs = plan.inputs();
    Ok(match plan {
        _ if !inputs.is_empty() => Arc::new(merge_schema(&inputs)),
        LogicalPlan::TableScan(scan) => {
            Arc::new(DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?)
        }
        _ => Arc::new(DFSchema::empty()),
    })
}

/// The expression as simple as it gets with the same values.
pub(super) fn simplify(expr: Expr, simplifier: &ExprSimplifier, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let simple = |expr| Ok(simplifier.simplify_with_cycle_count_transformed(expr)?.0);
    if !expr.exists(|part| Ok(combines(part)))? {
        return simple(expr);
    }
    let before = expr.clone();
    let after = atom::unwrapped(simple(wrapped(expr, schema)?)?.data)?;
    let changed = after != before;
    Ok(Transformed::new_transformed(after, changed))
}

/// Whether the expression puts truth values together, or is made an AND or OR.
fn combines(expr: &Expr) -> bool {
    atom::is_and_or(expr) || matches!(expr, Expr::Case(_))
}

/// The expression with its truth values in functions.
fn wrapped(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let lists = |part: Expr| {
        Ok(match atom::is_one_list(&part) {
            true => Transformed::new(atom::wrap(part), true, TreeNodeRecursion::Jump),
            false => Transformed::no(part),
        })
    };
    let others = |part: Expr| {
        Ok(match is_atom(&part, schema) {
            true => Transformed::yes(atom::wrap(part)),
            false => Transformed::no(part),
        })
    };
    Ok(expr.transform_down_up(lists, others)?.data)
}

/// Whether DataFusion may make a list of the expression.
fn is_atom(expr: &Expr, schema: &DFSchema) -> bool {
    match expr {
        Expr::BinaryExpr(binary) => !atom::is_and_or(expr) && (binary.op.negate().is_some() || is_truth(expr, schema)),
        Expr::InList(_) | Expr::Between(_) | Expr::Like(_) | Expr::SimilarTo(_) => true,
        Expr::ScalarFunction(call) => !atom::is_wrapper(call) && is_truth(expr, schema),
        _ => false,
    }
}

fn is_truth(expr: &Expr, schema: &DFSchema) -> bool {
    matches!(expr.get_type(schema), Ok(DataType::Boolean))
}

#[cfg(test)]
mod tests;
