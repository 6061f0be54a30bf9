//! What is known of an attached table without reading its rows, and the statement that would create it.
//!
//! What must hold: a property that may be a secret is never shown.

use std::fmt::Write as _;

use iceberg::spec::{
    NestedField, NullOrder, PartitionSpec, PrimitiveType, Schema, SortDirection, SortOrder, Transform, Type,
};

use super::Engine;
use super::names::{table_name, unknown_catalog};
use crate::catalog::{Table, quoted};
use crate::error::Result;
use crate::sql;

/// Stands for the value of a property that may be a secret.
const HIDDEN: &str = "***";

/// What is known of a table from its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableDescription {
    /// The full name.
    pub name: String,
    pub columns: Vec<ColumnDescription>,
    /// The fields of the partition spec, as `PARTITIONED BY` has them.
    pub partitioned_by: Vec<String>,
    /// The fields of the sort order, with direction and place of NULL.
    pub sorted_by: Vec<String>,
    /// By name; values that may be secrets are hidden.
    pub properties: Vec<(String, String)>,
    pub format_version: u8,
    pub location: String,
    pub uuid: String,
    /// The current snapshot, unless there is none yet.
    pub snapshot: Option<SnapshotDescription>,
    /// Snapshots that the table keeps.
    pub snapshots: usize,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ColumnDescription {
    pub name: String,
    /// In the words of `CREATE TABLE`.
    pub data_type: String,
    pub required: bool,
    pub comment: Option<String>,
    /// How the table is partitioned by it.
    pub partitioning: Option<String>,
}

/// A snapshot as its summary tells; what it does not tell is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotDescription {
    pub id: i64,
    pub milliseconds: i64,
    pub operation: String,
    pub rows: Option<u64>,
    pub data_files: Option<u64>,
    pub delete_files: Option<u64>,
    pub bytes: Option<u64>,
}

impl Engine {
    /// What is known of a table of an attached catalog from its metadata.
    ///
    /// # Errors
    /// A name that is none, and a table that cannot be loaded.
    pub async fn describe(&self, name: &str) -> Result<TableDescription> {
        Ok(describe(&self.load(&sql::parse_name(name)?).await?))
    }

    pub(super) async fn load(&self, name: &[String]) -> Result<Table> {
        let table = table_name(name)?;
        let catalog = self.catalogs.get(&table.catalog).ok_or_else(|| unknown_catalog(name))?;
        catalog.load_table(&table.ident).await
    }
}

/// What the metadata of a table tells.
pub(crate) fn describe(table: &Table) -> TableDescription {
    let metadata = &table.metadata;
    let schema = metadata.current_schema();
    let partitioned_by = partition_fields(metadata.default_partition_spec(), schema);
    let columns = schema.as_struct().fields().iter().map(|field| ColumnDescription {
        name: field.name.clone(),
        data_type: type_words(&field.field_type),
        required: field.required,
        comment: field.doc.clone(),
        partitioning: partitioning(field, metadata.default_partition_spec()),
    });
    let mut properties: Vec<_> = metadata.properties().iter().map(|(key, value)| shown(key, value)).collect();
    properties.sort();
    TableDescription {
        name: table.name.plain(),
        columns: columns.collect(),
        partitioned_by,
        sorted_by: sort_fields(metadata.default_sort_order(), schema),
        properties,
        format_version: metadata.format_version() as u8,
        location: metadata.location().to_string(),
        uuid: metadata.uuid().to_string(),
        snapshot: metadata.current_snapshot().map(|snapshot| {
            let summary = &snapshot.summary().additional_properties;
            let figure = |key: &str| summary.get(key).and_then(|text| text.parse().ok());
            SnapshotDescription {
                id: snapshot.snapshot_id(),
                milliseconds: snapshot.timestamp_ms(),
                operation: snapshot.summary().operation.as_str().to_string(),
                rows: figure("total-records"),
                data_files: figure("total-data-files"),
                delete_files: figure("total-delete-files"),
                bytes: figure("total-files-size"),
            }
        }),
        snapshots: metadata.snapshots().len(),
    }
}

/// A property as it may be seen. What names like these stand for is hidden, whatever it is.
fn shown(key: &str, value: &str) -> (String, String) {
    let lower = key.to_ascii_lowercase();
    let secret = ["secret", "token", "password", "credential", "access-key", "private-key", "sas", "signature"];
    let hidden = secret.iter().any(|word| lower.contains(word));
    (key.to_string(), if hidden { HIDDEN.to_string() } else { value.to_string() })
}

/// The statement that creates a table like this one. Properties that may be secrets and icelift's own are left out.
pub(super) fn create_statement(table: &Table) -> String {
    let described = describe(table);
    let mut text = format!("CREATE TABLE {} (\n", table.name.quoted());
    let columns = described.columns.iter().map(|column| {
        let required = if column.required { " NOT NULL" } else { "" };
        let comment = column.comment.as_deref().map(|it| format!(" COMMENT {}", string(it))).unwrap_or_default();
        format!("  {} {}{required}{comment}", quoted(&column.name), column.data_type)
    });
    let columns: Vec<_> = columns.collect();
    let _ = write!(text, "{}\n)", columns.join(",\n"));
    if !described.partitioned_by.is_empty() {
        let _ = write!(text, "\nPARTITIONED BY ({})", described.partitioned_by.join(", "));
    }
    let kept = |(key, value): &&(String, String)| value != HIDDEN && !key.starts_with("icelift.");
    let pairs = described.properties.iter().filter(kept).map(|(key, value)| (key.as_str(), value.as_str()));
    let version = described.format_version.to_string();
    let pairs: Vec<_> = pairs.chain([("format-version", version.as_str())]).collect();
    let pairs: Vec<_> =
        pairs.into_iter().map(|(key, value)| format!("  {} = {}", string(key), string(value))).collect();
    let _ = write!(text, "\nTBLPROPERTIES (\n{}\n)", pairs.join(",\n"));
    text
}

fn string(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn partition_fields(spec: &PartitionSpec, schema: &Schema) -> Vec<String> {
    let field = |field: &iceberg::spec::PartitionField| {
        let column = schema.name_by_field_id(field.source_id).unwrap_or("?");
        transformed(&field.transform, &quoted(column))
    };
    spec.fields().iter().filter(|field| field.transform != Transform::Void).map(field).collect()
}

/// How a spec uses a column, in short.
fn partitioning(column: &NestedField, spec: &PartitionSpec) -> Option<String> {
    let uses = spec.fields().iter().filter(|field| field.source_id == column.id && field.transform != Transform::Void);
    let uses: Vec<_> = uses.map(|field| field.transform.to_string()).collect();
    (!uses.is_empty()).then(|| uses.join(", "))
}

fn transformed(transform: &Transform, column: &str) -> String {
    match transform {
        Transform::Identity => column.to_string(),
        Transform::Bucket(count) => format!("bucket({count}, {column})"),
        Transform::Truncate(width) => format!("truncate({width}, {column})"),
        other => format!("{other}({column})"),
    }
}

fn sort_fields(order: &SortOrder, schema: &Schema) -> Vec<String> {
    let field = |field: &iceberg::spec::SortField| {
        let column = schema.name_by_field_id(field.source_id).unwrap_or("?");
        let direction = if field.direction == SortDirection::Ascending { "ASC" } else { "DESC" };
        let nulls = if field.null_order == NullOrder::First { "FIRST" } else { "LAST" };
        format!("{} {direction} NULLS {nulls}", transformed(&field.transform, &quoted(column)))
    };
    order.fields.iter().map(field).collect()
}

/// A type in the words of `CREATE TABLE`.
fn type_words(data_type: &Type) -> String {
    match data_type {
        Type::Primitive(primitive) => primitive_words(primitive),
        Type::Struct(fields) => {
            let field = |field: &std::sync::Arc<NestedField>| {
                let required = if field.required { " NOT NULL" } else { "" };
                format!("{}: {}{required}", quoted(&field.name), type_words(&field.field_type))
            };
            let fields: Vec<_> = fields.fields().iter().map(field).collect();
            format!("STRUCT<{}>", fields.join(", "))
        }
        Type::List(list) => format!("ARRAY<{}>", type_words(&list.element_field.field_type)),
        Type::Map(map) => {
            let (key, value) = (&map.key_field.field_type, &map.value_field.field_type);
            format!("MAP<{}, {}>", type_words(key), type_words(value))
        }
    }
}

fn primitive_words(primitive: &PrimitiveType) -> String {
    match primitive {
        PrimitiveType::Boolean => "BOOLEAN".to_string(),
        PrimitiveType::Int => "INT".to_string(),
        PrimitiveType::Long => "BIGINT".to_string(),
        PrimitiveType::Float => "FLOAT".to_string(),
        PrimitiveType::Double => "DOUBLE".to_string(),
        PrimitiveType::Decimal { precision, scale } => format!("DECIMAL({precision}, {scale})"),
        PrimitiveType::Date => "DATE".to_string(),
        PrimitiveType::Time => "TIME".to_string(),
        PrimitiveType::Timestamp => "TIMESTAMP".to_string(),
        PrimitiveType::Timestamptz => "TIMESTAMPTZ".to_string(),
        PrimitiveType::TimestampNs => "TIMESTAMP_NS".to_string(),
        PrimitiveType::TimestamptzNs => "TIMESTAMPTZ_NS".to_string(),
        PrimitiveType::String => "STRING".to_string(),
        PrimitiveType::Uuid => "UUID".to_string(),
        PrimitiveType::Fixed(bytes) => format!("FIXED({bytes})"),
        PrimitiveType::Binary => "BINARY".to_string(),
    }
}
