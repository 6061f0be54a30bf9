//! Creates tables: staged on the server, which says where the table will be and gives keys for it, and created by the commit
//! that brings the first rows.
//!
//! Servers count field ids anew. Where the given ids must be kept and differ, the commit adds a second schema and spec behind
//! those of the staged table. It names both in the order in which the server numbered them, because there are two kinds
//! of servers: Java's builds the table from the updates alone, Lakekeeper's and SeaweedFS's from what they staged. Either way
//! the given schema and spec come out with the same numbers, and these are in manifests and snapshots.
//! Partitions and order are not staged then: a spec of the renumbered schema would stay behind, with field ids that clash.

use std::collections::HashMap;

use iceberg::spec::{PartitionSpec, Schema, SortOrder, TableMetadata};
use iceberg::{TableIdent, TableRequirement, TableUpdate};

use super::Rest;
use super::call::{Call, Operation};
use super::failure::Failure;
use super::namespaces::{namespace_not_found, unwritable};
use super::rules::taken_properties;
use super::tables::Answered;
use super::wire::CreateTableBody;
use crate::catalog::{CommitOutcome, CommitRequest, NewTable, Table, is_same_schema};
use crate::error::{Error, ErrorKind, Result, Stage};

/// Stands for the newest schema, spec or order of a request.
const LAST_ADDED: i32 = -1;

/// What a table shall be.
struct Wanted {
    /// With the ids to keep, somewhere.
    metadata: TableMetadata,
    location: Option<String>,
    properties: HashMap<String, String>,
    /// Whether ids that the server gives must be replaced.
    keeps_ids: bool,
    /// Whether the server will leave the ids alone, as they are those that it would give.
    has_fresh_ids: bool,
}

impl Wanted {
    fn new(table: NewTable) -> Result<Self> {
        let (location, keeps_ids) = (table.location.clone(), table.keep_field_ids);
        let nowhere = "s3://nowhere";
        let fresh = NewTable { keep_field_ids: false, ..table.clone() }.metadata(nowhere.to_string())?;
        let metadata = table.metadata(nowhere.to_string())?;
        let has_fresh_ids = is_same_schema(fresh.current_schema(), metadata.current_schema());
        let properties = metadata.properties().clone();
        Ok(Self { metadata, location, properties, keeps_ids, has_fresh_ids })
    }

    fn schema(&self) -> &Schema {
        self.metadata.current_schema()
    }

    fn spec(&self) -> &PartitionSpec {
        self.metadata.default_partition_spec()
    }

    fn order(&self) -> &SortOrder {
        self.metadata.default_sort_order()
    }

    /// The updates that the staged table lacks.
    fn missing(&self, staged: &TableMetadata) -> Vec<TableUpdate> {
        let mut updates = Vec::new();
        if !self.keeps_ids {
            return updates;
        }
        if !is_same_schema(staged.current_schema(), self.schema()) {
            updates.push(TableUpdate::AddSchema { schema: self.schema().clone() });
            updates.push(TableUpdate::SetCurrentSchema { schema_id: LAST_ADDED });
        }
        if staged.default_partition_spec().fields() != self.spec().fields() {
            updates.push(TableUpdate::AddSpec { spec: self.spec().clone().into_unbound() });
            updates.push(TableUpdate::SetDefaultSpec { spec_id: LAST_ADDED });
        }
        if staged.default_sort_order().fields != self.order().fields {
            updates.push(TableUpdate::AddSortOrder { sort_order: self.order().clone() });
            updates.push(TableUpdate::SetDefaultSortOrder { sort_order_id: i64::from(LAST_ADDED) });
        }
        updates
    }
}

/// What makes a table of nothing, in the order that the specification's clients keep.
fn creation(staged: &TableMetadata, properties: HashMap<String, String>) -> Vec<TableUpdate> {
    let mut updates = vec![
        TableUpdate::AssignUuid { uuid: staged.uuid() },
        TableUpdate::UpgradeFormatVersion { format_version: staged.format_version() },
        TableUpdate::AddSchema { schema: staged.current_schema().as_ref().clone() },
        TableUpdate::SetCurrentSchema { schema_id: LAST_ADDED },
        TableUpdate::AddSpec { spec: staged.default_partition_spec().as_ref().clone().into_unbound() },
        TableUpdate::SetDefaultSpec { spec_id: LAST_ADDED },
        TableUpdate::AddSortOrder { sort_order: staged.default_sort_order().as_ref().clone() },
        TableUpdate::SetDefaultSortOrder { sort_order_id: i64::from(LAST_ADDED) },
        // R2 refuses another location than the one it staged.
        TableUpdate::SetLocation { location: staged.location().to_string() },
    ];
    if !properties.is_empty() {
        updates.push(TableUpdate::SetProperties { updates: properties });
    }
    updates
}

impl Rest {
    /// Describes a table on the server. Its first commit creates it.
    pub async fn stage(&self, table: NewTable) -> Result<Table> {
        let ident = table.ident.clone();
        let rules = self.client.rules.as_ref();
        let mut wanted = Wanted::new(table).map_err(|error| error.place(Stage::Catalog, &self.table_name(&ident)))?;
        wanted.properties = taken_properties(rules, &ident, wanted.properties);
        let answered = match self.ask_for_table(Operation::StageTable, &ident, &wanted).await {
            Ok(answered) => answered?,
            Err(failure) if cannot_stage(&failure) => return self.create(&ident, wanted).await,
            Err(failure) => return Err(self.of_new_table(failure, &ident)),
        };
        if answered.metadata.current_snapshot().is_some() {
            // SeaweedFS answers with the table that has the name.
            return Err(self.table_exists(&ident));
        }
        let staged = &answered.metadata;
        let served = staged.properties().iter().filter(|(key, _)| rules.takes_property(key));
        let mut properties: HashMap<_, _> = served.map(|(key, value)| (key.clone(), value.clone())).collect();
        properties.extend(wanted.properties.clone());
        let mut updates = creation(staged, properties);
        let missing = wanted.missing(staged);
        updates.extend(missing.clone());
        let metadata = self.with_updates(&ident, staged, missing)?;
        let store = self.stores.table(&self.client, &ident, metadata.location(), &answered.config)?;
        let mut table = Table::staged(self.table_name(&ident), metadata, store);
        let (create, requirements) = (Some(table.metadata.clone()), vec![TableRequirement::NotExist]);
        table.staged = Some(CommitRequest { create, requirements, updates, author: None }.into());
        Ok(table)
    }

    /// For servers that cannot stage: creates the table at once. It is there, empty, before its rows are, and stays if they
    /// never come. What the server cannot keep of the ids is put right by a second commit.
    async fn create(&self, ident: &TableIdent, wanted: Wanted) -> Result<Table> {
        tracing::warn!(table = %ident, "the catalog cannot stage tables: this one is there before its rows are");
        let answered = match self.ask_for_table(Operation::CreateTable, ident, &wanted).await {
            Ok(answered) => answered?,
            Err(failure) if failure.is_doubtful => return Err(self.maybe_created(failure, ident)),
            Err(failure) => return Err(self.of_new_table(failure, ident)),
        };
        let missing = wanted.missing(&answered.metadata);
        if missing.is_empty() {
            let store = self.stores.table(&self.client, ident, answered.metadata.location(), &answered.config)?;
            let (name, file_io) = (self.table_name(ident), store.file_io());
            let Answered { metadata, metadata_location, .. } = answered;
            return Ok(Table { name, metadata: metadata.into(), metadata_location, store, file_io, staged: None });
        }
        let requirements = vec![
            TableRequirement::UuidMatch { uuid: answered.metadata.uuid() },
            TableRequirement::CurrentSchemaIdMatch { current_schema_id: answered.metadata.current_schema_id() },
        ];
        match self
            .send_commit(ident, CommitRequest { requirements, updates: missing, ..CommitRequest::default() })
            .await
        {
            CommitOutcome::Landed => self.load(ident).await,
            CommitOutcome::NotLanded(error) | CommitOutcome::Unknown(error) => Err(error),
        }
    }

    /// Asks the server to stage or create the table. Outside is the call, inside what its answer says.
    async fn ask_for_table(
        &self,
        operation: Operation,
        ident: &TableIdent,
        wanted: &Wanted,
    ) -> Result<Result<Answered>, Failure> {
        match self.table_call(operation, ident, wanted) {
            Ok(call) => Ok(self.read(ident, self.client.json(&call).await?)),
            Err(error) => Ok(Err(error)),
        }
    }

    fn table_call(&self, operation: Operation, ident: &TableIdent, wanted: &Wanted) -> Result<Call> {
        let spec = wanted.spec().clone().into_unbound();
        let stays = wanted.has_fresh_ids || !wanted.keeps_ids;
        let version = (wanted.metadata.format_version() as u8).to_string();
        let mut properties = wanted.properties.clone();
        properties.insert("format-version".to_string(), version);
        let body = CreateTableBody {
            name: &ident.name,
            location: wanted.location.as_deref(),
            schema: wanted.schema(),
            partition_spec: Some(&spec).filter(|spec| stays && !spec.fields().is_empty()),
            write_order: Some(wanted.order()).filter(|order| stays && !order.is_unsorted()),
            stage_create: operation == Operation::StageTable,
            properties: &properties,
        };
        let body = serde_json::to_vec(&body).map_err(unwritable)?;
        Ok(Call::new(operation, self.client.paths.tables(&ident.namespace)?).table(ident).body(body))
    }

    fn with_updates(
        &self,
        ident: &TableIdent,
        staged: &TableMetadata,
        updates: Vec<TableUpdate>,
    ) -> Result<TableMetadata> {
        if updates.is_empty() {
            return Ok(staged.clone());
        }
        let failed = |source: iceberg::Error| {
            Error::new(ErrorKind::Sql, format!("the table cannot be created: {}", source.message()))
                .place(Stage::Catalog, &self.table_name(ident))
                .source(source)
        };
        let builder = staged.clone().into_builder(None);
        let built = updates.into_iter().try_fold(builder, |builder, update| update.apply(builder));
        Ok(built.and_then(|builder| builder.build()).map_err(failed)?.metadata)
    }

    fn of_new_table(&self, failure: Failure, ident: &TableIdent) -> Error {
        match failure.cause.refusal() {
            Some(refusal) if refusal.is_not_found() => namespace_not_found(&self.client.catalog, &ident.namespace),
            Some(refusal) if refusal.is_named(&["AlreadyExistsException"]) => self.table_exists(ident),
            _ => self.client.error(failure),
        }
    }

    pub fn table_exists(&self, ident: &TableIdent) -> Error {
        Error::new(ErrorKind::AlreadyExists, format!("the table {} exists already", self.table_name(ident)))
            .hint("CREATE TABLE IF NOT EXISTS leaves it as it is")
    }

    fn maybe_created(&self, failure: Failure, ident: &TableIdent) -> Error {
        Error::new(ErrorKind::CommitUnknown, "it is not known whether the table was created")
            .place(Stage::Catalog, &self.table_name(ident))
            .hint("look whether it is there before you run the statement again")
            .source(self.client.error(failure))
    }
}

/// Whether the server creates tables but cannot stage them.
fn cannot_stage(failure: &Failure) -> bool {
    let Some(refusal) = failure.cause.refusal() else { return false };
    let unsupported = ["UnsupportedOperationException", "NotImplementedException"];
    match refusal.status {
        405 | 406 | 501 => true,
        400 | 422 => refusal.is_named(&unsupported) || names_staging(&refusal.text, failure.call.table.as_ref()),
        _ => false,
    }
}

/// Whether the message is about `stage-create`, in any spelling, and not about something of such a name.
fn names_staging(message: &str, table: Option<&TableIdent>) -> bool {
    let message = message.to_lowercase();
    let names: Vec<_> = table.into_iter().flat_map(|table| table.namespace.iter().chain([&table.name])).collect();
    let words = message.split(|letter: char| !letter.is_alphanumeric() && !"-_".contains(letter));
    let words: Vec<_> =
        words.filter(|word| !word.is_empty() && !names.iter().any(|name| name.to_lowercase() == **word)).collect();
    let is_pair = |pair: &[&str]| {
        matches!(pair, ["stage", "create" | "creation"] | ["staged" | "staging", "create" | "table" | "tables"])
    };
    words.iter().any(|word| ["stage-create", "stage_create", "stagecreate"].contains(word))
        || words.windows(2).any(is_pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_such_a_name_is_not_what_cannot_be_staged() {
        let table = TableIdent::from_strs(["staging", "stage_create_log"]).unwrap();
        for message in
            ["Stage create is not supported", "no stage-create", "`stageCreate`: false only", "staged tables?"]
        {
            assert!(names_staging(message, Some(&table)), "{message}");
            assert!(names_staging(message, None), "{message}");
        }
        for message in ["bad table staging.stage_create_log", "bad column `stage`", "bad column `stage-created`"] {
            assert!(!names_staging(message, Some(&table)), "{message}");
        }
        // A name that is a part of the words does not hide them.
        let table = TableIdent::from_strs(["n", "t"]).unwrap();
        assert!(names_staging("Stage create is not supported", Some(&table)));
    }
}
