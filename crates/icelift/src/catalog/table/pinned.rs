//! Metadata as it was at a snapshot.

use iceberg::spec::{
    MAIN_BRANCH, SnapshotReference, SnapshotRetention, SortOrder, TableMetadata, TableMetadataBuilder,
    UnboundPartitionSpec,
};

/// The metadata with its main branch at a snapshot, with the columns of one of its schemas. Everything else is as it is
/// now: what is read is found by the ids that manifests name.
pub(super) fn pinned(now: &TableMetadata, snapshot_id: i64, schema_id: i32) -> iceberg::Result<TableMetadata> {
    let builder = || -> iceberg::Result<TableMetadataBuilder> {
        let branch = SnapshotReference::new(snapshot_id, SnapshotRetention::branch(None, None, None));
        now.clone().into_builder(None).set_ref(MAIN_BRANCH, branch)?.set_current_schema(schema_id)
    };
    let as_it_is = builder()?.build();
    let built = match as_it_is {
        Ok(built) => Ok(built),
        // The partition spec or sort order of today may name columns that came later. Readers do not need it.
        Err(_) => builder()?
            .add_sort_order(SortOrder::unsorted_order())?
            .set_default_sort_order(SortOrder::unsorted_order().order_id)?
            .add_default_partition_spec(UnboundPartitionSpec::builder().build())?
            .build(),
    };
    built.map(|built| built.metadata)
}
