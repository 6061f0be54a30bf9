//! `EXPLAIN MIGRATE`: the plan and what it costs, from metadata alone.
//!
//! One row for each batch, behind one that is done another with what it really took; the totals; one for each finding of the lint. The requests are those that the driver, the
//! scan, the sink and the verification make; the target is taken to be as large as what is read. The total also has what a
//! run does before its first batch. What must hold: nothing is read or written here, the answer follows from the input.

mod requests;
mod whole;

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

pub(crate) use self::whole::{PlannedPart, PlannedWhole, whole};
use super::batches::{Batch, Rows};
use super::lint::Finding;
use super::price::{Dollars, PRICES_OF, Prices, Route, Traffic};
use super::register::{Detail, Took};
use crate::catalog::{Table, least_wait};
use crate::error::Result;
use crate::pipeline::scan::PlannedFile;
use crate::pipeline::sink::SinkSettings;

/// What becomes of a batch if the statement runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Done,
    Pending,
    /// The statement's WHERE does not pick it.
    LeftOut,
}

/// A batch of the plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlannedBatch<'a> {
    pub batch: &'a Batch,
    pub state: State,
    /// The files that would be read: all of the batch, or those that have come since it was copied.
    pub files: &'a [Arc<PlannedFile>],
    /// What is known of it if it is done.
    pub recorded: Option<&'a Detail>,
}

/// How large what is written is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub file_bytes: u64,
    pub row_group_bytes: u64,
    /// Of an upload.
    pub part_bytes: u64,
}

impl Sizes {
    /// What the target's properties and its store say.
    ///
    /// # Errors
    /// A property with a value that it cannot have.
    pub fn of(target: &Table) -> Result<Self> {
        let settings = SinkSettings::new(&target.metadata)?;
        let (file_bytes, row_group_bytes) = (settings.target_file_bytes as u64, settings.row_group_bytes as u64);
        let part_bytes = target.store.part_bytes(file_bytes.saturating_add(row_group_bytes));
        Ok(Self { file_bytes, row_group_bytes, part_bytes })
    }
}

/// Everything that the answer depends on.
#[derive(Debug, Clone)]
pub(crate) struct PlanInput<'a> {
    pub batches: Vec<PlannedBatch<'a>>,
    /// The types of the two catalogs: `glue`, `r2`, …
    pub source_kind: &'a str,
    pub target_kind: &'a str,
    /// Manifests of the source's pinned snapshot.
    pub source_manifests: u64,
    /// The target does not exist yet.
    pub creates_target: bool,
    pub sizes: Sizes,
    /// Partitions of the target that the rows of one batch go to, as far as that is known; at least 1.
    pub partitions_per_batch: u64,
    /// Source bytes that are copied between two listings.
    pub slice_bytes: u64,
    /// Whether the verification reads what was written.
    pub rereads_target: bool,
    /// What the machine moves in one direction. None: no time can be told.
    pub bandwidth_bytes_per_second: Option<u64>,
    pub prices: &'a Prices,
    pub findings: &'a [Finding],
}

/// One row of the answer. What it does not have is NULL.
#[derive(Debug, Clone, Default, PartialEq)]
struct Line {
    batch: String,
    state: String,
    rows: Option<u64>,
    source_bytes: Option<u64>,
    files: Option<u64>,
    source_requests: Option<u64>,
    target_puts: Option<u64>,
    target_gets: Option<u64>,
    catalog_calls: Option<u64>,
    dollars: Option<f64>,
    seconds: Option<f64>,
    note: Option<String>,
}

/// The columns of the answer.
pub(crate) static COLUMNS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let field = |name: &str, data_type, nullable| Field::new(name, data_type, nullable);
    Arc::new(Schema::new(vec![
        field("batch", DataType::Utf8, false),
        field("state", DataType::Utf8, false),
        field("rows", DataType::UInt64, true),
        field("source_bytes", DataType::UInt64, true),
        field("files", DataType::UInt64, true),
        field("source_requests", DataType::UInt64, true),
        field("target_puts", DataType::UInt64, true),
        field("target_gets", DataType::UInt64, true),
        field("catalog_calls", DataType::UInt64, true),
        field("dollars", DataType::Float64, true),
        field("seconds", DataType::Float64, true),
        field("note", DataType::Utf8, true),
    ]))
});

/// The answer.
pub(crate) fn explain(input: &PlanInput<'_>) -> Result<RecordBatch> {
    let lines = lines(input);
    let texts =
        |pick: fn(&Line) -> Option<&str>| -> ArrayRef { Arc::new(lines.iter().map(pick).collect::<StringArray>()) };
    let numbers =
        |pick: fn(&Line) -> Option<u64>| -> ArrayRef { Arc::new(lines.iter().map(pick).collect::<UInt64Array>()) };
    let floats =
        |pick: fn(&Line) -> Option<f64>| -> ArrayRef { Arc::new(lines.iter().map(pick).collect::<Float64Array>()) };
    let columns = vec![
        texts(|line| Some(&line.batch)),
        texts(|line| Some(&line.state)),
        numbers(|line| line.rows),
        numbers(|line| line.source_bytes),
        numbers(|line| line.files),
        numbers(|line| line.source_requests),
        numbers(|line| line.target_puts),
        numbers(|line| line.target_gets),
        numbers(|line| line.catalog_calls),
        floats(|line| line.dollars),
        floats(|line| line.seconds),
        texts(|line| line.note.as_deref()),
    ];
    Ok(RecordBatch::try_new(Arc::clone(&COLUMNS), columns)?)
}

/// What is known of some batches together.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    rows: u64,
    bytes: u64,
    files: u64,
    traffic: Traffic,
    seconds: f64,
    batches: usize,
    /// Whether of some only the rows are known.
    has_gaps: bool,
}

/// The sums of the batches that are to do, and of those that are done: as they were to be, and as they were.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    pending: Sum,
    done: Sum,
    actual: Sum,
}

fn lines(input: &PlanInput<'_>) -> Vec<Line> {
    let bill = Bill { input, route: Route::between(input.source_kind, input.target_kind) };
    let mut sums = Sums::default();
    if input.batches.iter().any(|planned| planned.state == State::Pending) {
        sums.pending.traffic = input.before_batches();
    }
    let mut lines = Vec::new();
    for planned in &input.batches {
        match planned.state {
            State::LeftOut => lines.push(left_out(planned.batch)),
            State::Pending => lines.push(bill.planned("pending", planned, &mut sums.pending)),
            State::Done => {
                lines.push(bill.planned("done", planned, &mut sums.done));
                lines.extend(planned.recorded.map(|detail| bill.actual(detail, &mut sums.actual)));
            }
        }
    }
    if sums.done.batches > 0 {
        lines.push(bill.total("done", &sums.done));
        lines.push(bill.total("actual", &sums.actual));
    }
    lines.push(bill.left(&sums.pending));
    lines.extend(input.findings.iter().map(|finding| Line {
        batch: "note".to_string(),
        state: finding.level.to_string(),
        note: Some(format!("{}: {}", finding.subject, finding.message)),
        ..Line::default()
    }));
    lines
}

/// A batch that the statement does not ask for.
fn left_out(batch: &Batch) -> Line {
    Line {
        batch: batch.key.clone(),
        state: "left out".to_string(),
        rows: Some(batch.rows.count),
        source_bytes: Some(batch.bytes),
        files: Some(batch.files.len() as u64),
        dollars: Some(0.0),
        seconds: Some(0.0),
        ..of_traffic(&Traffic::default())
    }
}

/// Makes rows of the answer, each with what it adds to the price of those above it.
struct Bill<'a> {
    input: &'a PlanInput<'a>,
    route: Route,
}

impl Bill<'_> {
    /// What the traffic adds.
    fn dollars(&self, sum: &Sum, traffic: Traffic) -> f64 {
        let cost = |traffic: &Traffic| self.input.prices.cost(self.route, traffic).once();
        rounded(cost(&(sum.traffic + traffic)) - cost(&sum.traffic))
    }

    /// A batch as it is planned.
    fn planned(&self, state: &str, planned: &PlannedBatch<'_>, sum: &mut Sum) -> Line {
        let (rows, bytes, traffic) = (planned.rows(), planned.bytes(), self.input.of_batch(planned));
        let (files, seconds) = (planned.files.len() as u64, self.input.seconds(planned));
        let line = Line {
            batch: planned.batch.key.clone(),
            state: state.to_string(),
            rows: Some(rows.count),
            source_bytes: Some(bytes),
            files: Some(files),
            dollars: Some(self.dollars(sum, traffic)),
            seconds: seconds.map(tenths),
            note: (!rows.exact).then(|| "rows are an estimate".to_string()),
            ..of_traffic(&traffic)
        };
        sum.add(rows.count, bytes, files, traffic, seconds.unwrap_or(0.0));
        line
    }

    /// A batch as it went.
    fn actual(&self, detail: &Detail, sum: &mut Sum) -> Line {
        let written = format!("{} files of {} bytes written", detail.files, detail.bytes);
        let (batch, state, rows) = (detail.key.clone(), "actual".to_string(), Some(detail.print.rows));
        let Some(Took { milliseconds, files, traffic }) = detail.took else {
            sum.add(detail.print.rows, 0, 0, Traffic::default(), 0.0);
            sum.has_gaps = true;
            return Line { batch, state, rows, note: Some(format!("{written}; no more is known")), ..Line::default() };
        };
        let (bytes, seconds) = (traffic.read_bytes, milliseconds as f64 / 1e3);
        let line = Line {
            batch,
            state,
            rows,
            source_bytes: Some(bytes),
            files: Some(files),
            dollars: Some(self.dollars(sum, traffic)),
            seconds: Some(tenths(seconds)),
            note: Some(written),
            ..of_traffic(&traffic)
        };
        sum.add(detail.print.rows, bytes, files, traffic, seconds);
        line
    }

    /// What is done, as it was to be or as it was.
    fn total(&self, state: &str, sum: &Sum) -> Line {
        let (batch, state) = ("total".to_string(), state.to_string());
        if sum.has_gaps {
            let note = Some("of some batches no more is known".to_string());
            return Line { batch, state, rows: Some(sum.rows), note, ..Line::default() };
        }
        let has_time = state == "actual" || self.input.bandwidth_bytes_per_second.is_some();
        Line {
            batch,
            state,
            rows: Some(sum.rows),
            source_bytes: Some(sum.bytes),
            files: Some(sum.files),
            dollars: Some(self.dollars(&Sum::default(), sum.traffic)),
            seconds: has_time.then(|| tenths(sum.seconds)),
            ..of_traffic(&sum.traffic)
        }
    }

    /// What is left to do, all together.
    fn left(&self, sum: &Sum) -> Line {
        let (input, pending) = (self.input, sum.batches);
        let cost = input.prices.cost(self.route, &sum.traffic);
        let commits = if pending > 0 { pending as u64 + 1 } else { 0 };
        let least = least_wait(input.target_kind, commits).as_secs_f64();
        let moved = input.bandwidth_bytes_per_second.map(|_| sum.seconds);
        let mut notes = match pending {
            0 => vec!["nothing to do".to_string()],
            _ => vec![format!("{pending} of {} batches to do", input.batches.len())],
        };
        if least > moved.unwrap_or(0.0) {
            notes.push(format!("the catalog takes {commits} commits to one table in no less than {least:.0} seconds"));
        }
        if moved.is_none() && pending > 0 {
            notes.push("without a bandwidth no time is told".to_string());
        }
        if cost.storage_per_month.0 > 0.0 {
            notes.push(format!("storage is {} a month", cost.storage_per_month));
        }
        let changed = if *input.prices == Prices::default() { "" } else { ", some of them changed" };
        notes.push(format!("list prices of {PRICES_OF}{changed}"));
        Line {
            batch: "total".to_string(),
            state: "pending".to_string(),
            rows: Some(sum.rows),
            source_bytes: Some(sum.bytes),
            files: Some(sum.files),
            dollars: Some(rounded(cost.once())),
            seconds: moved.map(|moved| tenths(moved.max(least))),
            note: Some(notes.join("; ")),
            ..of_traffic(&sum.traffic)
        }
    }
}

impl Sum {
    fn add(&mut self, rows: u64, bytes: u64, files: u64, traffic: Traffic, seconds: f64) {
        self.rows += rows;
        self.bytes += bytes;
        self.files += files;
        self.traffic = self.traffic + traffic;
        self.seconds += seconds;
        self.batches += 1;
    }
}

fn of_traffic(traffic: &Traffic) -> Line {
    Line {
        source_requests: Some(traffic.source_gets),
        target_puts: Some(traffic.target_puts),
        target_gets: Some(traffic.target_gets),
        catalog_calls: Some(traffic.source_calls + traffic.target_calls),
        ..Line::default()
    }
}

impl PlannedBatch<'_> {
    fn is_whole(&self) -> bool {
        self.files.len() == self.batch.files.len()
    }

    fn rows(&self) -> Rows {
        if self.is_whole() {
            return self.batch.rows;
        }
        let count = self.files.iter().map(|planned| planned.file.record_count()).sum();
        Rows { count, exact: false }
    }

    fn bytes(&self) -> u64 {
        if self.is_whole() {
            return self.batch.bytes;
        }
        self.files.iter().map(|planned| planned.file.file_size_in_bytes()).sum()
    }
}

/// To a millionth, which is what one request costs.
fn rounded(dollars: Dollars) -> f64 {
    (dollars.0 * 1e6).round() / 1e6
}

fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests;
