//! `TYPE rest`: any server of the Iceberg REST protocol.
//!
//! Options, by Iceberg's names: `uri`, `warehouse`, `prefix`; `token`, or `credential` with `oauth2-server-uri`, `scope`,
//! `audience` and `resource`; `header.<name>`; `ssl.cabundle`, a PEM file of further authorities to trust;
//! `rest-page-size`; `rest.client.connection-timeout-ms`, `rest.client.socket-timeout-ms` (the limit of a whole call),
//! `rest.client.max-retries`, `rest.client.retry-timeout-ms`; and `s3.…`.
//!
//! What must hold: every call has a time limit; a commit says what is known of it; tables are reached with the user's keys or
//! those that the catalog vends, never with others; no token and no key is in a message.

mod auth;
pub(super) mod call;
mod client;
mod commit;
mod committed;
mod create;
mod endpoints;
mod failure;
mod http;
mod namespaces;
mod pages;
pub(super) mod paths;
mod register;
mod rename;
mod retry;
pub(super) mod rules;
pub(super) mod settings;
mod stores;
mod tables;
#[cfg(test)]
mod tests;
mod vended;
mod wire;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use iceberg::{NamespaceIdent, TableIdent};
use tokio_util::task::TaskTracker;

use self::client::Client;
use self::committed::Committed;
use self::rules::{Plain, Rules};
use self::settings::Settings;
use self::stores::Stores;
use super::{Catalog, CommitOutcome, CommitRequest, Dropped, ListedTable, NewTable, Table};
use crate::error::Result;
use crate::options::Options;
use crate::storage::Store;

/// A catalog behind the REST protocol.
#[derive(Debug)]
pub(super) struct Rest {
    client: Arc<Client>,
    stores: Stores,
    page_size: Option<u32>,
    committed: Committed,
}

impl Rest {
    /// Opens a catalog of `TYPE rest`.
    pub async fn open(warehouse: Option<String>, mut options: Options, cleanup: &TaskTracker) -> Result<Self> {
        let settings = Settings::take(&mut options, warehouse).await?;
        options.finish()?;
        Self::connect(settings, Arc::new(Plain), cleanup).await
    }

    /// Asks the server for its configuration.
    pub async fn connect(mut settings: Settings, rules: Arc<dyn Rules>, cleanup: &TaskTracker) -> Result<Self> {
        let client = Arc::new(Client::connect(&mut settings, rules).await?);
        let Settings { s3, keys, page_size, .. } = settings;
        let root = Store::s3(s3.clone(), Arc::new(stores::NoTable), cleanup.clone());
        Ok(Self { client, stores: Stores::new(root, s3, keys), page_size, committed: Committed::default() })
    }
}

#[async_trait]
impl Catalog for Rest {
    fn store(&self) -> &Store {
        &self.stores.root
    }

    fn calls(&self) -> u64 {
        self.client.calls()
    }

    fn clock_ahead_seconds(&self) -> Option<i64> {
        self.client.clock_ahead_seconds()
    }

    async fn list_namespaces(&self) -> Result<Vec<NamespaceIdent>> {
        self.namespaces().await
    }

    async fn create_namespace(&self, namespace: &NamespaceIdent, properties: HashMap<String, String>) -> Result<()> {
        self.add_namespace(namespace, properties).await
    }

    async fn drop_namespace(&self, namespace: &NamespaceIdent) -> Result<()> {
        self.remove_namespace(namespace).await
    }

    async fn list_tables(&self, namespace: &NamespaceIdent) -> Result<Vec<ListedTable>> {
        self.tables(namespace).await
    }

    async fn load_table(&self, ident: &TableIdent) -> Result<Table> {
        self.load(ident).await
    }

    fn committed(&self, known: &Table) -> Option<Table> {
        self.committed.table(known)
    }

    fn check_new_table(&self, ident: &TableIdent, location: Option<&str>) -> Result<()> {
        self.client.rules.check_new_table(ident, location)
    }

    async fn stage_table(&self, table: NewTable) -> Result<Table> {
        self.stage(table).await
    }

    async fn register_table(&self, ident: &TableIdent, metadata_location: &str) -> Result<Table> {
        self.register(ident, metadata_location).await
    }

    async fn drop_table(&self, ident: &TableIdent) -> Result<Dropped> {
        self.remove(ident).await
    }

    async fn rename_table(&self, from: &TableIdent, to: &TableIdent) -> Result<()> {
        self.rename(from, to).await
    }

    async fn commit(&self, ident: &TableIdent, request: CommitRequest) -> CommitOutcome {
        self.send_commit(ident, request).await
    }
}
