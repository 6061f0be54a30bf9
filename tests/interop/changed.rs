//! Tables that are changed in place, by us, and read by others after each change.

use std::fs::File;
use std::path::Path;

use arrow::ipc::writer::FileWriter;
use icelift::Engine;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::python::{agree, ask};
use super::{run_all, with_target};
use crate::support;

/// PyIceberg 0.12 cannot tell a NULL list of structs from an empty one, so such columns have values here.
const TABLE: &str = "CREATE TABLE r2.default.t (id BIGINT NOT NULL, n INT, f FLOAT, price DECIMAL(7, 2), s STRUCT<x: INT, y: STRING>, \
     l LIST<STRUCT<z: INT>>, m MAP<STRING, INT>, d DATE) PARTITIONED BY (bucket(2, n))";

/// Rows with these ids, for the columns that the table has at first.
const FIRST_ROWS: &str = "INSERT INTO r2.default.t SELECT value, CAST(value % 7 AS INT), CAST(value AS FLOAT) / 4, \
     CAST(value AS DECIMAL(7, 2)), named_struct('x', CAST(value AS INT), 'y', 'y' || value), \
     make_array(named_struct('z', CAST(value AS INT))), MAP {'k': CAST(5 AS INT)}, \
     DATE '2024-01-01' + CAST(value AS INT) FROM generate_series(0, 40)";

/// Each is followed by a look at the table by all readers.
const CHANGES: [&str; 14] = [
    "ADD COLUMNS (extra STRING AFTER id, s.w DATE FIRST)",
    "RENAME COLUMN n TO number",
    "ALTER COLUMN number TYPE bigint",
    "ALTER COLUMN f TYPE double",
    "ALTER COLUMN price TYPE decimal(20, 2)",
    "RENAME COLUMN s.x TO x2",
    "ALTER COLUMN s.x2 TYPE bigint",
    "ALTER COLUMN l.element.z TYPE bigint",
    "ALTER COLUMN m.value TYPE bigint",
    "ALTER COLUMN d FIRST",
    "DROP COLUMN s.y",
    "ADD COLUMN s.y INT",
    "DROP COLUMN extra",
    "ADD COLUMN extra INT",
];

/// Rows for the columns that the table has after all changes.
const LAST_ROWS: &str = "INSERT INTO r2.default.t SELECT DATE '2025-01-01', 100 + value, 5000000000 + value, CAST(value AS DOUBLE) / 3, \
     CAST('123456789012345678.25' AS DECIMAL(20, 2)), \
     named_struct('w', DATE '2025-02-01', 'x2', 5000000000, 'y', CAST(value AS INT)), \
     make_array(named_struct('z', 5000000000)), MAP {'k': 5000000000}, CAST(value AS INT) FROM generate_series(0, 5)";

pub(super) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("interop::changed::layout", layout),
        Trial::test("interop::changed::pyiceberg_goes_on", pyiceberg_goes_on),
        Trial::test("interop::changed::rows_of_others", rows_of_others),
    ];
    for version in ["1", "2", "3"] {
        trials.push(Trial::test(format!("interop::changed::columns_of_format_{version}"), move || columns(version)));
        trials.push(Trial::test(format!("interop::changed::specs_of_format_{version}"), move || specs(version)));
    }
    trials
}

/// We, PyIceberg and DuckDB see the same rows. Returns how many.
async fn all_agree(engine: &Engine, target: &Path, readers: &[&str]) -> Result<usize, Failed> {
    agree_on(engine, target, "t", readers).await
}

async fn agree_on(engine: &Engine, target: &Path, table: &str, readers: &[&str]) -> Result<usize, Failed> {
    let scratch = tempfile::tempdir()?;
    let (schema, batches) = support::run(engine, &format!("SELECT * FROM r2.default.{table}")).await?;
    let file = scratch.path().join("rows.arrow");
    let mut writer = FileWriter::try_new(File::create(&file)?, &schema)?;
    for batch in &batches {
        writer.write(batch)?;
    }
    writer.finish()?;
    agree(json!({"do": "same_rows", "target": target, "table": table, "file": &file, "readers": readers}))?;
    Ok(batches.iter().map(|batch| batch.num_rows()).sum())
}

fn described(target: &Path) -> Result<Value, Failed> {
    ask(json!({"do": "layout", "target": target, "table": "t"}))
}

fn columns(version: &str) -> Result<(), Failed> {
    let target = tempfile::tempdir()?;
    support::block_on(async {
        let engine = with_target(target.path()).await?;
        let create = format!("{TABLE} TBLPROPERTIES ('format-version' = '{version}')");
        run_all(&engine, &[create, FIRST_ROWS.to_owned()]).await?;
        let readers = ["pyiceberg", "duckdb"];
        for change in CHANGES {
            support::run(&engine, &format!("ALTER TABLE r2.default.t {change}")).await?;
            let rows = all_agree(&engine, target.path(), &readers).await;
            let rows = rows.map_err(|failed| format!("{change}: {}", failed.message().unwrap_or_default()))?;
            if rows != 41 {
                return Err(format!("{rows} rows after {change}").into());
            }
        }
        support::run(&engine, LAST_ROWS).await?;
        let rows = all_agree(&engine, target.path(), &readers).await?;
        let old = "SELECT sum(number), sum(f), sum(price), sum(s['x2']), count(s['y']), count(extra), sum(l[1]['z']), sum(m['k']) \
                   FROM r2.default.t WHERE id < 100";
        let found = support::rows(&engine, old).await?;
        let expected = ["120", "205.0", "820.00", "820", "0", "0", "820", "205"];
        if (rows, &found) != (47, &vec![expected.map(str::to_owned).to_vec()]) {
            return Err(format!("{rows} rows; of the old ones {found:?}").into());
        }
        Ok(())
    })
}

/// Partition fields come and go between inserts; every row is found by its partition value.
fn specs(version: &str) -> Result<(), Failed> {
    let target = tempfile::tempdir()?;
    support::block_on(async {
        let engine = with_target(target.path()).await?;
        let insert = |start: usize| {
            format!(
                "INSERT INTO r2.default.t SELECT value, CASE WHEN value % 5 = 0 THEN NULL ELSE CAST(value % 5 AS INT) END, \
                 DATE '2024-01-01' + CAST(value * 20 AS INT), 'v' || (value % 3) FROM generate_series({start}, {})",
                start + 9
            )
        };
        let create = "CREATE TABLE r2.default.t (id BIGINT, n INT, d DATE, v STRING) PARTITIONED BY (n)";
        run_all(&engine, &[format!("{create} TBLPROPERTIES ('format-version' = '{version}')"), insert(0)]).await?;
        let changes = [
            "ADD PARTITION FIELD month(d)",
            "DROP PARTITION FIELD n",
            "REPLACE PARTITION FIELD d_month WITH year(d)",
            "ADD PARTITION FIELD truncate(1, v) AS first_letter",
            "ADD PARTITION FIELD n",
            "ALTER COLUMN n TYPE bigint",
        ];
        for (round, change) in changes.into_iter().enumerate() {
            support::run(&engine, &format!("ALTER TABLE r2.default.t {change}")).await?;
            support::run(&engine, &insert(10 * (round + 1))).await?;
            let rows = all_agree(&engine, target.path(), &["pyiceberg", "duckdb"]).await;
            let rows = rows.map_err(|failed| format!("{change}: {}", failed.message().unwrap_or_default()))?;
            if rows != 10 * (round + 2) {
                return Err(format!("{rows} rows after {change}").into());
            }
        }
        for (filter, expected) in
            [("n = 3", "14"), ("n IS NULL", "14"), ("d < DATE '2024-07-01'", "10"), ("v = 'v1'", "23")]
        {
            let found = support::rows(&engine, &format!("SELECT count(*) FROM r2.default.t WHERE {filter}")).await?;
            if found != [[expected]] {
                return Err(format!("{filter}: {found:?}, expected {expected}").into());
            }
        }
        Ok(())
    })
}

/// What PyIceberg reads of spec, order, identifier fields and properties is what the statements say.
fn layout() -> Result<(), Failed> {
    let target = tempfile::tempdir()?;
    support::block_on(async {
        let engine = with_target(target.path()).await?;
        let alter = |change: &str| format!("ALTER TABLE r2.default.t {change}");
        let statements = [
            "CREATE TABLE r2.default.t (id BIGINT NOT NULL, d DATE, v STRING)".to_owned(),
            alter("ADD PARTITION FIELD bucket(16, id)"),
            alter("ADD PARTITION FIELD months(d) AS m"),
            alter("WRITE ORDERED BY d DESC, bucket(4, id) ASC NULLS LAST"),
            alter("SET IDENTIFIER FIELDS id"),
            alter("SET TBLPROPERTIES ('owner' = 'me', 'format-version' = '3')"),
            alter("ADD COLUMN w INT COMMENT 'wide'"),
        ];
        run_all(&engine, &statements).await?;
        let found = described(target.path())?;
        let expected = json!({
            "spec": ["id_bucket_16: bucket[16] of 1", "m: month of 2"],
            "specs": 3,
            "order": ["2 DESC NULLS LAST", "bucket[4](1) ASC NULLS LAST"],
            "identifiers": ["id"],
            "properties": {"owner": "me", "write.distribution-mode": "range"},
            "last_column_id": 4,
            "format_version": 3,
        });
        if found == expected { Ok(()) } else { Err(format!("found {found}, expected {expected}").into()) }
    })
}

/// PyIceberg writes on after our changes, and evolves the table further; we read all of it.
fn pyiceberg_goes_on() -> Result<(), Failed> {
    let target = tempfile::tempdir()?;
    support::block_on(async {
        let engine = with_target(target.path()).await?;
        let alter = |change: &str| format!("ALTER TABLE r2.default.t {change}");
        let insert =
            "INSERT INTO r2.default.t SELECT value, CAST(value % 3 AS INT) FROM generate_series(1, 30)".to_owned();
        let statements = [
            "CREATE TABLE r2.default.t (id BIGINT, n INT)".to_owned(),
            insert,
            alter("ADD PARTITION FIELD n"),
            alter("ALTER COLUMN n TYPE bigint"),
            alter("RENAME COLUMN id TO number"),
            alter("ADD COLUMN note STRING FIRST"),
        ];
        run_all(&engine, &statements).await?;
        ask(json!({"do": "append_by_pyiceberg", "target": target.path(), "table": "t"}))?;
        ask(json!({"do": "add_column", "folder": target.path(), "table": "t", "name": "late"}))?;
        support::run(&engine, &alter("ADD COLUMN later INT")).await?;
        support::run(&engine, "INSERT INTO r2.default.t VALUES ('x', 99, 7, 5, 8)").await?;
        let rows = all_agree(&engine, target.path(), &["pyiceberg", "duckdb"]).await?;
        let found =
            support::rows(&engine, "SELECT count(*), sum(number), count(note) FROM r2.default.t WHERE n < 7").await?;
        if (rows, &found) == (61, &vec![["60", "930", "0"].map(str::to_owned).to_vec()]) {
            Ok(())
        } else {
            Err(format!("{rows} rows, {found:?}").into())
        }
    })
}

/// Tables of all kinds by PyIceberg and by hand, with deletes of all kinds: we delete rows and whole files of them, and the
/// others see what we see.
fn rows_of_others() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let names = ask(json!({"do": "write_sources", "folder": folder.path()}))?;
    let names: Vec<_> = names.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let failures = support::block_on(async {
        let engine = support::engine(&[("r2", folder.path())]).await?;
        let (mut failures, mut changed) = (Vec::new(), 0);
        for name in names {
            match deleted(&engine, folder.path(), name).await {
                Ok(rows) => changed += rows,
                Err(failed) => failures.push(format!("{name}: {}", failed.message().unwrap_or_default())),
            }
        }
        if changed < 1000 {
            failures.push(format!("only {changed} rows were deleted in all tables together"));
        }
        Ok(failures)
    })?;
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

/// Deletes a third of the rows by their ids, and compares. Returns how many they were.
async fn deleted(engine: &Engine, folder: &Path, name: &str) -> Result<usize, Failed> {
    let table = format!("r2.default.{name}");
    let described = support::rows(engine, &format!("DESCRIBE {table}")).await?;
    let is_number = |row: &Vec<String>| row[0] == "id" && row[1].starts_with("Int");
    if !described.iter().any(is_number) {
        return Ok(0);
    }
    let of = async |filter: &str| {
        let rows = support::rows(engine, &format!("SELECT count(*) FROM {table} WHERE {filter}")).await?;
        Ok::<usize, Failed>(rows[0][0].parse()?)
    };
    let (before, doomed) = (of("true").await?, of("id % 3 = 1").await?);
    let (_, answer) = support::run(engine, &format!("DELETE FROM {table} WHERE id % 3 = 1")).await?;
    let (after, told) = (of("true").await?, support::texts(&answer)?);
    if (after, &told) != (before - doomed, &vec![vec![doomed.to_string()]]) {
        return Err(format!("{before} rows less {doomed} are {after}, told {told:?}").into());
    }
    let readers = ask(json!({"do": "readers_of", "folder": folder, "source": name}))?;
    let readers: Vec<_> = readers.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    agree_on(engine, folder, name, &readers).await?;
    Ok(doomed)
}
