//! Summaries of real migrations, and pages of made-up ones.

mod page;

use super::*;
use crate::Engine;

struct World {
    folder: tempfile::TempDir,
    engine: Engine,
}

async fn engine(folder: &tempfile::TempDir, names: &[&str], failpoints: &str) -> Engine {
    let failpoints = crate::Failpoints::parse(failpoints, |_| {}).unwrap();
    let engine = Engine::builder().failpoints(failpoints).build().await.unwrap();
    for name in names {
        let warehouse = folder.path().join(name).display().to_string();
        engine.run(&format!("ATTACH '{warehouse}' AS {name} (TYPE local)")).await.unwrap();
    }
    engine
}

async fn run(engine: &Engine, sql: &str) -> Result<()> {
    engine.run(sql).await?.collect().await.map(drop)
}

async fn only(engine: &Engine) -> MigrationSummary {
    let mut summaries = engine.migration_summaries("dst.n.t").await.unwrap();
    assert_eq!(summaries.len(), 1);
    summaries.remove(0)
}

const MIGRATE: &str = "MIGRATE TABLE src.n.t TO dst.n.t BATCH BY year";

/// Three years of ten rows.
async fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(&folder, &["src", "dst"], "").await;
    for sql in [
        "CREATE SCHEMA src.n",
        "CREATE SCHEMA dst.n",
        "CREATE TABLE src.n.t PARTITIONED BY (year) TBLPROPERTIES ('my.password' = 'hunter2', \
         'my.proxy' = 'https://me:hunter2@host/x?sig=hunter2') AS
         SELECT value AS id, CAST(2019 + value % 3 AS INT) AS year FROM generate_series(1, 30)",
    ] {
        run(&engine, sql).await.unwrap();
    }
    World { folder, engine }
}

type Line<'a> = (&'a str, BatchPlace, Option<u64>, Option<u64>, BatchVerdict);

/// Names, states, rows of both sides and verdicts.
fn lines(summary: &MigrationSummary) -> Vec<Line<'_>> {
    let rows = |side: Option<SideSummary>| side.map(|side| side.rows);
    let batches = summary.batches.iter();
    batches.map(|it| (it.batch.as_str(), it.state, rows(it.source), rows(it.target), it.verdict)).collect()
}

#[tokio::test]
async fn half_way_and_finished() {
    let World { folder, engine: whole } = world().await;
    let stopped = engine(&folder, &["src", "dst"], "batch.before_write:error:2").await;
    run(&stopped, MIGRATE).await.unwrap_err();
    let half = only(&whole).await;
    assert_eq!((half.state, half.batch_count, half.done_count), (MigrationState::Running, 3, 1));
    let verified = BatchVerdict::Verified;
    assert_eq!(
        lines(&half),
        [
            ("year=2019", BatchPlace::Done, Some(10), Some(10), verified),
            ("year=2020", BatchPlace::Pending, Some(10), None, BatchVerdict::Absent),
            ("year=2021", BatchPlace::Pending, Some(10), None, BatchVerdict::Absent),
        ]
    );
    run(&whole, &format!("{MIGRATE} WITH (verify = 'metadata')")).await.unwrap();
    let done = only(&whole).await;
    assert_eq!((done.state, done.done_count, done.notes.len()), (MigrationState::Finished, 3, 0));
    let verdicts: Vec<_> = done.batches.iter().map(|it| it.verdict).collect();
    assert_eq!(verdicts, [verified, BatchVerdict::Counted, BatchVerdict::Counted]);
    let first = &done.batches[0];
    assert!(first.begun_unix_ms <= first.ended_unix_ms && first.ended_unix_ms <= Some(done.made_unix_ms));
    assert!(first.actual.unwrap().read_bytes > 0 && first.fingerprint.as_deref().unwrap().starts_with("content1:10:"));
    let (plan, actual) = (done.costs.plan_of_done.unwrap(), done.costs.actual);
    assert_eq!((plan.dollars, actual.dollars, done.costs.not_recorded), (Some(0.0), Some(0.0), 0));
    assert!(plan.read_bytes > 0 && actual.source_requests > 0 && actual.catalog_calls.is_none());
}

/// The page of the target alone: what needs the source is left out, and said.
#[tokio::test]
async fn on_a_machine_without_the_source() {
    let World { folder, engine: whole } = world().await;
    run(&whole, MIGRATE).await.unwrap();
    let there = only(&whole).await;
    let alone = engine(&folder, &["dst"], "").await;
    let found = only(&alone).await;
    assert_eq!((found.state, found.costs.plan, found.costs.actual.dollars), (MigrationState::Finished, None, None));
    assert!(found.batches.iter().all(|it| it.source.is_none() && it.target.is_some() && it.plan.is_none()));
    assert_eq!(found.batches.len(), 3);
    assert!(found.notes[0].contains("attached as `src`") && found.notes.len() == 2, "{:?}", found.notes);
    let targets = |summary: &MigrationSummary| summary.batches.iter().map(|it| it.target).collect::<Vec<_>>();
    assert_eq!(targets(&found), targets(&there));
    // The source went on: the plan is that of the snapshot that was copied.
    run(&whole, "INSERT INTO src.n.t SELECT 99 AS id, 2019 AS year").await.unwrap();
    let later = only(&whole).await;
    assert_eq!((later.batches.clone(), later.notes.len()), (there.batches, 0));
}

#[tokio::test]
async fn secrets_of_properties_are_hidden() {
    let World { folder: _folder, engine } = world().await;
    run(&engine, MIGRATE).await.unwrap();
    let summary = only(&engine).await;
    assert_eq!(summary.target.properties["my.password"], "***");
    assert_eq!(summary.target.properties["my.proxy"], "https://***@host/x?***");
    for text in [summary.to_json().unwrap(), summary.to_html()] {
        assert!(text.contains("my.password") && !text.contains("hunter2"));
        assert!(!text.contains("icelift.migration."));
    }
}

#[tokio::test]
async fn what_json_says_is_read_again() {
    let World { folder: _folder, engine } = world().await;
    run(&engine, MIGRATE).await.unwrap();
    let summary = only(&engine).await;
    let json = summary.to_json().unwrap();
    assert_eq!(serde_json::from_str::<MigrationSummary>(&json).unwrap(), summary);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    let keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = vec![
        "version",
        "icelift",
        "made_unix_ms",
        "state",
        "job",
        "statement",
        "options",
        "source",
        "target",
        "pin",
        "batch_count",
        "done_count",
        "batches",
        "costs",
        "findings",
        "notes",
    ];
    expected.sort_unstable();
    let mut found = keys.clone();
    found.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!((&value["state"], &value["batches"][0]["state"]), (&"finished".into(), &"done".into()));
}

#[tokio::test]
async fn no_record_is_no_summary() {
    let World { folder: _folder, engine } = world().await;
    assert_eq!(engine.migration_summaries("src.n.t").await.unwrap(), []);
    assert_eq!(engine.migration_summaries("src.n.x").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(engine.migration_summaries("src.n.t; x").await.unwrap_err().kind(), ErrorKind::Sql);
}

/// A report that cannot be written is known before the start; what goes wrong later is no error of the migration.
#[tokio::test]
async fn the_report_of_a_statement() {
    let World { folder, engine } = world().await;
    let at = |name: &str| folder.path().join(name).display().to_string();
    let with = |name: &str| format!("{MIGRATE} WITH (report = '{}')", at(name));
    let error = run(&engine, &with("missing/page.html")).await.unwrap_err();
    assert_eq!((error.kind(), error.advice().is_some()), (ErrorKind::Config, true));
    std::fs::create_dir(at("folder.html")).unwrap();
    assert_eq!(run(&engine, &with("folder.html")).await.unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(engine.migration_summaries("dst.n.t").await.unwrap_err().kind(), ErrorKind::NotFound);

    let mut events = engine.events();
    std::fs::create_dir(at("out")).unwrap();
    run(&engine, &with("out/page.json")).await.unwrap();
    let text = std::fs::read_to_string(at("out/page.json")).unwrap();
    let written: MigrationSummary = serde_json::from_str(&text).unwrap();
    assert_eq!((written.state, written.done_count), (MigrationState::Finished, 3));
    assert_eq!((written.options["verify"].as_str(), written.options["on_error"].as_str()), ("content", "stop"));
    assert!(!text.contains("page.json"), "where it was written is nobody's business");
    assert!(engine.migration_summaries("dst.n.t").await.unwrap()[0].options.is_empty());
    let mut said = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let crate::MigrationEvent::Noticed { message, .. } = event {
            said.push(message);
        }
    }
    assert_eq!(said, [format!("the report is in {}", at("out/page.json"))]);
    // Nothing to do is told, too, and nothing is left beside it.
    run(&engine, &with("out/page.html")).await.unwrap();
    assert!(std::fs::read_to_string(at("out/page.html")).unwrap().starts_with("<!doctype html>"));
    assert_eq!(std::fs::read_dir(at("out")).unwrap().count(), 2);
}

/// The folder goes while the batches are under way: they arrive, and the statement ends well.
#[tokio::test]
async fn a_report_that_fails_later_fails_alone() {
    use futures::TryStreamExt as _;
    let World { folder, engine } = world().await;
    let out = folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let sql = format!("{MIGRATE} WITH (report = '{}')", out.join("page.html").display());
    let mut answer = engine.run(&sql).await.unwrap();
    assert!(answer.try_next().await.unwrap().is_some());
    std::fs::remove_dir(&out).unwrap();
    assert_eq!(answer.try_collect::<Vec<_>>().await.unwrap().len(), 2);
    assert_eq!(only(&engine).await.state, MigrationState::Finished);
}

/// A batch that does not arrive is told by the report as well.
#[tokio::test]
async fn the_report_of_a_statement_that_fails() {
    let World { folder, engine: _whole } = world().await;
    let stopped = engine(&folder, &["src", "dst"], "batch.before_write:error:3").await;
    let path = folder.path().join("page.json");
    run(&stopped, &format!("{MIGRATE} WITH (report = '{}')", path.display())).await.unwrap_err();
    let written: MigrationSummary = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!((written.state, written.done_count), (MigrationState::Running, 2));
}
