//! The Iceberg schema of a query: what `CREATE TABLE … AS SELECT` creates.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use iceberg::spec::{ListType, MapType, NestedField, NestedFieldRef, PrimitiveType, Schema, StructType, Type};

use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::scan::field_id;

/// Metadata of an Arrow field that stands for a UUID, which Arrow has only as 16 bytes.
pub(crate) const UUID_MARK: &str = "icelift.type";

/// The schema whose columns hold `fields`. A column that comes from an Iceberg table as it is keeps its field id; others
/// get ids above all of those. Without `nanoseconds`, which only format version 3 has, all timestamps are in microseconds;
/// whether the query's values fit is for the assignment to say.
///
/// # Errors
/// A type that Iceberg does not have, with the cast that helps.
pub(crate) fn iceberg_schema(fields: &Fields, nanoseconds: bool) -> Result<Schema> {
    let mut ids = Ids { taken: HashSet::new(), next: 1, nanoseconds };
    ids.next = 1 + fields.iter().map(|field| highest_id(field)).max().unwrap_or(0);
    let columns = fields.iter().map(|field| ids.field(field)).collect::<Result<Vec<_>>>()?;
    Schema::builder().with_fields(columns).build().map_err(|source| {
        Error::new(ErrorKind::Sql, format!("the query's columns make no table: {}", source.message()))
            .stage(Stage::Select)
            .hint("give each column a name of its own by AS")
            .source(source)
    })
}

fn highest_id(field: &Field) -> i32 {
    let nested = match field.data_type() {
        DataType::Struct(fields) => fields.iter().map(|field| highest_id(field)).max(),
        DataType::List(inner)
        | DataType::LargeList(inner)
        | DataType::FixedSizeList(inner, _)
        | DataType::Map(inner, _) => Some(highest_id(inner)),
        _ => None,
    };
    field_id(field).unwrap_or(0).max(nested.unwrap_or(0))
}

/// Gives out field ids: the first column with an id keeps it, as a join can bring the same one twice.
struct Ids {
    taken: HashSet<i32>,
    next: i32,
    nanoseconds: bool,
}

impl Ids {
    fn id(&mut self, field: &Field) -> i32 {
        match field_id(field) {
            Some(id) if self.taken.insert(id) => id,
            _ => {
                self.next += 1;
                self.next - 1
            }
        }
    }

    fn field(&mut self, field: &Field) -> Result<NestedFieldRef> {
        let kept = field_id(field).is_some();
        let id = self.id(field);
        let field_type = self.of(field)?;
        // Only a column of a table can promise that it is never NULL.
        let required = kept && !field.is_nullable();
        Ok(Arc::new(NestedField::new(id, field.name(), field_type, required)))
    }

    fn of(&mut self, field: &Field) -> Result<Type> {
        Ok(match field.data_type() {
            DataType::Struct(fields) => {
                let fields = fields.iter().map(|field| self.field(field)).collect::<Result<Vec<_>>>()?;
                Type::Struct(StructType::new(fields))
            }
            DataType::List(inner) | DataType::LargeList(inner) | DataType::FixedSizeList(inner, _) => {
                let (id, element) = (self.id(inner), self.of(inner)?);
                let required = field_id(inner).is_some() && !inner.is_nullable();
                Type::List(ListType::new(Arc::new(NestedField::list_element(id, element, required))))
            }
            DataType::Map(entries, _) => {
                let DataType::Struct(pair) = entries.data_type() else { return Err(unsupported(field)) };
                let [key, value] = pair.as_ref() else { return Err(unsupported(field)) };
                let (key_id, key_type) = (self.id(key), self.of(key)?);
                let (value_id, value_type) = (self.id(value), self.of(value)?);
                let required = field_id(value).is_some() && !value.is_nullable();
                let key = Arc::new(NestedField::map_key_element(key_id, key_type));
                Type::Map(MapType::new(key, Arc::new(NestedField::map_value_element(value_id, value_type, required))))
            }
            _ => match primitive(field)? {
                PrimitiveType::TimestampNs if !self.nanoseconds => Type::Primitive(PrimitiveType::Timestamp),
                PrimitiveType::TimestamptzNs if !self.nanoseconds => Type::Primitive(PrimitiveType::Timestamptz),
                found => Type::Primitive(found),
            },
        })
    }
}

fn primitive(field: &Field) -> Result<PrimitiveType> {
    Ok(match field.data_type() {
        DataType::Dictionary(_, values) => return primitive(&field.clone().with_data_type(values.as_ref().clone())),
        DataType::Boolean => PrimitiveType::Boolean,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => PrimitiveType::Int,
        DataType::Int64 | DataType::UInt32 => PrimitiveType::Long,
        DataType::Float16 | DataType::Float32 => PrimitiveType::Float,
        DataType::Float64 => PrimitiveType::Double,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
            if *scale >= 0 =>
        {
            PrimitiveType::Decimal { precision: u32::from(*precision), scale: scale.unsigned_abs().into() }
        }
        DataType::Date32 => PrimitiveType::Date,
        DataType::Time32(_) | DataType::Time64(TimeUnit::Microsecond) => PrimitiveType::Time,
        DataType::Timestamp(TimeUnit::Nanosecond, None) => PrimitiveType::TimestampNs,
        DataType::Timestamp(TimeUnit::Nanosecond, Some(_)) => PrimitiveType::TimestamptzNs,
        DataType::Timestamp(_, None) => PrimitiveType::Timestamp,
        DataType::Timestamp(_, Some(_)) => PrimitiveType::Timestamptz,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => PrimitiveType::String,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => PrimitiveType::Binary,
        DataType::FixedSizeBinary(16) if field.metadata().contains_key(UUID_MARK) => PrimitiveType::Uuid,
        DataType::FixedSizeBinary(size) => PrimitiveType::Fixed(u64::from(size.unsigned_abs())),
        _ => return Err(unsupported(field)),
    })
}

fn unsupported(field: &Field) -> Error {
    let cast = match field.data_type() {
        DataType::UInt64 => "DECIMAL(20, 0)",
        DataType::Date64 => "TIMESTAMP",
        DataType::Null => "the type it shall have",
        _ => "a type that Iceberg has",
    };
    let message = format!("the column `{}` is {}, which no Iceberg type holds", field.name(), field.data_type());
    Error::new(ErrorKind::Unsupported, message)
        .stage(Stage::Select)
        .hint(format!("CAST({} AS …) to {cast}", field.name()))
}
/// Iceberg's promotions: every value of the one type is a value of the other, and files need not be written again.
pub(crate) fn is_promotion(from: &Type, to: &Type) -> bool {
    use PrimitiveType::{Decimal, Double, Float, Int, Long};
    match (from, to) {
        (Type::Primitive(Int), Type::Primitive(Long)) | (Type::Primitive(Float), Type::Primitive(Double)) => true,
        (
            Type::Primitive(Decimal { precision: from, scale: from_scale }),
            Type::Primitive(Decimal { precision: to, scale: to_scale }),
        ) => from_scale == to_scale && to > from,
        _ => false,
    }
}
