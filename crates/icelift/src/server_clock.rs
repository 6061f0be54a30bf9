//! How far a server's clock is from this machine's, by the `Date` of its answers.
//!
//! Signatures of S3 and AWS hold for 15 minutes, and times in tables are this machine's.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use chrono::{DateTime, Utc};

/// Nothing was heard yet.
const SILENT: i64 = i64::MIN;

/// What the answers of a server tell of its clock. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct ServerClock(Arc<AtomicI64>);

impl Default for ServerClock {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(SILENT)))
    }
}

impl ServerClock {
    /// Takes the `Date` of an answer that came at `now`.
    pub fn hear(&self, date: &str, now: DateTime<Utc>) {
        if let Ok(date) = DateTime::parse_from_rfc2822(date) {
            self.0.store(date.timestamp() - now.timestamp(), Relaxed);
        }
    }

    /// By how many seconds the server is ahead, as of its last answer.
    pub fn ahead_seconds(&self) -> Option<i64> {
        Some(self.0.load(Relaxed)).filter(|seconds| *seconds != SILENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_date_counts() {
        let clock = ServerClock::default();
        assert_eq!(clock.ahead_seconds(), None);
        let now = DateTime::parse_from_rfc3339("2026-11-27T07:00:00Z").unwrap().to_utc();
        clock.hear("yesterday", now);
        assert_eq!(clock.ahead_seconds(), None);
        clock.hear("Fri, 27 Nov 2026 07:00:09 GMT", now);
        assert_eq!(clock.ahead_seconds(), Some(9));
        clock.hear("Fri, 27 Nov 2026 06:59:00 GMT", now);
        assert_eq!(clock.ahead_seconds(), Some(-60));
    }
}
