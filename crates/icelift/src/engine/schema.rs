//! The Iceberg schema and partition spec that a `CREATE TABLE` describes.

use std::sync::Arc;

use iceberg::spec::{
    ListType, MapType, NestedField, NestedFieldRef, PrimitiveType, Schema, StructType, Transform, Type,
    UnboundPartitionSpec,
};

use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::shuffle::refuse_uuid_partitions;
use crate::sql::{Column, ColumnType, PartitionField};

/// The schema of a list of columns, ids counted from 1.
pub(super) fn schema(columns: &[Column]) -> Result<Schema> {
    let mut next_id = 1;
    let fields = fields(columns, &mut next_id);
    Schema::builder().with_fields(fields).build().map_err(|source| {
        Error::new(ErrorKind::Sql, format!("the columns make no table: {}", source.message())).source(source)
    })
}

fn id(next: &mut i32) -> i32 {
    *next += 1;
    *next - 1
}

/// The columns as fields with the ids from `next` on.
pub(super) fn fields(columns: &[Column], next: &mut i32) -> Vec<NestedFieldRef> {
    // Siblings get neighbouring ids, as in other writers; their parts follow.
    let ids: Vec<i32> = columns.iter().map(|_| id(next)).collect();
    let field = |(column, id): (&Column, i32)| {
        let field = NestedField::new(id, &column.name, field_type(&column.data_type, next), column.required);
        Arc::new(match &column.comment {
            Some(comment) => field.with_doc(comment),
            None => field,
        })
    };
    columns.iter().zip(ids).map(field).collect()
}

/// The type, its parts with the ids from `next` on.
pub(super) fn field_type(column: &ColumnType, next: &mut i32) -> Type {
    let primitive = match column {
        ColumnType::Boolean => PrimitiveType::Boolean,
        ColumnType::Int => PrimitiveType::Int,
        ColumnType::Long => PrimitiveType::Long,
        ColumnType::Float => PrimitiveType::Float,
        ColumnType::Double => PrimitiveType::Double,
        ColumnType::Decimal { precision, scale } => PrimitiveType::Decimal { precision: *precision, scale: *scale },
        ColumnType::Date => PrimitiveType::Date,
        ColumnType::Time => PrimitiveType::Time,
        ColumnType::Timestamp => PrimitiveType::Timestamp,
        ColumnType::TimestampTz => PrimitiveType::Timestamptz,
        ColumnType::TimestampNs => PrimitiveType::TimestampNs,
        ColumnType::TimestampTzNs => PrimitiveType::TimestamptzNs,
        ColumnType::String => PrimitiveType::String,
        ColumnType::Uuid => PrimitiveType::Uuid,
        ColumnType::Fixed(size) => PrimitiveType::Fixed(*size),
        ColumnType::Binary => PrimitiveType::Binary,
        ColumnType::Struct(columns) => return Type::Struct(StructType::new(fields(columns, next))),
        ColumnType::List { element, element_required } => {
            let element_id = id(next);
            let element = NestedField::list_element(element_id, field_type(element, next), *element_required);
            return Type::List(ListType::new(Arc::new(element)));
        }
        ColumnType::Map { key, value, value_required } => {
            let (key_id, value_id) = (id(next), id(next));
            let key = NestedField::map_key_element(key_id, field_type(key, next));
            let value = NestedField::map_value_element(value_id, field_type(value, next), *value_required);
            return Type::Map(MapType::new(Arc::new(key), Arc::new(value)));
        }
    };
    Type::Primitive(primitive)
}

/// The partition spec over `schema`.
///
/// # Errors
/// A column that does not exist, a transform that does not fit its type.
pub(crate) fn partition_spec(fields: &[PartitionField], schema: &Schema) -> Result<UnboundPartitionSpec> {
    let mut builder = UnboundPartitionSpec::builder();
    for field in fields {
        let column = schema.field_by_name(&field.column).ok_or_else(|| {
            let known: Vec<_> = schema.as_struct().fields().iter().map(|it| format!("`{}`", it.name)).collect();
            Error::new(ErrorKind::Sql, format!("PARTITIONED BY names the unknown column `{}`", field.column))
                .hint(format!("the columns are {}", known.join(", ")))
        })?;
        field.transform.result_type(&column.field_type).map_err(|source| {
            let message =
                format!("{} cannot partition by `{}` of type {}", field.transform, field.column, column.field_type);
            Error::new(ErrorKind::Sql, message).source(source)
        })?;
        let name = field.name.clone().unwrap_or_else(|| default_name(&field.column, field.transform));
        builder = builder.add_partition_field(column.id, name, field.transform).map_err(|source| {
            Error::new(ErrorKind::Sql, format!("PARTITIONED BY is not valid: {}", source.message())).source(source)
        })?;
    }
    let spec = builder.build();
    let bound = spec.clone().bind(schema.clone()).map_err(|source| {
        Error::new(ErrorKind::Sql, format!("PARTITIONED BY is not valid: {}", source.message())).source(source)
    })?;
    refuse_uuid_partitions(&bound, schema)?;
    Ok(spec)
}

/// The names that Spark and Java give to partition fields.
fn default_name(column: &str, transform: Transform) -> String {
    let suffix = match transform {
        Transform::Identity | Transform::Unknown => return column.to_string(),
        Transform::Bucket(_) => "bucket",
        Transform::Truncate(_) => "trunc",
        Transform::Year => "year",
        Transform::Month => "month",
        Transform::Day => "day",
        Transform::Hour => "hour",
        Transform::Void => "null",
    };
    format!("{column}_{suffix}")
}
