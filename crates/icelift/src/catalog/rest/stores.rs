//! The stores of a catalog's tables: one connection pool and one set of keys for each table that is in use.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use iceberg::TableIdent;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;

use super::client::Client;
use super::paths;
use super::vended::VendedKeys;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::storage::{S3Credentials, S3Keys, S3Settings, Store};

/// Tables whose stores are kept.
const KEPT: usize = 256;

/// The keys of the catalog itself, which has no objects of its own.
#[derive(Debug)]
pub(super) struct NoTable;

#[async_trait]
impl CredentialProvider for NoTable {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let source = Error::new(ErrorKind::Internal, "an object is asked for outside of any table");
        Err(object_store::Error::Generic { store: "S3", source: Box::new(source) })
    }
}

impl S3Keys for NoTable {}

/// Gives every table its store.
pub(super) struct Stores {
    /// Of the catalog itself: its meter counts for all tables.
    pub root: Store,
    settings: S3Settings,
    own_keys: Option<S3Credentials>,
    open: Mutex<HashMap<TableIdent, Open>>,
}

struct Open {
    location: String,
    reached: Reached,
    store: Store,
    keys: Option<Arc<VendedKeys>>,
    last_used: u64,
}

/// Where a server says that a table is.
#[derive(Clone, PartialEq, Eq, Default)]
struct Reached {
    endpoint: Option<String>,
    region: Option<String>,
    path_style: bool,
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Stores {
    pub fn new(root: Store, settings: S3Settings, own_keys: Option<S3Credentials>) -> Self {
        Self { root, settings, own_keys, open: Mutex::default() }
    }

    /// The store of a table, whose answer said `config`. What the user says wins over what the server says.
    pub fn table(
        &self,
        client: &Arc<Client>,
        table: &TableIdent,
        location: &str,
        config: &HashMap<String, String>,
    ) -> Result<Store> {
        let reached = Reached::new(config);
        if self.settings.endpoint.is_none() && reached.is_in_the_clear() && !client.is_in_the_clear() {
            let message = "the server names an S3 endpoint that begins with `http:`, and is asked by `https:` itself";
            return Err(Error::new(ErrorKind::Config, message)
                .stage(Stage::Catalog)
                .subject(format!("`{}.{table}`", client.catalog))
                .hint("give `s3.endpoint` in ATTACH if data shall travel in the clear"));
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let now = open.values().map(|open| open.last_used).max().unwrap_or_default() + 1;
        if let Some(known) = open.get_mut(table).filter(|open| open.location == location && open.reached == reached) {
            known.last_used = now;
            known.keys.iter().for_each(|keys| keys.take(config));
            return Ok(known.store.clone());
        }
        let (credentials, keys): (S3Credentials, _) = match &self.own_keys {
            Some(own) => (Arc::clone(own), None),
            None => {
                let keys = Arc::new(VendedKeys::new(Arc::clone(client), table.clone(), location.to_string()));
                keys.take(config);
                (Arc::clone(&keys) as _, Some(keys))
            }
        };
        let store = self.root.with_credentials(reached.over(&self.settings), credentials);
        if open.len() >= KEPT && !open.contains_key(table) {
            let oldest = open.iter().min_by_key(|(_, open)| open.last_used).map(|(table, _)| table.clone());
            oldest.iter().for_each(|table| drop(open.remove(table)));
        }
        let opened = Open { location: location.to_string(), reached, store: store.clone(), keys, last_used: now };
        open.insert(table.clone(), opened);
        Ok(store)
    }

    /// Takes over the keys that came with the answer to a commit.
    pub fn renew(&self, table: &TableIdent, config: &HashMap<String, String>) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = open.get(table).and_then(|open| open.keys.as_ref());
        keys.iter().for_each(|keys| keys.take(config));
    }
}

impl Reached {
    fn new(config: &HashMap<String, String>) -> Self {
        let value = |key: &str| config.get(key).filter(|value| !value.is_empty()).cloned();
        Self {
            endpoint: value("s3.endpoint"),
            region: value("s3.region").or_else(|| value("client.region")),
            path_style: config.get("s3.path-style-access").is_some_and(|value| value.eq_ignore_ascii_case("true")),
        }
    }

    fn is_in_the_clear(&self) -> bool {
        self.endpoint.as_deref().is_some_and(paths::is_in_the_clear)
    }

    fn over(&self, own: &S3Settings) -> S3Settings {
        let mut settings = own.clone();
        settings.endpoint = settings.endpoint.or_else(|| self.endpoint.clone());
        settings.region = settings.region.or_else(|| self.region.clone());
        settings.path_style |= self.path_style;
        settings
    }
}
