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
use super::settle::{self, Shown, Sign, Unsettled};
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
        let sent = Unsettled { base: &base, request, sign: Sign::Told(change) };
        let conflict = match settle::commit(catalog, &sent).await {
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
