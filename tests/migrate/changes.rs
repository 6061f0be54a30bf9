//! What others do to source and target while a migration is under way, and when it is over.

use std::path::Path;

use icelift::{Migration, MigrationEvent};
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::bench::{BATCHES, Bench, Left, ROWS, With};
use super::twice::asleep;
use crate::clouds::world::equal;
use crate::support;

pub(super) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("migrate::target::others_append", others_append),
        Trial::test("migrate::target::is_set_back", set_back),
        Trial::test("migrate::target::is_set_back_meanwhile", set_back_meanwhile),
        Trial::test("migrate::target::is_set_back_when_all_is_done", set_back_when_done),
        Trial::test("migrate::target::is_replaced", replaced),
        Trial::test("migrate::target::expires", expires),
        Trial::test("migrate::target::is_rewritten", rewritten),
        Trial::test("migrate::target::gets_a_column", target_gets_a_column),
        Trial::test("migrate::source::gets_a_column", source_gets_a_column),
        Trial::test("migrate::source::gets_rows", source_gets_rows),
        Trial::test("migrate::source::batch_is_replaced_behind_a_crash", replaced_behind_a_crash),
        Trial::test("migrate::source::batches_are_picked", picked),
        Trial::test("migrate::source::gets_rows_and_says_so", source_gets_rows_is_told),
        Trial::test("migrate::source::loses_rows", source_loses_rows),
        Trial::test("migrate::source::is_damaged", source_is_damaged),
        Trial::test("migrate::source::has_no_files_any_more", source_has_no_files),
    ];
    for (point, arrived) in [
        ("batch.files_written:freeze:2", 0),
        ("batch.listed:freeze:3", 1),
        ("commit.before:freeze:2", 2),
        ("commit.after:freeze:3", 3),
    ] {
        for (signal, code) in [("INT", 130), ("TERM", 143)] {
            let name = format!("migrate::signal::{}_{}", point.replace(':', "_"), signal.to_lowercase());
            trials.push(Trial::test(name, move || signalled(point, arrived, signal, code)));
        }
    }
    trials
}

/// Rows of somebody else come between two batches, and between building a commit and sending it.
fn others_append() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let going = asleep(&bench, "commit.before:freeze:2")?;
    bench.sql("INSERT INTO r2.default.t (id, year, quarter) VALUES (1000, 2021, 'Q1'), (1001, 2022, NULL)")?;
    going.wakes()?.done()?;
    let audit = bench.compared("id < 1000", None)?;
    equal("differences", audit["difference"].as_str(), Some(""))?;
    equal("rows with those of others", audit["total_records"].as_u64(), Some(ROWS + 2))?;
    equal("snapshots of each batch", &audit["batches"], &once())?;
    bench.files(Left::Nothing)
}

fn once() -> Value {
    Value::Object(BATCHES.iter().map(|batch| ((*batch).to_owned(), json!(1))).collect())
}

/// The table says of batches that are gone that they are there: nothing is copied.
fn set_back() -> Result<(), Failed> {
    let bench = Bench::new()?;
    bench.run(With { points: "commit.before:kill:3", ..With::default() })?.ended(-1)?;
    bench.ask_target("set_back", json!({"steps": 1}))?;
    stops_for_good(&bench)
}

fn set_back_when_done() -> Result<(), Failed> {
    let bench = Bench::new()?;
    bench.finish(With::default())?;
    bench.ask_target("set_back", json!({"steps": 2}))?;
    stops_for_good(&bench)
}

fn stops_for_good(bench: &Bench) -> Result<(), Failed> {
    let before = bench.ask_target("metadata_location", json!({}))?;
    for _ in 0..2 {
        let ran = bench.run(With::default())?.ended(1)?.says("the table was set back behind the snapshot")?;
        equal("whether anything was copied", ran.passed("batch.before_write"), false)?;
    }
    equal("the target", bench.ask_target("metadata_location", json!({}))?, before)
}

/// The commit was built on what is not there any more; it is not built again on what is.
fn set_back_meanwhile() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let going = asleep(&bench, "commit.before:freeze:3")?;
    bench.ask_target("set_back", json!({"steps": 1}))?;
    let before = bench.ask_target("metadata_location", json!({}))?;
    going.wakes()?.ended(1)?.says("the table was set back behind the snapshot")?;
    equal("the target", bench.ask_target("metadata_location", json!({}))?, before)
}

/// Another table has the name: it is left alone. The same statement then fills it like any other.
fn replaced() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let going = asleep(&bench, "commit.before:freeze:2")?;
    bench.sql("CREATE TABLE r2.default.old LIKE r2.default.t; DROP TABLE r2.default.t")?;
    bench.sql("CREATE TABLE r2.default.t LIKE r2.default.old")?;
    going.wakes()?.ended(1)?.says("the table was dropped and created again")?;
    equal("rows", bench.sql("SELECT count(*) AS n FROM r2.default.t")?, "n\n0\n".to_owned())?;
    bench.finish(With::default())?;
    bench.arrived()?;
    bench.is_finished()
}

/// Snapshots expire, the register does not.
fn expires() -> Result<(), Failed> {
    let bench = Bench::new()?;
    bench.run(With { points: "commit.before:kill:3", ..With::default() })?.ended(-1)?;
    let expired = bench.ask_target("expire_snapshots", json!({}))?;
    equal("snapshots that expired", expired.as_u64(), Some(2))?;
    let last = bench.finish(With::default())?;
    let state = |batch: &str| {
        let found = last.states().into_iter().find(|(name, _)| name == batch);
        found.map(|(_, state)| state).unwrap_or_default()
    };
    // How far the last one had come is a matter of luck: it was copied while the others were committed.
    let states: Vec<_> = BATCHES[..3].iter().map(|batch| state(batch)).collect();
    equal("states", states, ["done", "done", "adopted"].map(str::to_owned).to_vec())?;
    bench.ask_target("expire_snapshots", json!({}))?;
    let audit = bench.audit()?;
    equal("differences", audit["difference"].as_str(), Some(""))?;
    equal("snapshots", audit["snapshots"].as_u64(), Some(1))?;
    bench.is_finished()
}

/// All files are somebody else's now. Batches arrive all the same, but none can be replaced any more.
fn rewritten() -> Result<(), Failed> {
    let bench = Bench::apart()?;
    let going = asleep(&bench, "commit.before:freeze:3")?;
    bench.ask_target("rewrite", json!({}))?;
    going.wakes()?.done()?;
    let audit = bench.audit()?;
    equal("differences", audit["difference"].as_str(), Some(""))?;
    equal("snapshots of each batch", &audit["batches"], &once())?;
    bench.ask_source("delete_rows", json!({"condition": "id = 80"}))?;
    let before = bench.ask_target("metadata_location", json!({}))?;
    let refused = bench.run(With::default())?.ended(1)?;
    refused.says("the batch `year=2021` is to be replaced: 40 of its rows were committed, its files now hold 0")?;
    // The claim stands, the rows are as they were.
    equal("whether it was claimed", bench.ask_target("metadata_location", json!({}))? == before, false)?;
    equal("rows", bench.sql("SELECT count(*) AS n FROM r2.default.t")?, format!("n\n{ROWS}\n"))
}

/// What was written for the table as it was is of no use; it is written anew.
fn target_gets_a_column() -> Result<(), Failed> {
    let mut bench = Bench::new()?;
    let going = asleep(&bench, "commit.before:freeze:2")?;
    bench.ask_target("add_column", json!({"name": "more"}))?;
    going.wakes()?.stopped()?.says("the table's schema was changed while the statement ran")?;
    let last = bench.finish(With::default())?;
    equal("whether anything was adopted", last.passed("recover.adopted"), false)?;
    bench.words.columns = "*, 'Q' || quarter(date) AS quarter, CAST(NULL AS INTEGER) AS more";
    bench.holds(Left::Nothing).map(drop)
}

/// The pin has its own columns.
fn source_gets_a_column() -> Result<(), Failed> {
    let bench = Bench::apart()?;
    bench.run(With { points: "commit.before:kill:2", ..With::default() })?.ended(-1)?;
    let pinned = bench.ask_source("metadata_location", json!({}))?;
    bench.ask_source("add_column", json!({"name": "more"}))?;
    bench.sql("INSERT INTO glue.default.t (id, year, more) VALUES (300, 2021, 1)")?;
    bench.finish(With::default())?;
    let audit = bench.compared("true", pinned.as_str())?;
    equal("differences from the pin", audit["difference"].as_str(), Some(""))?;
    equal("snapshots of each batch", &audit["batches"], &once())
}

/// The driver dies when its last batch is in the table and its listings are still there. Then half of the batch changes: what
/// was listed for the half that did not is in the table, and is not added to it again.
fn replaced_behind_a_crash() -> Result<(), Failed> {
    let bench = Bench::apart()?;
    bench.insert(300, 319, &["NULL"])?;
    bench.run(With { points: "batch.before_tidy:kill:4", ..With::default() })?.ended(-1)?;
    bench.ask_source("delete_rows", json!({"condition": "id = 300"}))?;
    let last = bench.finish(With::default())?;
    let state = |state: &str| if state == "year=null" { "copied" } else { "done" };
    equal("states", last.states(), BATCHES.map(|batch| (batch.to_owned(), state(batch).to_owned())).into())?;
    bench.holds_with(&json!({"year=2021": 1, "year=2022": 1, "year=2023": 1, "year=null": 2}))?;
    bench.files(Left::Nothing)
}

/// Batch by batch, each by a statement of its own, and then the rest: it is one migration.
fn picked() -> Result<(), Failed> {
    let mut bench = Bench::new()?;
    let all = bench.words.clauses;
    bench.words.clauses =
        "SELECT *, quarter(date) AS quarter WHERE year = 2022 PARTITIONED BY (year, quarter) BATCH BY year";
    bench.run(With { points: "batch.listed:kill:2", ..With::default() })?.ended(-1)?;
    bench.words.clauses =
        "SELECT *, quarter(date) AS quarter WHERE year IN (2021, 2023) PARTITIONED BY (year, quarter) BATCH BY year";
    let some = bench.finish(With::default())?;
    let states =
        |states: &[[&str; 2]]| states.iter().map(|[a, b]| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>();
    equal("states of some", some.states(), states(&[["year=2021", "copied"], ["year=2023", "copied"]]))?;
    bench.words.clauses = all;
    let rest = bench.finish(With::default())?;
    let expected =
        states(&[["year=2021", "done"], ["year=2022", "adopted"], ["year=2023", "done"], ["year=null", "copied"]]);
    equal("states of all", rest.states(), expected)?;
    bench.holds(Left::Nothing)?;
    bench.is_finished()
}

/// What comes behind the pin comes with the next run, and only that is read then.
fn source_gets_rows() -> Result<(), Failed> {
    let bench = Bench::apart()?;
    bench.run(With { points: "commit.before:kill:2", ..With::default() })?.ended(-1)?;
    let pinned = bench.ask_source("metadata_location", json!({}))?;
    bench.insert(200, 239, &["2021", "2022", "2024"])?;
    bench.finish(With::default())?;
    let audit = bench.compared("true", pinned.as_str())?;
    equal("differences from the pin", audit["difference"].as_str(), Some(""))?;
    equal("snapshots of each batch", &audit["batches"], &once())?;
    bench.run(With { points: "batch.listed:kill:2", ..With::default() })?.ended(-1)?;
    let last = bench.finish(With::default())?;
    bench.holds_with(&json!({"year=2021": 2, "year=2022": 2, "year=2023": 1, "year=2024": 1, "year=null": 1}))?;
    // Two of three were listed when the run was killed, and the third one may have been.
    let copied = last.hits.iter().filter(|hit| *hit == "batch.before_write").count();
    equal(&format!("whether {copied} slices were copied again"), copied > 1, false)?;
    bench.files(Left::Nothing)
}

/// A program hears of it; what the terminal makes of events has its own tests.
fn source_gets_rows_is_told() -> Result<(), Failed> {
    let bench = Bench::apart()?;
    support::block_on(async {
        let folders: [(&str, &Path); 2] = [("glue", &bench.source), ("r2", &bench.target_folder())];
        let (engine, other) = (support::engine(&folders).await?, support::engine(&folders).await?);
        let mut events = engine.events();
        let migration = Migration::new("glue.default.t", "r2.default.t").batch_by("year");
        let listen = async {
            let (mut noticed, mut inserted) = (Vec::new(), false);
            loop {
                match events.recv().await.map_err(|error| error.to_string())? {
                    MigrationEvent::BatchStarted { .. } if !inserted => {
                        inserted = true;
                        support::run(&other, &super::bench::insert(300, 309, &["2021"])).await?;
                    }
                    MigrationEvent::Noticed { message, .. } => noticed.push(message),
                    MigrationEvent::Ended { finished, .. } => return Ok::<_, Failed>((noticed, finished)),
                    _ => {}
                }
            }
        };
        // In a task of its own, as a program would have it.
        let migrating = tokio::spawn({
            let engine = engine.clone();
            async move { engine.migrate(migration).await }
        });
        let run = async { migrating.await?.map_err(|error| Failed::from(support::told(&error))) };
        let (report, (noticed, finished)) = tokio::try_join!(run, listen)?;
        equal("whether it is finished", (report.finished, finished), (true, true))?;
        let told = noticed.iter().any(|message| message.contains("has newer snapshots than the one that was copied"));
        equal("whether it is told", (told, &noticed), (true, &noticed))
    })
}

/// Rows go from one batch, and all rows of another: both are replaced, each in one snapshot.
fn source_loses_rows() -> Result<(), Failed> {
    let bench = Bench::apart()?;
    bench.finish(With::default())?;
    bench.ask_source("delete_rows", json!({"condition": "id = 80"}))?;
    bench.ask_source("delete_rows", json!({"condition": "year = 2023"}))?;
    bench.ask_source("delete_positions", json!({"year": 2022, "positions": [3]}))?;
    for point in ["batch.listed:kill:2", "commit.before:kill", "commit.after:kill:2"] {
        bench.run(With { points: point, ..With::default() })?.ended(-1)?;
        whole(&bench)?;
    }
    bench.finish(With::default())?;
    bench.holds_with(&json!({"year=2021": 2, "year=2022": 2, "year=2023": 2, "year=null": 1}))?;
    bench.files(Left::Nothing)?;
    let again = bench.finish(With::default())?;
    equal("whether anything was claimed", again.passed("claim.before_commit"), false)
}

/// A reader sees no batch half replaced: each year has the rows of before or of now.
fn whole(bench: &Bench) -> Result<(), Failed> {
    let counts = "SELECT coalesce(CAST(year AS STRING), 'null') AS year, count(*) AS n FROM";
    let rows = bench.sql(&format!("{counts} r2.default.t GROUP BY year ORDER BY 1"))?;
    let allowed = |line: &&str| {
        let numbers: &[&str] = match line.split(',').next().unwrap_or_default() {
            "2021" => &["40", "39"],
            "2022" => &["37", "36"],
            "2023" | "null" => &["20"],
            _ => &[],
        };
        !numbers.contains(&line.split(',').nth(1).unwrap_or_default())
    };
    equal("years that are neither", rows.lines().skip(1).find(allowed), None)
}

/// One file cannot be read: its batch fails and says so, the others arrive.
fn source_is_damaged() -> Result<(), Failed> {
    let bench = Bench::apart()?;
    let damaged = bench.ask_source("damage_file", json!({"year": 2023}))?;
    let file = damaged.as_str().unwrap_or_default();
    let name = Path::new(file).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let failed = bench.run(With { options: ", on_error = 'continue'", ..With::default() })?;
    let failed = failed.ended(1)?.says(&name)?.says("year=2023")?;
    let state = |batch: &str| if batch == "year=2023" { "failed" } else { "copied" };
    equal("states", failed.states(), BATCHES.map(|batch| (batch.to_owned(), state(batch).to_owned())).into())?;
    let counts = "SELECT count(*) AS n, count(*) FILTER (WHERE year = 2023) AS damaged FROM r2.default.t";
    equal("rows", bench.sql(counts)?, format!("n,damaged\n{},0\n", ROWS - 20))?;
    bench.files(Left::Nothing)?;
    bench.run(With::default())?.ended(1)?.says(&name)?;
    bench.ask_source("damage_file", json!({"year": 2023}))?;
    bench.finish(With::default())?;
    bench.holds(Left::Nothing).map(drop)
}

/// A signal comes at a step: the process ends, whole batches stay, and a commit that has begun is made.
fn signalled(point: &str, arrived: usize, signal: &str, code: i32) -> Result<(), Failed> {
    let bench = Bench::new()?;
    let going = asleep(&bench, point)?;
    going.started.signal(signal)?;
    going.wakes()?.ended(code)?;
    let audit = bench.audit()?;
    let batches: Vec<_> = audit["batches"].as_object().into_iter().flatten().map(|(batch, _)| batch.as_str()).collect();
    // In their order; the last one may have been verified still while the next one reached the point. Behind a commit the next
    // one may have begun before the signal was looked at: it is waited for.
    let most = arrived + usize::from(point.starts_with("commit.after"));
    equal("batches that arrived", &batches, &BATCHES[..batches.len().min(most)].to_vec())?;
    bench.finish(With::default())?;
    bench.holds(Left::Nothing).map(drop)
}

/// What was recorded is enough, whatever the SELECT computes: the source's files are not read.
fn source_has_no_files() -> Result<(), Failed> {
    let (source, target) = (tempfile::tempdir()?, tempfile::tempdir()?);
    support::block_on(async {
        let engine = support::engine(&[("glue", source.path()), ("r2", target.path())]).await?;
        for sql in [
            "CREATE SCHEMA glue.default",
            "CREATE SCHEMA r2.default",
            "CREATE TABLE glue.default.t AS SELECT value AS id, 'row ' || value AS name FROM generate_series(1, 9)",
            "MIGRATE TABLE glue.default.t TO r2.default.t SELECT upper(name) AS name, id WITH (verify = 'portable')",
        ] {
            support::run(&engine, sql).await?;
        }
        let is_data = |path: &&std::path::PathBuf| path.extension().is_some_and(|extension| extension == "parquet");
        let files = support::files_below(source.path())?;
        let data: Vec<_> = files.iter().filter(is_data).collect();
        equal("whether there were files", data.is_empty(), false)?;
        data.into_iter().try_for_each(std::fs::remove_file)?;
        for level in ["content", "portable"] {
            let sql = format!("VERIFY TABLE r2.default.t AGAINST glue.default.t USING '{level}'");
            let checks = support::rows(&engine, &sql).await?;
            let verdicts: Vec<_> = checks.iter().map(|check| [&check[2][..], &check[5]]).collect();
            equal("checks", verdicts, vec![["rows", "same"], [level, "same"]])?;
        }
        Ok(())
    })
}
