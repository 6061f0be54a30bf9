//! The files of the migration, in the store.

use std::num::NonZeroU8;

/// Room for batches and drivers; how many there are is a matter of the [`Bounds`](super::Bounds). The last driver is the
/// one that starts when all others are dead.
pub(super) const BATCHES: usize = 3;
pub(super) const DRIVERS: usize = 4;

pub(super) type DriverId = u8;
/// A random number, another one in every claim that is sent.
pub(super) type Birth = u8;

/// All files that one driver wrote for one batch. They are taken over, committed and deleted as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Attempt(NonZeroU8);

impl Attempt {
    pub fn new(driver: DriverId, batch: usize) -> Self {
        Self::from_index(driver * BATCHES as u8 + batch as u8)
    }

    fn from_index(index: u8) -> Self {
        Self(NonZeroU8::MIN.saturating_add(index))
    }

    fn index(self) -> usize {
        usize::from(self.0.get() - 1)
    }

    pub fn driver(self) -> DriverId {
        (self.index() / BATCHES) as u8
    }

    pub fn batch(self) -> usize {
        self.index() % BATCHES
    }
}

/// A set of attempts, for the files that they wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Files(u16);

impl Files {
    pub fn with(self, attempt: Attempt) -> Self {
        Self(self.0 | 1 << attempt.index())
    }

    pub fn without(self, attempt: Attempt) -> Self {
        Self(self.0 & !(1 << attempt.index()))
    }

    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn has(self, attempt: Attempt) -> bool {
        self.0 & 1 << attempt.index() != 0
    }

    pub fn has_any(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    pub fn word(self) -> u64 {
        u64::from(self.0)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Attempt> {
        (0..u16::BITS as u8).filter(move |index| self.0 & 1 << index != 0).map(Attempt::from_index)
    }
}

/// The files in the store, as a listing shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Store {
    /// Files without a list.
    pub written: Files,
    pub listed: Files,
    pub deleted: Files,
    /// For each driver, the birth of the migration that its files are named for.
    pub births: [Option<Birth>; DRIVERS],
    /// And the round that they were written in.
    pub rounds: [u8; DRIVERS],
}
