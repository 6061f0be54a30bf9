//! Lists, loads and drops tables.

use std::collections::HashMap;

use iceberg::spec::TableMetadata;
use iceberg::{NamespaceIdent, TableIdent};
use serde::Deserialize;

use super::Rest;
use super::call::{Call, Operation};
use super::failure::Failure;
use super::namespaces::namespace_not_found;
use super::pages::Pages;
use super::vended::{extend_config, store_config};
use super::wire::{TableReply, TablesReply, given};
use crate::catalog::table::unsupported_metadata;
use crate::catalog::{Dropped, ListedTable, Table, TableKind, TableName};
use crate::error::{Error, ErrorKind, Result, Stage};

/// What an answer says about a table.
pub(super) struct Answered {
    pub metadata: TableMetadata,
    pub metadata_location: Option<String>,
    /// Where and how its files are reached.
    pub config: HashMap<String, String>,
}

impl Rest {
    pub(super) fn table_name(&self, ident: &TableIdent) -> TableName {
        TableName { catalog: self.client.catalog.clone(), ident: ident.clone() }
    }

    /// The tables of a namespace, and its views where the server says that it has such things.
    pub async fn tables(&self, namespace: &NamespaceIdent) -> Result<Vec<ListedTable>> {
        let tables = self.client.paths.tables(namespace)?;
        let listed = self.names(Operation::ListTables, &tables, namespace).await;
        let names = listed.map_err(|failure| self.of_namespace(failure, namespace))?;
        let mut listed: Vec<_> = names.into_iter().map(ListedTable::from).collect();
        if self.client.endpoints.has(Operation::ListViews) {
            let views = self.client.paths.views(namespace)?;
            match self.names(Operation::ListViews, &views, namespace).await {
                Ok(names) => listed.extend(names.into_iter().map(|name| ListedTable::new(name, TableKind::View))),
                Err(failure) => {
                    let error = self.of_namespace(failure, namespace);
                    tracing::debug!(catalog = self.client.catalog, %namespace, %error, "the views are left out");
                }
            }
        }
        Ok(listed)
    }

    async fn names(
        &self,
        operation: Operation,
        list: &str,
        namespace: &NamespaceIdent,
    ) -> Result<Vec<String>, Failure> {
        let mut pages = Pages::default();
        let mut names = Vec::new();
        while let Some(token) = pages.next_token() {
            let call = Call::new(operation, list.to_string()).about(namespace);
            let call = match self.client.paths.page(list, None, self.page_size, token) {
                Ok(path) => Call { path, ..call },
                Err(error) => return Err(Failure::stopped(call, error)),
            };
            let page: TablesReply = self.client.json(&call).await?;
            // Some servers list what lies below, too.
            let own = page.identifiers.into_iter().filter(|table| table.namespace == *namespace.as_ref());
            names.extend(own.map(|table| table.name));
            if let Err(found) = pages.turn(page.next_page_token) {
                let broken = self.broken(&call, &found);
                return Err(Failure::stopped(call, broken));
            }
        }
        Ok(names)
    }

    /// Reads a table's current metadata, which comes with the answer.
    pub async fn load(&self, ident: &TableIdent) -> Result<Table> {
        let call = Call::new(Operation::LoadTable, self.client.paths.table(ident)?).table(ident);
        let reply = self.client.json(&call).await.map_err(|failure| self.of_table(failure, ident))?;
        let answered = self.read(ident, reply)?;
        self.opened(ident, answered)
    }

    /// What an answer says, with the server's settings for all tables below those for this one.
    pub(super) fn read(&self, ident: &TableIdent, reply: TableReply) -> Result<Answered> {
        let TableReply { metadata_location, metadata, config, storage_credentials } = reply;
        let metadata: TableMetadata = match TableMetadata::deserialize(&metadata) {
            Ok(parsed) => parsed,
            Err(source) => {
                let fallback = || {
                    Error::new(ErrorKind::Read, "the table's metadata cannot be parsed")
                        .hint("the catalog's server sent it; load the table with the engine that wrote it")
                        .source(source)
                };
                let error = unsupported_metadata(&metadata).unwrap_or_else(fallback);
                return Err(error.place(Stage::Catalog, &self.table_name(ident)));
            }
        };
        let mut merged = self.client.served.served();
        extend_config(&mut merged, given(config));
        let config = store_config(metadata.location(), merged, &storage_credentials.unwrap_or_default());
        Ok(Answered { metadata, metadata_location, config })
    }

    pub(super) fn opened(&self, ident: &TableIdent, answered: Answered) -> Result<Table> {
        let Answered { metadata, metadata_location, config } = answered;
        let store = self.stores.table(&self.client, ident, metadata.location(), &config)?;
        let file_io = store.file_io();
        let name = self.table_name(ident);
        Ok(Table { name, metadata: metadata.into(), metadata_location, store, file_io, staged: None })
    }

    /// Takes a table out of the catalog. Its files stay: the specification's default.
    pub async fn remove(&self, ident: &TableIdent) -> Result<Dropped> {
        let call = Call::new(Operation::DropTable, self.client.paths.table(ident)?).table(ident);
        let Err(failure) = self.client.done(&call).await else { return Ok(Dropped::ByUs) };
        if !failure.is_doubtful {
            return Err(self.of_table(failure, ident));
        }
        // The answer was lost: whether the table is there tells what it would have been.
        match self.load(ident).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Dropped::Gone),
            _ => Err(self.of_table(failure, ident)),
        }
    }

    /// The error of a call about a table. That something does not exist has no stage: callers tell it from failures.
    pub(super) fn of_table(&self, failure: Failure, ident: &TableIdent) -> Error {
        let Some(refusal) = failure.cause.refusal().filter(|refusal| refusal.is_not_found()) else {
            return self.client.error(failure);
        };
        if refusal.is_named(&["NoSuchNamespaceException"]) {
            return namespace_not_found(&self.client.catalog, &ident.namespace);
        }
        Error::new(ErrorKind::NotFound, format!("the table {} does not exist", self.table_name(ident)))
            .hint("SHOW TABLES lists what is attached")
    }

    /// An answer that cannot go on.
    pub(super) fn broken(&self, call: &Call, found: &str) -> Error {
        Error::new(ErrorKind::Read, format!("{call}: {found}"))
            .stage(Stage::Catalog)
            .subject(format!("`{}`", self.client.catalog))
    }
}
