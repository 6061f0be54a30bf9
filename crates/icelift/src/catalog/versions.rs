//! Which snapshot of a table a statement means, and with which columns.
//!
//! The rules are Spark's. A snapshot, a tag and a point in time have the columns of their time, a branch has those of
//! today. A point in time is looked up in the history of the main branch: what counts is when a snapshot became current,
//! not when it was made. What must hold: an unknown version is an error, never another version.

mod instant;

use std::collections::BTreeMap;

use chrono::DateTime;
use datafusion::execution::SessionState;
use iceberg::spec::{MAIN_BRANCH, Operation, SnapshotRef, SnapshotReference};

use super::Table;
use super::refs::refs;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::sql::Version;

/// Snapshots, branches and tags that an error lists.
const LISTED_MAX: usize = 5;

/// The version that a table has: its snapshot, unless it has none, and its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    snapshot_id: Option<i64>,
    schema_id: i32,
}

/// The rows that came between two snapshots.
pub(super) struct Added {
    /// The table at the later one.
    pub table: Table,
    /// The snapshots that brought rows, the oldest first.
    pub snapshots: Vec<SnapshotRef>,
}

impl Table {
    /// The table as it was at a version, with the columns that it has there. `state` evaluates points in time.
    ///
    /// # Errors
    /// A version that the table does not have, with those that it has.
    pub fn as_of(&self, version: &Version, state: &SessionState) -> Result<Self> {
        let found = self.found(version, state).map_err(|error| error.place(Stage::Catalog, &self.name))?;
        self.moved_to(found)
    }

    /// The same with the columns of today.
    ///
    /// # Errors
    /// Those of [`as_of`](Self::as_of).
    pub fn as_of_with_schema_of_today(&self, version: &Version, state: &SessionState) -> Result<Self> {
        let found = self.found(version, state).map_err(|error| error.place(Stage::Catalog, &self.name))?;
        self.moved_to(Found { schema_id: self.metadata.current_schema_id(), ..found })
    }

    fn moved_to(&self, found: Found) -> Result<Self> {
        match found.snapshot_id {
            Some(snapshot_id) => self.pinned(snapshot_id, found.schema_id),
            None => Ok(self.clone()),
        }
    }

    fn found(&self, version: &Version, state: &SessionState) -> Result<Found> {
        match version {
            Version::Snapshot(id) => self.snapshot(*id),
            Version::Named(name) => self.named(name),
            Version::Timestamp(expression) => self.at_instant(instant::microseconds(expression, state)?),
            Version::Added { .. } => Err(Error::new(ErrorKind::Internal, "added rows are no version of a table")),
        }
    }

    fn snapshot(&self, id: i64) -> Result<Found> {
        match self.metadata.snapshot_by_id(id) {
            Some(snapshot) => Ok(self.with_schema_of(snapshot)),
            None => Err(self.unknown(format!("the table has no snapshot {id}"), self.snapshots_told())),
        }
    }

    fn named(&self, name: &str) -> Result<Found> {
        let metadata = &self.metadata;
        let today = metadata.current_schema_id();
        // As in Spark, a snapshot's id goes before a reference of that name.
        if let Some(snapshot) = name.parse().ok().and_then(|id| metadata.snapshot_by_id(id)) {
            return Ok(self.with_schema_of(snapshot));
        }
        if name == MAIN_BRANCH {
            return Ok(Found { snapshot_id: metadata.current_snapshot_id(), schema_id: today });
        }
        let references = refs(metadata)?;
        let Some(reference) = references.get(name) else {
            return Err(self.unknown(format!("the table has no branch or tag `{name}`"), told_names(&references)));
        };
        match metadata.snapshot_by_id(reference.snapshot_id) {
            Some(snapshot) if reference.is_branch() => {
                Ok(Found { snapshot_id: Some(snapshot.snapshot_id()), schema_id: today })
            }
            Some(snapshot) => Ok(self.with_schema_of(snapshot)),
            None => self.snapshot(reference.snapshot_id),
        }
    }

    /// The last snapshot that had become current by then.
    fn at_instant(&self, microseconds: i64) -> Result<Found> {
        let history = self.metadata.history();
        let by_then = |entry: &&iceberg::spec::SnapshotLog| entry.timestamp_ms <= microseconds.div_euclid(1000);
        if let Some(entry) = history.iter().rfind(by_then) {
            return self.snapshot(entry.snapshot_id);
        }
        let begins = match history.first() {
            Some(first) => {
                format!("its history begins at {} with snapshot {}", told_time(first.timestamp_ms), first.snapshot_id)
            }
            None => "it has no snapshot yet".to_string(),
        };
        let asked = told_time(microseconds.div_euclid(1000));
        Err(self.unknown(format!("the table had no snapshot at {asked}"), begins))
    }

    fn with_schema_of(&self, snapshot: &SnapshotRef) -> Found {
        // Writers of format 1 did not note it.
        let schema_id = snapshot.schema_id().unwrap_or_else(|| self.metadata.current_schema_id());
        Found { snapshot_id: Some(snapshot.snapshot_id()), schema_id }
    }

    /// What came after the one snapshot, up to the other.
    ///
    /// # Errors
    /// Snapshots that are not there, or not one after the other; snapshots between them that took rows away.
    pub(super) fn added(&self, after: &Version, up_to: Option<&Version>, state: &SessionState) -> Result<Added> {
        let place = |error: Error| error.place(Stage::Catalog, &self.name);
        let after = self.found(after, state).map_err(place)?.snapshot_id;
        let table = match up_to {
            Some(up_to) => self.as_of(up_to, state)?,
            None => self.clone(),
        };
        let snapshots = self.between(after, table.metadata.current_snapshot_id()).map_err(place)?;
        Ok(Added { table, snapshots })
    }

    fn between(&self, after: Option<i64>, up_to: Option<i64>) -> Result<Vec<SnapshotRef>> {
        let told = |id: Option<i64>| id.map_or_else(|| "of the empty table".to_string(), |id| id.to_string());
        let (mut at, mut between) = (up_to, Vec::new());
        while at != after {
            let snapshot = at.and_then(|id| self.metadata.snapshot_by_id(id));
            let snapshot = snapshot.filter(|_| between.len() < self.metadata.snapshots().len()).ok_or_else(|| {
                let message = format!("the snapshot {} does not come before the snapshot {}", told(after), told(up_to));
                let hint = match at {
                    Some(gone) if gone != up_to.unwrap_or_default() => {
                        format!("the snapshot {gone}, from which it came, has expired")
                    }
                    _ => format!("\"parent_id\" in {} tells what came after what", self.metadata_table("snapshots")),
                };
                Error::new(ErrorKind::Sql, message).hint(hint)
            })?;
            between.push(snapshot.clone());
            at = snapshot.parent_snapshot_id();
        }
        between.reverse();
        refuse_removals(&between)?;
        between.retain(|snapshot| snapshot.summary().operation == Operation::Append);
        Ok(between)
    }

    fn unknown(&self, message: String, known: String) -> Error {
        let all = self.metadata_table("snapshots");
        Error::new(ErrorKind::NotFound, message).hint(format!("{known}; SELECT * FROM {all} lists all snapshots"))
    }

    /// The name of one of the table's metadata tables, as a statement says it.
    fn metadata_table(&self, name: &str) -> String {
        let mut table = self.name.clone();
        table.ident.name = format!("{}${name}", table.ident.name);
        table.quoted()
    }

    /// The newest snapshots.
    fn snapshots_told(&self) -> String {
        let mut snapshots: Vec<_> = self.metadata.snapshots().collect();
        snapshots.sort_by_key(|snapshot| std::cmp::Reverse((snapshot.timestamp_ms(), snapshot.sequence_number())));
        let told = |it: &&SnapshotRef| format!("{} of {}", it.snapshot_id(), told_time(it.timestamp_ms()));
        let newest: Vec<_> = snapshots.iter().take(LISTED_MAX).map(told).collect();
        match snapshots.len() {
            0 => "it has none yet".to_string(),
            count if count > LISTED_MAX => format!("the newest of {count} are {}", newest.join(", ")),
            _ => format!("it has {}", newest.join(", ")),
        }
    }
}

/// Rows that an overwrite or a delete took away, or changed, would be missed or come twice.
fn refuse_removals(snapshots: &[SnapshotRef]) -> Result<()> {
    let changes = |it: &&SnapshotRef| !matches!(it.summary().operation, Operation::Append | Operation::Replace);
    let changes: Vec<_> = snapshots.iter().filter(changes).collect();
    let told = |it: &&SnapshotRef| format!("{} ({})", it.snapshot_id(), it.summary().operation.as_str());
    let listed: Vec<_> = changes.iter().take(LISTED_MAX).map(told).collect();
    if changes.is_empty() {
        return Ok(());
    }
    let message = format!("{} of the snapshots between changed or removed rows: {}", changes.len(), listed.join(", "));
    Err(Error::new(ErrorKind::Unsupported, message)
        .hint("added_rows takes snapshots that append or rewrite; take the rows up to such a snapshot and from it on"))
}

fn told_names(references: &BTreeMap<String, SnapshotReference>) -> String {
    if references.is_empty() {
        return "it has neither".to_string();
    }
    let named = |(name, it): (&String, &SnapshotReference)| {
        format!("the {} `{name}`", if it.is_branch() { "branch" } else { "tag" })
    };
    let mut names: Vec<_> = references.iter().take(LISTED_MAX).map(named).collect();
    if references.len() > LISTED_MAX {
        names.push(format!("{} more", references.len() - LISTED_MAX));
    }
    format!("it has {}", names.join(", "))
}

fn told_time(milliseconds: i64) -> String {
    let time = DateTime::from_timestamp_millis(milliseconds);
    time.map_or_else(|| format!("{milliseconds} ms"), |time| time.format("%Y-%m-%d %H:%M:%S%.3f UTC").to_string())
}

#[cfg(test)]
mod tests;
