//! Commits that go wrong on the way: before the catalog applied them, after it, or in what it answers.

use std::time::Duration;

use icelift::ErrorKind;
use icelift_testkit::r2_proxy::{Fault, FaultRule, Side};
use libtest_mimic::{Failed, Trial};

use super::world::{HASTY, MakeRule, SEED_ROWS, World, equal, failure};
use crate::support;
use crate::support::process::{Binary, Ran};

/// One fault of `updateTable`, met once, and how often the commit is sent all in all.
struct Landing {
    name: &'static str,
    fault: MakeRule,
    sent: usize,
}

const LANDINGS: [Landing; 14] = [
    Landing { name: "429_with_retry_after", fault: || refused(429, "TooManyRequestsException", Some(1)), sent: 2 },
    Landing { name: "503_with_retry_after", fault: || refused(503, "SlowDownException", Some(1)), sent: 2 },
    Landing { name: "503_without", fault: || refused(503, "SlowDownException", None), sent: 2 },
    Landing { name: "500_before", fault: || refused(500, "InternalServerError", None), sent: 2 },
    Landing { name: "reset_before", fault: || FaultRule::before(Side::Catalog, Fault::Reset), sent: 2 },
    Landing { name: "500_after", fault: || applied(500, "InternalServerError"), sent: 1 },
    Landing { name: "502_after", fault: || applied(502, "BadGateway"), sent: 1 },
    Landing { name: "504_after", fault: || applied(504, "CommitStateUnknownException"), sent: 1 },
    // Whoever asked on our behalf asked twice, and hands on the second answer.
    Landing { name: "409_after", fault: || applied(409, "CommitFailedException"), sent: 1 },
    Landing { name: "400_concurrent_after", fault: || applied(400, "ConcurrentUpdateError"), sent: 1 },
    // The invitation to send again is taken up, and the second copy is told that somebody was faster.
    Landing { name: "503_with_retry_after_after", fault: invited_again, sent: 2 },
    Landing { name: "reset_after", fault: || FaultRule::after(Side::Catalog, Fault::Reset), sent: 1 },
    Landing {
        name: "truncated_answer",
        fault: || FaultRule::after(Side::Catalog, Fault::Truncate { bytes: 100 }),
        sent: 1,
    },
    Landing {
        name: "answer_too_late",
        fault: || FaultRule::after(Side::Catalog, Fault::Delay(Duration::from_secs(8))),
        sent: 1,
    },
];

/// Faults of `loadTable`, which may be asked again as often as need be.
const LOADS: [(&str, MakeRule); 5] = [
    ("503", || refused(503, "SlowDownException", None).times(2)),
    ("429_with_retry_after", || refused(429, "TooManyRequestsException", Some(1))),
    ("reset", || FaultRule::before(Side::Catalog, Fault::Reset).times(2)),
    ("lost_answer", || FaultRule::after(Side::Catalog, Fault::Reset)),
    ("truncated_answer", || FaultRule::after(Side::Catalog, Fault::Truncate { bytes: 300 })),
];

/// Faults of what creates a table with rows.
const CREATIONS: [(&str, MakeRule); 7] = [
    ("stage_503", || refused(503, "SlowDownException", None).operation("createTable")),
    ("stage_429", || refused(429, "TooManyRequestsException", Some(1)).operation("createTable")),
    ("stage_lost_answer", || FaultRule::after(Side::Catalog, Fault::Reset).operation("createTable")),
    ("reset_before", || FaultRule::before(Side::Catalog, Fault::Reset).operation("updateTable")),
    ("reset_after", || FaultRule::after(Side::Catalog, Fault::Reset).operation("updateTable")),
    ("500_after", || applied(500, "InternalServerError").operation("updateTable")),
    // What exists is the table that this statement made.
    ("409_after", || applied(409, "AlreadyExistsException").operation("updateTable")),
];

pub(super) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("clouds::commit::refused_for_good", refused_for_good),
        Trial::test("clouds::commit::token_expires", token_expires),
        Trial::test("clouds::commit::outcome_unknown_is_exit_3", outcome_unknown),
    ];
    for landing in &LANDINGS {
        trials.push(Trial::test(format!("clouds::commit::{}", landing.name), || lands(landing)));
    }
    for (name, fault) in CREATIONS {
        trials.push(Trial::test(format!("clouds::create::{name}"), move || creates(name, fault())));
    }
    for (name, fault) in LOADS {
        trials.push(Trial::test(format!("clouds::load::{name}"), move || loads(name, fault())));
    }
    trials
}

fn refused(code: u16, name: &str, seconds: Option<u64>) -> FaultRule {
    let fault = Fault::iceberg_error(code, name);
    FaultRule::before(Side::Catalog, seconds.map_or(fault.clone(), |seconds| fault.retry_after(seconds)))
}

fn applied(code: u16, name: &str) -> FaultRule {
    FaultRule::after(Side::Catalog, Fault::iceberg_error(code, name))
}

fn invited_again() -> FaultRule {
    FaultRule::after(Side::Catalog, Fault::iceberg_error(503, "SlowDownException").retry_after(1))
}

fn lands(landing: &Landing) -> Result<(), Failed> {
    let world = World::new(format!("clouds_commit_{}", landing.name))?;
    support::block_on(async {
        let engine = world.seeded(&[("rest.client.socket-timeout-ms", "5000")]).await?;
        let before = world.count("updateTable");
        let fault = world.proxy.fault((landing.fault)().operation("updateTable"));
        support::run(&engine, &world.insert(SEED_ROWS, 2 * SEED_ROWS)).await?;
        equal("faults met", fault.hits(), 1)?;
        equal("commits sent", world.count("updateTable") - before, landing.sent)?;
        world.read(&engine).await
    })?;
    world.holds(2 * SEED_ROWS, 2)
}

fn loads(name: &str, fault: FaultRule) -> Result<(), Failed> {
    let world = World::new(format!("clouds_load_{name}"))?;
    support::block_on(async {
        let engine = world.seeded(&[]).await?;
        let fault = world.proxy.fault(fault.operation("loadTable"));
        support::run(&engine, &world.insert(SEED_ROWS, 2 * SEED_ROWS)).await?;
        equal("whether the fault came", fault.hits() > 0, true)?;
        world.read(&engine).await
    })?;
    world.holds(2 * SEED_ROWS, 2)
}

/// `CREATE TABLE … AS` in its two calls, each with a fault: the table is there with its rows, once.
fn creates(name: &str, fault: FaultRule) -> Result<(), Failed> {
    let world = World::new(format!("clouds_create_{name}"))?;
    support::block_on(async {
        let engine = world.engine(&[]).await?;
        support::run(&engine, &format!("CREATE SCHEMA r2.{}", world.namespace)).await?;
        let fault = world.proxy.fault(fault);
        let rows = format!("SELECT value AS id, 'row' || value AS name FROM generate_series(0, {})", SEED_ROWS - 1);
        support::run(&engine, &format!("CREATE TABLE {} AS {rows}", world.table())).await?;
        equal("whether the fault came", fault.hits() > 0, true)?;
        world.read_rows(&engine, SEED_ROWS).await
    })?;
    world.holds(SEED_ROWS, 1)
}

/// The status says conflict, and yet nothing would come of another try.
fn refused_for_good() -> Result<(), Failed> {
    let world = World::new("clouds_commit_refused")?;
    fails(&world, refused(409, "FailedToSetProperties", None), ErrorKind::Write, "injected")
}

/// A token ends between reading and committing: nothing is committed, and nothing left behind.
fn token_expires() -> Result<(), Failed> {
    let world = World::new("clouds_commit_token")?;
    fails(&world, FaultRule::before(Side::Catalog, Fault::ExpiredToken), ErrorKind::Denied, "check TOKEN")
}

fn fails(world: &World, fault: FaultRule, kind: ErrorKind, words: &str) -> Result<(), Failed> {
    support::block_on(async {
        let engine = world.seeded(&[]).await?;
        let before = world.count("updateTable");
        let fault = world.proxy.fault(fault.operation("updateTable"));
        let (found, message) = failure(&engine, &world.insert(SEED_ROWS, 2 * SEED_ROWS)).await?;
        equal("faults met, commits sent", (fault.hits(), world.count("updateTable") - before), (1, 1))?;
        equal("kind of the error", (found, message.contains(words), &message), (kind, true, &message))?;
        engine.settle().await;
        world.read_rows(&engine, SEED_ROWS).await
    })?;
    world.holds(SEED_ROWS, 1)
}

/// No answer, and no trace in the table: nothing is removed, because the commit may come yet. It takes a minute and a half.
fn outcome_unknown() -> Result<(), Failed> {
    let world = World::new("clouds_commit_unknown")?;
    support::block_on(world.seeded(&[]))?;
    let lost = world.proxy.fault(FaultRule::before(Side::Catalog, Fault::Reset).operation("updateTable").always());
    let (before, written) = (world.deletions(), world.count("PutObject"));
    let Ran { code, stderr, .. } = Binary::new()?.attached(&world.attach(&HASTY)).sql(&world.insert(10, 20)).run()?;
    equal("exit code", (code, &stderr), (3, &stderr))?;
    let told = stderr.contains("nothing was removed") && stderr.contains("it is not known whether snapshot");
    equal("what is said", (told, &stderr), (true, &stderr))?;
    equal("commits sent", lost.hits(), 3)?;
    equal("deletions", world.deletions(), before)?;
    // Data, manifest and list are there for the commit that may still come.
    let audit = world.audit()?;
    let known = audit["objects"].as_array().map_or(0, Vec::len);
    equal("objects beside the table's", world.objects(&audit)?.len() - known, world.count("PutObject") - written)?;
    equal("rows and snapshots", (audit["ids"][0].as_u64(), audit["snapshots"].as_u64()), (Some(10), Some(1)))?;
    lost.remove();
    support::block_on(async { world.read_rows(&world.engine(&[]).await?, SEED_ROWS).await })
}
