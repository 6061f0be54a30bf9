//! Moves of a branch to another snapshot: what `rollback_to_snapshot` and its sisters have in common.
//!
//! What must hold: a branch is only moved from where it was when the statement began. What others commit meanwhile is not
//! thrown away unseen: the statement fails then, and can be run again. The branch keeps its retention.

use std::sync::Arc;

use arrow::array::Int64Array;
use arrow::datatypes::DataType;
use async_trait::async_trait;
use chrono::DateTime;
use iceberg::spec::{MAIN_BRANCH, SnapshotRef, SnapshotReference, SnapshotRetention, TableMetadata};
use iceberg::{TableRequirement, TableUpdate};

use super::{Column, Context, Procedure};
use crate::catalog::{CommitRequest, Table, refs};
use crate::engine::RowStream;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::snapshot::{MetadataChange, Shown, change_metadata};

/// Snapshots that a message names.
const NAMED_MAX: usize = 10;

/// The columns of the answer of those that move main.
pub(super) const COLUMNS: &[Column] = &[
    Column { name: "previous_snapshot_id", data_type: DataType::Int64 },
    Column { name: "current_snapshot_id", data_type: DataType::Int64 },
];

/// Moves main to `to`, and answers with both snapshots.
pub(super) async fn move_main(
    context: &Context<'_>,
    procedure: &Procedure,
    table: Table,
    to: i64,
) -> Result<RowStream> {
    let from = table.metadata.current_snapshot_id();
    move_branch(context, table, Move { branch: MAIN_BRANCH.to_string(), from, to }).await?;
    procedure.answer(vec![Arc::new(Int64Array::from(vec![from])), Arc::new(Int64Array::from(vec![to]))])
}

/// Makes the move.
///
/// # Errors
/// [`ErrorKind::CommitConflict`] if the branch is not where it was any more, and those of a commit.
pub(super) async fn move_branch(context: &Context<'_>, table: Table, change: Move) -> Result<()> {
    change_metadata(&context.catalog, table, &change).await.map(drop)
}

/// A branch that is to point to another snapshot.
#[derive(Debug)]
pub(super) struct Move {
    pub branch: String,
    /// Where the branch was when the statement began.
    pub from: Option<i64>,
    pub to: i64,
}

impl Move {
    /// Where the branch points to.
    fn place_in(&self, metadata: &TableMetadata) -> Option<i64> {
        metadata.snapshot_for_ref(&self.branch).map(|snapshot| snapshot.snapshot_id())
    }
}

#[async_trait]
impl MetadataChange for Move {
    async fn request(&self, base: &Table) -> Result<Option<CommitRequest>> {
        let metadata = &base.metadata;
        let now = self.place_in(metadata);
        if now == Some(self.to) {
            return Ok(None);
        }
        if now != self.from {
            let shown = |id: Option<i64>| id.map_or("no snapshot".to_string(), |id| format!("snapshot {id}"));
            let (branch, from, now) = (&self.branch, shown(self.from), shown(now));
            let message = format!("the branch `{branch}` went on from {from} to {now} meanwhile");
            return Err(Error::new(ErrorKind::CommitConflict, message)
                .hint("nothing was changed; look at what is new, and run the statement again"));
        }
        snapshot(base, self.to)?;
        let known = refs(metadata)?.remove(&self.branch);
        let retention = known.map_or(SnapshotRetention::branch(None, None, None), |known| known.retention);
        let requirements = vec![
            TableRequirement::UuidMatch { uuid: metadata.uuid() },
            TableRequirement::RefSnapshotIdMatch { r#ref: self.branch.clone(), snapshot_id: self.from },
        ];
        let reference = SnapshotReference::new(self.to, retention);
        let updates = vec![TableUpdate::SetSnapshotRef { ref_name: self.branch.clone(), reference }];
        Ok(Some(CommitRequest { requirements, updates, ..CommitRequest::default() }))
    }

    fn shown(&self, _base: &TableMetadata, now: &TableMetadata) -> Shown {
        match self.place_in(now) {
            place if place == Some(self.to) => Shown::Landed,
            place if place == self.from => Shown::Absent,
            _ if self.branch == MAIN_BRANCH => self.shown_by_history(now),
            _ => Shown::Unclear,
        }
    }
}

impl Move {
    /// Main is somewhere else. What it pointed to before is in the table's history, unless that has expired.
    fn shown_by_history(&self, now: &TableMetadata) -> Shown {
        let history = now.history();
        let left = history.iter().rposition(|entry| Some(entry.snapshot_id) == self.from);
        match left.and_then(|left| history.get(left + 1)) {
            Some(next) if next.snapshot_id == self.to => Shown::Landed,
            Some(_) => Shown::Never,
            None => Shown::Unclear,
        }
    }
}

/// A snapshot of the table.
///
/// # Errors
/// [`ErrorKind::NotFound`], with those that there are.
pub(super) fn snapshot(table: &Table, id: i64) -> Result<&SnapshotRef> {
    table.metadata.snapshot_by_id(id).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("the table has no snapshot {id}"))
            .place(Stage::Catalog, &table.name)
            .hint(format!("it never was, or has expired; {}", told(table.metadata.snapshots())))
    })
}

/// The snapshot that the table is at.
///
/// # Errors
/// [`ErrorKind::NotFound`] if it has none.
pub(super) fn current(table: &Table) -> Result<&SnapshotRef> {
    table.metadata.current_snapshot().ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "the table has no current snapshot").place(Stage::Catalog, &table.name)
    })
}

/// Names the newest of some snapshots.
pub(super) fn told<'a>(snapshots: impl Iterator<Item = &'a SnapshotRef>) -> String {
    let mut found: Vec<_> = snapshots.map(|it| (it.timestamp_ms(), it.snapshot_id())).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    if found.is_empty() {
        return "there are none".to_string();
    }
    let names: Vec<_> =
        found.iter().take(NAMED_MAX).map(|(time, id)| format!("{id} of {}", shown_time(*time))).collect();
    let what =
        if found.len() > NAMED_MAX { format!("the newest of {} are", found.len()) } else { "there are".to_string() };
    format!("{what} {}", names.join(", "))
}

/// A time as SQL writes it.
pub(super) fn shown_time(milliseconds: i64) -> String {
    match DateTime::from_timestamp_millis(milliseconds) {
        Some(time) => time.format("%Y-%m-%d %H:%M:%S%.3f UTC").to_string(),
        None => format!("{milliseconds} ms"),
    }
}
