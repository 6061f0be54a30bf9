//! A migration between two local catalogs that is stopped at each failpoint, once and twice: the process is killed, or the
//! step fails. Another machine continues.

use std::sync::OnceLock;

use libtest_mimic::{Failed, Trial};

use super::bench::{BATCHES, Bench, Left, MACHINES, Outcome, SLICES, With};
use crate::clouds::world::equal;
use crate::support::once::once;

/// What a run comes past that is not stopped.
pub(super) const FRESH: [&str; 13] = [
    "create.before_commit",
    "create.after_commit",
    "claim.before_commit",
    "claim.after_commit",
    "batch.before_write",
    "batch.files_written",
    "batch.listed",
    "batch.before_verify",
    "batch.verified",
    "commit.before",
    "commit.after",
    "batch.before_tidy",
    "finish.before_report",
];

/// What one comes past beside that which continues another.
pub(super) const RESUMED: [&str; 4] =
    ["recover.before_listing", "recover.adopted", "cleanup.before_delete", "cleanup.after_delete"];

/// Stops that leave all that can be left: files that are listed, files that are not, and batches that are done.
const FIRST: [&str; 4] =
    ["batch.files_written:kill:4", "batch.listed:kill:3", "commit.before:kill:2", "commit.after:kill:3"];

pub(super) fn trials() -> Vec<Trial> {
    let mut trials = vec![Trial::test("migrate::crash::none", undisturbed)];
    for name in FRESH {
        for action in ["kill", "error"] {
            trials.push(Trial::test(format!("migrate::crash::{name}::{action}"), move || fresh(name, action)));
        }
    }
    for name in RESUMED {
        for action in ["kill", "error"] {
            trials.push(Trial::test(format!("migrate::crash::{name}::{action}"), move || resumed(name, action)));
        }
    }
    for first in FIRST {
        let name = first.replace(':', "_");
        trials.push(Trial::test(format!("migrate::crash_twice::{name}"), move || twice(first)));
    }
    trials
}

fn undisturbed() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let ran = bench.finish(With::default())?;
    equal("states", ran.states(), BATCHES.map(|batch| (batch.to_owned(), "copied".to_owned())).into())?;
    bench.holds(Left::Nothing)?;
    bench.is_finished()
}

/// How often a run that is not stopped comes past a failpoint.
fn passes(name: &str) -> Result<usize, Failed> {
    static HITS: OnceLock<Result<Vec<String>, String>> = OnceLock::new();
    let hits = once(&HITS, || Bench::new()?.finish(With::default()).map(|ran| ran.hits))?;
    Ok(hits.iter().filter(|hit| *hit == name).count())
}

/// The first pass, one in the middle, the last.
fn fresh(name: &str, action: &str) -> Result<(), Failed> {
    let passes = passes(name)?;
    let expected = match name.split_once('.') {
        Some(("batch", "before_tidy")) | Some(("commit", _)) => BATCHES.len(),
        Some(("batch", _)) => SLICES,
        _ => 1,
    };
    equal("passes", passes, expected)?;
    let mut chosen = vec![1, passes.div_ceil(2) + 1, passes];
    chosen.retain(|pass| *pass <= passes);
    chosen.dedup();
    for pass in chosen {
        survives(&[&format!("{name}:{action}:{pass}")])?;
    }
    Ok(())
}

fn resumed(name: &str, action: &str) -> Result<(), Failed> {
    survives(&[FIRST[1], &format!("{name}:{action}")])
}

/// Everything that the run comes past which continues the first one, one after the other.
fn twice(first: &str) -> Result<(), Failed> {
    let bench = Bench::new()?;
    stopped(&bench, first, MACHINES[0])?;
    let mut names = bench.finish(With::default())?.hits;
    bench.holds(Left::Nothing)?;
    names.sort();
    names.dedup();
    for name in names {
        survives(&[first, &format!("{name}:kill")])
            .map_err(|failed| format!("{name}: {}", failed.message().unwrap_or_default()))?;
    }
    Ok(())
}

/// One run for each of the failpoints, which stops it; then one that comes to its end. Each on another machine.
fn survives(points: &[&str]) -> Result<(), Failed> {
    let bench = Bench::new()?;
    for (point, machine) in points.iter().zip(MACHINES.iter().cycle()) {
        stopped(&bench, point, machine)?;
    }
    bench.finish(With { args: MACHINES[points.len() % MACHINES.len()], ..With::default() })?;
    bench.holds(Left::Nothing).map(drop)
}

fn stopped(bench: &Bench, point: &str, machine: &[&str]) -> Result<Outcome, Failed> {
    let outcome = bench.run(With { points: point, args: machine, ..With::default() })?;
    let name = point.split(':').next().unwrap_or_default();
    // How far other batches are when the first run dies is a matter of time: their files may all be there.
    if name.starts_with("batch.") && !outcome.passed(name) && outcome.passed("recover.adopted") {
        return outcome.done();
    }
    equal("whether it came past", (point, outcome.passed(name)), (point, true))?;
    if !point.contains(":error") {
        return outcome.ended(-1);
    }
    match name {
        // To remove what earlier runs left is not what the statement is about.
        "cleanup.before_delete" | "cleanup.after_delete" => outcome.done(),
        // There is nothing to be continued.
        "finish.before_report" => outcome.ended(1),
        _ => outcome.stopped(),
    }
}
