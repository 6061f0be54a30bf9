//! Other engines and we read each other's tables.
//!
//! `tests/python/sources.py` writes source tables once per run, with PyIceberg and by hand, and knows their rows. We read each
//! of them, migrate each of them into a local catalog, and let PyIceberg and DuckDB read the result; `audit.py` compares what
//! we wrote with the specification.

mod changed;
mod filters;
mod fingerprints;
mod inspected;
mod maintenance;
mod python;
mod rewrite;

use std::fs::File;
use std::path::Path;

use arrow::ipc::writer::FileWriter;
use icelift::Engine;
use libtest_mimic::{Failed, Trial};
use serde_json::json;

use crate::support;
use python::{agree, sources};

pub(crate) use inspected::compare;
pub(crate) use python::ask;

/// Removes the tables of the trials and ends Python.
pub(crate) fn clean_up() {
    rewrite::clean_up();
    python::clean_up();
}

/// The names of the source tables, so that there is a trial for each before Python has run.
const SOURCES: &str = include_str!("python/sources.txt");

/// What a table can be partitioned by: a name for the trial and the words of the statement.
const PARTITIONINGS: [(&str, &str); 30] = [
    ("identity_int", "id"),
    ("identity_long", "n"),
    ("identity_string", "s"),
    ("identity_date", "d"),
    ("identity_timestamp", "ts"),
    ("identity_timestamptz", "tz"),
    ("identity_decimal", "price"),
    ("identity_binary", "b"),
    ("identity_boolean", "flag"),
    ("bucket_int", "bucket(4, id)"),
    ("bucket_long", "bucket(4, n)"),
    ("bucket_string", "bucket(4, s)"),
    ("bucket_date", "bucket(4, d)"),
    ("bucket_timestamp", "bucket(4, ts)"),
    ("bucket_timestamptz", "bucket(4, tz)"),
    ("bucket_decimal", "bucket(4, price)"),
    ("bucket_uuid", "bucket(4, u)"),
    ("bucket_binary", "bucket(4, b)"),
    ("truncate_int", "truncate(10, id)"),
    ("truncate_long", "truncate(10, n)"),
    ("truncate_string", "truncate(2, s)"),
    ("truncate_decimal", "truncate(100, price)"),
    ("truncate_binary", "truncate(1, b)"),
    ("year_date", "year(d)"),
    ("month_date", "months(d)"),
    ("day_date", "day(d)"),
    ("year_timestamp", "years(ts)"),
    ("hour_timestamp", "hour(ts)"),
    ("hour_timestamptz", "hours(tz)"),
    ("several", "year(d), bucket(2, id), flag"),
];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("interop::sources::are_listed", sources_are_listed),
        Trial::test("interop::sources::are_what_others_read", sources_are_what_others_read),
        Trial::test("interop::append_by_pyiceberg", append_by_pyiceberg),
        Trial::test("interop::two_inserts_two_snapshots", two_inserts_two_snapshots),
    ];
    for name in SOURCES.lines() {
        trials.push(trial(format!("interop::read::{name}"), move || read(name)));
        trials.push(trial(format!("interop::migrate::{name}"), move || migrate(name)));
    }
    for (name, clause) in PARTITIONINGS {
        trials.push(trial(format!("interop::partition_by::{name}"), move || partition_by(clause)));
    }
    for source in ["drive_stats", "drive_stats_hive"] {
        trials.push(trial(format!("interop::headline::{source}"), move || headline(source)));
    }
    for (codec, in_file) in [("snappy", "SNAPPY"), ("zstd", "ZSTD"), ("gzip", "GZIP"), ("uncompressed", "UNCOMPRESSED")]
    {
        trials.push(trial(format!("interop::codec::{codec}"), move || codec_of(codec, in_file)));
    }
    trials.extend(changed::trials());
    trials.extend(filters::trials());
    trials.extend(fingerprints::trials());
    trials.extend(rewrite::trials());
    trials.extend(maintenance::trials());
    trials.extend(inspected::trials());
    trials
}

fn trial(name: String, body: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
    Trial::test(name, body)
}

/// The list that names the trials is the one that the script writes.
fn sources_are_listed() -> Result<(), Failed> {
    let mut written = sources()?.names.clone();
    let mut listed: Vec<_> = SOURCES.lines().map(str::to_owned).collect();
    written.sort();
    listed.sort();
    if written == listed {
        Ok(())
    } else {
        Err(format!("sources.txt lists {listed:?}, sources.py wrote {written:?}").into())
    }
}

/// The expectations are no invention of ours: readers that get a table right see the same rows.
fn sources_are_what_others_read() -> Result<(), Failed> {
    let sources = sources()?;
    agree(json!({"do": "check_sources", "folder": &sources.folder, "names": &sources.names}))
}

/// We read every row of a source table, with the right values, and count them right without reading them.
fn read(source: &str) -> Result<(), Failed> {
    let sources = sources()?;
    support::block_on(async {
        let scratch = tempfile::tempdir()?;
        let engine = support::engine(&[("glue", &sources.folder)]).await?;
        let (schema, batches) = support::run(&engine, &format!("SELECT * FROM glue.default.{source}")).await?;
        let rows: usize = batches.iter().map(|batch| batch.num_rows()).sum();
        let count = support::rows(&engine, &format!("SELECT count(*) FROM glue.default.{source}")).await?;
        if count != [[rows.to_string()]] {
            return Err(format!("count(*) says {count:?}, the table has {rows} rows").into());
        }
        let file = scratch.path().join("rows.arrow");
        let mut writer = FileWriter::try_new(File::create(&file)?, &schema)?;
        for batch in &batches {
            writer.write(batch)?;
        }
        writer.finish()?;
        agree(json!({"do": "compare_arrow", "folder": &sources.folder, "source": source, "file": &file}))
    })
}

/// A target catalog in a folder of its own, next to the sources.
async fn with_target(folder: &Path) -> Result<Engine, Failed> {
    let engine = support::engine(&[("glue", &sources()?.folder), ("r2", folder)]).await?;
    support::run(&engine, "CREATE SCHEMA r2.default").await?;
    Ok(engine)
}

async fn run_all(engine: &Engine, statements: &[String]) -> Result<(), Failed> {
    for statement in statements {
        support::run(engine, statement).await?;
    }
    Ok(())
}

/// Everything of a source arrives: the rows as two other engines read them, the metadata as the specification has it.
fn migrate(source: &str) -> Result<(), Failed> {
    let sources = sources()?;
    let target = tempfile::tempdir()?;
    let empty = support::block_on(async {
        let engine = with_target(target.path()).await?;
        let statements = [
            format!("CREATE TABLE r2.default.{source} LIKE glue.default.{source}"),
            format!("INSERT INTO r2.default.{source} SELECT * FROM glue.default.{source}"),
        ];
        run_all(&engine, &statements).await?;
        let count = support::rows(&engine, &format!("SELECT count(*) FROM r2.default.{source}")).await?;
        Ok(count == [["0"]])
    })?;
    let target = target.path();
    agree(json!({"do": "read_back", "folder": &sources.folder, "source": source, "target": target, "table": source}))?;
    // An INSERT of no rows may commit an empty snapshot or none; it must not write a file.
    let snapshots = if empty { json!(null) } else { json!(1) };
    agree(json!({"do": "check_metadata", "target": target, "table": source, "snapshots": snapshots}))
}

/// Every row lies in the partition that PyIceberg computes for it.
fn partition_by(clause: &str) -> Result<(), Failed> {
    let target = tempfile::tempdir()?;
    let source = "by_void_long";
    support::block_on(async {
        let engine = with_target(target.path()).await?;
        let create =
            format!("CREATE TABLE r2.default.t PARTITIONED BY ({clause}) AS SELECT * FROM glue.default.{source}");
        run_all(&engine, &[create]).await
    })?;
    let target = target.path();
    agree(json!({"do": "read_back", "folder": &sources()?.folder, "source": source, "target": target, "table": "t"}))?;
    agree(json!({"do": "check_metadata", "target": target, "table": "t"}))
}

const HEADLINE_TABLE: &str = "CREATE TABLE r2.default.t (date DATE, serial_number STRING, model STRING, capacity_bytes BIGINT, \
     failure INT, smart_5_raw BIGINT, year INT, quarter STRING) PARTITIONED BY (year, quarter)";

/// The statement that the project is about, from a table as Glue has it and from one migrated out of Hive.
fn headline(source: &str) -> Result<(), Failed> {
    let target = tempfile::tempdir()?;
    support::block_on(async {
        let engine = with_target(target.path()).await?;
        let insert =
            format!("INSERT INTO r2.default.t SELECT *, quarter(date) FROM glue.default.{source} WHERE year = 2019");
        run_all(&engine, &[HEADLINE_TABLE.to_owned(), insert]).await?;
        let count = support::rows(&engine, "SELECT count(*), count(DISTINCT quarter) FROM r2.default.t").await?;
        if count == [["365", "4"]] { Ok(()) } else { Err(format!("rows and quarters are {count:?}").into()) }
    })?;
    let (folder, target) = (&sources()?.folder, target.path());
    agree(json!({"do": "headline", "folder": folder, "source": source, "target": target, "table": "t", "year": 2019}))?;
    agree(json!({"do": "check_metadata", "target": target, "table": "t"}))
}

fn codec_of(codec: &str, in_file: &str) -> Result<(), Failed> {
    let target = tempfile::tempdir()?;
    support::block_on(async {
        let engine = with_target(target.path()).await?;
        let properties = format!("TBLPROPERTIES ('write.parquet.compression-codec' = '{codec}')");
        let create = format!("CREATE TABLE r2.default.t {properties} AS SELECT * FROM glue.default.plain_v2");
        run_all(&engine, &[create]).await
    })?;
    let target = target.path();
    agree(
        json!({"do": "read_back", "folder": &sources()?.folder, "source": "plain_v2", "target": target, "table": "t"}),
    )?;
    agree(json!({"do": "check_metadata", "target": target, "table": "t", "codec": in_file}))
}

/// One snapshot per INSERT, and totals that go on counting.
fn two_inserts_two_snapshots() -> Result<(), Failed> {
    let target = tempfile::tempdir()?;
    support::block_on(async {
        let engine = with_target(target.path()).await?;
        let insert =
            |half: &str| format!("INSERT INTO r2.default.t SELECT * FROM glue.default.plain_v2 WHERE id {half}");
        let create = "CREATE TABLE r2.default.t (id BIGINT, name STRING) PARTITIONED BY (bucket(3, id))".to_owned();
        run_all(&engine, &[create, insert("< 300"), insert(">= 300")]).await
    })?;
    let target = target.path();
    agree(
        json!({"do": "read_back", "folder": &sources()?.folder, "source": "plain_v2", "target": target, "table": "t"}),
    )?;
    agree(json!({"do": "check_metadata", "target": target, "table": "t", "snapshots": 2}))
}

/// PyIceberg builds on our metadata, and we read the table on.
fn append_by_pyiceberg() -> Result<(), Failed> {
    let target = tempfile::tempdir()?;
    let count = "SELECT count(*), count(DISTINCT id), min(year), max(year) FROM r2.default.t";
    support::block_on(async {
        let engine = with_target(target.path()).await?;
        let columns = "(id BIGINT, name STRING, year INT) PARTITIONED BY (year)";
        let insert = "INSERT INTO r2.default.t SELECT id, name, CAST(2000 + id % 3 AS INT) FROM glue.default.plain_v2";
        run_all(&engine, &[format!("CREATE TABLE r2.default.t {columns}"), insert.to_owned()]).await?;
        ask(json!({"do": "append_by_pyiceberg", "target": target.path(), "table": "t"}))?;
        let found = support::rows(&engine, count).await?;
        if found == [["2000", "1000", "2000", "2002"]] { Ok(()) } else { Err(format!("found {found:?}").into()) }
    })
}
