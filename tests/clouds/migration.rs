//! The migration of the article between two clouds: every shipped script as it is, with the attach script for Glue and R2.
//!
//! Two eras of generated drive statistics: 2013 with few columns and few drives, 2024 with all of them.

use std::sync::Arc;

use datafusion::datasource::MemTable;
use icelift::Engine;
use icelift_testkit::drive_stats::{DriveStats, full_schema, widen};
use icelift_testkit::r2_proxy::Class;
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

/// The namespace, the table, its first snapshot; then one batch.
const COST_OF_FIRST: Cost = Cost { catalog: 9, files: 0, class_a: 4, class_b: 10, free: 1 };
/// A claim, then one batch.
const COST_OF_NEXT: Cost = Cost { catalog: 7, files: 0, class_a: 7, class_b: 17, free: 1 };
/// A look at the table, and for the listing that a run which did not clean up has left.
const COST_OF_NOTHING: Cost = Cost { catalog: 3, files: 0, class_a: 0, class_b: 1, free: 0 };

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
    let years = support::first_cells(&preview, 2);
    let expected: Vec<_> = YEARS.iter().zip(&rows).map(|(year, rows)| format!("{year},{rows}")).collect();
    equal("years of the source", years, expected)?;

    let nothing = world.proxy.counts();
    equal("requests to R2's S3 so far", (nothing.class_a, nothing.class_b, nothing.free), (0, 0, 0))?;
    let [first, second] = [0, 1].map(|index| (YEARS[index], rows[index]));
    let year = [("year", &*first.0.to_string())];
    step(&world, "03_migrate_year.sql", &year, &[row(first, "copied")], Cost { files: 3, ..COST_OF_FIRST })?;
    step(
        &world,
        "03_migrate.sql",
        &[],
        &[row(first, "done"), row(second, "copied")],
        Cost { files: 4, ..COST_OF_NEXT },
    )?;
    step(&world, "03_migrate.sql", &[], &[row(first, "done"), row(second, "done")], COST_OF_NOTHING)?;
    verify(&world, &rows)?;
    others(&world, rows.iter().sum())?;
    equal("violations", world.proxy.violations(), vec![])
}

fn row((year, rows): (i32, usize), state: &str) -> String {
    format!("year={year},{state},{rows}")
}

/// Runs a script that migrates, in a process of its own.
fn step(
    world: &World,
    script: &str,
    variables: &[(&str, &str)],
    rows: &[String],
    expected: Cost,
) -> Result<(), Failed> {
    let (before, files) = (world.proxy.counts(), data_files(world));
    let migrated = run(world, &[&format!("sql/{script}")], variables)?;
    let found = support::first_cells(&migrated, 3);
    equal("batches, states and rows", found.as_slice(), rows)?;
    let (after, files) = (world.proxy.counts(), data_files(world) - files);
    let found = Cost {
        catalog: after.catalog - before.catalog,
        files: files as u64,
        class_a: after.class_a - before.class_a - files as u64,
        class_b: after.class_b - before.class_b,
        free: after.free - before.free,
    };
    equal(&format!("cost of {script} for {rows:?}"), found, expected)
}

fn data_files(world: &World) -> usize {
    let is_data = |path: &str| path.ends_with(".parquet");
    world.requests("PutObject").iter().filter(|put| put.class == Class::A && is_data(&put.path)).count()
}

/// What a run may cost at R2: whoever makes it dearer is to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    catalog: u64,
    /// Data files, and one operation of class A for each.
    files: u64,
    /// The other ones.
    class_a: u64,
    class_b: u64,
    free: u64,
}

fn verify(world: &World, rows: &[usize]) -> Result<(), Failed> {
    let verified = run(world, &["sql/04_verify.sql"], &[])?;
    let (checks, sums) = verified.split_once("year,source_rows,").ok_or("there are no sums")?;
    let verdicts = checks.lines().skip(1).map(|line| line.rsplit(',').next().unwrap_or_default() == "same");
    let verdicts: Vec<_> = verdicts.collect();
    equal("checks, and whether all found no difference", (verdicts.len(), verdicts.contains(&false)), (4, false))?;
    let found: Vec<_> = sums.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>()).collect();
    let found: Vec<_> = found.iter().map(|cells| (cells[0], cells[1], cells[2], cells[5], cells[6])).collect();
    let rows: Vec<_> = rows.iter().map(ToString::to_string).collect();
    equal("sums", found, vec![("2013", &rows[0], &rows[0], "0", "same"), ("2024", &rows[1], &rows[1], "0", "same")])
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
