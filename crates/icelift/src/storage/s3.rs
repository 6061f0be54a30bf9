//! S3, and what speaks its protocol: AWS, R2, and the servers that tests run.
//!
//! `object_store` knows S3's operations; below it [`service`] sends the requests. What must hold:
//! - each [`Buckets`] has its own credentials: two endpoints in one process never mix keys, and no key is looked for
//!   anywhere else;
//! - keys arrive as they are written: `%` and blanks are encoded once, for the URL, and nothing is decoded. Keys that
//!   `object_store` cannot hold unchanged, with empty or dotted segments, are refused;
//! - a signature is sent to the endpoint's host only: names of buckets are checked, redirects are not followed.

mod answer;
mod bucket;
mod classes;
mod credentials;
mod errors;
mod failure;
mod pending;
mod request;
mod service;
mod settings;
#[cfg(test)]
mod tests;
mod transport;
mod waits;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use object_store::RetryConfig;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use secrecy::ExposeSecret;

pub(super) use self::bucket::Bucket;
use self::credentials::CheckedCredentials;
use self::service::{Connector, Service};
use self::transport::Transports;
use super::Meter;
use crate::error::{Error, ErrorKind, Result};

pub(crate) use self::credentials::{S3Credentials, S3Keys, static_credentials, take_static_credentials};
pub(super) use self::errors::{Action, explain};
pub(super) use self::failure::Failure;
use self::settings::Encryption;
pub(crate) use self::settings::S3Settings;

/// One object store for each bucket that was asked for.
pub(super) struct Buckets {
    settings: S3Settings,
    credentials: Arc<CheckedCredentials>,
    meter: Arc<Meter>,
    transports: Arc<Transports>,
    open: Mutex<HashMap<String, Arc<Bucket>>>,
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buckets").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Buckets {
    pub fn new(settings: S3Settings, credentials: S3Credentials, meter: Arc<Meter>) -> Self {
        let credentials = Arc::new(CheckedCredentials(credentials));
        Self { settings, credentials, meter, transports: Arc::default(), open: Mutex::default() }
    }

    /// Buckets with other credentials. Those that go to the same endpoint share its connections, and their limit.
    pub fn with_credentials(&self, settings: S3Settings, credentials: S3Credentials) -> Self {
        let transports = Arc::clone(&self.transports);
        Self { transports, ..Self::new(settings, credentials, Arc::clone(&self.meter)) }
    }

    /// The store of `bucket`.
    pub fn get(&self, bucket: &str) -> Result<Arc<Bucket>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = open.get(bucket) {
            return Ok(Arc::clone(found));
        }
        let bucket_store = Arc::new(self.connect(bucket)?);
        open.insert(bucket.to_string(), Arc::clone(&bucket_store));
        Ok(bucket_store)
    }

    fn connect(&self, bucket: &str) -> Result<Bucket> {
        let settings = &self.settings;
        let url = settings.bucket_url(bucket)?;
        let host = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest.split('/').next().unwrap_or(rest));
        let service = Arc::new(Service {
            transport: self.transports.get(settings)?,
            credentials: Arc::clone(&self.credentials),
            meter: Arc::clone(&self.meter),
            settings: settings.requests.clone(),
            region: settings.signing_region().to_string(),
            host: host.to_string(),
            requester_pays: settings.requester_pays,
        });
        let builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(settings.signing_region())
            // With a host name for each bucket, `object_store` takes the endpoint as it is: the URL of the bucket.
            .with_virtual_hosted_style_request(true)
            .with_endpoint(&url)
            .with_credentials(Arc::clone(&self.credentials) as _)
            .with_request_payer(settings.requester_pays)
            .with_disable_tagging(true)
            // The service retries.
            .with_retry(RetryConfig { max_retries: 0, retry_timeout: Duration::ZERO, ..Default::default() })
            .with_http_connector(Connector(Arc::clone(&service)));
        let objects = encrypted(builder, &settings.encryption).and_then(AmazonS3Builder::build).map_err(|source| {
            Error::new(ErrorKind::Config, "the bucket cannot be addressed")
                .subject(format!("s3://{bucket}"))
                .hint("check `s3.endpoint` and `s3.sse.key`")
                .source(source)
        })?;
        Ok(Bucket { objects, service, url })
    }
}

fn encrypted(builder: AmazonS3Builder, encryption: &Encryption) -> object_store::Result<AmazonS3Builder> {
    let without_key = |builder: AmazonS3Builder, kind: &str| {
        let option: AmazonS3ConfigKey = "aws_server_side_encryption".parse()?;
        Ok(builder.with_config(option, kind))
    };
    match encryption {
        Encryption::Bucket => Ok(builder),
        Encryption::S3 => without_key(builder, "AES256"),
        Encryption::Kms(None) => without_key(builder, "aws:kms"),
        Encryption::Kms(Some(key)) => Ok(builder.with_sse_kms_encryption(key)),
        Encryption::DualKms(None) => without_key(builder, "aws:kms:dsse"),
        Encryption::DualKms(Some(key)) => Ok(builder.with_dsse_kms_encryption(key)),
        Encryption::Custom(key) => Ok(builder.with_ssec_encryption(key.expose_secret())),
    }
}

/// Bucket and key of a location. Old metadata says `s3a` and `s3n`.
fn split(location: &str) -> Result<(&str, &str)> {
    let found = location.split_once("://").filter(|(scheme, _)| ["s3", "s3a", "s3n"].contains(scheme));
    found
        .map(|(_, rest)| rest.split_once('/').unwrap_or((rest, "")))
        .filter(|(bucket, _)| !bucket.is_empty())
        .ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "an object of this catalog is at `s3://<bucket>/<key>`")
                .subject(location)
        })
}

/// Bucket and key of an object.
pub(super) fn object_key(location: &str) -> Result<(&str, Path)> {
    let (bucket, key) = split(location)?;
    // `object_store` would take off a slash at either end, and so name another object.
    if key.is_empty() || key.split('/').any(str::is_empty) {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "the key of the object is empty or has an empty segment (`//`)",
        )
        .subject(location)
        .hint("such keys cannot be addressed; rewrite the table to a location without `//`"));
    }
    let key = Path::parse(key).map_err(|source| {
        Error::new(ErrorKind::Unsupported, "the key of the object cannot be addressed").subject(location).source(source)
    })?;
    Ok((bucket, key))
}

/// Bucket and folder of all objects below a location, which names more than a bucket.
pub(super) fn folder_key(location: &str) -> Result<(&str, Path)> {
    object_key(location.strip_suffix('/').unwrap_or(location))
}
