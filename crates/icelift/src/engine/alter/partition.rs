//! The part of `ALTER TABLE` that changes the partition spec (spec, "Partition evolution").
//!
//! Files that are there keep their partitions; what is written from now on goes by the new spec. As in Java's library: from
//! format 2 on a field that comes back gets its old id; in format 1 the ids of a spec have no gaps, so that a field that is
//! dropped stays and is always NULL.

use std::collections::HashSet;

use iceberg::spec::{
    FormatVersion, NestedFieldRef, TableMetadata, TableMetadataBuilder, Transform, UnboundPartitionField,
    UnboundPartitionSpec,
};

use super::refused;
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::shuffle::refuse_uuid_partitions;
use crate::sql::{PartitionField, TableChange};

/// The first id of a partition field.
const FIRST_ID: i32 = 1000;

/// Makes the spec with the change the table's. One that the table has had is named by its id: Java's server adds none twice.
pub(super) fn change(
    builder: TableMetadataBuilder,
    metadata: &TableMetadata,
    change: &TableChange,
) -> Result<TableMetadataBuilder> {
    let mut fields: Vec<_> =
        metadata.default_partition_spec().fields().iter().map(|field| field.clone().into_unbound()).collect();
    match change {
        TableChange::AddPartitionField(field) => add(metadata, &mut fields, field)?,
        TableChange::DropPartitionField(field) => {
            let at = find(metadata, &fields, field)?;
            remove(metadata, &mut fields, at);
        }
        TableChange::ReplacePartitionField { field, with } => replace(metadata, &mut fields, field, with)?,
        _ => {}
    }
    let spec = UnboundPartitionSpec::builder().add_partition_fields(fields).map_err(refused)?.build();
    let schema = metadata.current_schema();
    let bound = spec.clone().bind(schema.as_ref().clone()).map_err(refused)?;
    refuse_uuid_partitions(&bound, schema)?;
    let set = match metadata.partition_specs_iter().find(|known| bound.is_compatible_with(known)) {
        Some(known) => builder.set_default_partition_spec(known.spec_id()),
        None => builder.add_default_partition_spec(spec),
    };
    set.map_err(refused)
}

/// The column that a term is made of.
pub(super) fn source<'a>(metadata: &'a TableMetadata, term: &PartitionField) -> Result<&'a NestedFieldRef> {
    let schema = metadata.current_schema();
    let column = schema.field_by_name(&term.column).ok_or_else(|| {
        let known: Vec<_> = schema.as_struct().fields().iter().map(|it| format!("`{}`", it.name)).collect();
        Error::new(ErrorKind::NotFound, format!("there is no column `{}`", term.column))
            .hint(format!("the columns are {}", known.join(", ")))
    })?;
    match term.transform.result_type(&column.field_type) {
        Ok(_) => Ok(column),
        Err(source) => {
            let message = format!("{} does not take `{}` of type {}", term.transform, term.column, column.field_type);
            Err(Error::new(ErrorKind::Sql, message).source(source))
        }
    }
}

fn add(metadata: &TableMetadata, fields: &mut Vec<UnboundPartitionField>, field: &PartitionField) -> Result<()> {
    let source = source(metadata, field)?.id;
    let same = |it: &&UnboundPartitionField| it.source_id == source && it.transform == field.transform;
    if let Some(same) = fields.iter().find(same) {
        let message = format!("the table is partitioned by {} already, as `{}`", term(field), same.name);
        return Err(Error::new(ErrorKind::AlreadyExists, message));
    }
    let name = field.name.clone().unwrap_or_else(|| default_name(&field.column, field.transform));
    make_room(fields, &name)?;
    let (name, field_id) = identity(metadata, fields, source, field, name);
    fields.push(UnboundPartitionField {
        source_id: source,
        field_id: Some(field_id),
        name,
        transform: field.transform,
    });
    Ok(())
}

/// A field without values gives its name up, as in Java.
fn make_room(fields: &mut [UnboundPartitionField], name: &str) -> Result<()> {
    for field in fields.iter_mut().filter(|field| field.name == name) {
        if field.transform != Transform::Void {
            return Err(Error::new(ErrorKind::AlreadyExists, format!("there is a partition field `{name}` already"))
                .hint("choose another name: ADD PARTITION FIELD … AS name"));
        }
        field.name = format!("{name}_{}", field.field_id.unwrap_or(FIRST_ID));
    }
    Ok(())
}

/// Name and id of a new field: those of an older one that was the same, or an id that no field had.
fn identity(
    metadata: &TableMetadata,
    fields: &[UnboundPartitionField],
    source: i32,
    field: &PartitionField,
    name: String,
) -> (String, i32) {
    if metadata.format_version() == FormatVersion::V1 {
        return (name, FIRST_ID + i32::try_from(fields.len()).unwrap_or(0));
    }
    let taken: HashSet<_> = fields.iter().map(|field| field.name.as_str()).collect();
    let known = metadata.partition_specs_iter().flat_map(|spec| spec.fields());
    let same = known.filter(|it| it.source_id == source && it.transform == field.transform);
    let mut same = same.filter(|it| match &field.name {
        Some(name) => it.name == *name,
        None => !taken.contains(it.name.as_str()),
    });
    match same.next() {
        Some(older) => (older.name.clone(), older.field_id),
        None => (name, metadata.last_partition_id().max(FIRST_ID - 1) + 1),
    }
}

/// The field of this name, or made like this.
fn find(metadata: &TableMetadata, fields: &[UnboundPartitionField], wanted: &PartitionField) -> Result<usize> {
    let is_alive = |field: &UnboundPartitionField| {
        field.transform != Transform::Void || metadata.format_version() != FormatVersion::V1
    };
    let by_name = |field: &UnboundPartitionField| is_alive(field) && field.name == wanted.column;
    let named = fields.iter().position(by_name).filter(|_| wanted.transform == Transform::Identity);
    let source = metadata.current_schema().field_by_name(&wanted.column).map(|column| column.id);
    let made = |field: &UnboundPartitionField| {
        is_alive(field) && Some(field.source_id) == source && field.transform == wanted.transform
    };
    named.or_else(|| fields.iter().position(made)).ok_or_else(|| {
        let known: Vec<_> = fields.iter().filter(|it| is_alive(it)).map(|field| format!("`{}`", field.name)).collect();
        let known = if known.is_empty() { "none".to_string() } else { known.join(", ") };
        Error::new(ErrorKind::NotFound, format!("there is no partition field {}", term(wanted)))
            .hint(format!("the partition fields are {known}"))
    })
}

fn remove(metadata: &TableMetadata, fields: &mut Vec<UnboundPartitionField>, at: usize) {
    if metadata.format_version() != FormatVersion::V1 {
        fields.remove(at);
        return;
    }
    if let Some(field) = fields.get_mut(at) {
        field.transform = Transform::Void;
        // Only a field of a column's own values may be called like the column.
        if metadata.current_schema().field_by_name(&field.name).is_some() {
            field.name = format!("{}_{}", field.name, field.field_id.unwrap_or(FIRST_ID));
        }
    }
}

fn replace(
    metadata: &TableMetadata,
    fields: &mut Vec<UnboundPartitionField>,
    field: &PartitionField,
    with: &PartitionField,
) -> Result<()> {
    let at = find(metadata, fields, field)?;
    let new_source = source(metadata, with)?.id;
    let is_same = |it: &UnboundPartitionField| it.source_id == new_source && it.transform == with.transform;
    match (fields.get_mut(at).filter(|it| is_same(it)), &with.name) {
        // The same field under another name.
        (Some(same), Some(name)) if same.name != *name => {
            same.name.clone_from(name);
            Ok(())
        }
        (Some(same), _) => {
            let message = format!("the table is partitioned by {} already, as `{}`", term(with), same.name);
            Err(Error::new(ErrorKind::AlreadyExists, message))
        }
        (None, _) => {
            remove(metadata, fields, at);
            add(metadata, fields, with)
        }
    }
}

/// The field as a statement says it.
fn term(field: &PartitionField) -> String {
    match field.transform {
        Transform::Identity => format!("`{}`", field.column),
        Transform::Bucket(count) => format!("bucket({count}, {})", field.column),
        Transform::Truncate(width) => format!("truncate({width}, {})", field.column),
        other => format!("{other}({})", field.column),
    }
}

/// The names that Java's library gives to fields that are added to a spec.
fn default_name(column: &str, transform: Transform) -> String {
    match transform {
        Transform::Identity | Transform::Unknown => column.to_string(),
        Transform::Bucket(count) => format!("{column}_bucket_{count}"),
        Transform::Truncate(width) => format!("{column}_trunc_{width}"),
        Transform::Void => format!("{column}_null"),
        other => format!("{column}_{other}"),
    }
}
