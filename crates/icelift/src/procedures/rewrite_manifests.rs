//! `rewrite_manifests`: the same files in manifests of a better size, those of a partition together.
//!
//! What must hold: the table has the same files and rows before and after; only what is listed where is another.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::Int32Array;
use arrow::datatypes::DataType;
use iceberg::spec::PartitionSpecRef;

use super::arguments::{Bound, Kind, Parameter};
use super::{Column, Context, Procedure, TABLE};
use crate::catalog::{CommitOutcome, Table};
use crate::engine::RowStream;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::snapshot::{self, Change, Effect, Regroup, Regrouped};

pub(super) const PROCEDURE: Procedure = Procedure {
    name: "rewrite_manifests",
    parameters: &[
        TABLE,
        Parameter {
            name: "use_caching",
            kind: Kind::Boolean,
            default: Some("false"),
            about: "accepted and without effect: manifests are read twice and never kept as a whole",
        },
        Parameter {
            name: "spec_id",
            kind: Kind::Integer,
            default: Some("the table's default"),
            about: "the id of the partition spec whose manifests are rewritten",
        },
        Parameter {
            name: "sort_by",
            kind: Kind::Strings,
            default: Some("the fields of the spec"),
            about: "the partition fields by which files are listed; the others follow",
        },
    ],
    columns: &[
        Column { name: "rewritten_manifests_count", data_type: DataType::Int32 },
        Column { name: "added_manifests_count", data_type: DataType::Int32 },
    ],
};

pub(super) async fn run(context: &Context<'_>, bound: &Bound) -> Result<RowStream> {
    let table = context.table(bound).await?;
    let done = rewrite(context, bound, &table).await.map_err(|error| error.place(Stage::Snapshot, &table.name))?;
    let count = |count: usize| Arc::new(Int32Array::from(vec![i32::try_from(count).unwrap_or(i32::MAX)]));
    PROCEDURE.answer(vec![count(done.replaced), count(done.created)])
}

async fn rewrite(context: &Context<'_>, bound: &Bound, table: &Table) -> Result<Regrouped> {
    let spec = spec(bound, table)?;
    let sort_by = sort_by(bound, &spec)?;
    let Some(snapshot) = table.metadata.current_snapshot() else { return Ok(Regrouped::default()) };
    let regroup = Regroup { spec_id: spec.spec_id(), sort_by, done: Arc::new(Mutex::default()) };
    let manifests = table.manifest_list(snapshot).await?.consume_entries().into_iter();
    let manifests: Vec<_> = manifests.filter(|it| it.has_added_files() || it.has_existing_files()).collect();
    if regroup.due(&table.metadata, &manifests)?.is_empty() {
        return Ok(Regrouped::default());
    }
    let done = Arc::clone(&regroup.done);
    let change = Change { effect: Effect::Layout, regroup: Some(regroup), ..Change::default() };
    let (catalog, table) = (Arc::clone(&context.catalog), table.clone());
    // In a task of its own: a statement that is cancelled now must still learn what to remove.
    let task = table.store.cleanup().clone().spawn(async move {
        match snapshot::commit(&catalog, &table.clone(), table, change).await {
            CommitOutcome::Landed => Ok(()),
            CommitOutcome::NotLanded(error) | CommitOutcome::Unknown(error) => Err(error),
        }
    });
    let died = |source| Error::new(ErrorKind::CommitUnknown, "the commit task died").source(source);
    task.await.map_err(died)??;
    let done = *done.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(done)
}

/// The partition spec whose manifests are meant.
fn spec(bound: &Bound, table: &Table) -> Result<PartitionSpecRef> {
    let metadata = &table.metadata;
    let Some(wanted) = bound.integer("spec_id") else { return Ok(metadata.default_partition_spec().clone()) };
    let found = i32::try_from(wanted).ok().and_then(|id| metadata.partition_spec_by_id(id));
    found.cloned().ok_or_else(|| {
        let mut known: Vec<_> = metadata.partition_specs_iter().map(|spec| spec.spec_id()).collect();
        known.sort_unstable();
        let known: Vec<_> = known.iter().map(ToString::to_string).collect();
        let message = format!("`spec_id` is {wanted}, the table has the partition specs {}", known.join(", "));
        Error::new(ErrorKind::Sql, message)
    })
}

/// The places of the fields that are named.
fn sort_by(bound: &Bound, spec: &PartitionSpecRef) -> Result<Vec<usize>> {
    let names = bound.strings("sort_by").unwrap_or_default();
    let place = |name: &String| {
        spec.fields().iter().position(|field| field.name == *name).ok_or_else(|| {
            let known: Vec<_> = spec.fields().iter().map(|field| field.name.as_str()).collect();
            let message =
                format!("`sort_by` names `{name}`, which is no field of the partition spec {}", spec.spec_id());
            Error::new(ErrorKind::Sql, message).hint(format!("its fields are {}", known.join(", ")))
        })
    };
    names.iter().map(place).collect()
}
