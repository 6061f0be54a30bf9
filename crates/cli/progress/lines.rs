//! What a migration tells as lines: words for people and logs, JSON for programs.
//!
//! What must hold: one event is one line, whatever its texts hold.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use icelift::{BatchReport, MigrationEvent};
use serde::Serialize;

use super::board::Board;
use crate::ui;

/// The line of an event; `board` has heard it already. What comes several times a second has none.
pub fn text(event: &MigrationEvent, board: &Board) -> Option<String> {
    let (target, words) = match event {
        MigrationEvent::Planned { target, pending: 0, .. } => (target, "nothing to do".to_owned()),
        MigrationEvent::Planned { target, batches, pending, rows, bytes } => {
            let what = format!("{}, {}", ui::rows(*rows), ui::bytes(*bytes));
            (target, format!("{pending} of {} to do, {what}", ui::batches(*batches)))
        }
        MigrationEvent::Noticed { target, message } => (target, format!("note: {message}")),
        MigrationEvent::BatchStarted { target, batch, rows, bytes } => {
            (target, format!("{batch}: started, {}, {}", ui::rows(*rows), ui::bytes(*bytes)))
        }
        MigrationEvent::Verified { target, batch, rows, files } => {
            (target, format!("{batch}: verified, {} in {}", ui::rows(*rows), ui::counted(*files as u64, "file")))
        }
        MigrationEvent::Committed { target, report, .. } => (target, committed(&Arrived::from(report), board)),
        MigrationEvent::BatchFailed { target, batch, message } => (target, format!("{batch}: failed: {message}")),
        MigrationEvent::Ended { target, finished, time, dollars } => {
            let dollars = ui::dollars(*dollars).map(|dollars| format!(", {dollars}")).unwrap_or_default();
            (target, ended(*finished, *time, board) + &dollars)
        }
        _ => return None,
    };
    Some(on_one_line(&format!("{target}: {words}")))
}

/// A batch that has arrived.
struct Arrived<'a> {
    batch: &'a str,
    rows: u64,
    written_bytes: u64,
    files: u64,
    time: Duration,
}

impl<'a> From<&'a BatchReport> for Arrived<'a> {
    fn from(report: &'a BatchReport) -> Self {
        let BatchReport { batch, rows, written_bytes, files, time, .. } = report;
        Self { batch, rows: *rows, written_bytes: *written_bytes, files: *files, time: *time }
    }
}

fn committed(arrived: &Arrived, board: &Board) -> String {
    let Arrived { batch, rows, written_bytes, files, time } = *arrived;
    let which = board.tally().map(|tally| format!(", {} of {}", tally.committed, tally.pending)).unwrap_or_default();
    let what = format!("{}, {} in {}", ui::rows(rows), ui::bytes(written_bytes), ui::counted(files, "file"));
    let rate = ui::rate(rows, time).map(|rate| format!(", {rate}")).unwrap_or_default();
    format!("{batch}: committed{which}: {what}, {}{rate}", ui::seconds(time))
}

fn ended(finished: bool, time: Duration, board: &Board) -> String {
    let time = ui::seconds(time);
    match (finished, board.tally()) {
        (true, Some(tally)) if tally.committed > 0 => format!("finished in {time}, {}", ui::rows(board.rows())),
        (false, Some(tally)) => {
            format!("stopped after {time}, {} of {} committed", tally.committed, ui::batches(tally.pending))
        }
        (true, _) => format!("finished in {time}"),
        (false, None) => format!("stopped after {time}"),
    }
}

/// Whether bars do not show it.
pub fn is_said_beside_bars(event: &MigrationEvent) -> bool {
    matches!(event, MigrationEvent::Noticed { .. } | MigrationEvent::BatchFailed { .. })
}

/// The texts of batches are the user's data: a line break in one must not look like another line.
pub fn on_one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// An event as a program reads it; names are those of the answer's columns.
#[derive(Serialize, Default)]
struct Line<'a> {
    event: &'static str,
    unix_ms: u64,
    target: &'a str,
    #[serde(flatten)]
    what: What<'a>,
}

#[derive(Serialize, Default)]
struct What<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batches: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_read: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_written: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    /// What the run has cost so far, to a millionth.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "to_a_millionth")]
    dollars: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

/// The same as JSON.
pub fn json(event: &MigrationEvent, now: SystemTime) -> Option<String> {
    let none = What::default();
    let (event, target, what) = match event {
        MigrationEvent::Planned { target, batches, pending, rows, bytes } => {
            let (batches, pending) = (Some(*batches), Some(*pending));
            ("planned", target, What { batches, pending, rows: Some(*rows), bytes: Some(*bytes), ..none })
        }
        MigrationEvent::Noticed { target, message } => ("noticed", target, What { message: Some(message), ..none }),
        MigrationEvent::BatchStarted { target, batch, rows, bytes } => {
            ("started", target, What { batch: Some(batch), rows: Some(*rows), bytes: Some(*bytes), ..none })
        }
        MigrationEvent::Verified { target, batch, rows, files } => {
            ("verified", target, What { batch: Some(batch), rows: Some(*rows), files: Some(*files as u64), ..none })
        }
        MigrationEvent::Committed { target, report, dollars } => {
            ("committed", target, What { dollars: Some(*dollars), ..reported(report) })
        }
        MigrationEvent::BatchFailed { target, batch, message } => {
            ("failed", target, What { batch: Some(batch), message: Some(message), ..none })
        }
        MigrationEvent::Ended { target, finished, time, dollars } => {
            let (finished, dollars) = (Some(*finished), Some(*dollars));
            ("ended", target, What { finished, seconds: Some(seconds(*time)), dollars, ..none })
        }
        _ => return None,
    };
    let unix_ms = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    serde_json::to_string(&Line { event, unix_ms, target, what }).ok()
}

fn reported(report: &BatchReport) -> What<'_> {
    What {
        batch: Some(&report.batch),
        state: Some(report.state.to_string()),
        rows: Some(report.rows),
        bytes_read: Some(report.read_bytes),
        bytes_written: Some(report.written_bytes),
        files: Some(report.files),
        seconds: Some(seconds(report.time)),
        verdict: Some(report.verdict.to_string()),
        ..What::default()
    }
}

/// That is what one request costs.
fn to_a_millionth<S: serde::Serializer>(dollars: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    dollars.map(|dollars| (dollars * 1e6).round() / 1e6).serialize(serializer)
}

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const TARGET: &str = "r2.n.t";
    const BATCH: &str = "year=2019";

    fn events() -> Vec<MigrationEvent> {
        let (target, batch) = (TARGET.to_owned(), BATCH.to_owned());
        vec![
            MigrationEvent::Planned { target: target.clone(), batches: 6, pending: 4, rows: 1_234, bytes: 12_540_000 },
            MigrationEvent::Noticed { target: target.clone(), message: "the source\nhas changed".to_owned() },
            MigrationEvent::BatchStarted { target: target.clone(), batch: batch.clone(), rows: 1, bytes: 999 },
            MigrationEvent::Progress {
                target: target.clone(),
                batch: batch.clone(),
                rows: 1,
                bytes: 10,
                dollars: 0.001,
            },
            MigrationEvent::Verified { target: target.clone(), batch: batch.clone(), rows: 2_000, files: 1 },
            MigrationEvent::BatchFailed { target: target.clone(), batch, message: "\"no\"".to_owned() },
            MigrationEvent::Ended {
                target,
                finished: false,
                time: Duration::from_millis(1_234),
                dollars: 0.012_345_678,
            },
        ]
    }

    #[test]
    fn words() {
        let mut board = Board::new(Instant::now());
        let mut said = Vec::new();
        for event in events() {
            board.hear(&event, Instant::now());
            said.extend(text(&event, &board));
        }
        let expected = [
            "r2.n.t: 4 of 6 batches to do, 1,234 rows, 12.5 MB",
            "r2.n.t: note: the source has changed",
            "r2.n.t: year=2019: started, 1 row, 999 B",
            "r2.n.t: year=2019: verified, 2,000 rows in 1 file",
            "r2.n.t: year=2019: failed: \"no\"",
            "r2.n.t: stopped after 1.2 s, 0 of 4 batches committed, $0.01",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn a_batch_that_arrived() {
        let time = Duration::from_millis(2_500);
        let arrived = Arrived { batch: BATCH, rows: 3_650, written_bytes: 1_100_000, files: 4, time };
        let mut board = Board::new(Instant::now());
        board.hear(&events()[0], Instant::now());
        let expected = "year=2019: committed, 0 of 4: 3,650 rows, 1.1 MB in 4 files, 2.5 s, 1,460 rows/s";
        assert_eq!(committed(&arrived, &board), expected);
    }

    #[test]
    fn nothing_to_do() {
        let mut board = Board::new(Instant::now());
        let target = TARGET.to_owned();
        let planned = MigrationEvent::Planned { target: target.clone(), batches: 6, pending: 0, rows: 0, bytes: 0 };
        board.hear(&planned, Instant::now());
        let ended = MigrationEvent::Ended { target, finished: true, time: Duration::from_millis(12), dollars: 0.0 };
        let said = [planned, ended].map(|event| text(&event, &board).unwrap());
        assert_eq!(said, ["r2.n.t: nothing to do", "r2.n.t: finished in 12 ms"]);
    }

    #[test]
    fn objects() {
        let now = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let said: Vec<_> = events().iter().filter_map(|event| json(event, now)).collect();
        let start = |event: &str| format!(r#"{{"event":"{event}","unix_ms":1700000000123,"target":"r2.n.t","#);
        let expected = [
            start("planned") + r#""batches":6,"pending":4,"rows":1234,"bytes":12540000}"#,
            start("noticed") + r#""message":"the source\nhas changed"}"#,
            start("started") + r#""batch":"year=2019","rows":1,"bytes":999}"#,
            start("verified") + r#""batch":"year=2019","rows":2000,"files":1}"#,
            start("failed") + r#""batch":"year=2019","message":"\"no\""}"#,
            start("ended") + r#""seconds":1.234,"dollars":0.012346,"finished":false}"#,
        ];
        assert_eq!(said, expected);
    }
}
