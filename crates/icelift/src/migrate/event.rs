//! What a migration tells while it runs.

use std::time::Duration;

use super::report::BatchReport;

/// One step of a migration.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum MigrationEvent {
    /// The batches are known.
    Planned {
        /// The target's full name.
        target: String,
        /// All batches.
        batches: usize,
        /// Those that are left to do.
        pending: usize,
        /// Rows and bytes of the source in those.
        rows: u64,
        bytes: u64,
    },
    /// Something a person should know, which is no error.
    Noticed {
        target: String,
        message: String,
    },
    BatchStarted {
        target: String,
        batch: String,
        rows: u64,
        bytes: u64,
    },
    /// Rows and bytes of a batch that have been read so far.
    Progress {
        target: String,
        batch: String,
        rows: u64,
        bytes: u64,
        /// What the run has cost so far, by the prices of EXPLAIN MIGRATE and what was really asked. Storage is not in it.
        dollars: f64,
    },
    /// The files of a batch have been read again.
    Verified {
        target: String,
        batch: String,
        rows: u64,
        files: usize,
    },
    Committed {
        target: String,
        report: BatchReport,
        /// What the run has cost so far.
        dollars: f64,
    },
    BatchFailed {
        target: String,
        batch: String,
        message: String,
    },
    /// The statement ends; `finished` tells whether all that it asked for is done.
    Ended {
        target: String,
        finished: bool,
        time: Duration,
        /// What the run has cost.
        dollars: f64,
    },
}

/// Sends events to whoever listens.
#[derive(Debug, Clone)]
pub(crate) struct Events(tokio::sync::broadcast::Sender<MigrationEvent>);

/// Events that a slow listener may fall behind; older ones are lost to it.
const KEPT_EVENTS: usize = 1_024;

impl Default for Events {
    fn default() -> Self {
        Self(tokio::sync::broadcast::channel(KEPT_EVENTS).0)
    }
}

impl Events {
    pub fn send(&self, event: MigrationEvent) {
        // Nobody listening is no error.
        let _ = self.0.send(event);
    }

    pub fn listen(&self) -> tokio::sync::broadcast::Receiver<MigrationEvent> {
        self.0.subscribe()
    }
}
