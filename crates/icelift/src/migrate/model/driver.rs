//! What a driver does: it reads the table, decides by what it sees, does one thing, and reads the table again.
//!
//! [`Driver::look`] is the protocol. Of answers only success is believed; any other one says that it is time to look again.
//! What a driver remembers, it forgets when it is killed, and nothing is missing.

use super::files::{Attempt, DriverId, Files, Store};
use super::server::{Kind, Post};
use super::table::{Base, Lineage, Register, Table};
use super::{Protocol, Rule};

/// Where a driver is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum At {
    /// Not started.
    Waiting,
    /// About to read the table.
    Looking,
    /// The files of a batch are written, their list is not.
    Listing(Attempt),
    /// A request is built and not sent.
    Sending(Post),
    /// These files are about to be deleted, one after the other, because of what the last look showed.
    Deleting(Files, Option<End>),
    /// Ended, or killed.
    Ended,
}

/// How a driver ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum End {
    /// All batches are in the table, as the last look showed. Exit 0.
    Finished,
    /// Another driver has taken over. Exit 3.
    Fenced,
    /// Main does not come after what the register says, or the register is gone. Exit 1.
    Drifted,
    /// The name belongs to another table, or to none. Exit 1.
    Replaced,
    /// Too many requests in a row were without success. Exit 3.
    Unsettled,
    /// The files of a batch could not be written. Exit 1.
    Failed,
}

/// What a look leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Send(Post),
    Write(Attempt),
    /// Takes the files for the batch, after they were verified.
    Adopt(Attempt),
    Delete(Files, Option<End>),
    End(End),
}

/// What the client hears of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Landed,
    /// Any definite refusal. It may be that of a second copy, after the first has landed.
    Refused,
    Unknown,
}

/// A running driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Driver {
    pub at: At,
    /// The table that it began with.
    uuid: Option<u8>,
    /// Whether it knows that it has held the register.
    held: bool,
    /// The listed files in hand for the next batch: its own, or adopted.
    files: Option<Attempt>,
    /// The base of a batch whose answer was lost.
    in_doubt: Option<Base>,
    /// Requests without success since the last one with it.
    failures: u8,
    /// The last request was refused, and nobody looked; never set by the protocol.
    refused: bool,
}

/// What one look shows.
pub(super) struct Seen<'a> {
    pub me: DriverId,
    pub table: Option<&'a Table>,
    pub store: &'a Store,
    pub protocol: &'a Protocol,
}

/// What one look shows of a table with a register.
struct Claimed<'a> {
    seen: &'a Seen<'a>,
    table: &'a Table,
    register: Register,
    /// Whether the register is this driver's.
    is_mine: bool,
}

impl Driver {
    pub fn at(at: At) -> Self {
        Self { at, uuid: None, held: false, files: None, in_doubt: None, failures: 0, refused: false }
    }

    /// What follows from one read of the table. Where there is more than one way, each is allowed.
    pub fn look(&mut self, seen: &Seen<'_>) -> Vec<Next> {
        let ways = self.ways(seen);
        // After too many failures there is this last look, and no further request.
        let sends = ways.iter().any(|way| matches!(way, Next::Send(_)));
        if sends && self.failures > seen.protocol.bounds.failures { vec![Next::End(End::Unsettled)] } else { ways }
    }

    fn ways(&mut self, seen: &Seen<'_>) -> Vec<Next> {
        let protocol = seen.protocol;
        // 1. The table is the one that this driver began with. If there is none, it is created.
        let Some(table) = seen.table else {
            let register = (!protocol.keeps(Rule::ClaimIsApart)).then(|| self.claim(seen));
            let create = Next::Send(Post::create(seen.me, register));
            return vec![if self.uuid.is_some() { Next::End(End::Replaced) } else { create }];
        };
        if *self.uuid.get_or_insert(table.uuid) != table.uuid && protocol.keeps(Rule::UuidIsRequired) {
            return vec![Next::End(End::Replaced)];
        }
        // 2. A table without a register is claimed, unless it had one.
        let Some(register) = table.register else {
            let had_one = self.held || (protocol.keeps(Rule::ClaimLooksBack) && table.comes_after_a_batch());
            let claim = Next::Send(Post::new(Kind::Claim, table, self.claim(seen)));
            return vec![if had_one { Next::End(End::Drifted) } else { claim }];
        };
        // 3. Main comes after the last commit of the register.
        let is_mine = register.owner == seen.me || (self.held && !protocol.keeps(Rule::EpochIsChecked));
        let claimed = Claimed { seen, table, register, is_mine };
        if protocol.keeps(Rule::LineageIsChecked) && claimed.has_drifted() {
            return vec![Next::End(End::Drifted)];
        }
        self.note(&claimed);
        // 4. At any look, what may be deleted may be deleted now. No epoch is needed for that.
        let removable = claimed.removable();
        let mut ways = Vec::new();
        if !removable.is_empty() {
            ways.push(Next::Delete(removable, None));
        }
        ways.extend(match register.first_open(seen.protocol.bounds.batches) {
            // 5. The register is this driver's: the next batch.
            _ if is_mine => self.next_batch(&claimed),
            // 6. It was this driver's, and is another one's now. What this driver wrote may have been taken over.
            _ if self.held => claimed.fenced(),
            // 7. This driver has just started: nothing is left to do, or it takes over.
            None => vec![Next::End(End::Finished)],
            Some(_) => vec![claimed.fence()],
        });
        ways
    }

    /// The register of a new claim. Each has another birth: a claim that comes late may find another table than the next.
    fn claim(&self, seen: &Seen<'_>) -> Register {
        let claims = seen.protocol.bounds.failures + 2;
        let nth = if seen.protocol.keeps(Rule::BirthsDiffer) { self.failures } else { 0 };
        Register::claim(seen.me, seen.me * claims + nth)
    }

    /// What the table says of this driver's own requests.
    fn note(&mut self, claimed: &Claimed<'_>) {
        if claimed.is_mine && !self.held {
            self.held = true;
            self.failures = 0;
        }
        // The batch is done: the request has landed, whatever its answer was.
        if self.files.is_some_and(|files| claimed.is_done(files.batch())) && !self.refused {
            self.files = None;
            self.in_doubt = None;
            self.failures = 0;
        }
        // Main has moved: the request has failed, or will.
        let protocol = claimed.seen.protocol;
        if self.in_doubt.is_some_and(|base| base != claimed.table.main) && protocol.keeps(Rule::AbsenceIsOpen) {
            self.in_doubt = None;
        }
    }

    /// What the holder of the register does.
    fn next_batch(&self, claimed: &Claimed<'_>) -> Vec<Next> {
        // a. A request of the batch may still land: the fence moves main, and then it cannot.
        if self.in_doubt.is_some() {
            let open = claimed.seen.protocol.keeps(Rule::AbsenceIsOpen);
            return if open { vec![claimed.fence()] } else { vec![Next::Delete(claimed.own(), Some(End::Failed))] };
        }
        // b. There are files in hand: they are committed, on what was just read.
        if let Some(files) = self.files {
            let register = Register { owner: claimed.seen.me, ..claimed.register }.with(files);
            return vec![Next::Send(Post::new(Kind::Batch(files), claimed.table, register))];
        }
        // c. The next batch has no files in hand: listed ones are verified and taken over, or its own are written, listed and
        //    verified. Then the table is read again.
        let open = (0..claimed.seen.protocol.bounds.batches).find(|batch| !claimed.is_done(*batch));
        match open {
            Some(batch) => claimed.files_for(batch),
            None => vec![Next::End(End::Finished)],
        }
    }

    /// What a driver makes of an answer: it looks again.
    pub fn hears(&mut self, answer: Answer, post: &Post, protocol: &Protocol) {
        self.at = At::Looking;
        self.refused = answer == Answer::Refused && !protocol.keeps(Rule::ConflictIsLookedUp);
        if answer != Answer::Landed {
            // Without a bound the count stands still: there are finitely many states.
            self.failures +=
                u8::from(protocol.keeps(Rule::FailuresAreBounded) || self.failures < protocol.bounds.failures);
            if answer == Answer::Unknown && matches!(post.kind, Kind::Batch(_)) {
                self.in_doubt = Some(post.base);
            }
            return;
        }
        // A fence in the course of a batch is no progress: batches that always time out would be fenced for ever.
        if !self.held || matches!(post.kind, Kind::Batch(_)) || !protocol.keeps(Rule::OnlyBatchesAreProgress) {
            self.failures = 0;
        }
        // From here on, another driver's epoch ends this one: two that have just started would fence each other for ever.
        self.held |= post.register.is_some() && protocol.keeps(Rule::LandedIsHeld);
        if matches!(post.kind, Kind::Batch(_)) {
            self.files = None;
            self.in_doubt = None;
        }
    }

    /// Takes listed files in hand.
    pub fn take(&mut self, files: Attempt) {
        self.files = Some(files);
        self.at = At::Looking;
    }
}

impl Claimed<'_> {
    /// Whether a batch is done. The register alone says it: snapshots expire.
    fn is_done(&self, batch: usize) -> bool {
        let by_register = self.seen.protocol.keeps(Rule::RegisterDecides);
        if by_register { self.register.done[batch].is_some() } else { self.table.shows(batch) }
    }

    /// Whether main does not come after the last commit of the register. Where expiry leaves that open, the content
    /// decides: the rows of each batch that is done are counted.
    fn has_drifted(&self) -> bool {
        match self.table.lineage(self.register.tip) {
            Lineage::Holds => false,
            Lineage::Broken => true,
            Lineage::Unclear if !self.seen.protocol.keeps(Rule::ContentDecides) => true,
            Lineage::Unclear => {
                let mut batches = self.register.done.iter().zip(self.table.rows());
                batches.any(|(done, rows)| done.is_some() && rows != 1)
            }
        }
    }

    /// An empty snapshot on what was just read, with the next epoch.
    fn fence(&self) -> Next {
        Next::Send(Post::new(Kind::Fence, self.table, self.register.fence(self.seen.me)))
    }

    /// The files that may be deleted: those of batches that are done with others. Nobody takes them over any more, and any
    /// request that names them was built before main moved.
    fn removable(&self) -> Files {
        let referenced = self.table.referenced();
        let me = self.seen.me;
        self.files(|files| {
            let is_allowed = match self.seen.protocol.without {
                Some(Rule::OnlyDoneIsDeleted) => self.is_mine && files.driver() != me,
                Some(Rule::FenceComesBeforeDeleting) => files.driver() != me,
                _ => self.register.done[files.batch()].is_some_and(|done| done != files),
            };
            is_allowed && self.is_of_this_migration(files) && !referenced.has(files)
        })
    }

    /// Ways to come to the files of a batch.
    fn files_for(&self, batch: usize) -> Vec<Next> {
        let listed = self.files(|files| files.batch() == batch && self.seen.store.listed.has(files));
        let mut ways: Vec<Next> =
            listed.iter().filter(|files| self.may_be_taken_over(*files)).map(Next::Adopt).collect();
        let own = Attempt::new(self.seen.me, batch);
        if !listed.has(own) {
            ways.push(Next::Write(own));
        }
        ways
    }

    /// Whether files are named for the migration that the register tells of.
    fn is_of_this_migration(&self, files: Attempt) -> bool {
        let born = self.seen.store.births[usize::from(files.driver())];
        born == Some(self.register.birth) || !self.seen.protocol.keeps(Rule::BirthIsChecked)
    }

    /// Whether files are named for the migration, and listed in its present round.
    fn may_be_taken_over(&self, files: Attempt) -> bool {
        let round = self.seen.store.rounds[usize::from(files.driver())];
        self.is_of_this_migration(files) && round == self.register.round
    }

    /// Stops, and deletes nothing.
    fn fenced(&self) -> Vec<Next> {
        let delete = !self.seen.protocol.keeps(Rule::FencedDeletesNothing) && !self.own().is_empty();
        vec![if delete { Next::Delete(self.own(), Some(End::Fenced)) } else { Next::End(End::Fenced) }]
    }

    /// The listed files of this driver that no snapshot needs, as far as is seen.
    fn own(&self) -> Files {
        let referenced = self.table.referenced();
        self.files(|files| {
            files.driver() == self.seen.me && self.seen.store.listed.has(files) && !referenced.has(files)
        })
    }

    /// The files that are there and satisfy a condition.
    fn files(&self, condition: impl Fn(Attempt) -> bool) -> Files {
        let store = self.seen.store;
        let there = store.written.and(store.listed).iter().filter(|files| !store.deleted.has(*files));
        there.filter(|files| condition(*files)).fold(Files::default(), Files::with)
    }
}
