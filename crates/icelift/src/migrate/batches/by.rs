//! `BATCH BY`: what the batches of a migration differ in.

use std::fmt;

use iceberg::spec::{NestedFieldRef, PrimitiveType, Schema, TableMetadata, Transform, Type};

use crate::error::{Error, ErrorKind, Result};

/// What the batches of a migration differ in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BatchBy {
    /// The whole table is one batch.
    Whole,
    /// The values of a column, or the years, months, days or hours that they lie in.
    Field {
        /// A top-level column; a field of a struct with its path, with dots.
        column: String,
        transform: Transform,
    },
}

/// A batch column, found in the source's schema.
#[derive(Debug, Clone)]
pub(super) struct BatchColumn {
    name: String,
    pub id: i32,
    /// The names from the top-level column down.
    pub path: Vec<String>,
    pub primitive: PrimitiveType,
    /// Never NULL, as the schema promises.
    pub is_required: bool,
    /// Identity, year, month, day or hour.
    pub transform: Transform,
}

impl BatchBy {
    /// What `BATCH BY` says.
    ///
    /// # Errors
    /// A column that the source does not have or whose values make no batches, a transform without an order.
    pub fn parse(schema: &Schema, column: &str, transform: Transform) -> Result<Self> {
        let by = Self::Field { column: column.to_string(), transform };
        by.bind(schema).map(|_| by)
    }

    /// What a source without `BATCH BY` is batched by: its first partition field, if that has batches.
    pub fn of_source(source: &TableMetadata) -> Self {
        let schema = source.current_schema();
        let first = source.default_partition_spec().fields().first();
        let named = first.and_then(|field| Some((schema.name_by_field_id(field.source_id)?, field.transform)));
        named.and_then(|(column, transform)| Self::parse(schema, column, transform).ok()).unwrap_or(Self::Whole)
    }

    /// The column; None for the whole table.
    pub(super) fn bind(&self, schema: &Schema) -> Result<Option<BatchColumn>> {
        let Self::Field { column, transform } = self else { return Ok(None) };
        let Some(found) = find(schema.as_struct().fields(), column) else {
            let top_level: Vec<_> = schema.as_struct().fields().iter().take(20).map(|it| it.name.as_str()).collect();
            return Err(Error::new(ErrorKind::NotFound, format!("the source has no column `{column}` to batch by"))
                .hint(format!("its columns are {}", top_level.join(", "))));
        };
        let Found { path, field, is_required } = found;
        let Type::Primitive(primitive) = field.field_type.as_ref() else {
            return Err(no_batches(column, "it has no single values").hint("BATCH BY one of its fields"));
        };
        check(column, *transform, primitive)?;
        let (primitive, transform) = (primitive.clone(), *transform);
        Ok(Some(BatchColumn { name: column.clone(), id: field.id, path, primitive, is_required, transform }))
    }
}

impl BatchColumn {
    pub fn by(&self) -> BatchBy {
        BatchBy::Field { column: self.name.clone(), transform: self.transform }
    }

    /// How the column is named in keys.
    pub fn name(&self) -> &str {
        &self.name
    }
}

struct Found {
    path: Vec<String>,
    field: NestedFieldRef,
    is_required: bool,
}

/// The field that `name` names. Names may have dots themselves.
fn find(fields: &[NestedFieldRef], name: &str) -> Option<Found> {
    if let Some(field) = fields.iter().find(|field| field.name == name) {
        let (path, is_required) = (vec![field.name.clone()], field.required);
        return Some(Found { path, field: field.clone(), is_required });
    }
    fields.iter().find_map(|field| {
        let rest = name.strip_prefix(field.name.as_str())?.strip_prefix('.')?;
        let Type::Struct(inner) = field.field_type.as_ref() else { return None };
        let mut found = find(inner.fields(), rest)?;
        found.path.insert(0, field.name.clone());
        found.is_required &= field.required;
        Some(found)
    })
}

fn check(column: &str, transform: Transform, primitive: &PrimitiveType) -> Result<()> {
    use PrimitiveType::*;
    let is_timestamp = matches!(primitive, Timestamp | Timestamptz | TimestampNs | TimestamptzNs);
    match transform {
        Transform::Identity => match primitive {
            Float | Double => Err(no_batches(column, "floating-point numbers are not equal to what they look like")
                .hint("BATCH BY another column, or none")),
            Uuid | Fixed(_) | Binary => Err(no_batches(column, &format!("values of type {primitive} cannot be typed"))
                .hint("BATCH BY another column, or none")),
            _ => Ok(()),
        },
        Transform::Year | Transform::Month | Transform::Day if is_timestamp || *primitive == Date => Ok(()),
        Transform::Hour if is_timestamp => Ok(()),
        Transform::Year | Transform::Month | Transform::Day | Transform::Hour => {
            Err(no_batches(column, &format!("the values are of type {primitive}, which has no {transform}s"))
                .hint("BATCH BY the column itself, or another one"))
        }
        _ => Err(no_batches(column, &format!("{transform} has no order"))
            .hint("BATCH BY a column, or its year, month, day or hour")),
    }
}

fn no_batches(column: &str, why: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("there are no batches by `{column}`: {why}"))
}

impl fmt::Display for BatchBy {
    /// As it is written in SQL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("the whole table"),
            Self::Field { column, transform: Transform::Identity } => f.write_str(&quoted(column)),
            Self::Field { column, transform } => write!(f, "{transform}({})", quoted(column)),
        }
    }
}

/// Part by part, with quotes around what SQL would not read as it is.
fn quoted(column: &str) -> String {
    let part = |part: &str| {
        let plain = |(index, c): (usize, char)| c.is_ascii_lowercase() || c == '_' || (index > 0 && c.is_ascii_digit());
        let is_plain = !part.is_empty() && part.chars().enumerate().all(plain);
        if is_plain { part.to_string() } else { format!("\"{}\"", part.replace('"', "\"\"")) }
    };
    column.split('.').map(part).collect::<Vec<_>>().join(".")
}
