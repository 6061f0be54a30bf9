//! The keys of one table: the user's own, or those that the catalog vends for it.
//!
//! Vended keys come with every answer that holds the table, and end. They are renewed before they do, by asking for them or,
//! where the server has no such call, by loading the table again. There is no other source: what the environment or the
//! machine has belongs to another account.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use chrono::Utc;
use iceberg::TableIdent;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use tokio::sync::Mutex;

use super::call::{Call, Operation};
use super::client::Client;
use super::wire::{CredentialsReply, StorageCredential, TableReply, given};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::storage::S3Keys;

const KEY_ID: &str = "s3.access-key-id";
const SECRET_KEY: &str = "s3.secret-access-key";
const SESSION_TOKEN: &str = "s3.session-token";
const EXPIRES_AT_MS: &str = "s3.session-token-expires-at-ms";
/// How long before their end keys are renewed. Requests that are under way then have this long to finish.
const AHEAD: Duration = Duration::from_secs(120);
/// How long to wait after a renewal that failed while the old keys still serve.
const PAUSE: Duration = Duration::from_secs(10);

/// `more` over `config`. Keys belong together: no session token of one with the secret of another.
pub(super) fn extend_config(config: &mut HashMap<String, String>, more: HashMap<String, String>) {
    if more.contains_key(KEY_ID) {
        [KEY_ID, SECRET_KEY, SESSION_TOKEN, EXPIRES_AT_MS].iter().for_each(|key| drop(config.remove(*key)));
    }
    config.extend(more);
}

/// What an answer says about the store of a table: `storage-credentials` of the longest prefix over `config`.
pub(super) fn store_config(
    location: &str,
    config: HashMap<String, String>,
    credentials: &[StorageCredential],
) -> HashMap<String, String> {
    let matching = credentials.iter().filter(|credential| covers(&credential.prefix, location));
    let mut merged = config;
    if let Some(best) = matching.max_by_key(|credential| credential.prefix.len()) {
        extend_config(&mut merged, best.config.clone());
    }
    merged
}

/// Whether a prefix, which may be as short as `s3`, covers the location. `s3a` and `s3n` are `s3`.
fn covers(prefix: &str, location: &str) -> bool {
    fn plain(text: &str) -> String {
        match text.split_once("://") {
            Some(("s3a" | "s3n", rest)) => format!("s3://{rest}"),
            _ => text.to_string(),
        }
    }
    let (prefix, location) = (plain(prefix), plain(location));
    let Some(rest) = location.strip_prefix(&prefix) else { return prefix.trim_end_matches('/') == location };
    // `s3://b/t` does not cover `s3://b/t2`; a bare scheme covers everything of it.
    rest.is_empty()
        || prefix.ends_with('/')
        || rest.starts_with('/')
        || rest.starts_with(':')
        || !prefix.contains("://")
}

/// Keys, and when they end.
#[derive(Clone)]
struct Keys {
    credential: Arc<AwsCredential>,
    ends_at_ms: Option<i64>,
}

impl Keys {
    /// None if the configuration has no keys.
    fn new(config: &HashMap<String, String>) -> Option<Self> {
        let credential = AwsCredential {
            key_id: config.get(KEY_ID)?.clone(),
            secret_key: config.get(SECRET_KEY)?.clone(),
            token: config.get(SESSION_TOKEN).filter(|token| !token.is_empty()).cloned(),
        };
        let ends_at_ms = config.get(EXPIRES_AT_MS).and_then(|value| value.parse().ok());
        Some(Self { credential: Arc::new(credential), ends_at_ms })
    }

    fn serve_for(&self, time: Duration) -> bool {
        let until = Utc::now().timestamp_millis() + time.as_millis() as i64;
        self.ends_at_ms.is_none_or(|end| until < end)
    }
}

/// The vended keys of one table.
pub(super) struct VendedKeys {
    client: Arc<Client>,
    table: TableIdent,
    location: String,
    held: RwLock<Option<Keys>>,
    /// When a renewal may be tried again.
    renewing: Mutex<Option<tokio::time::Instant>>,
}

impl fmt::Debug for VendedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VendedKeys").field("table", &self.table).finish_non_exhaustive()
    }
}

impl VendedKeys {
    pub fn new(client: Arc<Client>, table: TableIdent, location: String) -> Self {
        Self { client, table, location, held: RwLock::default(), renewing: Mutex::default() }
    }

    /// Takes newer keys over, if there are any: an answer to a commit need not have them.
    pub fn take(&self, config: &HashMap<String, String>) {
        let Some(keys) = Keys::new(config) else { return };
        let AwsCredential { secret_key, token, .. } = keys.credential.as_ref();
        std::iter::once(secret_key).chain(token).for_each(|secret| self.client.secrets.keep_recent(secret));
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let is_older = |old: &Keys| old.ends_at_ms.zip(keys.ends_at_ms).is_some_and(|(old, new)| new < old);
        if !held.as_ref().is_some_and(is_older) {
            *held = Some(keys);
        }
    }

    fn held(&self) -> Option<Keys> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn keys(&self) -> Result<Arc<AwsCredential>> {
        let held = self.held().ok_or_else(|| self.none())?;
        if held.serve_for(AHEAD) {
            return Ok(held.credential);
        }
        // While the old keys serve, one caller renews them and the others go on.
        let mut renewing = match self.renewing.try_lock() {
            Ok(renewing) => renewing,
            Err(_) if held.serve_for(Duration::ZERO) => return Ok(held.credential),
            Err(_) => self.renewing.lock().await,
        };
        let held = self.held().ok_or_else(|| self.none())?;
        let is_paused = renewing.is_some_and(|until| tokio::time::Instant::now() < until);
        if held.serve_for(AHEAD) || (is_paused && held.serve_for(Duration::ZERO)) {
            return Ok(held.credential);
        }
        match self.renew().await {
            Ok(()) => {
                // Keys that live shorter than the time ahead are not asked for at every request.
                *renewing = Some(tokio::time::Instant::now() + PAUSE);
                self.held().map(|keys| keys.credential).ok_or_else(|| self.none())
            }
            Err(error) if held.serve_for(Duration::ZERO) => {
                tracing::warn!(table = %self.table, %error, "the table's keys could not be renewed ahead of their end");
                *renewing = Some(tokio::time::Instant::now() + PAUSE);
                Ok(held.credential)
            }
            Err(error) => Err(error),
        }
    }

    async fn renew(&self) -> Result<()> {
        let client = &self.client;
        let config = if client.endpoints.has(Operation::LoadCredentials) {
            let call = Call::new(Operation::LoadCredentials, client.paths.credentials(&self.table)?).table(&self.table);
            let reply: CredentialsReply = client.json(&call).await.map_err(|failure| client.error(failure))?;
            store_config(&self.location, HashMap::new(), &reply.storage_credentials)
        } else {
            let call = Call::new(Operation::LoadTable, client.paths.table(&self.table)?).table(&self.table);
            let reply: TableReply = client.json(&call).await.map_err(|failure| client.error(failure))?;
            store_config(&self.location, given(reply.config), &reply.storage_credentials.unwrap_or_default())
        };
        let renewed = Keys::new(&config).filter(|keys| keys.serve_for(Duration::ZERO));
        if renewed.is_none() {
            let message = format!("{} gave no new keys for `{}`", self.client.rules.product(), self.location);
            return Err(self.place(Error::new(ErrorKind::Denied, message)));
        }
        self.take(&config);
        Ok(())
    }

    fn none(&self) -> Error {
        let product = self.client.rules.product();
        let message = format!("there are no keys for `{}`: the {product} vends none and none are given", self.location);
        self.place(Error::new(ErrorKind::Denied, message)).hint(
            "give `s3.access-key-id` and `s3.secret-access-key` in ATTACH, or turn credential vending on in the catalog; \
             keys of the environment or the machine are not used",
        )
    }

    fn place(&self, error: Error) -> Error {
        error.stage(Stage::Catalog).subject(format!("`{}.{}`", self.client.catalog, self.table))
    }
}

#[async_trait]
impl CredentialProvider for VendedKeys {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let failed = |source: Error| object_store::Error::Generic { store: "S3", source: Box::new(source) };
        self.keys().await.map_err(failed)
    }
}

impl S3Keys for VendedKeys {
    fn ended(&self, keys: &AwsCredential) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        // Others may have renewed them in the meantime.
        if let Some(held) = held.as_mut().filter(|held| held.credential.as_ref() == keys) {
            held.ends_at_ms = Some(0);
        }
    }
}
