//! The branches and tags of a table.

use std::collections::BTreeMap;

use iceberg::spec::{SnapshotReference, TableMetadata};
use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};

#[derive(Deserialize)]
struct References {
    #[serde(default)]
    refs: BTreeMap<String, SnapshotReference>,
}

/// The references by name. The `iceberg` crate gives them out in JSON only.
///
/// # Errors
/// None is known: what was parsed can be written.
pub(crate) fn references(metadata: &TableMetadata) -> Result<BTreeMap<String, SnapshotReference>> {
    let json = serde_json::to_vec(metadata).and_then(|json| serde_json::from_slice::<References>(&json));
    json.map(|parsed| parsed.refs).map_err(|source| {
        Error::new(ErrorKind::Internal, "the references of the table cannot be listed").source(source)
    })
}
