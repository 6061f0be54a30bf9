//! Row ids of format 3, where entries move from one manifest to another.
//!
//! A file gets the ids of its rows from its place in the manifest that it was added with (spec, "First Row ID Inheritance").
//! What must hold: an entry that is written into another manifest says its first row id itself, or its rows would get new ones.

use iceberg::spec::{DataFile, DataFileBuilder, Manifest, ManifestEntryRef, ManifestFile};

use crate::error::{Error, ErrorKind, Result};

/// The entries of a manifest with their files, which say their first row id if the manifest gives them one.
pub(super) fn with_row_ids<'m>(
    file: &ManifestFile,
    manifest: &'m Manifest,
) -> Result<Vec<(&'m ManifestEntryRef, DataFile)>> {
    let mut next = file.first_row_id;
    let with_id = |entry: &'m ManifestEntryRef| {
        let data = entry.data_file();
        let (Some(first), None, true) = (next, data.first_row_id(), entry.is_alive()) else {
            return Ok((entry, data.clone()));
        };
        next = Some(first.saturating_add(data.record_count()));
        Ok((entry, starting_at(data, file.partition_spec_id, first)?))
    };
    manifest.entries().iter().map(with_id).collect()
}

/// The file, saying the id of its first row.
fn starting_at(file: &DataFile, spec_id: i32, first_row_id: u64) -> Result<DataFile> {
    let wrong =
        || Error::new(ErrorKind::Read, "the manifest gives row ids that are too large").subject(file.file_path());
    let mut builder = DataFileBuilder::default();
    builder
        .content(file.content_type())
        .file_path(file.file_path().to_string())
        .file_format(file.file_format())
        .partition(file.partition().clone())
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
        .first_row_id(Some(i64::try_from(first_row_id).map_err(|_| wrong())?))
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
