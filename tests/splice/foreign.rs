//! Random tables in files of other writers, and random statements over them: copying gives the rows that encoding gives, and
//! metadata that is true.
//!
//! Each case comes from a number, which a failure tells. `ICELIFT_SEEDS=<count>` runs so many instead of a few,
//! `ICELIFT_SEED=<number>` begins with a certain one. The same number gives the same case everywhere.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::ipc::writer::FileWriter;
use icelift::Engine;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::report::Tally;
use crate::clouds::world::equal;
use crate::interop::ask;
use crate::support;

/// Few that bring about every reason not to copy.
const KEPT: [u64; 12] = [0, 1, 6, 8, 11, 16, 17, 19, 20, 21, 27, 38];
const STATEMENTS: usize = 2;
/// Of all row groups of the kept cases so many are copied at least.
const LEAST_PERCENT: u64 = 20;
/// The seeds that are run beside them, unless others are asked for.
const FIRST: u64 = 1000;
const COUNT: u64 = 8;

/// The table of a mode of `icelift.splice`. The first is what the others are compared with.
const MODES: [(&str, &str); 3] = [("encoded", "off"), ("auto", "auto"), ("keep", "keep-codec")];

pub(super) fn trials() -> Vec<Trial> {
    vec![Trial::test("splice::foreign::kept", kept), Trial::test("splice::foreign::others", others)]
}

fn kept() -> Result<(), Failed> {
    let mut tally = Tally::default();
    for seed in KEPT {
        tally.add(case(seed)?);
    }
    tally.is_telling(LEAST_PERCENT)
}

fn others() -> Result<(), Failed> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>()).transpose();
    let (first, count) = (number("ICELIFT_SEED")?.unwrap_or(FIRST), number("ICELIFT_SEEDS")?.unwrap_or(COUNT));
    (0..count).try_for_each(|ran| case(first.wrapping_add(ran)).map(drop))
}

/// A source and some statements over it.
fn case(seed: u64) -> Result<Tally, Failed> {
    let source = tempfile::tempdir()?;
    let case = ask(json!({"do": "foreign_case", "folder": source.path(), "seed": seed, "count": STATEMENTS}))
        .map_err(|failed| format!("seed {seed}: {}", failed.message().unwrap_or_default()))?;
    let told = |what: &Value, failed: &Failed| {
        Failed::from(format!("seed {seed}: {}\n{what}\n{}", case["story"], failed.message().unwrap_or_default()))
    };
    is_read(source.path()).map_err(|failed| told(&Value::Null, &failed))?;
    let mut tally = Tally::default();
    for statement in case["statements"].as_array().into_iter().flatten() {
        tally.add(compared(source.path(), statement).map_err(|failed| told(statement, &failed))?);
    }
    Ok(tally)
}

/// We read the source right, before anything is made of it.
fn is_read(source: &Path) -> Result<(), Failed> {
    let file = support::block_on(async {
        let engine = support::engine(&[("glue", source)]).await?;
        read(&engine, "glue.default.s", source.join("read.arrow")).await
    })?;
    equal("differences", ask(json!({"do": "foreign_source", "folder": source, "file": file}))?.as_str(), Some(""))
}

/// What the generated statement says, as SQL.
struct Words {
    query: String,
    clauses: String,
}

impl Words {
    fn new(statement: &Value) -> Self {
        let text = |name: &str| statement[name].as_str().unwrap_or_default().to_owned();
        let cell = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let properties = statement["properties"].as_object().into_iter().flatten();
        let properties: Vec<_> = properties.map(|(key, value)| format!("'{key}' = '{}'", cell(value))).collect();
        // Without a clause the partitions of the source would be taken.
        let partition = text("partition");
        let partition = if partition.is_empty() { String::new() } else { format!("PARTITIONED BY ({partition}) ") };
        Self { query: text("query"), clauses: format!("{partition}TBLPROPERTIES ({})", properties.join(", ")) }
    }

    /// A table with the rows of the query.
    fn fill(&self, table: &str) -> Vec<String> {
        let (query, clauses) = (&self.query, &self.clauses);
        if query.starts_with("SELECT *") {
            let create = format!("CREATE TABLE r2.default.{table} LIKE glue.default.s {clauses}");
            return vec![create, format!("INSERT INTO r2.default.{table} {query}")];
        }
        vec![format!("CREATE TABLE r2.default.{table} {clauses} AS {query}")]
    }

    fn migrate(&self, table: &str) -> String {
        let query = self.query.replacen(" FROM glue.default.s", "", 1);
        let options = "WITH (verify = 'content', splice = 'auto', scan_batches = true)";
        format!("MIGRATE TABLE glue.default.s TO r2.default.{table} {query} {} {options}", self.clauses)
    }
}

/// Runs one statement in every mode, and as a migration, and compares what comes of it.
fn compared(source: &Path, statement: &Value) -> Result<Tally, Failed> {
    let (folder, words) = (tempfile::tempdir()?, Words::new(statement));
    let (target, mut files) = (folder.path().join("r2"), Vec::new());
    let mut tables: Vec<_> = MODES.map(|(table, _)| table).into();
    let (tally, kept) = support::block_on(async {
        let engine = support::engine(&[("glue", source), ("r2", &target)]).await?;
        support::run(&engine, "CREATE SCHEMA r2.default").await?;
        let mut tallies = Vec::new();
        for (table, mode) in MODES {
            support::run(&engine, &format!("SET icelift.splice = '{mode}'")).await?;
            for sql in words.fill(table) {
                support::run(&engine, &sql).await?;
            }
            let explain = format!("EXPLAIN INSERT INTO r2.default.{table} {}", words.query);
            tallies.push(Tally::explained(&support::rows(&engine, &explain).await?)?);
            files.push(
                read(&engine, &format!("r2.default.{table}"), folder.path().join(format!("{table}.arrow"))).await?,
            );
        }
        if statement["can_migrate"] == true {
            let batches = support::rows(&engine, &words.migrate("migrated")).await?;
            let unverified = batches.iter().filter(|batch| batch.last().is_none_or(|verdict| verdict != "verified"));
            equal("batches that are not verified", unverified.count(), 0)?;
            files.push(read(&engine, "r2.default.migrated", folder.path().join("migrated.arrow")).await?);
            tables.push("migrated");
        }
        let [off, auto, keep] = tallies.try_into().map_err(|_| "a mode is missing")?;
        equal("row groups copied without being asked to", off.copied, 0)?;
        Ok((auto, keep.copied))
    })?;
    let codec = &statement["properties"]["write.parquet.compression-codec"];
    let found = ask(json!({
        "do": "foreign_check", "folder": source, "target": target, "tables": tables, "files": files, "codec": codec,
        "source": statement["is_whole"],
    }))?;
    equal("differences", found["differences"].as_str(), Some(""))?;
    let copied: Vec<_> = found["copied"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    equal("row groups that EXPLAIN and the files call copied", copied[..2].to_vec(), vec![tally.copied, kept])?;
    Ok(tally)
}

/// Stores the rows of a table where Python finds them.
async fn read(engine: &Engine, table: &str, file: PathBuf) -> Result<PathBuf, Failed> {
    let (schema, batches) = support::run(engine, &format!("SELECT * FROM {table}")).await?;
    let mut writer = FileWriter::try_new(File::create(&file)?, &schema)?;
    for batch in &batches {
        writer.write(batch)?;
    }
    writer.finish()?;
    Ok(file)
}
