//! The commit that takes snapshots out of a table.
//!
//! It requires that all branches and tags point where they did when it was decided what expires. A second copy of it asks for
//! what the first has done.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use iceberg::spec::{MAIN_BRANCH, TableMetadata};
use iceberg::{TableRequirement, TableUpdate};

use super::retention::{Expiry, Wanted, expiry};
use super::unreachable::READ_CONCURRENCY;
use crate::catalog::{CommitRequest, Refs, Table, refs};
use crate::error::Result;
use crate::migrate::orphans::schemas_of_details;
use crate::pipeline::snapshot::{MetadataChange, Shown};

/// The change, and what it came to on the base that it was last decided on.
pub(super) struct Expire {
    wanted: Wanted,
    cleans_metadata: bool,
    now_ms: i64,
    decided: Mutex<Decided>,
}

#[derive(Debug, Clone, Default)]
struct Decided {
    expiry: Expiry,
    unused: Unused,
}

/// Schemas and partition specs that no snapshot uses.
#[derive(Debug, Clone, Default)]
struct Unused {
    schemas: Vec<i32>,
    specs: Vec<i32>,
}

impl Expire {
    pub fn new(wanted: Wanted, cleans_metadata: bool, now_ms: i64) -> Self {
        Self { wanted, cleans_metadata, now_ms, decided: Mutex::default() }
    }

    /// What expires.
    pub fn decided(&self) -> Expiry {
        self.last().expiry
    }

    fn last(&self) -> Decided {
        self.decided.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl MetadataChange for Expire {
    async fn request(&self, base: &Table) -> Result<Option<CommitRequest>> {
        let metadata = base.metadata.as_ref();
        let refs = refs(metadata)?;
        let expiry = expiry(metadata, &refs, &self.wanted, self.now_ms)?;
        let unused = if self.cleans_metadata { unused(base, &expiry).await? } else { Unused::default() };
        let updates = updates(metadata, &expiry, &unused);
        *self.decided.lock().unwrap_or_else(PoisonError::into_inner) = Decided { expiry, unused: unused.clone() };
        if updates.is_empty() {
            return Ok(None);
        }
        let mut requirements = requirements(metadata, &refs);
        if self.cleans_metadata {
            let (schema, spec) = (metadata.current_schema_id(), metadata.default_partition_spec_id());
            requirements.push(TableRequirement::CurrentSchemaIdMatch { current_schema_id: schema });
            requirements.push(TableRequirement::DefaultSpecIdMatch { default_spec_id: spec });
        }
        Ok(Some(CommitRequest { requirements, updates, ..CommitRequest::default() }))
    }

    fn shown(&self, base: &TableMetadata, now: &TableMetadata) -> Shown {
        let Decided { expiry, unused } = self.last();
        let is_done = expiry.snapshots.iter().all(|id| now.snapshot_by_id(*id).is_none())
            && expiry.refs.iter().all(|name| now.snapshot_for_ref(name).is_none())
            && unused.schemas.iter().all(|id| now.schema_by_id(*id).is_none())
            && unused.specs.iter().all(|id| now.partition_spec_by_id(*id).is_none());
        let Ok(before) = refs(base) else { return Shown::Unclear };
        let is_at = |(name, reference): (&String, &iceberg::spec::SnapshotReference)| {
            now.snapshot_for_ref(name).map(|snapshot| snapshot.snapshot_id()) == Some(reference.snapshot_id)
        };
        match is_done {
            true => Shown::Landed,
            // Whichever part of it is there came with another commit; the request still fits.
            false if before.iter().all(is_at) => Shown::Absent,
            false => Shown::Never,
        }
    }
}

/// All references stay where they are; none but these is made without its own commit.
fn requirements(metadata: &TableMetadata, refs: &Refs) -> Vec<TableRequirement> {
    let at = |name: &str, snapshot_id| TableRequirement::RefSnapshotIdMatch { r#ref: name.to_string(), snapshot_id };
    let mut requirements = vec![TableRequirement::UuidMatch { uuid: metadata.uuid() }];
    requirements.extend(refs.iter().map(|(name, reference)| at(name, Some(reference.snapshot_id))));
    if !refs.contains_key(MAIN_BRANCH) {
        requirements.push(at(MAIN_BRANCH, None));
    }
    requirements
}

/// In Java's order: references before the snapshots that they point to.
fn updates(metadata: &TableMetadata, expiry: &Expiry, unused: &Unused) -> Vec<TableUpdate> {
    let refs = expiry.refs.iter().map(|name| TableUpdate::RemoveSnapshotRef { ref_name: name.clone() });
    let mut updates: Vec<TableUpdate> = refs.collect();
    for id in &expiry.snapshots {
        let snapshot_id = *id;
        if metadata.statistics_for_snapshot(snapshot_id).is_some() {
            updates.push(TableUpdate::RemoveStatistics { snapshot_id });
        }
        if metadata.partition_statistics_for_snapshot(snapshot_id).is_some() {
            updates.push(TableUpdate::RemovePartitionStatistics { snapshot_id });
        }
    }
    if !expiry.snapshots.is_empty() {
        updates.push(TableUpdate::RemoveSnapshots { snapshot_ids: expiry.snapshots.clone() });
    }
    if !unused.specs.is_empty() {
        updates.push(TableUpdate::RemovePartitionSpecs { spec_ids: unused.specs.clone() });
    }
    if !unused.schemas.is_empty() {
        updates.push(TableUpdate::RemoveSchemas { schema_ids: unused.schemas.clone() });
    }
    updates
}

/// What none of the snapshots that stay uses, nor a record of a migration.
async fn unused(table: &Table, expiry: &Expiry) -> Result<Unused> {
    let metadata = &table.metadata;
    let gone: HashSet<i64> = expiry.snapshots.iter().copied().collect();
    let kept: Vec<_> = metadata.snapshots().filter(|snapshot| !gone.contains(&snapshot.snapshot_id())).collect();
    let mut schemas: BTreeSet<i32> = kept.iter().filter_map(|snapshot| snapshot.schema_id()).collect();
    schemas.insert(metadata.current_schema_id());
    schemas.extend(schemas_of_details(table).await?);
    // A snapshot that does not tell its schema may have any.
    let knows_schemas = kept.iter().all(|snapshot| snapshot.schema_id().is_some());
    let mut specs = BTreeSet::from([metadata.default_partition_spec_id()]);
    if metadata.partition_specs_iter().len() > 1 {
        let reads = kept.into_iter().map(|snapshot| async move {
            let manifests = table.manifest_list(snapshot).await?.consume_entries().into_iter();
            Ok::<_, crate::Error>(manifests.map(|manifest| manifest.partition_spec_id).collect::<BTreeSet<_>>())
        });
        let reads: Vec<_> = reads.collect();
        let mut reads = stream::iter(reads).buffer_unordered(READ_CONCURRENCY);
        while let Some(found) = reads.try_next().await? {
            specs.extend(found);
        }
    }
    let all_schemas = metadata.schemas_iter().map(|schema| schema.schema_id());
    let all_specs = metadata.partition_specs_iter().map(|spec| spec.spec_id());
    let mut unused = Unused {
        schemas: all_schemas.filter(|id| knows_schemas && !schemas.contains(id)).collect(),
        specs: all_specs.filter(|id| !specs.contains(id)).collect(),
    };
    unused.schemas.sort_unstable();
    unused.specs.sort_unstable();
    Ok(unused)
}
