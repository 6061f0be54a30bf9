//! `TYPE glue`: the Glue Data Catalog of AWS, by its own API.
//!
//! A table is an entry that points to a metadata file. What must hold:
//! - a commit replaces the entry only if its version is still the one that the commit was built on, and keeps what others
//!   wrote into it;
//! - a database shows what is no Iceberg table as what it is, and reads nothing of it;
//! - links to databases and tables of other accounts lead to where these really are.

mod caller;
mod client;
mod commit;
mod failure;
mod limits;
mod links;
mod place;
mod table_input;

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_glue::types::{DatabaseInput, Table as Entry};
use futures::StreamExt;
use iceberg::{NamespaceIdent, TableIdent};
use tokio_util::task::TaskTracker;
use url::Url;

use self::client::GlueClient;
use self::failure::Reason;
use self::limits::Limits;
use self::links::target_of;
use self::place::{check_database_name, check_table_name, database_name, table_location};
use self::table_input::METADATA_LOCATION;
use super::apply::table_exists;
use super::aws::{AwsAccess, AwsOptions, AwsSource};
use super::is_loopback;
use super::{Catalog, CommitOutcome, CommitRequest, Dropped, ListedTable, NewTable, Table, TableName};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::options::Options;
use crate::storage::{S3Settings, Store};

/// Links that are followed at once when tables are listed.
const LINKS_AT_ONCE: usize = 8;

/// A Glue Data Catalog.
#[derive(Debug)]
pub(super) struct GlueCatalog {
    name: String,
    client: GlueClient,
    store: Store,
    /// Where databases without a location keep new tables.
    warehouse: Option<String>,
    skip_archive: bool,
    skip_name_validation: bool,
    /// Who is calling is asked by the doctor only.
    sts: aws_sdk_sts::Config,
}

impl GlueCatalog {
    /// Finds out who is calling, and calls nothing but what that takes.
    pub async fn open(
        warehouse: Option<String>,
        mut options: Options,
        source: &AwsSource,
        cleanup: TaskTracker,
    ) -> Result<Self> {
        let name = options.catalog().to_string();
        let warehouse = checked_warehouse(&options, warehouse)?;
        let aws = AwsOptions::take(&mut options)?;
        let catalog_id = options.take("glue.id").filter(|id| !id.is_empty());
        let endpoint = checked_endpoint(&mut options)?;
        let skip_archive = options.take_flag("glue.skip-archive")?.unwrap_or(true);
        let skip_name_validation = options.take_flag("glue.skip-name-validation")?.unwrap_or(false);
        let limits = Limits::take(&mut options)?;
        let mut s3 = S3Settings::take(&mut options)?;
        options.finish()?;
        let access = AwsAccess::new(&options, aws, source).await?;
        // A machine without credentials is to say so now, and not at the first statement.
        access.glue.check().await?;
        s3.region = access.s3_region.clone();
        if let (None, Some(endpoint)) = (&s3.endpoint, &access.s3_endpoint) {
            // No AWS is meant, or a private way to it: neither is sure to have a host for each bucket.
            (s3.endpoint, s3.path_style) = (Some(endpoint.clone()), true);
        }
        let mut sts = aws_sdk_sts::config::Builder::from(&access.config);
        // An emulator on this machine is all of AWS; a private endpoint of Glue is not.
        if let Some(endpoint) = endpoint.as_ref().filter(|endpoint| is_loopback(endpoint)) {
            sts = sts.endpoint_url(endpoint);
        }
        let client = GlueClient::new(&name, catalog_id, endpoint, limits, &access);
        let store = Store::s3(s3, std::sync::Arc::new(access.s3), cleanup);
        Ok(Self { name, client, store, warehouse, skip_archive, skip_name_validation, sts: sts.build() })
    }

    fn table_name(&self, ident: &TableIdent) -> TableName {
        TableName { catalog: self.name.clone(), ident: ident.clone() }
    }

    /// Reads the metadata that the entry points to.
    async fn read(&self, ident: &TableIdent, entry: &Entry) -> Result<Table> {
        let name = self.table_name(ident);
        if let Some(refusal) = place::kind(entry).refusal(&name) {
            return Err(refusal);
        }
        let pointer = entry.parameters().and_then(|it| it.get(METADATA_LOCATION)).ok_or_else(|| {
            Error::new(ErrorKind::Read, format!("the Glue entry has no `{METADATA_LOCATION}`"))
                .place(Stage::Catalog, &name)
                .hint("whatever wrote the entry did not finish; drop it, or register the table again")
        })?;
        let read = Table::read(name.clone(), pointer.clone(), self.store.clone()).await;
        read.map_err(|error| match error.kind() {
            ErrorKind::Denied if entry.is_registered_with_lake_formation => {
                Error::new(ErrorKind::Denied, "the metadata file cannot be read; Lake Formation governs its location")
                    .place(Stage::Catalog, &name)
                    .hint("icelift reads S3 by the identity's own rights: allow it s3:GetObject there in IAM")
                    .source(error)
            }
            _ => error,
        })
    }

    fn namespace_not_found(&self, namespace: &NamespaceIdent) -> Error {
        let name = &self.name;
        let message = format!("the namespace `{name}.{namespace}` does not exist");
        let folded = namespace.to_string().to_lowercase();
        let hint = if folded == namespace.to_string() {
            format!("CREATE SCHEMA {name}.{namespace}; if it should be there, check `client.region` and `glue.id`")
        } else {
            format!("Glue keeps names in lower case: {name}.{folded}")
        };
        Error::new(ErrorKind::NotFound, message).hint(hint)
    }

    fn table_not_found(&self, ident: &TableIdent) -> Error {
        let name = self.table_name(ident);
        let (typed, folded) = (ident.name.as_str(), ident.name.to_lowercase());
        let hint = if typed == folded {
            "SHOW TABLES lists what is attached".to_string()
        } else {
            format!("Glue keeps names in lower case: {}.{}.{folded}", self.name, ident.namespace)
        };
        Error::new(ErrorKind::NotFound, format!("the table {name} does not exist")).hint(hint)
    }
}

#[async_trait]
impl Catalog for GlueCatalog {
    fn store(&self) -> &Store {
        &self.store
    }

    fn calls(&self) -> u64 {
        self.client.calls()
    }

    async fn caller(&self) -> Option<Result<String>> {
        Some(caller::caller(self.sts.clone()).await)
    }

    fn clock_ahead_seconds(&self) -> Option<i64> {
        self.client.clock_ahead_seconds()
    }

    async fn list_namespaces(&self) -> Result<Vec<NamespaceIdent>> {
        let databases = self.client.databases().await?;
        Ok(databases.into_iter().filter_map(|it| NamespaceIdent::from_strs(it.name.split('.')).ok()).collect())
    }

    async fn create_namespace(&self, namespace: &NamespaceIdent, properties: HashMap<String, String>) -> Result<()> {
        let name = database_name(namespace);
        if !self.skip_name_validation {
            check_database_name(&name)?;
        }
        let input = database_input(&name, properties)?;
        match self.client.create_database(input).await {
            Ok(()) => Ok(()),
            // An attempt whose answer was lost may have made it.
            Err(unsent) if unsent.failure.reason == Reason::Exists && unsent.may_land => Ok(()),
            Err(unsent) if unsent.failure.reason == Reason::Exists => {
                let message = format!("the namespace `{}.{namespace}` exists already", self.name);
                Err(Error::new(ErrorKind::AlreadyExists, message)
                    .hint("CREATE SCHEMA IF NOT EXISTS leaves it as it is"))
            }
            Err(unsent) => Err(unsent.failure.error),
        }
    }

    /// Glue would delete the tables of the database with it, so whatever is in there forbids it. A table that is made
    /// between the look and the call is not seen: Glue has no conditional delete.
    async fn drop_namespace(&self, namespace: &NamespaceIdent) -> Result<()> {
        let place = self.client.place(database_name(namespace));
        let database = self.client.database(&place).await?.ok_or_else(|| self.namespace_not_found(namespace))?;
        let full = format!("{}.{namespace}", self.name);
        if target_of(&place, &database).is_some() {
            return Err(Error::new(ErrorKind::Unsupported, format!("the namespace `{full}` is a resource link"))
                .hint("delete the link in Lake Formation"));
        }
        if self.client.holds_tables(&place).await? {
            return Err(Error::new(ErrorKind::Sql, format!("the namespace `{full}` holds tables or views"))
                .hint("drop its tables first; those that are not Iceberg's with the engine that made them"));
        }
        self.client.delete_database(&place).await
    }

    async fn list_tables(&self, namespace: &NamespaceIdent) -> Result<Vec<ListedTable>> {
        let place = self.client.place(database_name(namespace));
        let direct = self.client.tables(&place).await?.filter(|entries| !entries.is_empty());
        let (place, entries) = match direct {
            Some(entries) => (place, entries),
            // Nothing there: empty, missing, or a link that was not followed.
            None => match self.database(namespace).await? {
                (real, _) if real == place => (place, Vec::new()),
                (real, _) => {
                    let entries = self.client.tables(&real).await?;
                    (real, entries.ok_or_else(|| self.namespace_not_found(namespace))?)
                }
            },
        };
        let listed = futures::stream::iter(entries.into_iter().map(|entry| self.listed(&place, entry)));
        Ok(listed.buffered(LINKS_AT_ONCE).collect().await)
    }

    async fn load_table(&self, ident: &TableIdent) -> Result<Table> {
        let found = self.find(ident).await?.ok_or_else(|| self.table_not_found(ident))?;
        self.read(ident, &found.entry).await
    }

    fn check_new_table(&self, ident: &TableIdent, _location: Option<&str>) -> Result<()> {
        if self.skip_name_validation { Ok(()) } else { check_table_name(&ident.name) }
    }

    async fn stage_table(&self, table: NewTable) -> Result<Table> {
        let name = self.table_name(&table.ident);
        let (place, database) = self.database(&table.ident.namespace).await?;
        if let Some(entry) = self.client.table(&place, &table.ident.name).await? {
            // What a link leads to, its entry does not tell.
            let refusal = place::kind(&entry).refusal(&name).filter(|_| entry.target_table().is_none());
            return Err(refusal.unwrap_or_else(|| table_exists(&name)));
        }
        let location = table_location(&table, &database, self.warehouse.as_deref())?;
        Ok(Table::staged(name, table.metadata(location)?, self.store.clone()))
    }

    async fn register_table(&self, ident: &TableIdent, metadata_location: &str) -> Result<Table> {
        let table = Table::read(self.table_name(ident), metadata_location.to_string(), self.store.clone()).await?;
        commit::register(self, ident, &table).await.map(|()| table)
    }

    async fn drop_table(&self, ident: &TableIdent) -> Result<Dropped> {
        let found = self.find(ident).await?.ok_or_else(|| self.table_not_found(ident))?;
        let name = self.table_name(ident);
        if found.is_link {
            let target = format!("{}.{}", found.place.name, found.entry.name);
            return Err(Error::new(ErrorKind::Unsupported, format!("{name} is a resource link to `{target}`"))
                .hint("delete the link in Lake Formation, or drop the table that it leads to"));
        }
        if let Some(refusal) = place::kind(&found.entry).refusal(&name) {
            return Err(refusal);
        }
        let Err(unsent) = self.client.delete_table(&found.place, &found.entry.name).await else {
            return Ok(Dropped::ByUs);
        };
        match unsent.failure.reason {
            Reason::NotFound => Err(self.table_not_found(ident)),
            _ if unsent.may_land && matches!(self.find(ident).await, Ok(None)) => Ok(Dropped::Gone),
            _ => Err(unsent.failure.error),
        }
    }

    /// Java's catalog makes a second entry and deletes the first. What others commit to the first one in between would be lost,
    /// and Glue has neither a rename nor a delete that requires a version.
    async fn rename_table(&self, from: &TableIdent, to: &TableIdent) -> Result<()> {
        let found = self.find(from).await?.ok_or_else(|| self.table_not_found(from))?;
        let table = self.read(from, &found.entry).await?;
        let pointer = table.metadata_file()?.to_string();
        let message = "Glue cannot rename a table, and a copy of its entry would lose what others commit meanwhile";
        Err(Error::new(ErrorKind::Unsupported, message).place(Stage::Catalog, &self.table_name(from)).hint(format!(
            "stop all writers, then create the Glue table `{}.{}` with `{METADATA_LOCATION}` = `{pointer}` and delete the old entry, \
             not its files",
            to.namespace, to.name
        )))
    }

    async fn commit(&self, ident: &TableIdent, request: CommitRequest) -> CommitOutcome {
        match request.create {
            Some(_) => commit::create(self, ident, request).await,
            None => commit::update(self, ident, request).await,
        }
    }
}

fn checked_warehouse(options: &Options, warehouse: Option<String>) -> Result<Option<String>> {
    let Some(warehouse) = warehouse.filter(|it| !it.is_empty()) else { return Ok(None) };
    let is_s3 = ["s3://", "s3a://", "s3n://"].iter().any(|scheme| warehouse.starts_with(scheme));
    if is_s3 {
        return Ok(Some(warehouse));
    }
    Err(options
        .error("the warehouse of a Glue catalog is a place in S3, found something else than `s3://`")
        .hint("ATTACH 's3://<bucket>/<prefix>' AS …, or no warehouse; another account's id goes into `glue.id`"))
}

fn checked_endpoint(options: &mut Options) -> Result<Option<String>> {
    let Some(endpoint) = options.take("glue.endpoint").filter(|it| !it.is_empty()) else { return Ok(None) };
    match Url::parse(&endpoint) {
        Ok(url) if ["http", "https"].contains(&url.scheme()) && url.has_host() => Ok(Some(endpoint)),
        _ => Err(options
            .error("the option `glue.endpoint` must be an address that begins with http:// or https://")
            .hint("leave it out for AWS")),
    }
}

fn database_input(name: &str, mut properties: HashMap<String, String>) -> Result<DatabaseInput> {
    let (location, comment) = (properties.remove("location"), properties.remove("comment"));
    let parameters = Some(properties).filter(|properties| !properties.is_empty());
    let input = DatabaseInput::builder().name(name).set_location_uri(location).set_description(comment);
    input.set_parameters(parameters).build().map_err(|source| {
        Error::new(ErrorKind::Internal, "the database cannot be described").stage(Stage::Catalog).source(source)
    })
}

#[cfg(test)]
mod tests;
