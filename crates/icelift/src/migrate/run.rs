//! Runs a migration: the answer of the statement, and the same for a program.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};

use super::driver::Job;
use super::event::MigrationEvent;
use super::prepare::{Prepared, Target};
use super::register::Detail;
use super::report::{BatchReport, BatchState, COLUMNS, MigrationReport, Verdict};
use super::spent::Spent;
use super::summary::Due;
use super::tidy::tidy_behind;
use super::turns::UNDER_WAY_MAX;
use crate::catalog::{Catalog, TableName};
use crate::engine::{Engine, RowStream};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::sql::{Migrate, OnError};

/// A migration as a program describes it; the parts are those of the statement `MIGRATE TABLE`, in the same words.
#[derive(Debug, Clone, Default)]
pub struct Migration {
    source: String,
    target: String,
    select: Option<String>,
    filter: Option<String>,
    partitioned_by: Option<String>,
    batch_by: Option<String>,
    properties: BTreeMap<String, String>,
    options: BTreeMap<String, String>,
}

impl Migration {
    /// All columns and rows of `source` into `target`, which is created if it is missing. Names as in SQL.
    pub fn new(source: impl Into<String>, target: impl Into<String>) -> Self {
        Self { source: source.into(), target: target.into(), ..Self::default() }
    }

    /// The columns, as in `*, quarter(date) AS quarter`.
    pub fn select(mut self, columns: impl Into<String>) -> Self {
        self.select = Some(columns.into());
        self
    }

    /// Which rows, as in `year >= 2019`.
    pub fn filter(mut self, condition: impl Into<String>) -> Self {
        self.filter = Some(condition.into());
        self
    }

    /// The partition fields of a target that is created, as in `year, quarter`; those of the source unless set.
    pub fn partitioned_by(mut self, fields: impl Into<String>) -> Self {
        self.partitioned_by = Some(fields.into());
        self
    }

    /// The field whose values are the batches, as in `year` or `month(ts)`.
    pub fn batch_by(mut self, field: impl Into<String>) -> Self {
        self.batch_by = Some(field.into());
        self
    }

    /// A property of a target that is created.
    pub fn property(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.insert(key.into(), value.into());
        self
    }

    /// One of the options after WITH.
    pub fn option(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.insert(key.into(), value.into());
        self
    }

    /// The statement.
    pub fn to_sql(&self) -> String {
        let mut sql = format!("MIGRATE TABLE {} TO {}", self.source, self.target);
        let clauses = [
            ("SELECT ", &self.select, ""),
            ("WHERE ", &self.filter, ""),
            ("PARTITIONED BY (", &self.partitioned_by, ")"),
            ("BATCH BY ", &self.batch_by, ""),
        ];
        for (before, text, after) in clauses {
            if let Some(text) = text {
                let _ = write!(sql, " {before}{text}{after}");
            }
        }
        for (before, pairs) in [("TBLPROPERTIES", &self.properties), ("WITH", &self.options)] {
            let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
            let pairs: Vec<_> =
                pairs.iter().map(|(key, value)| format!("{} = {}", quoted(key), quoted(value))).collect();
            if !pairs.is_empty() {
                let _ = write!(sql, " {before} ({})", pairs.join(", "));
            }
        }
        sql
    }
}

/// A migration under way.
struct Run {
    job: Option<Arc<Job>>,
    /// Batches that earlier runs have committed, of those that the statement is about.
    done: Vec<BatchReport>,
    pending: Vec<u32>,
    parallel: usize,
    on_error: OnError,
    source: Pinned,
    place: Place,
    /// What is to be written of it at the end.
    due: Option<Due>,
}

/// The source, and what of it was copied.
struct Pinned {
    catalog: Arc<dyn Catalog>,
    name: TableName,
    snapshot: Option<i64>,
    /// Whether it is an error that the source has gone on.
    is_final: bool,
    /// The statement that copies what is new.
    next: &'static str,
}

/// What messages need to know of a run.
#[derive(Clone)]
struct Place {
    engine: Engine,
    target: String,
    batches: u64,
    start: Instant,
    spent: Arc<Spent>,
}

impl Run {
    async fn begin(engine: &Engine, statement: &Migrate) -> Result<Self> {
        let start = Instant::now();
        let prepared = Prepared::new(engine, statement).await?;
        let due = Due::of(engine, &prepared).await?;
        let place = Place {
            engine: engine.clone(),
            target: prepared.target_name.plain(),
            batches: u64::from(prepared.next.batches),
            start,
            spent: Arc::clone(&prepared.spent),
        };
        let of = |number: &u32| prepared.plan.get(*number as usize);
        engine.events.send(MigrationEvent::Planned {
            target: place.target.clone(),
            batches: prepared.plan.len(),
            pending: prepared.pending.len(),
            rows: prepared.pending.iter().filter_map(of).map(|batch| batch.rows.count).sum(),
            bytes: prepared.pending.iter().filter_map(of).map(|batch| batch.bytes).sum(),
        });
        if !statement.properties.is_empty() && matches!(prepared.target, Target::Exists { .. }) {
            let message = "TBLPROPERTIES are for a table that is created; the target keeps its own".to_string();
            engine.events.send(MigrationEvent::Noticed { target: place.target.clone(), message });
        }
        let (mut done, mut pending) = (done(&prepared), prepared.pending.clone());
        let (parallel, on_error) = (statement.options.parallel_batches, statement.options.on_error);
        let source = Pinned {
            catalog: Arc::clone(prepared.source.catalog()),
            name: prepared.source.table.name.clone(),
            snapshot: prepared.next.pin.snapshot,
            is_final: statement.options.final_run,
            next: match statement.version {
                None => "the same statement",
                Some(_) => "the same statement without the version",
            },
        };
        // A target that does not exist is created even if there is nothing to put into it.
        let idle = pending.is_empty() && prepared.register.as_ref() == Some(&prepared.next);
        if idle && let Err(error) = tidy_behind(engine, &prepared).await {
            tracing::warn!(%error, "files of the run before could not be removed; remove_orphan_files lists them");
        }
        let job = if idle { None } else { Some(Job::claim(engine, prepared).await.map_err(|it| place.told(it))?) };
        if let Some(job) = &job {
            let landed = pending.iter().filter(|number| !job.pending.contains(number));
            let keys = landed.filter_map(|number| job.plan.get(*number as usize)).map(|batch| batch.key.as_str());
            let details = job.register.done.by_key();
            done.extend(keys.filter_map(|key| details.get(key)).map(|detail| was_done(detail)));
            pending = job.pending.clone();
        }
        Ok(Self { job, done, pending, parallel, on_error, source, place, due })
    }

    /// What becomes of the batches, one by one.
    fn reports(self) -> BoxStream<'static, Result<BatchReport>> {
        let Self { job, done, pending, parallel, on_error, source, place, due } = self;
        let (closing, tidied) = (place.clone(), job.clone());
        let runs = job.into_iter().flat_map(move |job| {
            let number = move |number| (Arc::clone(&job), number);
            pending.clone().into_iter().map(number)
        });
        let told = place.clone();
        let runs = stream::iter(runs).map(move |(job, number)| {
            let place = told.clone();
            async move {
                let key = job.plan.get(number as usize).map(|batch| batch.key.clone()).unwrap_or_default();
                job.run(number).await.map_err(|error| place.failed(key, error, on_error))
            }
        });
        let close = stream::once(async move {
            if let Some(job) = tidied
                && let Err(error) = job.clean_up().await
            {
                tracing::warn!(%error, "files of earlier runs could not be removed; remove_orphan_files lists them");
            }
            Next::End(closing.close(&source).await)
        });
        // The job says whose turn it is. In order, so that one that fails while it is copied does not take with it the one
        // before, which is being verified or committed.
        let reports = runs.buffered(UNDER_WAY_MAX * parallel).map(Next::Batch).chain(close);
        let ending = Ending { place, on_error, failed: None, over: false };
        let reports = stream::unfold((reports.boxed(), ending), |(mut reports, mut ending)| async move {
            // Behind the end no batch goes on, whoever asks: what is under way is dropped.
            while !ending.over {
                if let Some(report) = ending.next(reports.next().await?)? {
                    return Some((report, (reports, ending)));
                }
            }
            None
        });
        let reports = stream::iter(done.into_iter().map(Ok)).chain(reports).boxed();
        match due {
            Some(due) => due.behind(reports),
            None => reports,
        }
    }
}

/// What comes out of a run.
enum Next {
    Batch(Result<BatchReport, Failed>),
    /// All batches were tried.
    End(Result<()>),
}

/// A batch that did not arrive.
struct Failed {
    report: BatchReport,
    error: Error,
    /// Whether no other batch could arrive either: another driver has taken over.
    is_last: bool,
}

/// Passes reports on, and ends with the first error.
struct Ending {
    place: Place,
    on_error: OnError,
    failed: Option<Error>,
    over: bool,
}

impl Ending {
    /// Outside, None ends the stream; inside, it says nothing.
    fn next(&mut self, next: Next) -> Option<Option<Result<BatchReport>>> {
        match next {
            _ if self.over => None,
            Next::Batch(Ok(report)) => Some(Some(Ok(report))),
            Next::Batch(Err(Failed { error, is_last, .. })) if is_last || self.on_error == OnError::Stop => {
                self.over = true;
                self.place.end(false);
                Some(Some(Err(error)))
            }
            Next::Batch(Err(Failed { report, error, .. })) => {
                self.failed.get_or_insert(error);
                Some(Some(Ok(report)))
            }
            Next::End(closed) => {
                self.over = true;
                let failed = self.failed.take().or(closed.err());
                self.place.end(failed.is_none());
                Some(failed.map(Err))
            }
        }
    }
}

impl Place {
    fn end(&self, well: bool) {
        let (target, time, dollars) = (self.target.clone(), self.start.elapsed(), self.spent.dollars());
        self.engine.events.send(MigrationEvent::Ended { target, finished: well, time, dollars });
    }

    /// Looks whether the source has gone on meanwhile.
    async fn close(&self, source: &Pinned) -> Result<()> {
        self.engine.failpoints.reach("finish.before_report").await?;
        let now = match source.catalog.load_table(&source.name.ident).await {
            Ok(table) => table.metadata.current_snapshot_id(),
            Err(error) if source.is_final => {
                let error = error.place(Stage::Catalog, &source.name);
                return Err(wrapped(error, format!("it is not known whether the source {} stands still", source.name)));
            }
            Err(_) => return Ok(()),
        };
        if now == source.snapshot {
            return Ok(());
        }
        let message = format!("the source {} has newer snapshots than the one that was copied", source.name);
        if source.is_final {
            return Err(Error::new(ErrorKind::Stopped, message)
                .hint(format!("stop what writes to the source, and run {} again to copy what is new", source.next)));
        }
        let message = format!("{message}; {}, run again, copies what is new", source.next);
        self.engine.events.send(MigrationEvent::Noticed { target: self.target.clone(), message });
        Ok(())
    }

    fn failed(&self, batch: String, error: Error, on_error: OnError) -> Failed {
        let message = error.to_string();
        self.engine.events.send(MigrationEvent::BatchFailed {
            target: self.target.clone(),
            batch: batch.clone(),
            message,
        });
        let what = match on_error {
            _ if error.kind() == ErrorKind::CommitUnknown => {
                format!("it is not known whether the batch `{batch}` arrived")
            }
            OnError::Stop => format!("the batch `{batch}` did not arrive"),
            OnError::Continue => format!("the batch `{batch}` and perhaps others did not arrive"),
        };
        let report = BatchReport {
            batch,
            state: BatchState::Failed,
            rows: 0,
            read_bytes: 0,
            written_bytes: 0,
            files: 0,
            time: Duration::ZERO,
            verdict: Verdict::Failed,
            failure: Some(error.to_string()),
        };
        let is_last = error.kind() == ErrorKind::Fenced;
        Failed { report, error: wrapped(error, what), is_last }
    }

    fn told(&self, error: Error) -> Error {
        wrapped(error, format!("the migration into `{}` did not begin", self.target))
    }
}

/// The error as the user sees it: what is not there, and that the same statement goes on. Why, and what to do about that,
/// is told by its source.
fn wrapped(error: Error, message: String) -> Error {
    let kind = match error.kind() {
        ErrorKind::Unavailable
        | ErrorKind::Denied
        | ErrorKind::CommitUnknown
        | ErrorKind::CommitConflict
        | ErrorKind::Resources
        | ErrorKind::Write
        | ErrorKind::Fenced => ErrorKind::Stopped,
        kind => kind,
    };
    Error::new(kind, message)
        .hint("what was committed stays; the same statement continues where this run stopped")
        .source(error)
}

/// The batches that were committed before, of those that the statement is about.
fn done(prepared: &Prepared) -> Vec<BatchReport> {
    let is_picked = |number: u32| prepared.picked.as_ref().is_none_or(|picked| picked.contains(&number));
    let done =
        (0..).zip(&prepared.plan).filter(|(number, _)| is_picked(*number) && prepared.next.done.contains(*number));
    done.filter_map(|(_, batch)| prepared.details.get(&batch.key)).map(was_done).collect()
}

fn was_done(detail: &Detail) -> BatchReport {
    BatchReport {
        batch: detail.key.clone(),
        state: BatchState::Done,
        rows: detail.print.rows,
        read_bytes: 0,
        written_bytes: detail.bytes,
        files: detail.files,
        time: Duration::ZERO,
        verdict: Verdict::NotChecked,
        failure: None,
    }
}

/// Runs the statement: one row for each batch, as it is done.
pub(crate) async fn answer(engine: &Engine, statement: &Migrate) -> Result<RowStream> {
    let reports = Run::begin(engine, statement).await?.reports();
    let rows = reports.and_then(|report| std::future::ready(report.row()));
    Ok(RowStream::of(Arc::clone(&COLUMNS), rows.boxed(), engine.cleanup.clone()))
}

/// Runs the statement to its end. Where it is to go on behind batches that fail, these are in the report and no error.
pub(crate) async fn report(engine: &Engine, statement: &Migrate) -> Result<MigrationReport> {
    let run = Run::begin(engine, statement).await?;
    let all = run.place.batches;
    let mut reports = run.reports();
    let mut batches: Vec<BatchReport> = Vec::new();
    let has_failed = |batches: &[BatchReport]| batches.iter().any(|report| report.state == BatchState::Failed);
    while let Some(report) = reports.next().await {
        match report {
            Ok(report) => batches.push(report),
            Err(_) if statement.options.on_error == OnError::Continue && has_failed(&batches) => {}
            Err(error) => return Err(error),
        }
    }
    let arrived = batches.iter().filter(|report| report.state != BatchState::Failed).count() as u64;
    Ok(MigrationReport { finished: arrived == all, batches })
}
