//! What a statement tells while it runs, on stderr: bars where somebody watches; of migrations also lines for logs and programs.
//!
//! `board` keeps the figures and has the bars' words, `lines` has one line for an event, as text or JSON, and `screen` draws.
//! What must hold: while rows are printed no bar is on the screen, and none is left when the statement ends, however it ends.

mod board;
mod echo;
mod lines;
mod screen;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arrow::array::RecordBatch;
use icelift::{Engine, MigrationEvent, ScanProgress};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::MissedTickBehavior;

use crate::args;
use crate::traffic::Asked;
use crate::ui;
use board::Board;
pub use board::Tally;
use echo::Hushed;
pub use screen::Screen;

/// Between two pictures of the bars.
const TICK: Duration = Duration::from_millis(250);

/// How it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Voice {
    Bars,
    Lines,
    Json,
    Silent,
}

/// Tells of the statements of a session.
#[derive(Clone)]
pub struct Progress {
    voice: Voice,
    screen: Screen,
}

impl Progress {
    /// As `wanted`, or as it suits who listens.
    pub fn new(wanted: args::Progress, quiet: bool, environment: &BTreeMap<String, String>, screen: Screen) -> Self {
        let term = environment.get("TERM").map(String::as_str);
        Self { voice: voice(wanted, quiet, std::io::stderr().is_terminal() && is_drawable(term)), screen }
    }

    #[cfg(test)]
    pub fn silent() -> Self {
        Self { voice: Voice::Silent, screen: Screen::default() }
    }

    /// What one statement tells.
    pub fn watch<'a>(&'a self, engine: &'a Engine) -> Watch<'a> {
        let (asked, scanned, board) = (Asked::read(engine), engine.scan_progress(), Board::new(Instant::now()));
        Watch { progress: self, engine, asked, scanned, board: Mutex::new(board) }
    }
}

fn voice(wanted: args::Progress, quiet: bool, drawable: bool) -> Voice {
    match wanted {
        args::Progress::Off => Voice::Silent,
        args::Progress::Auto if quiet => Voice::Silent,
        args::Progress::Auto | args::Progress::Bar if drawable => Voice::Bars,
        args::Progress::Auto | args::Progress::Bar | args::Progress::Lines => Voice::Lines,
        args::Progress::Json => Voice::Json,
    }
}

/// Whether the cursor can be moved; a terminal that says nothing of itself is taken for one that cannot.
fn is_drawable(term: Option<&str>) -> bool {
    cfg!(windows) || term.is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// Listens while one statement runs.
pub struct Watch<'a> {
    progress: &'a Progress,
    engine: &'a Engine,
    /// What was asked and scanned before.
    asked: Asked,
    scanned: ScanProgress,
    board: Mutex<Board>,
}

impl Watch<'_> {
    /// Does `work`, and tells meanwhile.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let mut events = self.engine.events();
        // Both also if this is dropped half way, and the bars before the keys are shown again.
        let _hushed = (self.progress.voice == Voice::Bars).then(Hushed::begin);
        let _cleared = Cleared(&self.progress.screen);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        tokio::pin!(work);
        let outcome = loop {
            tokio::select! {
                biased;
                event = events.recv() => match event {
                    Ok(event) => self.hear(&event),
                    Err(RecvError::Lagged(_)) => {}
                    // The engine that sends them is ours, so this does not come; nothing more is to be heard then.
                    Err(RecvError::Closed) => break work.await,
                },
                _ = ticks.tick(), if self.progress.voice == Voice::Bars => self.draw(),
                outcome = &mut work => break outcome,
            }
        };
        loop {
            match events.try_recv() {
                Ok(event) => self.hear(&event),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        outcome
    }

    fn hear(&self, event: &MigrationEvent) {
        let mut board = self.board();
        board.hear(event, Instant::now());
        let line = match self.progress.voice {
            Voice::Lines => lines::text(event, &board),
            Voice::Json => lines::json(event, SystemTime::now()),
            // What is no figure would be lost in a bar.
            Voice::Bars if lines::is_said_beside_bars(event) => lines::text(event, &board),
            Voice::Bars | Voice::Silent => None,
        };
        drop(board);
        if let Some(line) = line {
            self.progress.screen.say(&line);
        }
    }

    fn draw(&self) {
        let asked = Asked::read(self.engine).since(&self.asked);
        let scanned = self.engine.scan_progress().since(&self.scanned);
        let bars = self.board().bars(Instant::now(), &asked, &scanned);
        self.progress.screen.draw(bars);
    }

    /// Takes in rows of the answer.
    pub fn answered(&self, rows: &RecordBatch) {
        self.board().answered(rows);
    }

    /// Takes the bars away for what is about to be printed.
    pub fn hide_bars(&self) {
        self.progress.screen.hide();
    }

    /// Lets them come back.
    pub fn unhide_bars(&self) {
        self.progress.screen.unhide();
    }

    /// How far the migration came, if the statement was one and its batches are known.
    pub fn tally(&self) -> Option<Tally> {
        self.board().tally()
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Cleared<'a>(&'a Screen);

impl Drop for Cleared<'_> {
    fn drop(&mut self) {
        self.0.clear();
    }
}

impl Tally {
    /// What somebody should know who has stopped the migration.
    pub fn resume(&self) -> String {
        let arrived = self.done + self.committed;
        let again = "run the same statement again".to_owned();
        match arrived {
            0 => again,
            // A commit that was under way has ended since, and nobody has heard of it.
            _ => format!("{again}; at least {arrived} of {} are in the target", ui::batches(self.done + self.pending)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_need_a_terminal_that_can_draw() {
        use args::Progress::{Auto, Bar, Json, Lines, Off};
        assert_eq!(["xterm", "dumb", ""].map(|term| is_drawable(Some(term))), [true, cfg!(windows), cfg!(windows)]);
        assert_eq!(is_drawable(None), cfg!(windows));
        let voices = |drawable, quiet| [Auto, Bar, Lines, Json, Off].map(|wanted| voice(wanted, quiet, drawable));
        let (bars, lines, json, silent) = (Voice::Bars, Voice::Lines, Voice::Json, Voice::Silent);
        assert_eq!(voices(true, false), [bars, bars, lines, json, silent]);
        assert_eq!(voices(false, false), [lines, lines, lines, json, silent]);
        assert_eq!(voices(true, true), [silent, bars, lines, json, silent]);
    }

    #[test]
    fn who_stops_learns_how_to_go_on() {
        let tally = |done, committed| Tally { done, pending: 4, committed };
        assert_eq!(tally(0, 0).resume(), "run the same statement again");
        let expected = "run the same statement again; at least 3 of 6 batches are in the target";
        assert_eq!(tally(2, 1).resume(), expected);
    }
}
