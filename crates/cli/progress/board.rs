//! The figures of a statement while it runs, and the words of its bars.
//!
//! What must hold: a figure that is not known is left out, never guessed. The time that is left is an estimate by the bytes of
//! the batches to do; of a batch under way, by the share of its rows that has come.

use std::time::{Duration, Instant};

use arrow::array::{AsArray, RecordBatch};
use icelift::{MigrationEvent, ScanProgress};

use super::lines::on_one_line;
use super::screen::Bar;
use crate::traffic::Asked;
use crate::ui;

/// Batches with a bar of their own; where more run at once, their number is said.
const BATCH_BARS: usize = 4;

/// What takes less time needs no bar, unless it is a migration.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many batches there are, of those that the statement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Committed by earlier runs.
    pub done: usize,
    /// To do in this run.
    pub pending: usize,
    /// Committed by this run.
    pub committed: usize,
}

pub struct Board {
    start: Instant,
    plan: Option<Plan>,
    /// Batches that earlier runs committed, as the answer says.
    done: usize,
    ended: Ended,
    running: Vec<Running>,
    /// What the run has cost so far.
    dollars: f64,
}

struct Plan {
    pending: usize,
    bytes: u64,
}

/// The batches that this run is through with.
#[derive(Default)]
struct Ended {
    committed: usize,
    failed: usize,
    rows: u64,
    planned_bytes: u64,
}

struct Running {
    batch: String,
    start: Instant,
    planned_rows: u64,
    planned_bytes: u64,
    rows: Count,
    verified_rows: u64,
}

/// A count that begins at zero again with each slice of a batch.
#[derive(Default)]
struct Count {
    before: u64,
    now: u64,
}

impl Count {
    fn set(&mut self, now: u64) {
        if now < self.now {
            self.before += self.now;
        }
        self.now = now;
    }

    fn total(&self) -> u64 {
        self.before + self.now
    }
}

impl Board {
    pub fn new(now: Instant) -> Self {
        Self { start: now, plan: None, done: 0, ended: Ended::default(), running: Vec::new(), dollars: 0.0 }
    }

    /// Takes in what the migration tells.
    pub fn hear(&mut self, event: &MigrationEvent, now: Instant) {
        match event {
            MigrationEvent::Planned { pending, bytes, .. } => {
                self.start = now;
                self.plan = Some(Plan { pending: *pending, bytes: *bytes });
            }
            MigrationEvent::BatchStarted { batch, rows, bytes, .. } => self.running.push(Running {
                batch: batch.clone(),
                start: now,
                planned_rows: *rows,
                planned_bytes: *bytes,
                rows: Count::default(),
                verified_rows: 0,
            }),
            MigrationEvent::Progress { batch, rows, dollars, .. } => {
                self.dollars = *dollars;
                if let Some(running) = self.running(batch) {
                    running.rows.set(*rows);
                }
            }
            MigrationEvent::Verified { batch, rows, .. } => {
                if let Some(running) = self.running(batch) {
                    running.verified_rows += rows;
                }
            }
            MigrationEvent::Committed { report, dollars, .. } => {
                self.dollars = *dollars;
                self.committed(&report.batch, report.rows);
            }
            MigrationEvent::Ended { dollars, .. } => self.dollars = *dollars,
            MigrationEvent::BatchFailed { batch, .. } => {
                self.end(batch);
                self.ended.failed += 1;
            }
            _ => {}
        }
    }

    fn committed(&mut self, batch: &str, rows: u64) {
        self.end(batch);
        self.ended.committed += 1;
        self.ended.rows += rows;
    }

    fn running(&mut self, batch: &str) -> Option<&mut Running> {
        self.running.iter_mut().find(|running| running.batch == batch)
    }

    fn end(&mut self, batch: &str) {
        if let Some(index) = self.running.iter().position(|running| running.batch == batch) {
            self.ended.planned_bytes += self.running.remove(index).planned_bytes;
        }
    }

    /// Takes in rows of the answer: they alone tell which batches were there before.
    pub fn answered(&mut self, rows: &RecordBatch) {
        let states = rows.column_by_name("state").and_then(|column| column.as_string_opt::<i32>());
        self.done += states.into_iter().flatten().filter(|state| *state == Some("done")).count();
    }

    /// How far it came; `None` where the batches are not known, as in statements that are no migrations.
    pub fn tally(&self) -> Option<Tally> {
        let plan = self.plan.as_ref()?;
        Some(Tally { done: self.done, pending: plan.pending, committed: self.ended.committed })
    }

    /// Rows that this run has copied or is copying.
    pub fn rows(&self) -> u64 {
        self.ended.rows + self.running.iter().map(|running| running.rows.total()).sum::<u64>()
    }

    /// One bar for the migration, and one for each batch that runs; of another statement one for all that it scans.
    pub fn bars(&self, now: Instant, asked: &Asked, scanned: &ScanProgress) -> Vec<Bar> {
        match &self.plan {
            Some(plan) if plan.pending == 0 => Vec::new(),
            Some(plan) => {
                let mut bars = vec![Bar { share: self.share(plan), text: self.words(plan, now, asked) }];
                bars.extend(self.running.iter().take(BATCH_BARS).map(|running| running.bar(now)));
                bars
            }
            None => scan_bar(now.duration_since(self.start), asked, scanned).into_iter().collect(),
        }
    }

    /// What is done of this run, from 0 to 1.
    fn share(&self, plan: &Plan) -> f64 {
        let through = (self.ended.committed + self.ended.failed) as f64 / plan.pending as f64;
        if plan.bytes == 0 {
            return through;
        }
        let under_way: f64 = self.running.iter().map(|running| running.share() * running.planned_bytes as f64).sum();
        ((self.ended.planned_bytes as f64 + under_way) / plan.bytes as f64).min(1.0)
    }

    /// The most important first: what does not fit on the line is cut off.
    fn words(&self, plan: &Plan, now: Instant, asked: &Asked) -> String {
        let (tally, elapsed) = (self.done + self.ended.committed, now.duration_since(self.start));
        let share = self.share(plan);
        let mut parts = vec![format!("{} of {}", tally, ui::batches(self.done + plan.pending)), percent(share)];
        if self.ended.failed > 0 {
            parts.push(format!("{} failed", self.ended.failed));
        }
        parts.extend(left(share, elapsed).map(|left| format!("{left} left")));
        parts.extend(ui::rate(self.rows(), elapsed));
        parts.extend(traffic(asked, elapsed));
        parts.extend(ui::dollars(self.dollars));
        if self.running.len() > BATCH_BARS {
            parts.push(format!("{} run", ui::batches(self.running.len())));
        }
        parts.join(", ")
    }
}

/// Of a statement that is no migration, once it takes a while. Without a plan nothing is said of what is left.
fn scan_bar(elapsed: Duration, asked: &Asked, scanned: &ScanProgress) -> Option<Bar> {
    if elapsed < PATIENCE {
        return None;
    }
    let mut parts = Vec::new();
    if let Some(share) = scanned.share() {
        parts.push(percent(share));
        parts.extend(left(share, elapsed).map(|left| format!("{left} left")));
    }
    parts.extend(ui::rate(scanned.rows, elapsed));
    parts.extend(traffic(asked, elapsed));
    parts.push(ui::seconds(elapsed));
    Some(Bar { share: scanned.share().unwrap_or(0.0), text: parts.join(", ") })
}

/// Never 100 before the end.
fn percent(share: f64) -> String {
    format!("{} %", (share * 100.0).floor().clamp(0.0, 99.0))
}

/// What was read, how fast, and in how many requests.
fn traffic(asked: &Asked, elapsed: Duration) -> Vec<String> {
    let mut parts: Vec<_> = ui::speed(asked.read_bytes, elapsed).into_iter().collect();
    if asked.read_bytes > 0 {
        parts.push(format!("{} read", ui::bytes(asked.read_bytes)));
    }
    if asked.requests > 0 {
        parts.push(ui::counted(asked.requests, "request"));
    }
    parts
}

/// The time that is left if the rest goes as fast, rounded: `40 s`, `6 min`, `2 h 05 min`. Nothing is said of it before there is
/// something to go by.
fn left(share: f64, elapsed: Duration) -> Option<String> {
    let enough = share > 0.0 && share < 1.0 && elapsed >= Duration::from_secs(1);
    let seconds = enough.then(|| (elapsed.as_secs_f64() * (1.0 - share) / share).ceil() as u64)?;
    Some(match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    })
}

impl Running {
    fn share(&self) -> f64 {
        if self.planned_rows == 0 {
            return 0.0;
        }
        (self.rows.total() as f64 / self.planned_rows as f64).min(1.0)
    }

    fn bar(&self, now: Instant) -> Bar {
        let (rows, elapsed) = (self.rows.total(), now.duration_since(self.start));
        // The plan may be an estimate.
        let mut parts = match rows <= self.planned_rows {
            true => vec![format!("{} of {}", icelift::thousands(rows), ui::rows(self.planned_rows))],
            false => vec![ui::rows(rows)],
        };
        parts.extend(ui::rate(rows, elapsed));
        if self.verified_rows > 0 {
            parts.push(format!("{} verified", icelift::thousands(self.verified_rows)));
        }
        parts.push(ui::seconds(elapsed));
        Bar { share: self.share(), text: on_one_line(&format!("{}: {}", self.batch, parts.join(", "))) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};

    use super::*;

    fn planned(pending: usize, bytes: u64) -> MigrationEvent {
        MigrationEvent::Planned { target: "r2.n.t".to_owned(), batches: 6, pending, rows: 4_000, bytes }
    }

    fn started(batch: &str, rows: u64, bytes: u64) -> MigrationEvent {
        MigrationEvent::BatchStarted { target: "r2.n.t".to_owned(), batch: batch.to_owned(), rows, bytes }
    }

    fn progress(batch: &str, rows: u64) -> MigrationEvent {
        MigrationEvent::Progress {
            target: "r2.n.t".to_owned(),
            batch: batch.to_owned(),
            rows,
            bytes: 0,
            dollars: 0.0123 * rows as f64,
        }
    }

    fn states(states: &[&str]) -> RecordBatch {
        let column = Arc::new(StringArray::from(states.to_vec())) as ArrayRef;
        RecordBatch::try_from_iter([("state", column)]).unwrap()
    }

    fn seen(board: &Board, now: Instant, asked: &Asked) -> Vec<(u64, String)> {
        let bars = board.bars(now, asked, &ScanProgress::default()).into_iter();
        bars.map(|bar| ((bar.share * 100.0).round() as u64, bar.text)).collect()
    }

    #[test]
    fn bars_say_what_is_done_and_what_is_left() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut board = Board::new(start);
        let nothing = Asked::default();
        assert_eq!(seen(&board, start, &nothing), []);
        board.hear(&planned(4, 4_000_000), at(10));
        board.answered(&states(&["done", "done"]));
        assert_eq!(seen(&board, at(10), &nothing), [(0, "2 of 6 batches, 0 %".to_owned())]);

        board.hear(&started("year=2019", 1_000, 1_000_000), at(10));
        board.hear(&progress("year=2019", 500), at(12));
        let asked = Asked { read_bytes: 12_540_000, requests: 1_204 };
        let whole = "2 of 6 batches, 12 %, 14 s left, 250 rows/s, 6.3 MB/s, 12.5 MB read, 1,204 requests, $6.15";
        let batch = "year=2019: 500 of 1,000 rows, 250 rows/s, 2.0 s";
        assert_eq!(seen(&board, at(12), &asked), [(13, whole.to_owned()), (50, batch.to_owned())]);

        // Another slice counts from zero, and there are more rows than the plan knew.
        board.hear(&progress("year=2019", 400), at(13));
        board.hear(&progress("year=2019", 600), at(14));
        let verified = MigrationEvent::Verified {
            target: "r2.n.t".to_owned(),
            batch: "year=2019".to_owned(),
            rows: 1_100,
            files: 4,
        };
        board.hear(&verified, at(15));
        let batch = "year=2019: 1,100 rows, 220 rows/s, 1,100 verified, 5.0 s";
        assert_eq!(seen(&board, at(15), &nothing)[1], (100, batch.to_owned()));

        board.committed("year=2019", 1_100);
        let failed = MigrationEvent::BatchFailed {
            target: "r2.n.t".to_owned(),
            batch: "year=2020".to_owned(),
            message: "no".to_owned(),
        };
        board.hear(&started("year=2020", 10, 1_000_000), at(15));
        board.hear(&failed, at(15));
        let whole = "3 of 6 batches, 50 %, 1 failed, 5 s left, 220 rows/s, $7.38";
        assert_eq!(seen(&board, at(15), &nothing), [(50, whole.to_owned())]);
        assert_eq!(board.tally(), Some(Tally { done: 2, pending: 4, committed: 1 }));
    }

    #[test]
    fn what_is_left_is_rounded() {
        let left = |share, seconds| left(share, Duration::from_secs(seconds));
        assert_eq!([left(0.0, 9), left(1.0, 9), left(0.5, 0)], [None, None, None]);
        let known = [left(0.5, 40), left(0.5, 301), left(0.5, 7_500)].map(Option::unwrap);
        assert_eq!(known, ["40 s", "6 min", "2 h 05 min"]);
    }

    #[test]
    fn of_many_batches_at_once_some_have_bars() {
        let start = Instant::now();
        let mut board = Board::new(start);
        board.hear(&planned(6, 0), start);
        for number in 0..6 {
            board.hear(&started(&format!("x={number}\n"), 0, 0), start);
        }
        let bars = seen(&board, start, &Asked::default());
        assert_eq!(bars.len(), 1 + BATCH_BARS);
        assert_eq!(bars[0], (0, "0 of 6 batches, 0 %, 6 batches run".to_owned()));
        assert_eq!(bars[1], (0, "x=0 : 0 of 0 rows, 0 ms".to_owned()));
    }

    #[test]
    fn what_is_no_migration_has_one_bar_and_no_tally() {
        let start = Instant::now();
        let mut board = Board::new(start);
        board.answered(&states(&["done", "copied"]));
        let (nothing, later) = (Asked::default(), start + Duration::from_secs(2));
        assert_eq!((seen(&board, start, &nothing), board.tally()), (vec![], None));
        assert_eq!(seen(&board, later, &nothing), [(0, "2.0 s".to_owned())]);
        let mut scanned = ScanProgress::default();
        (scanned.planned_bytes, scanned.passed_bytes, scanned.rows) = (1_000, 250, 5_000);
        let asked = Asked { read_bytes: 12_000_000, requests: 1 };
        let bar = Bar {
            share: 0.25,
            text: "25 %, 6 s left, 2,500 rows/s, 6.0 MB/s, 12.0 MB read, 1 request, 2.0 s".to_owned(),
        };
        assert_eq!(board.bars(later, &asked, &scanned), [bar]);
        scanned.passed_bytes = 1_000;
        assert_eq!(board.bars(later, &nothing, &scanned)[0].text, "99 %, 2,500 rows/s, 2.0 s");
        board.hear(&planned(0, 0), start);
        assert_eq!(seen(&board, later, &nothing), []);
        assert_eq!(board.tally(), Some(Tally { done: 1, pending: 0, committed: 0 }));
    }
}
