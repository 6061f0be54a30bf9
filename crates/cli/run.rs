//! Runs scripts: statement after statement, in one session, up to the first error or signal.

use std::time::{Duration, Instant};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::UInt64Type;
use futures::TryStreamExt;
use icelift::Engine;

use crate::attaching::Attaching;
use crate::exit::Stop;
use crate::print::{Look, Output, Target};
use crate::progress::{Progress, Tally};
use crate::script::Script;
use crate::session::Setup;
use crate::shell::Shell;
use crate::signals::Signals;
use crate::traffic::Traffic;
use crate::ui;
use crate::work::Workers;

/// Runs all scripts in one session.
pub async fn scripts(setup: Setup, workers: Workers, scripts: Vec<Script>) -> Result<(), Stop> {
    session(setup, workers, scripts).await?.failures.end()
}

/// The session that is left when all scripts have run.
pub async fn session(setup: Setup, workers: Workers, scripts: Vec<Script>) -> Result<Shell, Stop> {
    // Cut before the first statement runs: a quote left open in the last file should not be found hours later.
    for script in &scripts {
        script.items()?;
    }
    let signals = Signals::listen()?;
    let engine = setup.engine(&workers).await?;
    let mut runner = Runner::new(&setup, workers, engine, signals);
    runner.attach_all().await?;
    runner.open_output(&setup).await?;
    let mut shell = Shell::new(&setup, runner, None)?;
    for script in &scripts {
        shell.script(script, script.folder()).await?;
    }
    shell.runner.output.close().await?;
    Ok(shell)
}

/// What a statement did.
pub struct Done {
    pub rows: u64,
    pub time: Duration,
    pub traffic: Traffic,
    /// If it was a migration.
    pub migration: Option<Tally>,
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in {}{}", ui::rows(self.rows), ui::seconds(self.time), self.traffic)
    }
}

/// How long rows of a migration that was stopped may take to be printed.
const CUT_OFF: Duration = Duration::from_secs(2);

/// How long somebody at a prompt waits for what a stopped statement leaves behind; the rest is cleaned up meanwhile.
const PATIENCE: Duration = Duration::from_millis(800);

/// Runs statements so that a signal stops them and leaves nothing half done.
pub struct Runner {
    pub engine: Engine,
    workers: Workers,
    pub output: Output,
    progress: Progress,
    signals: Signals,
    attaching: Attaching,
    /// How long a stopped statement is waited for; to its end, unless set.
    patience: Option<Duration>,
}

impl Runner {
    pub fn new(setup: &Setup, workers: Workers, engine: Engine, signals: Signals) -> Self {
        let output = Output::new(Look::new(setup.format().unwrap_or_default()));
        let attaching = Attaching::begin(&engine, &workers, setup.config.catalogs.clone(), ui::is_watched(setup.quiet));
        Self { engine, workers, output, progress: setup.progress.clone(), signals, attaching, patience: None }
    }

    /// Runs statements of somebody who waits at a prompt.
    pub fn at_a_prompt(self) -> Self {
        Self { patience: Some(PATIENCE), ..self }
    }

    /// Waits for the catalogs of the configuration.
    pub async fn attach_all(&mut self) -> Result<(), Stop> {
        until_signal(&mut self.signals, self.attaching.all()).await
    }

    /// Waits for those that a statement names, or that a name or pattern may mean.
    pub async fn attach_named(&mut self, text: &str) -> Result<(), Stop> {
        until_signal(&mut self.signals, self.attaching.named(text)).await
    }

    /// Sends results where the command line says.
    pub async fn open_output(&mut self, setup: &Setup) -> Result<(), Stop> {
        let Some(path) = &setup.output else { return Ok(()) };
        self.output.send_to(Target::File(path.clone())).await?;
        // The file's name gives way to what was said.
        if let Some(format) = setup.format() {
            self.output.look.format = format;
        }
        Ok(())
    }

    /// Does something on the engine's threads, unless a signal comes first.
    pub async fn on_workers<T: Send + 'static>(
        &mut self,
        work: impl Future<Output = Result<T, Stop>> + Send + 'static,
    ) -> Result<T, Stop> {
        until_signal(&mut self.signals, self.workers.run(work)).await
    }

    /// Prints rows that are there already.
    pub async fn print(&mut self, rows: RecordBatch) -> Result<(), Stop> {
        let watch = self.progress.watch(&self.engine);
        let schema = rows.schema();
        self.output.show(schema, futures::stream::iter([Ok(rows)]), &watch).await.map(|_| ())
    }

    /// Waits, and tells whether a signal came first.
    pub async fn pause(&mut self, time: Duration) -> bool {
        tokio::select! {
            _ = self.signals.next() => true,
            () = tokio::time::sleep(time) => false,
        }
    }

    /// Forgets the signals that came while nothing ran.
    pub fn forget_signals(&mut self) -> Result<(), Stop> {
        self.signals = Signals::listen()?;
        Ok(())
    }

    /// Runs one statement and prints its rows; those that came before an error, too.
    pub async fn show(&mut self, sql: &str) -> Result<Done, Stop> {
        self.attach_named(sql).await?;
        let Self { engine, workers, output, progress, signals, patience, .. } = self;
        let (start, before) = (Instant::now(), Traffic::read(engine));
        let watch = progress.watch(engine);
        let mut work = workers.start(engine, sql);
        let shown = watch.during(async {
            let schema = work.schema().await?;
            output.show(schema, &mut work, &watch).await
        });
        let outcome = until_signal(signals, shown).await;
        let migration = watch.tally();
        let rows = match outcome {
            Ok(rows) => rows,
            Err(Stop::Signalled { place, signal, .. }) => {
                if !work.stop(signals, *patience).await && patience.is_some() {
                    ui::say("note: the statement is stopped; what it leaves behind is still being cleaned up");
                }
                if migration.is_some() {
                    // Nobody waits for a reader that is stopped, too.
                    let _ = tokio::time::timeout(CUT_OFF, output.cut_off()).await;
                }
                let resume = migration.map(|tally| tally.resume());
                return Err(Stop::Signalled { place, signal, resume });
            }
            Err(stop) => {
                work.stop(signals, None).await;
                // The error tells more than whatever goes wrong here.
                let _ = until_signal(signals, output.cut_off()).await;
                return Err(stop);
            }
        };
        let traffic = Traffic::read(engine).since(&before);
        traffic.log();
        Ok(Done { rows, time: start.elapsed(), traffic, migration })
    }

    /// Runs one statement and hands its rows back.
    pub async fn collect(&mut self, sql: &str) -> Result<Vec<RecordBatch>, Stop> {
        self.attach_named(sql).await?;
        let mut work = self.workers.start(&self.engine, sql);
        let collected = async {
            work.schema().await?;
            Ok((&mut work).try_collect().await?)
        };
        let outcome = until_signal(&mut self.signals, collected).await;
        if matches!(outcome, Err(Stop::Signalled { .. })) {
            work.stop(&mut self.signals, self.patience).await;
        }
        outcome
    }

    /// Runs one INSERT, and says how many rows it wrote.
    pub async fn write(&mut self, sql: &str) -> Result<Done, Stop> {
        let start = Instant::now();
        let batches = self.collect(sql).await?;
        let counted = |batch: &RecordBatch| {
            let counts = batch.columns().first()?.as_primitive_opt::<UInt64Type>()?;
            Some(counts.iter().flatten().sum::<u64>())
        };
        let rows = batches.iter().filter_map(counted).sum();
        Ok(Done { rows, time: start.elapsed(), traffic: Traffic::default(), migration: None })
    }
}

/// Does `work` unless a signal comes first; then drops it.
async fn until_signal<T>(signals: &mut Signals, work: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
    tokio::select! {
        biased;
        signal = signals.next() => Err(Stop::Signalled { place: None, signal, resume: None }),
        done = work => done,
    }
}
