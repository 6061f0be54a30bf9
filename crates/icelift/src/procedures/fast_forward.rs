//! `fast_forward`: a branch goes on to where another one is, if that one comes after it.

use std::sync::Arc;

use arrow::array::{Int64Array, StringArray};
use arrow::datatypes::DataType;

use super::arguments::{Bound, Kind, Parameter};
use super::moves::{Move, move_branch};
use super::set_current_snapshot::snapshot_of;
use super::{Column, Context, Procedure, TABLE};
use crate::catalog::{ancestors, refs};
use crate::engine::RowStream;
use crate::error::{Error, ErrorKind, Result, Stage};

pub(super) static PROCEDURE: Procedure = Procedure {
    name: "fast_forward",
    parameters: &[
        TABLE,
        Parameter {
            name: "branch",
            kind: Kind::String,
            default: None,
            about: "the branch that goes on; it is made if it is not there",
        },
        Parameter {
            name: "to",
            kind: Kind::String,
            default: None,
            about: "the branch or tag that it goes on to, which must come after it",
        },
    ],
    columns: &[
        Column { name: "branch_updated", data_type: DataType::Utf8 },
        Column { name: "previous_ref", data_type: DataType::Int64 },
        Column { name: "updated_ref", data_type: DataType::Int64 },
    ],
};

pub(super) async fn run(context: &Context<'_>, bound: &Bound) -> Result<RowStream> {
    let table = context.table(bound).await?;
    let (branch, other) = (bound.required_string("branch")?, bound.required_string("to")?);
    let refused = |message: String| Error::new(ErrorKind::Sql, message).place(Stage::Catalog, &table.name);
    if branch.is_empty() {
        return Err(refused("the branch has no name".to_string()));
    }
    let to = snapshot_of(&table, other)?;
    let from = table.metadata.snapshot_for_ref(branch).map(|snapshot| snapshot.snapshot_id());
    if refs(&table.metadata)?.get(branch).is_some_and(|known| !known.is_branch()) {
        return Err(refused(format!("`{branch}` is a tag, expected a branch")).hint("tags stay where they are"));
    }
    if let Some(from) = from
        && !ancestors(&table.metadata, Some(to)).any(|ancestor| ancestor.snapshot_id() == from)
    {
        let message = format!("`{other}` does not come after `{branch}`: the snapshot {from} is no ancestor of {to}");
        return Err(refused(message).hint("a branch with commits of its own cannot go on to another one"));
    }
    move_branch(context, table, Move { branch: branch.to_string(), from, to }).await?;
    PROCEDURE.answer(vec![
        Arc::new(StringArray::from(vec![branch])),
        Arc::new(Int64Array::from(vec![from])),
        Arc::new(Int64Array::from(vec![to])),
    ])
}
