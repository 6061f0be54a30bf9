//! HTTP: one request, one answer, and what went wrong between the two.
//!
//! No request is without a time limit, no answer without a size limit. Redirects are not followed: a POST would come out
//! as a GET on the other side, and its 200 would look like a commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chrono::Utc;
use reqwest::header::{DATE, RETRY_AFTER};
use reqwest::{RequestBuilder, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::failure::{Cause, Refusal};
use crate::error::{Error, ErrorKind, Result};
use crate::retry_after::retry_after;
use crate::secrets::Secrets;
use crate::server_clock::ServerClock;
use crate::storage::Authorities;

/// The largest answer that is read: metadata of a table with some hundred thousand snapshots.
const ANSWER_BYTES: usize = 512 << 20;
/// How long a connection is kept for the next call.
const IDLE: Duration = Duration::from_secs(20);
/// The largest error that is read.
const ERROR_BYTES: usize = 16 << 10;

/// Time limits, and whom to trust.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    pub connect: Duration,
    pub request: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), request: Duration::from_secs(60) }
    }
}

/// The connections of one catalog.
#[derive(Clone)]
pub(super) struct Http {
    client: reqwest::Client,
    secrets: Arc<Secrets>,
    sent: Arc<AtomicU64>,
    pub clock: ServerClock,
}

/// An answer with status 2xx.
pub(super) struct Reply {
    pub body: Bytes,
}

impl Http {
    pub fn new(limits: &Limits, authorities: &Authorities, secrets: Arc<Secrets>) -> Result<Self> {
        let builder = reqwest::Client::builder()
            .user_agent(concat!("icelift/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits.connect)
            .timeout(limits.request)
            // Servers close idle connections after a minute or so; a commit must not meet one that is just being closed.
            .pool_idle_timeout(IDLE)
            .redirect(reqwest::redirect::Policy::none())
            // The library does not read the environment.
            .no_proxy();
        let client = authorities.add_to(builder).build();
        let client =
            client.map_err(|source| Error::new(ErrorKind::Config, "the HTTP client cannot be made").source(source))?;
        Ok(Self { client, secrets, sent: Arc::default(), clock: ServerClock::default() })
    }

    /// Requests so far, repeated ones counted again.
    pub fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    pub fn request(&self, method: reqwest::Method, url: &str) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// Sends a request once.
    pub async fn send(&self, request: RequestBuilder) -> Result<Reply, Cause> {
        self.sent.fetch_add(1, Relaxed);
        let response = request.send().await.map_err(unanswered)?;
        if let Some(date) = response.headers().get(DATE).and_then(|value| value.to_str().ok()) {
            self.clock.hear(date, Utc::now());
        }
        let status = response.status();
        if !status.is_success() {
            return Err(Cause::Refused(self.refusal(response).await));
        }
        let (body, is_whole) = body(response, ANSWER_BYTES).await.map_err(|error| Cause::Lost(error.without_url()))?;
        if !is_whole {
            let found = format!("it has more than {ANSWER_BYTES} bytes");
            return Err(Cause::Garbled { found, is_cut: false });
        }
        Ok(Reply { body })
    }

    async fn refusal(&self, response: Response) -> Refusal {
        let status = response.status().as_u16();
        let now = Utc::now();
        let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = header.and_then(|value| retry_after(value, now));
        // The status counts, whatever becomes of the text.
        let body = body(response, ERROR_BYTES).await.map(|(body, _)| body).unwrap_or_default();
        match serde_json::from_slice::<ErrorReply>(&body) {
            Ok(ErrorReply { error }) => {
                let named = error.r#type.unwrap_or_default();
                let shown_name = self.secrets.excerpt(named.as_bytes());
                let text = self.secrets.excerpt(error.message.unwrap_or_default().as_bytes());
                Refusal { status, named: Some(named), shown_name, text, retry_after }
            }
            Err(_) => Refusal { status, text: self.secrets.excerpt(&body), retry_after, ..Refusal::default() },
        }
    }
}

/// The specification's error.
#[derive(Deserialize)]
struct ErrorReply {
    error: ErrorModel,
}

#[derive(Deserialize)]
struct ErrorModel {
    message: Option<String>,
    r#type: Option<String>,
}

impl Reply {
    /// The body as JSON. What serde says of it is not passed on: it quotes values, and the values are keys.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Cause> {
        serde_json::from_slice(&self.body).map_err(|error| {
            use serde_json::error::Category;
            let (line, column) = (error.line(), error.column());
            let found = match error.classify() {
                Category::Eof if self.body.is_empty() => "it is empty".to_string(),
                Category::Eof => format!("it ends early, after {} bytes", self.body.len()),
                Category::Data => format!("something is missing or of another type at line {line}, column {column}"),
                Category::Syntax | Category::Io => format!("it is no JSON from line {line}, column {column}"),
            };
            Cause::Garbled { found, is_cut: error.is_eof() }
        })
    }
}

/// A request that got no answer: not sent if there was no connection, otherwise who knows.
fn unanswered(error: reqwest::Error) -> Cause {
    let error = error.without_url();
    if error.is_connect() || error.is_builder() { Cause::Unreachable(error) } else { Cause::Lost(error) }
}

/// The body up to a limit, and whether that is all of it.
async fn body(mut response: Response, limit: usize) -> reqwest::Result<(Bytes, bool)> {
    let mut read = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        let room = limit - read.len();
        if chunk.len() > room {
            read.extend_from_slice(&chunk[..room]);
            return Ok((read.freeze(), false));
        }
        read.extend_from_slice(&chunk);
    }
    Ok((read.freeze(), true))
}
