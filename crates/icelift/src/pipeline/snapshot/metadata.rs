//! Changes of metadata alone: a branch that moves, snapshots that go. No file is written for them.
//!
//! What must hold is what holds for commits with files (`settle.rs`): a change that lost a race is decided anew on what won
//! it, and one whose answer was lost is settled by reading the table. Such a commit brings no snapshot by which it would be
//! known, so each change says itself what the table shows of it. A second copy of its request must do no harm: it
//! requires what the first one makes false, or it asks for what the first one has done.

use std::sync::Arc;

use async_trait::async_trait;
use iceberg::spec::TableMetadata;

use super::Retries;
use super::settle::{COPIES, Shown, looks};
use crate::catalog::{Catalog, CommitOutcome, CommitRequest, Table};
use crate::error::{Error, ErrorKind, Result, Stage};

/// A change of a table's metadata.
#[async_trait]
pub(crate) trait MetadataChange: Send + Sync {
    /// The request that makes the change on `base`; `None` where there is nothing to change.
    ///
    /// # Errors
    /// Why the change must not be made on this base. Nothing is sent then.
    async fn request(&self, base: &Table) -> Result<Option<CommitRequest>>;

    /// What the table shows of the last request, which was built on `base`.
    fn shown(&self, base: &TableMetadata, now: &TableMetadata) -> Shown;
}

/// Makes the change, first on `base`. Returns the table that it was made to; `None` where there was nothing to change.
///
/// # Errors
/// Those of the change, and those of a commit: [`ErrorKind::CommitUnknown`] if nobody knows what became of it.
pub(crate) async fn change_metadata(
    catalog: &Arc<dyn Catalog>,
    mut base: Table,
    change: &dyn MetadataChange,
) -> Result<Option<Table>> {
    let (name, uuid) = (base.name.clone(), base.metadata.uuid());
    let place = |error: Error| error.place(Stage::Snapshot, &name);
    let mut waits = Retries::new(&base.metadata).map_err(place)?.waits();
    loop {
        let Some(request) = change.request(&base).await.map_err(place)? else { return Ok(None) };
        let conflict = match attempt(catalog, &base, change, request).await {
            CommitOutcome::Landed => return Ok(Some(base)),
            CommitOutcome::NotLanded(error) if error.kind() == ErrorKind::CommitConflict => error,
            CommitOutcome::NotLanded(error) | CommitOutcome::Unknown(error) => return Err(place(error)),
        };
        let Some(wait) = waits.next() else { return Err(place(conflict)) };
        tracing::info!(table = %name, ?wait, "the change of metadata lost a race and is decided anew");
        tokio::time::sleep(wait).await;
        base = catalog.load_table(&name.ident).await?;
        if base.metadata.uuid() != uuid {
            return Err(place(Error::new(ErrorKind::Drift, "the table was dropped and created again"))
                .hint("run the statement again"));
        }
    }
}

/// Sends the request, and finds out what became of it.
async fn attempt(
    catalog: &Arc<dyn Catalog>,
    base: &Table,
    change: &dyn MetadataChange,
    request: CommitRequest,
) -> CommitOutcome {
    match catalog.commit(&base.name.ident, request.clone()).await {
        CommitOutcome::Landed => CommitOutcome::Landed,
        // A refusal may be that of a second copy.
        CommitOutcome::NotLanded(error) => match look(catalog, base, change).await {
            Shown::Landed => CommitOutcome::Landed,
            _ => CommitOutcome::NotLanded(error),
        },
        CommitOutcome::Unknown(lost) => settle(catalog, base, change, request, lost).await,
    }
}

async fn look(catalog: &Arc<dyn Catalog>, base: &Table, change: &dyn MetadataChange) -> Shown {
    match catalog.load_table(&base.name.ident).await {
        Ok(table) if table.metadata.uuid() == base.metadata.uuid() => change.shown(&base.metadata, &table.metadata),
        Ok(_) => Shown::Unclear,
        Err(error) => {
            tracing::debug!(table = %base.name, %error, "the table could not be read");
            Shown::Unclear
        }
    }
}

async fn settle(
    catalog: &Arc<dyn Catalog>,
    base: &Table,
    change: &dyn MetadataChange,
    request: CommitRequest,
    lost: Error,
) -> CommitOutcome {
    let name = &base.name;
    tracing::warn!(table = %name, error = %lost, "the answer to a commit was lost, the table is read to settle it");
    let mut copies = 0;
    for (nth, wait) in looks(&base.metadata).iter().enumerate() {
        tokio::time::sleep(*wait).await;
        match look(catalog, base, change).await {
            Shown::Landed => return CommitOutcome::Landed,
            Shown::Never => {
                let message = "the table was changed by another writer before the commit came";
                return CommitOutcome::NotLanded(
                    Error::new(ErrorKind::CommitConflict, message).hint("run the statement again").source(lost),
                );
            }
            // The first look is right behind the lost answer; a server that is about to commit gets a moment.
            Shown::Absent if nth > 0 && copies < COPIES => {
                copies += 1;
                tracing::info!(table = %name, copies, "the commit is sent again");
                if let CommitOutcome::Landed = catalog.commit(&name.ident, request.clone()).await {
                    return CommitOutcome::Landed;
                }
            }
            Shown::Absent | Shown::Unclear => {}
        }
    }
    let message = "it is not known whether the table's metadata was changed";
    CommitOutcome::Unknown(
        Error::new(ErrorKind::CommitUnknown, message)
            .hint("look at the table's snapshots before you run the statement again; nothing was removed")
            .source(lost),
    )
}
