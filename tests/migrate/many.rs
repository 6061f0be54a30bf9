//! So many batches that their details leave the register for files.

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::bench::{Bench, Left, MACHINES, With, Words};
use crate::clouds::world::equal;
use crate::support;

/// What only a migration with many batches comes past.
pub(super) const MANY: [&str; 1] = ["commit.details_written"];

const DAYS: usize = 310;
/// Two files of details: when 200 batches stand in the register, the older half of them moves.
const FILES: usize = 2;

const WORDS: Words = Words { clauses: "BATCH BY day", options: "scan_batches = true", columns: "*" };

pub(super) fn trials() -> Vec<Trial> {
    ["kill", "error"]
        .map(|action| Trial::test(format!("migrate::many::{}::{action}", MANY[0]), move || many(action)))
        .into()
}

/// All days in one file, so that there is little to read.
fn bench() -> Result<Bench, Failed> {
    let folder = tempfile::tempdir()?;
    support::block_on(async {
        let engine = support::engine(&[("glue", &folder.path().join("glue"))]).await?;
        support::run(&engine, "CREATE SCHEMA glue.default").await?;
        let day = format!("CAST(to_timestamp(86400 * (18262 + value % {DAYS})) AS DATE) AS day");
        let rows = format!("SELECT value AS id, {day} FROM generate_series(1, {})", 2 * DAYS);
        support::run(&engine, &format!("CREATE TABLE glue.default.t AS {rows}")).await.map(drop)
    })?;
    let mut bench = Bench::by(WORDS, folder)?;
    bench.target.properties = "TBLPROPERTIES ('write.metadata.previous-versions-max' = '1000')".to_owned();
    Ok(bench)
}

fn many(action: &str) -> Result<(), Failed> {
    let bench = bench()?;
    let code = if action == "kill" { -1 } else { 3 };
    let points = format!("{}:{action}", MANY[0]);
    let stopped = bench.run(With { points: &points, args: MACHINES[0], ..With::default() })?.ended(code)?;
    equal("batches that were committed", stopped.hits.iter().filter(|hit| *hit == "commit.after").count(), 200)?;
    let last = bench.finish(With { args: MACHINES[1], options: ", parallel_batches = 3", ..With::default() })?;
    equal("batches of the answer", last.states().len(), DAYS)?;
    let audit = bench.audit()?;
    equal("differences", audit["difference"].as_str(), Some(""))?;
    let once = audit["batches"].as_object().into_iter().flatten().filter(|(_, count)| **count == json!(1)).count();
    equal("batches with one snapshot", once, DAYS)?;
    bench.files(Left::Nothing)?;
    let objects = audit["objects"].as_array().into_iter().flatten().filter_map(Value::as_str);
    equal("files of details", objects.filter(|object| object.contains("-batches-")).count(), FILES)?;
    let register = &audit["registers"][0];
    equal("ranges of batches that are done", register["done"].as_array().map(Vec::len), Some(1))?;
    let again = bench.finish(With::default())?;
    let done = again.states().iter().filter(|(_, state)| state == "done").count();
    equal("batches that are done", (done, again.passed("claim.before_commit")), (DAYS, false))
}
