//! The protocol that makes each batch land exactly once, as a model: all that can happen is tried, and what must never
//! be is looked for. The driver follows this page; it is changed here first.
//!
//! # What there is
//!
//! A migration brings batches into one target table. Its register is in the target's properties: the *birth* of the
//! migration, an *epoch*, the token of the driver that holds the epoch, whose files were committed for each batch that is
//! done, and the *tip*, the snapshot of the commit that wrote it. A commit requires the table's uuid and that main is where
//! it was when the table was read, and it changes main and register in one, or nothing. Nothing else is state: a driver
//! that is killed leaves nothing behind that the next one needs.
//!
//! The files of a batch are an *attempt*: written by one driver, named for birth, driver and batch, then listed in one
//! object, then verified. They are committed, taken over and deleted as a whole. An attempt's name is never used again.
//! A claim has no attempt. The list of its empty snapshot is named for the birth that the register has; that of a first claim,
//! which nobody can know if it does not land, for the table's uuid, which every commit requires.
//!
//! # What a driver does
//!
//! It reads the table, decides by what it sees, does one thing, and reads again. In the driver a failpoint stands at
//! each place where a process may be killed.
//!
//! | what it sees | what it does | failpoints |
//! |---|---|---|
//! | no table | creates it, without a register; if it had seen one: stops | `create.before_commit`, `create.after_commit` |
//! | another uuid than at first | stops | |
//! | no register | claims: an empty snapshot, epoch 1, a new birth; if it had held the register, or main comes after a batch of this plan: stops | `claim.before_commit`, `claim.after_commit` |
//! | the tip is not an ancestor of main | stops; where expiry hides that, the rows of the done batches are counted | |
//! | files of batches that are done with others | may delete them, the data files first and their list last | `cleanup.before_delete`, `cleanup.after_delete` |
//! | the register of another, and it has held it itself | stops, and deletes nothing | |
//! | the register of another, all batches done | may delete what nothing refers to; is finished | `finish.before_report` |
//! | the register of another, batches left | fences: an empty snapshot, the next epoch, its token | `fence.before_commit`, `fence.after_commit` |
//! | its register, a batch in doubt, main where it was | fences | `commit.unknown`, then those of the fence |
//! | its register, files in hand for a batch that is not done | commits them | `commit.before`, `commit.after` |
//! | its register, a batch without files in hand | takes over listed files of this birth and verifies them, or writes, lists and verifies its own | `recover.adopted`, `batch.files_written`, `batch.listed`, `batch.verified` |
//! | its register, all batches done | is finished | `finish.before_report` |
//!
//! An answer other than success only says that it is time to look: a request that was refused may have landed with its
//! first copy, and one without an answer may land later. The batch is then in doubt until main has moved. A driver stops
//! after too many requests in a row without success, behind one last look. No driver sends two requests at a time. A look
//! reads the table and lists files, at once in the model and in any order in the driver: a batch that is done stays done.
//!
//! # What a rollback does
//!
//! `ROLLBACK MIGRATION` is no driver: it reads the table, and sends one request. That takes the files of a batch that is done out
//! of the table, if all of them are in it, and the batch out of the register, with the next epoch, a token of its own and
//! the next *round*. So a driver that is at work is fenced, and a later one copies the batch anew. What was listed in an
//! earlier round is not taken over: who saw the batch done may still be deleting it. If the answer is lost, the statement is run
//! again: it reads the table first.
//!
//! | what it sees | what it does | failpoints |
//! |---|---|---|
//! | the batch is done, its files are in the table | takes them out | `rollback.before_commit`, `rollback.after_commit` |
//! | the batch is done, files of it are not in the table | stops, and names them | |
//! | the batch is not done | is finished | |
//!
//! # What the world does
//!
//! Requests land, are refused, lose their answer, come twice, come late, or never come. Drivers are killed, sleep, and wake
//! up. Several start at once. Others append, compact, expire, set main back, take the register out, rename the table and
//! put another in its place. [`Broken`] says what must not come of it; each [`Rule`] has a test in `breaks` that shows
//! what does, without it.

mod breaks;
mod driver;
mod explorer;
mod files;
mod foreign;
mod holds;
mod promises;
mod rollback;
mod server;
mod table;
mod world;

use self::explorer::{CounterExample, Explored, explore};
use self::foreign::Allowed;
use self::promises::{Broken, Worlds};

/// What the protocol is made of. Each can be left out, to see what it is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Every commit requires the table's uuid, and every look compares it.
    UuidIsRequired,
    /// The server refuses a snapshot that is not newer than all others. Tables of format version 1 have no such numbers.
    SequenceIsChecked,
    /// A fence is a snapshot. Were it properties alone, what was built before it would still fit.
    FenceMovesMain,
    /// The register changes in the commit that brings the rows.
    RegisterIsInTheCommit,
    /// The register says whether a batch is done. Whether a snapshot is in the list says nothing, it may have expired.
    RegisterDecides,
    /// A refusal is no proof that the request has not landed.
    ConflictIsLookedUp,
    /// What the table does not show may still come, as long as main is where the request wants it.
    AbsenceIsOpen,
    /// A driver commits only where the register is its own.
    EpochIsChecked,
    /// The tip must be an ancestor of main: properties stay as they are when main is set back.
    LineageIsChecked,
    /// Where expired snapshots hide whether it is, the rows are counted.
    ContentDecides,
    /// A table without a register is not claimed where main comes after a batch.
    ClaimLooksBack,
    /// Files are deleted only when their batch is done with others: nobody can take them over then. That their epoch is
    /// fenced is not enough, as whoever deletes may be fenced meanwhile.
    OnlyDoneIsDeleted,
    /// Nothing is deleted while its request may land.
    FenceComesBeforeDeleting,
    /// A driver that is fenced leaves its listed files: they may have been taken over. It deletes own files only as long as
    /// they were surely never listed.
    FencedDeletesNothing,
    /// Files are taken over and deleted only where they are named for the register's birth: others of the same place may
    /// belong to a table that was renamed.
    BirthIsChecked,
    /// Creating a table and claiming it are two commits: the copy of a creation makes a table that knows nothing.
    ClaimIsApart,
    /// Each claim has a birth of its own.
    BirthsDiffer,
    /// A driver stops after too many failures in a row.
    FailuresAreBounded,
    /// A fence that lands in the course of a batch does not end the row of failures.
    OnlyBatchesAreProgress,
    /// What was written before a batch was rolled back is not taken over behind it.
    RollbackBeginsARound,
    /// Whose claim or fence has landed has held the register, even if the next look shows another's.
    LandedIsHeld,
}

/// How much of everything there is.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// Whether the target exists at first, with rows of others and no register.
    table_exists: bool,
    batches: usize,
    drivers: usize,
    /// The failures in a row behind which a driver stops.
    failures: u8,
    /// Whether something may happen between writing files and listing them.
    lists_apart: bool,
    /// Requests that are answered wrongly or not at all.
    faults: u8,
    faults_never_end: bool,
    /// Drivers that are killed with a request on its way. All others may be killed at any time.
    kills: u8,
    /// Batches that are rolled back.
    rollbacks: u8,
    /// What others do, in number and kind.
    foreign: u8,
    allowed: Allowed,
}

#[derive(Debug, Clone, Copy)]
struct Protocol {
    without: Option<Rule>,
    bounds: Bounds,
}

impl Protocol {
    /// Two batches and two drivers on a table that exists; nothing goes wrong.
    fn new() -> Self {
        let bounds = Bounds {
            table_exists: true,
            batches: 2,
            drivers: 2,
            failures: 2,
            lists_apart: false,
            faults: 0,
            faults_never_end: false,
            kills: 0,
            rollbacks: 0,
            foreign: 0,
            allowed: Allowed::default(),
        };
        Self { without: None, bounds }
    }

    fn keeps(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}
