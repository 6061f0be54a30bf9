//! The target table: its snapshots, where main points to, and the register in its properties.
//!
//! A snapshot's id is its sequence number here: each snapshot has a new one of both, and only their order matters.

use std::hash::{Hash, Hasher};
use std::num::NonZeroU8;

use super::files::{Attempt, BATCHES, Birth, DriverId, Files};

/// Room for snapshots.
const SNAPSHOTS: usize = 14;

pub(super) type SnapshotId = NonZeroU8;
/// Where main points to; None before the first snapshot.
pub(super) type Base = Option<SnapshotId>;

/// The register of a migration: properties of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Register {
    /// Made by the claim, kept by every later commit, part of the name of every file: which migration this is.
    pub birth: Birth,
    pub epoch: u8,
    /// Begins anew with every rollback.
    pub round: u8,
    /// The token of the driver that holds the epoch.
    pub owner: DriverId,
    /// For each batch that is done, whose files were committed.
    pub done: [Option<Attempt>; BATCHES],
    /// The snapshot of the commit that wrote this register.
    pub tip: Base,
}

impl Register {
    pub fn claim(owner: DriverId, birth: Birth) -> Self {
        Self { birth, epoch: 1, round: 1, owner, done: [None; BATCHES], tip: None }
    }

    pub fn fence(self, owner: DriverId) -> Self {
        Self { epoch: self.epoch + 1, owner, ..self }
    }

    pub fn with(mut self, files: Attempt) -> Self {
        self.done[files.batch()] = Some(files);
        self
    }

    /// The register when a batch was rolled back.
    pub fn without(mut self, batch: usize, owner: DriverId, begins_a_round: bool) -> Self {
        self.done[batch] = None;
        Self { epoch: self.epoch + 1, round: self.round + u8::from(begins_a_round), owner, ..self }
    }

    pub fn first_open(&self, batches: usize) -> Option<usize> {
        (0..batches).find(|batch| self.done[*batch].is_none())
    }

    /// Whether a commit may put this register in the place of `old`: the next epoch with nothing else or one batch less, or
    /// the same epoch of the same driver with no batch less.
    pub fn follows(&self, old: &Self) -> bool {
        let keeps = old.done.iter().zip(&self.done).all(|(old, new)| old.is_none() || old == new);
        let raises = self.epoch == old.epoch + 1;
        let less = old.done.iter().zip(&self.done).filter(|(old, new)| old.is_some() && new.is_none()).count();
        let more = old.done.iter().zip(&self.done).any(|(old, new)| new.is_some() && old != new);
        let same = self.epoch == old.epoch && self.owner == old.owner;
        self.birth == old.birth && ((raises && less <= 1 && !more) || (same && keeps))
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Snapshot {
    parent: Base,
    /// How often the rows of each batch are in the content.
    rows: [u8; BATCHES],
    /// The content's files that are ours; those of a compaction are not.
    files: Files,
    /// What the summary says: the batch that this snapshot brought.
    batch: Option<Attempt>,
    expired: bool,
}

/// In one word: most of the explorer's time goes into hashing.
impl Hash for Snapshot {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let rows = self.rows.iter().fold(0, |sum, rows| sum << 8 | u64::from(*rows));
        let parent = self.parent.map_or(0, |id| u64::from(id.get()));
        state.write_u64(rows << 32 | self.files.word() << 16 | parent << 8 | u64::from(self.expired));
    }
}

/// Whether the snapshot of the last commit is among the ancestors of main.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lineage {
    Holds,
    Broken,
    /// The ancestors end at a snapshot that has expired.
    Unclear,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Table {
    pub uuid: u8,
    pub main: Base,
    pub register: Option<Register>,
    snapshots: [Snapshot; SNAPSHOTS],
    pub last_sequence: u8,
}

impl Table {
    /// A table without snapshots. `last_sequence` makes its snapshots' ids differ from those of other tables.
    pub fn new(uuid: u8, register: Option<Register>, last_sequence: u8) -> Self {
        let snapshots = [Snapshot { expired: true, ..Snapshot::default() }; SNAPSHOTS];
        Self { uuid, main: None, register, snapshots, last_sequence }
    }

    fn snapshot(&self, id: SnapshotId) -> &Snapshot {
        &self.snapshots[usize::from(id.get()) - 1]
    }

    fn current(&self) -> Snapshot {
        self.main.map_or_else(Snapshot::default, |id| *self.snapshot(id))
    }

    /// How often the rows of each batch are in the table.
    pub fn rows(&self) -> [u8; BATCHES] {
        self.current().rows
    }

    /// The snapshots that have not expired.
    pub fn listed(&self) -> impl Iterator<Item = SnapshotId> {
        (1..=self.last_sequence).filter_map(SnapshotId::new).filter(|id| !self.snapshot(*id).expired)
    }

    /// Whether the content has files of ours.
    pub fn has_files(&self) -> bool {
        self.current().files != Files::default()
    }

    /// The files that some snapshot needs.
    pub fn referenced(&self) -> Files {
        self.listed().fold(Files::default(), |files, id| files.and(self.snapshot(id).files))
    }

    /// Whether a snapshot of the list brought this batch.
    pub fn shows(&self, batch: usize) -> bool {
        self.listed().any(|id| self.snapshot(id).batch.is_some_and(|files| files.batch() == batch))
    }

    /// Whether main is known to come after a batch of this migration.
    pub fn comes_after_a_batch(&self) -> bool {
        let mut at = self.main;
        while let Some(id) = at {
            if self.snapshot(id).batch.is_some() {
                return true;
            }
            at = self.snapshot(id).parent;
        }
        false
    }

    /// Looks for the snapshot of the last commit among the ancestors of main. Ancestors have smaller sequence numbers.
    pub fn lineage(&self, tip: Base) -> Lineage {
        let Some(tip) = tip else { return Lineage::Holds };
        let mut at = self.main;
        loop {
            match at {
                Some(id) if id == tip => return Lineage::Holds,
                Some(id) if self.snapshot(id).expired => return Lineage::Unclear,
                Some(id) if id > tip => at = self.snapshot(id).parent,
                _ => return Lineage::Broken,
            }
        }
    }

    /// Whether there is no room for a further snapshot.
    pub fn is_full(&self) -> bool {
        usize::from(self.last_sequence) == SNAPSHOTS
    }

    /// Adds a snapshot to main: that of a batch, or one that changes nothing. Returns its id.
    pub fn add(&mut self, batch: Option<Attempt>) -> Base {
        let mut snapshot = Snapshot { parent: self.main, batch, expired: false, ..self.current() };
        if let Some(files) = batch {
            snapshot.rows[files.batch()] += 1;
            snapshot.files = snapshot.files.with(files);
        }
        self.snapshots[usize::from(self.last_sequence)] = snapshot;
        self.last_sequence += 1;
        self.main = SnapshotId::new(self.last_sequence);
        self.main
    }

    /// Adds a snapshot to main without the files of a batch. Returns its id.
    pub fn take_out(&mut self, files: Attempt) -> Base {
        let id = self.add(None);
        let snapshot = &mut self.snapshots[usize::from(self.last_sequence) - 1];
        snapshot.rows[files.batch()] = snapshot.rows[files.batch()].saturating_sub(1);
        snapshot.files = snapshot.files.without(files);
        id
    }

    /// Whether these files are in the content.
    pub fn holds(&self, files: Attempt) -> bool {
        self.current().files.has(files)
    }

    /// Somebody else appends rows.
    pub fn append(&mut self) {
        self.add(None);
    }

    /// Somebody else rewrites the files, with the same rows.
    pub fn compact(&mut self) {
        self.add(None);
        self.snapshots[usize::from(self.last_sequence) - 1].files = Files::default();
    }

    /// Somebody else expires all snapshots but the current one. Files that no other snapshot needs are deleted by whoever
    /// does it, that is no matter of ours.
    pub fn expire(&mut self) {
        for id in (1..=self.last_sequence).filter_map(SnapshotId::new).filter(|id| Some(*id) != self.main) {
            self.snapshots[usize::from(id.get()) - 1] = Snapshot { expired: true, ..Snapshot::default() };
        }
    }
}
