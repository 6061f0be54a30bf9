//! Tells how far the reading of a piece of a file has come.

use parquet::file::metadata::ParquetMetaData;

use crate::storage::Store;

/// What is left of a piece. Dropped, it counts as passed: what was left out is not waited for.
pub(super) struct Passing {
    store: Store,
    bytes: u64,
    rows: u64,
}

impl Passing {
    /// `bytes` of the piece are to be read, and `row_groups` have its rows.
    pub fn new(store: &Store, bytes: u64, metadata: &ParquetMetaData, row_groups: &[usize]) -> Self {
        let rows = row_groups.iter().map(|index| metadata.row_group(*index).num_rows()).sum::<i64>();
        Self { store: store.clone(), bytes, rows: u64::try_from(rows).unwrap_or(0) }
    }

    /// So many rows have come.
    pub fn pass(&mut self, rows: usize) {
        let rows = rows as u64;
        let bytes = u128::from(self.bytes) * u128::from(rows.min(self.rows)) / u128::from(self.rows.max(1));
        let bytes = u64::try_from(bytes).unwrap_or(self.bytes);
        self.store.passed().pass(bytes, rows);
        self.bytes -= bytes;
        self.rows = self.rows.saturating_sub(rows);
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.store.passed().pass(self.bytes, 0);
    }
}

/// The compressed bytes of row groups.
pub(super) fn bytes_of(metadata: &ParquetMetaData, row_groups: &[usize]) -> u64 {
    let sizes = row_groups.iter().map(|index| metadata.row_group(*index).compressed_size());
    sizes.map(|bytes| u64::try_from(bytes).unwrap_or(0)).sum()
}
