//! Commits alterations of a table: schema, partition spec, sort order, properties.
//!
//! What must hold: the change is made on the table as it is when it lands, or not at all; a commit that lost a race is made
//! anew on what won it; one whose answer was lost is settled by what the table shows. Such a commit brings no snapshot, so
//! what it makes is its sign.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use iceberg::spec::{PartitionSpec, SortOrder, TableMetadata, TableMetadataBuildResult};
use iceberg::{TableRequirement, TableUpdate};

use super::Retries;
use super::settle::{self, Sign, Unsettled};
use crate::catalog::{Catalog, CommitOutcome, CommitRequest, Table, is_same_schema};
use crate::error::{Error, ErrorKind, Result, Stage};

/// A change of a table's metadata that leaves its rows alone, made anew on each base.
#[async_trait]
pub(crate) trait Alteration: Debug + Send + Sync {
    /// The metadata of `base` with the change; `None` if the table is as it should be.
    ///
    /// # Errors
    /// Why the change cannot be made on this base. Nothing is sent then.
    async fn on(&self, base: &Table) -> Result<Option<TableMetadataBuildResult>>;
}

/// Makes the change, first on `base`.
pub(crate) async fn alter(catalog: &Arc<dyn Catalog>, base: Table, change: &dyn Alteration) -> CommitOutcome {
    let first = base.clone();
    // A property that is wrong: the change may be what puts it right.
    let retries = Retries::new(&base.metadata).unwrap_or_else(|_| Retries::standard());
    let mut waits = retries.waits();
    let mut base = base;
    loop {
        let conflict = match attempt(catalog, &base, change).await {
            CommitOutcome::NotLanded(error) if error.kind() == ErrorKind::CommitConflict => error,
            outcome => return outcome,
        };
        let Some(wait) = waits.next() else { return CommitOutcome::NotLanded(conflict) };
        tracing::info!(table = %base.name, ?wait, "the change lost a race and is made again");
        tokio::time::sleep(wait).await;
        base = match catalog.load_table(&first.name.ident).await {
            Ok(table) if table.metadata.uuid() == first.metadata.uuid() => table,
            Ok(_) => return CommitOutcome::NotLanded(replaced(&first)),
            Err(error) => return CommitOutcome::NotLanded(error),
        };
    }
}

async fn attempt(catalog: &Arc<dyn Catalog>, base: &Table, change: &dyn Alteration) -> CommitOutcome {
    let altered = match change.on(base).await {
        Ok(Some(altered)) => altered,
        Ok(None) => return CommitOutcome::Landed,
        Err(error) => return CommitOutcome::NotLanded(error.place(Stage::Catalog, &base.name)),
    };
    let request = metadata_request(&base.metadata, &altered);
    settle::commit(catalog, &Unsettled { base, request, sign: Sign::Metadata(&altered.metadata) }).await
}

fn replaced(table: &Table) -> Error {
    Error::new(ErrorKind::Drift, "the table was dropped and created again while the statement ran")
        .place(Stage::Snapshot, &table.name)
        .hint("run the statement again")
}

/// The updates, and what they take for granted: what Iceberg's Java library requires of each.
pub(crate) fn metadata_request(base: &TableMetadata, altered: &TableMetadataBuildResult) -> CommitRequest {
    let mut requirements = vec![TableRequirement::UuidMatch { uuid: base.uuid() }];
    for update in &altered.changes {
        let requirement = match update {
            TableUpdate::AddSchema { .. } => {
                TableRequirement::LastAssignedFieldIdMatch { last_assigned_field_id: base.last_column_id() }
            }
            TableUpdate::SetCurrentSchema { .. } => {
                TableRequirement::CurrentSchemaIdMatch { current_schema_id: base.current_schema_id() }
            }
            TableUpdate::AddSpec { .. } => {
                TableRequirement::LastAssignedPartitionIdMatch { last_assigned_partition_id: base.last_partition_id() }
            }
            TableUpdate::SetDefaultSpec { .. } => {
                TableRequirement::DefaultSpecIdMatch { default_spec_id: base.default_partition_spec_id() }
            }
            TableUpdate::SetDefaultSortOrder { .. } => {
                TableRequirement::DefaultSortOrderIdMatch { default_sort_order_id: base.default_sort_order_id() }
            }
            _ => continue,
        };
        requirements.push(requirement);
    }
    CommitRequest { create: None, requirements, updates: altered.changes.clone(), author: None }
}

/// Whether `now` shows that the request landed, which makes `after` of `before`. Others may have gone on from there.
pub(super) fn has_landed(
    request: &CommitRequest,
    before: &TableMetadata,
    after: &TableMetadata,
    now: &TableMetadata,
) -> bool {
    request.updates.iter().all(|update| match update {
        TableUpdate::SetCurrentSchema { .. } => {
            let wanted = after.current_schema();
            let had = before.schemas_iter().any(|schema| is_same_schema(schema, wanted));
            is_same_schema(now.current_schema(), wanted)
                || (!had && now.schemas_iter().any(|schema| is_same_schema(schema, wanted)))
        }
        TableUpdate::SetDefaultSpec { .. } => {
            let wanted = after.default_partition_spec();
            let is_wanted = |spec: &PartitionSpec| spec.is_compatible_with(wanted);
            let had = before.partition_specs_iter().any(|spec| is_wanted(spec));
            is_wanted(now.default_partition_spec()) || (!had && now.partition_specs_iter().any(|spec| is_wanted(spec)))
        }
        TableUpdate::SetDefaultSortOrder { .. } => {
            let is_wanted = |order: &SortOrder| order.fields == after.default_sort_order().fields;
            let had = before.sort_orders_iter().any(|order| is_wanted(order));
            is_wanted(now.default_sort_order()) || (!had && now.sort_orders_iter().any(|order| is_wanted(order)))
        }
        TableUpdate::UpgradeFormatVersion { format_version } => now.format_version() >= *format_version,
        TableUpdate::SetProperties { updates } => {
            updates.iter().all(|(key, value)| now.properties().get(key) == Some(value))
        }
        TableUpdate::RemoveProperties { removals } => removals.iter().all(|key| !now.properties().contains_key(key)),
        _ => true,
    })
}

/// Whether the request would still be taken.
pub(super) fn may_land(request: &CommitRequest, now: &TableMetadata) -> bool {
    request.requirements.iter().all(|requirement| requirement.check(Some(now)).is_ok())
}
