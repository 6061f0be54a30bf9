//! What a migration answers: one row for each batch.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::error::Result;

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchState {
    /// Its rows were copied and committed.
    Copied,
    /// Files of an earlier driver were verified again and committed; what was missing was copied.
    Adopted,
    /// An earlier run had committed it.
    Done,
    /// It did not arrive. Others are not affected.
    Failed,
}

/// What is known of the rows of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The target's files were read again and hold the rows that came from the source.
    Verified,
    /// Only numbers of rows were compared.
    Counted,
    /// It was not looked at in this run.
    NotChecked,
    /// It did not arrive.
    Failed,
}

impl fmt::Display for BatchState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Copied => "copied",
            Self::Adopted => "adopted",
            Self::Done => "done",
            Self::Failed => "failed",
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Verified => "verified",
            Self::Counted => "counted",
            Self::NotChecked => "not checked",
            Self::Failed => "failed",
        })
    }
}

/// One batch of a migration.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BatchReport {
    /// As in `year=2019`.
    pub batch: String,
    pub state: BatchState,
    pub rows: u64,
    /// Bytes that came from the source's store meanwhile; of other batches too where several run at once.
    pub read_bytes: u64,
    /// Bytes of the target's data files.
    pub written_bytes: u64,
    pub files: u64,
    pub time: Duration,
    pub verdict: Verdict,
    /// Why it did not arrive.
    pub failure: Option<String>,
}

/// What a migration did.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MigrationReport {
    pub batches: Vec<BatchReport>,
    /// Whether every batch of the source's pinned snapshot is in the target.
    pub finished: bool,
}

/// The columns of the answer to MIGRATE.
pub(crate) static COLUMNS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let field = |name: &str, data_type| Field::new(name, data_type, false);
    Arc::new(Schema::new(vec![
        field("batch", DataType::Utf8),
        field("state", DataType::Utf8),
        field("rows", DataType::UInt64),
        field("bytes_read", DataType::UInt64),
        field("bytes_written", DataType::UInt64),
        field("files", DataType::UInt64),
        field("seconds", DataType::Float64),
        field("rows_per_second", DataType::Float64),
        field("verdict", DataType::Utf8),
    ]))
});

impl BatchReport {
    /// As a row of the answer.
    pub(crate) fn row(&self) -> Result<RecordBatch> {
        let text = |text: String| Arc::new(StringArray::from(vec![text])) as ArrayRef;
        let number = |number: u64| Arc::new(UInt64Array::from(vec![number])) as ArrayRef;
        let float = |number: f64| Arc::new(Float64Array::from(vec![number])) as ArrayRef;
        let seconds = (self.time.as_secs_f64() * 1e3).round() / 1e3;
        let rows_per_second = if seconds > 0.0 { (self.rows as f64 / seconds).round() } else { 0.0 };
        let columns = vec![
            text(self.batch.clone()),
            text(self.state.to_string()),
            number(self.rows),
            number(self.read_bytes),
            number(self.written_bytes),
            number(self.files),
            float(seconds),
            float(rows_per_second),
            text(self.verdict.to_string()),
        ];
        Ok(RecordBatch::try_new(Arc::clone(&COLUMNS), columns)?)
    }
}
