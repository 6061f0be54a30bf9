//! `rollback_to_timestamp`: the table goes back to the last of its ancestors that is older than a time.

use super::arguments::{Bound, Kind, Parameter};
use super::moves::{COLUMNS, current, move_main, shown_time};
use super::{Context, Procedure, TABLE};
use crate::catalog::ancestors;
use crate::engine::RowStream;
use crate::error::{Error, ErrorKind, Result, Stage};

pub(super) static PROCEDURE: Procedure = Procedure {
    name: "rollback_to_timestamp",
    parameters: &[
        TABLE,
        Parameter {
            name: "timestamp",
            kind: Kind::Timestamp,
            default: None,
            about: "the time; the last ancestor that is older becomes the current snapshot. It is in UTC unless it has a zone",
        },
    ],
    columns: COLUMNS,
};

pub(super) async fn run(context: &Context<'_>, bound: &Bound) -> Result<RowStream> {
    let table = context.table(bound).await?;
    let time = bound.required_timestamp("timestamp")?.timestamp_millis();
    let from = current(&table)?.snapshot_id();
    let ancestors: Vec<_> = ancestors(&table.metadata, Some(from)).collect();
    // As in Java: the latest by its time, whatever clocks did.
    let older = ancestors.iter().filter(|snapshot| snapshot.timestamp_ms() < time);
    let Some(to) = older.max_by_key(|snapshot| snapshot.timestamp_ms()).map(|snapshot| snapshot.snapshot_id()) else {
        let oldest = ancestors.iter().map(|snapshot| snapshot.timestamp_ms()).min().unwrap_or_default();
        let message = format!("no ancestor of the current snapshot is older than {}", shown_time(time));
        return Err(Error::new(ErrorKind::NotFound, message)
            .place(Stage::Catalog, &table.name)
            .hint(format!("the oldest one that is left is of {}", shown_time(oldest))));
    };
    move_main(context, &PROCEDURE, table, to).await
}
