//! Which batches of which migration are taken out, and what the register says afterwards.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::catalog::Table;
use crate::error::{Error, ErrorKind, Result};
use crate::migrate::job::JobId;
use crate::migrate::register::{Detail, Pin, Register};
use crate::migrate::verify::is_batch;
use crate::sql::{BatchValue, RollbackMigration};

/// Batches that a message names.
const NAMED_MAX: usize = 20;

/// What is to be done.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub job: JobId,
    /// As the table has it.
    pub register: Register,
    /// What takes its place.
    pub next: Register,
    /// In the order of their keys.
    pub batches: Vec<Detail>,
    /// What a summary says: the batch, or that it is all of them.
    pub said: String,
}

impl Choice {
    /// What the statement says about the table; `None` if all of that was rolled back before.
    ///
    /// # Errors
    /// No migration, several of them, a batch that is not there, and a table that was set back.
    pub async fn new(table: &Table, statement: &RollbackMigration) -> Result<Option<Self>> {
        let (job, register) = migration(Register::all(&table.metadata)?, statement)?;
        register.check_lineage(&table.metadata)?;
        let entries = register.entries(table).await?;
        let (details, rolled_back): (Vec<Detail>, Vec<Detail>) =
            entries.into_values().partition(|detail| !detail.rolled_back);
        let batches: Vec<Detail> = match &statement.batch {
            None => details.clone(),
            Some(wanted) => details.iter().filter(|detail| is_batch(&detail.key, wanted)).cloned().collect(),
        };
        if let (true, Some(wanted)) = (batches.is_empty(), &statement.batch)
            && !rolled_back.iter().any(|detail| is_batch(&detail.key, wanted))
            && !(details.is_empty() && register.recount)
        {
            return Err(no_batch(wanted, &details));
        }
        if batches.is_empty() {
            return Ok(None);
        }
        let gone: BTreeSet<&str> = batches.iter().map(|detail| detail.key.as_str()).collect();
        let next = Register {
            epoch: register.epoch + 1,
            owner: Uuid::new_v4(),
            pin: Pin { round: register.pin.round + 1, ..register.pin },
            recount: true,
            done: register.without(&gone, &details),
            ..register.clone()
        };
        let said = match (statement.batch.is_some(), batches.as_slice()) {
            (true, [batch]) => batch.key.clone(),
            _ => "all".to_string(),
        };
        Ok(Some(Self { job, register, next, batches, said }))
    }
}

/// The migration that the statement is about.
fn migration(found: Vec<(JobId, Register)>, statement: &RollbackMigration) -> Result<(JobId, Register)> {
    let told = |found: &[(JobId, Register)]| {
        let told: Vec<_> = found.iter().map(|(job, register)| format!("`{job}` ({})", register.statement)).collect();
        told.join(", ")
    };
    if found.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, "the table has no record of a migration")
            .hint("only what MIGRATE TABLE brought can be rolled back; `rollback_to_snapshot` sets a table back"));
    }
    let names = told(&found);
    let mut wanted: Vec<_> = match &statement.job {
        Some(job) => found.into_iter().filter(|(known, _)| known.to_string() == *job).collect(),
        None => found,
    };
    match (wanted.len(), wanted.pop()) {
        (1, Some(only)) => Ok(only),
        (0, _) | (_, None) => {
            let job = statement.job.as_deref().unwrap_or_default();
            Err(Error::new(ErrorKind::NotFound, format!("the table knows no migration `{job}`"))
                .hint(format!("it has {names}")))
        }
        _ => Err(Error::new(ErrorKind::Sql, "the table is the target of several migrations")
            .hint(format!("say which one: ROLLBACK MIGRATION … WITH (job '…'); it has {names}"))),
    }
}

fn no_batch(wanted: &BatchValue, details: &[Detail]) -> Error {
    let wanted = match wanted {
        BatchValue::Null => "NULL",
        BatchValue::Literal(text) => text,
    };
    let keys: Vec<_> = details.iter().take(NAMED_MAX).map(|detail| format!("`{}`", detail.key)).collect();
    let more =
        if details.len() > NAMED_MAX { format!(" and {} more", details.len() - NAMED_MAX) } else { String::new() };
    let hint =
        if keys.is_empty() { "it has none yet".to_string() } else { format!("it has {}{more}", keys.join(", ")) };
    Error::new(ErrorKind::NotFound, format!("no batch `{wanted}` of the migration is in the table")).hint(hint)
}
