//! Where data files go.

use std::fmt::Write as _;

use iceberg::spec::{PartitionSpec, Schema, Struct, TableMetadata};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;

/// What Java's `URLEncoder`, which Iceberg uses for partition paths, leaves as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*');

/// The folder of the table's data: `write.data.path`, else `data` below the table.
pub(super) fn data_folder(metadata: &TableMetadata) -> String {
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
            Some(result) => field.transform.to_human_string(result, value.as_ref()),
            None => "null".to_string(),
        };
        let _ = write!(folder, "{}={}/", escape(&field.name), escape(&text));
    }
    folder
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string().replace("%20", "+")
}

/// A file name no other attempt has: the attempt's id, then the number of the file within it.
pub(super) fn file_name(attempt: Uuid, number: usize) -> String {
    format!("icelift-{attempt}-{number:05}.parquet")
}
