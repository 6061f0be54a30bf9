//! The commit of a rollback: files go, and the register says so.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use iceberg::spec::TableMetadata;

use super::choice::Choice;
use crate::catalog::{Catalog, CommitOutcome, Table};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::migrate::attempt::commit_prefix;
use crate::migrate::register::Register;
use crate::pipeline::snapshot::{self, Cargo, Change, Companion};

/// The register without the batches, for one snapshot of the table only.
#[derive(Debug)]
struct RolledBack {
    choice: Choice,
    /// What main pointed to when the files were looked at.
    looked_at: Option<i64>,
    /// The snapshot of the commit that was built last.
    snapshot: AtomicI64,
}

impl Companion for RolledBack {
    fn on(&self, base: &TableMetadata, snapshot_id: i64) -> Result<Cargo> {
        let Choice { job, register, next, said, .. } = &self.choice;
        let is_same =
            base.current_snapshot_id() == self.looked_at && Register::of(base, *job)?.as_ref() == Some(register);
        if !is_same {
            let message = "the table has gone on since it was looked at";
            return Err(Error::new(ErrorKind::Fenced, message).stage(Stage::Snapshot));
        }
        register.check_lineage(base)?;
        self.snapshot.store(snapshot_id, SeqCst);
        let properties = next.clone().marked(base, snapshot_id).properties(*job)?;
        let summary = [
            ("icelift.job", job.to_string()),
            ("icelift.epoch", next.epoch.to_string()),
            ("icelift.rolled-back", said.clone()),
        ];
        let summary = summary.into_iter().map(|(key, value)| (key.to_string(), value)).collect();
        Ok(Cargo { properties, summary })
    }
}

/// Commits the rollback. Returns its snapshot.
///
/// # Errors
/// [`ErrorKind::Fenced`] if the table is not what was looked at any more, and those of a commit.
pub(super) async fn commit(
    catalog: &Arc<dyn Catalog>,
    table: &Table,
    choice: &Choice,
    remove: HashSet<String>,
) -> Result<i64> {
    let epoch = choice.next.epoch;
    let companion = Arc::new(RolledBack {
        choice: choice.clone(),
        looked_at: table.metadata.current_snapshot_id(),
        snapshot: AtomicI64::default(),
    });
    let change = Change {
        remove,
        companion: Arc::clone(&companion) as _,
        file_prefix: commit_prefix(choice.job, choice.register.birth, epoch),
        author: Some(choice.job.author(epoch)),
        ..Change::default()
    };
    let (catalog, base) = (Arc::clone(catalog), table.clone());
    // In a task of its own: a statement that is stopped now must not leave the outcome open.
    let task =
        table.store.cleanup().spawn(async move { snapshot::commit(&catalog, &base.clone(), base, change).await });
    let died =
        |source| Error::new(ErrorKind::CommitUnknown, "the commit task died").stage(Stage::Snapshot).source(source);
    match task.await.map_err(died)? {
        CommitOutcome::Landed => Ok(companion.snapshot.load(SeqCst)),
        CommitOutcome::NotLanded(error) => Err(error),
        CommitOutcome::Unknown(lost) => {
            Err(Error::new(ErrorKind::CommitUnknown, "it is not known whether the batches were rolled back")
                .hint("run the same statement again: it reads the table first; nothing was removed")
                .source(lost))
        }
    }
}
