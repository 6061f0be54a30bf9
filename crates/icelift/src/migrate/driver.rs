//! The driver: one batch after the other, each written, verified and committed.
//!
//! The order of the steps is the protocol of `model.rs`; the failpoints mark them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use iceberg::spec::DataFile;
use tokio::sync::Mutex as AsyncMutex;
use uuid::Uuid;

use super::attempt::{Attempt, Listing};
use super::batches::{self, Batch};
use super::claim::{claim, taken_over};
use super::commit::{Ready, commit};
use super::copy::copy;
use super::event::MigrationEvent;
use super::job::{BatchId, JobId};
use super::prepare::{Prepared, Target};
use super::recover::{Adoptable, Adoptables, Heritage, recover};
use super::register::{Detail, MIXED_SCHEMAS, Register};
use super::report::{BatchReport, BatchState, Verdict};
use super::rounds::{self, Mode};
use super::{check, target};
use crate::catalog::{Catalog, CommitOutcome, IcebergTable, NewTable, Table};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::snapshot;
use crate::sql::{Migrate, MigrateOptions, VerifyLevel};

/// Source bytes that are copied before the files so far are listed, unless `slice_bytes` says otherwise: what a crash costs
/// at most.
const SLICE_BYTES: u64 = 2 << 30;

/// A migration that this driver has claimed.
pub(crate) struct Job {
    pub engine: Engine,
    pub id: JobId,
    pub statement: Migrate,
    pub options: MigrateOptions,
    pub source: IcebergTable,
    /// The target as the rows are written for it.
    pub target: IcebergTable,
    pub plan: Vec<Batch>,
    modes: BTreeMap<u32, Mode>,
    /// The numbers of the batches to do.
    pub pending: Vec<u32>,
    /// What the target knew when the claim had landed.
    pub register: Register,
    /// The source's snapshot.
    pin: Option<i64>,
    pub owner: Uuid,
    pub epoch: AtomicU64,
    /// Held by the batch that is being committed.
    pub commits: AsyncMutex<()>,
    adoptables: Mutex<Adoptables>,
}

impl Job {
    /// Claims the migration: creates the target or takes the register over, and looks at what an earlier driver left.
    ///
    /// # Errors
    /// [`ErrorKind::Fenced`] if another driver is faster, and what the catalog and the store refuse.
    pub async fn claim(engine: &Engine, prepared: Prepared) -> Result<Arc<Self>> {
        let owner = Uuid::new_v4();
        let epoch = prepared.register.as_ref().map_or(1, |register| register.epoch + 1);
        let next = Register { owner, epoch, ..prepared.next.clone() };
        let (target, register) = claimed(engine, &prepared, next).await?;
        let before = prepared.register.as_ref().map(|register| register.owner);
        // A commit of an earlier driver may have landed since the plan was made.
        let pending = prepared.pending.iter().copied().filter(|number| !register.done.contains(*number)).collect();
        let catalog = Arc::clone(&prepared.target_catalog);
        let job = Self {
            engine: engine.clone(),
            id: prepared.job,
            options: prepared.statement.options.clone(),
            statement: prepared.statement,
            source: prepared.source,
            target: IcebergTable::new(catalog, target)?,
            plan: prepared.plan,
            modes: prepared.modes,
            pending,
            register,
            pin: prepared.next.pin.snapshot,
            owner,
            epoch: AtomicU64::new(epoch),
            commits: AsyncMutex::default(),
            adoptables: Mutex::default(),
        };
        if let Some(owner) = before {
            let heritage = Heritage { owner, epoch, wanted: job.wanted() };
            let adoptables = recover(&job, &heritage).await?;
            *job.adoptables.lock().unwrap_or_else(PoisonError::into_inner) = adoptables;
        }
        Ok(Arc::new(job))
    }

    /// The slices that are to be written, of all batches that are not done, by the hashes of their source files.
    fn wanted(&self) -> HashMap<BatchId, Option<Vec<String>>> {
        let batch = |number: u32| {
            let batch = self.plan.get(number as usize)?;
            // How a batch that is not for this run comes into the target was not looked at.
            let slices = self.modes.get(&number).map(|mode| {
                let slices = batches::slices(mode.files(batch), self.slice_bytes());
                slices.iter().map(|files| batches::files_digest(files)).collect()
            });
            Some((BatchId::new(&batch.key), slices))
        };
        self.register.pending().filter_map(batch).collect()
    }

    fn slice_bytes(&self) -> u64 {
        self.options.slice_bytes.unwrap_or(SLICE_BYTES)
    }

    pub async fn reach(&self, failpoint: &'static str) -> Result<()> {
        self.engine.failpoints.reach(failpoint).await
    }

    pub async fn load_target(&self) -> Result<Table> {
        self.target.catalog().load_table(&self.target.table.name.ident).await
    }

    fn say(&self, event: MigrationEvent) {
        self.engine.events.send(event);
    }

    fn target_name(&self) -> String {
        self.target.table.name.plain()
    }

    /// Copies one batch.
    ///
    /// # Errors
    /// Those of reading, writing, verifying and committing. The batch is then not in the target.
    pub async fn run(self: Arc<Self>, number: u32) -> Result<BatchReport> {
        let Some(batch) = self.plan.get(number as usize) else {
            return Err(Error::new(ErrorKind::Internal, format!("there is no batch {number}")));
        };
        let (start, before) = (Instant::now(), self.source_bytes());
        let (target, key) = (self.target_name(), batch.key.clone());
        let rows = batch.rows.count;
        self.say(MigrationEvent::BatchStarted { target, batch: key, rows, bytes: batch.bytes });
        let mode = self.modes.get(&number).cloned().unwrap_or(Mode::Copy);
        let Written { slices, adopted } = self.write(batch, &mode).await?;
        let (ready, listings) = self.ready(number, batch, &mode, slices).await?;
        let rows = ready.files.iter().map(DataFile::record_count).sum();
        self.check_count(batch, ready.detail.print.rows)?;
        let (files, written_bytes) = (ready.detail.files, ready.detail.bytes);
        self.commit(ready).await?;
        self.reach("batch.before_tidy").await?;
        self.forget(&listings).await;
        let verdict = match self.options.verify {
            VerifyLevel::Metadata if !adopted => Verdict::Counted,
            _ => Verdict::Verified,
        };
        let report = BatchReport {
            batch: batch.key.clone(),
            state: if adopted { BatchState::Adopted } else { BatchState::Copied },
            rows,
            read_bytes: self.source_bytes().saturating_sub(before),
            written_bytes,
            files,
            time: start.elapsed(),
            verdict,
        };
        self.say(MigrationEvent::Committed { target: self.target_name(), report: report.clone() });
        Ok(report)
    }

    pub fn source_bytes(&self) -> u64 {
        self.source.catalog().store().meter().read_bytes
    }

    /// Writes and verifies all slices of a batch, or adopts them.
    async fn write(&self, batch: &Batch, mode: &Mode) -> Result<Written> {
        let mut written = Written::default();
        for (slice, files) in (0..).zip(batches::slices(mode.files(batch), self.slice_bytes())) {
            let source = batches::files_digest(&files);
            let done = match self.adopt(batch, slice, &source).await? {
                Some(adopted) => {
                    written.adopted = true;
                    adopted
                }
                None => {
                    let attempt = Attempt {
                        job: self.id,
                        epoch: self.epoch.load(SeqCst),
                        batch: BatchId::new(&batch.key),
                        slice,
                        id: Uuid::new_v4(),
                    };
                    self.reach("batch.before_write").await?;
                    let copied = copy(self, batch, &files, &attempt).await?;
                    self.list(batch, attempt, Listing::new(self.owner, source, copied)).await?
                }
            };
            written.slices.push(done);
        }
        Ok(written)
    }

    /// Lists the files of an attempt, from where on it can be adopted, and verifies them.
    async fn list(&self, batch: &Batch, attempt: Attempt, listing: Listing) -> Result<Adoptable> {
        let table = &self.target.table;
        self.reach("batch.files_written").await?;
        listing.write(table, &attempt).await?;
        self.reach("batch.listed").await?;
        if self.options.verify != VerifyLevel::Metadata {
            self.reach("batch.before_verify").await?;
            check::check(self, &batch.key, &listing).await?;
            self.reach("batch.verified").await?;
        }
        Ok(Adoptable { attempt, listing })
    }

    /// A slice that an earlier driver wrote, if there is one and its files are still what they should be.
    async fn adopt(&self, batch: &Batch, slice: u32, source: &str) -> Result<Option<Adoptable>> {
        let candidates = {
            let mut adoptables = self.adoptables.lock().unwrap_or_else(PoisonError::into_inner);
            adoptables.remove(&(BatchId::new(&batch.key), slice)).unwrap_or_default()
        };
        for candidate in candidates.into_iter().filter(|candidate| candidate.listing.source == source) {
            match check::check(self, &batch.key, &candidate.listing).await {
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

    /// The batch as it is to be committed, and the attempts whose listings are of no use then.
    async fn ready(
        &self,
        number: u32,
        batch: &Batch,
        mode: &Mode,
        slices: Vec<Adoptable>,
    ) -> Result<(Ready, Vec<Attempt>)> {
        let table = &self.target.table;
        let mut detail = Detail {
            key: batch.key.clone(),
            pin: self.pin,
            source: batch.source.clone(),
            files: 0,
            bytes: 0,
            print: Default::default(),
            schema: table.metadata.current_schema_id(),
            attempt: Uuid::nil(),
            snapshot: 0,
        };
        let (mut files, mut attempts): (Vec<DataFile>, Vec<Attempt>) = (Vec::new(), Vec::new());
        for Adoptable { attempt, listing } in slices {
            detail.attempt = attempt.id;
            detail.files += listing.files.len() as u64;
            detail.bytes += listing.bytes();
            listing.prints.values().for_each(|print| detail.print.merge(*print));
            files.extend(listing.files);
            attempts.push(attempt);
        }
        let in_files: u64 = files.iter().map(DataFile::record_count).sum();
        if in_files != detail.print.rows {
            let message = format!("{} rows came from the source, the files hold {in_files}", detail.print.rows);
            return Err(Error::new(ErrorKind::Difference, message).place(Stage::Verify, &table.name));
        }
        let mut remove = HashSet::new();
        match mode {
            Mode::Copy => {}
            Mode::Append { before, .. } => {
                detail.files += before.files;
                detail.bytes += before.bytes;
                detail.print.merge(before.print);
                if before.schema != detail.schema {
                    detail.schema = MIXED_SCHEMAS;
                }
            }
            Mode::Replace { before } => remove = self.files_of_batch(before).await?,
        }
        Ok((Ready { number, detail, files, remove }, attempts))
    }

    /// The target's files of a batch as it was committed before.
    async fn files_of_batch(&self, before: &Detail) -> Result<HashSet<String>> {
        let now = IcebergTable::new(Arc::clone(self.target.catalog()), self.load_target().await?)?;
        let files = now.live_files(&self.engine.session().state(), &[]).await?;
        rounds::files_of_batch(&now.table, &files, self.id, before)
    }

    /// Where the metadata tells exactly how many rows a batch has, as many must have arrived.
    fn check_count(&self, batch: &Batch, rows: u64) -> Result<()> {
        if !batch.rows.exact || batch.rows.count == rows {
            return Ok(());
        }
        let message = format!("the source's metadata says {} rows, {rows} were read", batch.rows.count);
        Err(Error::new(ErrorKind::Difference, message)
            .place(Stage::Verify, &self.source.table.name)
            .subject(&batch.key)
            .hint("the source's manifests do not agree with its files; nothing was committed"))
    }

    /// Commits in a task of its own: a statement that is stopped now must not leave the outcome open.
    async fn commit(self: &Arc<Self>, ready: Ready) -> Result<()> {
        let job = Arc::clone(self);
        let task = self.target.table.store.cleanup().spawn(async move { commit(&job, ready).await });
        let died =
            |source| Error::new(ErrorKind::CommitUnknown, "the commit task died").stage(Stage::Snapshot).source(source);
        task.await.map_err(died)?
    }

    /// Removes listings that nobody needs any more: their files are committed.
    async fn forget(&self, attempts: &[Attempt]) {
        let table = &self.target.table;
        for attempt in attempts {
            let location = attempt.listing_location(&table.metadata);
            if let Err(error) = table.store.delete(&location).await {
                tracing::warn!(location, %error, "a listing of committed files could not be removed");
            }
        }
    }
}

#[derive(Default)]
struct Written {
    slices: Vec<Adoptable>,
    adopted: bool,
}

/// The target and what it knows, after a commit that has landed.
async fn claimed(engine: &Engine, prepared: &Prepared, next: Register) -> Result<(Table, Register)> {
    let (catalog, ident) = (&prepared.target_catalog, &prepared.target_name.ident);
    let (owner, epoch) = (next.owner, next.epoch);
    engine.failpoints.reach("claim.before_commit").await?;
    match &prepared.target {
        Target::Exists(table) => {
            claim(catalog, table.clone(), prepared.job, prepared.register.clone(), next).await?;
        }
        Target::New(new) => {
            let mut new = new.as_ref().clone();
            let register: BTreeMap<_, _> = next.properties(prepared.job)?.into_iter().collect();
            new.properties.extend(register);
            if let Err(error) = created(catalog, new).await {
                return Err(lost_race(prepared, error).await);
            }
        }
    }
    engine.failpoints.reach("claim.after_commit").await?;
    let table = catalog.load_table(ident).await?;
    match Register::of(&table.metadata, prepared.job)? {
        None => Err(target::register_lost(&table.name)),
        Some(register) if (register.owner, register.epoch) != (owner, epoch) => Err(taken_over()),
        Some(register) => Ok((table, register)),
    }
}

async fn created(catalog: &Arc<dyn Catalog>, new: NewTable) -> Result<()> {
    let staged = catalog.stage_table(new).await?;
    match snapshot::create(catalog, &staged).await {
        CommitOutcome::Landed => Ok(()),
        CommitOutcome::NotLanded(error) | CommitOutcome::Unknown(error) => Err(error),
    }
}

/// Why the target was not created: another driver of the same migration may have been faster.
async fn lost_race(prepared: &Prepared, error: Error) -> Error {
    if error.kind() != ErrorKind::AlreadyExists {
        return error;
    }
    let table = prepared.target_catalog.load_table(&prepared.target_name.ident).await;
    let register = table.and_then(|table| Register::of(&table.metadata, prepared.job));
    if let Ok(Some(_)) = register { taken_over().source(error) } else { error }
}
