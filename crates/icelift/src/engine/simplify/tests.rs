//! Conditions against a model of three values: where they are selected, where they filter, where they are turned around.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::Engine;
use crate::engine::three_values::{Condition, Row, condition, number};

/// Every number beside every word.
fn table() -> Vec<Row> {
    let numbers = [None, Some(-1), Some(0), Some(1), Some(2), Some(3), Some(4)];
    let words = [None, Some(""), Some("a"), Some("b"), Some("c")];
    let all = numbers.iter().flat_map(|n| words.iter().map(move |w| (*n, w.map(str::to_string))));
    (0..).zip(all).map(|(id, (n, w))| (id, n, w)).collect()
}

async fn engine(rows: &[Row]) -> Engine {
    let engine = Engine::builder().parallelism(1).build().await.unwrap();
    let text = |(id, n, w): &Row| {
        format!(
            "({id}, {}, {})",
            number(n),
            w.as_ref().map_or("CAST(NULL AS STRING)".to_string(), |w| format!("'{w}'"))
        )
    };
    let values = rows.iter().map(text).collect::<Vec<_>>().join(", ");
    let columns = "CAST(id AS BIGINT) AS id, CAST(n AS INT) AS n, w";
    let statement = format!("CREATE TABLE t AS SELECT {columns} FROM (VALUES {values}) AS v (id, n, w)");
    engine.run(&statement).await.unwrap().collect().await.unwrap();
    engine
}

async fn rows(engine: &Engine, query: &str) -> Vec<RecordBatch> {
    match engine.run(query).await {
        Ok(rows) => rows.collect().await.unwrap_or_else(|error| panic!("{query}: {error}")),
        Err(error) => panic!("{query}: {error}"),
    }
}

async fn ids(engine: &Engine, condition: &str) -> Vec<i64> {
    let batches = rows(engine, &format!("SELECT id FROM t WHERE {condition} ORDER BY id")).await;
    batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
}

async fn check(engine: &Engine, table: &[Row], condition: &Condition) -> Result<(), TestCaseError> {
    let values: Vec<_> = table.iter().map(|row| condition.of(row)).collect();
    let mut found = Vec::new();
    for batch in rows(engine, &format!("SELECT {condition} AS c FROM t ORDER BY id")).await {
        let column = batch.column(0).as_boolean();
        found.extend((0..column.len()).map(|row| column.is_valid(row).then(|| column.value(row))));
    }
    prop_assert_eq!(found, values.clone(), "{}", condition);
    for (text, wanted) in [(condition.to_string(), true), (format!("NOT ({condition})"), false)] {
        let expected: Vec<_> = (0..).zip(&values).filter(|(_, value)| **value == Some(wanted)).map(|it| it.0).collect();
        prop_assert_eq!(ids(engine, &text).await, expected, "{}", text);
    }
    Ok(())
}

#[test]
fn conditions_keep_their_three_values() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let table = table();
    let engine = runtime.block_on(engine(&table));
    // PROPTEST_CASES asks for more of them.
    let config = Config { failure_persistence: None, ..Config::default() };
    let ran =
        TestRunner::new(config).run(&condition(), |condition| runtime.block_on(check(&engine, &table, &condition)));
    ran.unwrap();
}

#[tokio::test]
async fn lists_of_one_column_keep_null() {
    let engine = engine(&table()).await;
    for text in [
        "n IN (0) AND n IN (CAST(NULL AS INT))",
        "n IN (0, 1) AND n IN (2, 3)",
        "(n = 0 OR n = 1) AND (n = 2 OR n = 3)",
        "n BETWEEN 0 AND 0 AND n IN (1, 2) AND n IN (3, 4, 1)",
        "array_has([0, 1], n) AND n IN (2)",
        "n IN (0) AND n NOT IN (0)",
    ] {
        // Five rows have no number: neither the condition nor its opposite is TRUE for them.
        assert!(ids(&engine, &format!("NOT ({text})")).await.iter().all(|id| *id >= 5), "{text}");
        assert!(ids(&engine, &format!("({text}) IS NULL")).await.starts_with(&[0, 1, 2, 3, 4]), "{text}");
    }
    let numbers: Vec<i64> = (5..35).collect();
    assert_eq!(ids(&engine, "n NOT IN (0) OR n NOT IN (1)").await, numbers);
    assert!(ids(&engine, "n IN (0, 1) AND n NOT IN (2, CAST(NULL AS INT))").await.is_empty());
}

#[tokio::test]
async fn what_is_simple_is_simplified() {
    let engine = engine(&table()).await;
    // Behind the condition what it becomes, and how often it names the number.
    for (condition, simple, times) in [
        ("n = 1 OR n = 2 OR n = 3 OR n = 4 OR n = 0", "t.n IN 1, 2, 3, 4, 0", 1),
        ("NOT (n IN (1, 2, 3, 4)) AND w = 'a'", "t.n NOT IN 1, 2, 3, 4", 1),
        ("(n = 1 AND w = 'a') OR (n = 1 AND w = 'b')", "t.w = \"a\" OR t.w = \"b\"", 1),
        ("CAST(n AS BIGINT) = 1 AND (w = 'a' OR 1 = 1)", "t.n = 1", 1),
        ("n IN (1 + 1) OR (w = 'a' AND 1 = 2)", "t.n = 2", 1),
        ("NOT (n < 1 AND w = 'a')", "t.n >= 1 OR t.w != \"a\"", 1),
    ] {
        let plan = rows(&engine, &format!("EXPLAIN FORMAT INDENT SELECT id FROM t WHERE {condition}")).await;
        let text = plan[0].column(1).as_string::<i32>().value(0).to_string();
        let filter = text.lines().find_map(|line| line.trim().strip_prefix("Filter: ")).unwrap_or_default();
        let plain = ["Int32", "Utf8View", "Utf8", "(", ")", "[", "]"]
            .iter()
            .fold(filter.to_string(), |text, mark| text.replace(mark, ""));
        assert!(plain.contains(simple) && plain.matches("t.n").count() == times, "{condition}: {text}");
    }
}
