//! `$manifests` and `$all_manifests`: what manifest lists list.

use std::collections::HashMap;
use std::sync::Arc;

use iceberg::spec::{FieldSummary, ManifestContentType, ManifestFile, PrimitiveType, TableMetadata, Transform, Type};

use super::columns::{Column, Columns, boolean, bytes, int, list, long, text};
use super::human;

/// A manifest, as the list of a snapshot has it.
#[derive(Debug, Clone)]
pub(super) struct ManifestRow {
    pub manifest: ManifestFile,
    pub snapshot_id: i64,
}

/// The manifests of one snapshot.
pub(super) fn manifests(metadata: &TableMetadata) -> Columns<ManifestRow> {
    let counted = |name: &str, content: ManifestContentType, count: fn(&ManifestFile) -> Option<u32>| {
        int(name, move |it: &ManifestRow| {
            let count = if it.manifest.content == content { count(&it.manifest) } else { Some(0) };
            count.and_then(|count| i32::try_from(count).ok())
        })
    };
    let (data, deletes) = (ManifestContentType::Data, ManifestContentType::Deletes);
    Columns(vec![
        int("content", |it: &ManifestRow| Some(it.manifest.content as i32)).required(),
        text("path", |it: &ManifestRow| Some(it.manifest.manifest_path.clone())).required(),
        long("length", |it: &ManifestRow| Some(it.manifest.manifest_length)).required(),
        int("partition_spec_id", |it: &ManifestRow| Some(it.manifest.partition_spec_id)),
        long("added_snapshot_id", |it: &ManifestRow| Some(it.manifest.added_snapshot_id)),
        counted("added_data_files_count", data, |it| it.added_files_count),
        counted("existing_data_files_count", data, |it| it.existing_files_count),
        counted("deleted_data_files_count", data, |it| it.deleted_files_count),
        counted("added_delete_files_count", deletes, |it| it.added_files_count),
        counted("existing_delete_files_count", deletes, |it| it.existing_files_count),
        counted("deleted_delete_files_count", deletes, |it| it.deleted_files_count),
        partition_summaries(metadata),
    ])
}

/// The manifests of all snapshots.
pub(super) fn all_manifests(metadata: &TableMetadata) -> Columns<ManifestRow> {
    let mut columns = manifests(metadata);
    columns.0.extend([
        long("reference_snapshot_id", |it: &ManifestRow| Some(it.snapshot_id)).required(),
        bytes("key_metadata", |it: &ManifestRow| it.manifest.key_metadata.clone()),
    ]);
    columns
}

/// What a manifest says of the values of one partition field, and how they are written.
struct Summary {
    contains_null: bool,
    contains_nan: Option<bool>,
    lower_bound: Option<String>,
    upper_bound: Option<String>,
}

/// The transform and the type of a partition field; `None` if its source column is gone.
type Meaning = Option<(Transform, PrimitiveType)>;

fn partition_summaries(metadata: &TableMetadata) -> Column<ManifestRow> {
    let meanings = Arc::new(meanings(metadata));
    let element = Columns(vec![
        boolean("contains_null", |it: &Summary| Some(it.contains_null)).required(),
        boolean("contains_nan", |it: &Summary| it.contains_nan),
        text("lower_bound", |it: &Summary| it.lower_bound.clone()),
        text("upper_bound", |it: &Summary| it.upper_bound.clone()),
    ]);
    list("partition_summaries", element.nested("element").required(), move |it: &ManifestRow| {
        let none = Vec::new();
        let meanings = meanings.get(&it.manifest.partition_spec_id).unwrap_or(&none);
        let summaries = it.manifest.partitions.as_ref()?.iter().enumerate();
        let summary = |(index, found): (usize, &FieldSummary)| summary(found, meanings.get(index).unwrap_or(&None));
        Some(summaries.map(summary).collect())
    })
}

fn summary(found: &FieldSummary, meaning: &Meaning) -> Summary {
    let told = |bound: Option<&[u8]>| {
        let (transform, primitive) = meaning.as_ref()?;
        human::bound(bound?, transform, primitive)
    };
    Summary {
        contains_null: found.contains_null,
        contains_nan: found.contains_nan,
        lower_bound: told(found.lower_bound.as_ref().map(AsRef::as_ref)),
        upper_bound: told(found.upper_bound.as_ref().map(AsRef::as_ref)),
    }
}

/// The fields of each spec, by its id. A column that was dropped is looked up in the schema that had it last.
fn meanings(metadata: &TableMetadata) -> HashMap<i32, Vec<Meaning>> {
    let mut schemas: Vec<_> = metadata.schemas_iter().collect();
    schemas.sort_by_key(|schema| std::cmp::Reverse(schema.schema_id()));
    schemas.insert(0, metadata.current_schema());
    let meaning = |field: &iceberg::spec::PartitionField| {
        let source = schemas.iter().find_map(|schema| schema.field_by_id(field.source_id))?;
        match field.transform.result_type(&source.field_type).ok()? {
            Type::Primitive(primitive) => Some((field.transform, primitive)),
            _ => None,
        }
    };
    let of_spec =
        |spec: &iceberg::spec::PartitionSpecRef| (spec.spec_id(), spec.fields().iter().map(meaning).collect());
    metadata.partition_specs_iter().map(of_spec).collect()
}
