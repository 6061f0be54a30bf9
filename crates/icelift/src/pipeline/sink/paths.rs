//! Where data files go.

use std::fmt::Write as _;

use iceberg::spec::{Literal, PartitionSpec, Schema, Struct, TableMetadata, Type};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;

use crate::pipeline::values::{scalar, widened};

/// What Java's `URLEncoder`, which Iceberg uses for partition paths, leaves as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*');

/// The folder of the table's data: `write.data.path`, else `data` below the table.
pub(crate) fn data_folder(metadata: &TableMetadata) -> String {
    match metadata.properties().get("write.data.path") {
        Some(path) => path.trim_end_matches('/').to_string(),
        None => format!("{}/data", metadata.location()),
    }
}

/// `name=value/…/`, as Hive and Java write it; empty for a table without partitions.
pub(crate) fn partition_folder(spec: &PartitionSpec, schema: &Schema, values: &Struct) -> String {
    let mut folder = String::new();
    for (field, value) in spec.fields().iter().zip(values.fields()) {
        let source = schema.field_by_id(field.source_id).map(|source| source.field_type.as_ref());
        let result = source.and_then(|source| field.transform.result_type(source).ok());
        let text = match &result {
            Some(result) => field.transform.to_human_string(result, fitting(value.as_ref(), result).as_ref()),
            None => "null".to_string(),
        };
        let _ = write!(folder, "{}={}/", escape(&field.name), escape(&text));
    }
    folder
}

/// The value as one of the type: that of a file may be from before a promotion.
fn fitting(value: Option<&Literal>, of: &Type) -> Option<Literal> {
    let (value, of) = (value?.as_primitive_literal()?, of.as_primitive_type()?);
    let value = widened(&value, of).unwrap_or(value);
    // The `iceberg` crate has no text for a value of another type, and does not return.
    scalar(&value, of).is_some().then_some(Literal::Primitive(value))
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string().replace("%20", "+")
}

/// What the file names of one attempt, and of no other, begin with.
pub(super) fn file_prefix(attempt: Uuid) -> String {
    format!("icelift-{attempt}")
}

/// The name of one of the files of an attempt.
pub(super) fn file_name(file_prefix: &str, number: usize) -> String {
    format!("{file_prefix}-{number:05}.parquet")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use iceberg::spec::{Literal, NestedField, PartitionSpec, PrimitiveType, Schema, Struct, Transform, Type};

    use super::partition_folder;

    #[test]
    fn values_of_before_a_promotion_have_the_same_folder() {
        let column = |id, name, primitive| Arc::new(NestedField::optional(id, name, Type::Primitive(primitive)));
        let columns = [column(1, "key", PrimitiveType::Long), column(2, "x", PrimitiveType::Double)];
        let schema = Schema::builder().with_fields(columns).build().unwrap();
        let spec = ["key", "x"].iter().fold(PartitionSpec::builder(schema.clone()), |spec, name| {
            spec.add_partition_field(*name, *name, Transform::Identity).unwrap()
        });
        let spec = spec.build().unwrap();
        for (values, folder) in [
            ([Literal::int(5), Literal::float(0.5)], "key=5/x=0.5/"),
            ([Literal::long(5), Literal::double(0.5)], "key=5/x=0.5/"),
            // No such table is written by anybody.
            ([Literal::string("5"), Literal::int(1)], "key=null/x=null/"),
        ] {
            assert_eq!(partition_folder(&spec, &schema, &Struct::from_iter(values.map(Some))), folder);
        }
    }
}
