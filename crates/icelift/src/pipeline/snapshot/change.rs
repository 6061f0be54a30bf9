//! Builds the request of a change: manifests, manifest list, snapshot, requirements.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use iceberg::spec::{
    FormatVersion, MAIN_BRANCH, ManifestContentType, ManifestFile, ManifestListWriter, ManifestWriter,
    ManifestWriterBuilder, Operation, PartitionSpec, Schema, SchemaRef, Snapshot, SnapshotRef, SnapshotReference,
    SnapshotRetention, StructType, Summary, TableMetadata, UnboundPartitionField,
};
use iceberg::{TableRequirement, TableUpdate};
use uuid::Uuid;

use super::merge::Merger;
use super::regroup::Regrouper;
use super::removal::{self, DeleteId, Removal};
use super::summary::{self, Moved};
use super::{Change, Effect};
use crate::catalog::{CommitOutcome, CommitRequest, Table, refs};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::values::{avro_name, is_avro_name};
use crate::storage::{Store, own_error};

/// What the summary of a snapshot says that names merged manifests in the place of so many of its parent's; as in Java.
pub(crate) const REPLACED_MANIFESTS: &str = "manifests-replaced";

/// A change that may be built several times, each time on another base.
pub(super) struct ChangeBuilder {
    id: Uuid,
    change: Change,
    /// Written for a snapshot id and schema that do not depend on the base, so it serves every attempt.
    manifest: Option<ManifestFile>,
    snapshot_id: i64,
    lists: Vec<String>,
    removal: Removal,
    merger: Merger,
    regrouper: Regrouper,
}

impl ChangeBuilder {
    pub fn new(id: Uuid, change: Change) -> Self {
        // As in Java: 63 bits of a random UUID.
        let (high, low) = id.as_u64_pair();
        let snapshot_id = ((high ^ low) & (i64::MAX as u64)) as i64;
        Self {
            id,
            change,
            manifest: None,
            snapshot_id,
            lists: Vec::new(),
            removal: Removal::default(),
            merger: Merger::default(),
            regrouper: Regrouper::default(),
        }
    }

    /// The partition spec of its files, if it names one.
    pub fn spec_id(&self) -> Option<i32> {
        self.change.spec_id
    }

    /// Whether its snapshot is in the table.
    pub fn is_in(&self, table: &TableMetadata) -> bool {
        table.snapshot_by_id(self.snapshot_id).is_some()
    }

    /// The request that appends to `base`, and the id of its snapshot.
    pub async fn request(&mut self, base: &Table) -> Result<(CommitRequest, i64)> {
        let metadata = &base.metadata;
        for precondition in &self.change.preconditions {
            precondition.check(base).await?;
        }
        let cargo = self.change.companion.on(metadata, self.snapshot_id)?;
        let parent = metadata.current_snapshot();
        let (written, listed) = tokio::join!(self.write_manifest(base), manifests_with_files(base, parent));
        // Whatever becomes of the list, a manifest that is written must be known to whoever cleans up.
        self.manifest = written?;
        let mut manifests: Vec<_> = self.manifest.iter().cloned().collect();
        if let Some(kept) = listed? {
            let kept = self.without_removed(base, kept).await?;
            let kept = self.regrouped(base, kept).await?;
            manifests.extend(self.merged(base, kept).await?);
        } else if self.change.removes_any() {
            return Err(removal::gone());
        }
        let location = format!(
            "{}/metadata/snap-{}-{}-{}{}.avro",
            metadata.location(),
            self.snapshot_id,
            self.lists.len() + 1,
            self.change.file_prefix,
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
        Ok((self.commit_request(base, snapshot, cargo.properties)?, self.snapshot_id))
    }

    fn commit_request(
        &self,
        base: &Table,
        snapshot: Snapshot,
        properties: HashMap<String, String>,
    ) -> Result<CommitRequest> {
        let metadata = &base.metadata;
        // How long its snapshots are kept is the branch's own: a commit does not change it.
        let known = refs(metadata)?.remove(MAIN_BRANCH);
        let retention = known.map_or(SnapshotRetention::branch(None, None, None), |known| known.retention);
        let reference = SnapshotReference::new(self.snapshot_id, retention);
        let mut request = base.staged.as_deref().cloned().unwrap_or_else(|| CommitRequest {
            create: None,
            requirements: self.requirements(metadata),
            updates: Vec::new(),
            author: None,
        });
        request.author = request.author.or(self.change.author);
        request.updates.push(TableUpdate::AddSnapshot { snapshot });
        request.updates.push(TableUpdate::SetSnapshotRef { ref_name: MAIN_BRANCH.to_string(), reference });
        if !properties.is_empty() {
            request.updates.push(TableUpdate::SetProperties { updates: properties });
        }
        Ok(request)
    }

    /// What must be as it is in the base when the commit is applied.
    fn requirements(&self, base: &TableMetadata) -> Vec<TableRequirement> {
        let (r#ref, snapshot_id) = (MAIN_BRANCH.to_string(), base.current_snapshot_id());
        let mut requirements = vec![
            TableRequirement::UuidMatch { uuid: base.uuid() },
            TableRequirement::RefSnapshotIdMatch { r#ref, snapshot_id },
        ];
        if self.change.holds_layout {
            requirements.extend([
                TableRequirement::CurrentSchemaIdMatch { current_schema_id: base.current_schema_id() },
                TableRequirement::DefaultSpecIdMatch { default_spec_id: base.default_partition_spec_id() },
            ]);
        }
        requirements
    }

    /// The parent's manifests without the files that the change removes.
    async fn without_removed(&mut self, base: &Table, kept: Vec<ManifestFile>) -> Result<Vec<ManifestFile>> {
        if !self.change.removes_any() {
            return Ok(kept);
        }
        let mut removal = std::mem::take(&mut self.removal);
        let without = removal.without(base, kept, self).await;
        self.removal = removal;
        without
    }

    /// The manifests that are kept, in the groups that the change asks for.
    async fn regrouped(&mut self, base: &Table, kept: Vec<ManifestFile>) -> Result<Vec<ManifestFile>> {
        let Some(regroup) = self.change.regroup.clone() else { return Ok(kept) };
        let mut regrouper = std::mem::take(&mut self.regrouper);
        let regrouped = regrouper.regrouped(base, kept, &regroup, self).await;
        self.regrouper = regrouper;
        regrouped
    }

    /// The manifests that are kept, fewer where it is time to merge them. Not for a snapshot that only moves the branch.
    async fn merged(&mut self, base: &Table, kept: Vec<ManifestFile>) -> Result<Vec<ManifestFile>> {
        let Some(new) = self.manifest.clone() else { return Ok(kept) };
        let mut merger = std::mem::take(&mut self.merger);
        // Those that were written for this change also list what it removes.
        let (own, kept): (Vec<_>, Vec<_>) = kept.into_iter().partition(|it| it.added_snapshot_id == self.snapshot_id);
        let merged = merger.merged(base, kept, Some(&new), self).await;
        self.merger = merger;
        Ok(own.into_iter().chain(merged?).collect())
    }

    /// Where the change's nth merged manifest goes.
    pub(super) fn merged_location(&self, metadata: &TableMetadata, number: usize) -> String {
        format!("{}/metadata/{}{}-merged{number}.avro", metadata.location(), self.change.file_prefix, self.id)
    }

    /// Where the change's nth manifest goes that is there for its order.
    pub(super) fn regrouped_location(&self, metadata: &TableMetadata, number: usize) -> String {
        format!("{}/metadata/{}{}-optimized-m{number}.avro", metadata.location(), self.change.file_prefix, self.id)
    }

    /// Where the change's nth manifest goes.
    pub(super) fn manifest_location(&self, metadata: &TableMetadata, number: usize) -> String {
        format!("{}/metadata/{}{}-m{number}.avro", metadata.location(), self.change.file_prefix, self.id)
    }

    /// A writer of a manifest with data files of one partition spec.
    pub(super) fn manifest_writer(&self, base: &Table, spec: &PartitionSpec, location: &str) -> Result<ManifestWriter> {
        self.writer_of(ManifestContentType::Data, base, spec, location)
    }

    /// A writer of a manifest with entries of one sort and one partition spec.
    pub(super) fn writer_of(
        &self,
        content: ManifestContentType,
        base: &Table,
        spec: &PartitionSpec,
        location: &str,
    ) -> Result<ManifestWriter> {
        let metadata = &base.metadata;
        let failed = |source: iceberg::Error| write_failed("the manifest", location, source);
        let output = base.file_io.new_output(location).map_err(failed)?;
        let schema = schema_of(metadata, spec);
        let spec = avro_spec(spec, &schema).map_err(failed)?;
        let builder = ManifestWriterBuilder::new(output, Some(self.snapshot_id), schema, spec);
        Ok(match (metadata.format_version(), content) {
            (FormatVersion::V1, _) => builder.build_v1(),
            (FormatVersion::V2, ManifestContentType::Data) => builder.build_v2_data(),
            (FormatVersion::V2, ManifestContentType::Deletes) => builder.build_v2_deletes(),
            (FormatVersion::V3, ManifestContentType::Data) => builder.build_v3_data(),
            (FormatVersion::V3, ManifestContentType::Deletes) => builder.build_v3_deletes(),
        })
    }

    pub(super) fn removes(&self, location: &str) -> bool {
        self.change.remove.contains(location)
    }

    pub(super) fn removed_count(&self) -> usize {
        self.change.remove.len()
    }

    pub(super) fn removed_deletes(&self) -> &HashSet<DeleteId> {
        &self.change.remove_deletes
    }

    /// The manifest of the change's files, if it has any: written by its first attempt.
    async fn write_manifest(&self, base: &Table) -> Result<Option<ManifestFile>> {
        if self.manifest.is_some() || self.change.files.is_empty() {
            return Ok(self.manifest.clone());
        }
        let location = self.manifest_location(&base.metadata, 0);
        let failed = |source: iceberg::Error| write_failed("the manifest", &location, source);
        let metadata = &base.metadata;
        let named = self.change.spec_id.and_then(|spec_id| metadata.partition_spec_by_id(spec_id));
        let mut writer = self.manifest_writer(base, named.unwrap_or(metadata.default_partition_spec()), &location)?;
        // A negative sequence number is left open: the commit gives it. Format 1 has none.
        let given = self.change.data_sequence.filter(|_| metadata.format_version() != FormatVersion::V1);
        for file in &self.change.files {
            writer.add_file(file.clone(), given.unwrap_or(-1)).map_err(failed)?;
        }
        writer.write_manifest_file().await.map(Some).map_err(failed)
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
        let Removal { removed, removed_deletes, .. } = &self.removal;
        let moved = Moved { added: &self.change.files, removed, removed_deletes };
        let mut additional_properties = summary::summary(&moved, previous);
        if self.merger.replaced_count > 0 {
            additional_properties.insert(REPLACED_MANIFESTS.to_string(), self.merger.replaced_count.to_string());
        }
        additional_properties.extend(self.regrouper.summary());
        additional_properties.extend(more);
        let operation = match (self.change.effect, self.change.removes_any(), self.change.files.is_empty()) {
            (Effect::Layout, _, _) => Operation::Replace,
            (Effect::Rows, false, _) => Operation::Append,
            (Effect::Rows, true, true) => Operation::Delete,
            (Effect::Rows, true, false) => Operation::Overwrite,
        };
        Summary { operation, additional_properties }
    }

    /// The commit will not land: removes the metadata files that were written for it.
    pub async fn cleaned_up(&self, store: &Store, error: Error) -> CommitOutcome {
        let manifest = self.manifest.iter().map(|manifest| manifest.manifest_path.as_str());
        let rewritten = self.removal.written.iter().chain(&self.merger.written).chain(&self.regrouper.written);
        let rewritten = rewritten.map(String::as_str);
        remove(store, manifest.chain(rewritten).chain(self.lists.iter().map(String::as_str))).await;
        CommitOutcome::NotLanded(error)
    }

    /// The commit has landed: removes the manifest lists of the attempts that lost their race.
    pub async fn landed(&self, store: &Store) -> CommitOutcome {
        let lost = self.lists.len().saturating_sub(1);
        let rewritten = self.removal.superseded.iter().chain(&self.merger.superseded);
        let rewritten = rewritten.chain(&self.regrouper.superseded).map(String::as_str);
        remove(store, rewritten.chain(self.lists[..lost].iter().map(String::as_str))).await;
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

/// The manifests in which a snapshot has files, if there is a snapshot.
async fn manifests_with_files(base: &Table, snapshot: Option<&SnapshotRef>) -> Result<Option<Vec<ManifestFile>>> {
    let Some(snapshot) = snapshot else { return Ok(None) };
    let manifests = base.manifest_list(snapshot).await?.consume_entries().into_iter();
    Ok(Some(manifests.filter(|it| it.has_added_files() || it.has_existing_files()).collect()))
}

/// The schema that a manifest of the spec is written with: the newest that has all columns which the spec needs. A column that
/// was dropped may still partition older files.
fn schema_of(metadata: &TableMetadata, spec: &PartitionSpec) -> SchemaRef {
    let fits = |schema: &&SchemaRef| spec.partition_type(schema).is_ok();
    let current = metadata.current_schema();
    if fits(&current) {
        return current.clone();
    }
    let newest = metadata.schemas_iter().filter(fits).max_by_key(|schema| schema.schema_id());
    newest.unwrap_or(current).clone()
}

/// The types of partition values in a manifest of the spec that is written now.
pub(super) fn partition_type(metadata: &TableMetadata, spec: &PartitionSpec) -> Option<StructType> {
    spec.partition_type(&schema_of(metadata, spec)).ok()
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

pub(super) fn write_failed(what: &str, location: &str, source: iceberg::Error) -> Error {
    let own = own_error(&source);
    let kind = own.map_or(ErrorKind::Write, Error::kind);
    let hint =
        own.and_then(Error::advice).unwrap_or("check the space left and the rights on the warehouse").to_string();
    Error::new(kind, format!("{what} `{location}` cannot be written")).stage(Stage::Snapshot).hint(hint).source(source)
}
