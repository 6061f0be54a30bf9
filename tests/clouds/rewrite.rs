//! `rewrite_data_files` and `rewrite_manifests` over R2: with faults on the way, and read by others afterwards.

use icelift::ErrorKind;
use icelift_testkit::r2_proxy::{Fault, FaultRule, Side};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use super::world::{HASTY, MakeRule, SEED_ROWS, World, equal, failure};
use crate::support;
use crate::support::process::{Binary, Ran};

/// Faults that the call comes through, with the operation that meets them.
const FAULTS: [(&str, MakeRule); 7] = [
    ("commit_503", || {
        FaultRule::before(Side::Catalog, Fault::iceberg_error(503, "SlowDownException")).operation("updateTable")
    }),
    ("commit_reset_before", || FaultRule::before(Side::Catalog, Fault::Reset).operation("updateTable")),
    ("commit_reset_after", || FaultRule::after(Side::Catalog, Fault::Reset).operation("updateTable")),
    ("commit_409_after", || {
        FaultRule::after(Side::Catalog, Fault::iceberg_error(409, "CommitFailedException")).operation("updateTable")
    }),
    ("get_503", || FaultRule::before(Side::S3, Fault::s3_error(503, "SlowDown")).operation("GetObject").times(2)),
    ("put_reset_after", || FaultRule::after(Side::S3, Fault::Reset).operation("PutObject")),
    ("get_truncated", || FaultRule::after(Side::S3, Fault::Truncate { bytes: 10 }).operation("GetObject").times(2)),
];

pub(super) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("clouds::rewrite::manifests", manifests),
        Trial::test("clouds::rewrite::refused_for_good", refused),
        Trial::test("clouds::rewrite::killed_before_the_commit", || killed("rewrite.before_commit:kill")),
        Trial::test("clouds::rewrite::killed_while_it_writes", || killed("rewrite.written:kill")),
        Trial::test("clouds::rewrite::outcome_unknown_is_exit_3", unknown),
    ];
    for (name, fault) in FAULTS {
        trials.push(Trial::test(format!("clouds::rewrite::{name}"), move || comes_through(name, fault())));
    }
    trials
}

fn call(world: &World, procedure: &str, more: &str) -> String {
    format!("CALL r2.system.{procedure}(table => '{}.t'{more})", world.namespace)
}

fn rewrite(world: &World) -> String {
    call(world, "rewrite_data_files", ", options => map('min-input-files', 2)")
}

/// Two files become one, once, whatever happens on the way.
fn comes_through(name: &str, fault: FaultRule) -> Result<(), Failed> {
    let world = World::new(format!("clouds_rewrite_{name}"))?;
    support::block_on(async {
        let engine = world.seeded(&[("rest.client.socket-timeout-ms", "5000")]).await?;
        support::run(&engine, &world.insert(SEED_ROWS, 2 * SEED_ROWS)).await?;
        let fault = world.proxy.fault(fault);
        let done = support::rows(&engine, &rewrite(&world)).await?.concat();
        equal("whether the fault came", fault.hits() > 0, true)?;
        equal("rewritten and added", (done[0].as_str(), done[1].as_str()), ("2", "1"))?;
        world.read(&engine).await?;
        let again = support::rows(&engine, &rewrite(&world)).await?.concat();
        equal("done by a second call", again, vec!["0".to_owned(); 5])
    })?;
    world.holds(2 * SEED_ROWS, 3)
}

fn manifests() -> Result<(), Failed> {
    let world = World::new("clouds_rewrite_manifests")?;
    support::block_on(async {
        let engine = world.seeded(&[]).await?;
        support::run(&engine, &world.insert(SEED_ROWS, 2 * SEED_ROWS)).await?;
        let fault = FaultRule::after(Side::Catalog, Fault::Reset).operation("updateTable");
        let fault = world.proxy.fault(fault);
        let done = support::rows(&engine, &call(&world, "rewrite_manifests", "")).await?.concat();
        equal("faults met, manifests", (fault.hits(), done), (1, vec!["2".to_owned(), "1".to_owned()]))?;
        world.read(&engine).await
    })?;
    world.holds(2 * SEED_ROWS, 3)
}

/// What was written goes if nothing can come of the commit.
fn refused() -> Result<(), Failed> {
    let world = World::new("clouds_rewrite_refused")?;
    support::block_on(async {
        let engine = world.seeded(&[]).await?;
        support::run(&engine, &world.insert(SEED_ROWS, 2 * SEED_ROWS)).await?;
        let fault = Fault::iceberg_error(409, "FailedToSetProperties");
        let fault = world.proxy.fault(FaultRule::before(Side::Catalog, fault).operation("updateTable").times(2));
        for sql in [rewrite(&world), call(&world, "rewrite_manifests", "")] {
            let (kind, message) = failure(&engine, &sql).await?;
            equal("kind of the error", (kind, &message), (ErrorKind::Write, &message))?;
        }
        equal("faults met", fault.hits(), 2)?;
        engine.settle().await;
        world.read(&engine).await
    })?;
    world.holds(2 * SEED_ROWS, 2)
}

/// No answer, and no trace in the table: nothing is removed, because the commit may come yet. It takes a minute and a half.
fn unknown() -> Result<(), Failed> {
    let world = World::new("clouds_rewrite_unknown")?;
    support::block_on(async {
        let engine = world.seeded(&[]).await?;
        support::run(&engine, &world.insert(SEED_ROWS, 2 * SEED_ROWS)).await
    })?;
    let lost = world.proxy.fault(FaultRule::before(Side::Catalog, Fault::Reset).operation("updateTable").always());
    let (before, written) = (world.deletions(), world.count("PutObject"));
    let Ran { code, stderr, .. } = Binary::new()?.attached(&world.attach(&HASTY)).sql(&rewrite(&world)).run()?;
    equal("exit code", (code, &stderr), (3, &stderr))?;
    equal("deletions", world.deletions(), before)?;
    // A data file, three manifests (its own, and those without the files that go) and a list.
    equal("objects written", world.count("PutObject") - written, 5)?;
    lost.remove();
    support::block_on(async { world.read(&world.engine(&[]).await?).await })
}

/// A process that is gone has changed nothing; the next one does what was to be done. The files stay until they are old.
fn killed(failpoint: &str) -> Result<(), Failed> {
    let world = World::new(format!("clouds_rewrite_{}", failpoint.replace([':', '.'], "_")))?;
    support::block_on(async {
        let engine = world.seeded(&[]).await?;
        support::run(&engine, &world.insert(SEED_ROWS, 2 * SEED_ROWS)).await
    })?;
    let binary = Binary::new()?.attached(&world.attach(&HASTY)).env("ICELIFT_FAILPOINTS", failpoint);
    let Ran { code, stderr, .. } = binary.sql(&rewrite(&world)).run()?;
    equal("exit code", (code == 0, &stderr), (false, &stderr))?;
    equal("snapshots", world.audit()?["snapshots"].as_u64(), Some(2))?;
    support::block_on(async {
        let engine = world.engine(&[]).await?;
        world.read(&engine).await?;
        let done = support::rows(&engine, &rewrite(&world)).await?.concat();
        equal("rewritten and added", (done[0].as_str(), done[1].as_str()), ("2", "1"))?;
        world.read(&engine).await
    })?;
    let audit = world.audit()?;
    let known: Vec<_> = audit["objects"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let there = world.objects(&audit)?;
    // Metadata files are the server's.
    let is_left = |object: &&String| !object.ends_with(".metadata.json") && !known.contains(&object.as_str());
    let left = there.iter().filter(is_left).count();
    equal("snapshots, and the file that was left", (audit["snapshots"].as_u64(), left), (Some(3), 1))
}
