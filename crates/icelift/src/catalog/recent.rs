//! Metadata files that were read or written last, as they are in memory.
//!
//! A metadata file never changes. That of a table with many snapshots is large, and a migration of many batches would read
//! and parse it again before each commit, what it has just written itself included.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use iceberg::spec::{TableMetadata, TableMetadataRef};

use super::{Table, TableName};
use crate::error::Result;
use crate::storage::Store;

/// A table that is read and one that is written. Each may take as much memory as its snapshots do.
const KEPT_MAX: usize = 2;

/// The metadata by its location, the oldest first.
#[derive(Debug, Default)]
pub(super) struct RecentMetadata(Mutex<VecDeque<(String, TableMetadataRef)>>);

impl RecentMetadata {
    /// The table of this metadata file, which is read unless it is at hand.
    pub async fn table(&self, name: TableName, location: String, store: &Store) -> Result<Table> {
        if let Some(metadata) = self.find(&location) {
            return Ok(Table::at(name, location, metadata, store.clone()));
        }
        let table = Table::read(name, location.clone(), store.clone()).await?;
        self.keep(location, &table.metadata);
        Ok(table)
    }

    fn find(&self, location: &str) -> Option<TableMetadataRef> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(kept, _)| kept == location).map(|(_, metadata)| metadata.clone())
    }

    /// Keeps it in the place of an earlier version of the table.
    pub fn keep(&self, location: String, metadata: &TableMetadataRef) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_other = |kept: &TableMetadata| kept.uuid() != metadata.uuid();
        kept.retain(|(_, kept)| is_other(kept));
        if kept.len() == KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back((location, metadata.clone()));
    }
}

#[cfg(test)]
mod tests {
    use iceberg::TableIdent;
    use iceberg::spec::{FormatVersion, PartitionSpec, Schema, SortOrder, TableMetadataBuilder};
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::error::ErrorKind;
    use crate::storage::UploadSettings;

    fn metadata() -> TableMetadataRef {
        let (spec, order) = (PartitionSpec::unpartition_spec(), SortOrder::unsorted_order());
        let schema = Schema::builder().build().unwrap();
        let location = "file:///t".to_string();
        let builder = TableMetadataBuilder::new(schema, spec, order, location, FormatVersion::V2, Default::default());
        builder.unwrap().build().unwrap().metadata.into()
    }

    #[tokio::test]
    async fn the_last_version_of_each_of_the_last_tables_is_not_read_again() {
        let store = Store::local(UploadSettings::default(), TaskTracker::new());
        let recent = RecentMetadata::default();
        let read = async |location: &str| {
            let ident = TableIdent::from_strs(["n", "t"]).unwrap();
            let name = TableName { catalog: "l".to_string(), ident };
            let read = recent.table(name, location.to_string(), &store).await;
            read.map(|table| table.metadata.uuid()).map_err(|error| error.kind())
        };
        let (first, second, third) = (metadata(), metadata(), metadata());
        recent.keep("/first/1".to_string(), &first);
        recent.keep("/first/2".to_string(), &first);
        recent.keep("/second/1".to_string(), &second);
        assert_eq!(read("/first/1").await, Err(ErrorKind::NotFound), "an earlier version");
        assert_eq!(read("/first/2").await, Ok(first.uuid()));
        assert_eq!(read("/second/1").await, Ok(second.uuid()));
        recent.keep("/third/1".to_string(), &third);
        assert_eq!(read("/first/2").await, Err(ErrorKind::NotFound), "the oldest of three");
        assert_eq!(read("/third/1").await, Ok(third.uuid()));
    }
}
