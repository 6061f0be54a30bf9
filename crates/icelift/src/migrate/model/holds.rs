//! The protocol keeps its promises, whatever happens within these bounds.

use super::{Allowed, Bounds, Protocol, Worlds, explore};

/// Explores everything, and wants these things to have happened: an exploration that comes nowhere shows nothing.
fn holds(bounds: Bounds, happen: &[&str]) {
    let protocol = Protocol { bounds, ..Protocol::new() };
    let mut worlds = Worlds::new(&protocol);
    let explored = explore(&mut worlds).unwrap_or_else(|counter_example| panic!("{counter_example}"));
    assert!(!explored.is_endless, "of {} states, some go on for ever", explored.states);
    for step in happen.iter().chain(&["adopts", "deletes", "is refused", "ends: finished", "ends: fenced"]) {
        assert!(worlds.happened.contains(step), "`{step}` happens in none of {} states", explored.states);
    }
}

#[test]
fn answers_are_lost_and_drivers_killed() {
    let bounds = Bounds { lists_apart: true, faults: 2, kills: 2, ..Protocol::new().bounds };
    holds(bounds, &["is applied late", "fails to list", "is killed while sending", "ends: unsettled"]);
}

#[test]
fn the_target_is_created() {
    let bounds = Bounds { table_exists: false, faults: 1, kills: 1, ..Protocol::new().bounds };
    holds(bounds, &["is applied late", "ends: unsettled"]);
}

#[test]
fn three_batches() {
    holds(Bounds { batches: 3, faults: 2, kills: 1, ..Protocol::new().bounds }, &["is applied late"]);
}

#[test]
fn three_drivers_on_two_batches() {
    holds(Bounds { drivers: 3, kills: 2, ..Protocol::new().bounds }, &["is applied late"]);
}

#[test]
fn three_drivers_on_one_batch() {
    holds(Bounds { drivers: 3, batches: 1, faults: 1, kills: 1, ..Protocol::new().bounds }, &["is applied late"]);
}

/// A batch is taken out beside drivers that are at work, and comes again.
#[test]
fn batches_are_rolled_back() {
    let bounds = Bounds { rollbacks: 1, ..Protocol::new().bounds };
    holds(Bounds { faults: 1, kills: 1, ..bounds }, &["rolls back", "is applied late"]);
    holds(Bounds { rollbacks: 2, ..bounds }, &["rolls back", "is applied late"]);
    holds(Bounds { drivers: 3, batches: 1, ..bounds }, &["rolls back", "is applied late"]);
}

#[test]
fn batches_are_rolled_back_while_others_write_and_expire() {
    let allowed = Allowed { writes: true, expires: true, ..Allowed::default() };
    let bounds = Bounds { rollbacks: 1, foreign: 1, allowed, ..Protocol::new().bounds };
    holds(Bounds { kills: 1, ..bounds }, &["rolls back", "is applied late"]);
}

/// Somebody writes and expires; or sets main back, which ends the migration.
#[test]
fn others_write_expire_and_roll_back() {
    let allowed = Allowed { writes: true, expires: true, rolls_back: true, ..Allowed::default() };
    holds(Bounds { foreign: 1, faults: 1, kills: 1, allowed, ..Protocol::new().bounds }, &["ends: drifted"]);
    holds(Bounds { foreign: 2, kills: 1, allowed, ..Protocol::new().bounds }, &["ends: drifted"]);
}

/// Two snapshots of others after the last commit, and then all before them expire: the ancestors of main prove nothing.
#[test]
fn expiry_hides_what_came_before() {
    let allowed = Allowed { writes: true, expires: true, rolls_back: true, ..Allowed::default() };
    let bounds = Bounds { batches: 1, foreign: 3, allowed, ..Protocol::new().bounds };
    holds(bounds, &["ends: drifted"]);
}

/// Main is set back, and the register is taken out: this is how a person starts anew.
#[test]
fn the_register_is_taken_out() {
    let allowed = Allowed { rolls_back: true, unsets: true, ..Allowed::default() };
    holds(Bounds { foreign: 3, allowed, ..Protocol::new().bounds }, &["ends: drifted"]);
}

#[test]
fn the_target_is_renamed_and_replaced() {
    let allowed = Allowed { renames: true, ..Allowed::default() };
    let bounds = Bounds { table_exists: false, allowed, ..Protocol::new().bounds };
    holds(Bounds { foreign: 1, faults: 1, ..bounds }, &["ends: replaced", "ends: drifted"]);
    holds(Bounds { foreign: 2, kills: 1, ..bounds }, &["ends: replaced"]);
}

/// The server never gets better: a driver stops all the same.
#[test]
fn a_driver_gives_up() {
    let bounds = Bounds { drivers: 1, faults: 1, faults_never_end: true, ..Protocol::new().bounds };
    let protocol = Protocol { bounds, ..Protocol::new() };
    let mut worlds = Worlds::new(&protocol);
    let explored = explore(&mut worlds).unwrap_or_else(|counter_example| panic!("{counter_example}"));
    assert!(!explored.is_endless, "of {} states, some go on for ever", explored.states);
    assert!(worlds.happened.contains("ends: unsettled"), "a driver goes on in each of {} states", explored.states);
}
