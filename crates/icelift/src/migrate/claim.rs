//! Claims and fences: empty snapshots that make a driver the only one.
//!
//! A claim moves the main branch, so that every commit that is still on its way to the server fails there: it requires the
//! branch to be where it was. A change of properties alone would not do that. Commits that come later find another epoch in
//! the register, and are not sent.

use std::sync::{Arc, Mutex, PoisonError};

use iceberg::spec::TableMetadata;

use super::attempt::commit_prefix;
use super::job::{Birth, JobId};
use super::register::Register;
use crate::catalog::{Catalog, CommitOutcome, Table, ancestors};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::snapshot::{self, Cargo, Change, Companion};

/// An empty snapshot that brings a register.
#[derive(Debug)]
struct Claim {
    job: JobId,
    /// What the register must say before, of epoch and owner; `None` if there must be none.
    expected: Option<Register>,
    next: Register,
    /// What the register said in the base that the claim was last built on.
    found: Mutex<Option<Register>>,
}

impl Companion for Claim {
    fn on(&self, base: &TableMetadata, snapshot_id: i64) -> Result<Cargo> {
        let found = Register::of(base, self.job)?;
        let who = |register: &Register| (register.epoch, register.owner);
        if found.as_ref().map(who) != self.expected.as_ref().map(who) {
            return Err(taken_over());
        }
        let mut next = self.next.clone();
        match &found {
            Some(found) => {
                found.check_lineage(base)?;
                next.birth = found.birth;
            }
            None => {
                check_unregistered(base, self.job)?;
                next.birth = Birth::new();
            }
        }
        // What was committed since it was read must not be lost: a fence changes nothing but the epoch.
        match &found {
            Some(found) if found.pin == next.pin => next.done = found.done.clone(),
            // The batches of another pin were counted from what was read.
            Some(_) if found != self.expected => return Err(taken_over()),
            _ => {}
        }
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = found;
        let properties = next.marked(base, snapshot_id).properties(self.job)?;
        let summary = [("icelift.job", self.job.to_string()), ("icelift.epoch", self.next.epoch.to_string())];
        let summary = summary.into_iter().map(|(key, value)| (key.to_string(), value)).collect();
        Ok(Cargo { properties, summary })
    }
}

/// Puts `next` into the table in the place of `expected`. Returns the register of the base that it was built on: what had
/// landed before and cannot change any more.
///
/// # Errors
/// [`ErrorKind::Fenced`] if another driver has claimed the migration, and those of a commit.
pub(super) async fn claim(
    catalog: &Arc<dyn Catalog>,
    table: Table,
    job: JobId,
    expected: Option<Register>,
    next: Register,
) -> Result<Option<Register>> {
    let (owner, epoch, name) = (next.owner, next.epoch, table.name.clone());
    let birth = expected.as_ref().map_or_else(|| Birth::of_table(table.metadata.uuid()), |register| register.birth);
    let claim = Arc::new(Claim { job, expected, next, found: Mutex::default() });
    let change = Change {
        companion: Arc::clone(&claim) as _,
        file_prefix: commit_prefix(job, birth, epoch),
        author: Some(job.author(epoch)),
        ..Change::default()
    };
    let outcome = snapshot::commit(catalog, &table.clone(), table, change).await;
    let found = || claim.found.lock().unwrap_or_else(PoisonError::into_inner).take();
    match outcome {
        CommitOutcome::Landed => Ok(found()),
        CommitOutcome::NotLanded(error) => Err(error),
        CommitOutcome::Unknown(error) => match catalog.load_table(&name.ident).await {
            Ok(table) if is_owned(&table.metadata, job, owner, epoch) => Ok(found()),
            _ => Err(error),
        },
    }
}

/// Fails if the table has rows of the migration that no register speaks of: they would come twice.
fn check_unregistered(base: &TableMetadata, job: JobId) -> Result<()> {
    let job = job.to_string();
    for snapshot in ancestors(base, base.current_snapshot_id()) {
        let said = &snapshot.summary().additional_properties;
        if said.get("icelift.job") == Some(&job) && said.contains_key("icelift.batch") {
            let message = "the table has batches of this migration and no register of them";
            return Err(Error::new(ErrorKind::Drift, message)
                .stage(Stage::Snapshot)
                .hint("somebody removed the register from the table's properties; drop the table and migrate anew"));
        }
    }
    Ok(())
}

fn is_owned(metadata: &TableMetadata, job: JobId, owner: uuid::Uuid, epoch: u64) -> bool {
    let register = Register::of(metadata, job).ok().flatten();
    register.is_some_and(|register| (register.owner, register.epoch) == (owner, epoch))
}

/// The error of a driver that is not the last one.
pub(super) fn taken_over() -> Error {
    Error::new(ErrorKind::Fenced, "another icelift process has taken the migration over")
        .stage(Stage::Snapshot)
        .hint("let the other process finish; what it has committed is safe")
}
