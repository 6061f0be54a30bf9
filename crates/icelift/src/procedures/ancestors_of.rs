//! `ancestors_of`: the snapshots that led to one, the newest first.

use std::sync::Arc;

use arrow::array::Int64Array;
use arrow::datatypes::DataType;

use super::arguments::{Bound, Kind, Parameter};
use super::moves::snapshot;
use super::{Column, Context, Procedure, TABLE};
use crate::catalog::ancestors;
use crate::engine::RowStream;
use crate::error::Result;

pub(super) static PROCEDURE: Procedure = Procedure {
    name: "ancestors_of",
    parameters: &[
        TABLE,
        Parameter {
            name: "snapshot_id",
            kind: Kind::Integer,
            default: Some("the current snapshot"),
            about: "the snapshot whose ancestors are listed, itself among them",
        },
    ],
    columns: &[
        Column { name: "snapshot_id", data_type: DataType::Int64 },
        Column { name: "timestamp", data_type: DataType::Int64 },
    ],
};

pub(super) async fn run(context: &Context<'_>, bound: &Bound) -> Result<RowStream> {
    let table = context.table(bound).await?;
    let id = match bound.integer("snapshot_id") {
        Some(id) => Some(snapshot(&table, id)?.snapshot_id()),
        None => table.metadata.current_snapshot_id(),
    };
    let found: Vec<_> = ancestors(&table.metadata, id).collect();
    let ids: Int64Array = found.iter().map(|snapshot| Some(snapshot.snapshot_id())).collect();
    let times: Int64Array = found.iter().map(|snapshot| Some(snapshot.timestamp_ms())).collect();
    PROCEDURE.answer(vec![Arc::new(ids), Arc::new(times)])
}
