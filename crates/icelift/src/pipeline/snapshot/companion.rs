//! What goes into a commit beside its files.

use std::collections::HashMap;
use std::fmt::Debug;

use iceberg::spec::TableMetadata;

use crate::error::Result;

/// What a commit carries beside its files.
#[derive(Debug, Default)]
pub(crate) struct Cargo {
    /// Properties that the table gets.
    pub properties: HashMap<String, String>,
    /// What the snapshot's summary says beside the usual.
    pub summary: HashMap<String, String>,
}

/// Decides what a commit carries, anew on each base that it is built on.
pub(crate) trait Companion: Debug + Send + Sync {
    /// What the commit of the snapshot `snapshot_id` on `base` carries.
    ///
    /// # Errors
    /// Why there must be no such commit on this base. Nothing is sent then.
    fn on(&self, base: &TableMetadata, snapshot_id: i64) -> Result<Cargo>;
}

/// Carries nothing, on any base.
#[derive(Debug)]
pub(super) struct Alone;

impl Companion for Alone {
    fn on(&self, _base: &TableMetadata, _snapshot_id: i64) -> Result<Cargo> {
        Ok(Cargo::default())
    }
}
