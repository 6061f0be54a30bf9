//! `set_current_snapshot`: the table goes to any of its snapshots, or to where a branch or tag points.

use super::arguments::{Bound, Kind, Parameter};
use super::moves::{COLUMNS, move_main, snapshot};
use super::{Context, Procedure, TABLE};
use crate::catalog::{Table, refs};
use crate::engine::RowStream;
use crate::error::{Error, ErrorKind, Result, Stage};

pub(super) static PROCEDURE: Procedure = Procedure {
    name: "set_current_snapshot",
    parameters: &[
        TABLE,
        Parameter {
            name: "snapshot_id",
            kind: Kind::Integer,
            default: Some("that of `ref`"),
            about: "the snapshot; it need not be an ancestor of the current one",
        },
        Parameter {
            name: "ref",
            kind: Kind::String,
            default: Some("`snapshot_id` says it"),
            about: "the branch or tag whose snapshot it is to be; either this or `snapshot_id` is given",
        },
    ],
    columns: COLUMNS,
};

pub(super) async fn run(context: &Context<'_>, bound: &Bound) -> Result<RowStream> {
    let (id, reference) = (bound.integer("snapshot_id"), bound.string("ref"));
    if id.is_some() == reference.is_some() {
        let found = if id.is_some() { "found both" } else { "found neither" };
        return Err(Error::new(ErrorKind::Sql, format!("either `snapshot_id` or `ref` is to be given, {found}"))
            .hint("CALL … set_current_snapshot(table => '…', snapshot_id => …), or ref => '…'"));
    }
    let table = context.table(bound).await?;
    let to = match (id, reference) {
        (Some(id), _) => snapshot(&table, id)?.snapshot_id(),
        (None, reference) => snapshot_of(&table, reference.unwrap_or_default())?,
    };
    move_main(context, &PROCEDURE, table, to).await
}

/// Where a branch or tag points.
///
/// # Errors
/// [`ErrorKind::NotFound`], with those that there are.
pub(super) fn snapshot_of(table: &Table, reference: &str) -> Result<i64> {
    if let Some(snapshot) = table.metadata.snapshot_for_ref(reference) {
        return Ok(snapshot.snapshot_id());
    }
    let names: Vec<String> = refs(&table.metadata)?.keys().map(|name| format!("`{name}`")).collect();
    let hint = if names.is_empty() { "it has none".to_string() } else { format!("it has {}", names.join(", ")) };
    Err(Error::new(ErrorKind::NotFound, format!("the table has no branch or tag `{reference}`"))
        .place(Stage::Catalog, &table.name)
        .hint(hint))
}
