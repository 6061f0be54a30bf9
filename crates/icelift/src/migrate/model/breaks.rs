//! No rule of the protocol is there for nothing, and the explorer finds what is broken without it.

use super::{Allowed, Bounds, Broken, CounterExample, Explored, Protocol, Rule, Worlds, explore};

fn run(without: Option<Rule>, bounds: Bounds) -> Result<Explored, CounterExample<Broken>> {
    explore(&mut Worlds::new(&Protocol { without, bounds }))
}

/// Explores the protocol without a rule, and wants this to come of it.
fn comes_of(without: Rule, bounds: Bounds, expected: Broken) {
    match run(Some(without), bounds) {
        Err(found) => assert_eq!(found.broken, expected, "{found}"),
        Ok(explored) => panic!("nothing is broken in {} states without {without:?}", explored.states),
    }
}

/// The same, and nothing comes of it with the rule.
fn breaks(without: Rule, bounds: Bounds, expected: Broken) {
    comes_of(without, bounds, expected);
    if let Err(found) = run(None, bounds) {
        panic!("{without:?} is kept, and still: {found}");
    }
}

fn bounds() -> Bounds {
    Protocol::new().bounds
}

/// The old driver's request was built before the fence, and fits behind it.
#[test]
fn without_a_fence_that_moves_main() {
    breaks(Rule::FenceMovesMain, bounds(), Broken::Overtaken);
}

/// Killed between the rows and the register.
#[test]
fn without_the_register_in_the_commit() {
    breaks(Rule::RegisterIsInTheCommit, bounds(), Broken::Doubled);
}

/// The second copy of a request is refused because the first has landed.
#[test]
fn without_looking_up_a_conflict() {
    breaks(Rule::ConflictIsLookedUp, Bounds { drivers: 1, faults: 1, ..bounds() }, Broken::Doubled);
}

/// The batch was not there when the driver looked, and came later; its files were gone by then.
#[test]
fn without_absence_being_open() {
    breaks(Rule::AbsenceIsOpen, Bounds { drivers: 1, faults: 1, ..bounds() }, Broken::Deleted);
}

/// A finished batch is committed once more when its snapshot has expired.
#[test]
fn without_the_register_deciding() {
    let allowed = Allowed { writes: true, expires: true, ..Allowed::default() };
    breaks(Rule::RegisterDecides, Bounds { drivers: 1, foreign: 2, allowed, ..bounds() }, Broken::Overtaken);
}

#[test]
fn without_checking_the_epoch() {
    breaks(Rule::EpochIsChecked, bounds(), Broken::Overtaken);
}

#[test]
fn without_a_fence_before_deleting() {
    breaks(Rule::FenceComesBeforeDeleting, bounds(), Broken::Deleted);
}

/// The second driver is fenced while it deletes what the third takes over.
#[test]
fn without_deleting_done_batches_only() {
    breaks(Rule::OnlyDoneIsDeleted, Bounds { drivers: 3, ..bounds() }, Broken::Deleted);
}

#[test]
fn without_a_fenced_driver_leaving_its_files() {
    breaks(Rule::FencedDeletesNothing, bounds(), Broken::Deleted);
}

#[test]
fn without_checking_the_lineage() {
    let allowed = Allowed { rolls_back: true, ..Allowed::default() };
    breaks(Rule::LineageIsChecked, Bounds { drivers: 1, foreign: 1, allowed, ..bounds() }, Broken::NotFinished);
}

/// Expiry would look like main set back, and stop every migration for good.
#[test]
fn without_counting_rows() {
    let allowed = Allowed { writes: true, expires: true, ..Allowed::default() };
    breaks(Rule::ContentDecides, Bounds { drivers: 1, foreign: 3, allowed, ..bounds() }, Broken::Stuck);
}

#[test]
fn without_looking_back_before_a_claim() {
    let allowed = Allowed { unsets: true, ..Allowed::default() };
    breaks(Rule::ClaimLooksBack, Bounds { drivers: 1, foreign: 1, allowed, ..bounds() }, Broken::Doubled);
}

/// Main is set back to where a late request wants it.
#[test]
fn without_sequence_numbers() {
    let allowed = Allowed { rolls_back: true, ..Allowed::default() };
    breaks(Rule::SequenceIsChecked, Bounds { foreign: 1, allowed, ..bounds() }, Broken::Overtaken);
}

/// The first commit of an empty table fits every other empty table.
#[test]
fn without_requiring_the_uuid() {
    let allowed = Allowed { renames: true, ..Allowed::default() };
    let bounds = Bounds { table_exists: false, drivers: 1, foreign: 1, allowed, ..bounds() };
    breaks(Rule::UuidIsRequired, bounds, Broken::Misled);
}

/// The files that lie there are those of the table that was renamed.
#[test]
fn without_checking_the_birth() {
    let allowed = Allowed { renames: true, ..Allowed::default() };
    breaks(Rule::BirthIsChecked, Bounds { foreign: 1, allowed, ..bounds() }, Broken::Deleted);
}

/// A creation comes a second time, after the table was renamed, and brings an old register with it.
#[test]
fn without_a_claim_of_its_own() {
    let allowed = Allowed { renames: true, ..Allowed::default() };
    let bounds = Bounds { table_exists: false, faults: 1, foreign: 1, allowed, ..bounds() };
    comes_of(Rule::ClaimIsApart, bounds, Broken::Overtaken);
}

/// Two claims of one driver land on two tables, and both take the same files for theirs.
#[test]
fn without_births_that_differ() {
    let allowed = Allowed { renames: true, ..Allowed::default() };
    let bounds = Bounds { table_exists: false, batches: 1, faults: 2, foreign: 1, allowed, ..bounds() };
    comes_of(Rule::BirthsDiffer, bounds, Broken::Deleted);
}

#[test]
fn without_a_bound_on_failures() {
    let bounds = Bounds { drivers: 1, faults: 1, faults_never_end: true, ..bounds() };
    breaks(Rule::FailuresAreBounded, bounds, Broken::Endless);
}

/// Fences land and batches time out, again and again.
#[test]
fn without_counting_fences_as_no_progress() {
    let bounds = Bounds { drivers: 1, faults: 1, faults_never_end: true, ..bounds() };
    breaks(Rule::OnlyBatchesAreProgress, bounds, Broken::Endless);
}

/// Two that start at once fence each other, again and again.
#[test]
fn without_landed_being_held() {
    breaks(Rule::LandedIsHeld, bounds(), Broken::Endless);
}

/// A driver that saw the batch done deletes what another one left of it. Then the batch is rolled back, and a third driver takes
/// the same files over.
#[test]
fn without_a_round_behind_a_rollback() {
    let bounds = Bounds { drivers: 3, batches: 1, rollbacks: 1, ..bounds() };
    breaks(Rule::RollbackBeginsARound, bounds, Broken::Deleted);
}

/// Not promised: a register that was taken out is not missed once the snapshots have expired too.
#[test]
fn a_register_that_nothing_tells_of_is_not_missed() {
    let allowed = Allowed { writes: true, expires: true, unsets: true, ..Allowed::default() };
    let found = run(None, Bounds { drivers: 1, foreign: 3, allowed, ..bounds() });
    assert_eq!(found.map_err(|found| found.broken).err(), Some(Broken::Doubled));
}
