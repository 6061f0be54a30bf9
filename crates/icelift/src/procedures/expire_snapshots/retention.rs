//! Which snapshots, branches and tags expire: Java's `RemoveSnapshots`, rule by rule.
//!
//! - A branch or tag other than main goes once the snapshot that it points to is older than its `max-ref-age-ms`.
//! - Of each branch that stays, its snapshot stays, and before that the newest ancestors: so many as are to be kept, and those
//!   that are not old, up to the first that is neither.
//! - What a tag that stays points to stays. So does a snapshot that no reference leads to, while it is not old.
//! - All others go, and those that are named.

use std::collections::HashSet;

use iceberg::spec::{MAIN_BRANCH, SnapshotReference, SnapshotRetention, TableMetadata};

use crate::catalog::{Refs, ancestors};
use crate::error::{Error, ErrorKind, Result};
use crate::procedures::moves::told;

/// What the statement says.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub older_than_ms: Option<i64>,
    pub retain_last: Option<usize>,
    pub snapshot_ids: Vec<i64>,
}

/// What expires.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Expiry {
    pub snapshots: Vec<i64>,
    pub refs: Vec<String>,
}

/// The limits that hold where a reference has none of its own.
struct Limits {
    now_ms: i64,
    older_than_ms: i64,
    min_snapshots: usize,
    max_ref_age_ms: i64,
}

/// What expires at the moment `now_ms`.
///
/// # Errors
/// Snapshots that are named and are not there, or that a reference points to; properties that are no numbers.
pub(super) fn expiry(metadata: &TableMetadata, refs: &Refs, wanted: &Wanted, now_ms: i64) -> Result<Expiry> {
    let limits = Limits::new(metadata, wanted, now_ms)?;
    let (kept, aged): (Vec<_>, Vec<_>) =
        refs.iter().partition(|(name, reference)| name.as_str() == MAIN_BRANCH || limits.keeps(metadata, reference));
    let mut retained: HashSet<i64> = kept.iter().map(|(_, reference)| reference.snapshot_id).collect();
    check_named(metadata, &wanted.snapshot_ids, &kept)?;
    let mut referenced = retained.clone();
    for (_, reference) in &kept {
        let SnapshotRetention::Branch { min_snapshots_to_keep, max_snapshot_age_ms, .. } = &reference.retention else {
            continue;
        };
        let min = min_snapshots_to_keep.map_or(limits.min_snapshots, |min| usize::try_from(min).unwrap_or(1));
        let cutoff_ms = max_snapshot_age_ms.map_or(limits.older_than_ms, |age| now_ms.saturating_sub(age));
        let ancestors: Vec<_> = ancestors(metadata, Some(reference.snapshot_id)).collect();
        referenced.extend(ancestors.iter().map(|snapshot| snapshot.snapshot_id()));
        let is_kept = |(nth, snapshot): &(usize, &&_)| {
            let snapshot: &iceberg::spec::SnapshotRef = snapshot;
            *nth < min || snapshot.timestamp_ms() >= cutoff_ms
        };
        retained.extend(ancestors.iter().enumerate().take_while(is_kept).map(|(_, snapshot)| snapshot.snapshot_id()));
    }
    let is_young = |id: i64, time_ms: i64| !referenced.contains(&id) && time_ms >= limits.older_than_ms;
    let named: HashSet<i64> = wanted.snapshot_ids.iter().copied().collect();
    let mut snapshots: Vec<i64> = metadata
        .snapshots()
        .map(|snapshot| (snapshot.snapshot_id(), snapshot.timestamp_ms()))
        .filter(|(id, time_ms)| named.contains(id) || !(retained.contains(id) || is_young(*id, *time_ms)))
        .map(|(id, _)| id)
        .collect();
    snapshots.sort_unstable();
    Ok(Expiry { snapshots, refs: aged.into_iter().map(|(name, _)| name.clone()).collect() })
}

impl Limits {
    fn new(metadata: &TableMetadata, wanted: &Wanted, now_ms: i64) -> Result<Self> {
        let number = |key: &str, default: i64| match metadata.properties().get(key) {
            None => Ok(default),
            Some(value) => value.parse().map_err(|_| {
                Error::new(ErrorKind::Config, format!("the table property `{key}` is `{value}`, it takes a number"))
            }),
        };
        let min = number("history.expire.min-snapshots-to-keep", 1)?;
        let min_snapshots = usize::try_from(min).ok().filter(|min| *min > 0).ok_or_else(|| {
            let key = "history.expire.min-snapshots-to-keep";
            Error::new(ErrorKind::Config, format!("the table property `{key}` is `{min}`, expected 1 or more"))
        })?;
        let max_age_ms = number("history.expire.max-snapshot-age-ms", 5 * 24 * 60 * 60 * 1000)?;
        Ok(Self {
            now_ms,
            older_than_ms: wanted.older_than_ms.unwrap_or(now_ms.saturating_sub(max_age_ms)),
            min_snapshots: wanted.retain_last.unwrap_or(min_snapshots),
            max_ref_age_ms: number("history.expire.max-ref-age-ms", i64::MAX)?,
        })
    }

    fn keeps(&self, metadata: &TableMetadata, reference: &SnapshotReference) -> bool {
        let (SnapshotRetention::Branch { max_ref_age_ms, .. } | SnapshotRetention::Tag { max_ref_age_ms }) =
            &reference.retention;
        let Some(snapshot) = metadata.snapshot_by_id(reference.snapshot_id) else { return false };
        self.now_ms.saturating_sub(snapshot.timestamp_ms()) <= max_ref_age_ms.unwrap_or(self.max_ref_age_ms)
    }
}

fn check_named(metadata: &TableMetadata, named: &[i64], kept: &[(&String, &SnapshotReference)]) -> Result<()> {
    for id in named {
        if metadata.snapshot_by_id(*id).is_none() {
            return Err(Error::new(ErrorKind::NotFound, format!("the table has no snapshot {id}"))
                .hint(format!("it never was, or has expired; {}", told(metadata.snapshots()))));
        }
        let pointing = kept.iter().filter(|(_, reference)| reference.snapshot_id == *id);
        let pointing: Vec<String> = pointing.map(|(name, _)| format!("`{name}`")).collect();
        if !pointing.is_empty() {
            let message = format!("the snapshot {id} cannot expire: {} points to it", pointing.join(", "));
            return Err(Error::new(ErrorKind::Sql, message).hint("nothing was changed; leave it out of `snapshot_ids`"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
