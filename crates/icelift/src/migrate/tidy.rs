//! Removes what drivers left, at the end of a run and where a run finds nothing to do.
//!
//! Files go when their batch is done, whichever driver finds them: what no snapshot refers to then, none will. Whether a
//! snapshot refers to a file is read from the table, not concluded. When all batches are done, everything that the migration
//! left goes, as `orphans` finds it.
//!
//! A run that was killed behind its last commit leaves files, and the next one finds nothing to do. What must hold: that one
//! cleans up, and where there is nothing to clean up it asks for no more than one object. So the register names the listing
//! that each run removes last of all.

use std::collections::HashSet;
use std::sync::Arc;

use super::attempt::{Attempt, listing_location, written_by};
use super::batches::Batch;
use super::job::{BatchId, Birth, JobId};
use super::orphans;
use super::prepare::{Prepared, Target};
use super::recover::{left_in, referenced};
use super::register::{Pin, Register};
use crate::catalog::{Catalog, Table, TableName};
use crate::engine::Engine;
use crate::error::{Error, Result, Stage};
use crate::pipeline::sink::data_folder;
use crate::storage::{Held, Locations, Stored};

/// Objects that are removed at once.
const REMOVALS: usize = 16;

/// Whose files are to go.
pub(super) struct Tidying<'a> {
    pub engine: &'a Engine,
    pub catalog: &'a Arc<dyn Catalog>,
    pub table: &'a TableName,
    pub job: JobId,
    pub birth: Birth,
    pub pin: Pin,
    /// The batches of that pin.
    pub plan: &'a [Batch],
}

/// Where nothing is to be done: cleans up behind the last run if it did not do so itself. One object is asked for, and
/// only if it is there the folder is listed.
///
/// # Errors
/// What is left cannot be found or removed.
pub(super) async fn tidy_behind(engine: &Engine, prepared: &Prepared) -> Result<()> {
    let (Target::Exists { table, .. }, Some(register)) = (&prepared.target, &prepared.register) else { return Ok(()) };
    let Some(closing) = &register.closing else { return Ok(()) };
    let location = listing_location(&table.metadata, closing);
    let place = |error: Error| error.place(Stage::Sink, &table.name);
    if !table.store.exists(&location).await.map_err(place)? {
        return Ok(());
    }
    let (catalog, table_name, plan) = (&prepared.target_catalog, &table.name, &prepared.plan);
    let (job, birth, pin) = (prepared.job, register.birth, register.pin);
    Tidying { engine, catalog, table: table_name, job, birth, pin, plan }.tidy().await?;
    table.store.delete(&location).await.map_err(place)
}

impl Tidying<'_> {
    /// Removes what is left of batches that are done, but for the listing that goes last. To be called when this driver has no
    /// batch under way.
    pub async fn tidy(&self) -> Result<()> {
        let table = self.catalog.load_table(&self.table.ident).await?;
        let Some(register) = Register::of(&table.metadata, self.job)? else { return Ok(()) };
        if register.birth != self.birth {
            return Ok(());
        }
        self.engine.failpoints.reach("cleanup.before_delete").await?;
        let mut doomed = if register.is_finished() {
            orphans::list(self.catalog, &table, Some(self.job)).await?
        } else {
            self.over(&table, &register).await.map_err(|error| error.place(Stage::Sink, &table.name))?
        };
        let closing = register.closing.as_ref().map(|closing| listing_location(&table.metadata, closing));
        doomed.retain(|stored| Some(&stored.location) != closing.as_ref());
        // Data files first: as long as the listing is there, the files are known to belong together.
        let (listings, files): (Vec<_>, Vec<_>) =
            doomed.into_iter().partition(|stored| stored.location.ends_with(".json"));
        for doomed in [files, listings] {
            orphans::remove_all(&table, &doomed, REMOVALS).await?;
        }
        self.engine.failpoints.reach("cleanup.after_delete").await
    }

    /// What attempts left whose batches are done, and drivers of earlier epochs, where batches are left to do.
    async fn over(&self, table: &Table, register: &Register) -> Result<Vec<Stored>> {
        // Another driver has gone on to a further pin: its numbers are those of other batches.
        if register.pin != self.pin {
            return Ok(Vec::new());
        }
        let done = (0..).zip(self.plan).filter(|(number, _)| register.done.contains(*number));
        let done: HashSet<_> = done.map(|(_, batch)| BatchId::new(&batch.key)).collect();
        let is_over = |location: &String| match Attempt::of(location) {
            // Of a later epoch the register, as it was read, knows nothing: a driver of a further pin may be writing the batch
            // anew.
            Some(attempt) => attempt.epoch <= register.epoch && done.contains(&attempt.batch),
            // Manifests are never adopted, and behind the fence of a later epoch no commit with them lands.
            None => written_by(location).is_some_and(|writer| writer.epoch < register.epoch),
        };
        let mut left =
            left_in(table, &format!("{}/metadata/", table.metadata.location()), self.job, self.birth).await?;
        left.extend(left_in(table, &format!("{}/", data_folder(&table.metadata)), self.job, self.birth).await?);
        let is_own = |writer: &super::attempt::Writer| (writer.job, writer.birth) == (self.job, self.birth);
        left.retain(|location| written_by(location).filter(is_own).is_some() && is_over(location));
        if left.is_empty() {
            return Ok(Vec::new());
        }
        // Compared by their paths: a table that has come to be called `s3a://…` keeps its files, and what is referred to in
        // another store is kept as well.
        let mut known = Locations::default();
        known.extend(referenced(table).await?);
        left.retain(|location| known.find(location) == Held::No);
        Ok(left.into_iter().map(|location| Stored { location, written: None, upload: None }).collect())
    }
}
