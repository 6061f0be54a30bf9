//! Commits batches: the rows and the word that they are there, in one snapshot.
//!
//! What must hold: a batch that the register calls done is never committed again; an outcome that is not known is settled by
//! a fence, behind which the register cannot change by anybody's old request; files are not deleted here.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use iceberg::spec::{DataFile, TableMetadata};
use uuid::Uuid;

use super::attempt::{Attempt, commit_prefix};
use super::claim::{claim, taken_over};
use super::driver::Job;
use super::job::JobId;
use super::register::{Detail, Older, Register};
use crate::catalog::{CommitOutcome, Table};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::snapshot::{self, Cargo, Change, Companion};

/// Fences behind which a batch is committed again before the driver gives up.
const FENCES: usize = 3;

/// The word that a batch is done.
#[derive(Debug)]
struct BatchDone {
    job: JobId,
    epoch: u64,
    owner: Uuid,
    number: u32,
    detail: Detail,
    older: Option<Older>,
    closing: Option<String>,
}

impl Companion for BatchDone {
    fn on(&self, base: &TableMetadata, snapshot_id: i64) -> Result<Cargo> {
        let mut register = Register::of(base, self.job)?.ok_or_else(register_gone)?;
        if (register.epoch, register.owner) != (self.epoch, self.owner) {
            return Err(taken_over());
        }
        register.check_lineage(base)?;
        if register.done.contains(self.number) {
            let message = format!("the batch `{}` is done already", self.detail.key);
            return Err(Error::new(ErrorKind::Internal, message).stage(Stage::Snapshot));
        }
        register.done.add(self.number, Detail { snapshot: snapshot_id, ..self.detail.clone() });
        if let Some(older) = &self.older {
            older.apply(&mut register.done);
        }
        register.closing = self.closing.clone();
        let properties = register.marked(base, snapshot_id).properties(self.job)?;
        let summary = [
            ("icelift.job", self.job.to_string()),
            ("icelift.epoch", self.epoch.to_string()),
            ("icelift.batch", self.detail.key.clone()),
            ("icelift.fingerprint", self.detail.prints().to_string()),
        ];
        let summary = summary.into_iter().map(|(key, value)| (key.to_string(), value)).collect();
        Ok(Cargo { properties, summary })
    }
}

fn register_gone() -> Error {
    Error::new(ErrorKind::Drift, "the register of the migration is gone from the table's properties")
        .stage(Stage::Snapshot)
        .hint("somebody removed it or replaced the table; drop the table and migrate anew")
}

/// A batch whose files are written.
#[derive(Debug, Clone)]
pub(super) struct Ready {
    pub number: u32,
    pub detail: Detail,
    pub files: Vec<DataFile>,
    /// The attempt whose listing is to stay until the end of the run, if the batch has any.
    pub closing: Option<Attempt>,
    /// Locations of the target's files that these ones replace.
    pub remove: HashSet<String>,
}

/// Commits the batch. When this returns well, its rows are in the table once. Returns the attempt whose listing stayed for
/// the end of the run until now, and need not stay any more.
///
/// # Errors
/// [`ErrorKind::Fenced`], [`ErrorKind::Drift`], [`ErrorKind::CommitUnknown`], and what the catalog refuses.
pub(super) async fn commit(job: &Job, ready: Ready) -> Result<Option<Attempt>> {
    // One at a time: batches that run beside each other would only lose races against each other.
    let _turn = job.commits.lock().await;
    for _ in 0..FENCES {
        match send(job, &ready).await? {
            Sent::Landed => return job.reach("commit.after").await.map(|()| job.stays(ready.closing)),
            Sent::Unknown(lost) => {
                job.reach("commit.unknown").await?;
                let behind = fence(job).await.map_err(|error| unsettled(error, &ready, lost))?;
                if behind.done.contains(ready.number) {
                    return Ok(job.stays(ready.closing));
                }
            }
        }
    }
    // One last look, and no further request.
    let last = job.load_target().await.and_then(|table| Register::of(&table.metadata, job.id));
    if last.is_ok_and(|register| register.is_some_and(|register| register.done.contains(ready.number))) {
        return Ok(job.stays(ready.closing));
    }
    Err(Error::new(ErrorKind::CommitUnknown, "the answers to all commits were lost")
        .place(Stage::Snapshot, &job.target.table.name)
        .hint("run the same statement again: it looks at the table first"))
}

enum Sent {
    Landed,
    Unknown(Error),
}

async fn send(job: &Job, ready: &Ready) -> Result<Sent> {
    let base = job.committed_target().await?;
    let register = Register::of(&base.metadata, job.id)?.ok_or_else(register_gone)?;
    let older = Older::due(&register, &base.metadata, job.id)?;
    if let Some(older) = &older {
        older.write(&base).await?;
        job.reach("commit.details_written").await?;
    }
    let epoch = job.epoch.load(SeqCst);
    let closing = ready.closing.or_else(|| job.closing()).map(|attempt| attempt.to_string());
    let (number, detail) = (ready.number, ready.detail.clone());
    let done = BatchDone { job: job.id, epoch, owner: job.owner, number, detail, older, closing };
    let change = Change {
        files: ready.files.clone(),
        remove: ready.remove.clone(),
        holds_layout: true,
        companion: Arc::new(done),
        file_prefix: commit_prefix(job.id, job.register.birth, epoch),
        author: Some(job.id.author(epoch)),
        ..Change::default()
    };
    job.reach("commit.before").await?;
    match sent(job, base, change).await? {
        CommitOutcome::Landed => Ok(Sent::Landed),
        // A file of details stays: the next commit writes the same one again, and it may be another driver's.
        CommitOutcome::NotLanded(error) => Err(error),
        CommitOutcome::Unknown(lost) => Ok(Sent::Unknown(lost)),
    }
}

/// Sends in a task of its own: a statement that is stopped now must not leave the outcome open.
async fn sent(job: &Job, base: Table, change: Change) -> Result<CommitOutcome> {
    let (catalog, table) = (Arc::clone(job.target.catalog()), job.target.table.clone());
    let cleanup = table.store.cleanup().clone();
    let task = cleanup.spawn(async move { snapshot::commit(&catalog, &table, base, change).await });
    let died =
        |source| Error::new(ErrorKind::CommitUnknown, "the commit task died").stage(Stage::Snapshot).source(source);
    task.await.map_err(died)
}

/// Begins a new epoch of this driver. Returns what the register says behind the fence.
async fn fence(job: &Job) -> Result<Register> {
    let table = job.load_target().await?;
    let register = Register::of(&table.metadata, job.id)?.ok_or_else(register_gone)?;
    if (register.epoch, register.owner) != (job.epoch.load(SeqCst), job.owner) {
        return Err(taken_over());
    }
    let next = Register { epoch: register.epoch + 1, ..register.clone() };
    let epoch = next.epoch;
    job.reach("fence.before_commit").await?;
    let behind = claim(job.target.catalog(), table, job.id, Some(register), next).await?;
    job.epoch.store(epoch, SeqCst);
    job.reach("fence.after_commit").await?;
    behind.ok_or_else(register_gone)
}

fn unsettled(error: Error, ready: &Ready, lost: Error) -> Error {
    if matches!(error.kind(), ErrorKind::Fenced | ErrorKind::Drift) {
        return error;
    }
    let message = format!("it is not known whether the batch `{}` was committed", ready.detail.key);
    Error::new(ErrorKind::CommitUnknown, message)
        .stage(Stage::Snapshot)
        .hint("run the same statement again: it reads the table first; nothing was removed")
        .source(lost)
}
