//! The same between a local catalog and R2: the proxy is in front of a real REST catalog and a real S3 server.

use std::collections::BTreeSet;

use icelift_testkit::r2_proxy::{Fault, FaultRule, Side};
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::bench::{Bench, Left, MACHINES, Outcome, Target, With};
use super::crashes::{FRESH, RESUMED};
use super::twice::asleep;
use crate::clouds::world::{HASTY, World, equal};
use crate::support;

/// Looks at the table for three seconds when the answer to a commit is lost.
const PROPERTIES: &str = "TBLPROPERTIES ('commit.status-check.total-timeout-ms' = '3000')";

/// A machine that waits no longer than a test can.
const OPTIONS: [(&str, &str); 2] =
    [("rest.client.socket-timeout-ms", "3000"), ("rest.client.retry-timeout-ms", "4000")];

pub(super) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("migrate::cloud::bad_weather", bad_weather),
        Trial::test("migrate::cloud::at_the_same_instant", same_instant),
        Trial::test("migrate::cloud::one_sleeps_before_its_commit", || sleeps("commit.before:freeze:2")),
        Trial::test("migrate::cloud::one_sleeps_with_listed_files", || sleeps("batch.listed:freeze:2")),
    ];
    for name in FRESH.into_iter().chain(RESUMED) {
        trials.push(Trial::test(format!("migrate::cloud::crash::{name}"), move || crash(name)));
    }
    trials
}

pub(super) struct Cloud {
    pub(super) world: World,
    pub(super) bench: Bench,
    /// Another way to the same servers, on which nothing goes wrong.
    past: World,
}

impl Cloud {
    /// Namespaces are shared with all other trials, so each needs a name of its own.
    pub(super) fn new(name: &str) -> Result<Self, Failed> {
        let namespace = format!("migrate_{}", name.replace(['.', ':'], "_"));
        let (world, past) = (World::new(&namespace)?, World::new(&namespace)?);
        support::block_on(async {
            let built = icelift::Engine::builder().attach(past.attach(&HASTY)).build().await;
            let engine = built.map_err(|error| support::told(&error))?;
            support::run(&engine, &format!("CREATE SCHEMA r2.{namespace}")).await.map(drop)
        })?;
        let options: Vec<_> = HASTY.iter().chain(&OPTIONS).copied().collect();
        let target = Target {
            attach: world.attach(&options),
            table: world.table(),
            opened: json!({"catalog": past.catalog(), "table": format!("{namespace}.t")}),
            properties: PROPERTIES.to_owned(),
        };
        Ok(Self { bench: Bench::to(target)?, world, past })
    }

    /// Everything once, no object too many or too few, and no word of the token.
    pub(super) fn holds(&self, left: Left, outcomes: &[&Outcome]) -> Result<(), Failed> {
        let audit = self.bench.arrived()?;
        let known = audit["objects"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let known: BTreeSet<_> = known.map(str::to_owned).collect();
        let left_over = || {
            // Metadata files are the server's: where two commits meet there, it keeps that of the loser.
            let there = self.past.objects(&audit)?.into_iter().filter(|object| !object.ends_with(".metadata.json"));
            let there: BTreeSet<_> = there.collect();
            let is_there = |object: &&String| there.contains(*object) || object.ends_with(".metadata.json");
            let gone: Vec<_> = known.iter().filter(|object| !is_there(object)).collect();
            equal("objects that are gone", gone, vec![])?;
            Ok::<_, Failed>(there.difference(&known).cloned().collect::<BTreeSet<_>>())
        };
        if left != Left::Nothing {
            let there = left_over()?;
            equal("objects that are found", self.bench.orphans(true)?, there.clone())?;
            equal("objects that are removed", self.bench.orphans(false)?, there)?;
        }
        equal("objects that are left over", left_over()?, BTreeSet::new())?;
        equal("violations", self.world.proxy.violations(), vec![])?;
        for outcome in outcomes {
            let token = self.world.proxy.token();
            equal("whether a token is told", outcome.stderr.contains(token) || outcome.stdout.contains(token), false)?;
        }
        Ok(())
    }

    /// What the commits were answered that were answered at all, in the order of their arrival.
    pub(super) fn statuses(&self) -> Vec<u16> {
        self.world.requests("updateTable").iter().filter_map(|request| request.status).collect()
    }

    fn killed(&self, point: &str) -> Result<Outcome, Failed> {
        self.bench.run(With { points: point, args: MACHINES[0], ..With::default() })?.ended(-1)
    }
}

fn crash(name: &str) -> Result<(), Failed> {
    let cloud = Cloud::new(&format!("crash_{name}"))?;
    if RESUMED.contains(&name) {
        cloud.killed("batch.listed:kill:3")?;
    }
    let several = ["batch.", "commit."].iter().any(|part| name.starts_with(part));
    let killed = cloud.killed(&format!("{name}:kill:{}", if several { 2 } else { 1 }))?;
    let last = cloud.bench.finish(With { args: MACHINES[1], ..With::default() })?;
    cloud.holds(Left::Nothing, &[&killed, &last])
}

/// Whatever can be asked again is asked again, in a run and in the one that continues it.
fn bad_weather() -> Result<(), Failed> {
    let cloud = Cloud::new("bad_weather")?;
    let slow_down = || Fault::s3_error(503, "SlowDown");
    let catalog_slow = || Fault::iceberg_error(503, "SlowDownException").retry_after(1);
    let rules = [
        FaultRule::before(Side::S3, slow_down()).operation("PutObject").times(3),
        FaultRule::after(Side::S3, Fault::Reset).operation("PutObject").path_contains(".parquet").skip(2),
        FaultRule::after(Side::S3, Fault::Truncate { bytes: 60 }).operation("GetObject").path_contains(".parquet"),
        FaultRule::before(Side::S3, Fault::s3_error(500, "InternalError")).operation("GetObject").skip(3).times(2),
        FaultRule::before(Side::S3, slow_down()).operation("ListObjects").times(2),
        FaultRule::before(Side::S3, slow_down()).operation("DeleteObject"),
        FaultRule::before(Side::Catalog, catalog_slow()).operation("loadTable").skip(1),
        FaultRule::after(Side::Catalog, Fault::Truncate { bytes: 200 }).operation("loadTable").skip(4),
        FaultRule::after(Side::Catalog, Fault::Reset).operation("createTable"),
    ];
    let handles: Vec<_> = rules.into_iter().map(|rule| cloud.world.proxy.fault(rule)).collect();
    let killed = cloud.killed("batch.files_written:kill:4")?;
    let last = cloud.bench.finish(With { args: MACHINES[1], ..With::default() })?;
    let hits: Vec<_> = handles.iter().map(|handle| handle.hits()).collect();
    equal("faults met", hits, vec![3, 1, 1, 2, 2, 1, 1, 1, 1])?;
    cloud.holds(Left::Nothing, &[&killed, &last])
}

fn same_instant() -> Result<(), Failed> {
    let cloud = Cloud::new("same_instant")?;
    let (one, other) = (cloud.bench.start(With::default())?, cloud.bench.start(With::default())?);
    let (one, other) = (one.wait()?, other.wait()?);
    let codes = [one.code, other.code];
    let good = codes.contains(&0) && codes.iter().all(|code| [0, 3].contains(code));
    equal(
        "whether one wins, and the other does or stops",
        (good, &one.stderr, &other.stderr),
        (true, &one.stderr, &other.stderr),
    )?;
    cloud.holds(Left::Named, &[&one, &other])
}

fn sleeps(point: &str) -> Result<(), Failed> {
    let cloud = Cloud::new(&format!("sleeps_{point}"))?;
    let sleeper = asleep(&cloud.bench, point)?;
    let second = cloud.bench.finish(With { args: MACHINES[1], ..With::default() })?;
    let finished = cloud.bench.arrived()?;
    let woken = sleeper.wakes()?.stopped()?;
    equal("the table", cloud.bench.arrived()?, finished)?;
    cloud.holds(Left::Named, &[&second, &woken])
}
