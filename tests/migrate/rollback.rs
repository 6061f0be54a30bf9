//! `ROLLBACK MIGRATION` in the real binary: stopped at each step, beside a driver that is at work, and with its answer lost. Either
//! the batch is there, whole, or it is not, and the register says which; the next run brings it again.

use icelift_testkit::r2_proxy::{Fault, FaultRule, Side};
use libtest_mimic::{Failed, Trial};
use serde_json::json;

use super::bench::{Bench, Left, ROWS, With};
use super::cloud::Cloud;
use super::twice::asleep;
use crate::clouds::world::equal;

/// The steps of a rollback.
pub(super) const ROLLBACK: [&str; 2] = ["rollback.before_commit", "rollback.after_commit"];

/// What a batch with all its files is taken out by.
const STATEMENT: &str = "ROLLBACK MIGRATION r2.default.t BATCH 2021";

pub(super) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("migrate::rollback::beside_a_driver", beside_a_driver),
        Trial::test("migrate::rollback::after_a_rewrite", after_a_rewrite),
        Trial::test("migrate::rollback::read_by_others", read_by_others),
        Trial::test("migrate::rollback::answer_is_lost", || lost(true)),
        Trial::test("migrate::rollback::request_is_lost", || lost(false)),
        Trial::test("migrate::rollback::all_copies_are_lost", all_copies_are_lost),
    ];
    for name in ROLLBACK {
        for action in ["kill", "error"] {
            let point = format!("{name}:{action}");
            trials.push(Trial::test(format!("migrate::rollback::{name}::{action}"), move || stopped(name, &point)));
        }
    }
    trials
}

fn rows(bench: &Bench) -> Result<String, Failed> {
    bench.sql("SELECT count(*) AS n FROM r2.default.t WHERE year = 2021")
}

fn count(rows: u64) -> String {
    format!("n\n{rows}\n")
}

/// The batch is brought again, and everything is there once.
fn comes_again(bench: &Bench) -> Result<(), Failed> {
    equal("rows of the batch", rows(bench)?, count(0))?;
    let ran = bench.finish(With::default())?;
    let state = |batch: &str| if batch == "year=2021" { "copied" } else { "done" };
    let states = super::bench::BATCHES.map(|batch| (batch.to_owned(), state(batch).to_owned()));
    equal("states", ran.states(), states.into())?;
    bench.holds_with(&json!({"year=2021": 2, "year=2022": 1, "year=2023": 1, "year=null": 1}))?;
    bench.files(Left::Nothing)?;
    bench.is_finished()
}

fn stopped(name: &str, point: &str) -> Result<(), Failed> {
    let bench = Bench::new()?;
    bench.finish(With::default())?;
    let outcome = bench.run_sql(STATEMENT, With { points: point, ..With::default() })?;
    equal("whether it came past", outcome.passed(name), true)?;
    outcome.ended(if point.ends_with("kill") { -1 } else { 1 })?;
    let is_there = name == "rollback.before_commit";
    equal("whether the batch is there", rows(&bench)? != count(0), is_there)?;
    // The same statement again: a batch that is gone is no error.
    let again = bench.run_sql(STATEMENT, With::default())?.done()?;
    equal("lines of the answer, its head among them", again.stdout.lines().count(), if is_there { 2 } else { 1 })?;
    comes_again(&bench)
}

/// A driver is about to commit its second batch when the first one is taken out: it stops, and the next one does both.
fn beside_a_driver() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let going = asleep(&bench, "commit.before:freeze:2")?;
    bench.run_sql(STATEMENT, With::default())?.done()?;
    equal("rows of the batch", rows(&bench)?, count(0))?;
    going.wakes()?.stopped()?.says("another icelift process has taken the migration over")?;
    bench.finish(With::default())?;
    bench.holds_with(&json!({"year=2021": 2, "year=2022": 1, "year=2023": 1, "year=null": 1}))?;
    bench.files(Left::Nothing)?;
    bench.is_finished()
}

/// PyIceberg has written all files anew: the batch is not ours to take out.
fn after_a_rewrite() -> Result<(), Failed> {
    let bench = Bench::new()?;
    bench.finish(With::default())?;
    bench.ask_target("rewrite", json!({}))?;
    let before = bench.ask_target("metadata_location", json!({}))?;
    let refused = bench.run_sql(STATEMENT, With::default())?.ended(1)?;
    let refused = refused.says("the batch `year=2021` is not as it was committed")?;
    refused.says("not in the table any more: ")?.says("nothing was changed")?;
    equal("the table", bench.ask_target("metadata_location", json!({}))?, before)?;
    equal("rows", bench.sql("SELECT count(*) AS n FROM r2.default.t")?, count(ROWS))
}

/// What is left is what DuckDB and PyIceberg see; after all batches they see nothing.
fn read_by_others() -> Result<(), Failed> {
    let bench = Bench::new()?;
    bench.finish(With::default())?;
    bench.run_sql(STATEMENT, With::default())?.done()?;
    let ours = bench.sql("SELECT count(*) AS n, sum(id) AS s FROM r2.default.t")?;
    let seen = bench.ask_target("sums", json!({"column": "id"}))?;
    let told = |who: &str| format!("n,s\n{},{}\n", seen[who][0], seen[who][1]);
    equal("rows that others see", [told("duckdb"), told("pyiceberg")], [ours.clone(), ours])?;
    bench.run_sql("ROLLBACK MIGRATION r2.default.t", With::default())?.done()?;
    equal("rows", bench.sql("SELECT count(*) AS n FROM r2.default.t")?, count(0))?;
    bench.finish(With::default())?;
    bench.holds_with(&json!({"year=2021": 2, "year=2022": 2, "year=2023": 2, "year=null": 2}))?;
    bench.files(Left::Nothing)
}

/// The commit of the rollback, or its answer, is lost once: it is found out what became of it.
fn lost(applied: bool) -> Result<(), Failed> {
    let cloud = Cloud::new(if applied { "rollback_answer" } else { "rollback_request" })?;
    cloud.bench.finish(With::default())?;
    let rule = if applied { FaultRule::after } else { FaultRule::before };
    let fault = cloud.world.proxy.fault(rule(Side::Catalog, Fault::Reset).operation("updateTable"));
    let statement = statement(&cloud);
    cloud.bench.run_sql(&statement, With::default())?.done()?;
    equal("faults met", fault.hits(), 1)?;
    brought_again(&cloud)
}

/// No copy arrives: nothing is known and nothing removed, and the same statement finds out.
fn all_copies_are_lost() -> Result<(), Failed> {
    let cloud = Cloud::new("rollback_copies")?;
    cloud.bench.finish(With::default())?;
    let fault =
        cloud.world.proxy.fault(FaultRule::before(Side::Catalog, Fault::Reset).operation("updateTable").times(3));
    let deletions = cloud.world.deletions();
    let statement = statement(&cloud);
    let unknown = cloud.bench.run_sql(&statement, With::default())?.ended(3)?;
    unknown.says("it is not known whether the batches were rolled back")?;
    equal("copies that were lost", fault.hits(), 3)?;
    equal("deletions", cloud.world.deletions(), deletions)?;
    cloud.bench.run_sql(&statement, With::default())?.done()?;
    brought_again(&cloud)
}

fn statement(cloud: &Cloud) -> String {
    format!("ROLLBACK MIGRATION {} BATCH 2021", cloud.bench.target.table)
}

fn brought_again(cloud: &Cloud) -> Result<(), Failed> {
    let count = format!("SELECT count(*) AS n FROM {} WHERE year = 2021", cloud.bench.target.table);
    equal("rows of the batch", cloud.bench.sql(&count)?, "n\n0\n".to_owned())?;
    cloud.bench.finish(With::default())?;
    cloud.bench.holds_with(&json!({"year=2021": 2, "year=2022": 1, "year=2023": 1, "year=null": 1})).map(drop)
}
