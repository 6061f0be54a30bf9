//! Batches in groups, so that thousands of them make a picture that can be read.

use crate::migrate::summary::{BatchSummary, SideSummary};

/// Groups of a picture at most.
const GROUPS_MAX: usize = 48;

/// Batches that follow each other, together.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Group {
    /// The first and the last one.
    pub label: String,
    pub batches: u64,
    pub source: SideSummary,
    pub target: SideSummary,
    /// The rows of the batches whose time is known, and that time.
    pub timed_rows: u64,
    pub timed_bytes: u64,
    pub seconds: f64,
}

impl Group {
    pub fn rows_per_second(&self) -> f64 {
        per_second(self.timed_rows, self.seconds)
    }

    pub fn bytes_per_second(&self) -> f64 {
        per_second(self.timed_bytes, self.seconds)
    }

    fn add(&mut self, batch: &BatchSummary) {
        self.batches += 1;
        for (sum, side) in [(&mut self.source, read_side(batch)), (&mut self.target, batch.target)] {
            let Some(side) = side else { continue };
            sum.rows += side.rows;
            sum.bytes += side.bytes;
            sum.files += side.files;
        }
        if let (Some(actual), Some(target)) = (batch.actual, batch.target) {
            self.timed_rows += target.rows;
            self.timed_bytes += actual.read_bytes;
            self.seconds += actual.seconds.unwrap_or(0.0);
        }
    }
}

/// The source's side of a batch: as its metadata has it or, without that, what was read.
pub(super) fn read_side(batch: &BatchSummary) -> Option<SideSummary> {
    let read = || {
        let (actual, target) = (batch.actual?, batch.target?);
        Some(SideSummary { rows: target.rows, exact: true, bytes: actual.read_bytes, files: 0 })
    };
    batch.source.or_else(read)
}

fn per_second(amount: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { amount as f64 / seconds } else { 0.0 }
}

/// All batches in one.
pub(super) fn together(batches: &[BatchSummary]) -> Group {
    let mut group = Group::default();
    batches.iter().for_each(|batch| group.add(batch));
    group
}

/// One group for each batch or, where there are more than `named`, as many as a picture takes.
pub(super) fn groups(batches: &[BatchSummary], named: usize) -> Vec<Group> {
    let size = if batches.len() <= named { 1 } else { batches.len().div_ceil(GROUPS_MAX) };
    let group = |chunk: &[BatchSummary]| {
        let names = (chunk.first().map(|it| &it.batch), chunk.last().map(|it| &it.batch));
        let label = match names {
            (Some(first), Some(last)) if first != last => format!("{first} … {last}"),
            (first, _) => first.cloned().unwrap_or_default(),
        };
        Group { label, ..together(chunk) }
    };
    batches.chunks(size.max(1)).map(group).collect()
}
