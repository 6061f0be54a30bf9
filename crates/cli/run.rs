//! Runs scripts: statement after statement, in one session, up to the first error or signal.

use std::io::Read;
use std::time::{Duration, Instant};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::UInt64Type;
use icelift::script::{self, Piece};
use icelift::{Engine, Error, ErrorKind, variables};

use crate::args::Input;
use crate::exit::{Place, Problem, Stop};
use crate::print::Output;
use crate::progress::{Progress, Tally};
use crate::session::Setup;
use crate::signals::Signals;
use crate::traffic::Traffic;
use crate::ui;

/// A text of statements, and what error messages call it.
pub struct Script {
    label: String,
    text: String,
}

impl Script {
    /// Reads what `-f` or `-c` names.
    pub fn read(input: Input) -> Result<Self, Problem> {
        let (label, text) = match input {
            Input::Command(sql) => {
                return Ok(Self { label: "-c".to_owned(), text: sql });
            }
            Input::File(file) => (file.display().to_string(), std::fs::read_to_string(&file)),
            Input::Stdin => {
                let mut text = String::new();
                ("stdin".to_owned(), std::io::stdin().lock().read_to_string(&mut text).map(|_| text))
            }
        };
        match text {
            Ok(text) => Ok(Self { label, text: text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text) }),
            Err(error) => Err(Problem {
                place: Some(label.into()),
                error: Error::new(ErrorKind::Config, "the script cannot be read").source(error),
            }),
        }
    }

    /// The statements, and where they stand.
    fn pieces(&self) -> Result<Vec<(Place, Piece)>, Stop> {
        let whole = || self.label.clone().into();
        let pieces = script::split(&self.text).map_err(|error| Stop::from(error).at(whole))?;
        let place = |piece: &Piece| Place { label: self.label.clone(), line: Some(piece.line) };
        Ok(pieces.into_iter().map(|piece| (place(&piece), piece)).collect())
    }
}

/// Runs all scripts in one session.
pub async fn scripts(mut setup: Setup, scripts: Vec<Script>) -> Result<(), Stop> {
    // Split before the first statement runs: a quote left open in the last file should not be found hours later.
    let pieces = scripts.iter().map(Script::pieces).collect::<Result<Vec<_>, _>>()?;
    let signals = Signals::listen()?;
    let engine = setup.engine().await?;
    let mut runner = Runner::new(&setup, engine, signals);
    for (place, piece) in pieces.into_iter().flatten() {
        let sql = variables::substitute(&piece.sql, &setup.variables).map_err(Stop::from);
        let done = match sql {
            Ok(sql) => runner.show(&sql).await,
            Err(stop) => Err(stop),
        };
        let done = done.map_err(|stop| stop.at(|| place.clone()))?;
        if setup.is_watched() {
            ui::say(&format!("{place}: {done}"));
        }
    }
    Ok(())
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

/// Runs statements so that a signal stops them and leaves nothing half done.
pub struct Runner {
    pub engine: Engine,
    output: Output,
    progress: Progress,
    signals: Signals,
}

impl Runner {
    pub fn new(setup: &Setup, engine: Engine, signals: Signals) -> Self {
        Self { engine, output: Output::new(setup.format()), progress: setup.progress.clone(), signals }
    }

    /// Forgets the signals that came while nothing ran.
    pub fn forget_signals(&mut self) -> Result<(), Stop> {
        self.signals = Signals::listen()?;
        Ok(())
    }

    /// Runs one statement and prints its rows; those that came before an error, too.
    pub async fn show(&mut self, sql: &str) -> Result<Done, Stop> {
        let Self { engine, output, progress, signals } = self;
        let (start, before) = (Instant::now(), Traffic::read(engine));
        let watch = progress.watch(engine);
        let work = watch.during(async {
            let rows = engine.run(sql).await?;
            output.show(rows.schema(), rows, &watch).await
        });
        let outcome = until_signal(engine, signals, work).await;
        let migration = watch.tally();
        let rows = match outcome {
            Ok(rows) => rows,
            Err(Stop::Signalled { place, signal, .. }) => {
                if migration.is_some() {
                    // Nobody waits for a reader that is stopped, too.
                    let _ = tokio::time::timeout(CUT_OFF, output.cut_off()).await;
                }
                let resume = migration.map(|tally| tally.resume());
                return Err(Stop::Signalled { place, signal, resume });
            }
            Err(stop) => {
                // The error tells more than whatever goes wrong here.
                let _ = until_signal(engine, signals, output.cut_off()).await;
                return Err(stop);
            }
        };
        let traffic = Traffic::read(engine).since(&before);
        traffic.log();
        Ok(Done { rows, time: start.elapsed(), traffic, migration })
    }

    /// Runs one statement and hands its rows back.
    pub async fn collect(&mut self, sql: &str) -> Result<Vec<RecordBatch>, Stop> {
        let Self { engine, signals, .. } = self;
        let work = async { Ok(engine.run(sql).await?.collect().await?) };
        until_signal(engine, signals, work).await
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

/// Does `work` unless a signal comes first; then drops it and waits until what it left behind is cleaned up.
async fn until_signal<T>(
    engine: &Engine,
    signals: &mut Signals,
    work: impl Future<Output = Result<T, Stop>>,
) -> Result<T, Stop> {
    // The block drops the work, and with it its streams, before the clean-up is waited for.
    let signal = {
        tokio::pin!(work);
        tokio::select! {
            biased;
            signal = signals.next() => signal,
            done = &mut work => return done,
        }
    };
    // A second signal means: now.
    tokio::select! {
        () = engine.settle() => {}
        _ = signals.next() => {}
    }
    Err(Stop::Signalled { place: None, signal, resume: None })
}
