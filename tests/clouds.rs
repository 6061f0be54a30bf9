//! The same statements between two clouds: Glue and S3 on one side, an Iceberg REST catalog on the other.
//!
//! Every trial has a proxy of its own in front of the shared servers, with R2's rules and the faults that the trial wants, and
//! a namespace of its own behind it. What must hold in the end is looked up with PyIceberg, past that proxy: each row once, one
//! snapshot for each INSERT, and no object that no snapshot knows.

mod alter;
mod commits;
mod doctor;
pub(crate) mod glue;
mod identities;
mod inspected;
mod keys;
mod migration;
mod objects;
mod orphans;
mod procedures;
mod races;
mod refusals;
mod rewrite;
mod uploads;
mod weed;
pub(crate) mod world;

use libtest_mimic::Trial;

pub(crate) fn trials() -> Vec<Trial> {
    // The longest of all come first.
    let mut trials = commits::trials();
    trials.extend(alter::trials());
    trials.extend(migration::trials());
    trials.extend(glue::trials());
    trials.extend(doctor::trials());
    trials.extend(identities::trials());
    trials.extend(inspected::trials());
    trials.extend(keys::trials());
    trials.extend(objects::trials());
    trials.extend(orphans::trials());
    trials.extend(procedures::trials());
    trials.extend(races::trials());
    trials.extend(refusals::trials());
    trials.extend(rewrite::trials());
    trials.extend(uploads::trials());
    trials.extend(weed::trials());
    trials
}
