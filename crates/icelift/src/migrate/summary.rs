//! What the target of a migration tells of it, all together: for a page to look at, and as JSON for programs.
//!
//! `gather` reads the register, its details, the table's snapshots and, where the source can still be read at its pin, the plan
//! (`planned`); `page` makes the page out of the summary and of nothing else; `file` is `WITH (report = …)`. What must hold:
//! - a summary changes nothing and needs no local state, so it can be made later and on any machine;
//! - what is not known is left out, never guessed;
//! - no secret is in it: properties go through the same sieve as those of `DESCRIBE`, places are without user and query.

mod file;
mod gather;
mod order;
mod page;
mod planned;
mod redact;

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::sql::ReportFormat;

pub(super) use self::file::Due;

/// The version of the JSON; names are added to it, and none changes its meaning.
const VERSION: u32 = 1;

/// A migration, as the target tells of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MigrationSummary {
    /// Of this layout.
    pub version: u32,
    /// The version of icelift that made the summary.
    pub icelift: String,
    pub made_unix_ms: u64,
    pub state: MigrationState,
    /// The name of the migration in the register, files and snapshots.
    pub job: String,
    /// Its words: SELECT, WHERE and BATCH BY.
    pub statement: String,
    /// The options of the MIGRATE that wrote this report; empty where no statement did. The target does not keep them.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    pub source: SourceSummary,
    pub target: TargetSummary,
    pub pin: PinSummary,
    /// Batches of the pin, and how many of them are in the target.
    pub batch_count: u64,
    pub done_count: u64,
    /// In the order of the plan or, without one, of their names. Pending ones are known by name only with a plan.
    pub batches: Vec<BatchSummary>,
    pub costs: CostSummary,
    /// What the target does not have, has in another form, or has at a cost.
    pub findings: Vec<FindingSummary>,
    /// What the summary lacks, and why.
    pub notes: Vec<String>,
}

/// How far a migration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MigrationState {
    Running,
    Finished,
    RolledBack,
}

/// The source, as it was named when the migration began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SourceSummary {
    pub name: String,
    pub uuid: String,
    /// Where its catalog is attached now.
    pub catalog: Option<CatalogSummary>,
}

/// The target, as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TargetSummary {
    pub name: String,
    pub uuid: String,
    pub catalog: Option<CatalogSummary>,
    pub location: String,
    pub format_version: u8,
    pub snapshot: Option<i64>,
    pub partitioned_by: Vec<String>,
    pub sorted_by: Vec<String>,
    /// Without icelift's own; values that may be secrets are hidden.
    pub properties: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CatalogSummary {
    /// `glue`, `r2`, …
    pub kind: String,
    pub warehouse: String,
}

/// The version of the source that is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PinSummary {
    /// Counts the pins of the migration from 1.
    pub round: u32,
    /// None for a source without rows.
    pub snapshot: Option<i64>,
    pub schema: i32,
}

/// One batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BatchSummary {
    pub batch: String,
    pub state: BatchPlace,
    /// What the metadata of the source says.
    pub source: Option<SideSummary>,
    /// What was committed to the target; its rows are those that came from the source, counted on their way.
    pub target: Option<SideSummary>,
    pub plan: Option<TrafficSummary>,
    pub actual: Option<TrafficSummary>,
    pub verdict: BatchVerdict,
    pub fingerprint: Option<String>,
    pub portable_fingerprint: Option<String>,
    /// Rows whose row groups were copied undecoded.
    pub copied_rows: u64,
    pub begun_unix_ms: Option<u64>,
    /// When the rows were there and compared; where that was not recorded, when they were committed.
    pub ended_unix_ms: Option<u64>,
    pub source_snapshot: Option<i64>,
    pub snapshot: Option<i64>,
    pub attempt: Option<String>,
}

/// Where a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchPlace {
    /// In the target, as the pin has it.
    Done,
    /// In the target, as an earlier pin had it; whether it has changed since, the next run tells.
    Earlier,
    Pending,
    RolledBack,
}

/// What is known of the rows of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchVerdict {
    /// The target's files were read again before the commit and held the rows that came, also by `cfp1`.
    VerifiedPortable,
    /// The target's files were read again before the commit and held the rows that came.
    Verified,
    /// Only numbers of rows were compared.
    Counted,
    /// It came by a version of icelift that did not record it.
    NotRecorded,
    /// It is not in the target.
    Absent,
}

/// Rows and files of one side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SideSummary {
    pub rows: u64,
    /// Whether the number of rows is exact; metadata may only have an estimate.
    pub exact: bool,
    pub bytes: u64,
    pub files: u64,
}

/// Requests, bytes and time of a batch or of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TrafficSummary {
    /// Bytes that left the source.
    pub read_bytes: u64,
    pub source_requests: u64,
    pub target_puts: u64,
    pub target_gets: u64,
    /// None where they were not counted.
    pub catalog_calls: Option<u64>,
    /// By the list prices; None where it is not known who charges.
    pub dollars: Option<f64>,
    /// None for a plan without a bandwidth.
    pub seconds: Option<f64>,
}

/// What the migration was to cost, and what it has cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CostSummary {
    /// The month of the list prices.
    pub prices_of: String,
    /// Whether the session replaced some.
    pub prices_changed: bool,
    pub bandwidth_bytes_per_second: Option<u64>,
    /// All batches, and what a run does before the first. None without the source.
    pub plan: Option<TrafficSummary>,
    /// That part of the plan which is for batches that are done.
    pub plan_of_done: Option<TrafficSummary>,
    /// What the batches took that say so, up to their commits.
    pub actual: TrafficSummary,
    /// How many batches do not say what they took.
    pub not_recorded: u64,
    pub storage_dollars_per_month: Option<f64>,
}

/// A difference between source and target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FindingSummary {
    /// `refused`, `lost`, `changed` or `costly`.
    pub level: String,
    pub subject: String,
    pub message: String,
}

impl MigrationSummary {
    /// The summary as a page or as JSON.
    ///
    /// # Errors
    /// Those of [`to_json`](Self::to_json).
    pub fn text(&self, format: ReportFormat) -> Result<String> {
        match format {
            ReportFormat::Html => Ok(self.to_html()),
            ReportFormat::Json => self.to_json(),
        }
    }

    /// The summary as JSON, with names as they stand here.
    ///
    /// # Errors
    /// None that is known; a number that JSON does not have would be one.
    pub fn to_json(&self) -> Result<String> {
        let json = serde_json::to_string_pretty(self).map(|json| json + "\n");
        json.map_err(|source| Error::new(ErrorKind::Internal, "the summary of a migration is no JSON").source(source))
    }

    /// The summary as one page of HTML that needs nothing else: no script, no style sheet, no picture from elsewhere.
    pub fn to_html(&self) -> String {
        page::page(self)
    }
}

/// The time, for records.
pub(crate) fn unix_ms_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
