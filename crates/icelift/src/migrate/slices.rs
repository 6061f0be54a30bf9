//! The slices of a batch: each is copied, listed and verified, or adopted from an earlier driver.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, PoisonError};

use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

use super::account::Account;
use super::attempt::{Attempt, Listing};
use super::batches::{self, Batch};
use super::check::{self, Reading};
use super::copy::copy;
use super::driver::Job;
use super::job::BatchId;
use super::recover::Adoptable;
use super::rounds::Mode;
use super::turns::Turn;
use crate::error::{ErrorKind, Result};
use crate::pipeline::scan::PlannedFile;
use crate::pipeline::verify::Level;

/// Source bytes that are copied before the files so far are listed, unless `slice_bytes` says otherwise: what a crash costs
/// at most.
pub(super) const SLICE_BYTES: u64 = 2 << 30;

/// A batch whose files are verified.
pub(super) struct Written<'a> {
    pub slices: Vec<Adoptable>,
    pub adopted: bool,
    /// Held until the batch may be committed.
    pub verifying: Turn<'a>,
}

/// A slice whose files are there.
enum Slice {
    /// They are verified.
    Adopted(Adoptable),
    /// They are being read again, if they are to be verified.
    Copied(Adoptable, Option<Reading>),
}

impl Job {
    /// Writes and verifies all slices of a batch, or adopts them. When the last one is read, the next batch may be.
    pub(super) async fn write<'a>(
        self: &'a Arc<Self>,
        batch: &Batch,
        mode: &Mode,
        account: &Account,
        copying: Turn<'a>,
    ) -> Result<Written<'a>> {
        let slice_bytes = self.statement.options.slice_bytes.unwrap_or(SLICE_BYTES);
        let mut slices = batches::slices(mode.files(batch), slice_bytes);
        let (last, mut written) = (slices.pop(), Vec::new());
        for (slice, files) in (0..).zip(slices) {
            let copied = self.copied(batch, slice, &files, account, Arc::default()).await?;
            written.push(self.verified(batch, copied, account).await?);
        }
        let drained = Arc::new(Notify::new());
        let copied = async {
            let copied = match last {
                Some(files) => {
                    let slice = written.len() as u32;
                    Some(self.copied(batch, slice, &files, account, Arc::clone(&drained)).await?)
                }
                None => None,
            };
            drained.notify_one();
            Ok(copied)
        };
        let completing = async {
            drained.notified().await;
            self.turns.to_complete(copying).await
        };
        let (last, completing) = tokio::try_join!(copied, completing)?;
        let verifying = self.turns.to_verify(completing).await?;
        if let Some(last) = last {
            written.push(self.verified(batch, last, account).await?);
        }
        let adopted = written.iter().any(|(adopted, _)| *adopted);
        Ok(Written { slices: written.into_iter().map(|(_, slice)| slice).collect(), adopted, verifying })
    }

    /// A slice whose files are there and listed, by an earlier driver or by a copy.
    async fn copied(
        self: &Arc<Self>,
        batch: &Batch,
        slice: u32,
        files: &[Arc<PlannedFile>],
        account: &Account,
        drained: Arc<Notify>,
    ) -> Result<Slice> {
        // Of this pin only: what was copied for another one may be about to be deleted.
        let source = format!("{}-{}", self.register.pin.round, batches::files_digest(files));
        if let Some(adopted) = self.adopt(batch, slice, &source, account).await? {
            return Ok(Slice::Adopted(adopted));
        }
        let (job, birth, epoch) = (self.id, self.register.birth, self.epoch.load(SeqCst));
        let attempt = Attempt { job, birth, epoch, batch: BatchId::new(&batch.key), slice, id: Uuid::new_v4() };
        self.reach("batch.before_write").await?;
        let (completed, reading) = match self.statement.options.verify {
            Level::Metadata => (None, None),
            Level::Content | Level::Portable => {
                let (sender, completed) = mpsc::unbounded_channel();
                (Some(sender), Some(Reading::begin(self, &account.target.table, completed)))
            }
        };
        let listing = Listing::new(source, copy(self, account, batch, files, &attempt, drained, completed).await?);
        self.reach("batch.files_written").await?;
        // From here on it can be adopted: it may wait for its turn.
        listing.write(&account.target.table, &attempt).await?;
        self.reach("batch.listed").await?;
        Ok(Slice::Copied(Adoptable { attempt, listing }, reading))
    }

    /// Verifies the files of a slice that was copied. Says whether it was adopted.
    async fn verified(&self, batch: &Batch, slice: Slice, account: &Account) -> Result<(bool, Adoptable)> {
        let (copied, reading) = match slice {
            Slice::Adopted(adopted) => return Ok((true, adopted)),
            Slice::Copied(copied, reading) => (copied, reading),
        };
        if let Some(reading) = reading {
            let read = reading.end().await?;
            check::check(self, &account.target.table, &batch.key, &copied.listing, &read)?;
            self.reach("batch.verified").await?;
        }
        Ok((false, copied))
    }

    /// A slice that an earlier driver wrote, if there is one and its files are still what they should be.
    async fn adopt(
        self: &Arc<Self>,
        batch: &Batch,
        slice: u32,
        source: &str,
        account: &Account,
    ) -> Result<Option<Adoptable>> {
        let candidates = {
            let mut adoptables = self.adoptables.lock().unwrap_or_else(PoisonError::into_inner);
            adoptables.remove(&(BatchId::new(&batch.key), slice)).unwrap_or_default()
        };
        for candidate in candidates.into_iter().filter(|candidate| candidate.listing.source == source) {
            let table = &account.target.table;
            let read = check::read(self, table, &candidate.listing.files).await;
            let checked = read.and_then(|read| check::check(self, table, &batch.key, &candidate.listing, &read));
            match checked {
                Ok(()) => {
                    self.reach("recover.adopted").await?;
                    return Ok(Some(candidate));
                }
                Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
                Err(error) => {
                    tracing::warn!(attempt = %candidate.attempt, %error, "files of an earlier run are copied again");
                }
            }
        }
        Ok(None)
    }
}
