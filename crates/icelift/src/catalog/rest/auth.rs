//! Who calls: nobody, the bearer of a token, or an OAuth2 client.
//!
//! A token of an OAuth2 client is renewed before it ends and once when a server refuses it. Callers that need a new one at
//! the same time share it. What a token server says is never shown but for the error codes of RFC 6749: its answers hold
//! tokens, its errors repeat requests.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::failure::Cause;
use super::http::Http;
use super::retry::Retries;
use crate::error::{Error, ErrorKind, Result};
use crate::secrets::Secrets;

/// How long before its end a token is renewed, unless it lives less than four times as long.
const AHEAD: Duration = Duration::from_secs(60);
/// No token is counted on for longer; servers send the largest number there is for one that does not end.
const LIFE_MAX: Duration = Duration::from_secs(365 * 86_400);
/// The error codes of RFC 6749.
const CODES: [&str; 6] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

/// How an OAuth2 client gets its tokens.
#[derive(Debug, Clone)]
pub(super) struct Login {
    pub server: String,
    pub client_id: Option<String>,
    pub client_secret: SecretString,
    pub scope: String,
    pub audience: Option<String>,
    pub resource: Option<String>,
}

/// The identity of one catalog's client.
pub(super) struct Auth {
    login: Option<Login>,
    held: RwLock<Option<Held>>,
    renewing: Mutex<()>,
    secrets: Arc<Secrets>,
    retries: Retries,
}

/// A token, and until when it serves.
#[derive(Clone)]
struct Held {
    token: SecretString,
    renew_at: Option<Instant>,
    ends_at: Option<Instant>,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("login", &self.login.is_some()).finish_non_exhaustive()
    }
}

impl Auth {
    pub fn new(token: Option<SecretString>, login: Option<Login>, secrets: Arc<Secrets>, retries: Retries) -> Self {
        let known = token.iter().chain(login.iter().map(|login| &login.client_secret));
        known.for_each(|secret| secrets.keep(secret));
        let held = token.map(|token| Held { token, renew_at: None, ends_at: None });
        Self { login, held: RwLock::new(held), renewing: Mutex::default(), secrets, retries }
    }

    /// The token to send, if any.
    pub async fn bearer(&self, http: &Http) -> Result<Option<SecretString>> {
        let now = Instant::now();
        let Some(login) = &self.login else { return Ok(self.held().map(|held| held.token)) };
        if let Some(held) = self.held().filter(|held| held.renew_at.is_none_or(|at| now < at)) {
            return Ok(Some(held.token));
        }
        let _renewing = self.renewing.lock().await;
        // Another caller may have been faster.
        let held = self.held();
        if let Some(held) = held.as_ref().filter(|held| held.renew_at.is_none_or(|at| now < at)) {
            return Ok(Some(held.token.clone()));
        }
        match (self.log_in(http, login).await, held) {
            (Ok(token), _) => Ok(Some(token)),
            (Err(error), Some(held)) if held.ends_at.is_some_and(|end| Instant::now() < end) => {
                tracing::warn!(%error, "the token could not be renewed ahead of its end");
                Ok(Some(held.token))
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Gets another token than the one that a server refused. False if there is no way to.
    pub async fn renew(&self, http: &Http, refused: Option<&SecretString>) -> Result<bool> {
        let Some(login) = &self.login else { return Ok(false) };
        let _renewing = self.renewing.lock().await;
        let same = |held: &Held| Some(held.token.expose_secret()) == refused.map(ExposeSecret::expose_secret);
        if self.held().is_some_and(|held| !same(&held)) {
            return Ok(true);
        }
        self.log_in(http, login).await.map(|_| true)
    }

    fn held(&self) -> Option<Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn log_in(&self, http: &Http, login: &Login) -> Result<SecretString> {
        let mut patience = self.retries.start();
        let reply = loop {
            let request = http.request(Method::POST, &login.server);
            let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(login.form());
            let cause = match http.send(request).await.and_then(|reply| reply.json::<TokenReply>()) {
                Ok(reply) => break reply,
                Err(cause) => cause,
            };
            // A second token does no harm, so everything that may pass is tried again.
            let passes = match &cause {
                Cause::Refused(refusal) => [408, 429, 502, 503, 504].contains(&refusal.status),
                Cause::Unreachable(source) => super::failure::may_pass(source),
                Cause::Lost(_) => true,
                Cause::Garbled { .. } | Cause::Stopped(_) => false,
            };
            match patience.next_if(passes, &cause) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(login.failed(cause)),
            }
        };
        let token = reply.access_token;
        self.secrets.keep_recent(token.expose_secret());
        let lives = reply.expires_in.map(|seconds| Duration::from_secs(seconds).min(LIFE_MAX));
        let now = Instant::now();
        let renew_at = lives.map(|lives| now + lives - AHEAD.min(lives / 4));
        let held = Held { token: token.clone(), renew_at, ends_at: lives.map(|lives| now + lives) };
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(held);
        Ok(token)
    }
}

#[derive(Deserialize)]
struct TokenReply {
    #[serde(deserialize_with = "secret")]
    access_token: SecretString,
    expires_in: Option<u64>,
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

impl Login {
    /// Client id and secret go into the form, as Iceberg's own clients send them.
    fn form(&self) -> String {
        let Self { client_id, client_secret, scope, audience, resource, .. } = self;
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if let Some(client_id) = client_id {
            form.append_pair("client_id", client_id);
        }
        form.append_pair("client_secret", client_secret.expose_secret());
        form.append_pair("scope", scope);
        for (key, value) in [("audience", audience), ("resource", resource)] {
            if let Some(value) = value {
                form.append_pair(key, value);
            }
        }
        form.finish()
    }

    fn failed(&self, cause: Cause) -> Error {
        let server = super::paths::shown(&self.server);
        let error_of = |kind, what: String| {
            Error::new(kind, format!("the token server `{server}` {what}"))
                .hint("check CREDENTIAL (`id:secret`), SCOPE and OAUTH2-SERVER-URI")
        };
        let error = |what: String| error_of(ErrorKind::Unavailable, what);
        match cause {
            Cause::Refused(refusal) => {
                // Its text may repeat what was sent, in ways that no scrubbing foresees.
                let code = CODES.iter().find(|code| refusal.text.contains(**code));
                let named = code.map(|code| format!(" `{code}`")).unwrap_or_default();
                error_of(ErrorKind::Denied, format!("refuses the credential: {}{named}", refusal.status))
            }
            Cause::Unreachable(source) => error("cannot be reached".to_string()).source(source),
            Cause::Lost(source) => error("did not answer".to_string()).source(source),
            Cause::Garbled { .. } => {
                error_of(ErrorKind::Config, "answers with something else than a token".to_string())
            }
            Cause::Stopped(source) => error("was not asked".to_string()).source(source),
        }
    }
}
