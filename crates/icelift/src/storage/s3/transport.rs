//! Connections to one endpoint.
//!
//! What must hold: a signature goes to the host it was made for, so redirects are not followed and proxies are not
//! looked for in the environment; bodies arrive as they were sent; requests under way are limited, whoever sends them.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use object_store::client::HttpClient;
use tokio::sync::Semaphore;

use super::settings::{RequestSettings, S3Settings};
use crate::error::{Error, ErrorKind, Result};

/// Endpoints beyond this number are forgotten, and connected to again when they are met again.
const KNOWN_MAX: usize = 64;

/// Connections to all endpoints that the tables of one catalog are at.
#[derive(Debug, Default)]
pub(super) struct Transports {
    known: Mutex<Vec<Known>>,
}

#[derive(Debug)]
struct Known {
    endpoint: Option<String>,
    settings: RequestSettings,
    transport: Arc<Transport>,
}

impl Transports {
    /// The connections to the endpoint of the settings, made unless there are some.
    pub fn get(&self, settings: &S3Settings) -> Result<Arc<Transport>> {
        let S3Settings { endpoint, requests, .. } = settings;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.iter().find(|it| it.endpoint == *endpoint && it.settings == *requests) {
            return Ok(Arc::clone(&found.transport));
        }
        let allow_http = endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"));
        let transport = Arc::new(Transport::new(requests, allow_http)?);
        if known.len() >= KNOWN_MAX {
            known.remove(0);
        }
        let (endpoint, settings) = (endpoint.clone(), requests.clone());
        known.push(Known { endpoint, settings, transport: Arc::clone(&transport) });
        Ok(transport)
    }
}

/// Connections to one endpoint, shared by all buckets and credentials that use it.
#[derive(Debug)]
pub(super) struct Transport {
    pub client: HttpClient,
    /// Requests that may be under way at once. Never closed.
    pub permits: Semaphore,
    /// Whether the endpoint ever answered.
    reached: AtomicBool,
}

impl Transport {
    fn new(settings: &RequestSettings, allow_http: bool) -> Result<Self> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("icelift/", env!("CARGO_PKG_VERSION")))
            // A redirect would take the signature, and a session's token, to another host.
            .redirect(reqwest::redirect::Policy::none())
            .https_only(!allow_http)
            // Lengths are checked: nothing may unpack bodies on the way. HTTP/2 would share one connection.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .http1_only()
            // The library does not read the environment, which the default proxy comes from.
            .no_proxy()
            .connect_timeout(settings.connect_timeout)
            .tcp_keepalive(Duration::from_secs(30));
        if cfg!(target_os = "linux") {
            builder = with_user_timeout(builder, settings.timeout);
        }
        let client = settings.authorities.add_to(builder).build().map_err(|source| {
            Error::new(ErrorKind::Config, "the HTTP client cannot be set up")
                .hint("check the certificates that this machine trusts")
                .source(source)
        })?;
        Ok(Self {
            client: HttpClient::new(client),
            permits: Semaphore::new(settings.max_connections),
            reached: AtomicBool::new(false),
        })
    }

    pub fn is_reached(&self) -> bool {
        self.reached.load(Relaxed)
    }

    pub fn set_reached(&self) {
        self.reached.store(true, Relaxed);
    }
}

/// A dead line is noticed while bytes are sent, too.
#[cfg(target_os = "linux")]
fn with_user_timeout(builder: reqwest::ClientBuilder, timeout: Duration) -> reqwest::ClientBuilder {
    builder.tcp_user_timeout(timeout)
}

#[cfg(not(target_os = "linux"))]
fn with_user_timeout(builder: reqwest::ClientBuilder, _timeout: Duration) -> reqwest::ClientBuilder {
    builder
}
