//! The summary of a snapshot (spec, Appendix F): what was added, and the totals after it.

use std::collections::{HashMap, HashSet};

use iceberg::spec::{DataContentType, DataFile, DataFileFormat, Summary};

/// The totals, with what adds to each and what takes from it.
const TOTALS: [(&str, &str, &str); 6] = [
    ("total-data-files", "added-data-files", "deleted-data-files"),
    ("total-records", "added-records", "deleted-records"),
    ("total-files-size", "added-files-size", "removed-files-size"),
    ("total-delete-files", "added-delete-files", "removed-delete-files"),
    ("total-position-deletes", "added-position-deletes", "removed-position-deletes"),
    ("total-equality-deletes", "added-equality-deletes", "removed-equality-deletes"),
];

/// The files that a snapshot adds and removes.
pub(super) struct Moved<'a> {
    pub added: &'a [DataFile],
    pub removed: &'a [DataFile],
    pub removed_deletes: &'a [DataFile],
}

/// The properties of a snapshot that adds and removes files after one with the summary `previous`.
pub(super) fn summary(moved: &Moved<'_>, previous: Option<&Summary>) -> HashMap<String, String> {
    let Moved { added, removed, removed_deletes } = *moved;
    let all = added.iter().chain(removed).chain(removed_deletes);
    let partitions: HashSet<_> = all.map(DataFile::partition).collect();
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
    if !removed_deletes.is_empty() {
        *summary.entry("removed-files-size").or_default() += bytes(removed_deletes);
        summary.extend(of_deletes(removed_deletes));
    }
    for (total, adds, takes) in TOTALS {
        let before = match previous {
            None => Some(0),
            // A total that the last writer did not know cannot be continued.
            Some(previous) => previous.additional_properties.get(total).and_then(|total| total.parse().ok()),
        };
        if let Some(before) = before {
            let before: u64 = before;
            let of = |name: &str| summary.get(name).copied().unwrap_or(0);
            summary.insert(total, before.saturating_add(of(adds)).saturating_sub(of(takes)));
        }
    }
    let mut properties: HashMap<String, String> =
        summary.into_iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    properties.insert("engine-name".to_string(), "icelift".to_string());
    properties.insert("engine-version".to_string(), env!("CARGO_PKG_VERSION").to_string());
    properties
}

/// The counts of deletes that are removed, without those that are 0.
fn of_deletes(removed: &[DataFile]) -> impl Iterator<Item = (&'static str, u64)> {
    let (mut files, mut rows) = ([0; 3], [0; 2]);
    for file in removed {
        let is_equality = usize::from(file.content_type() == DataContentType::EqualityDeletes);
        let sort = if file.file_format() == DataFileFormat::Puffin { 2 } else { is_equality };
        files[sort] += 1;
        rows[is_equality] += file.record_count();
    }
    let counts = [
        ("removed-delete-files", removed.len() as u64),
        ("removed-position-delete-files", files[0]),
        ("removed-equality-delete-files", files[1]),
        ("removed-dvs", files[2]),
        ("removed-position-deletes", rows[0]),
        ("removed-equality-deletes", rows[1]),
    ];
    counts.into_iter().filter(|(_, count)| *count > 0)
}
