//! Procedures over an S3 bucket: through R2's proxy, with answers that are lost, and on Glue. What has gone is looked up past them.

use icelift::{Engine, ErrorKind};
use icelift_testkit::r2_proxy::{Fault, FaultRule, Side};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use super::glue;
use super::world::{MakeRule, SEED_ROWS, World, equal, failure};
use crate::support;

const FAR: &str = "TIMESTAMP '2100-01-01'";

pub(super) fn trials() -> Vec<Trial> {
    let faults: [(&str, Option<MakeRule>); 4] = [
        ("undisturbed", None),
        ("answer_is_lost", Some(|| FaultRule::after(Side::Catalog, Fault::Reset))),
        ("request_is_lost", Some(|| FaultRule::before(Side::Catalog, Fault::Reset))),
        ("told_by_409", Some(|| FaultRule::after(Side::Catalog, Fault::iceberg_error(409, "CommitFailedException")))),
    ];
    let mut trials = vec![
        Trial::test("clouds::procedures::expire_is_not_known", expire_is_not_known),
        Trial::test("clouds::procedures::register", register),
        Trial::test("clouds::procedures::register_answer_is_lost", register_answer_is_lost),
        Trial::test("clouds::procedures::on_glue", on_glue),
    ];
    for (name, fault) in faults {
        trials.push(Trial::test(format!("clouds::procedures::expire::{name}"), move || expire(name, fault)));
        trials.push(Trial::test(format!("clouds::procedures::rollback::{name}"), move || rollback(name, fault)));
    }
    trials
}

/// A table with two snapshots, the second of which adds rows. Returns their ids, the newest first.
async fn with_a_past(world: &World, engine: &Engine) -> Result<Vec<String>, Failed> {
    let properties = "TBLPROPERTIES ('commit.status-check.total-timeout-ms' = '3000')";
    support::run(engine, &format!("CREATE SCHEMA r2.{}", world.namespace)).await?;
    support::run(engine, &format!("CREATE TABLE {} (id BIGINT, name STRING) {properties}", world.table())).await?;
    support::run(engine, &world.insert(0, SEED_ROWS)).await?;
    support::run(engine, &world.insert(SEED_ROWS, 2 * SEED_ROWS)).await?;
    let ancestors = support::rows(engine, &call(world, "ancestors_of", "")).await?;
    Ok(ancestors.into_iter().filter_map(|row| row.into_iter().next()).collect())
}

fn call(world: &World, procedure: &str, arguments: &str) -> String {
    format!("CALL r2.system.{procedure}(table => '{}.t'{arguments})", world.namespace)
}

/// Sets the table back to its first snapshot.
async fn set_back(world: &World, engine: &Engine) -> Result<(), Failed> {
    let ids = with_a_past(world, engine).await?;
    let [second, first] = ids.as_slice() else { return Err(format!("snapshots {ids:?}").into()) };
    let moved =
        support::rows(engine, &call(world, "rollback_to_snapshot", &format!(", snapshot_id => {first}"))).await?;
    equal("where main was and is", moved, vec![vec![second.clone(), first.clone()]])
}

/// What only the second snapshot needed goes: a data file, its manifest, its list.
fn expire(name: &str, fault: Option<MakeRule>) -> Result<(), Failed> {
    let world = World::new(format!("clouds_expire_{name}"))?;
    support::block_on(async {
        let engine = world.engine(&[]).await?;
        set_back(&world, &engine).await?;
        let dry = support::rows(
            &engine,
            &call(&world, "expire_snapshots", &format!(", older_than => {FAR}, dry_run => true")),
        )
        .await?;
        let fault = fault.map(|rule| world.proxy.fault(rule().operation("updateTable")));
        let gone = support::rows(&engine, &call(&world, "expire_snapshots", &format!(", older_than => {FAR}"))).await?;
        let counts = vec![["1", "0", "0", "1", "1", "0"].map(str::to_owned).to_vec()];
        equal("what has gone, and what was said before", (gone, dry), (counts.clone(), counts))?;
        equal("faults met", fault.is_none_or(|fault| fault.hits() == 1), true)?;
        world.read_rows(&engine, SEED_ROWS).await
    })?;
    world.holds(SEED_ROWS, 1)
}

/// No copy of the commit arrives: nothing is removed. The same statement then does it.
fn expire_is_not_known() -> Result<(), Failed> {
    let world = World::new("clouds_expire_unknown")?;
    support::block_on(async {
        let engine = world.engine(&[]).await?;
        set_back(&world, &engine).await?;
        let fault = world.proxy.fault(FaultRule::before(Side::Catalog, Fault::Reset).operation("updateTable").always());
        let deletions = world.deletions();
        let statement = call(&world, "expire_snapshots", &format!(", older_than => {FAR}"));
        let (kind, message) = failure(&engine, &statement).await?;
        equal("kind", (kind, &message), (ErrorKind::CommitUnknown, &message))?;
        equal("whether it says so", message.contains("nothing was removed"), true)?;
        equal(
            "whether it was sent again, and what was removed",
            (fault.hits() > 1, world.deletions()),
            (true, deletions),
        )?;
        fault.remove();
        let gone = support::rows(&engine, &statement).await?;
        equal("what has gone", gone, vec![["1", "0", "0", "1", "1", "0"].map(str::to_owned).to_vec()])
    })?;
    world.holds(SEED_ROWS, 1)
}

/// The move of main lands once, whatever becomes of its answer.
fn rollback(name: &str, fault: Option<MakeRule>) -> Result<(), Failed> {
    let world = World::new(format!("clouds_rollback_{name}"))?;
    support::block_on(async {
        let engine = world.engine(&[]).await?;
        let ids = with_a_past(&world, &engine).await?;
        let fault = fault.map(|rule| world.proxy.fault(rule().operation("updateTable")));
        let moved =
            support::rows(&engine, &call(&world, "rollback_to_timestamp", &format!(", timestamp => {FAR}"))).await?;
        equal("it is there already", moved, vec![vec![ids[0].clone(), ids[0].clone()]])?;
        let back = call(&world, "set_current_snapshot", &format!(", snapshot_id => {}", ids[1]));
        equal(
            "where main was and is",
            support::rows(&engine, &back).await?,
            vec![vec![ids[0].clone(), ids[1].clone()]],
        )?;
        equal("faults met", fault.is_none_or(|fault| fault.hits() == 1), true)?;
        world.read_rows(&engine, SEED_ROWS).await
    })?;
    world.holds(SEED_ROWS, 2)
}

/// The newest metadata file that PyIceberg knows.
fn metadata_file(world: &World) -> Result<String, Failed> {
    let audit = world.audit()?;
    let objects = audit["objects"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let files = objects.filter(|object| object.ends_with(".metadata.json"));
    files.max().map(str::to_owned).ok_or_else(|| "no metadata file".into())
}

fn register() -> Result<(), Failed> {
    registers("clouds_register", None)
}

fn register_answer_is_lost() -> Result<(), Failed> {
    registers("clouds_register_lost", Some(|| FaultRule::after(Side::Catalog, Fault::Reset)))
}

/// The table is dropped, and gets its name again; where the server does not register, that is said.
fn registers(namespace: &str, fault: Option<MakeRule>) -> Result<(), Failed> {
    let world = World::new(namespace)?;
    support::block_on(async {
        let engine = world.engine(&[]).await?;
        let ids = with_a_past(&world, &engine).await?;
        let file = metadata_file(&world)?;
        let statement = call(&world, "register_table", &format!(", metadata_file => '{file}'"));
        equal("a name that is taken", failure(&engine, &statement).await?.0, ErrorKind::AlreadyExists)?;
        support::run(&engine, &format!("DROP TABLE {}", world.table())).await?;
        let fault = fault.map(|rule| world.proxy.fault(rule().operation("registerTable")));
        let row = vec![ids[0].clone(), (2 * SEED_ROWS).to_string(), "2".to_owned()];
        equal("what it is", support::rows(&engine, &statement).await?, vec![row])?;
        equal("faults met", fault.is_none_or(|fault| fault.hits() == 1), true)?;
        world.read(&engine).await
    })?;
    world.holds(2 * SEED_ROWS, 2)
}

/// The same on Glue: set back, expired, forgotten and registered again.
fn on_glue() -> Result<(), Failed> {
    support::block_on(async {
        let built = Engine::builder().parallelism(2).attach(glue::attach()?).build().await;
        let engine = built.map_err(|error| support::told(&error))?;
        let table = "glue.clouds_procedures.t";
        let call = |procedure: &str, arguments: &str| {
            format!("CALL glue.system.{procedure}(table => 'clouds_procedures.t'{arguments})")
        };
        support::run(&engine, "CREATE SCHEMA glue.clouds_procedures").await?;
        support::run(&engine, &format!("CREATE TABLE {table} AS SELECT 1 AS id")).await?;
        support::run(&engine, &format!("INSERT INTO {table} SELECT 2 AS id")).await?;
        let ids = support::rows(&engine, &call("ancestors_of", "")).await?;
        let back = format!(", snapshot_id => {}", ids[1][0]);
        support::run(&engine, &call("rollback_to_snapshot", &back)).await?;
        let gone = support::rows(&engine, &call("expire_snapshots", &format!(", older_than => {FAR}"))).await?;
        equal("what has gone", gone, vec![["1", "0", "0", "1", "1", "0"].map(str::to_owned).to_vec()])?;
        let orphans = call("remove_orphan_files", &format!(", older_than => {FAR}"));
        equal("what is left", support::rows(&engine, &orphans).await?, Vec::<Vec<String>>::new())?;
        let files = format!("s3://{}/warehouse/clouds_procedures.db/t/metadata/", crate::support::servers::AWS_BUCKET);
        let (kind, message) =
            failure(&engine, &call("register_table", &format!(", metadata_file => '{files}no.metadata.json'"))).await?;
        equal("a file that is not there", (kind, &message), (ErrorKind::NotFound, &message))?;
        equal("rows", support::rows(&engine, &format!("SELECT id FROM {table}")).await?, vec![vec!["1".to_owned()]])
    })
}
