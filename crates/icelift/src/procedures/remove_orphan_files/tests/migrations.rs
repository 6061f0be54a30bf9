//! What drivers leave, by their names.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{World, call, refused, run, table};
use crate::FAILPOINTS;
use crate::error::ErrorKind;
use crate::migrate::orphans::job_of;
use crate::migrate::orphans::tests_of_names::{claimed_table, last_driver};

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
    let stopped = world.engine("commit.before:error:2").await;
    assert!(run(&stopped, MIGRATE).await.is_err());
    stopped.settle().await;
    let before = table(&engine).await;
    let left = call(&engine, ", job => 'all'").await.unwrap();
    let (listings, data): (Vec<_>, Vec<_>) = left.iter().partition(|file| file.ends_with(".json"));
    // The first batch is done; its listing would have gone with the next commit. The third one may have come as far as the second.
    assert!(matches!((listings.len(), data.len()), (2, 1) | (3, 2)), "{left:?}");
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

/// A driver wrote the next metadata file, or half of it, and never moved the pointer to it.
#[tokio::test]
async fn metadata_of_commits_that_never_were() {
    let world = World::new();
    let engine = world.filled().await;
    let stopped = world.engine("batch.before_write:error").await;
    assert!(run(&stopped, MIGRATE).await.is_err());
    let now = table(&engine).await;
    let (job, epoch) = last_driver(&now);
    let put = |table: Uuid, version: u32, epoch: u64, suffix: &str| {
        let signed = job.author(epoch).signed("n/t", version, table);
        world.put(&format!("{signed}{suffix}"), 0)
    };
    let (uuid, other, next) = (now.metadata.uuid(), Uuid::now_v7(), now.metadata.metadata_log().len() as u32);
    let lost = [
        put(uuid, next, epoch, ""),
        put(uuid, next, epoch, "#1"),
        // It may come, until it is fenced.
        put(uuid, next + 1, epoch + 1, ""),
        // One that the table listed once.
        put(uuid, 0, 0, ""),
        // Of a creation that was begun.
        put(other, 0, 0, "#1"),
    ];
    // Of the driver that comes behind the fence; of a table of this place that was renamed; not of a migration.
    let others = [
        put(uuid, next + 2, epoch + 2, ""),
        put(other, next, epoch, ""),
        put(other, 1, 0, "#1"),
        world.put("n/t/metadata/00009-00000000-0000-4000-8000-000000000001.metadata.json", 0),
    ];
    let lost = sorted(lost);
    assert_eq!(call(&engine, ", job => 'all'").await.unwrap(), lost);
    assert_eq!(call(&engine, ", job => 'all', dry_run => false").await.unwrap(), lost);
    for file in others {
        assert!(world.files().contains(&file), "{file}");
    }
    run(&engine, MIGRATE).await.unwrap();
    assert_eq!(run(&engine, "SELECT count(*) FROM dst.n.t").await.unwrap(), ["30"]);
}

/// The metadata of a table that was never made is found; that of one that was, and was renamed since, is not.
#[tokio::test]
async fn metadata_of_tables_that_never_were() {
    let world = World::new();
    let engine = world.filled().await;
    let stopped = world.engine("create.after_commit:error").await;
    assert!(run(&stopped, MIGRATE).await.is_err());
    let first = table(&engine).await.metadata_location.unwrap();
    let catalog = rusqlite::Connection::open(world.path("catalog.db")).unwrap();
    catalog.execute("UPDATE iceberg_tables SET table_name = 'renamed'", []).unwrap();
    run(&engine, MIGRATE).await.unwrap();
    assert!(world.unknown(&engine).await.contains(&first));
    assert_eq!(call(&engine, ", job => 'all'").await.unwrap(), Vec::<String>::new());
    catalog.execute("DELETE FROM iceberg_tables WHERE table_name = 'renamed'", []).unwrap();
    assert_eq!(call(&engine, ", job => 'all', dry_run => false").await.unwrap(), std::slice::from_ref(&first));
    assert!(!world.files().contains(&first));
}

/// The list of a first claim is named for the table: its register, which would tell of a birth, never came.
#[tokio::test]
async fn files_of_a_first_claim_that_never_was() {
    let world = World::new();
    let engine = world.filled().await;
    run(&engine, MIGRATE).await.unwrap();
    let now = table(&engine).await;
    let snapshots: Vec<_> = now.metadata.snapshots().collect();
    let claim = snapshots.iter().find(|snapshot| snapshot.parent_snapshot_id().is_none()).unwrap();
    let birth = claimed_table(now.metadata.uuid());
    let name = claim.manifest_list().rsplit('/').next().unwrap();
    assert!(name.contains(&birth), "{name} of {birth}");
    let lost = world.put(&format!("n/t/metadata/{}", name.replace("snap-", "snap-1")), 0);
    // Of a table that was renamed and has the same place.
    let other = claimed_table(Uuid::now_v7());
    let other = world.put(&format!("n/t/metadata/{}", name.replace(&birth, &other)), 0);
    assert_eq!(call(&engine, ", job => 'all', dry_run => false").await.unwrap(), [lost]);
    assert!(world.files().contains(&other));
}

/// A run that was stopped behind its last commit has left files, and the next one has nothing else to do.
#[tokio::test]
async fn a_run_with_nothing_to_do_cleans_up() {
    for stop in ["batch.before_tidy:error:2", "cleanup.before_delete:error", "cleanup.after_delete:error"] {
        let world = World::new();
        let engine = world.filled().await;
        // Batches are committed one by one: the first one is, whatever the others have come to.
        let first = world.engine("commit.before:error:2").await;
        assert!(run(&first, MIGRATE).await.is_err());
        first.settle().await;
        let second = world.engine(stop).await;
        let _ = run(&second, MIGRATE).await;
        assert!(!world.unknown(&engine).await.is_empty(), "{stop}: nothing is left");
        let before = table(&engine).await.metadata_location;
        run(&engine, MIGRATE).await.unwrap();
        assert_eq!(world.unknown(&engine).await, BTreeSet::new(), "{stop}");
        assert_eq!(table(&engine).await.metadata_location, before, "{stop}: nothing is committed");
    }
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
