//! Makes calls: identity, rates, retries. One for each catalog.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;

use super::auth::Auth;
use super::call::{Call, Operation};
use super::endpoints::{Endpoints, endpoint};
use super::failure::{Cause, Failure};
use super::http::{Http, Reply};
use super::paths::{self, Paths};
use super::retry::Retries;
use super::rules::Rules;
use super::settings::{self, Merged, Settings};
use super::wire::{ConfigReply, given};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::secrets::Secrets;

/// A wait that a person wonders about.
const WORTH_A_WORD: Duration = Duration::from_secs(2);

/// Talks to the server of one catalog.
pub(super) struct Client {
    /// The name in SQL.
    pub catalog: String,
    pub rules: Arc<dyn Rules>,
    pub secrets: Arc<Secrets>,
    pub paths: Paths,
    pub endpoints: Endpoints,
    /// What the server said about the whole catalog.
    pub served: Merged,
    pub(super) uri: String,
    http: Http,
    auth: Auth,
    headers: HeaderMap,
    retries: Retries,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("catalog", &self.catalog).field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Client {
    /// Requests to the catalog and its token server so far.
    pub fn calls(&self) -> u64 {
        self.http.sent()
    }

    /// By how many seconds the server's clock is ahead.
    pub fn clock_ahead_seconds(&self) -> Option<i64> {
        self.http.clock.ahead_seconds()
    }

    /// Whether the catalog itself is asked without TLS.
    pub fn is_in_the_clear(&self) -> bool {
        paths::is_in_the_clear(&self.uri)
    }

    /// Asks the server for its configuration and follows it.
    pub async fn connect(settings: &mut Settings, rules: Arc<dyn Rules>) -> Result<Self> {
        let secrets = Arc::new(Secrets::default());
        for value in settings.headers.values().filter(|value| value.is_sensitive()) {
            secrets.keep(&SecretString::from(String::from_utf8_lossy(value.as_bytes()).into_owned()));
        }
        if let Some(keys) = &settings.keys {
            let known = keys.get_credential().await;
            let known = known.iter().flat_map(|keys| std::iter::once(&keys.secret_key).chain(&keys.token));
            known.for_each(|secret| secrets.keep(&SecretString::from(secret.as_str())));
        }
        let http = Http::new(&settings.limits, &settings.authorities, Arc::clone(&secrets))?;
        let (token, login) = (settings.token.take(), settings.login.take());
        let has_own_token = token.is_some() || login.is_some();
        let mut client = Self {
            catalog: settings.catalog.clone(),
            rules,
            paths: Paths::new(None, None),
            endpoints: Endpoints::Default,
            served: Merged::default(),
            uri: settings.uri.clone(),
            http,
            auth: Auth::new(token, login, Arc::clone(&secrets), settings.retries),
            headers: std::mem::take(&mut settings.headers),
            retries: settings.retries,
            secrets,
        };
        let call = Call::new(Operation::GetConfig, Paths::config(settings.warehouse.as_deref()));
        let reply: ConfigReply = client.json(&call).await.map_err(|failure| client.error(failure))?;
        client.endpoints = Endpoints::new(reply.endpoints);
        let mut defaults = std::mem::take(&mut settings.defaults);
        defaults.extend(given(reply.defaults));
        client.served = Merged { defaults, overrides: given(reply.overrides) };
        client.follow(settings, has_own_token)?;
        Ok(client)
    }

    /// Takes over what the server's configuration says about the calls that follow.
    fn follow(&mut self, settings: &Settings, has_own_token: bool) -> Result<()> {
        let served = &self.served;
        let prefix = served.value("prefix", settings.prefix.as_deref());
        let separator = served.value("namespace-separator", None);
        self.paths = Paths::new(prefix.as_deref(), separator.as_deref());
        if let Some(moved) = served.value("uri", Some(&settings.uri)).filter(|moved| *moved != settings.uri) {
            let error = |found: &str| {
                let message = format!("the server's configuration moves the catalog to another address: {found}");
                Error::new(ErrorKind::Config, message).stage(Stage::Catalog).subject(format!("`{}`", self.catalog))
            };
            let moved = paths::base(&moved).map_err(|found| error(&found))?;
            // The token must not travel in the clear because a server says so.
            if settings.uri.starts_with("https:") && !moved.starts_with("https:") {
                return Err(error("it begins with `http:`"));
            }
            self.uri = moved;
        }
        for (is_override, properties) in [(false, &served.defaults), (true, &served.overrides)] {
            let headers = properties
                .iter()
                .filter_map(|(key, value)| settings::header(&key.strip_prefix("header.")?.to_ascii_lowercase(), value));
            for (name, value) in headers.collect::<Vec<_>>() {
                if is_override || !self.headers.contains_key(&name) {
                    self.headers.insert(name, value);
                }
            }
        }
        if let Some(token) =
            served.value("token", None).filter(|_| !has_own_token || served.overrides.contains_key("token"))
        {
            self.auth = Auth::new(Some(token.into()), None, Arc::clone(&self.secrets), self.retries);
        }
        Ok(())
    }

    /// The server's address, as messages show it.
    pub fn server(&self) -> String {
        paths::shown(&self.uri)
    }

    /// What a person sees of a failed call.
    pub fn error(&self, failure: Failure) -> Error {
        failure.into_error(&self.catalog, &self.server(), self.rules.as_ref())
    }

    /// Makes a call whose answer says something.
    pub async fn json<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Failure> {
        self.make(call, Reply::json).await
    }

    /// Makes a call whose answer, 200 or 204, says only that it worked.
    pub async fn done(&self, call: &Call) -> Result<(), Failure> {
        self.make(call, |_| Ok(())).await
    }

    async fn make<T>(&self, call: &Call, read: impl Fn(&Reply) -> Result<T, Cause>) -> Result<T, Failure> {
        let mut patience = self.retries.start();
        let (mut is_doubtful, mut is_renewed) = (false, false);
        loop {
            let (sent, token) = match self.attempt(call).await {
                Ok(attempted) => attempted,
                Err(error) => return Err(self.failed(call, Cause::Stopped(error), is_doubtful)),
            };
            let cause = match sent.and_then(|reply| read(&reply)) {
                Ok(result) => return Ok(result),
                Err(cause) => cause,
            };
            is_doubtful |= cause.is_doubtful();
            // A call that is refused for its token has not been looked at, so any call may be made again.
            let is_stale = cause.refusal().is_some_and(|refusal| refusal.is_auth_timeout()) && !is_renewed;
            if is_stale {
                is_renewed = true;
                match self.auth.renew(&self.http, token.as_ref()).await {
                    Ok(true) => continue,
                    Ok(false) => {}
                    Err(error) => return Err(self.failed(call, Cause::Stopped(error), is_doubtful)),
                }
            }
            let Some(wait) = patience.next(call, &cause) else { return Err(self.failed(call, cause, is_doubtful)) };
            self.announce(call, wait, "the call is made again");
            tokio::time::sleep(wait).await;
        }
    }

    fn failed(&self, call: &Call, cause: Cause, is_doubtful: bool) -> Failure {
        Failure { call: Call { body: None, ..call.clone() }, cause, is_doubtful }
    }

    /// Sends the call once. Returns the token it was sent with.
    async fn attempt(&self, call: &Call) -> Result<(Result<Reply, Cause>, Option<SecretString>)> {
        if !self.endpoints.has(call.operation) {
            let missing = endpoint(call.operation).unwrap_or_default();
            let message = format!("{call}: the {} has no `{missing}`", self.rules.product());
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let wait = self.rules.admit(call);
        if !wait.is_zero() {
            self.announce(call, wait, "the call waits, so that the catalog's limit is kept");
            tokio::time::sleep(wait).await;
        }
        let token = self.auth.bearer(&self.http).await?;
        let mut request = self.http.request(call.operation.method(), &format!("{}{}", self.uri, call.path));
        request = request.headers(self.headers.clone()).header(ACCEPT, "application/json");
        if let Some(value) = token.as_ref().map(bearer) {
            request = request.headers(HeaderMap::from_iter([value?]));
        }
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        Ok((self.http.send(request).await, token))
    }

    fn announce(&self, call: &Call, wait: Duration, what: &str) {
        let wait_ms = wait.as_millis() as u64;
        if wait >= WORTH_A_WORD {
            tracing::warn!(catalog = self.catalog, %call, wait_ms, "{what}");
        } else {
            tracing::debug!(catalog = self.catalog, %call, wait_ms, "{what}");
        }
    }
}

fn bearer(token: &SecretString) -> Result<(HeaderName, HeaderValue)> {
    let invalid = || Error::new(ErrorKind::Config, "the token has letters that no HTTP header can hold");
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret())).map_err(|_| invalid())?;
    value.set_sensitive(true);
    Ok((reqwest::header::AUTHORIZATION, value))
}
