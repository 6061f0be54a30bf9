//! S3, and what speaks its protocol.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use object_store::aws::{AmazonS3Builder, AwsCredential};
use object_store::{ClientOptions, CredentialProvider, ObjectStore};

use super::{Meter, MeteredStore, UploadSettings};
use crate::catalog::Options;
use crate::error::{Error, ErrorKind, Result};

/// Where the keys for requests come from. Asked for every request, so that they can be renewed while a job runs.
pub(crate) type S3Credentials = Arc<dyn CredentialProvider<Credential = AwsCredential>>;

/// How to speak to an S3 endpoint.
#[derive(Debug, Clone, Default)]
pub(crate) struct S3Settings {
    /// AWS's own unless set.
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub path_style: bool,
    pub uploads: UploadSettings,
}

impl S3Settings {
    /// Takes the `s3.*` options, without credentials.
    pub fn take(options: &mut Options) -> Result<Self> {
        Ok(Self {
            endpoint: options.take("s3.endpoint"),
            region: options.take("s3.region").or_else(|| options.take("client.region")),
            path_style: options.take_flag("s3.path-style-access")?.unwrap_or(false),
            uploads: options.take_upload_settings()?,
        })
    }
}

/// One object store for each bucket that was asked for.
pub(super) struct Buckets {
    settings: S3Settings,
    credentials: S3Credentials,
    meter: Arc<Meter>,
    open: Mutex<HashMap<String, Arc<dyn ObjectStore>>>,
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buckets").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Buckets {
    pub fn new(settings: S3Settings, credentials: S3Credentials, meter: Arc<Meter>) -> Self {
        Self { settings, credentials, meter, open: Mutex::default() }
    }

    /// The store of `bucket`.
    pub fn get(&self, bucket: &str) -> Result<Arc<dyn ObjectStore>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = open.get(bucket) {
            return Ok(Arc::clone(found));
        }
        let store: Arc<dyn ObjectStore> = Arc::new(MeteredStore::new(self.connect(bucket)?, Arc::clone(&self.meter)));
        open.insert(bucket.to_string(), Arc::clone(&store));
        Ok(store)
    }

    fn connect(&self, bucket: &str) -> Result<Arc<dyn ObjectStore>> {
        let S3Settings { endpoint, region, path_style, .. } = &self.settings;
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(region.as_deref().unwrap_or("us-east-1"))
            .with_virtual_hosted_style_request(!path_style)
            .with_credentials(Arc::clone(&self.credentials))
            .with_client_options(ClientOptions::new().with_allow_http(true));
        if let Some(endpoint) = endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let built = builder.build().map_err(|source| {
            Error::new(ErrorKind::Config, "the bucket cannot be addressed")
                .subject(format!("s3://{bucket}"))
                .source(source)
        })?;
        Ok(Arc::new(built))
    }
}

/// Bucket and key of a location. Old metadata says `s3a` and `s3n`.
pub(super) fn split(location: &str) -> Result<(&str, &str)> {
    let found = location.split_once("://").filter(|(scheme, _)| ["s3", "s3a", "s3n"].contains(scheme));
    found.and_then(|(_, rest)| rest.split_once('/')).ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, "an object of this catalog is at `s3://<bucket>/<key>`").subject(location)
    })
}
