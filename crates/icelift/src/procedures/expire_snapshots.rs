//! `expire_snapshots`: old snapshots go, and then the files that only they needed.
//!
//! What must hold: files are only removed when it is known that the snapshots are gone from the table, and only those that
//! no snapshot names which the table has then ([`unreachable`]). What only registers name, such as details of batches, is
//! named by no snapshot and never looked at.

mod change;
mod retention;
mod unreachable;

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::DataType;
use chrono::Utc;

use self::change::Expire;
use self::retention::Wanted;
use self::unreachable::{Counts, Unreachable};
use super::arguments::{Bound, Kind, Parameter};
use super::{Column, Context, MAX_CONCURRENT_DELETES, Procedure, TABLE, check_owned, removals};
use crate::catalog::{Table, check_refs_are_known};
use crate::engine::RowStream;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::snapshot::{MetadataChange, change_metadata};

pub(super) static PROCEDURE: Procedure = Procedure {
    name: "expire_snapshots",
    parameters: &[
        TABLE,
        Parameter {
            name: "older_than",
            kind: Kind::Timestamp,
            default: Some("as `history.expire.max-snapshot-age-ms` says, 5 days before now"),
            about: "the time before which a snapshot must have been made to go, in UTC unless it has a zone",
        },
        Parameter {
            name: "retain_last",
            kind: Kind::Integer,
            default: Some("as `history.expire.min-snapshots-to-keep` says, 1"),
            about: "how many snapshots of each branch stay, however old they are, from 1 on",
        },
        MAX_CONCURRENT_DELETES,
        Parameter {
            name: "stream_results",
            kind: Kind::Boolean,
            default: Some("true"),
            about: "Spark's word for less memory; files are never collected here, so that it has no effect",
        },
        Parameter {
            name: "snapshot_ids",
            kind: Kind::Integers,
            default: Some("none"),
            about: "snapshots that go whatever their age, beside those that are old; none that a branch or tag points to",
        },
        Parameter {
            name: "clean_expired_metadata",
            kind: Kind::Boolean,
            default: Some("false"),
            about: "`true` if schemas and partition specs go, too, that no snapshot uses any more",
        },
        Parameter {
            name: "dry_run",
            kind: Kind::Boolean,
            default: Some("false"),
            about: "`true` to count what would go and change nothing",
        },
    ],
    columns: &[
        Column { name: "deleted_data_files_count", data_type: DataType::Int64 },
        Column { name: "deleted_position_delete_files_count", data_type: DataType::Int64 },
        Column { name: "deleted_equality_delete_files_count", data_type: DataType::Int64 },
        Column { name: "deleted_manifest_files_count", data_type: DataType::Int64 },
        Column { name: "deleted_manifest_lists_count", data_type: DataType::Int64 },
        Column { name: "deleted_statistics_files_count", data_type: DataType::Int64 },
    ],
};

pub(super) async fn run(context: &Context<'_>, bound: &Bound) -> Result<RowStream> {
    let wanted = Wanted {
        older_than_ms: bound.timestamp("older_than").map(|time| time.timestamp_millis()),
        retain_last: bound.count("retain_last")?,
        snapshot_ids: bound.integers("snapshot_ids").to_vec(),
    };
    let concurrency = removals(bound)?;
    let table = context.table(bound).await?;
    let dry_run = bound.boolean("dry_run").unwrap_or(false);
    if !dry_run {
        check_owned(&table)?;
    }
    check_refs_are_known(&table).await?;
    let cleans_metadata = bound.boolean("clean_expired_metadata").unwrap_or(false);
    let expire = Expire::new(wanted, cleans_metadata, Utc::now().timestamp_millis());
    let counts = if dry_run {
        // What is refused is refused here, too.
        expire.request(&table).await.map_err(|error| error.place(Stage::Snapshot, &table.name))?;
        let expiry = expire.decided();
        Unreachable::of(&table, &table, &expiry.snapshots).await?.count().await?
    } else {
        expired(context, table, &expire, concurrency).await?
    };
    answer(&counts)
}

/// Expires, and removes the files.
async fn expired(context: &Context<'_>, table: Table, expire: &Expire, concurrency: usize) -> Result<Counts> {
    let name = table.name.clone();
    let Some(before) = change_metadata(&context.catalog, table, expire).await? else { return Ok(Counts::default()) };
    let removal = async {
        let after = context.catalog.load_table(&name.ident).await?;
        if after.metadata.uuid() != before.metadata.uuid() {
            return Err(Error::new(ErrorKind::Drift, "the table was dropped and created again"));
        }
        Unreachable::of(&before, &after, &expire.decided().snapshots).await?.remove(concurrency).await
    };
    removal.await.map_err(|source| {
        Error::new(source.kind(), "the snapshots have expired, their files are not all removed")
            .place(Stage::Snapshot, &name)
            .hint("what is left belongs to no snapshot: `remove_orphan_files` lists and removes it once it is old")
            .source(source)
    })
}

fn answer(counts: &Counts) -> Result<RowStream> {
    let Counts { data, position_deletes, equality_deletes, manifests, manifest_lists, statistics } = *counts;
    let column =
        |count: u64| -> ArrayRef { Arc::new(Int64Array::from(vec![i64::try_from(count).unwrap_or(i64::MAX)])) };
    let counts = [data, position_deletes, equality_deletes, manifests, manifest_lists, statistics];
    PROCEDURE.answer(counts.map(column).to_vec())
}

#[cfg(test)]
mod tests;
