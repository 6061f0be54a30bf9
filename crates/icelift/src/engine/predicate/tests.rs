use arrow::array::{Array, AsArray, BooleanArray, Int32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{col, lit};
use datafusion::prelude::SessionContext;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

fn batch() -> RecordBatch {
    let values = [None, Some(-1), Some(0), Some(1), Some(2)];
    let flags = [None, Some(true), Some(false)];
    let (mut a, mut b, mut c) = (Vec::new(), Vec::new(), Vec::new());
    for x in values {
        for y in values {
            for z in flags {
                a.push(x);
                b.push(y);
                c.push(z);
            }
        }
    }
    let fields = ["a", "b"].map(|name| Field::new(name, DataType::Int32, true));
    let schema = Schema::new(vec![fields[0].clone(), fields[1].clone(), Field::new("c", DataType::Boolean, true)]);
    let columns = vec![
        Arc::new(Int32Array::from(a)) as _,
        Arc::new(Int32Array::from(b)) as _,
        Arc::new(BooleanArray::from(c)) as _,
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn values(expr: &Expr, rows: &RecordBatch) -> Vec<Option<bool>> {
    let schema = DFSchema::try_from(rows.schema()).unwrap();
    let physical = SessionContext::new().state().create_physical_expr(expr.clone(), &schema).unwrap();
    let array = physical.evaluate(rows).unwrap().into_array(rows.num_rows()).unwrap();
    let array = array.as_boolean();
    (0..array.len()).map(|row| array.is_valid(row).then(|| array.value(row))).collect()
}

fn condition() -> impl Strategy<Value = Expr> {
    let operand = || {
        prop_oneof![
            Just(col("a")),
            Just(col("b")),
            (-1..3).prop_map(lit),
            Just(lit(datafusion::common::ScalarValue::Int32(None)))
        ]
    };
    let comparison = (operand(), 0..6_usize, operand()).prop_map(|(left, op, right)| {
        let op = [Operator::Eq, Operator::NotEq, Operator::Lt, Operator::LtEq, Operator::Gt, Operator::GtEq][op];
        Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op, right: Box::new(right) })
    });
    let list = (operand(), prop::collection::vec(operand(), 1..3), any::<bool>())
        .prop_map(|(item, list, negated)| Expr::InList(InList { expr: Box::new(item), list, negated }));
    let between = (operand(), operand(), operand(), any::<bool>()).prop_map(|(item, low, high, negated)| {
        Expr::Between(Between { expr: Box::new(item), negated, low: Box::new(low), high: Box::new(high) })
    });
    let leaf = prop_oneof![
        comparison,
        list,
        between,
        operand().prop_map(|operand| Expr::IsNull(Box::new(operand))),
        operand().prop_map(|operand| Expr::IsNotNull(Box::new(operand))),
        Just(col("c")),
        any::<bool>().prop_map(lit),
        Just(Expr::IsNotTrue(Box::new(col("c")))),
    ];
    leaf.prop_recursive(4, 24, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(left, right)| left.and(right)),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| left.or(right)),
            inner.prop_map(|inner| Expr::Not(Box::new(inner))),
        ]
    })
}

/// No row that stays is overlooked: were one, its file would be dropped whole.
#[test]
fn what_stays_is_never_overlooked() {
    let rows = batch();
    let config = Config { cases: 600, failure_persistence: None, ..Config::default() };
    let ran = TestRunner::new(config).run(&condition(), |condition| {
        let goes = values(&condition, &rows);
        let stays = values(&of_rows_that_stay(&condition), &rows);
        for (row, (goes, stays)) in goes.iter().zip(&stays).enumerate() {
            prop_assert!(*goes == Some(true) || *stays == Some(true), "row {row} of {condition}");
        }
        Ok(())
    });
    ran.unwrap();
}

/// And it is no excuse: of simple conditions exactly the rows that stay are told.
#[test]
fn simple_conditions_are_told_exactly() {
    let rows = batch();
    for condition in [
        col("a").gt(lit(0)),
        col("a").eq(lit(1)).and(col("b").lt_eq(lit(0))),
        Expr::Not(Box::new(col("a").eq(col("b")))),
        col("a").is_null().or(col("c")),
        col("a").in_list(vec![lit(0), lit(2)], false),
        col("a").in_list(vec![lit(0), lit(2)], true),
        col("b").between(lit(0), lit(1)),
        !col("c"),
    ] {
        let goes = values(&condition, &rows);
        let stays = values(&of_rows_that_stay(&condition), &rows);
        let exact = goes.iter().zip(&stays).all(|(goes, stays)| (*goes == Some(true)) != (*stays == Some(true)));
        assert!(exact, "{condition}");
    }
}
