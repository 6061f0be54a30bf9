//! The calls of the Glue API that a catalog is made of.
//!
//! Every call has a timeout. The SDK repeats calls that failed on the way, except writes: a repeated write that meets its
//! own effect would be told that it lost a race, so those are repeated in `send`, which remembers. Deletions are repeated
//! only where Glue turned them away: they name nothing but a name, which somebody may have given to something new.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use aws_sdk_glue::Client;
use aws_sdk_glue::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_glue::config::{Builder, ConfigBag, Intercept, RuntimeComponents, retry::RetryConfig};
use aws_sdk_glue::error::BoxError;
use aws_sdk_glue::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_glue::types::{Database, DatabaseInput, Table, TableInput};
use backon::{BackoffBuilder, ExponentialBuilder};

use super::failure::{Call, Failure, Reason};
use super::limits::Limits;
use crate::catalog::aws::{AwsAccess, AwsIdentity};
use crate::error::Result;
use crate::server_clock::ServerClock;

const REPEAT_WAIT: Duration = Duration::from_millis(200);
const REPEAT_WAIT_MAX: Duration = Duration::from_secs(5);
/// The most that Glue gives at once.
const PAGE_ITEMS: i32 = 100;

/// The Glue API, called by one identity for one attached catalog.
#[derive(Debug)]
pub(super) struct GlueClient {
    catalog: String,
    /// The account whose catalog is meant; the identity's own unless set.
    catalog_id: Option<String>,
    client: Client,
    calls: Calls,
    identity: AwsIdentity,
    /// How often a write is repeated.
    write_retries: u32,
    /// The wait before a write is repeated for the first time.
    pub repeat_wait: Duration,
}

/// Counts requests where they are sent.
#[derive(Debug, Clone, Default)]
struct Calls(Arc<AtomicU64>, ServerClock);

impl Intercept for Calls {
    fn name(&self) -> &'static str {
        "icelift counts calls"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> std::result::Result<(), BoxError> {
        self.0.fetch_add(1, Relaxed);
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> std::result::Result<(), BoxError> {
        if let Some(date) = context.response().headers().get("date") {
            self.1.hear(date, chrono::Utc::now());
        }
        Ok(())
    }
}

/// A database, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DatabasePlace {
    pub catalog_id: Option<String>,
    pub name: String,
}

/// A write that failed.
#[derive(Debug)]
pub(super) struct Unsent {
    /// How the last attempt failed.
    pub failure: Failure,
    /// Whether this or an earlier attempt may have been applied, or may yet be.
    pub may_land: bool,
}

impl GlueClient {
    pub fn new(
        catalog: &str,
        catalog_id: Option<String>,
        endpoint: Option<String>,
        limits: Limits,
        access: &AwsAccess,
    ) -> Self {
        let calls = Calls::default();
        let mut config = Builder::from(&access.config)
            .retry_config(limits.attempts())
            .timeout_config(limits.timeouts())
            .interceptor(calls.clone());
        if let Some(endpoint) = endpoint {
            config = config.endpoint_url(endpoint);
        }
        let (client, identity) = (Client::from_conf(config.build()), access.glue.clone());
        let (catalog, write_retries) = (catalog.to_string(), limits.retries);
        Self { catalog, catalog_id, client, calls, identity, write_retries, repeat_wait: REPEAT_WAIT }
    }

    /// Requests so far, repeated ones counted again.
    pub fn calls(&self) -> u64 {
        self.calls.0.load(Relaxed)
    }

    /// By how many seconds Glue's clock is ahead.
    pub fn clock_ahead_seconds(&self) -> Option<i64> {
        self.calls.1.ahead_seconds()
    }

    /// The database of this name in the catalog that was attached.
    pub fn place(&self, database: String) -> DatabasePlace {
        DatabasePlace { catalog_id: self.catalog_id.clone(), name: database }
    }

    /// All databases, page by page.
    pub async fn databases(&self) -> Result<Vec<Database>> {
        let request = self.client.get_databases().set_catalog_id(self.catalog_id.clone()).max_results(PAGE_ITEMS);
        let (mut pages, mut databases) = (request.into_paginator().send(), Vec::new());
        while let Some(Some(page)) = self.read("GetDatabases", "", async { pages.next().await.transpose() }).await? {
            databases.extend(page.database_list);
        }
        Ok(databases)
    }

    /// None if there is no such database.
    pub async fn database(&self, place: &DatabasePlace) -> Result<Option<Database>> {
        let request = self.client.get_database().set_catalog_id(place.catalog_id.clone()).name(&place.name);
        Ok(self.read("GetDatabase", &place.name, request.send()).await?.and_then(|answer| answer.database))
    }

    /// All tables, page by page. None if there is no such database.
    pub async fn tables(&self, place: &DatabasePlace) -> Result<Option<Vec<Table>>> {
        let DatabasePlace { catalog_id, name } = place;
        let request = self.client.get_tables().set_catalog_id(catalog_id.clone()).database_name(name);
        let (mut pages, mut tables) = (request.max_results(PAGE_ITEMS).into_paginator().send(), Vec::new());
        loop {
            match self.read("GetTables", name, async { pages.next().await.transpose() }).await? {
                Some(Some(page)) => tables.extend(page.table_list.unwrap_or_default()),
                Some(None) => return Ok(Some(tables)),
                None => return Ok(None),
            }
        }
    }

    /// Whether the database holds any table, view or link. A page may be empty and have successors.
    pub async fn holds_tables(&self, place: &DatabasePlace) -> Result<bool> {
        let DatabasePlace { catalog_id, name } = place;
        let request = self.client.get_tables().set_catalog_id(catalog_id.clone()).database_name(name);
        let mut pages = request.max_results(1).into_paginator().send();
        while let Some(Some(page)) = self.read("GetTables", name, async { pages.next().await.transpose() }).await? {
            if page.table_list.is_some_and(|tables| !tables.is_empty()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// None if there is no such table or no such database; Glue does not tell which.
    pub async fn table(&self, place: &DatabasePlace, table: &str) -> Result<Option<Table>> {
        let DatabasePlace { catalog_id, name } = place;
        let request = self.client.get_table().set_catalog_id(catalog_id.clone()).database_name(name).name(table);
        let answer = self.read("GetTable", &format!("{name}.{table}"), request.send()).await?;
        Ok(answer.and_then(|answer| answer.table))
    }

    pub async fn create_database(&self, input: DatabaseInput) -> Result<(), Unsent> {
        let name = input.name.clone();
        let request = self.client.create_database().set_catalog_id(self.catalog_id.clone()).database_input(input);
        self.send("CreateDatabase", &name, || request.clone().customize().config_override(once()).send()).await
    }

    pub async fn delete_database(&self, place: &DatabasePlace) -> Result<()> {
        let request = self.client.delete_database().set_catalog_id(place.catalog_id.clone()).name(&place.name);
        let call = || request.clone().customize().config_override(once()).send();
        match self.repeat("DeleteDatabase", &place.name, call, &[Reason::Throttled]).await {
            Ok(()) => Ok(()),
            // It was there a moment ago.
            Err(unsent) if unsent.failure.reason == Reason::NotFound => Ok(()),
            Err(unsent) if unsent.may_land && matches!(self.database(place).await, Ok(None)) => Ok(()),
            Err(unsent) => Err(unsent.failure.error),
        }
    }

    pub async fn delete_table(&self, place: &DatabasePlace, table: &str) -> Result<(), Unsent> {
        let DatabasePlace { catalog_id, name } = place;
        let request = self.client.delete_table().set_catalog_id(catalog_id.clone()).database_name(name).name(table);
        let call = || request.clone().customize().config_override(once()).send();
        self.repeat("DeleteTable", &format!("{name}.{table}"), call, &[Reason::Throttled]).await
    }

    pub async fn create_table(&self, place: &DatabasePlace, input: TableInput) -> Result<(), Unsent> {
        let DatabasePlace { catalog_id, name } = place;
        let object = format!("{name}.{}", input.name);
        let request = self.client.create_table().set_catalog_id(catalog_id.clone()).database_name(name);
        let request = request.table_input(input);
        self.send("CreateTable", &object, || request.clone().customize().config_override(once()).send()).await
    }

    /// Replaces the table's entry if `version` is still the newest: this is what makes a commit atomic.
    pub async fn update_table(
        &self,
        place: &DatabasePlace,
        input: TableInput,
        version: &str,
        skip_archive: bool,
    ) -> Result<(), Unsent> {
        let DatabasePlace { catalog_id, name } = place;
        let object = format!("{name}.{}", input.name);
        let request = self.client.update_table().set_catalog_id(catalog_id.clone()).database_name(name);
        let request = request.table_input(input).version_id(version).skip_archive(skip_archive);
        self.send("UpdateTable", &object, || request.clone().customize().config_override(once()).send()).await
    }

    /// One call. None if what it is about does not exist.
    async fn read<T, E>(
        &self,
        action: &'static str,
        object: &str,
        sent: impl Future<Output = Result<T, SdkError<E>>>,
    ) -> Result<Option<T>>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        match self.attempt(action, object, sent).await {
            Ok(answer) => Ok(Some(answer)),
            Err(failure) if failure.reason == Reason::NotFound => Ok(None),
            Err(failure) => Err(failure.error),
        }
    }

    /// One write, repeated while nothing or nothing definite is heard of it. To be used where a second application of the
    /// same call does no harm.
    async fn send<T, E, F>(&self, action: &'static str, object: &str, call: impl Fn() -> F) -> Result<(), Unsent>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        F: Future<Output = Result<T, SdkError<E>>>,
    {
        self.repeat(action, object, call, &[Reason::Lost, Reason::Throttled]).await
    }

    /// One write, repeated while it fails for one of these reasons.
    async fn repeat<T, E, F>(
        &self,
        action: &'static str,
        object: &str,
        call: impl Fn() -> F,
        reasons: &[Reason],
    ) -> Result<(), Unsent>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        F: Future<Output = Result<T, SdkError<E>>>,
    {
        let mut waits = ExponentialBuilder::default()
            .with_min_delay(self.repeat_wait)
            .with_max_delay(REPEAT_WAIT_MAX)
            .with_max_times(self.write_retries as usize)
            .with_jitter()
            .build();
        let mut may_land = false;
        loop {
            let failure = match self.attempt(action, object, call()).await {
                Ok(_) => return Ok(()),
                Err(failure) => failure,
            };
            may_land |= failure.reason == Reason::Lost;
            let is_repeated = reasons.contains(&failure.reason);
            let Some(wait) = waits.next().filter(|_| is_repeated) else { return Err(Unsent { failure, may_land }) };
            tracing::debug!(action, object, ?wait, error = %failure.error, "the call is repeated");
            tokio::time::sleep(wait).await;
        }
    }

    async fn attempt<T, E>(
        &self,
        action: &'static str,
        object: &str,
        sent: impl Future<Output = Result<T, SdkError<E>>>,
    ) -> Result<T, Failure>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        // Asked here, because the SDK would wrap the error beyond recognition.
        self.identity.check().await.map_err(Failure::unsent)?;
        let call = Call { catalog: &self.catalog, action, object };
        sent.await.map_err(|error| Failure::new(call, error, &self.identity.secrets()))
    }
}

/// The settings of a call that the SDK shall not repeat.
fn once() -> Builder {
    Builder::new().retry_config(RetryConfig::disabled())
}
