//! Settles commits whose answer was lost, by reading the table.
//!
//! A commit without an answer has landed, will land, or never will: the server may still be at work on it. What the table
//! shows decides, and only where it is proof:
//!
//! - *The sign is there: landed.* A snapshot's id is 63 random bits of ours, a new table's uuid is its own; nobody else makes
//!   them.
//! - *The sign is not there and the branch has gone on: never.* The request requires that the branch points to the snapshot
//!   that it was built on. It does not any more, so a copy that is still under way fails when it is applied. That it was not
//!   applied before is seen in the ancestors of what the branch points to now: they lead back to that snapshot without the
//!   sign, and whatever was committed on top of the sign would have it as an ancestor. If the ancestors end early, as
//!   snapshots expire, nothing is proved. (Were the branch set back to that very snapshot later, the request would be
//!   refused all the same: its sequence number is no longer above the table's last one.)
//! - *The sign is not there and the branch is where it was: open.* Absence alone proves nothing. The same request may be sent
//!   again, however: it requires what its own success makes false ([`CommitRequest::is_fenced`]), so of all its copies at
//!   most one lands, and which one does not matter. What the second copy is told is no proof for the first, so
//!   anything but success is looked up again.
//!
//! A change of metadata alone brings no snapshot: what it makes of the table is its sign (`alteration.rs`). Whoever may have made
//! it, the table is then as the statement asks. Where the sign is missing and a requirement of the request no longer holds,
//! its copies fail as those of a snapshot do.
//!
//! A table that is gone, or another one of its name, proves nothing either: drops can be undone, and tables renamed.

use std::sync::Arc;
use std::time::Duration;

use iceberg::TableRequirement;
use iceberg::spec::{MAIN_BRANCH, TableMetadata};

use super::alteration;
use super::metadata::MetadataChange;
use crate::catalog::{Catalog, CommitOutcome, CommitRequest, Table};
use crate::error::{Error, ErrorKind, Stage};

/// The waits before each look: together longer than servers work on a request.
const LOOKS: [Duration; 8] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
    Duration::from_secs(30),
    Duration::from_secs(30),
];
/// How often a request is sent again.
const COPIES: usize = 2;
/// The table property that makes all waits together shorter.
pub(super) const TOTAL_TIMEOUT: &str = "commit.status-check.total-timeout-ms";

/// By what a commit is known in the table.
#[derive(Clone, Copy)]
pub(super) enum Sign<'a> {
    /// It brings a snapshot with this id.
    Snapshot(i64),
    /// It makes this of the metadata, without a snapshot.
    Metadata(&'a TableMetadata),
    /// The change says what the table shows of it, and that a second copy does no harm.
    Told(&'a dyn MetadataChange),
    /// It creates the table, if it creates one.
    Table,
}

/// A commit and what it was built on.
pub(super) struct Unsettled<'a> {
    pub base: &'a Table,
    pub request: CommitRequest,
    pub sign: Sign<'a>,
}

/// What the table shows of a commit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    Landed,
    Never,
    /// Not there, and nothing stands against its coming.
    Absent,
    Unclear,
}

/// Commits, and finds out what became of it if the answer was lost.
pub(super) async fn commit(catalog: &Arc<dyn Catalog>, sent: &Unsettled<'_>) -> CommitOutcome {
    let looks = looks(&sent.base.metadata);
    match catalog.commit(&sent.base.name.ident, sent.request.clone()).await {
        CommitOutcome::Unknown(lost) => settle(catalog, sent, lost, looks).await,
        CommitOutcome::NotLanded(error)
            if matches!(error.kind(), ErrorKind::CommitConflict | ErrorKind::AlreadyExists) =>
        {
            confirm(catalog, sent, error, looks).await
        }
        // A refusal of whatever kind may be that of a second copy. One look: who may not commit may often not read either.
        CommitOutcome::NotLanded(error) if sent.has_sign() => match catalog.load_table(&sent.base.name.ident).await {
            Ok(table) if sent.shown(&table.metadata) == Shown::Landed => CommitOutcome::Landed,
            _ => CommitOutcome::NotLanded(error),
        },
        outcome => outcome,
    }
}

/// The waits that fit into the time that the table gives; the first look is always taken.
fn looks(metadata: &TableMetadata) -> &'static [Duration] {
    let total = metadata.properties().get(TOTAL_TIMEOUT).and_then(|total| total.parse().ok());
    let total = total.map_or(Duration::MAX, Duration::from_millis);
    let mut waited = Duration::ZERO;
    let fit = LOOKS.iter().take_while(|wait| {
        waited += **wait;
        waited <= total
    });
    &LOOKS[..fit.count()]
}

/// Looks whether a lost race was lost to ourselves: a proxy that sends a request a second time passes on the second answer,
/// which says that somebody was faster, and that was the first copy. Files are removed after a lost race, so this
/// must be known.
async fn confirm(
    catalog: &Arc<dyn Catalog>,
    sent: &Unsettled<'_>,
    conflict: Error,
    looks: &[Duration],
) -> CommitOutcome {
    for wait in looks {
        tokio::time::sleep(*wait).await;
        match catalog.load_table(&sent.base.name.ident).await {
            Ok(table) if sent.shown(&table.metadata) == Shown::Landed => return CommitOutcome::Landed,
            Ok(_) => return CommitOutcome::NotLanded(conflict),
            Err(error) if error.kind() == ErrorKind::NotFound => return CommitOutcome::NotLanded(conflict),
            Err(error) => tracing::debug!(table = %sent.base.name, %error, "the table could not be read"),
        }
    }
    CommitOutcome::Unknown(sent.unknown(conflict))
}

async fn settle(catalog: &Arc<dyn Catalog>, sent: &Unsettled<'_>, lost: Error, looks: &[Duration]) -> CommitOutcome {
    let name = &sent.base.name;
    if !sent.has_sign() {
        return CommitOutcome::Unknown(sent.unknown(lost));
    }
    tracing::warn!(table = %name, error = %lost, "the answer to a commit was lost, the table is read to settle it");
    let mut copies = 0;
    for (look, wait) in looks.iter().enumerate() {
        tokio::time::sleep(*wait).await;
        let shown = match catalog.load_table(&name.ident).await {
            Ok(table) => sent.shown(&table.metadata),
            Err(error) if error.kind() == ErrorKind::NotFound && sent.request.create.is_some() => Shown::Absent,
            Err(error) => {
                tracing::debug!(table = %name, %error, "the table could not be read");
                Shown::Unclear
            }
        };
        match shown {
            Shown::Landed => return CommitOutcome::Landed,
            Shown::Never => return CommitOutcome::NotLanded(sent.overtaken(lost)),
            // The first look is right behind the lost answer; a server that is about to commit gets a moment.
            Shown::Absent if look > 0 && copies < COPIES && sent.is_repeatable() => {
                copies += 1;
                tracing::info!(table = %name, copies, "the commit is sent again");
                if let CommitOutcome::Landed = catalog.commit(&name.ident, sent.request.clone()).await {
                    return CommitOutcome::Landed;
                }
            }
            Shown::Absent | Shown::Unclear => {}
        }
    }
    CommitOutcome::Unknown(sent.unknown(lost))
}

impl Unsettled<'_> {
    /// Whether the table can show anything of the commit: a replacement without rows leaves nothing that is surely ours.
    fn has_sign(&self) -> bool {
        !matches!(self.sign, Sign::Table) || self.request.create.is_some()
    }

    /// Whether a second copy does no harm: it fails if the first one landed, or makes what that one made.
    fn is_repeatable(&self) -> bool {
        self.request.is_fenced() || matches!(self.sign, Sign::Metadata(_) | Sign::Told(_))
    }

    fn shown(&self, now: &TableMetadata) -> Shown {
        if now.uuid() != self.base.metadata.uuid() {
            return Shown::Unclear;
        }
        let snapshot_id = match self.sign {
            Sign::Table if self.request.create.is_some() => return Shown::Landed,
            Sign::Table => return Shown::Unclear,
            Sign::Metadata(after) if alteration::has_landed(&self.request, &self.base.metadata, after, now) => {
                return Shown::Landed;
            }
            Sign::Metadata(_) if alteration::may_land(&self.request, now) => return Shown::Absent,
            Sign::Metadata(_) => return Shown::Never,
            Sign::Told(change) => return change.shown(&self.base.metadata, now),
            Sign::Snapshot(id) => id,
        };
        if now.snapshot_by_id(snapshot_id).is_some() {
            return Shown::Landed;
        }
        match self.required_snapshot() {
            Some(required) if required == now.current_snapshot_id() => Shown::Absent,
            Some(required) if leads_back(now, required) => Shown::Never,
            _ => Shown::Unclear,
        }
    }

    /// The snapshot that the main branch must point to; inside, None for a branch that must not be there.
    fn required_snapshot(&self) -> Option<Option<i64>> {
        self.request.requirements.iter().find_map(|requirement| match requirement {
            TableRequirement::RefSnapshotIdMatch { r#ref, snapshot_id } if r#ref == MAIN_BRANCH => Some(*snapshot_id),
            _ => None,
        })
    }

    fn overtaken(&self, lost: Error) -> Error {
        Error::new(ErrorKind::CommitConflict, "the table was changed by another writer before the commit came")
            .place(Stage::Snapshot, &self.base.name)
            .hint("run the statement again")
            .source(lost)
    }

    fn unknown(&self, lost: Error) -> Error {
        let (what, hint) = match self.sign {
            Sign::Snapshot(id) => (
                format!("whether snapshot {id} landed"),
                "look for the snapshot in the table before you run the statement again; nothing was removed",
            ),
            Sign::Metadata(_) => (
                "whether the table was changed".to_string(),
                "look at the table before you run the statement again: DESCRIBE shows its columns",
            ),
            Sign::Told(_) => (
                "whether the table's metadata was changed".to_string(),
                "look at the table's snapshots before you run the statement again; nothing was removed",
            ),
            Sign::Table if self.request.create.is_none() => (
                "whether the table was replaced".to_string(),
                "look at the table's columns and rows before you run the statement again",
            ),
            Sign::Table => (
                "whether the table was created".to_string(),
                "look whether the table is there before you run the statement again",
            ),
        };
        Error::new(ErrorKind::CommitUnknown, format!("it is not known {what}"))
            .place(Stage::Snapshot, &self.base.name)
            .hint(hint)
            .source(lost)
    }
}

/// Whether the ancestors of the current snapshot are known back to `to`; None is the beginning of the table.
fn leads_back(now: &TableMetadata, to: Option<i64>) -> bool {
    let mut at = now.current_snapshot_id();
    // No table has more ancestors than snapshots: a circle ends.
    for _ in 0..=now.snapshots().len() {
        if at == to {
            return true;
        }
        let Some(snapshot) = at.and_then(|id| now.snapshot_by_id(id)) else { return false };
        at = snapshot.parent_snapshot_id();
    }
    false
}

#[cfg(test)]
mod tests;
