//! The SQLite side of a local catalog: Iceberg's JDBC tables, each operation one transaction.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use iceberg::TableIdent;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::error::{Error, ErrorKind, Result, Stage};

/// How long an operation waits for other processes before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// What a database without any table calls its catalog.
const DEFAULT_CATALOG_NAME: &str = "icelift";
/// The property that marks a namespace, as other implementations write it.
const EXISTS: &str = "exists";

/// The tables of Iceberg's JDBC catalog, version 1.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS iceberg_tables (
        catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT NULL, table_name VARCHAR(255) NOT NULL,
        metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000), iceberg_type VARCHAR(5),
        PRIMARY KEY (catalog_name, table_namespace, table_name));
    CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (
        catalog_name VARCHAR(255) NOT NULL, namespace VARCHAR(255) NOT NULL, property_key VARCHAR(255) NOT NULL,
        property_value VARCHAR(1000) NOT NULL,
        PRIMARY KEY (catalog_name, namespace, property_key));";

/// What became of a rename.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Renamed {
    Done,
    /// There is no table of the old name.
    Missing,
    /// There is one of the new name.
    Taken,
}

/// One catalog in one database file.
#[derive(Debug)]
pub(super) struct Database {
    file: PathBuf,
    catalog_name: String,
    /// Whether tables and views are told apart (JDBC schema version 1; PyIceberg writes version 0).
    typed: bool,
    connection: Arc<Mutex<Connection>>,
}

impl Database {
    /// Opens the file, creates it and its tables if missing, and finds out which catalog of it is meant.
    pub async fn open(file: PathBuf, catalog_name: Option<String>) -> Result<Self> {
        let path = file.clone();
        let opened = blocking(move || {
            let connection = Connection::open(&path)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.execute_batch(SCHEMA)?;
            let typed = connection.prepare("SELECT iceberg_type FROM iceberg_tables LIMIT 0").is_ok();
            let names = catalog_names(&connection)?;
            Ok((connection, typed, names))
        });
        let (connection, typed, mut names) = opened.await.map_err(|source| failed(&file, source))?;
        let catalog_name = match (catalog_name, names.len()) {
            (Some(name), _) => name,
            (None, 0) => DEFAULT_CATALOG_NAME.to_string(),
            (None, 1) => names.remove(0),
            (None, _) => {
                let found = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                let message = format!("the database `{}` holds several catalogs: {found}", file.display());
                return Err(Error::new(ErrorKind::Config, message)
                    .stage(Stage::Catalog)
                    .hint("choose one by the option `catalog-name`"));
            }
        };
        Ok(Self { file, catalog_name, typed, connection: Arc::new(Mutex::new(connection)) })
    }

    /// Runs one transaction off the async threads.
    async fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&rusqlite::Transaction<'_>, &str) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let (connection, name) = (Arc::clone(&self.connection), self.catalog_name.clone());
        let done = blocking(move || {
            // A poisoned lock means that an operation panicked; its transaction was rolled back.
            let mut connection = connection.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = operation(&transaction, &name)?;
            transaction.commit()?;
            Ok(result)
        });
        done.await.map_err(|source| failed(&self.file, source))
    }

    pub async fn list_namespaces(&self) -> Result<Vec<String>> {
        let query = "SELECT table_namespace FROM iceberg_tables WHERE catalog_name = ?1
                     UNION SELECT namespace FROM iceberg_namespace_properties WHERE catalog_name = ?1 ORDER BY 1";
        self.run(move |transaction, catalog| {
            transaction.prepare(query)?.query_map([catalog], |row| row.get(0))?.collect()
        })
        .await
    }

    pub async fn namespace_exists(&self, namespace: String) -> Result<bool> {
        self.run(move |transaction, catalog| namespace_exists(transaction, catalog, &namespace)).await
    }

    /// False if it exists already.
    pub async fn create_namespace(&self, namespace: String, properties: HashMap<String, String>) -> Result<bool> {
        self.run(move |transaction, catalog| {
            if namespace_exists(transaction, catalog, &namespace)? {
                return Ok(false);
            }
            let mut insert = transaction.prepare("INSERT INTO iceberg_namespace_properties VALUES (?1, ?2, ?3, ?4)")?;
            insert.execute(params![catalog, namespace, EXISTS, "true"])?;
            for (key, value) in properties.iter().filter(|(key, _)| *key != EXISTS) {
                insert.execute(params![catalog, namespace, key, value])?;
            }
            Ok(true)
        })
        .await
    }

    pub async fn drop_namespace(&self, namespace: String) -> Result<()> {
        let statement = "DELETE FROM iceberg_namespace_properties WHERE catalog_name = ?1 AND namespace = ?2";
        self.run(move |transaction, catalog| transaction.execute(statement, params![catalog, namespace]).map(|_| ()))
            .await
    }

    pub async fn list_tables(&self, namespace: String) -> Result<Vec<String>> {
        let only_tables = if self.typed { "AND coalesce(iceberg_type, 'TABLE') = 'TABLE'" } else { "" };
        let query = format!(
            "SELECT table_name FROM iceberg_tables WHERE catalog_name = ?1 AND table_namespace = ?2 {only_tables}
             ORDER BY 1"
        );
        self.run(move |transaction, catalog| {
            transaction.prepare(&query)?.query_map(params![catalog, namespace], |row| row.get(0))?.collect()
        })
        .await
    }

    pub async fn metadata_location(&self, ident: TableIdent) -> Result<Option<String>> {
        let query = "SELECT metadata_location FROM iceberg_tables
                     WHERE catalog_name = ?1 AND table_namespace = ?2 AND table_name = ?3";
        self.run(move |transaction, catalog| {
            let key = params![catalog, ident.namespace.to_string(), ident.name];
            Ok(transaction.query_row(query, key, |row| row.get(0)).optional()?.flatten())
        })
        .await
    }

    /// False if a table of this name exists already.
    pub async fn insert_table(&self, ident: TableIdent, metadata_location: String) -> Result<bool> {
        let (column, value) = if self.typed { (", iceberg_type", ", 'TABLE'") } else { ("", "") };
        let statement = format!(
            "INSERT OR IGNORE INTO iceberg_tables
             (catalog_name, table_namespace, table_name, metadata_location{column}) VALUES (?1, ?2, ?3, ?4{value})"
        );
        self.run(move |transaction, catalog| {
            let row = params![catalog, ident.namespace.to_string(), ident.name, metadata_location];
            Ok(transaction.execute(&statement, row)? == 1)
        })
        .await
    }

    /// False if there is no such table.
    pub async fn delete_table(&self, ident: TableIdent) -> Result<bool> {
        let statement = "DELETE FROM iceberg_tables
                         WHERE catalog_name = ?1 AND table_namespace = ?2 AND table_name = ?3";
        self.run(move |transaction, catalog| {
            let key = params![catalog, ident.namespace.to_string(), ident.name];
            Ok(transaction.execute(statement, key)? == 1)
        })
        .await
    }

    /// Gives a table another name.
    pub async fn rename_table(&self, from: TableIdent, to: TableIdent) -> Result<Renamed> {
        let lookup = "SELECT 1 FROM iceberg_tables
                      WHERE catalog_name = ?1 AND table_namespace = ?2 AND table_name = ?3";
        let statement = "UPDATE iceberg_tables SET table_namespace = ?4, table_name = ?5
                         WHERE catalog_name = ?1 AND table_namespace = ?2 AND table_name = ?3";
        self.run(move |transaction, catalog| {
            let (old, new) = (from.namespace.to_string(), to.namespace.to_string());
            let key = params![catalog, new, to.name];
            if transaction.query_row(lookup, key, |_| Ok(())).optional()?.is_some() {
                return Ok(Renamed::Taken);
            }
            let row = params![catalog, old, from.name, new, to.name];
            Ok(if transaction.execute(statement, row)? == 1 { Renamed::Done } else { Renamed::Missing })
        })
        .await
    }

    /// Points the table from the metadata file `from` to `to`. False if it does not point to `from` any more.
    pub async fn swap(&self, ident: TableIdent, from: String, to: String) -> Result<bool> {
        let statement = "UPDATE iceberg_tables SET metadata_location = ?5, previous_metadata_location = ?4
                         WHERE catalog_name = ?1 AND table_namespace = ?2 AND table_name = ?3
                         AND metadata_location = ?4";
        self.run(move |transaction, catalog| {
            let row = params![catalog, ident.namespace.to_string(), ident.name, from, to];
            Ok(transaction.execute(statement, row)? == 1)
        })
        .await
    }
}

fn catalog_names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let query = "SELECT catalog_name FROM iceberg_tables UNION SELECT catalog_name FROM iceberg_namespace_properties";
    connection.prepare(query)?.query_map([], |row| row.get(0))?.collect()
}

fn namespace_exists(transaction: &rusqlite::Transaction<'_>, catalog: &str, name: &str) -> rusqlite::Result<bool> {
    let query = "SELECT 1 FROM iceberg_namespace_properties WHERE catalog_name = ?1 AND namespace = ?2
                 UNION ALL SELECT 1 FROM iceberg_tables WHERE catalog_name = ?1 AND table_namespace = ?2 LIMIT 1";
    Ok(transaction.query_row(query, params![catalog, name], |_| Ok(())).optional()?.is_some())
}

/// Runs SQLite off the async threads. A panic in there surfaces as a failed operation.
async fn blocking<T: Send + 'static>(
    operation: impl FnOnce() -> rusqlite::Result<T> + Send + 'static,
) -> rusqlite::Result<T> {
    let died = |source: tokio::task::JoinError| rusqlite::Error::ToSqlConversionFailure(Box::new(source));
    tokio::task::spawn_blocking(operation).await.map_err(died)?
}

fn failed(file: &std::path::Path, source: rusqlite::Error) -> Error {
    let (kind, hint) = match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy) => {
            (ErrorKind::Resources, "another process holds the catalog; try again")
        }
        Some(rusqlite::ErrorCode::NotADatabase) => (ErrorKind::Read, "the file is not a SQLite catalog; check `uri`"),
        Some(rusqlite::ErrorCode::ReadOnly | rusqlite::ErrorCode::CannotOpen) => {
            (ErrorKind::Write, "choose a warehouse folder that you may write to")
        }
        _ => (ErrorKind::Read, "check the space left and the rights on the catalog's folder"),
    };
    Error::new(kind, format!("the catalog database `{}` failed", file.display()))
        .stage(Stage::Catalog)
        .hint(hint)
        .source(source)
}
