//! Files that are handed over instead of committed: a migration commits them itself, once they are verified.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use iceberg::spec::DataFile;
use tokio::sync::{Notify, mpsc};

use crate::pipeline::splice::SpliceMode;
use crate::pipeline::verify::{PortableColumns, Prints};

/// What a sink has written.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub files: Vec<DataFile>,
    pub rows: u64,
    /// The rows as they came in, by the folder of their partition.
    pub prints: BTreeMap<String, Prints>,
}

/// Takes the files of one sink.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// What the names of the files begin with.
    pub file_prefix: String,
    /// What goes into the portable fingerprint, if one is wanted.
    pub portable: Option<PortableColumns>,
    /// Whether row groups are copied; as the session says unless set.
    pub splice: Option<SpliceMode>,
    /// Notified when nothing more waits to be read; the last row groups and files are completed then.
    drained: Arc<Notify>,
    /// Takes each file when it is complete.
    completed: Mutex<Option<mpsc::UnboundedSender<DataFile>>>,
    rows: AtomicU64,
    written: Mutex<Option<Written>>,
}

impl Delivery {
    pub fn new(file_prefix: String) -> Self {
        Self {
            file_prefix,
            portable: None,
            splice: None,
            drained: Arc::default(),
            completed: Mutex::default(),
            rows: AtomicU64::new(0),
            written: Mutex::default(),
        }
    }

    /// The same with a portable fingerprint, and copying as said.
    pub fn with(self, portable: Option<PortableColumns>, splice: Option<SpliceMode>) -> Self {
        Self { portable, splice, ..self }
    }

    /// The same, telling when nothing more waits to be read, and each file when it is complete.
    pub fn telling(self, drained: Arc<Notify>, completed: Option<mpsc::UnboundedSender<DataFile>>) -> Self {
        Self { drained, completed: Mutex::new(completed), ..self }
    }

    pub(super) fn say_drained(&self) {
        self.drained.notify_one();
    }

    pub(super) fn say_completed(&self, file: &DataFile) {
        if let Some(completed) = &*self.completed.lock().unwrap_or_else(PoisonError::into_inner) {
            // Whoever does not listen any more has stopped the statement.
            let _ = completed.send(file.clone());
        }
    }

    /// Rows that have come in so far.
    pub fn rows(&self) -> u64 {
        self.rows.load(Relaxed)
    }

    pub(super) fn count(&self, rows: usize) {
        self.rows.fetch_add(rows as u64, Relaxed);
    }

    /// Hands over. From here on the files are not the sink's to remove.
    pub(super) fn put(&self, written: Written) {
        self.completed.lock().unwrap_or_else(PoisonError::into_inner).take();
        *self.written.lock().unwrap_or_else(PoisonError::into_inner) = Some(written);
    }

    /// What was written; `None` before the sink has ended well.
    pub fn take(&self) -> Option<Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
