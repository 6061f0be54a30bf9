//! The catalog: one atomic operation on the target table, the commit.

use super::files::{Attempt, Files};
use super::table::{Base, Register, Table};
use super::{Protocol, Rule};

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Creates the table, without a register.
    Create,
    Claim,
    Fence,
    Batch(Attempt),
    /// The files of a batch that go.
    Rollback(Attempt),
    /// The register alone; only sent where the register is not in the commit.
    Mark,
}

impl Kind {
    fn files(self) -> Option<Attempt> {
        if let Self::Batch(files) = self { Some(files) } else { None }
    }
}

/// A commit request, built on one read of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Post {
    pub kind: Kind,
    /// The table must be this one.
    pub uuid: u8,
    /// Main must point here.
    pub base: Base,
    /// The sequence number of the new snapshot.
    pub sequence: u8,
    /// The register afterwards; its tip is the new snapshot.
    pub register: Option<Register>,
}

impl Post {
    pub fn new(kind: Kind, table: &Table, register: Register) -> Self {
        Self { kind, uuid: table.uuid, base: table.main, sequence: table.last_sequence + 1, register: Some(register) }
    }

    pub fn create(uuid: u8, register: Option<Register>) -> Self {
        Self { kind: Kind::Create, uuid, base: None, sequence: 0, register }
    }

    /// Whether the request is for this table, and its snapshot is newer than all others. Servers ask the latter of snapshots
    /// with a parent only.
    fn fits(&self, table: &Table, protocol: &Protocol) -> bool {
        let is_for_it = self.uuid == table.uuid || !protocol.keeps(Rule::UuidIsRequired);
        let is_new = self.sequence > table.last_sequence || self.base.is_none() || self.kind == Kind::Mark;
        is_for_it && (is_new || !protocol.keeps(Rule::SequenceIsChecked))
    }
}

/// The catalog: the table of one name, and what was renamed away from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Server {
    pub table: Option<Table>,
    /// The files that tables of other names need.
    pub elsewhere: Files,
    /// The last snapshot of those tables.
    pub last_elsewhere: u8,
}

impl Server {
    /// Whether the request would be applied now.
    pub fn accepts(&self, post: &Post, protocol: &Protocol) -> bool {
        let Some(table) = &self.table else { return post.kind == Kind::Create };
        post.kind != Kind::Create && post.base == table.main && post.fits(table, protocol)
    }

    /// Whether the request may be applied one day, whatever happens. A creation may, as long as somebody may rename the table.
    /// (What is not tried: that the creation and then the claim come a second time, after somebody has renamed it.)
    pub fn may_accept(&self, post: &Post, protocol: &Protocol) -> bool {
        let Some(table) = &self.table else { return post.base.is_none() };
        // Main never goes back to nothing.
        let has_begun = post.base.is_none() && table.main.is_some();
        post.kind == Kind::Create || (!has_begun && post.fits(table, protocol))
    }

    /// Applies a request that is accepted: snapshot and register in one.
    pub fn apply(&mut self, post: &Post, protocol: &Protocol) {
        let Some(table) = &mut self.table else {
            self.table = Some(Table::new(post.uuid, post.register, self.last_elsewhere));
            return;
        };
        let tip = match post.kind {
            Kind::Rollback(files) => table.take_out(files),
            Kind::Claim | Kind::Batch(_) => table.add(post.kind.files()),
            Kind::Fence if protocol.keeps(Rule::FenceMovesMain) => table.add(None),
            Kind::Create | Kind::Mark | Kind::Fence => table.register.and_then(|register| register.tip),
        };
        if protocol.keeps(Rule::RegisterIsInTheCommit) || !matches!(post.kind, Kind::Batch(_)) {
            table.register = post.register.map(|register| Register { tip, ..register });
        }
    }

    /// Somebody renames the table away, its files stay where they are.
    pub fn rename_away(&mut self) {
        if let Some(table) = self.table.take() {
            self.elsewhere = self.elsewhere.and(table.referenced());
            self.last_elsewhere = table.last_sequence;
        }
    }

    /// The same, and somebody creates an empty table of that name in the same place.
    pub fn replace(&mut self) {
        if let Some(uuid) = self.table.map(|table| table.uuid) {
            self.rename_away();
            self.table = Some(Table::new(uuid + 1, None, self.last_elsewhere));
        }
    }
}
