//! DELETE against a model: random rows with NULLs in random files, random conditions.

use std::fmt;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int32Type, Int64Type, UInt64Type};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::pipeline::warehouse::Warehouse;

type Row = (i64, Option<i32>, Option<String>);

/// A condition, as SQL and as what it means.
#[derive(Debug, Clone)]
enum Condition {
    Id(&'static str, i64),
    Number(&'static str, Option<i32>),
    Word(&'static str, &'static str),
    NumberIn(Vec<Option<i32>>),
    NumberIsNull,
    WordIsNull,
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |value: &Option<i32>| value.map_or("CAST(NULL AS INT)".to_string(), |value| value.to_string());
        match self {
            Self::Id(op, value) => write!(f, "id {op} {value}"),
            Self::Number(op, value) => write!(f, "n {op} {}", number(value)),
            Self::Word(op, value) => write!(f, "w {op} '{value}'"),
            Self::NumberIn(list) => write!(f, "n IN ({})", list.iter().map(number).collect::<Vec<_>>().join(", ")),
            Self::NumberIsNull => write!(f, "n IS NULL"),
            Self::WordIsNull => write!(f, "w IS NULL"),
            Self::Not(inner) => write!(f, "NOT ({inner})"),
            Self::And(left, right) => write!(f, "({left}) AND ({right})"),
            Self::Or(left, right) => write!(f, "({left}) OR ({right})"),
        }
    }
}

fn compared<T: PartialOrd + ?Sized>(left: &T, op: &str, right: &T) -> bool {
    match op {
        "=" => left == right,
        "<>" => left != right,
        "<" => left < right,
        "<=" => left <= right,
        ">" => left > right,
        _ => left >= right,
    }
}

impl Condition {
    /// SQL's three values.
    fn of(&self, row: &Row) -> Option<bool> {
        match self {
            Self::Id(op, value) => Some(compared(&row.0, op, value)),
            Self::Number(op, value) => Some(compared(&row.1?, op, &(*value)?)),
            Self::Word(op, value) => Some(compared(row.2.as_ref()?.as_str(), op, *value)),
            Self::NumberIn(list) => {
                let number = row.1?;
                match (list.contains(&Some(number)), list.contains(&None)) {
                    (true, _) => Some(true),
                    (false, true) => None,
                    (false, false) => Some(false),
                }
            }
            Self::NumberIsNull => Some(row.1.is_none()),
            Self::WordIsNull => Some(row.2.is_none()),
            Self::Not(inner) => inner.of(row).map(|value| !value),
            Self::And(left, right) => match (left.of(row), right.of(row)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Or(left, right) => match (left.of(row), right.of(row)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
        }
    }
}

fn condition() -> impl Strategy<Value = Condition> {
    let ops = || prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">="]);
    let number = || prop_oneof![4 => (-1..5_i32).prop_map(Some), 1 => Just(None)];
    let word = prop::sample::select(vec!["", "a", "b", "c"]);
    let leaf = prop_oneof![
        (ops(), 0..60_i64).prop_map(|(op, value)| Condition::Id(op, value)),
        (ops(), number()).prop_map(|(op, value)| Condition::Number(op, value)),
        (ops(), word).prop_map(|(op, value)| Condition::Word(op, value)),
        prop::collection::vec(number(), 1..4).prop_map(Condition::NumberIn),
        Just(Condition::NumberIsNull),
        Just(Condition::WordIsNull),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| Condition::Not(Box::new(inner))),
            (inner.clone(), inner.clone()).prop_map(|(l, r)| Condition::And(Box::new(l), Box::new(r))),
            (inner.clone(), inner).prop_map(|(l, r)| Condition::Or(Box::new(l), Box::new(r))),
        ]
    })
}

fn row() -> impl Strategy<Value = (Option<i32>, Option<String>)> {
    let word = prop::sample::select(vec!["", "a", "b", "c"]).prop_map(str::to_string);
    (prop::option::weighted(0.8, 0..4_i32), prop::option::weighted(0.8, word))
}

/// How the table is partitioned, the rows of each INSERT, the DELETEs.
type Case = (&'static str, Vec<Vec<(Option<i32>, Option<String>)>>, Vec<Condition>);

fn case() -> impl Strategy<Value = Case> {
    let clause = prop::sample::select(vec![
        "",
        "PARTITIONED BY (n)",
        "PARTITIONED BY (bucket(2, id), w)",
        "PARTITIONED BY (truncate(10, id))",
    ]);
    let inserts = prop::collection::vec(prop::collection::vec(row(), 1..12), 1..4);
    (clause, inserts, prop::collection::vec(condition(), 1..4))
}

#[test]
fn what_stays_is_what_the_model_keeps() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = Config { cases: 60, failure_persistence: None, ..Config::default() };
    let ran = TestRunner::new(config).run(&case(), |case| runtime.block_on(check(case)));
    ran.unwrap();
}

async fn check((clause, inserts, deletes): Case) -> Result<(), TestCaseError> {
    let warehouse = Warehouse::new().await;
    warehouse.run(&format!("CREATE TABLE r2.default.t (id BIGINT, n INT, w STRING) {clause}")).await;
    let mut model: Vec<Row> = Vec::new();
    for rows in inserts {
        let first = model.len() as i64;
        model.extend((first..).zip(rows).map(|(id, (n, w))| (id, n, w)));
        let text = |(id, n, w): &Row| {
            let n = n.map_or("CAST(NULL AS INT)".to_string(), |n| n.to_string());
            format!("({id}, {n}, {})", w.as_ref().map_or("NULL".to_string(), |w| format!("'{w}'")))
        };
        let values: Vec<_> = model.iter().filter(|row| row.0 >= first).map(text).collect();
        warehouse.run(&format!("INSERT INTO r2.default.t VALUES {}", values.join(", "))).await;
    }
    for condition in deletes {
        let goes = model.iter().filter(|row| condition.of(row) == Some(true)).count() as u64;
        model.retain(|row| condition.of(row) != Some(true));
        let answer = warehouse.run(&format!("DELETE FROM r2.default.t WHERE {condition}")).await;
        prop_assert_eq!(answer[0].column(0).as_primitive::<UInt64Type>().value(0), goes, "{}", condition);
        let found = rows(&warehouse).await;
        prop_assert_eq!(&found, &model, "{}", condition);
    }
    Ok(())
}

async fn rows(warehouse: &Warehouse) -> Vec<Row> {
    let mut found = Vec::new();
    for batch in warehouse.run("SELECT id, n, w FROM r2.default.t ORDER BY id").await {
        let (ids, numbers) = (batch.column(0).as_primitive::<Int64Type>(), batch.column(1).as_primitive::<Int32Type>());
        let words = batch.column(2).as_string::<i32>();
        found.extend((0..batch.num_rows()).map(|row| {
            let n = numbers.is_valid(row).then(|| numbers.value(row));
            (ids.value(row), n, words.is_valid(row).then(|| words.value(row).to_string()))
        }));
    }
    found
}
