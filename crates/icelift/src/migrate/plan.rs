//! Brings together what `EXPLAIN MIGRATE` explains. Reads metadata, changes nothing.

use std::collections::HashSet;

use iceberg::spec::Transform;

use super::batches::Batch;
use super::explain::{PlanInput, PlannedBatch, Sizes, State, explain};
use super::lint::{FilesSummary, Finding, Level, Sides, growth, lint};
use super::prepare::{Prepared, Target};
use super::price::Prices;
use super::slices::SLICE_BYTES;
use crate::catalog::{Table, TableKind};
use crate::engine::{Engine, RowStream};
use crate::error::Result;
use crate::pipeline::values::PartitionValues;
use crate::pipeline::verify::Level as VerifyLevel;
use crate::sql::Migrate;

/// What a user says of the world that a migration runs in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Assumptions {
    pub prices: Prices,
    /// Between the source's cloud and the target's.
    pub bandwidth_bytes_per_second: Option<u64>,
}

/// Runs `EXPLAIN MIGRATE`.
pub(crate) async fn answer(engine: &Engine, statement: &Migrate) -> Result<RowStream> {
    with_input(engine, statement, |_, input| explain(input).map(RowStream::of_batch)).await?
}

/// Gathers what there is to know of a migration, and hands it to `reckon`.
pub(super) async fn with_input<T>(
    engine: &Engine,
    statement: &Migrate,
    reckon: impl FnOnce(&Prepared, &PlanInput<'_>) -> T,
) -> Result<T> {
    let prepared = Prepared::new(engine, statement).await?;
    let kind = |catalog: &str| engine.catalogs.kind(catalog);
    let (source_kind, target_kind) = (kind(&prepared.source.table.name.catalog), kind(&prepared.target_name.catalog));
    let target = prepared.target_table()?;
    let source = &prepared.source.table;
    let source_manifests = match source.metadata.current_snapshot() {
        Some(snapshot) => source.manifest_list(snapshot).await?.entries().len() as u64,
        None => 0,
    };
    let findings = findings(&prepared, &target, &target_kind).await;
    let assumptions = &engine.assumptions;
    let input = PlanInput {
        batches: planned(&prepared),
        source_kind: &source_kind,
        target_kind: &target_kind,
        source_manifests,
        creates_target: matches!(prepared.target, Target::New(_)),
        sizes: Sizes::of(&target)?,
        partitions_per_batch: partitions_per_batch(&prepared.plan, &target),
        slice_bytes: statement.options.slice_bytes.unwrap_or(SLICE_BYTES),
        rereads_target: statement.options.verify != VerifyLevel::Metadata,
        bandwidth_bytes_per_second: assumptions.bandwidth_bytes_per_second,
        prices: &assumptions.prices,
        findings: &findings,
    };
    Ok(reckon(&prepared, &input))
}

fn planned(prepared: &Prepared) -> Vec<PlannedBatch<'_>> {
    (0..).zip(&prepared.plan).map(|(number, batch)| planned_batch(prepared, number, batch)).collect()
}

fn planned_batch<'a>(prepared: &'a Prepared, number: u32, batch: &'a Batch) -> PlannedBatch<'a> {
    let of = |state, files| PlannedBatch { batch, state, files, recorded: None };
    match prepared.modes.get(&number) {
        Some(mode) => of(State::Pending, mode.files(batch)),
        None if prepared.next.done.contains(number) => {
            PlannedBatch { recorded: prepared.details.get(&batch.key), ..of(State::Done, &batch.files) }
        }
        None => of(State::LeftOut, &batch.files),
    }
}

/// What does not come along, and what will be done to a target that exists.
async fn findings(prepared: &Prepared, target: &Table, target_kind: &str) -> Vec<Finding> {
    let source = &prepared.source;
    let namespace = source.catalog().list_tables(&source.table.name.ident.namespace).await.unwrap_or_default();
    let views: Vec<String> =
        namespace.into_iter().filter(|table| table.kind == TableKind::View).map(|table| table.name).collect();
    let files = prepared.plan.iter().flat_map(|batch| &batch.files);
    let (source, target) = (source.table.metadata.as_ref(), target.metadata.as_ref());
    let sides = Sides { source, target, target_kind, views: &views };
    let mut findings = lint(sides, FilesSummary::of(files));
    if let Target::Exists { evolution: Some(evolution), .. } = &prepared.target {
        let changes = evolution.changes.iter();
        findings.extend(changes.map(|change| Finding::new(Level::Changed, "merge_schema", change.as_str())));
    }
    findings.extend(growth(target.snapshots().len() as u64, prepared.pending.len() as u64, target_kind));
    findings
}

/// How many partitions of the target the rows of a batch go to: what the source's own partitions tell of the columns that
/// both are partitioned by. A column that only the target has counts as one.
fn partitions_per_batch(plan: &[Batch], target: &Table) -> u64 {
    let spec = target.metadata.default_partition_spec();
    let ids: HashSet<i32> =
        spec.fields().iter().filter(|it| it.transform == Transform::Identity).map(|it| it.source_id).collect();
    let of_batch = |batch: &Batch| {
        let values = batch.files.iter().map(|planned| {
            let values = PartitionValues::of(&planned.file);
            let fields = planned.spec.fields().iter().enumerate();
            fields
                .filter(|(_, field)| ids.contains(&field.source_id))
                .map(|(index, _)| values.get(index).cloned())
                .collect::<Vec<_>>()
        });
        values.collect::<HashSet<_>>().len() as u64
    };
    plan.iter().map(of_batch).max().unwrap_or(1).max(1)
}
