//! A truth value that DataFusion simplifies alone: it stands in a function that gives it back.

use std::any::Any;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result, internal_err};
use datafusion::logical_expr::expr::{Between, InList, Like, ScalarFunction};
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};

static ATOM: LazyLock<Arc<ScalarUDF>> =
    LazyLock::new(|| Arc::new(ScalarUDF::from(Atom { signature: Signature::any(1, Volatility::Immutable) })));

/// The function that gives its argument back. It is in no session and in no plan that leaves the rule.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Atom {
    signature: Signature,
}

impl ScalarUDFImpl for Atom {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &str {
        "icelift_atom"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    /// NULL where the argument is.
    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), DataType::Boolean, nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.into_iter().next() {
            Some(value) => Ok(value),
            None => internal_err!("a truth value was lost"),
        }
    }
}

pub(super) fn wrap(expr: Expr) -> Expr {
    Expr::ScalarFunction(ScalarFunction { func: Arc::clone(&ATOM), args: vec![expr] })
}

pub(super) fn is_wrapper(call: &ScalarFunction) -> bool {
    call.func.inner().as_any().is::<Atom>()
}

/// The expression without the functions.
pub(super) fn unwrapped(expr: Expr) -> Result<Expr> {
    let unwrap = |part: Expr| {
        Ok(match part {
            Expr::ScalarFunction(mut call) if is_wrapper(&call) => match call.args.pop() {
                Some(value) => Transformed::yes(value),
                None => return internal_err!("a truth value was lost"),
            },
            Expr::Not(inner) => Transformed::yes(negated(*inner)),
            part => Transformed::no(part),
        })
    };
    Ok(expr.transform_up(unwrap)?.data)
}

pub(super) fn is_and_or(expr: &Expr) -> bool {
    matches!(expr, Expr::BinaryExpr(BinaryExpr { op: Operator::And | Operator::Or, .. }))
}

/// Whether the expression is one list of a column: `=` and IN with literals, and these between ORs.
pub(super) fn is_one_list(expr: &Expr) -> bool {
    list_column(expr).is_some()
}

fn list_column(expr: &Expr) -> Option<&Column> {
    let (mut column, mut rest) = (None, expr);
    // Long chains of ORs lean to the left.
    while let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) = rest {
        let right = list_column(right)?;
        if *column.get_or_insert(right) != right {
            return None;
        }
        rest = left.as_ref();
    }
    let first = match rest {
        Expr::InList(InList { expr, list, negated: false }) => {
            let is_literal = list.iter().all(|item| matches!(item, Expr::Literal(..)));
            expr.try_as_col().filter(|_| is_literal)
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => match (left.as_ref(), right.as_ref()) {
            (Expr::Column(column), Expr::Literal(..)) | (Expr::Literal(..), Expr::Column(column)) => Some(column),
            _ => None,
        },
        _ => None,
    }?;
    column.is_none_or(|column| column == first).then_some(first)
}

/// What is TRUE where the expression is FALSE, FALSE where it is TRUE, and NULL where it is: without a NOT if there is such.
fn negated(expr: Expr) -> Expr {
    let not = |part: Box<Expr>| Box::new(negated(*part));
    match expr {
        Expr::Not(inner) => *inner,
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            Expr::BinaryExpr(BinaryExpr { left: not(left), op: Operator::Or, right: not(right) })
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            Expr::BinaryExpr(BinaryExpr { left: not(left), op: Operator::And, right: not(right) })
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op.negate() {
            Some(op) => Expr::BinaryExpr(BinaryExpr { left, op, right }),
            None => Expr::Not(Box::new(Expr::BinaryExpr(BinaryExpr { left, op, right }))),
        },
        Expr::InList(list) => Expr::InList(InList { negated: !list.negated, ..list }),
        Expr::Between(between) => Expr::Between(Between { negated: !between.negated, ..between }),
        Expr::Like(like) => Expr::Like(Like { negated: !like.negated, ..like }),
        other => Expr::Not(Box::new(other)),
    }
}
