//! `rollback_to_snapshot`: the table goes back to one of the snapshots that led to its current one.

use super::arguments::{Bound, Kind, Parameter};
use super::moves::{COLUMNS, current, move_main, snapshot};
use super::{Context, Procedure, TABLE};
use crate::catalog::ancestors;
use crate::engine::RowStream;
use crate::error::{Error, ErrorKind, Result, Stage};

pub(super) static PROCEDURE: Procedure = Procedure {
    name: "rollback_to_snapshot",
    parameters: &[
        TABLE,
        Parameter {
            name: "snapshot_id",
            kind: Kind::Integer,
            default: None,
            about: "the snapshot to go back to, one of the ancestors of the current one",
        },
    ],
    columns: COLUMNS,
};

pub(super) async fn run(context: &Context<'_>, bound: &Bound) -> Result<RowStream> {
    let table = context.table(bound).await?;
    let to = bound.required_integer("snapshot_id")?;
    snapshot(&table, to)?;
    let from = current(&table)?.snapshot_id();
    if !ancestors(&table.metadata, Some(from)).any(|ancestor| ancestor.snapshot_id() == to) {
        let message = format!("the snapshot {to} is no ancestor of the current snapshot {from}");
        return Err(Error::new(ErrorKind::Sql, message)
            .place(Stage::Catalog, &table.name)
            .hint("`ancestors_of` lists those; `set_current_snapshot` takes any snapshot"));
    }
    move_main(context, &PROCEDURE, table, to).await
}
