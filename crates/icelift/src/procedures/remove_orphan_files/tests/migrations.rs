//! What drivers leave, by their names.

use super::{World, call, refused, run, table};
use crate::FAILPOINTS;
use crate::error::ErrorKind;
use crate::migrate::orphans::job_of;

const MIGRATE: &str = "MIGRATE TABLE src.n.t TO dst.n.t BATCH BY year WITH (verify 'metadata')";

fn sorted(files: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut files: Vec<_> = files.into_iter().collect();
    files.sort();
    files
}

/// Promise P4: wherever a driver stops, what it wrote is referred to or listed; what is removed is not missed.
#[tokio::test]
async fn wherever_a_driver_stops_its_files_are_listed() {
    let mut with_files = 0;
    for failpoint in FAILPOINTS {
        for nth in [1, 2] {
            let world = World::new();
            let engine = world.filled().await;
            // The first driver leaves something to the second one, which stops elsewhere.
            for failpoints in ["batch.listed:error:2".to_string(), format!("{failpoint}:error:{nth}")] {
                let stopped = world.engine(&failpoints).await;
                let _ = run(&stopped, MIGRATE).await;
                stopped.settle().await;
            }
            let unknown = sorted(world.unknown(&engine).await);
            assert_eq!(call(&engine, ", job => 'all'").await.unwrap(), unknown, "{failpoint} {nth}");
            assert_eq!(sorted(world.unknown(&engine).await), unknown, "listing changes nothing");
            assert_eq!(call(&engine, ", job => 'all', dry_run => false").await.unwrap(), unknown, "{failpoint} {nth}");
            assert!(world.unknown(&engine).await.is_empty(), "{failpoint} {nth}");
            with_files += usize::from(!unknown.is_empty());
            run(&engine, MIGRATE).await.unwrap();
            let query = "SELECT count(*) * 1000 + count(DISTINCT id) FROM dst.n.t";
            assert_eq!(run(&engine, query).await.unwrap(), ["30030"], "{failpoint} {nth}");
        }
    }
    assert!(with_files > 5, "{with_files}");
}

#[tokio::test]
async fn an_unfinished_migration_is_fenced_and_nothing_of_it_adopted() {
    let world = World::new();
    let engine = world.filled().await;
    let stopped = world.engine("batch.listed:error:2").await;
    assert!(run(&stopped, MIGRATE).await.is_err());
    let before = table(&engine).await;
    let left = call(&engine, ", job => 'all'").await.unwrap();
    let (listings, data): (Vec<_>, Vec<_>) = left.iter().partition(|file| file.ends_with(".json"));
    assert_eq!((listings.len(), data.len()), (1, 1), "{left:?}");
    let job = job_of(&left[0]).unwrap();
    assert_eq!(call(&engine, &format!(", job => '{job}', dry_run => false")).await.unwrap(), left);
    let behind = table(&engine).await;
    assert_eq!(behind.metadata.snapshots().len(), before.metadata.snapshots().len() + 1);
    let said = &behind.metadata.current_snapshot().unwrap().summary().additional_properties;
    assert_eq!((said["icelift.job"].clone(), said["added-records"].as_str()), (job.to_string(), "0"));
    assert_eq!(call(&engine, ", job => 'all'").await.unwrap(), Vec::<String>::new());
    // Nothing is left, so nobody is disturbed.
    assert_eq!(call(&engine, ", job => 'all', dry_run => false").await.unwrap(), Vec::<String>::new());
    assert_eq!(table(&engine).await.metadata_location, behind.metadata_location);
    let answer = engine.run(MIGRATE).await.unwrap().collect().await.unwrap();
    let states = answer.iter().map(|batch| batch.column_by_name("state").unwrap());
    let states: Vec<_> = states.map(|state| arrow::array::AsArray::as_string::<i32>(state.as_ref()).value(0)).collect();
    assert_eq!(states, ["done", "copied", "copied"]);
}

#[tokio::test]
async fn a_finished_migration_is_left_alone() {
    use crate::migrate::orphans::tests_of_names::with_epoch;
    let world = World::new();
    let engine = world.filled().await;
    run(&engine, MIGRATE).await.unwrap();
    let before = table(&engine).await;
    let data = world.files().into_iter().find(|file| file.ends_with(".parquet")).unwrap();
    let (dead, claimed) = (with_epoch(&data, 0), with_epoch(&data, 9));
    for file in [&dead, &claimed] {
        std::fs::write(file.strip_prefix("file://").unwrap(), "x").unwrap();
    }
    let foreign = world.put("n/t/data/icelift-00000000000000aa-1-0-x.parquet", 0);
    assert_eq!(call(&engine, ", job => 'all', dry_run => false").await.unwrap(), [dead]);
    assert_eq!(table(&engine).await.metadata_location, before.metadata_location);
    for file in [claimed, foreign] {
        assert!(world.files().contains(&file), "{file}");
    }
}

/// A driver wrote the next metadata file, and never moved the pointer to it.
#[tokio::test]
async fn metadata_of_commits_that_never_were() {
    let world = World::new();
    let engine = world.filled().await;
    let stopped = world.engine("batch.before_write:error:3").await;
    assert!(run(&stopped, MIGRATE).await.is_err());
    let now = table(&engine).await;
    let read = |location: &str| std::fs::read_to_string(location.strip_prefix("file://").unwrap()).unwrap();
    let current = now.metadata_location.clone().unwrap();
    let text = read(&current);
    let id = now.metadata.current_snapshot_id().unwrap();
    let name = |version: usize, number: usize| {
        format!("n/t/metadata/{version:05}-00000000-0000-4000-8000-00000000000{number}.metadata.json")
    };
    let version = now.metadata.metadata_log().len();
    let put = |below: &str, text: &str| {
        world.put(below, 0);
        std::fs::write(world.path(below), text).unwrap();
        world.location(below)
    };
    // In the place of the current one: with a snapshot that the table does not have.
    let lost = put(&name(version, 1), &text.replace(&id.to_string(), "4711"));
    // One that the table has, one of another base, one that is no metadata.
    put(&name(version, 2), &text);
    let base = &now.metadata.metadata_log().last().unwrap().metadata_file;
    put(
        &name(version, 3),
        &text.replace(&id.to_string(), "4711").replace(base.as_str(), "file:///elsewhere.metadata.json"),
    );
    put(&name(version + 1, 4), "{}");
    // On top of the current one: it may come, until it is fenced.
    let log = format!("\"metadata-log\":[{{\"metadata-file\":\"{current}\",\"timestamp-ms\":1}}]");
    let on_top = text.replace(&id.to_string(), "4712");
    let (head, rest) = on_top.split_once("\"metadata-log\":[").unwrap();
    let (_, rest) = rest.split_once(']').unwrap();
    let may_come = put(&name(version + 1, 5), &format!("{head}{log}{rest}"));
    let expected = [lost, may_come];
    assert_eq!(call(&engine, ", job => 'all'").await.unwrap(), expected);
    assert_eq!(call(&engine, ", job => 'all', dry_run => false").await.unwrap(), expected);
    assert_eq!(world.files().iter().filter(|file| file.contains("-4000-8000-")).count(), 3);
    run(&engine, MIGRATE).await.unwrap();
    assert_eq!(run(&engine, "SELECT count(*) FROM dst.n.t").await.unwrap(), ["30"]);
}

#[tokio::test]
async fn details_that_no_register_names() {
    let world = World::new();
    let engine = world.filled().await;
    run(&engine, MIGRATE).await.unwrap();
    let details = crate::migrate::orphans::tests_of_names::details_name(&table(&engine).await);
    let orphan = world.put(&format!("n/t/metadata/{details}"), 0);
    assert_eq!(call(&engine, ", job => 'all'").await.unwrap(), [orphan]);
}

#[tokio::test]
async fn what_cannot_be_is_said() {
    let world = World::new();
    let engine = world.filled().await;
    run(&engine, MIGRATE).await.unwrap();
    let (kind, message) = refused(&engine, ", job => '00000000000000aa'").await;
    assert_eq!(kind, ErrorKind::NotFound, "{message}");
    assert_eq!(message, "catalog of `dst.n.t`: the table knows no migration `00000000000000aa`");
    let (kind, message) = refused(&engine, ", job => 'year'").await;
    assert_eq!(kind, ErrorKind::Sql, "{message}");
    assert_eq!(message, "`year` is no migration, expected 16 hexadecimal digits or `all`");
    for argument in ["location => '/x'", "older_than => TIMESTAMP '2024-05-01'"] {
        let (kind, message) = refused(&engine, &format!(", job => 'all', {argument}")).await;
        assert_eq!((kind, message.ends_with("does not go with `job`")), (ErrorKind::Sql, true), "{message}");
    }
}
