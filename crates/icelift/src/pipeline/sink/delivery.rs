//! Files that are handed over instead of committed: a migration commits them itself, once they are verified.

use std::sync::{Mutex, PoisonError};

use iceberg::spec::DataFile;

/// What a sink has written.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub files: Vec<DataFile>,
    pub rows: u64,
}

/// Takes the files of one sink.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// What the names of the files begin with.
    pub file_prefix: String,
    written: Mutex<Option<Written>>,
}

impl Delivery {
    pub fn new(file_prefix: String) -> Self {
        Self { file_prefix, written: Mutex::default() }
    }

    /// Hands over. From here on the files are not the sink's to remove.
    pub(super) fn put(&self, written: Written) {
        *self.written.lock().unwrap_or_else(PoisonError::into_inner) = Some(written);
    }

    /// What was written; `None` before the sink has ended well.
    pub fn take(&self) -> Option<Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
