//! An Iceberg table as Glue's entry shows it.
//!
//! Only the pointer to the metadata file counts. Columns and location are for people who look at the console, and follow
//! Iceberg's Java library. What others keep in the entry is theirs and stays.

use std::collections::{HashMap, HashSet};

use aws_sdk_glue::error::BuildError;
use aws_sdk_glue::types::{Column, StorageDescriptor, Table, TableInput};
use iceberg::spec::{NestedField, PrimitiveType, TableMetadata, Type};

pub(super) const TABLE_TYPE: &str = "table_type";
pub(super) const METADATA_LOCATION: &str = "metadata_location";
pub(super) const PREVIOUS_METADATA_LOCATION: &str = "previous_metadata_location";

const EXTERNAL_TABLE: &str = "EXTERNAL_TABLE";

/// Limits of Glue, in bytes.
const NAME_BYTES_MAX: usize = 255;
const COMMENT_BYTES_MAX: usize = 255;
const DESCRIPTION_BYTES_MAX: usize = 2048;
const TYPE_BYTES_MAX: usize = 131_072;

/// The entry of a table that is created.
pub(super) fn created(name: &str, metadata: &TableMetadata, location: &str) -> Result<TableInput, BuildError> {
    TableInput::builder()
        .name(name)
        .table_type(EXTERNAL_TABLE)
        .set_description(description(metadata))
        .storage_descriptor(storage(None, metadata))
        .set_parameters(Some(parameters(None, location)))
        .build()
}

/// The entry of `table`, pointed to another metadata file.
pub(super) fn updated(table: &Table, metadata: &TableMetadata, location: &str) -> Result<TableInput, BuildError> {
    TableInput::builder()
        .name(&table.name)
        .table_type(table.table_type().unwrap_or(EXTERNAL_TABLE))
        .set_description(description(metadata).or_else(|| table.description.clone()))
        .set_owner(table.owner.clone())
        .set_last_access_time(table.last_access_time)
        .set_last_analyzed_time(table.last_analyzed_time)
        .retention(table.retention)
        .set_partition_keys(table.partition_keys.clone())
        .set_view_original_text(table.view_original_text.clone())
        .set_view_expanded_text(table.view_expanded_text.clone())
        .storage_descriptor(storage(table.storage_descriptor(), metadata))
        .set_parameters(Some(parameters(table.parameters(), location)))
        .build()
}

fn parameters(existing: Option<&HashMap<String, String>>, location: &str) -> HashMap<String, String> {
    let mut parameters = existing.cloned().unwrap_or_default();
    parameters.insert(TABLE_TYPE.to_string(), "ICEBERG".to_string());
    if let Some(previous) = parameters.insert(METADATA_LOCATION.to_string(), location.to_string()) {
        parameters.insert(PREVIOUS_METADATA_LOCATION.to_string(), previous);
    }
    parameters
}

fn storage(existing: Option<&StorageDescriptor>, metadata: &TableMetadata) -> StorageDescriptor {
    let mut storage = existing.cloned().unwrap_or_else(|| StorageDescriptor::builder().build());
    let comments = storage.columns.take().unwrap_or_default();
    let comments = comments.into_iter().filter_map(|column| Some((column.name, column.comment?))).collect();
    storage.location = Some(metadata.location().to_string());
    storage.columns = Some(columns(metadata, &comments));
    storage
}

fn description(metadata: &TableMetadata) -> Option<String> {
    let comment = metadata.properties().get("comment")?;
    Some(cut(comment, DESCRIPTION_BYTES_MAX).to_string()).filter(|comment| !comment.is_empty())
}

/// The current columns, then those of earlier schemas. `comments` are kept where the schema has none.
fn columns(metadata: &TableMetadata, comments: &HashMap<String, String>) -> Vec<Column> {
    let current = metadata.current_schema();
    let earlier = metadata.schemas_iter().filter(|schema| schema.schema_id() != current.schema_id());
    let current = current.as_struct().fields().iter().map(|field| (field, true));
    let earlier = earlier.flat_map(|schema| schema.as_struct().fields()).map(|field| (field, false));
    // Glue folds names, and refuses a table with one name twice.
    let mut seen = HashSet::new();
    let taken = current.chain(earlier).filter(|(field, _)| {
        let valid = field.name.len() <= NAME_BYTES_MAX && !field.name.chars().any(char::is_control);
        valid && seen.insert(field.name.to_lowercase())
    });
    taken.filter_map(|(field, is_current)| column(field, is_current, comments).ok()).collect()
}

fn column(field: &NestedField, is_current: bool, comments: &HashMap<String, String>) -> Result<Column, BuildError> {
    let comment = field.doc.as_ref().or_else(|| comments.get(&field.name)).map(|comment| {
        let comment = comment.replace(char::is_control, " ");
        cut(&comment, COMMENT_BYTES_MAX).to_string()
    });
    Column::builder()
        .name(&field.name)
        .r#type(bounded_type(&field.field_type))
        .set_comment(comment)
        .parameters("iceberg.field.id", field.id.to_string())
        .parameters("iceberg.field.optional", (!field.required).to_string())
        .parameters("iceberg.field.current", is_current.to_string())
        .build()
}

/// A type that is too long to be shown is shown without its fields.
fn bounded_type(field_type: &Type) -> String {
    let full = type_text(field_type);
    match field_type {
        Type::Struct(_) if full.len() > TYPE_BYTES_MAX => "struct<>".to_string(),
        Type::List(_) if full.len() > TYPE_BYTES_MAX => "array<string>".to_string(),
        Type::Map(_) if full.len() > TYPE_BYTES_MAX => "map<string,string>".to_string(),
        _ => full,
    }
}

/// The type in Hive's words.
fn type_text(field_type: &Type) -> String {
    match field_type {
        Type::Primitive(primitive) => primitive_text(primitive),
        Type::Struct(nested) => {
            let fields = nested.fields().iter().map(|field| format!("{}:{}", field.name, type_text(&field.field_type)));
            format!("struct<{}>", fields.collect::<Vec<_>>().join(","))
        }
        Type::List(list) => format!("array<{}>", type_text(&list.element_field.field_type)),
        Type::Map(map) => {
            format!("map<{},{}>", type_text(&map.key_field.field_type), type_text(&map.value_field.field_type))
        }
    }
}

fn primitive_text(primitive: &PrimitiveType) -> String {
    let name = match primitive {
        PrimitiveType::Boolean => "boolean",
        PrimitiveType::Int => "int",
        PrimitiveType::Long => "bigint",
        PrimitiveType::Float => "float",
        PrimitiveType::Double => "double",
        PrimitiveType::Decimal { precision, scale } => return format!("decimal({precision},{scale})"),
        PrimitiveType::Date => "date",
        PrimitiveType::Time | PrimitiveType::String | PrimitiveType::Uuid => "string",
        PrimitiveType::Timestamp | PrimitiveType::Timestamptz => "timestamp",
        PrimitiveType::TimestampNs | PrimitiveType::TimestamptzNs => "timestamp_nano",
        PrimitiveType::Fixed(_) | PrimitiveType::Binary => "binary",
    };
    name.to_string()
}

fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests;
