//! How far those have come who read the data files of a store, for somebody who waits.
//!
//! A figure for people: what a filter or a limit leaves out counts as passed, and nothing else relies on it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How far the scans of all statements have come so far; the difference of two is what one statement did meanwhile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScanProgress {
    /// Bytes of data files, or parts of them, that are to be read.
    pub planned_bytes: u64,
    /// Of these, what was read or left out.
    pub passed_bytes: u64,
    /// Rows that were read or copied.
    pub rows: u64,
}

impl ScanProgress {
    /// What came since an earlier look.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            planned_bytes: self.planned_bytes.saturating_sub(earlier.planned_bytes),
            passed_bytes: self.passed_bytes.saturating_sub(earlier.passed_bytes),
            rows: self.rows.saturating_sub(earlier.rows),
        }
    }

    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            planned_bytes: self.planned_bytes + other.planned_bytes,
            passed_bytes: self.passed_bytes + other.passed_bytes,
            rows: self.rows + other.rows,
        }
    }

    /// The part of the plan that is done, from 0 to 1; `None` without a plan.
    pub fn share(&self) -> Option<f64> {
        (self.planned_bytes > 0).then(|| (self.passed_bytes as f64 / self.planned_bytes as f64).min(1.0))
    }
}

/// Counts for one store.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    foreseen_bytes: AtomicU64,
    planned_bytes: AtomicU64,
    bytes: AtomicU64,
    rows: AtomicU64,
}

impl Passed {
    pub fn read(&self) -> ScanProgress {
        ScanProgress {
            planned_bytes: self.planned_bytes.load(Relaxed).max(self.foreseen_bytes.load(Relaxed)),
            passed_bytes: self.bytes.load(Relaxed),
            rows: self.rows.load(Relaxed),
        }
    }

    /// A scan that begins will read so much.
    pub fn plan(&self, bytes: u64) {
        self.planned_bytes.fetch_add(bytes, Relaxed);
    }

    /// Scans that will begin one after the other will plan so much together.
    pub fn foresee(&self, bytes: u64) {
        let planned = self.planned_bytes.load(Relaxed);
        // Two statements at once may hide one another: then a share is too large for a while.
        self.foreseen_bytes.fetch_max(planned.saturating_add(bytes), Relaxed);
    }

    /// So much of what was planned is behind us.
    pub fn pass(&self, bytes: u64, rows: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
        self.rows.fetch_add(rows, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_foreseen_holds_until_more_is_planned() {
        let passed = Passed::default();
        assert_eq!(passed.read().share(), None);
        passed.plan(100);
        passed.pass(100, 7);
        let before = passed.read();
        passed.foresee(200);
        passed.plan(50);
        passed.pass(50, 1);
        let read = passed.read().since(&before);
        assert_eq!((read.planned_bytes, read.passed_bytes, read.rows, read.share()), (200, 50, 1, Some(0.25)));
        passed.plan(350);
        assert_eq!(passed.read().since(&before).planned_bytes, 400);
        passed.pass(1_000, 0);
        assert_eq!(passed.read().since(&before).share(), Some(1.0));
    }
}
