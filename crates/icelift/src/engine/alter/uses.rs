//! What a column is used by, so that it cannot be dropped yet.

use std::collections::HashSet;

use iceberg::spec::{FormatVersion, ManifestFile, PartitionSpec, Schema, TableMetadata, Transform};

use crate::catalog::Table;
use crate::error::{Error, ErrorKind, Result};

/// Fails if the partition spec, the sort order, or partitions of files that are there are made of a column that `after`
/// does not have any more.
pub(super) async fn check_dropped(table: &Table, after: &Schema) -> Result<()> {
    let metadata = table.metadata.as_ref();
    let before = metadata.current_schema();
    let is_gone = |id: i32| before.field_by_id(id).is_some() && after.field_by_id(id).is_none();
    if !before.field_id_to_fields().keys().any(|id| is_gone(*id)) {
        return Ok(());
    }
    let name = |id: i32| before.name_by_field_id(id).unwrap_or_default().to_string();
    let spec = metadata.default_partition_spec();
    if let Some(field) = spec.fields().iter().find(|field| is_gone(field.source_id)) {
        return Err(partitioned(metadata, &name(field.source_id), &field.name, field.transform));
    }
    if let Some(field) = metadata.default_sort_order().fields.iter().find(|field| is_gone(field.source_id)) {
        let message = format!("`{}` cannot be dropped: the table's sort order is made of it", name(field.source_id));
        return Err(Error::new(ErrorKind::Sql, message).hint("ALTER TABLE … WRITE UNORDERED, or another order, first"));
    }
    let specs = specs_of_files(table).await?;
    let older = metadata.partition_specs_iter().filter(|spec| specs.contains(&spec.spec_id()));
    let mut fields = older.flat_map(|spec: &std::sync::Arc<PartitionSpec>| spec.fields().iter());
    if let Some(field) = fields.find(|field| field.transform != Transform::Void && is_gone(field.source_id)) {
        let message =
            format!("`{}` cannot be dropped: files that are there are partitioned by it", name(field.source_id));
        return Err(Error::new(ErrorKind::Sql, message)
            .hint("write them anew in today's partitions first: CALL … system.rewrite_data_files with `rewrite-all`"));
    }
    Ok(())
}

fn partitioned(metadata: &TableMetadata, column: &str, field: &str, transform: Transform) -> Error {
    let message = format!("`{column}` cannot be dropped: the table is partitioned by it, as `{field}`");
    let hint = match metadata.format_version() {
        // A field that was dropped stays, without values, in format 1.
        FormatVersion::V1 if transform == Transform::Void => {
            format!("ALTER TABLE … SET TBLPROPERTIES ('format-version' = '2'), then DROP PARTITION FIELD {field}")
        }
        _ => format!("ALTER TABLE … DROP PARTITION FIELD {field} first"),
    };
    Error::new(ErrorKind::Sql, message).hint(hint)
}

/// The partition specs of the files in the current snapshot.
async fn specs_of_files(table: &Table) -> Result<HashSet<i32>> {
    let Some(snapshot) = table.metadata.current_snapshot() else { return Ok(HashSet::new()) };
    let list = table.manifest_list(snapshot).await?;
    let is_live = |manifest: &&ManifestFile| manifest.has_added_files() || manifest.has_existing_files();
    Ok(list.entries().iter().filter(is_live).map(|manifest| manifest.partition_spec_id).collect())
}
