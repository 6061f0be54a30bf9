//! `TYPE local`: a SQLite database and a folder, created if missing. The embedded default.
//!
//! The database has the tables of Iceberg's JDBC catalog, so PyIceberg's and Java's SQL catalogs open it too. Several
//! processes may use it at once: the commit is one conditional UPDATE.

mod database;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use iceberg::spec::TableMetadataRef;
use iceberg::{NamespaceIdent, TableIdent};

use self::database::{Database, Renamed};
use super::apply::{
    added_snapshots, apply, conflict, delete_expired, is_built_on, name_is_taken, next_location, table_exists,
    write_metadata,
};
use super::recent::RecentMetadata;
use super::{Catalog, CommitOutcome, CommitRequest, Dropped, ListedTable, NewTable, Table, TableName};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::options::Options;
use crate::storage::Store;

/// A catalog in a SQLite database.
#[derive(Debug)]
pub(super) struct LocalCatalog {
    name: String,
    warehouse: String,
    database: Arc<Database>,
    store: Store,
    recent: RecentMetadata,
}

impl LocalCatalog {
    /// Opens or creates the catalog. Options: `uri` (the database file, `<warehouse>/catalog.db` unless set),
    /// `catalog-name` (which catalog of a shared database; adopted if there is but one).
    pub async fn open(warehouse: &str, mut options: Options, store: Store) -> Result<Self> {
        let name = options.catalog().to_string();
        let folder = absolute(warehouse)?;
        let uri = options.take("uri");
        let file = match uri.as_deref().map(|uri| uri.strip_prefix("sqlite://").unwrap_or(uri)) {
            Some(uri) => absolute(uri)?,
            None => folder.join("catalog.db"),
        };
        let catalog_name = options.take("catalog-name");
        options.finish()?;
        for folder in [Some(folder.as_path()), file.parent()].into_iter().flatten() {
            tokio::fs::create_dir_all(folder).await.map_err(|source| {
                Error::new(ErrorKind::Write, format!("the folder `{}` cannot be created", folder.display()))
                    .stage(Stage::Catalog)
                    .subject(format!("`{name}`"))
                    .hint("choose a warehouse folder that you may write to")
                    .source(source)
            })?;
        }
        let database = Database::open(file, catalog_name).await?;
        let warehouse = folder.display().to_string();
        Ok(Self { name, warehouse, database: Arc::new(database), store, recent: RecentMetadata::default() })
    }

    fn table_name(&self, ident: &TableIdent) -> TableName {
        TableName { catalog: self.name.clone(), ident: ident.clone() }
    }

    /// Whether the commit that wrote the metadata file `location` on top of `before` is in the table. None if the table is
    /// gone: it may have been dropped after the commit.
    async fn has_landed(
        &self,
        name: &TableName,
        before: Option<&str>,
        location: &str,
        snapshot_ids: &[i64],
    ) -> Result<Option<bool>> {
        let now = self.database.metadata_location(name.ident.clone()).await?;
        if now.as_deref() == Some(location) {
            return Ok(Some(true));
        }
        match now {
            // An operation of this process ends before its answer is lost, so it does not come later.
            now if now.as_deref() == before => Ok(Some(false)),
            None => Ok(None),
            // Others may have committed on top of this commit.
            Some(now) => {
                let table = Table::read(name.clone(), now, self.store.clone()).await?;
                Ok(Some(is_built_on(&table.metadata, location, snapshot_ids)))
            }
        }
    }

    fn table_location(&self, table: &NewTable) -> String {
        let namespace = table.ident.namespace.as_ref().join("/");
        let default = || format!("file://{}/{namespace}/{}", self.warehouse, table.ident.name);
        let location = table.location.clone().unwrap_or_else(default);
        location.trim_end_matches('/').to_string()
    }
}

#[async_trait]
impl Catalog for LocalCatalog {
    fn store(&self) -> &Store {
        &self.store
    }

    async fn list_namespaces(&self) -> Result<Vec<NamespaceIdent>> {
        let names = self.database.list_namespaces().await?;
        Ok(names.into_iter().filter_map(|name| namespace(&name)).collect())
    }

    async fn create_namespace(&self, namespace: &NamespaceIdent, properties: HashMap<String, String>) -> Result<()> {
        if self.database.create_namespace(namespace.to_string(), properties).await? {
            return Ok(());
        }
        Err(Error::new(ErrorKind::AlreadyExists, format!("the namespace `{}.{namespace}` exists already", self.name))
            .hint("CREATE SCHEMA IF NOT EXISTS leaves it as it is"))
    }

    async fn drop_namespace(&self, namespace: &NamespaceIdent) -> Result<()> {
        let tables = self.list_tables(namespace).await?;
        if !tables.is_empty() {
            let message = format!("the namespace `{}.{namespace}` holds {} tables", self.name, tables.len());
            return Err(Error::new(ErrorKind::Sql, message).hint("drop its tables first"));
        }
        self.database.drop_namespace(namespace.to_string()).await
    }

    async fn list_tables(&self, namespace: &NamespaceIdent) -> Result<Vec<ListedTable>> {
        if !self.database.namespace_exists(namespace.to_string()).await? {
            return Err(namespace_not_found(&self.name, namespace));
        }
        let names = self.database.list_tables(namespace.to_string()).await?;
        Ok(names.into_iter().map(ListedTable::from).collect())
    }

    async fn load_table(&self, ident: &TableIdent) -> Result<Table> {
        match self.database.metadata_location(ident.clone()).await? {
            Some(location) => self.recent.table(self.table_name(ident), location, &self.store).await,
            None if !self.database.namespace_exists(ident.namespace.to_string()).await? => {
                Err(namespace_not_found(&self.name, &ident.namespace))
            }
            None => {
                Err(Error::new(ErrorKind::NotFound, format!("the table {} does not exist", self.table_name(ident)))
                    .hint("SHOW TABLES lists what is attached"))
            }
        }
    }

    async fn stage_table(&self, table: NewTable) -> Result<Table> {
        let ident = table.ident.clone();
        if !self.database.namespace_exists(ident.namespace.to_string()).await? {
            return Err(namespace_not_found(&self.name, &ident.namespace));
        }
        if self.database.metadata_location(ident.clone()).await?.is_some() {
            return Err(table_exists(&self.table_name(&ident)));
        }
        let location = self.table_location(&table);
        Ok(Table::staged(self.table_name(&ident), table.metadata(location)?, self.store.clone()))
    }

    async fn register_table(&self, ident: &TableIdent, metadata_location: &str) -> Result<Table> {
        let name = self.table_name(ident);
        if !self.database.namespace_exists(ident.namespace.to_string()).await? {
            return Err(namespace_not_found(&self.name, &ident.namespace));
        }
        if !(metadata_location.starts_with('/') || metadata_location.starts_with("file:")) {
            let message = format!("`{metadata_location}` is no location of this machine, expected `/…` or `file:///…`");
            return Err(Error::new(ErrorKind::Unsupported, message).place(Stage::Catalog, &name));
        }
        let table = Table::read(name.clone(), metadata_location.to_string(), self.store.clone()).await?;
        if self.database.insert_table(ident.clone(), metadata_location.to_string()).await? {
            return Ok(table);
        }
        Err(name_is_taken(&name))
    }

    async fn drop_table(&self, ident: &TableIdent) -> Result<Dropped> {
        if self.database.delete_table(ident.clone()).await? {
            return Ok(Dropped::ByUs);
        }
        Err(Error::new(ErrorKind::NotFound, format!("the table {} does not exist", self.table_name(ident))))
    }

    async fn rename_table(&self, from: &TableIdent, to: &TableIdent) -> Result<()> {
        if !self.database.namespace_exists(to.namespace.to_string()).await? {
            return Err(namespace_not_found(&self.name, &to.namespace));
        }
        match self.database.rename_table(from.clone(), to.clone()).await? {
            Renamed::Done => Ok(()),
            Renamed::Taken => Err(name_is_taken(&self.table_name(to))),
            // Says what is missing, the table or its namespace.
            Renamed::Missing => self.load_table(from).await.and(Err(conflict(&self.table_name(from)))),
        }
    }

    async fn commit(&self, ident: &TableIdent, request: CommitRequest) -> CommitOutcome {
        let name = self.table_name(ident);
        let base = match &request.create {
            Some(_) => Ok(None),
            None => self.load_table(ident).await.map(Some),
        };
        let built = base.and_then(|base| Ok((apply(&name, base.as_ref(), &request)?, base)));
        let (built, base) = match built {
            Ok(built) => built,
            Err(error) => return CommitOutcome::NotLanded(error),
        };
        let file = next_location(base.as_ref(), &built.metadata, request.author);
        let location = file.to_string();
        if let Err(error) = write_metadata(&self.store, &built.metadata, &file).await {
            return CommitOutcome::NotLanded(error);
        }
        let before = base.and_then(|base| base.metadata_location);
        let pointed = match &before {
            Some(before) => self.database.swap(ident.clone(), before.clone(), location.clone()).await,
            None => self.database.insert_table(ident.clone(), location.clone()).await,
        };
        let landed = match pointed {
            Ok(landed) => landed,
            // The answer was lost, the database was not: what it holds now settles it.
            Err(error) => {
                match self.has_landed(&name, before.as_deref(), &location, &added_snapshots(&request)).await {
                    Ok(Some(true)) => true,
                    Ok(Some(false)) => {
                        let _ = self.store.delete(&location).await;
                        return CommitOutcome::NotLanded(error);
                    }
                    Ok(None) | Err(_) => return CommitOutcome::Unknown(error),
                }
            }
        };
        if !landed {
            let _ = self.store.delete(&location).await;
            return CommitOutcome::NotLanded(if before.is_some() { conflict(&name) } else { table_exists(&name) });
        }
        let metadata = TableMetadataRef::from(built.metadata);
        self.recent.keep(location, &metadata);
        delete_expired(&self.store, &metadata, &built.expired_metadata_logs).await;
        CommitOutcome::Landed
    }
}

fn namespace_not_found(catalog: &str, namespace: &NamespaceIdent) -> Error {
    Error::new(ErrorKind::NotFound, format!("the namespace `{catalog}.{namespace}` does not exist"))
        .hint(format!("CREATE SCHEMA {catalog}.{namespace}; if it should be there, check the folder that was attached"))
}

/// JDBC catalogs join the levels of a namespace by dots.
fn namespace(name: &str) -> Option<NamespaceIdent> {
    NamespaceIdent::from_strs(name.split('.')).ok()
}

fn absolute(path: &str) -> Result<PathBuf> {
    let path = path.strip_prefix("file:").map_or(path, |rest| rest.strip_prefix("//").unwrap_or(rest));
    std::path::absolute(Path::new(path))
        .map_err(|source| Error::new(ErrorKind::Config, format!("`{path}` is not a folder")).source(source))
}

#[cfg(test)]
mod tests;
