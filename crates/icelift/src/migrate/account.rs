//! What one batch asks of the stores of source and target, whatever other batches ask meanwhile.

use std::sync::Arc;

use crate::catalog::IcebergTable;
use crate::migrate::price::Traffic;
use crate::storage::Meter;

/// The tables of a migration as one batch sees them: what it reads and writes through them is counted.
pub(super) struct Account {
    pub source: IcebergTable,
    pub target: IcebergTable,
    read: Arc<Meter>,
    written: Arc<Meter>,
}

impl Account {
    pub fn new(source: &IcebergTable, target: &IcebergTable) -> Self {
        let (read, written): (Arc<Meter>, Arc<Meter>) = Default::default();
        Self { source: source.on_account(&read), target: target.on_account(&written), read, written }
    }

    /// So far. Calls of catalogs are not in it: up to its commit a batch makes none.
    pub fn traffic(&self) -> Traffic {
        Traffic::of(&self.read.read(), &self.written.read())
    }
}
