//! The driver: one batch after the other, each written, verified and committed.
//!
//! The order of the steps is the protocol of `model.rs`; the failpoints mark them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use datafusion::catalog::TableProvider;
use iceberg::spec::{DataFile, FormatVersion};
use tokio::sync::Mutex as AsyncMutex;
use uuid::Uuid;

use super::account::Account;
use super::attempt::Attempt;
use super::batches::Batch;
use super::begin::begin;
use super::claim::taken_over;
use super::commit::{Ready, commit};
use super::event::MigrationEvent;
use super::job::{BatchId, JobId};
use super::prepare::{Prepared, Target};
use super::query;
use super::recover::{Adoptable, Adoptables, recover};
use super::register::{Detail, Register, Took};
use super::report::{BatchReport, BatchState, Verdict};
use super::rounds::{self, Mode};
use super::slices::Written;
use super::spent::Spent;
use super::summary::unix_ms_now;
use super::tidy::Tidying;
use super::turns::Turns;
use crate::catalog::{IcebergTable, Table};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::verify::{Level, PortableColumns, Prints};
use crate::sql::Migrate;

/// A migration that this driver has claimed.
pub(crate) struct Job {
    pub engine: Engine,
    pub id: JobId,
    /// What the target knew when the claim had landed.
    pub register: Register,
    /// The numbers of the batches to do.
    pub pending: Vec<u32>,
    pub statement: Migrate,
    pub source: IcebergTable,
    /// The names of the target's columns that are not the source's columns of the same name as they are.
    computed: BTreeSet<String>,
    pub spent: Arc<Spent>,
    /// The target as the rows are written for it.
    pub target: IcebergTable,
    pub plan: Vec<Batch>,
    modes: BTreeMap<u32, Mode>,
    pub owner: Uuid,
    pub epoch: AtomicU64,
    pub turns: Turns,
    /// Held by the batch that is being committed.
    pub commits: AsyncMutex<()>,
    pub adoptables: Mutex<Adoptables>,
    /// The attempt whose listing the register names: it goes when all else is tidy.
    closing: Mutex<Option<Attempt>>,
    /// Whether another driver may have been there before: the target was.
    found: bool,
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
        let (target, register) = begin(engine, &prepared, next).await?;
        // A commit of an earlier driver may have landed since the plan was made.
        let pending = prepared.pending.iter().copied().filter(|number| !register.done.contains(*number));
        let pending: Vec<u32> = pending.collect();
        let keys = pending.iter().filter_map(|number| prepared.plan.get(*number as usize));
        let wanted: HashSet<_> = keys.map(|batch| BatchId::new(&batch.key)).collect();
        let resumed = prepared.register.is_some();
        // Also one that died before its claim came.
        let found = matches!(prepared.target, Target::Exists { .. });
        let catalog = Arc::clone(&prepared.target_catalog);
        let cores = engine.session().state().config().target_partitions();
        let turns = Turns::new(prepared.statement.options.parallel_batches, cores);
        let job = Self {
            engine: engine.clone(),
            id: prepared.job,
            register,
            pending,
            statement: prepared.statement,
            source: prepared.source,
            computed: prepared.computed,
            spent: prepared.spent,
            target: IcebergTable::new(catalog, target.clone())?,
            plan: prepared.plan,
            modes: prepared.modes,
            owner,
            epoch: AtomicU64::new(epoch),
            turns,
            commits: AsyncMutex::default(),
            adoptables: Mutex::default(),
            closing: Mutex::default(),
            found,
        };
        if resumed {
            let adoptables = recover(&job, &target, &wanted).await?;
            *job.adoptables.lock().unwrap_or_else(PoisonError::into_inner) = adoptables;
        }
        Ok(Arc::new(job))
    }

    pub async fn reach(&self, failpoint: &'static str) -> Result<()> {
        self.engine.failpoints.reach(failpoint).await
    }

    pub async fn load_target(&self) -> Result<Table> {
        self.target.catalog().load_table(&self.target.table.name.ident).await
    }

    /// The target as the last commit of this process left it, or read anew where that is not known. A commit that is built on it
    /// fails if others have changed the table since, and is built again on what they made of it.
    pub async fn committed_target(&self) -> Result<Table> {
        match self.target.catalog().committed(&self.target.table).filter(has_sequence_numbers) {
            Some(table) => Ok(table),
            None => self.load_target().await,
        }
    }

    /// Removes what is left when all batches were tried.
    ///
    /// # Errors
    /// What is left cannot be found or removed. A later run then tries again.
    pub async fn clean_up(&self) -> Result<()> {
        if self.may_leave_files() {
            let (catalog, table) = (self.target.catalog(), &self.target.table.name);
            let (job, birth, pin, plan) = (self.id, self.register.birth, self.register.pin, &self.plan);
            Tidying { engine: &self.engine, catalog, table, job, birth, pin, plan }.tidy().await?;
        }
        self.forget(self.closing().into_iter()).await;
        Ok(())
    }

    /// Whether there may be files that belong to nobody: of an earlier driver, or of a commit that a fence has ended.
    fn may_leave_files(&self) -> bool {
        self.found || self.epoch.load(SeqCst) > self.register.epoch
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
        match Arc::clone(&self).arrive(number).await {
            // Whoever takes over removes the files that are of no use to the batch: that is not what is wrong.
            Err(error) if self.is_overtaken(&error).await => Err(taken_over().source(error)),
            done => done,
        }
    }

    async fn is_overtaken(&self, error: &Error) -> bool {
        if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Read | ErrorKind::Difference) {
            return false;
        }
        let register = self.load_target().await.and_then(|table| Register::of(&table.metadata, self.id));
        matches!(register, Ok(Some(register)) if register.owner != self.owner)
    }

    async fn arrive(self: Arc<Self>, number: u32) -> Result<BatchReport> {
        let Some(batch) = self.plan.get(number as usize) else {
            return Err(Error::new(ErrorKind::Internal, format!("there is no batch {number}")));
        };
        let copying = self.turns.to_copy().await?;
        let start = Instant::now();
        let account = Account::new(&self.source, &self.target);
        let (target, key) = (self.target_name(), batch.key.clone());
        let rows = batch.rows.count;
        self.say(MigrationEvent::BatchStarted { target, batch: key, rows, bytes: batch.bytes });
        let mode = self.modes.get(&number).cloned().unwrap_or(Mode::Copy);
        let Written { slices, adopted, verifying } = self.write(batch, &mode, &account, copying).await?;
        let took = Took {
            milliseconds: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
            files: mode.files(batch).len() as u64,
            traffic: account.traffic(),
        };
        let (ready, listings) = self.ready((number, batch), &mode, slices, took).await?;
        let rows = ready.files.iter().map(DataFile::record_count).sum();
        self.check_count(batch, ready.detail.print.rows)?;
        let written_bytes = ready.files.iter().map(DataFile::file_size_in_bytes).sum();
        let files = ready.files.len() as u64;
        let committing = self.turns.to_commit(verifying).await?;
        let stayed = commit(&self, ready).await?;
        self.reach("batch.before_tidy").await?;
        let stays = self.closing();
        drop(committing);
        self.forget(listings.into_iter().chain(stayed).filter(|attempt| stays != Some(*attempt))).await;
        let verdict = match self.statement.options.verify {
            // Adopted slices were read again, those that were copied in this run were not.
            Level::Metadata => Verdict::Counted,
            Level::Content | Level::Portable => Verdict::Verified,
        };
        let report = BatchReport {
            batch: batch.key.clone(),
            state: if adopted { BatchState::Adopted } else { BatchState::Copied },
            rows,
            read_bytes: account.traffic().read_bytes,
            written_bytes,
            files,
            time: start.elapsed(),
            verdict,
            failure: None,
        };
        let (target, dollars) = (self.target_name(), self.spent.dollars());
        self.say(MigrationEvent::Committed { target, report: report.clone(), dollars });
        Ok(report)
    }

    /// What goes into the portable fingerprint if the statement asks for it: the columns that are in the target as
    /// they are in the source, in the order of the source.
    pub fn portable_columns(&self) -> Option<PortableColumns> {
        if self.statement.options.verify < Level::Portable {
            return None;
        }
        let fields = self.target.table.metadata.current_schema().as_struct().fields();
        let indices = query::copied(&self.source.schema(), &self.target.schema(), &self.computed);
        let fields = indices.iter().filter_map(|index| fields.get(*index).cloned()).collect();
        Some(PortableColumns { indices, fields })
    }

    /// The batch as it is to be committed, and the attempts whose listings are of no use then.
    async fn ready(
        &self,
        (number, batch): (u32, &Batch),
        mode: &Mode,
        slices: Vec<Adoptable>,
        took: Took,
    ) -> Result<(Ready, Vec<Attempt>)> {
        let table = &self.target.table;
        let mut detail = Detail {
            key: batch.key.clone(),
            pin: self.register.pin.snapshot,
            source: batch.source.clone(),
            files: 0,
            bytes: 0,
            print: Default::default(),
            portable: None,
            copied_rows: 0,
            schema: table.metadata.current_schema_id(),
            attempt: Uuid::nil(),
            snapshot: 0,
            took: Some(took),
            verify: Some(self.statement.options.verify),
            unix_ms: Some(unix_ms_now()),
            rolled_back: false,
        };
        let (mut files, mut attempts): (Vec<DataFile>, Vec<Attempt>) = (Vec::new(), Vec::new());
        let mut all = Prints::default();
        for Adoptable { attempt, listing } in slices {
            detail.attempt = attempt.id;
            detail.files += listing.files.len() as u64;
            detail.bytes += listing.bytes();
            listing.prints.values().for_each(|prints| all.merge(*prints));
            files.extend(listing.files);
            attempts.push(attempt);
        }
        detail.set_prints(all);
        let in_files: u64 = files.iter().map(DataFile::record_count).sum();
        if in_files != detail.print.rows {
            let message = format!("{} rows came from the source, the files hold {in_files}", detail.print.rows);
            return Err(Error::new(ErrorKind::Difference, message).place(Stage::Verify, &table.name));
        }
        let mut remove = HashSet::new();
        match mode {
            Mode::Copy => {}
            Mode::Append { before, .. } => detail.merge(before),
            Mode::Replace { before } => remove = self.files_of_batch(before).await?,
        }
        Ok((Ready { number, detail, files, closing: attempts.last().copied(), remove }, attempts))
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

    /// The attempt whose listing stays until all else is tidy.
    pub fn closing(&self) -> Option<Attempt> {
        *self.closing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on it is this one, if it is one. Returns the one before.
    pub fn stays(&self, attempt: Option<Attempt>) -> Option<Attempt> {
        let mut closing = self.closing.lock().unwrap_or_else(PoisonError::into_inner);
        attempt.and_then(|attempt| closing.replace(attempt))
    }

    /// Removes listings that nobody needs any more: their files are committed.
    async fn forget(&self, attempts: impl Iterator<Item = Attempt>) {
        let table = &self.target.table;
        for attempt in attempts {
            let location = attempt.listing_location(&table.metadata);
            if let Err(error) = table.store.delete(&location).await {
                tracing::warn!(location, %error, "a listing of committed files could not be removed");
            }
        }
    }
}

/// A branch that was moved and moved back is known by them only.
fn has_sequence_numbers(table: &Table) -> bool {
    table.metadata.format_version() > FormatVersion::V1
}
