//! The plan of a whole migration, batches that are done and those that are to do alike: what `EXPLAIN MIGRATE` reckons with, as
//! numbers.

use super::PlanInput;
use crate::migrate::batches::Rows;
use crate::migrate::price::Traffic;

/// What a migration is planned to take.
pub(crate) struct PlannedWhole {
    /// What a run does before its first batch.
    pub before: Traffic,
    /// In the order of the plan.
    pub batches: Vec<PlannedPart>,
}

/// What one batch is planned to take.
pub(crate) struct PlannedPart {
    pub key: String,
    pub rows: Rows,
    pub bytes: u64,
    pub files: u64,
    pub traffic: Traffic,
    pub seconds: Option<f64>,
}

pub(crate) fn whole(input: &PlanInput<'_>) -> PlannedWhole {
    let part = |planned: &super::PlannedBatch<'_>| PlannedPart {
        key: planned.batch.key.clone(),
        rows: planned.rows(),
        bytes: planned.bytes(),
        files: planned.files.len() as u64,
        traffic: input.of_batch(planned),
        seconds: input.seconds(planned),
    };
    PlannedWhole { before: input.before_batches(), batches: input.batches.iter().map(part).collect() }
}
