//! So many batches that their details leave the register for files.

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::bench::{Bench, Left, MACHINES, With, Words};
use super::twice::asleep;
use crate::clouds::world::equal;
use crate::support;

/// What only a migration with many batches comes past.
pub(super) const MANY: [&str; 1] = ["commit.details_written"];

/// When 200 batches stand in the register, the older half of them moves to a file: how many batches make how many files.
const SIZES: [(&str, usize, usize); 2] = [("kill", 310, 2), ("error", 203, 1)];

const WORDS: Words = Words { clauses: "BATCH BY day", options: "scan_batches = true", columns: "*" };

pub(super) fn trials() -> Vec<Trial> {
    SIZES
        .map(|(action, days, files)| {
            Trial::test(format!("migrate::many::{}::{action}", MANY[0]), move || many(action, days, files))
        })
        .into()
}

/// All days in one file, so that there is little to read.
fn bench(days: usize) -> Result<Bench, Failed> {
    let folder = tempfile::tempdir()?;
    support::block_on(async {
        let engine = support::engine(&[("glue", &folder.path().join("glue"))]).await?;
        support::run(&engine, "CREATE SCHEMA glue.default").await?;
        let day = format!("CAST(to_timestamp(86400 * (18262 + value % {days})) AS DATE) AS day");
        let rows = format!("SELECT value AS id, {day} FROM generate_series(1, {})", 2 * days);
        support::run(&engine, &format!("CREATE TABLE glue.default.t AS {rows}")).await.map(drop)
    })?;
    Bench::by(WORDS, folder)
}

/// Stopped when the file is written, and the next driver sleeps there while a third goes on: the file is the same each time,
/// and nobody removes it.
fn many(action: &str, days: usize, files: usize) -> Result<(), Failed> {
    let bench = bench(days)?;
    let code = if action == "kill" { -1 } else { 3 };
    let points = format!("{}:{action}", MANY[0]);
    let stopped = bench.run(With { points: &points, args: MACHINES[0], ..With::default() })?.ended(code)?;
    equal("batches that were committed", stopped.hits.iter().filter(|hit| *hit == "commit.after").count(), 200)?;
    let sleeper = asleep(&bench, MANY[0])?;
    let last = bench.finish(With { args: MACHINES[1], options: ", parallel_batches = 3", ..With::default() })?;
    sleeper.wakes()?.stopped()?;
    equal("batches of the answer", last.states().len(), days)?;
    let audit = bench.audit()?;
    equal("differences", audit["difference"].as_str(), Some(""))?;
    let once = audit["batches"].as_object().into_iter().flatten().filter(|(_, count)| **count == json!(1)).count();
    equal("batches with one snapshot", once, days)?;
    bench.files(Left::Named)?;
    let objects = audit["objects"].as_array().into_iter().flatten().filter_map(Value::as_str);
    equal("files of details", objects.filter(|object| object.contains("-batches-")).count(), files)?;
    let register = &audit["registers"][0];
    equal("ranges of batches that are done", register["done"].as_array().map(Vec::len), Some(1))?;
    let again = bench.finish(With::default())?;
    let done = again.states().iter().filter(|(_, state)| state == "done").count();
    equal("batches that are done", (done, again.passed("claim.before_commit")), (days, false))
}
