//! The summary of a snapshot (spec, Appendix F): what was added, and the totals after it.

use std::collections::{HashMap, HashSet};

use iceberg::spec::{DataFile, Summary};

/// The totals, with what an append adds to each.
const TOTALS: [(&str, Option<&str>); 6] = [
    ("total-data-files", Some("added-data-files")),
    ("total-records", Some("added-records")),
    ("total-files-size", Some("added-files-size")),
    ("total-delete-files", None),
    ("total-position-deletes", None),
    ("total-equality-deletes", None),
];

/// The properties of an append of `files` after a snapshot with the summary `previous`.
pub(super) fn append(files: &[DataFile], previous: Option<&Summary>) -> HashMap<String, String> {
    let partitions: HashSet<_> = files.iter().map(DataFile::partition).collect();
    let records: u64 = files.iter().map(DataFile::record_count).sum();
    let bytes: u64 = files.iter().map(DataFile::file_size_in_bytes).sum();
    let mut summary = HashMap::from([
        ("added-data-files", files.len() as u64),
        ("added-records", records),
        ("added-files-size", bytes),
        ("changed-partition-count", partitions.len() as u64),
    ]);
    for (total, added) in TOTALS {
        let before = match previous {
            None => Some(0),
            // A total that the last writer did not know cannot be continued.
            Some(previous) => previous.additional_properties.get(total).and_then(|total| total.parse().ok()),
        };
        if let Some(before) = before {
            let before: u64 = before;
            let added = added.and_then(|added| summary.get(added)).copied().unwrap_or(0);
            summary.insert(total, before.saturating_add(added));
        }
    }
    let mut properties: HashMap<String, String> =
        summary.into_iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    properties.insert("engine-name".to_string(), "icelift".to_string());
    properties.insert("engine-version".to_string(), env!("CARGO_PKG_VERSION").to_string());
    properties
}
