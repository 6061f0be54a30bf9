//! Random schedules: processes that are killed, fail or sleep at any moment, until one comes to its end.
//!
//! Each schedule comes from a number, which a failure tells. `ICELIFT_SEEDS=<count>` runs so many instead of as many as the
//! time allows, `ICELIFT_SEED=<number>` begins with a certain one. Moments are milliseconds, so that a schedule may come out
//! differently on another machine.

use std::time::{Duration, Instant, SystemTime};

use icelift_testkit::drive_stats::mix;
use libtest_mimic::{Failed, Trial};
use serde_json::json;

use super::bench::{Bench, Going, Left, Outcome, With, wait_until};
use super::crashes::{FRESH, RESUMED};
use crate::clouds::world::equal;
use crate::interop::ask;

const TIME: Duration = Duration::from_secs(20);
/// Those that went wrong once, and some that never did.
const KEPT: [u64; 3] = [1, 1_043, 1_795_721_744_728];

const STOPS_MAX: u64 = 3;
/// Runs that are not stopped by us until one has to come to its end.
const RUNS_MAX: usize = 5;
/// About as long as a run takes.
const RUN_MS: u64 = 1_200;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("migrate::schedules::new", new),
        Trial::test("migrate::schedules::kept", || KEPT.into_iter().try_for_each(schedule)),
    ]
}

fn new() -> Result<(), Failed> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>()).transpose();
    let (count, first) = (number("ICELIFT_SEEDS")?, number("ICELIFT_SEED")?);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis();
    let (first, start) = (first.unwrap_or(u64::try_from(now)?), Instant::now());
    let is_over = |ran: u64| count.map_or(start.elapsed() > TIME, |count| ran >= count);
    for seed in (0..).take_while(|ran| !is_over(*ran)).map(|ran| first.wrapping_add(ran)) {
        schedule(seed)?;
    }
    Ok(())
}

fn schedule(seed: u64) -> Result<(), Failed> {
    let mut story = Vec::new();
    played(seed, &mut story)
        .map_err(|failed| format!("seed {seed}: {}\n{}", story.join(", "), failed.message().unwrap_or_default()).into())
}

fn played(seed: u64, story: &mut Vec<String>) -> Result<(), Failed> {
    let mut random = Random { seed, drawn: 0 };
    // Every third source changes meanwhile.
    let changes = random.below(3) == 0;
    let bench = if changes { Bench::apart()? } else { Bench::new()? };
    let (mut asleep, mut inserted) = (Vec::new(), 0);
    for _ in 0..=random.below(STOPS_MAX) {
        stop(&bench, &mut random, &mut asleep, story)?;
        if changes && random.below(2) == 0 {
            let years = [["2021", "2024"], ["2022", "NULL"], ["2023", "2025"]][random.below(3) as usize];
            bench.insert(1_000 + 10 * inserted, 1_009 + 10 * inserted, &years)?;
            inserted += 1;
            story.push(format!("rows of {} and {}", years[0], years[1]));
        }
    }
    let machine = machine(&mut random);
    let going = bench.start(With { args: &machine.0, options: &machine.1, ..With::default() })?;
    std::thread::sleep(Duration::from_millis(random.below(RUN_MS)));
    for sleeper in asleep {
        allowed(&sleeper.wakes()?)?;
    }
    let mut last = going.wait()?;
    story.push(format!("not stopped: {}", last.code));
    for _ in 0..RUNS_MAX {
        // A run that had nothing to do is the last one: another may still be of an earlier pin.
        if allowed(&last)? == 0 && (!changes || !last.passed("claim.after_commit")) {
            return holds(&bench, changes);
        }
        last = bench.run(With::default())?;
        story.push(format!("not stopped: {}", last.code));
    }
    Err("no run came to its end".into())
}

fn holds(bench: &Bench, changes: bool) -> Result<(), Failed> {
    if !changes {
        return bench.holds(Left::Named).map(drop);
    }
    equal("differences", bench.audit()?["difference"].as_str(), Some(""))?;
    bench.files(Left::Named)
}

/// One run that does not come to its end, or does.
fn stop(bench: &Bench, random: &mut Random, asleep: &mut Vec<Going>, story: &mut Vec<String>) -> Result<(), Failed> {
    let machine = machine(random);
    let with = With { args: &machine.0, options: &machine.1, ..With::default() };
    let kind = random.below(4);
    if kind < 2 {
        let names: Vec<_> = FRESH.iter().chain(&RESUMED).collect();
        let name = names[random.below(names.len() as u64) as usize];
        let points = format!("{name}:{}:{}", ["kill", "error"][kind as usize], 1 + random.below(4));
        let outcome = bench.run(With { points: &points, ..with })?;
        story.push(format!("{points}: {}", outcome.code));
        // Behind all batches there is nothing to be continued.
        return if points.starts_with("finish.") { Ok(()) } else { allowed(&outcome).map(drop) };
    }
    let going = bench.start(with)?;
    let moment = random.below(RUN_MS);
    std::thread::sleep(Duration::from_millis(moment));
    story.push(format!("{} after {moment} ms", ["killed", "asleep"][kind as usize - 2]));
    if kind == 2 {
        going.started.signal("KILL")?;
        allowed(&going.wait()?)?;
    } else {
        sleep(bench, &going)?;
        asleep.push(going);
    }
    Ok(())
}

/// Stops the process, but not in a transaction of SQLite: everybody would wait for it.
fn sleep(bench: &Bench, going: &Going) -> Result<(), Failed> {
    wait_until("the process to be in no transaction", || {
        going.started.signal("STOP")?;
        wait_until("the process to stop", || Ok(matches!(going.started.state()?, 'T' | 'Z')))?;
        for folder in [&bench.source, &bench.target_folder()] {
            if ask(json!({"do": "is_locked", "folder": folder}))? == json!(true) {
                going.started.signal("CONT")?;
                return Ok(false);
            }
        }
        Ok(true)
    })
}

/// Done, to be continued, or killed: nothing else may become of a run. Returns the code.
fn allowed(outcome: &Outcome) -> Result<i32, Failed> {
    match outcome.code {
        code @ (0 | 3 | -1) => Ok(code),
        code => Err(format!("exit code {code}: {}", outcome.stderr).into()),
    }
}

/// Arguments and options that make no difference to what arrives.
fn machine(random: &mut Random) -> (Vec<&'static str>, String) {
    let threads = ["1", "2", "4"][random.below(3) as usize];
    (vec!["--threads", threads], format!(", parallel_batches = {}", 1 + random.below(3)))
}

/// Draws one number after the other.
struct Random {
    seed: u64,
    drawn: u64,
}

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.drawn += 1;
        mix(self.seed, self.drawn - 1) % end
    }
}
