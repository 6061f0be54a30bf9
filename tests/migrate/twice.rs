//! Two processes at once: at the same instant, or one that sleeps at a failpoint while the other takes over and finishes.

use libtest_mimic::{Failed, Trial};

use super::bench::{Bench, Going, Left, Outcome, With};
use crate::clouds::world::equal;

/// Where the first process stops and the second takes over; whether it is the first on the table, and whether it has lost
/// the migration when it wakes up.
const SLEEPS: [(&str, bool, bool); 16] = [
    ("create.before_commit", true, true),
    ("create.after_commit", true, true),
    ("claim.before_commit", true, true),
    ("claim.after_commit", true, true),
    ("claim.before_commit", false, true),
    ("claim.after_commit", false, true),
    ("recover.before_listing", false, true),
    ("recover.adopted", false, true),
    ("batch.before_write", true, true),
    ("batch.files_written", false, true),
    ("batch.listed:freeze:2", true, true),
    ("batch.verified:freeze:4", true, true),
    ("commit.before", true, true),
    ("commit.before:freeze:4", false, true),
    ("commit.after", true, true),
    ("finish.before_report", true, false),
];

/// Leaves a listed slice, and files that are not listed.
const BEFORE: &str = "batch.files_written:kill:2";

pub(super) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("migrate::twice::at_the_same_instant", same_instant),
        Trial::test("migrate::twice::both_before_the_claim", both_before_the_claim),
        Trial::test("migrate::twice::overtaken_ends_a_run_that_continues", overtaken_ends),
        Trial::test("migrate::twice::three_in_a_row", three_in_a_row),
        Trial::test("migrate::twice::one_tidies_while_another_writes", tidies_late),
    ];
    for (point, first, lost) in SLEEPS {
        let name = format!("migrate::twice::{}_{}", if first { "first" } else { "later" }, point.replace(':', "_"));
        trials.push(Trial::test(name, move || sleeps(point, first, lost)));
    }
    trials
}

/// Starts a process and waits until it sleeps.
pub(super) fn asleep(bench: &Bench, point: &str) -> Result<Going, Failed> {
    let point = if point.contains(':') { point.to_owned() } else { format!("{point}:freeze") };
    let going = bench.start(With { points: &point, ..With::default() })?;
    going.freezes()?;
    Ok(going)
}

fn sleeps(point: &str, first: bool, lost: bool) -> Result<(), Failed> {
    let bench = Bench::new()?;
    if !first {
        bench.run(With { points: BEFORE, ..With::default() })?.ended(-1)?;
    }
    let sleeper = asleep(&bench, point)?;
    bench.finish(With::default())?;
    let finished = bench.arrived()?;
    let woken = sleeper.wakes()?;
    if lost {
        woken.stopped()?
    } else {
        woken.done()?
    };
    equal("the table", bench.arrived()?, finished)?;
    bench.files(Left::Named)
}

/// Whoever loses says so, and loses nothing.
fn one_wins(bench: &Bench, outcomes: [Outcome; 2]) -> Result<(), Failed> {
    let codes = outcomes.each_ref().map(|outcome| outcome.code);
    let told = outcomes.each_ref().map(|outcome| outcome.stderr.as_str());
    let good = codes.contains(&0) && codes.iter().all(|code| [0, 3].contains(code));
    equal("whether one wins, and the other does or stops", (good, codes, told), (true, codes, told))?;
    bench.holds(Left::Named).map(drop)
}

fn same_instant() -> Result<(), Failed> {
    for resumed in [false, true, false, true] {
        let bench = Bench::new()?;
        if resumed {
            bench.run(With { points: BEFORE, ..With::default() })?.ended(-1)?;
        }
        let (one, other) = (bench.start(With::default())?, bench.start(With::default())?);
        one_wins(&bench, [one.wait()?, other.wait()?])?;
    }
    Ok(())
}

/// Both have read the table, and neither knows of the other.
fn both_before_the_claim() -> Result<(), Failed> {
    for (point, resumed) in
        [("create.before_commit", false), ("claim.before_commit", false), ("claim.before_commit", true)]
    {
        let bench = Bench::new()?;
        if resumed {
            bench.run(With { points: BEFORE, ..With::default() })?.ended(-1)?;
        } else if point.starts_with("claim") {
            bench.run(With { points: "create.after_commit:kill", ..With::default() })?.ended(-1)?;
        }
        let (one, other) = (asleep(&bench, point)?, asleep(&bench, point)?);
        one.started.signal("CONT")?;
        let other = other.wakes()?;
        let one = one.wait()?;
        let codes = [one.code.min(other.code), one.code.max(other.code)];
        equal("exit codes", (codes, &one.stderr, &other.stderr), ([0, 3], &one.stderr, &other.stderr))?;
        one_wins(&bench, [one, other])?;
    }
    Ok(())
}

/// Whoever was overtaken does not go on copying batches that cannot arrive.
fn overtaken_ends() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let going =
        bench.start(With { points: "commit.before:freeze", options: ", on_error = 'continue'", ..With::default() })?;
    going.freezes()?;
    bench.finish(With::default())?;
    let woken = going.wakes()?.stopped()?;
    equal("commits that were tried", woken.hits.iter().filter(|hit| *hit == "commit.before").count(), 1)?;
    bench.holds(Left::Named).map(drop)
}

/// The second sleeps right behind its claim, the third adopts what the first has listed. What the second does when it wakes up
/// must not touch what the third has committed.
fn three_in_a_row() -> Result<(), Failed> {
    for (point, third) in [
        ("claim.after_commit", "commit.before:freeze"),
        ("recover.before_listing", "commit.before:freeze"),
        ("recover.before_listing", "batch.before_tidy:freeze"),
        ("recover.before_listing", "cleanup.before_delete:freeze"),
    ] {
        let bench = Bench::new()?;
        bench.run(With { points: "batch.listed:kill:2", ..With::default() })?.ended(-1)?;
        let second = asleep(&bench, point)?;
        let third = asleep(&bench, third)?;
        equal("whether the third adopts", third.hits()?.contains(&"recover.adopted".to_owned()), true)?;
        second.wakes()?.stopped()?;
        third.wakes()?.done()?;
        bench.holds(Left::Named)?;
        bench.is_finished()?;
    }
    Ok(())
}

/// One has copied all there was, and sleeps before it tidies up. Rows come into the source, and another copies them; the
/// first must not take its files for leftovers.
fn tidies_late() -> Result<(), Failed> {
    let bench = Bench::apart()?;
    bench.run(With { points: BEFORE, ..With::default() })?.ended(-1)?;
    let first = asleep(&bench, "cleanup.before_delete")?;
    bench.insert(200, 219, &["2021"])?;
    let second = asleep(&bench, "commit.before")?;
    first.wakes()?.done()?;
    second.wakes()?.done()?;
    let audit = bench.audit()?;
    equal("differences", audit["difference"].as_str(), Some(""))?;
    bench.files(Left::Named)
}
