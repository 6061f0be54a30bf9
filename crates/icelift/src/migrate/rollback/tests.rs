//! Over two local catalogs: what goes is what came, and comes again.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use iceberg::TableIdent;
use iceberg::spec::TableMetadata;

use crate::Engine;
use crate::catalog::{CommitOutcome, Table};
use crate::error::{ErrorKind, Result};
use crate::migrate::register::Register;
use crate::pipeline::snapshot::{self, Cargo, Change, Companion};
use crate::pipeline::warehouse::src_and_dst;

const MIGRATE: &str = "MIGRATE TABLE src.n.t TO dst.n.t BATCH BY year WITH (verify 'metadata')";
const ROLLBACK: &str = "ROLLBACK MIGRATION dst.n.t BATCH 2020";
const COUNTS: &str = "SELECT year, count(*), count(DISTINCT id) FROM dst.n.t GROUP BY year ORDER BY year";

/// Two catalogs in a folder: `src` with a table of ten rows for each of three years, and `dst`.
struct World(tempfile::TempDir);

impl World {
    async fn new() -> (Self, Engine) {
        let world = Self(tempfile::tempdir().unwrap());
        let engine = world.engine("").await;
        for sql in [
            "CREATE SCHEMA src.n",
            "CREATE SCHEMA dst.n",
            "CREATE TABLE src.n.t PARTITIONED BY (year) AS
             SELECT value AS id, CAST(2019 + value % 3 AS INT) AS year FROM generate_series(1, 30)",
        ] {
            rows(&engine, sql).await.unwrap();
        }
        (world, engine)
    }

    async fn engine(&self, failpoints: &str) -> Engine {
        src_and_dst(self.0.path(), failpoints).await
    }
}

async fn table(engine: &Engine) -> Table {
    engine.catalogs.get("dst").unwrap().load_table(&TableIdent::from_strs(["n", "t"]).unwrap()).await.unwrap()
}

/// The cells of the answer, each row joined by commas.
async fn rows(engine: &Engine, sql: &str) -> Result<Vec<String>> {
    let batches = engine.run(sql).await?.collect().await?;
    let mut found = Vec::new();
    for batch in &batches {
        let columns = batch.columns().iter().map(|it| ArrayFormatter::try_new(it.as_ref(), &FormatOptions::default()));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let row = |row: usize| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join(",");
        found.extend((0..batch.num_rows()).map(row));
    }
    Ok(found)
}

/// The first cells of each row.
async fn heads(engine: &Engine, sql: &str, cells: usize) -> Vec<String> {
    let rows = rows(engine, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows.iter().map(|row| row.split(',').take(cells).collect::<Vec<_>>().join(",")).collect()
}

async fn refused(engine: &Engine, sql: &str) -> (ErrorKind, String, String) {
    let error = rows(engine, sql).await.expect_err(sql);
    (error.kind(), error.to_string(), error.advice().unwrap_or_default().to_string())
}

#[tokio::test]
async fn a_batch_goes_and_comes_again() {
    let (_world, engine) = World::new().await;
    rows(&engine, MIGRATE).await.unwrap();
    let before = table(&engine).await;
    let gone = rows(&engine, ROLLBACK).await.unwrap();
    let after = table(&engine).await;
    let snapshot = after.metadata.current_snapshot().unwrap();
    assert_eq!(after.metadata.snapshots().len(), before.metadata.snapshots().len() + 1, "one snapshot");
    assert_eq!(gone.len(), 1);
    assert!(gone[0].starts_with("year=2020,10,1,"), "{gone:?}");
    assert!(gone[0].contains(&snapshot.snapshot_id().to_string()), "{gone:?}");
    let said = &snapshot.summary().additional_properties;
    assert_eq!((said["icelift.rolled-back"].as_str(), said["deleted-records"].as_str()), ("year=2020", "10"));
    assert_eq!(rows(&engine, COUNTS).await.unwrap(), ["2019,10,10", "2021,10,10"]);
    let shown = heads(&engine, "SHOW MIGRATION dst.n.t", 2).await;
    assert_eq!(shown, ["year=2019,done", "year=2020,rolled back", "year=2021,done"]);
    assert_eq!(rows(&engine, ROLLBACK).await.unwrap(), Vec::<String>::new(), "it is gone already");
    let again = heads(&engine, MIGRATE, 2).await;
    assert_eq!(sorted(again), ["year=2019,done", "year=2020,copied", "year=2021,done"]);
    assert_eq!(rows(&engine, COUNTS).await.unwrap(), ["2019,10,10", "2020,10,10", "2021,10,10"]);
    let shown = heads(&engine, "SHOW MIGRATION dst.n.t", 2).await;
    assert_eq!(shown, ["year=2019,done", "year=2020,done", "year=2021,done"]);
    let last = table(&engine).await.metadata_location;
    assert_eq!(sorted(heads(&engine, MIGRATE, 2).await), shown, "nothing is left to do");
    assert_eq!(table(&engine).await.metadata_location, last);
    rows(&engine, "VERIFY TABLE dst.n.t AGAINST src.n.t").await.unwrap();
}

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

#[tokio::test]
async fn all_batches_go_and_other_words_may_come() {
    let (_world, engine) = World::new().await;
    rows(&engine, MIGRATE).await.unwrap();
    let gone = heads(&engine, "ROLLBACK MIGRATION dst.n.t", 2).await;
    assert_eq!(gone, ["year=2019,10", "year=2020,10", "year=2021,10"]);
    assert_eq!(rows(&engine, COUNTS).await.unwrap(), Vec::<String>::new());
    let shown = rows(&engine, "SHOW MIGRATIONS FROM dst").await.unwrap();
    assert!(shown[0].contains(",rolled back,3,0,0,0,0,"), "{shown:?}");
    assert_eq!(rows(&engine, "ROLLBACK MIGRATION dst.n.t").await.unwrap(), Vec::<String>::new());
    assert_eq!(rows(&engine, ROLLBACK).await.unwrap(), Vec::<String>::new());
    // Nothing of it is there, so that some of the rows may come by other words.
    let whole = "MIGRATE TABLE src.n.t TO dst.n.t WHERE id > 15 BATCH BY year WITH (verify 'metadata')";
    rows(&engine, whole).await.unwrap();
    assert_eq!(rows(&engine, "SELECT count(*) FROM dst.n.t").await.unwrap(), ["15"]);
    // Two migrations have records, and the one that was rolled back finds the rows of the other.
    let (kind, message, advice) = refused(&engine, "ROLLBACK MIGRATION dst.n.t").await;
    assert_eq!((kind, message.contains("the target of several migrations")), (ErrorKind::Sql, true), "{message}");
    assert!(advice.contains("WITH (job '…')"), "{advice}");
    let (kind, message, _) = refused(&engine, MIGRATE).await;
    assert_eq!(kind, ErrorKind::Drift, "{message}");
    let registers = Register::all(&table(&engine).await.metadata).unwrap();
    let full = registers.iter().find(|(_, register)| !register.done.is_empty()).unwrap().0;
    let gone = rows(&engine, &format!("ROLLBACK MIGRATION dst.n.t WITH (job '{full}')")).await.unwrap();
    assert_eq!(gone.len(), 3);
    rows(&engine, MIGRATE).await.unwrap();
    assert_eq!(rows(&engine, COUNTS).await.unwrap(), ["2019,10,10", "2020,10,10", "2021,10,10"]);
}

/// A migration that is not finished: what is done can go, and the rest comes with it again.
#[tokio::test]
async fn half_a_migration() {
    let (world, engine) = World::new().await;
    let stopped = world.engine("commit.before:error:3").await;
    assert!(rows(&stopped, MIGRATE).await.is_err());
    stopped.settle().await;
    assert_eq!(heads(&engine, "ROLLBACK MIGRATION dst.n.t BATCH 2019", 2).await, ["year=2019,10"]);
    let shown = heads(&engine, "SHOW MIGRATION dst.n.t", 2).await;
    assert_eq!(shown, ["year=2019,rolled back", "year=2020,done", "(pending),1 batch"]);
    let again = sorted(heads(&engine, MIGRATE, 2).await);
    // What was listed before the rollback is of another round, and is not adopted.
    assert_eq!(again, ["year=2019,copied", "year=2020,done", "year=2021,copied"]);
    assert_eq!(rows(&engine, COUNTS).await.unwrap(), ["2019,10,10", "2020,10,10", "2021,10,10"]);
    let left = "CALL dst.system.remove_orphan_files(table => 'n.t', job => 'all')";
    assert_eq!(rows(&engine, left).await.unwrap(), Vec::<String>::new(), "the run has cleaned up");
}

#[tokio::test]
async fn what_cannot_be_is_said_and_nothing_is_changed() {
    let (_world, engine) = World::new().await;
    let (kind, message, _) = refused(&engine, ROLLBACK).await;
    assert_eq!(kind, ErrorKind::NotFound, "{message}");
    rows(&engine, "CREATE TABLE dst.n.t (id BIGINT)").await.unwrap();
    let (kind, message, _) = refused(&engine, ROLLBACK).await;
    let expected = "snapshot of `dst.n.t`: the table has no record of a migration";
    assert_eq!((kind, message.as_str()), (ErrorKind::NotFound, expected));
    rows(&engine, "DROP TABLE dst.n.t").await.unwrap();
    rows(&engine, MIGRATE).await.unwrap();
    let before = table(&engine).await.metadata_location;
    let (kind, message, advice) = refused(&engine, "ROLLBACK MIGRATION dst.n.t BATCH 2030").await;
    let expected = "snapshot of `dst.n.t`: no batch `2030` of the migration is in the table";
    assert_eq!((kind, message.as_str()), (ErrorKind::NotFound, expected));
    assert_eq!(advice, "it has `year=2019`, `year=2020`, `year=2021`");
    let (kind, _, advice) = refused(&engine, "ROLLBACK MIGRATION dst.n.t WITH (job '00000000000000aa')").await;
    assert_eq!(kind, ErrorKind::NotFound, "{advice}");
    assert_eq!(table(&engine).await.metadata_location, before);
}

#[derive(Debug)]
struct Nothing;

impl Companion for Nothing {
    fn on(&self, _: &TableMetadata, _: i64) -> Result<Cargo> {
        Ok(Cargo::default())
    }
}

/// Somebody takes a file of the batch out: it is named, and by whom.
#[tokio::test]
async fn what_others_changed_is_refused_with_the_list() {
    let (_world, engine) = World::new().await;
    rows(&engine, MIGRATE).await.unwrap();
    let now = table(&engine).await;
    let mut taken = None;
    for manifest in now.manifest_list(now.metadata.current_snapshot().unwrap()).await.unwrap().consume_entries() {
        for entry in now.manifest(&manifest).await.unwrap().entries() {
            taken = taken.or_else(|| Some(entry.file_path().to_string()).filter(|file| file.contains("year=2020")));
        }
    }
    let taken = taken.unwrap();
    let change = Change { remove: HashSet::from([taken.clone()]), companion: Arc::new(Nothing), ..Change::default() };
    let outcome = snapshot::commit(&engine.catalogs.get("dst").unwrap(), &now.clone(), now, change).await;
    assert!(matches!(outcome, CommitOutcome::Landed), "{outcome:?}");
    let before = table(&engine).await;
    for statement in [ROLLBACK, "ROLLBACK MIGRATION dst.n.t"] {
        let (kind, message, advice) = refused(&engine, statement).await;
        let expected = "the batch `year=2020` is not as it was committed: 10 rows in 1 files came, its files hold 0";
        assert_eq!((kind, message), (ErrorKind::Drift, format!("snapshot of `dst.n.t`: {expected}")));
        let by = before.metadata.current_snapshot_id().unwrap();
        let told =
            format!("not in the table any more: `{taken}`; changes since: snapshot {by} (delete); nothing was changed");
        assert!(advice.starts_with(&told), "{advice}");
    }
    assert_eq!(table(&engine).await.metadata_location, before.metadata_location);
    assert_eq!(heads(&engine, "ROLLBACK MIGRATION dst.n.t BATCH 2021", 2).await, ["year=2021,10"]);
}

/// Expiry takes snapshots and their files, and the register goes on without them: so does MIGRATE, and so does a rollback.
#[tokio::test]
async fn expiry_comes_between() {
    let (world, engine) = World::new().await;
    let expire = "CALL dst.system.expire_snapshots(table => 'n.t', older_than => TIMESTAMP '2100-01-01')";
    let stopped = world.engine("commit.before:error:3").await;
    assert!(rows(&stopped, MIGRATE).await.is_err());
    stopped.settle().await;
    assert_eq!(rows(&engine, expire).await.unwrap(), ["0,0,0,0,2,0"], "a claim and the first batch");
    let again = sorted(heads(&engine, MIGRATE, 2).await);
    assert_eq!(again, ["year=2019,done", "year=2020,done", "year=2021,adopted"]);
    rows(&engine, expire).await.unwrap();
    assert_eq!(heads(&engine, ROLLBACK, 2).await, ["year=2020,10"]);
    // Its file, and what said that it was there.
    let gone = rows(&engine, expire).await.unwrap();
    assert!(gone[0].starts_with("1,0,0,"), "{gone:?}");
    assert_eq!(sorted(heads(&engine, MIGRATE, 2).await), ["year=2019,done", "year=2020,copied", "year=2021,done"]);
    assert_eq!(rows(&engine, COUNTS).await.unwrap(), ["2019,10,10", "2020,10,10", "2021,10,10"]);
}
