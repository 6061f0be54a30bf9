//! Builds the request of an append: manifest, manifest list, snapshot, requirements.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use iceberg::spec::{
    FormatVersion, MAIN_BRANCH, ManifestFile, ManifestListWriter, ManifestWriterBuilder, Operation, PartitionSpec,
    Schema, SchemaRef, Snapshot, SnapshotReference, SnapshotRetention, Summary, TableMetadata, UnboundPartitionField,
};
use iceberg::{TableRequirement, TableUpdate};
use uuid::Uuid;

use super::{Change, summary};
use crate::catalog::{CommitOutcome, CommitRequest, Table};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::values::{avro_name, is_avro_name};
use crate::storage::{Store, own_error};

/// An append that may be built several times, each time on another base.
pub(super) struct Append {
    id: Uuid,
    change: Change,
    /// Written for a snapshot id and schema that do not depend on the base, so it serves every attempt.
    manifest: Option<ManifestFile>,
    snapshot_id: i64,
    lists: Vec<String>,
}

impl Append {
    pub fn new(id: Uuid, change: Change) -> Self {
        // As in Java: 63 bits of a random UUID.
        let (high, low) = id.as_u64_pair();
        let snapshot_id = ((high ^ low) & (i64::MAX as u64)) as i64;
        Self { id, change, manifest: None, snapshot_id, lists: Vec::new() }
    }

    /// Whether its snapshot is in the table.
    pub fn is_in(&self, table: &TableMetadata) -> bool {
        table.snapshot_by_id(self.snapshot_id).is_some()
    }

    /// The request that appends to `base`, and the id of its snapshot.
    pub async fn request(&mut self, base: &Table) -> Result<(CommitRequest, i64)> {
        let metadata = &base.metadata;
        let cargo = self.change.companion.on(metadata, self.snapshot_id)?;
        if self.manifest.is_none() && !self.change.files.is_empty() {
            self.manifest = Some(self.write_manifest(base).await?);
        }
        let parent = metadata.current_snapshot();
        let mut manifests: Vec<_> = self.manifest.iter().cloned().collect();
        if let Some(parent) = parent {
            let kept = base.manifest_list(parent).await?.consume_entries();
            manifests.extend(kept.into_iter().filter(|it| it.has_added_files() || it.has_existing_files()));
        }
        let location = format!(
            "{}/metadata/snap-{}-{}-{}.avro",
            metadata.location(),
            self.snapshot_id,
            self.lists.len() + 1,
            self.id
        );
        self.lists.push(location.clone());
        let row_range = self.write_list(base, &location, manifests).await?;
        let builder = Snapshot::builder()
            .with_snapshot_id(self.snapshot_id)
            .with_parent_snapshot_id(parent.map(|parent| parent.snapshot_id()))
            .with_sequence_number(metadata.next_sequence_number())
            .with_timestamp_ms(chrono::Utc::now().timestamp_millis())
            .with_manifest_list(location)
            .with_summary(self.summary(base, cargo.summary))
            .with_schema_id(metadata.current_schema_id());
        let snapshot = match row_range {
            Some((first_row_id, rows)) => builder.with_row_range(first_row_id, rows).build(),
            None => builder.build(),
        };
        Ok((self.commit_request(base, snapshot, cargo.properties), self.snapshot_id))
    }

    fn commit_request(&self, base: &Table, snapshot: Snapshot, properties: HashMap<String, String>) -> CommitRequest {
        let metadata = &base.metadata;
        let reference = SnapshotReference::new(self.snapshot_id, SnapshotRetention::branch(None, None, None));
        let mut request = base.staged.as_deref().cloned().unwrap_or_else(|| CommitRequest {
            create: None,
            requirements: vec![
                TableRequirement::UuidMatch { uuid: metadata.uuid() },
                TableRequirement::RefSnapshotIdMatch {
                    r#ref: MAIN_BRANCH.to_string(),
                    snapshot_id: metadata.current_snapshot_id(),
                },
            ],
            updates: Vec::new(),
        });
        request.updates.push(TableUpdate::AddSnapshot { snapshot });
        request.updates.push(TableUpdate::SetSnapshotRef { ref_name: MAIN_BRANCH.to_string(), reference });
        if !properties.is_empty() {
            request.updates.push(TableUpdate::SetProperties { updates: properties });
        }
        request
    }

    async fn write_manifest(&self, base: &Table) -> Result<ManifestFile> {
        let metadata = &base.metadata;
        let location = format!("{}/metadata/{}-m0.avro", metadata.location(), self.id);
        let failed = |source: iceberg::Error| write_failed("the manifest", &location, source);
        let output = base.file_io.new_output(&location).map_err(failed)?;
        let schema = metadata.current_schema().clone();
        let spec = avro_spec(metadata.default_partition_spec(), &schema).map_err(failed)?;
        let builder = ManifestWriterBuilder::new(output, Some(self.snapshot_id), schema, spec);
        let mut writer = match metadata.format_version() {
            FormatVersion::V1 => builder.build_v1(),
            FormatVersion::V2 => builder.build_v2_data(),
            FormatVersion::V3 => builder.build_v3_data(),
        };
        for file in &self.change.files {
            // A negative sequence number is left open: the commit gives it.
            writer.add_file(file.clone(), -1).map_err(failed)?;
        }
        writer.write_manifest_file().await.map_err(failed)
    }

    /// Writes the list; for format 3 returns the row ids that it assigned.
    async fn write_list(
        &self,
        base: &Table,
        location: &str,
        manifests: Vec<ManifestFile>,
    ) -> Result<Option<(u64, u64)>> {
        let metadata = &base.metadata;
        let failed = |source: iceberg::Error| write_failed("the manifest list", location, source);
        let output = base.file_io.new_output(location).map_err(failed)?;
        let file = output.writer().await.map_err(failed)?;
        let (parent, sequence) = (metadata.current_snapshot_id(), metadata.next_sequence_number());
        let first_row_id = metadata.next_row_id();
        let mut writer = match metadata.format_version() {
            FormatVersion::V1 => ManifestListWriter::v1(file, self.snapshot_id, parent),
            FormatVersion::V2 => ManifestListWriter::v2(file, self.snapshot_id, parent, sequence),
            FormatVersion::V3 => ManifestListWriter::v3(file, self.snapshot_id, parent, sequence, Some(first_row_id)),
        };
        writer.add_manifests(manifests.into_iter()).map_err(failed)?;
        let next_row_id = writer.next_row_id();
        writer.close().await.map_err(failed)?;
        let assigned = next_row_id.map(|next| (first_row_id, next.saturating_sub(first_row_id)));
        Ok(assigned.filter(|_| metadata.format_version() == FormatVersion::V3))
    }

    fn summary(&self, base: &Table, more: HashMap<String, String>) -> Summary {
        let previous = base.metadata.current_snapshot().map(|snapshot| snapshot.summary());
        let mut additional_properties = summary::append(&self.change.files, previous);
        additional_properties.extend(more);
        Summary { operation: Operation::Append, additional_properties }
    }

    /// The commit will not land: removes the metadata files that were written for it.
    pub async fn cleaned_up(&self, store: &Store, error: Error) -> CommitOutcome {
        let manifest = self.manifest.iter().map(|manifest| manifest.manifest_path.as_str());
        remove(store, manifest.chain(self.lists.iter().map(String::as_str))).await;
        CommitOutcome::NotLanded(error)
    }

    /// The commit has landed: removes the manifest lists of the attempts that lost their race.
    pub async fn landed(&self, store: &Store) -> CommitOutcome {
        let lost = self.lists.len().saturating_sub(1);
        remove(store, self.lists[..lost].iter().map(String::as_str)).await;
        CommitOutcome::Landed
    }
}

async fn remove(store: &Store, locations: impl Iterator<Item = &str>) {
    for location in locations {
        if let Err(error) = store.delete(location).await {
            tracing::warn!(location, %error, "a metadata file of a lost commit could not be removed");
        }
    }
}

/// The spec with names that Avro takes: the manifest's partition record is made of them. Readers go by field ids.
fn avro_spec(spec: &PartitionSpec, schema: &SchemaRef) -> iceberg::Result<PartitionSpec> {
    if spec.fields().iter().all(|field| is_avro_name(&field.name)) {
        return Ok(spec.clone());
    }
    // Bound to a schema of the source columns alone, so that no new name meets that of a column.
    let sources = spec.fields().iter().filter_map(|field| schema.field_by_id(field.source_id));
    let mut ids = HashSet::new();
    let renamed = sources.filter(|source| ids.insert(source.id)).map(|source| {
        let mut renamed = source.as_ref().clone();
        renamed.name = format!("source_{}", source.id);
        Arc::new(renamed)
    });
    let sources = Schema::builder().with_schema_id(schema.schema_id()).with_fields(renamed).build()?;
    let mut builder = PartitionSpec::builder(sources).with_spec_id(spec.spec_id());
    for field in spec.fields() {
        let unbound = UnboundPartitionField { name: avro_name(&field.name), ..field.clone().into_unbound() };
        builder = builder.add_unbound_field(unbound)?;
    }
    builder.build()
}

fn write_failed(what: &str, location: &str, source: iceberg::Error) -> Error {
    let own = own_error(&source);
    let kind = own.map_or(ErrorKind::Write, Error::kind);
    let hint =
        own.and_then(Error::advice).unwrap_or("check the space left and the rights on the warehouse").to_string();
    Error::new(kind, format!("{what} `{location}` cannot be written")).stage(Stage::Snapshot).hint(hint).source(source)
}
