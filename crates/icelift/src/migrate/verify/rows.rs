//! The answer to VERIFY: one row for each check.

use std::fmt;
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::prints::Print;
use crate::error::Result;

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Same,
    Different,
    /// The check could not be made.
    NotVerified,
    /// A difference that the statement does not ask about.
    Ignored,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Same => "same",
            Self::Different => "different",
            Self::NotVerified => "not verified",
            Self::Ignored => "ignored",
        })
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    pub batch: String,
    /// Of the target; None for all of the batch.
    pub partition: Option<String>,
    pub check: &'static str,
    pub source: Option<String>,
    pub target: Option<String>,
    pub verdict: Verdict,
}

/// The columns of the answer.
pub(super) static COLUMNS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let field = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
    Arc::new(Schema::new(vec![
        field("batch", false),
        field("partition", true),
        field("check", false),
        field("source", true),
        field("target", true),
        field("verdict", false),
    ]))
});

impl Check {
    /// Compares the fingerprints of the rows of a batch, or of one of its partitions. A side without rows has none.
    pub fn prints(batch: &str, partition: Option<&str>, source: Option<&Print>, target: Option<&Print>) -> Self {
        let check = match source.or(target) {
            Some(Print::Portable(_)) => "portable",
            _ => "content",
        };
        Self {
            batch: batch.to_string(),
            partition: partition.map(str::to_string),
            check,
            source: source.map(ToString::to_string),
            target: target.map(ToString::to_string),
            verdict: if source == target { Verdict::Same } else { Verdict::Different },
        }
    }

    pub fn row(&self) -> Result<RecordBatch> {
        let column = |value: Option<&str>| Arc::new(StringArray::from(vec![value])) as ArrayRef;
        let verdict = self.verdict.to_string();
        let columns = vec![
            column(Some(&self.batch)),
            column(self.partition.as_deref()),
            column(Some(self.check)),
            column(self.source.as_deref()),
            column(self.target.as_deref()),
            column(Some(&verdict)),
        ];
        Ok(RecordBatch::try_new(Arc::clone(&COLUMNS), columns)?)
    }
}
