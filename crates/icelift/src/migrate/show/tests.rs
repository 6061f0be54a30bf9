//! What is known of batches while a migration is under way.

use serde_json::json;
use uuid::Uuid;

use super::{BatchRow, batch_rows, batches};
use crate::migrate::register::{Detail, MIXED_SCHEMAS, Pin, Register, Words};
use crate::pipeline::verify::Fingerprint;

fn detail(key: &str, pin: i64) -> Detail {
    let detail = json!({
        "key": key, "pin": pin, "source": "", "files": 1, "bytes": 10, "schema": 0, "snapshot": 100,
        "print": Fingerprint { rows: 5, sum: 7 }, "attempt": Uuid::from_u128(1),
    });
    serde_json::from_value(detail).unwrap()
}

/// A register of the pin 2 in which so many of four batches are done.
fn register(done: u32) -> Register {
    let pin = Pin { round: 2, snapshot: Some(2), schema: 0 };
    let mut register = Register::new("src.n.t".to_string(), Uuid::nil(), Words::default(), pin, Uuid::nil());
    register.batches = 4;
    (0..done).for_each(|number| register.done.count_in(number, &detail("x", 2)));
    register
}

fn shown(register: &Register, details: &[Detail]) -> Vec<String> {
    let rows = batches("00000000000000ff".parse().unwrap(), register, details.to_vec());
    rows.iter().map(|BatchRow { batch, state, .. }| format!("{batch} {state}")).collect()
}

#[test]
fn batches_of_an_earlier_round_may_have_changed() {
    let (a, b, c, d) = (detail("a", 1), detail("b", 1), detail("c", 2), detail("d", 2));
    // Which one of `a` and `b` is as it was, the source would tell.
    let details = [a.clone(), b.clone(), c.clone()];
    assert_eq!(shown(&register(2), &details), ["a earlier", "b earlier", "c done", "(pending) 2 batches"]);
    assert_eq!(shown(&register(3), &details), ["a done", "b done", "c done", "(pending) 1 batch"]);
    assert_eq!(shown(&register(4), &[a, b, c, d]), ["a done", "b done", "c done", "d done"]);
    assert_eq!(shown(&register(0), &[]), ["(pending) 4 batches"]);
}

#[test]
fn what_is_not_known_is_null() {
    let mixed = Detail { schema: MIXED_SCHEMAS, attempt: Uuid::nil(), pin: None, ..detail("b", 1) };
    let rows = batches("00000000000000ff".parse().unwrap(), &register(2), vec![detail("a", 2), mixed]);
    let rows = batch_rows(&rows).unwrap();
    let nulls = |name: &str| rows.column_by_name(name).unwrap().null_count();
    let names = rows.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    let found: Vec<_> = names.iter().map(|name| (name.as_str(), nulls(name))).collect();
    let expected = [("batch", 0), ("state", 0), ("rows", 1), ("files", 1), ("bytes", 1), ("fingerprint", 2)];
    assert_eq!(found[..6], expected);
    assert_eq!(found[6..], [("source_snapshot", 2), ("snapshot", 1), ("attempt", 2), ("job", 0)]);
}

/// The rows of the answer without what differs from run to run.
async fn rows(engine: &crate::Engine, sql: &str, without: &[&str]) -> Vec<String> {
    use arrow::util::display::{ArrayFormatter, FormatOptions};
    let mut found = Vec::new();
    for batch in engine.run(sql).await.unwrap().collect().await.unwrap() {
        let schema = batch.schema();
        let shown = schema.fields().iter().filter(|field| !without.contains(&field.name().as_str()));
        let options = FormatOptions::default().with_null("NULL");
        let columns = shown.map(|field| batch.column_by_name(field.name()).unwrap().as_ref());
        let columns: Vec<_> = columns.map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        let row = |row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join(" | ");
        found.extend((0..batch.num_rows()).map(row));
    }
    found
}

#[tokio::test]
async fn a_migration_half_way_and_finished() {
    let folder = tempfile::tempdir().unwrap();
    let engine = async |failpoints: &str| {
        let failpoints = crate::Failpoints::parse(failpoints, |_| {}).unwrap();
        let engine = crate::Engine::builder().failpoints(failpoints).build().await.unwrap();
        for name in ["src", "dst"] {
            let warehouse = folder.path().join(name).display().to_string();
            engine.run(&format!("ATTACH '{warehouse}' AS {name} (TYPE local)")).await.unwrap();
        }
        engine
    };
    let (whole, stopped) = (engine("").await, engine("batch.before_write:error:2").await);
    for sql in [
        "CREATE SCHEMA src.n",
        "CREATE SCHEMA dst.n",
        "CREATE TABLE src.n.t PARTITIONED BY (year) AS
         SELECT value AS id, CAST(2019 + value % 3 AS INT) AS year FROM generate_series(1, 30)",
        "CREATE TABLE dst.n.other (id INT)",
    ] {
        whole.run(sql).await.unwrap().collect().await.unwrap();
    }
    let migrate =
        "MIGRATE TABLE src.n.t TO dst.n.t SELECT id, year WHERE id > 3 BATCH BY year WITH (verify 'metadata')";
    assert!(stopped.run(migrate).await.unwrap().collect().await.is_err());
    let chance = ["job", "bytes", "source_snapshot", "snapshot", "fingerprint", "attempt"];
    let all = async || rows(&whole, "SHOW MIGRATIONS", &chance).await;
    let one = async || rows(&whole, "SHOW MIGRATION dst.n.t", &chance).await;
    let words = "SELECT id,year WHERE id>3 BATCH BY year";
    let spaceless =
        |rows: Vec<String>| rows.into_iter().map(|row| row.replace(", ", ",").replace(" > ", ">")).collect::<Vec<_>>();
    assert_eq!(spaceless(all().await), [format!("dst.n.t | src.n.t | running | 3 | 1 | 9 | 1 | 1 | {words}")]);
    assert_eq!(one().await, ["year=2019 | done | 9 | 1", "(pending) | 2 batches | NULL | NULL"]);
    whole.run(migrate).await.unwrap().collect().await.unwrap();
    assert_eq!(spaceless(all().await), [format!("dst.n.t | src.n.t | finished | 3 | 3 | 27 | 3 | 1 | {words}")]);
    assert_eq!(one().await, ["year=2019 | done | 9 | 1", "year=2020 | done | 9 | 1", "year=2021 | done | 9 | 1"]);
    assert_eq!(rows(&whole, "SHOW MIGRATIONS FROM dst.n", &chance).await.len(), 1);
    assert_eq!(rows(&whole, "SHOW MIGRATIONS FROM src", &chance).await.len(), 0);
    // A table that cannot be read does not keep others from being shown.
    let metadata = folder.path().join("dst/n/other/metadata");
    for file in std::fs::read_dir(metadata).unwrap() {
        std::fs::write(file.unwrap().path(), "{").unwrap();
    }
    assert_eq!(all().await.len(), 1);
}
