//! What goes over the wire, and what becomes of the answers. Every test has a server of its own.

mod errors;
mod pending;
mod retries;
mod settings;
mod uploads;
mod wire;

use std::time::Duration;

use tokio_util::task::TaskTracker;

use super::settings::{RequestSettings, RetrySettings};
use super::{S3Settings, static_credentials};
use crate::scripted_server as server;
use crate::scripted_server::Server;
use crate::storage::{Store, UploadSettings};

const KEY_ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "s3cr3t-of-the-test";
const TOKEN: &str = "t0ken-of-the-test";

/// Milliseconds where production waits for seconds.
fn requests() -> RequestSettings {
    RequestSettings {
        connect_timeout: Duration::from_secs(5),
        timeout: Duration::from_secs(5),
        max_connections: 8,
        retries: RetrySettings {
            count: 3,
            min_wait: Duration::from_millis(1),
            max_wait: Duration::from_millis(4),
            total: Duration::from_secs(20),
            retry_after_max: Duration::from_millis(80),
        },
        ..RequestSettings::default()
    }
}

/// R2 at an endpoint, `https://<account>.r2.cloudflarestorage.com`.
fn r2_settings(endpoint: &str) -> crate::error::Result<S3Settings> {
    let endpoint = Some(endpoint.trim_end_matches('/').to_string());
    S3Settings { endpoint, ..S3Settings::default() }.with_r2_rules()
}

fn settings(url: &str) -> S3Settings {
    S3Settings {
        endpoint: Some(url.to_string()),
        region: Some("eu-west-3".to_string()),
        path_style: true,
        uploads: UploadSettings { part_bytes: 10, part_concurrency: 2 },
        requests: requests(),
        ..S3Settings::default()
    }
}

fn store(settings: S3Settings) -> Store {
    store_with(settings, KEY_ID)
}

fn store_with(settings: S3Settings, key_id: &str) -> Store {
    let credentials = static_credentials(key_id, &SECRET.into(), Some(&TOKEN.into()));
    Store::s3(settings, credentials, TaskTracker::new())
}

fn store_at(server: &Server) -> Store {
    store(settings(&server.url))
}
