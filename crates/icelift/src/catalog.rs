//! What ATTACH creates: one Iceberg catalog behind a common door.
//!
//! The trait is our own and not the `iceberg` crate's: a commit must say whether it landed, a new table must keep the
//! field ids it is given, and every table comes with the store it lives in. See `docs/decisions/0002-own-catalog-trait.md`.

mod apply;
mod attach;
mod author;
mod aws;
mod glue;
mod listed;
mod local;
mod new_table;
mod provider;
mod r2;
mod recent;
mod refs;
mod rest;
mod table;
mod versions;

use std::collections::HashMap;
use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use iceberg::spec::TableMetadataRef;
use iceberg::{NamespaceIdent, TableIdent, TableRequirement, TableUpdate};

pub(crate) use apply::is_same_schema;
pub use attach::AttachedCatalog;
pub(crate) use attach::Catalogs;
pub(crate) use author::{Author, Signature};
pub(crate) use aws::AwsSource;
pub(crate) use listed::{ListedTable, TableKind, tables_of};
pub(crate) use new_table::NewTable;
pub(crate) use provider::{IcebergTable, StatementCatalogs, not_attached};
pub(crate) use refs::{Refs, ancestors, check_refs_are_known, refs};
pub(crate) use table::{Table, TableName, quoted};

use crate::error::{Error, ErrorKind, Result};
use crate::storage::{MeterReading, Store};

/// Whether catalogs of this type take a table property of this name.
pub(crate) fn takes_property(kind: &str, key: &str) -> bool {
    !is_r2(kind) || r2::takes_property(key)
}

/// How long catalogs of this type make a writer take for so many commits to one table.
pub(crate) fn least_wait(kind: &str, commits: u64) -> Duration {
    if is_r2(kind) { r2::least_wait(commits) } else { Duration::ZERO }
}

/// Whether an address is on this machine.
pub(crate) fn is_loopback(address: &str) -> bool {
    rest::paths::is_loopback(address)
}

pub(crate) fn is_r2(kind: &str) -> bool {
    matches!(kind, "r2" | "basin")
}

/// What a commit asks for: all `updates`, or nothing if one of the `requirements` does not hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct CommitRequest {
    /// The metadata that the updates apply to, where the commit creates the table: no table may have its name then.
    pub create: Option<TableMetadataRef>,
    pub requirements: Vec<TableRequirement>,
    pub updates: Vec<TableUpdate>,
    /// Who is to be told by the name of the metadata file, where this side writes it.
    pub author: Option<Author>,
}

impl CommitRequest {
    /// Whether a second copy of the request must fail if the first one lands: it requires that there is no table and makes
    /// one, or that a branch, schema, spec or order is the current one and sets another. Such a request may be sent again after a lost answer.
    pub fn is_fenced(&self) -> bool {
        let moves = |branch: &str| {
            let moves =
                |it: &TableUpdate| matches!(it, TableUpdate::SetSnapshotRef { ref_name, .. } if ref_name == branch);
            self.updates.iter().any(moves)
        };
        let sets = |is_set: fn(&TableUpdate) -> bool| self.updates.iter().any(is_set);
        self.requirements.iter().any(|requirement| match requirement {
            TableRequirement::NotExist => true,
            TableRequirement::RefSnapshotIdMatch { r#ref, .. } => moves(r#ref),
            // No request sets what the table has already.
            TableRequirement::CurrentSchemaIdMatch { .. } => {
                sets(|it| matches!(it, TableUpdate::SetCurrentSchema { .. }))
            }
            TableRequirement::DefaultSpecIdMatch { .. } => sets(|it| matches!(it, TableUpdate::SetDefaultSpec { .. })),
            TableRequirement::DefaultSortOrderIdMatch { .. } => {
                sets(|it| matches!(it, TableUpdate::SetDefaultSortOrder { .. }))
            }
            _ => false,
        })
    }
}

/// What is known of a table that is not in the catalog any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// The catalog said that it dropped the table.
    ByUs,
    /// The answer was lost, and the name is free: the table was dropped, or somebody renamed it.
    Gone,
}

/// What is known after a commit was sent.
#[derive(Debug)]
pub(crate) enum CommitOutcome {
    /// The table is as the request asked.
    Landed,
    /// The table is as it was before and will not change by this request. A conflict has the kind
    /// [`CommitConflict`](crate::ErrorKind::CommitConflict) and may be rebased; anything else is final.
    NotLanded(Error),
    /// Nobody knows yet: read the table, never guess.
    Unknown(Error),
}

/// An Iceberg catalog: namespaces, tables and the one atomic operation, the commit.
#[async_trait]
pub(crate) trait Catalog: Debug + Send + Sync {
    /// The store of the catalog's tables.
    fn store(&self) -> &Store;

    /// Requests to the catalog itself so far, repeated ones counted again.
    fn calls(&self) -> u64 {
        0
    }

    /// What the catalog and its store were asked so far.
    fn meter(&self) -> MeterReading {
        MeterReading { catalog_calls: self.calls(), ..self.store().meter() }
    }

    /// Whose credentials are used, if the service has a call that tells.
    async fn caller(&self) -> Option<Result<String>> {
        None
    }

    /// By how many seconds the server's clock is ahead of this machine's, if an answer has told.
    fn clock_ahead_seconds(&self) -> Option<i64> {
        None
    }

    /// All namespaces, nested ones with their full names.
    async fn list_namespaces(&self) -> Result<Vec<NamespaceIdent>>;

    /// Creates a namespace; it is an error if it exists.
    async fn create_namespace(&self, namespace: &NamespaceIdent, properties: HashMap<String, String>) -> Result<()>;

    /// Drops an empty namespace.
    async fn drop_namespace(&self, namespace: &NamespaceIdent) -> Result<()>;

    /// What a namespace holds. What is no Iceberg table is listed as what it is.
    async fn list_tables(&self, namespace: &NamespaceIdent) -> Result<Vec<ListedTable>>;

    /// Reads a table's current metadata.
    async fn load_table(&self, ident: &TableIdent) -> Result<Table>;

    /// The same of a table that need not be there. That its files are gone is an error all the same.
    async fn find_table(&self, ident: &TableIdent) -> Result<Option<Table>> {
        match self.load_table(ident).await {
            Ok(table) => Ok(Some(table)),
            Err(error) if error.kind() == ErrorKind::NotFound && error.at().is_none() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The table as the last commit of this process left it, where that commit's answer told: nobody is asked, so that others may have
    /// changed it since. `known` is an earlier version of it.
    fn committed(&self, _known: &Table) -> Option<Table> {
        None
    }

    /// Refuses a new table that the catalog would never take, without a request.
    fn check_new_table(&self, _ident: &TableIdent, _location: Option<&str>) -> Result<()> {
        Ok(())
    }

    /// Describes a table that does not exist yet and passes [`check_new_table`](Self::check_new_table), with the
    /// field ids it is given. Its first commit creates it, so that nobody ever sees it without the rows of
    /// `CREATE TABLE … AS`.
    async fn stage_table(&self, table: NewTable) -> Result<Table>;

    /// Gives the table that a metadata file describes a name. Nobody may have the name.
    async fn register_table(&self, ident: &TableIdent, metadata_location: &str) -> Result<Table>;

    /// Takes a table out of the catalog and leaves its files.
    async fn drop_table(&self, ident: &TableIdent) -> Result<Dropped>;

    /// Gives a table another name. Its files stay where they are.
    async fn rename_table(&self, from: &TableIdent, _to: &TableIdent) -> Result<()> {
        Err(Error::new(ErrorKind::Unsupported, format!("the catalog cannot rename the table `{}`", from.name)))
    }

    /// Commits to a table.
    async fn commit(&self, ident: &TableIdent, request: CommitRequest) -> CommitOutcome;
}
