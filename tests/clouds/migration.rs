//! The migration of the article between two clouds: every shipped script as it is, with the attach script for Glue and R2.
//!
//! Two eras of generated drive statistics: 2013 with few columns and few drives, 2024 with all of them.

use std::sync::Arc;

use datafusion::datasource::MemTable;
use icelift::Engine;
use icelift_testkit::drive_stats::{DriveStats, full_schema, widen};
use icelift_testkit::r2_proxy::{Class, Counts};
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::glue;
use super::world::{World, equal};
use crate::interop::ask;
use crate::support::process::Binary;
use crate::support::{self, root};

const ATTACH: &str = "sql/01_attach_glue_r2.sql";
const QUERY: &str = "sql/queries/drive_reliability_2024_q2.sql";
const YEARS: [i32; 2] = [2013, 2024];
const SEED: u64 = 7;
const DRIVES: usize = 40;
const DRIVES_MIN: &str = "1";

pub(super) fn trials() -> Vec<Trial> {
    vec![Trial::test("clouds::migration", migration)]
}

/// A table in Glue with two years in it, and how many rows each has.
fn load() -> Result<Vec<usize>, Failed> {
    support::block_on(async {
        let built = Engine::builder().parallelism(2).attach(glue::attach()?).build().await;
        let engine = built.map_err(|error| support::told(&error))?;
        let stats = DriveStats::new(SEED, DRIVES);
        let select = "SELECT *, CAST(date_part('year', date) AS INT) AS year FROM sample";
        let mut rows = Vec::new();
        for year in YEARS {
            let batches: Vec<_> = stats.year(year).map(|batch| widen(&batch, &full_schema())).collect();
            rows.push(batches.iter().map(|batch| batch.num_rows()).sum());
            engine.session().deregister_table("sample")?;
            engine.session().register_table("sample", Arc::new(MemTable::try_new(full_schema(), vec![batches])?))?;
            if year == YEARS[0] {
                support::run(&engine, "CREATE SCHEMA IF NOT EXISTS glue.default").await?;
                let create = "CREATE TABLE glue.default.drive_stats PARTITIONED BY (year)";
                support::run(&engine, &format!("{create} AS {select} WHERE false")).await?;
            }
            support::run(&engine, &format!("INSERT INTO glue.default.drive_stats {select}")).await?;
        }
        Ok(rows)
    })
}

/// Runs scripts as a user does whose settings are all in the environment.
fn run(world: &World, scripts: &[&str], variables: &[(&str, &str)]) -> Result<String, Failed> {
    let proxy = &world.proxy;
    let binary = glue::in_environment(Binary::new()?)?
        .env("GLUE_WAREHOUSE", glue::warehouse())
        .env("R2_WAREHOUSE", proxy.warehouse())
        .env("R2_CATALOG_URI", proxy.catalog_uri())
        .env("R2_CATALOG_API_TOKEN", proxy.token())
        .env("SSL_CERT_FILE", world.ca());
    let binary = variables.iter().fold(binary, |binary, (name, value)| binary.variable(name, value));
    scripts.iter().fold(binary.file(ATTACH), |binary, script| binary.file(script)).stdout()
}

fn migration() -> Result<(), Failed> {
    let rows = load()?;
    let world = World::new("default")?;
    let preview = run(&world, &["sql/02_preview.sql"], &[])?;
    let years: Vec<_> =
        preview.lines().skip(1).map(|line| line.split(',').take(2).collect::<Vec<_>>().join(",")).collect();
    let expected: Vec<_> = YEARS.iter().zip(&rows).map(|(year, rows)| format!("{year},{rows}")).collect();
    equal("years of the source", years, expected)?;

    let nothing = world.proxy.counts();
    equal("requests to R2's S3 so far", (nothing.class_a, nothing.class_b, nothing.free), (0, 0, 0))?;
    run(&world, &["sql/03_create.sql"], &[])?;
    for (year, rows) in YEARS.iter().zip(&rows) {
        let before = world.proxy.counts();
        let (files, updates) = (data_files(&world), world.count("updateTable"));
        let inserted = run(&world, &["sql/04_migrate_year.sql"], &[("year", &year.to_string())])?;
        equal("rows inserted", inserted, format!("count\n{rows}\n"))?;
        equal("snapshots", world.count("updateTable") - updates, 1)?;
        let quarters = if *year == 2013 { 3 } else { 4 };
        equal("data files", data_files(&world) - files, quarters)?;
        cost(before, world.proxy.counts(), quarters as u64)?;
    }
    verify(&world, &rows)?;
    others(&world, rows.iter().sum())?;
    equal("violations", world.proxy.violations(), vec![])
}

fn data_files(world: &World) -> usize {
    let is_data = |path: &str| path.ends_with(".parquet");
    world.requests("PutObject").iter().filter(|put| put.class == Class::A && is_data(&put.path)).count()
}

/// What one INSERT in a process of its own may cost: whoever makes it dearer is to know it.
fn cost(before: Counts, after: Counts, files: u64) -> Result<(), Failed> {
    // The configuration, the table, the commit.
    equal("calls of the catalog", after.catalog - before.catalog, 3)?;
    // The files, one manifest, one list.
    equal("operations of class A", after.class_a - before.class_a, files + 2)?;
    // The list of the snapshot before, if there is one.
    let reads = after.class_b - before.class_b;
    equal("operations of class B, at most", (reads <= 1, reads), (true, reads))?;
    equal("deletions", after.free - before.free, 0)
}

fn verify(world: &World, rows: &[usize]) -> Result<(), Failed> {
    let verified = run(world, &["sql/05_verify.sql"], &[])?;
    let found: Vec<_> = verified.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>()).collect();
    let found: Vec<_> = found.iter().map(|cells| (cells[0], cells[1], cells[2], cells[5], cells[6])).collect();
    let rows: Vec<_> = rows.iter().map(ToString::to_string).collect();
    equal("verdicts", found, vec![("2013", &rows[0], &rows[0], "0", "same"), ("2024", &rows[1], &rows[1], "0", "same")])
}

/// DuckDB, attached by token as a user would, and PyIceberg see what we see.
fn others(world: &World, rows: usize) -> Result<(), Failed> {
    let ours = run(world, &[QUERY], &[("min_drives", DRIVES_MIN)])?;
    let report: Vec<Vec<String>> =
        ours.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect();
    equal("whether the report says something", report.len() > 1, true)?;
    let query = std::fs::read_to_string(root().join(QUERY))?.replace(":min_drives", DRIVES_MIN);
    let count = "SELECT count(*) FROM r2.default.drive_stats_r2".to_owned();
    let queries = ["SHOW ALL TABLES".to_owned(), count, query.trim_end().trim_end_matches(';').to_owned()];
    let answers = ask(json!({"do": "duckdb_queries", "catalog": world.catalog(), "queries": queries}))?;
    let tables = answers[0].as_array().into_iter().flatten().map(|row| json!([row[0], row[1], row[2]]));
    let is_ours = |row: &Value| *row == json!(["r2", "default", "drive_stats_r2"]);
    equal("whether DuckDB lists the table", tables.filter(is_ours).count(), 1)?;
    equal("rows that DuckDB counts", &answers[1], &json!([[rows.to_string()]]))?;
    equal("DuckDB's report", &answers[2], &json!(report))?;
    let found = ask(json!({"do": "pyiceberg_count", "catalog": world.catalog(), "table": "default.drive_stats_r2"}))?;
    let columns = found[1].as_array().map_or(0, Vec::len);
    equal(
        "rows and columns that PyIceberg reads",
        (&found[0], columns),
        (&json!(rows), full_schema().fields().len() + 2),
    )
}
