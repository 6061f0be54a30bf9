//! Verifies the files of a slice before they are committed: read again from the target's store, they must hold the rows that
//! came from the source, partition by partition. Each file is read as soon as it is complete, while others are written.

use std::sync::Arc;

use iceberg::spec::DataFile;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use super::attempt::Listing;
use super::driver::Job;
use super::event::MigrationEvent;
use crate::catalog::Table;
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::verify::{Level, Readback, Wanted, compare, read_back};

/// Row groups of a file that are read at once. They wait for their store more than for a core.
const ROW_GROUPS_AT_ONCE: usize = 2;

/// The files of a slice, being read again as they come.
#[derive(Debug)]
pub(super) struct Reading(AbortOnDropHandle<Result<Vec<Readback>>>);

impl Reading {
    /// Begins to read the files of `table`, the target, that come, until no more can.
    pub fn begin(job: &Arc<Job>, table: &Table, mut completed: mpsc::UnboundedReceiver<DataFile>) -> Self {
        let (job, table) = (Arc::clone(job), table.clone());
        let reading = tokio::spawn(async move {
            let mut reading = JoinSet::new();
            while let Some(file) = completed.recv().await {
                if reading.is_empty() {
                    job.reach("batch.before_verify").await?;
                }
                reading.spawn(read_one(Arc::clone(&job), table.clone(), file));
            }
            all(reading).await
        });
        Self(AbortOnDropHandle::new(reading))
    }

    /// What was read, once all files are there.
    pub async fn end(self) -> Result<Vec<Readback>> {
        self.0.await.map_err(died)?
    }
}

fn died(source: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Internal, "the reading of files died").source(source)
}

/// Reads files of `table`, the target, again.
///
/// # Errors
/// Those of reading.
pub(super) async fn read(job: &Arc<Job>, table: &Table, files: &[DataFile]) -> Result<Vec<Readback>> {
    all(files.iter().map(|file| read_one(Arc::clone(job), table.clone(), file.clone())).collect()).await
}

async fn all(mut reading: JoinSet<Result<Vec<Readback>>>) -> Result<Vec<Readback>> {
    let mut read = Vec::new();
    while let Some(done) = reading.join_next().await {
        read.extend(done.map_err(died)??);
    }
    Ok(read)
}

/// Reads a file when it is its turn.
async fn read_one(job: Arc<Job>, table: Table, file: DataFile) -> Result<Vec<Readback>> {
    let _turn = job.turns.to_read().await?;
    // Where less is asked for, adopted files are read all the same: nobody has seen them since they were written.
    let pool = Arc::clone(&job.engine.session().runtime_env().memory_pool);
    let level = job.statement.options.verify.max(Level::Content);
    let wanted = Wanted { level, pool, portable: job.portable_columns() };
    read_back(&table, vec![file], ROW_GROUPS_AT_ONCE, wanted).await
}

/// Compares what was read of the files with what came from the source.
///
/// # Errors
/// [`ErrorKind::Difference`] with the partition.
pub(super) fn check(job: &Job, table: &Table, batch: &str, listing: &Listing, read: &[Readback]) -> Result<()> {
    let rows = compare(table, &listing.files, read, &listing.prints)?;
    job.engine.events.send(MigrationEvent::Verified {
        target: table.name.plain(),
        batch: batch.to_string(),
        rows,
        files: listing.files.len(),
    });
    Ok(())
}
