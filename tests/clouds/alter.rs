//! `ALTER TABLE` in R2: every change through the proxy, and answers that are lost.

use std::time::Duration;

use icelift::ErrorKind;
use icelift_testkit::r2_proxy::{Fault, FaultRule, Side};
use libtest_mimic::{Failed, Trial};
use serde_json::json;

use super::world::{MakeRule, SEED_ROWS, World, equal, failure};
use crate::interop::ask;
use crate::support;

/// Faults of the commit of a change, each met once: the change is made, once.
const FAULTS: [(&str, MakeRule); 6] = [
    ("503_with_retry_after", || {
        FaultRule::before(Side::Catalog, Fault::iceberg_error(503, "SlowDownException").retry_after(1))
    }),
    ("reset_before", || FaultRule::before(Side::Catalog, Fault::Reset)),
    ("reset_after", || FaultRule::after(Side::Catalog, Fault::Reset)),
    ("500_after", || FaultRule::after(Side::Catalog, Fault::iceberg_error(500, "InternalServerError"))),
    ("409_after", || FaultRule::after(Side::Catalog, Fault::iceberg_error(409, "CommitFailedException"))),
    ("truncated_answer", || FaultRule::after(Side::Catalog, Fault::Truncate { bytes: 100 })),
];

pub(super) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("clouds::alter::every_change", every_change),
        Trial::test("clouds::alter::lost_race", lost_race),
        Trial::test("clouds::alter::rename_lost_answer", rename_lost_answer),
        Trial::test("clouds::delete::rows_and_files", rows_and_files),
        Trial::test("clouds::delete::conflict", conflict),
    ];
    for (name, fault) in FAULTS {
        trials.push(Trial::test(format!("clouds::alter::{name}"), move || lands(name, fault())));
        trials.push(Trial::test(format!("clouds::delete::{name}"), move || deletes(name, fault())));
    }
    trials
}

fn alter(world: &World, change: &str) -> String {
    format!("ALTER TABLE {} {change}", world.table())
}

/// Each kind of change, an insert after it, and what DuckDB and PyIceberg see in the end.
fn every_change() -> Result<(), Failed> {
    let world = World::new("clouds_alter_all")?;
    support::block_on(async {
        let engine = world.seeded(&[]).await?;
        for change in [
            "ADD COLUMN n INT FIRST",
            "ADD COLUMN s STRUCT<x: INT>",
            "ADD COLUMN s.y STRING COMMENT 'c'",
            "RENAME COLUMN s.x TO z",
            "ALTER COLUMN n TYPE bigint",
            "ADD PARTITION FIELD bucket(4, id)",
            "REPLACE PARTITION FIELD id_bucket_4 WITH bucket(2, id) AS half",
            "WRITE ORDERED BY id DESC",
            "WRITE UNORDERED",
            "SET TBLPROPERTIES ('owner' = 'me')",
            "UNSET TBLPROPERTIES ('owner')",
            "DROP COLUMN s.z",
            "DROP COLUMN n",
            // Back to what was: the server knows it by its number.
            "RENAME COLUMN name TO label",
            "RENAME COLUMN label TO name",
            "DROP PARTITION FIELD half",
            "ADD PARTITION FIELD bucket(2, id) AS half",
        ] {
            support::run(&engine, &alter(&world, change)).await?;
        }
        let insert = format!("INSERT INTO {} (id, name) SELECT id + 10, 'row' || (id + 10) FROM {0}", world.table());
        support::run(&engine, &insert).await?;
        support::run(&engine, &alter(&world, "DROP PARTITION FIELD half")).await?;
        let (kind, message) =
            failure(&engine, &alter(&world, "SET TBLPROPERTIES ('write.metadata.path' = 's3://x/y')")).await?;
        equal("a property that R2 refuses", (kind, message.contains("does not take")), (ErrorKind::Unsupported, true))?;
        world.read(&engine).await?;
        let columns = ask(
            json!({"do": "pyiceberg_count", "catalog": world.catalog(), "table": format!("{}.t", world.namespace)}),
        )?;
        equal("what PyIceberg sees", columns, json!([2 * SEED_ROWS, ["id", "name", "s"]]))?;
        let query = format!("SELECT count(*), sum(id), count(s) FROM {}", world.table());
        let rows = ask(json!({"do": "duckdb_queries", "catalog": world.catalog(), "queries": [query]}))?;
        equal("what DuckDB sees", rows, json!([[["20", "190", "0"]]]))
    })?;
    world.holds(2 * SEED_ROWS, 2)
}

fn lands(name: &str, fault: FaultRule) -> Result<(), Failed> {
    let world = World::new(format!("clouds_alter_{name}"))?;
    support::block_on(async {
        let engine = world.seeded(&[]).await?;
        let fault = world.proxy.fault(fault.operation("updateTable"));
        support::run(&engine, &alter(&world, "ADD COLUMN n INT")).await?;
        equal("faults met", fault.hits(), 1)?;
        let described = support::rows(&engine, &format!("DESCRIBE {}", world.table())).await?;
        let names: Vec<_> = described.iter().map(|row| row[0].as_str()).collect();
        equal("columns", names, vec!["id", "name", "n"])?;
        world.read_rows(&engine, SEED_ROWS).await
    })?;
    world.holds(SEED_ROWS, 1)
}

/// Another writer's column lands while ours is on its way: both are there, with ids of their own.
fn lost_race() -> Result<(), Failed> {
    let world = World::new("clouds_alter_race")?;
    support::block_on(async {
        let (first, second) = (world.seeded(&[]).await?, world.engine(&[]).await?);
        let delay = Fault::Delay(Duration::from_secs(2));
        let fault = world.proxy.fault(FaultRule::before(Side::Catalog, delay).operation("updateTable"));
        let (early, late) = (alter(&world, "ADD COLUMN a INT"), alter(&world, "ADD COLUMN b STRING"));
        let overtake = async {
            while fault.hits() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            support::run(&second, &late).await
        };
        tokio::try_join!(support::run(&first, &early), overtake)?;
        support::run(&first, &format!("INSERT INTO {} VALUES (10, 'row10', 'b', 1)", world.table())).await?;
        let found = support::rows(&first, &format!("SELECT b, a FROM {} WHERE id = 10", world.table())).await?;
        equal("both columns", found, vec![vec!["b".to_owned(), "1".to_owned()]])
    })?;
    equal("violations", world.proxy.violations(), vec![])
}

fn rename_lost_answer() -> Result<(), Failed> {
    let world = World::new("clouds_alter_rename")?;
    support::block_on(async {
        let engine = world.seeded(&[]).await?;
        let fault = world.proxy.fault(FaultRule::after(Side::Catalog, Fault::Reset).operation("renameTable"));
        support::run(&engine, &alter(&world, "RENAME TO u")).await?;
        equal("faults met", fault.hits(), 1)?;
        let renamed = format!("r2.{}.u", world.namespace);
        let found = support::rows(&engine, &format!("SELECT count(*) FROM {renamed}")).await?;
        equal("rows", found, vec![vec![SEED_ROWS.to_string()]])?;
        // The call never arrives: nothing has a new name, and the user is told to look.
        let lost = world.proxy.fault(FaultRule::before(Side::Catalog, Fault::Reset).operation("renameTable").always());
        let back = format!("ALTER TABLE {renamed} RENAME TO t");
        let (kind, message) = failure(&engine, &back).await?;
        equal("kind", (kind, message.contains("look which of the two names")), (ErrorKind::CommitUnknown, true))?;
        lost.remove();
        support::run(&engine, &back).await?;
        support::run(&engine, &format!("CREATE TABLE {renamed} (x INT)")).await?;
        let (kind, _) = failure(&engine, &alter(&world, "RENAME TO u")).await?;
        equal("a name that is taken", kind, ErrorKind::AlreadyExists)?;
        world.read_rows(&engine, SEED_ROWS).await
    })?;
    world.holds(SEED_ROWS, 1)
}

/// A file by metadata alone, part of a file, rows in the place of others; what is left is what the others see.
fn rows_and_files() -> Result<(), Failed> {
    let world = World::new("clouds_delete_rows")?;
    support::block_on(async {
        let engine = world.seeded(&[]).await?;
        support::run(&engine, &world.insert(SEED_ROWS, 2 * SEED_ROWS)).await?;
        let written = world.count("PutObject");
        support::run(&engine, &format!("DELETE FROM {} WHERE id >= 10", world.table())).await?;
        // A manifest without the file, and a list; no data.
        equal("objects for a file that goes whole", world.count("PutObject") - written, 2)?;
        support::run(&engine, &format!("DELETE FROM {} WHERE id % 2 = 1 OR name IS NULL", world.table())).await?;
        let rows = "SELECT value AS id, 'row' || value AS name FROM generate_series(1, 19, 2)";
        support::run(&engine, &format!("INSERT OVERWRITE {} WHERE id % 2 = 1 {rows}", world.table())).await?;
        let evens = "SELECT value AS id, 'row' || value AS name FROM generate_series(10, 18, 2)";
        support::run(&engine, &format!("INSERT INTO {} {evens}", world.table())).await?;
        world.read(&engine).await?;
        let query = format!("SELECT count(*), sum(id), count(DISTINCT id) FROM {}", world.table());
        let rows = ask(json!({"do": "duckdb_queries", "catalog": world.catalog(), "queries": [query]}))?;
        equal("what DuckDB sees", rows, json!([[["20", "190", "20"]]]))
    })?;
    world.holds(2 * SEED_ROWS, 6)
}

/// The answer to the commit of a DELETE is lost, or it loses a race: the rows are gone, once, and no object is left over.
fn deletes(name: &str, fault: FaultRule) -> Result<(), Failed> {
    let world = World::new(format!("clouds_delete_{name}"))?;
    support::block_on(async {
        let engine = world.seeded(&[]).await?;
        // In one file with others that stay.
        support::run(
            &engine,
            &format!(
                "INSERT OVERWRITE {0} SELECT value AS id, 'row' || value AS name FROM generate_series(0, 29)",
                world.table()
            ),
        )
        .await?;
        let fault = world.proxy.fault(fault.operation("updateTable"));
        let (_, batches) = support::run(&engine, &format!("DELETE FROM {} WHERE id >= 10", world.table())).await?;
        equal("rows deleted", support::texts(&batches)?, vec![vec!["20".to_owned()]])?;
        equal("faults met", fault.hits(), 1)?;
        world.read_rows(&engine, SEED_ROWS).await
    })?;
    world.holds(SEED_ROWS, 3)
}

/// Another writer's rows land while ours are being deleted: the statement fails, and leaves nothing behind.
fn conflict() -> Result<(), Failed> {
    let world = World::new("clouds_delete_conflict")?;
    support::block_on(async {
        let (first, second) = (world.seeded(&[]).await?, world.engine(&[]).await?);
        let delay = Fault::Delay(Duration::from_secs(2));
        let fault = world.proxy.fault(FaultRule::before(Side::Catalog, delay).operation("updateTable"));
        let (early, late) =
            (format!("DELETE FROM {} WHERE id % 2 = 1", world.table()), world.insert(SEED_ROWS, 2 * SEED_ROWS));
        let overtake = async {
            while fault.hits() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            support::run(&second, &late).await
        };
        let (failed, overtaken) = tokio::join!(failure(&first, &early), overtake);
        overtaken?;
        let (kind, message) = failed?;
        let told = message.contains("another writer added rows") && message.contains("run the statement again");
        equal("kind of the error", (kind, told, &message), (ErrorKind::Drift, true, &message))?;
        first.settle().await;
        world.read(&first).await
    })?;
    world.holds(2 * SEED_ROWS, 2)
}
