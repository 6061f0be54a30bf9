//! Commits that are answered wrongly, late or not at all, of the table's creation, of the claim and of batches.

use std::time::Duration;

use icelift_testkit::r2_proxy::{Fault, FaultHandle, FaultRule, Side};
use libtest_mimic::{Failed, Trial};

use super::bench::{Left, With, wait_until};
use super::cloud::Cloud;
use super::twice::asleep;
use crate::clouds::world::{MakeRule, equal};

/// What a run comes past only if the answers to a commit are lost.
pub(super) const LOST: [&str; 3] = ["commit.unknown", "fence.before_commit", "fence.after_commit"];

/// Requests to commit before that of the second batch: the creation, the claim, the first batch.
const EARLIER: u64 = 3;

/// Faults of the claim and of the second batch's commit; none of them stops a run.
const LANDINGS: [(&str, MakeRule); 12] = [
    ("429_with_retry_after", || before(Fault::iceberg_error(429, "TooManyRequestsException").retry_after(1))),
    ("503_with_retry_after", || before(Fault::iceberg_error(503, "SlowDownException").retry_after(1))),
    ("503", || before(Fault::iceberg_error(503, "SlowDownException"))),
    ("500_before", || before(Fault::iceberg_error(500, "InternalServerError"))),
    ("reset_before", || before(Fault::Reset)),
    ("late", || before(Fault::Late(Duration::from_millis(1_500)))),
    ("500_after", || after(Fault::iceberg_error(500, "InternalServerError"))),
    ("504_after", || after(Fault::iceberg_error(504, "CommitStateUnknownException"))),
    ("409_after", || after(Fault::iceberg_error(409, "CommitFailedException"))),
    ("503_with_retry_after_after", || after(Fault::iceberg_error(503, "SlowDownException").retry_after(1))),
    ("reset_after", || after(Fault::Reset)),
    ("truncated_answer", || after(Fault::Truncate { bytes: 100 })),
];

pub(super) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("migrate::lost::answer_too_late", || {
            lands("too_late", || after(Fault::Delay(Duration::from_secs(5))))
        }),
        Trial::test("migrate::lost::all_copies", || unknown("all_copies", "")),
        Trial::test("migrate::lost::all_copies_and_the_fence", all_copies_and_the_fence),
        Trial::test("migrate::lost::arrives_behind_the_fence", behind_the_fence),
        Trial::test("migrate::lost::never_answered", never_answered),
        Trial::test("migrate::lost::driver_dies_with_its_commit_on_the_way", || dies(false)),
        Trial::test("migrate::lost::driver_dies_and_its_commit_lands", || dies(true)),
        Trial::test("migrate::lost::driver_dies_with_its_first_claim_on_the_way", first_claim),
        Trial::test("migrate::lost::lands_between_plan_and_claim", between_plan_and_claim),
        Trial::test("migrate::lost::creation", creation),
    ];
    for name in LOST {
        for action in ["kill", "error"] {
            let point = format!("{name}:{action}");
            trials.push(Trial::test(format!("migrate::lost::{name}::{action}"), move || unknown(&point, &point)));
        }
    }
    for (name, rule) in LANDINGS {
        trials.push(Trial::test(format!("migrate::lost::{name}"), move || lands(name, rule)));
    }
    trials
}

fn before(fault: Fault) -> FaultRule {
    FaultRule::before(Side::Catalog, fault).operation("updateTable")
}

fn after(fault: Fault) -> FaultRule {
    FaultRule::after(Side::Catalog, fault).operation("updateTable")
}

fn lands(name: &str, rule: MakeRule) -> Result<(), Failed> {
    let cloud = Cloud::new(&format!("lost_{name}"))?;
    let claim = cloud.world.proxy.fault(rule().skip(1));
    let batch = cloud.world.proxy.fault(rule().skip(2));
    let ran = cloud.bench.finish(With::default())?;
    equal("faults met", [claim.hits(), batch.hits()], [1, 1])?;
    cloud.holds(Left::Nothing, &[&ran])
}

/// All copies of the second batch's commit are lost on their way.
fn lose_copies(cloud: &Cloud) -> FaultHandle {
    cloud.world.proxy.fault(before(Fault::Reset).skip(EARLIER).times(3))
}

/// The outcome is not known, so the driver fences and looks again. With a failpoint it is stopped there, and another goes on.
fn unknown(name: &str, point: &str) -> Result<(), Failed> {
    let cloud = Cloud::new(&format!("lost_{name}"))?;
    let lost = lose_copies(&cloud);
    let first = cloud.bench.run(With { points: point, ..With::default() })?;
    equal("copies that were lost", lost.hits(), 3)?;
    let last = match point.rsplit(':').next().unwrap_or_default() {
        "" => first.done()?,
        action => {
            let (name, code) = (point.split(':').next().unwrap_or_default(), if action == "kill" { -1 } else { 3 });
            equal("whether it came past", first.ended(code)?.passed(name), true)?;
            cloud.bench.finish(With::default())?
        }
    };
    if point.is_empty() {
        equal("what it came past", LOST.map(|name| last.passed(name)), [true; 3])?;
    }
    cloud.holds(Left::Nothing, &[&last])
}

/// The fence is applied and its answer lost: it stands all the same.
fn all_copies_and_the_fence() -> Result<(), Failed> {
    let cloud = Cloud::new("lost_fence")?;
    let lost = lose_copies(&cloud);
    let fence = cloud.world.proxy.fault(after(Fault::Reset).skip(EARLIER));
    let ran = cloud.bench.finish(With::default())?;
    equal("copies and fences that were lost", [lost.hits(), fence.hits()], [3, 1])?;
    cloud.holds(Left::Nothing, &[&ran])
}

/// The first copy of the commit arrives when the fence has landed, and is refused.
fn behind_the_fence() -> Result<(), Failed> {
    let cloud = Cloud::new("lost_behind_the_fence")?;
    let late = cloud.world.proxy.fault(before(Fault::Late(Duration::from_secs(5))).skip(EARLIER));
    let lost = cloud.world.proxy.fault(before(Fault::Reset).skip(EARLIER).times(2));
    // Held up until the late one has been refused, so that the run does not end before.
    let going = cloud.bench.start(With { points: "fence.after_commit:freeze", ..With::default() })?;
    going.freezes()?;
    wait_until("the late commit", || Ok(cloud.statuses().contains(&409) || cloud.statuses().contains(&400)))?;
    let ran = going.wakes()?.done()?;
    equal("copies that were late and lost", [late.hits(), lost.hits()], [1, 2])?;
    cloud.holds(Left::Nothing, &[&ran])
}

/// Nothing is answered any more. Nothing is removed, and the next run finds out.
fn never_answered() -> Result<(), Failed> {
    let cloud = Cloud::new("lost_never_answered")?;
    let lost = cloud.world.proxy.fault(after(Fault::Reset).skip(EARLIER).always());
    // The target is asked for, missing, and read when it is made and when it is claimed; the batches follow from commit to commit.
    let deaf = FaultRule::before(Side::Catalog, Fault::Reset).operation("loadTable").skip(3).always();
    let deaf = cloud.world.proxy.fault(deaf);
    let deletions = cloud.world.deletions();
    let stopped = cloud.bench.run(With::default())?.stopped()?.says("run the same statement again")?;
    equal("whether the commit was lost", lost.hits() >= 1 && deaf.hits() >= 1, true)?;
    // The listings of the first batch: two.
    equal("deletions, at most", cloud.world.deletions() - deletions <= 2, true)?;
    lost.remove();
    deaf.remove();
    let last = cloud.bench.finish(With::default())?;
    cloud.holds(Left::Nothing, &[&stopped, &last])
}

/// The driver is killed when its commit is on the way. It lands before the next driver looks, or is refused behind its claim.
fn dies(lands: bool) -> Result<(), Failed> {
    let cloud = Cloud::new(if lands { "lost_dies_lands" } else { "lost_dies_late" })?;
    let wait = Duration::from_millis(if lands { 300 } else { 6_000 });
    let late = cloud.world.proxy.fault(before(Fault::Late(wait)).skip(EARLIER));
    let going = cloud.bench.start(With::default())?;
    wait_until("the commit", || Ok(late.hits() == 1))?;
    going.started.signal("KILL")?;
    going.wait()?.ended(-1)?;
    if lands {
        wait_until("the late commit", || Ok(cloud.statuses().len() as u64 > EARLIER))?;
    }
    let last = cloud.bench.finish(With::default())?;
    let state = |batch: &str| last.states().into_iter().find(|(name, _)| name == batch).map(|(_, state)| state);
    equal("the batch", state("year=2022").as_deref(), Some(if lands { "done" } else { "adopted" }))?;
    if !lands {
        let refused = || cloud.statuses().iter().any(|status| *status >= 400);
        wait_until("the late commit", || Ok(refused()))?;
    }
    cloud.holds(Left::Nothing, &[&last])
}

/// The driver is killed when its first claim is on the way, and no register knows of it. Its manifest list is found.
fn first_claim() -> Result<(), Failed> {
    let cloud = Cloud::new("lost_first_claim")?;
    let late = cloud.world.proxy.fault(before(Fault::Late(Duration::from_millis(6_000))).skip(1));
    let going = cloud.bench.start(With::default())?;
    wait_until("the claim", || Ok(late.hits() == 1))?;
    going.started.signal("KILL")?;
    going.wait()?.ended(-1)?;
    let last = cloud.bench.finish(With::default())?;
    let refused = || cloud.statuses().iter().any(|status| *status >= 400);
    wait_until("the late claim", || Ok(refused()))?;
    cloud.holds(Left::Nothing, &[&last])
}

/// The commit of a driver that is dead lands when the next one has made its plan and before its claim lands: the batch is done,
/// and is not copied again.
fn between_plan_and_claim() -> Result<(), Failed> {
    let cloud = Cloud::new("lost_between")?;
    let late = cloud.world.proxy.fault(before(Fault::Late(Duration::from_secs(6))).skip(EARLIER));
    let going = cloud.bench.start(With::default())?;
    wait_until("the commit", || Ok(late.hits() == 1))?;
    going.started.signal("KILL")?;
    going.wait()?.ended(-1)?;
    let next = asleep(&cloud.bench, "claim.before_commit")?;
    let before = cloud.statuses().len() as u64;
    equal("whether the plan is made before the commit lands", before, EARLIER)?;
    wait_until("the late commit", || Ok(cloud.statuses().len() as u64 > EARLIER))?;
    let last = next.wakes()?.done()?;
    let state = |batch: &str| last.states().into_iter().find(|(name, _)| name == batch).map(|(_, state)| state);
    equal("the batch", state("year=2022").as_deref(), Some("done"))?;
    cloud.holds(Left::Nothing, &[&last])
}

/// The table is created in two calls; each may lose its answer.
fn creation() -> Result<(), Failed> {
    for (name, rule) in [
        ("reset_before", before(Fault::Reset)),
        ("reset_after", after(Fault::Reset)),
        ("409_after", after(Fault::iceberg_error(409, "AlreadyExistsException"))),
        ("late", before(Fault::Late(Duration::from_millis(500)))),
    ] {
        let cloud = Cloud::new(&format!("lost_creation_{name}"))?;
        let lost = cloud.world.proxy.fault(rule);
        let ran = cloud.bench.finish(With::default())?;
        equal("faults met", lost.hits(), 1)?;
        cloud.holds(Left::Nothing, &[&ran])?;
    }
    Ok(())
}
