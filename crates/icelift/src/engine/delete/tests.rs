//! DELETE against a model: random rows with NULLs in random files, random conditions.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int32Type, Int64Type, UInt64Type};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::engine::three_values::{Condition, Row, condition, number};
use crate::pipeline::warehouse::Warehouse;

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
    // PROPTEST_CASES asks for more of them.
    let config = Config { failure_persistence: None, ..Config::default() };
    let config = Config { cases: config.cases / 4, ..config };
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
            format!("({id}, {}, {})", number(n), w.as_ref().map_or("NULL".to_string(), |w| format!("'{w}'")))
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
