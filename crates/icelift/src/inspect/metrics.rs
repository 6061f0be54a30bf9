//! The column `readable_metrics`: for each primitive column what a manifest says of it, as values of its type.

use std::collections::HashMap;

use iceberg::arrow::type_to_arrow_type;
use iceberg::spec::{DataFile, Datum, Schema, Type};

use super::columns::{Column, Columns, count, value};
use super::files::FileRow;
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::values::scalar;

/// # Errors
/// A column whose type is not supported.
pub(super) fn readable_metrics(schema: &Schema) -> Result<Column<FileRow>> {
    let mut names: Vec<_> = schema.field_id_to_name_map().iter().collect();
    names.sort_unstable_by_key(|(id, name)| (name.as_str(), **id));
    let mut columns = Vec::new();
    for (id, name) in names {
        let Some(field) = schema.field_by_id(*id) else { continue };
        if matches!(field.field_type.as_ref(), Type::Primitive(_)) {
            columns.push(of_column(*id, name, &field.field_type)?);
        }
    }
    Ok(Columns(columns).nested("readable_metrics"))
}

fn of_column(id: i32, name: &str, of: &Type) -> Result<Column<FileRow>> {
    let data_type = type_to_arrow_type(of).map_err(|source| {
        let message = format!("the column `{name}` has a type that is not supported: {}", source.message());
        Error::new(ErrorKind::Unsupported, message).source(source)
    })?;
    let counted = |label: &str, counts: fn(&DataFile) -> &HashMap<i32, u64>| {
        count(label, move |row: &FileRow| counts(row.file()).get(&id).copied())
    };
    let bound = |label: &str, bounds: fn(&DataFile) -> &HashMap<i32, Datum>| {
        value(label, data_type.clone(), move |row: &FileRow| {
            let Some(datum) = bounds(row.file()).get(&id) else { return Ok(None) };
            Ok(scalar(datum.literal(), datum.data_type()))
        })
    };
    let metrics = Columns(vec![
        counted("column_size", DataFile::column_sizes),
        counted("value_count", DataFile::value_counts),
        counted("null_value_count", DataFile::null_value_counts),
        counted("nan_value_count", DataFile::nan_value_counts),
        bound("lower_bound", DataFile::lower_bounds),
        bound("upper_bound", DataFile::upper_bounds),
    ]);
    Ok(metrics.nested(name))
}
