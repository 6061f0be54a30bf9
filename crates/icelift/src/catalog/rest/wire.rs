//! Bodies of the protocol. None of them prints: they hold keys and tokens.

use std::collections::HashMap;

use iceberg::spec::{Schema, SortOrder, UnboundPartitionSpec};
use iceberg::{NamespaceIdent, TableIdent, TableRequirement, TableUpdate};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Properties as servers send them, who also send null.
type Loose = HashMap<String, Option<String>>;

#[derive(Deserialize, Default)]
pub(super) struct ConfigReply {
    #[serde(default)]
    pub defaults: Option<Loose>,
    #[serde(default)]
    pub overrides: Option<Loose>,
    #[serde(default)]
    pub endpoints: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct NamespacesReply {
    pub namespaces: Vec<Vec<String>>,
    #[serde(default)]
    pub next_page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct TablesReply {
    pub identifiers: Vec<TableName>,
    #[serde(default)]
    pub next_page_token: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct TableName {
    pub namespace: Vec<String>,
    pub name: String,
}

/// The answer to loadTable, createTable and updateTable.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct TableReply {
    #[serde(default)]
    pub metadata_location: Option<String>,
    /// Parsed in a second step, so that what is wrong with it can be said.
    pub metadata: Value,
    #[serde(default)]
    pub config: Option<Loose>,
    #[serde(default)]
    pub storage_credentials: Option<Vec<StorageCredential>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct CredentialsReply {
    pub storage_credentials: Vec<StorageCredential>,
}

#[derive(Deserialize, Clone)]
pub(super) struct StorageCredential {
    pub prefix: String,
    #[serde(default, deserialize_with = "without_nulls")]
    pub config: HashMap<String, String>,
}

fn without_nulls<'de, D: Deserializer<'de>>(source: D) -> Result<HashMap<String, String>, D::Error> {
    Option::<Loose>::deserialize(source).map(given)
}

#[derive(Serialize)]
pub(super) struct CreateNamespaceBody<'a> {
    pub namespace: &'a NamespaceIdent,
    pub properties: &'a HashMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct CreateTableBody<'a> {
    pub name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<&'a str>,
    pub schema: &'a Schema,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition_spec: Option<&'a UnboundPartitionSpec>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_order: Option<&'a SortOrder>,
    pub stage_create: bool,
    pub properties: &'a HashMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct RegisterTableBody<'a> {
    pub name: &'a str,
    pub metadata_location: &'a str,
}

#[derive(Serialize)]
pub(super) struct RenameBody<'a> {
    pub source: &'a TableIdent,
    pub destination: &'a TableIdent,
}

#[derive(Serialize)]
pub(super) struct CommitBody<'a> {
    pub requirements: &'a [TableRequirement],
    pub updates: &'a [TableUpdate],
}

/// Properties without those that are null.
pub(super) fn given(loose: Option<Loose>) -> HashMap<String, String> {
    loose.unwrap_or_default().into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}
