//! `MIGRATE` in the real binary, stopped at every step, run twice at once, and disturbed by others: each batch arrives once.
//!
//! Whatever happens, the same statement is run again until it says that it is done. Then DuckDB reads source and target and
//! compares the rows, PyIceberg counts the snapshots of each batch, and every file in the target's folder must be known.

mod bench;
mod changes;
mod cloud;
mod crashes;
mod lost;
mod many;
mod schedules;
mod twice;

use std::collections::BTreeSet;

use icelift::FAILPOINTS;
use libtest_mimic::{Failed, Trial};

pub(crate) use self::bench::clean_up;
use crate::clouds::world::equal;

pub(crate) fn trials() -> Vec<Trial> {
    // The longest of all come first.
    let mut trials = many::trials();
    trials.extend(schedules::trials());
    trials.extend(lost::trials());
    trials.extend(cloud::trials());
    trials.extend(twice::trials());
    trials.extend(changes::trials());
    trials.extend(crashes::trials());
    trials.push(Trial::test("migrate::every_failpoint_has_a_trial", every_failpoint_has_a_trial));
    trials
}

/// Each trial that names a failpoint fails unless the binary comes past it.
fn every_failpoint_has_a_trial() -> Result<(), Failed> {
    let groups = [&crashes::FRESH[..], &crashes::RESUMED, &lost::LOST, &many::MANY];
    let tried: Vec<_> = groups.concat();
    let names = |names: &[&'static str]| names.iter().copied().collect::<BTreeSet<_>>();
    equal("failpoints", (names(&tried), tried.len()), (names(&FAILPOINTS), FAILPOINTS.len()))
}
