//! Row ids of format 3, where entries move from one manifest to another.
//!
//! A file gets the ids of its rows from its place in the manifest that it was added with (spec, "First Row ID Inheritance").
//! What must hold: an entry that is written into another manifest says its first row id itself, or its rows would get new ones.
//! Its partition values are of the types that the manifest declares: a column may have been promoted since.

use iceberg::spec::{DataFile, DataFileBuilder, Literal, Manifest, ManifestEntryRef, ManifestFile, Struct, StructType};

use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::values::widened;

/// The entries of a manifest with their files, as another manifest lists them whose partition values are of these types: each
/// says its first row id if the manifest gives it one.
pub(super) fn moved<'m>(
    file: &ManifestFile,
    manifest: &'m Manifest,
    partition: Option<&StructType>,
) -> Result<Vec<(&'m ManifestEntryRef, DataFile)>> {
    let mut next = file.first_row_id;
    let described = |entry: &'m ManifestEntryRef| {
        let data = entry.data_file();
        let first = next.filter(|_| data.first_row_id().is_none() && entry.is_alive());
        if let Some(first) = first {
            next = Some(first.saturating_add(data.record_count()));
        }
        let promoted = partition.and_then(|types| promoted(data.partition(), types));
        if first.is_none() && promoted.is_none() {
            return Ok((entry, data.clone()));
        }
        let too_large =
            |_| Error::new(ErrorKind::Read, "the manifest gives row ids that are too large").subject(data.file_path());
        let first = first.map(i64::try_from).transpose().map_err(too_large)?.or(data.first_row_id());
        Ok((entry, described_anew(data, file.partition_spec_id, first, promoted)?))
    };
    manifest.entries().iter().map(described).collect()
}

/// The values as those of wider types; `None` if they are of the types already.
fn promoted(values: &Struct, types: &StructType) -> Option<Struct> {
    let mut is_other = false;
    let fields = values.fields().iter().zip(types.fields()).map(|(value, field)| {
        let of = field.field_type.as_primitive_type();
        let found = value.as_ref().and_then(Literal::as_primitive_literal).zip(of);
        let found = found.and_then(|(value, of)| widened(&value, of)).map(Literal::Primitive);
        is_other |= found.is_some();
        found.or_else(|| value.clone())
    });
    let fields: Struct = fields.collect();
    is_other.then_some(fields)
}

/// The file with another first row id and other partition values.
fn described_anew(
    file: &DataFile,
    spec_id: i32,
    first_row_id: Option<i64>,
    partition: Option<Struct>,
) -> Result<DataFile> {
    let mut builder = DataFileBuilder::default();
    builder
        .content(file.content_type())
        .file_path(file.file_path().to_string())
        .file_format(file.file_format())
        .partition(partition.unwrap_or_else(|| file.partition().clone()))
        .record_count(file.record_count())
        .file_size_in_bytes(file.file_size_in_bytes())
        .column_sizes(file.column_sizes().clone())
        .value_counts(file.value_counts().clone())
        .null_value_counts(file.null_value_counts().clone())
        .nan_value_counts(file.nan_value_counts().clone())
        .lower_bounds(file.lower_bounds().clone())
        .upper_bounds(file.upper_bounds().clone())
        .key_metadata(file.key_metadata().map(<[u8]>::to_vec))
        .split_offsets(file.split_offsets().map(<[i64]>::to_vec))
        .equality_ids(file.equality_ids())
        .first_row_id(first_row_id)
        .partition_spec_id(spec_id)
        .referenced_data_file(file.referenced_data_file())
        .content_offset(file.content_offset())
        .content_size_in_bytes(file.content_size_in_bytes());
    if let Some(order) = file.sort_order_id() {
        builder.sort_order_id(order);
    }
    builder.build().map_err(|source| {
        Error::new(ErrorKind::Internal, "a data file cannot be described").subject(file.file_path()).source(source)
    })
}
