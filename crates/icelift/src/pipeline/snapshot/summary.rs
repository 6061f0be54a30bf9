//! The summary of a snapshot (spec, Appendix F): what was added, and the totals after it.

use std::collections::{HashMap, HashSet};

use iceberg::spec::{DataFile, Summary};

/// The totals, with what adds to each and what takes from it.
const TOTALS: [(&str, Option<(&str, &str)>); 6] = [
    ("total-data-files", Some(("added-data-files", "deleted-data-files"))),
    ("total-records", Some(("added-records", "deleted-records"))),
    ("total-files-size", Some(("added-files-size", "removed-files-size"))),
    ("total-delete-files", None),
    ("total-position-deletes", None),
    ("total-equality-deletes", None),
];

/// The properties of a snapshot that adds and removes files after one with the summary `previous`.
pub(super) fn summary(added: &[DataFile], removed: &[DataFile], previous: Option<&Summary>) -> HashMap<String, String> {
    let partitions: HashSet<_> = added.iter().chain(removed).map(DataFile::partition).collect();
    let records = |files: &[DataFile]| files.iter().map(DataFile::record_count).sum::<u64>();
    let bytes = |files: &[DataFile]| files.iter().map(DataFile::file_size_in_bytes).sum::<u64>();
    let mut summary = HashMap::from([
        ("added-data-files", added.len() as u64),
        ("added-records", records(added)),
        ("added-files-size", bytes(added)),
        ("changed-partition-count", partitions.len() as u64),
    ]);
    if !removed.is_empty() {
        summary.extend([
            ("deleted-data-files", removed.len() as u64),
            ("deleted-records", records(removed)),
            ("removed-files-size", bytes(removed)),
        ]);
    }
    for (total, changes) in TOTALS {
        let before = match previous {
            None => Some(0),
            // A total that the last writer did not know cannot be continued.
            Some(previous) => previous.additional_properties.get(total).and_then(|total| total.parse().ok()),
        };
        if let Some(before) = before {
            let before: u64 = before;
            let of = |name: &str| summary.get(name).copied().unwrap_or(0);
            let (added, removed) = changes.map_or((0, 0), |(added, removed)| (of(added), of(removed)));
            summary.insert(total, before.saturating_add(added).saturating_sub(removed));
        }
    }
    let mut properties: HashMap<String, String> =
        summary.into_iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    properties.insert("engine-name".to_string(), "icelift".to_string());
    properties.insert("engine-version".to_string(), env!("CARGO_PKG_VERSION").to_string());
    properties
}
