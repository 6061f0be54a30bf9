//! How to speak to an S3 endpoint, as the options of ATTACH say it.
//!
//! Names are Iceberg's: those of Java's `S3FileIO`, and PyIceberg's for the two timeouts, which are in seconds. What
//! has no name there: `s3.max-connections`, `s3.requester-pays-enabled`, `s3.retry.total-timeout-ms`. What must hold:
//! - values never appear in errors or `Debug`, as they may be secrets;
//! - `http://` is spoken only where the endpoint says so;
//! - what R2 refuses is refused before the first request ([`S3Settings::with_r2_rules`]).

use std::time::Duration;

use secrecy::SecretString;
use url::{Host, Url};

use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;
use crate::storage::{Authorities, UploadSettings};

/// S3 and R2 take no larger part or object in one request: a little below 5 GiB.
const PART_MAX_BYTES: usize = 4 << 30;
/// More connections than any endpoint wants from one client.
const CONNECTIONS_MAX: usize = 4096;
/// Where a region is asked for and none is set.
const DEFAULT_REGION: &str = "us-east-1";

/// How to speak to an S3 endpoint.
#[derive(Debug, Clone, Default)]
pub(crate) struct S3Settings {
    /// `https://…` or `http://…`, without bucket; AWS's own of the region unless set.
    pub endpoint: Option<String>,
    /// What requests are signed for.
    pub region: Option<String>,
    /// The bucket is in the path, not in the host name.
    pub path_style: bool,
    /// The bucket is in the host name although an endpoint is set: servers other than AWS seldom have such names.
    pub host_style: bool,
    /// What the server is asked to encrypt objects with.
    pub encryption: Encryption,
    /// The owner of these credentials pays for requests to buckets of others.
    pub requester_pays: bool,
    pub uploads: UploadSettings,
    pub requests: RequestSettings,
}

/// Server-side encryption of what is written.
#[derive(Debug, Clone, Default)]
pub(crate) enum Encryption {
    /// What the bucket says.
    #[default]
    Bucket,
    /// With S3's own keys.
    S3,
    /// With a key in AWS KMS: the named one, or the account's default for S3.
    Kms(Option<String>),
    /// Twice, with a key in AWS KMS.
    DualKms(Option<String>),
    /// With a key that goes along with every request, base64.
    Custom(SecretString),
}

/// Limits of requests to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestSettings {
    pub connect_timeout: Duration,
    /// The longest time without progress: for the answer to begin, and between its pieces.
    pub timeout: Duration,
    /// Requests under way at once.
    pub max_connections: usize,
    pub retries: RetrySettings,
    pub authorities: Authorities,
}

/// How often and how long a request that may succeed later is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RetrySettings {
    pub count: usize,
    pub min_wait: Duration,
    pub max_wait: Duration,
    /// All attempts of one request together; none begins later.
    pub total: Duration,
    /// The longest `Retry-After` that is waited for.
    pub retry_after_max: Duration,
}

impl Default for RequestSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(60),
            max_connections: 64,
            retries: RetrySettings::default(),
            authorities: Authorities::default(),
        }
    }
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            count: 10,
            min_wait: Duration::from_millis(100),
            max_wait: Duration::from_secs(20),
            // Room for another attempt after an upload of one part that took all the time it may take.
            total: Duration::from_secs(900),
            retry_after_max: Duration::from_secs(60),
        }
    }
}

impl S3Settings {
    /// Takes the `s3.*` options, without credentials.
    pub fn take(options: &mut Options) -> Result<Self> {
        let endpoint = take_endpoint(options)?;
        // Both are taken, so that neither is left over as unknown.
        let (region, client_region) = (options.take("s3.region"), options.take("client.region"));
        let region = region.or(client_region).filter(|region| !region.is_empty());
        if region.as_deref().is_some_and(|region| !is_region(region)) {
            return Err(options.error("the option `s3.region` must be a region such as `us-east-1`"));
        }
        let path_style = options.take_flag("s3.path-style-access")?;
        let uploads = UploadSettings::take(options)?;
        if uploads.part_bytes > PART_MAX_BYTES {
            let message = format!("the option `s3.multipart.part-size-bytes` must be at most {PART_MAX_BYTES}");
            return Err(options.error(message));
        }
        Ok(Self {
            endpoint,
            region,
            path_style: path_style == Some(true),
            host_style: path_style == Some(false),
            encryption: take_encryption(options)?,
            requester_pays: options.take_flag("s3.requester-pays-enabled")?.unwrap_or(false),
            uploads,
            requests: RequestSettings::take(options)?,
        })
    }

    /// The same with what R2 wants: path style, the region `auto`, and none of the headers that it does not implement.
    ///
    /// That payloads are signed whole (no `aws-chunked`), that there are no checksum, tagging and ACL headers, and that
    /// all parts of an upload but the last have one size, holds for every endpoint.
    pub fn with_r2_rules(mut self) -> Result<Self> {
        let refused = |option: &str, hint: &str| {
            Err(Error::new(ErrorKind::Config, format!("R2 does not take the option `{option}`")).hint(hint))
        };
        if !matches!(self.encryption, Encryption::Bucket) {
            return refused("s3.sse.type", "leave it out: R2 encrypts every object with keys of its own");
        }
        if self.requester_pays {
            return refused("s3.requester-pays-enabled", "leave it out: R2 has no buckets that the reader pays for");
        }
        if self.region.as_deref().is_some_and(|region| !["auto", DEFAULT_REGION].contains(&region)) {
            return refused("s3.region", "leave it out, or write `auto`");
        }
        let parsed = self.endpoint.as_deref().and_then(|endpoint| Url::parse(endpoint).ok());
        if parsed.is_some_and(|endpoint| !["", "/"].contains(&endpoint.path())) {
            let message = "the option `s3.endpoint` of R2 names the account only, not the bucket";
            return Err(Error::new(ErrorKind::Config, message)
                .hint("write `https://<account>.r2.cloudflarestorage.com`, without a path"));
        }
        (self.path_style, self.host_style) = (true, false);
        self.region = Some("auto".to_string());
        Ok(self)
    }

    /// What requests are signed for.
    pub fn signing_region(&self) -> &str {
        self.region.as_deref().unwrap_or(DEFAULT_REGION)
    }

    /// Where the objects of `bucket` are: `<scheme>://<host>[/<bucket>]`.
    pub fn bucket_url(&self, bucket: &str) -> Result<String> {
        // The name becomes part of a URL that a signature is sent to, and it may come from somebody else's metadata.
        if bucket.is_empty() || !bucket.bytes().all(|it| it.is_ascii_alphanumeric() || b"-._".contains(&it)) {
            return Err(Error::new(ErrorKind::Config, format!("`{bucket}` is no name of a bucket")));
        }
        let region = self.signing_region();
        if !is_region(region) {
            return Err(Error::new(ErrorKind::Config, format!("`{region}` is no region")).hint("write `us-east-1`"));
        }
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let endpoint = self.endpoint.clone().unwrap_or_else(|| format!("https://s3.{region}.{domain}"));
        // A catalog's server may have set it.
        let invalid = || Error::new(ErrorKind::Config, "the endpoint is no URL").hint("write `https://<host>`");
        let parsed = parsed_endpoint(&endpoint).ok_or_else(invalid)?;
        // AWS's certificates cover one label, and an address has no names below it.
        let must = bucket.contains('.') || !matches!(parsed.host(), Some(Host::Domain(_)));
        let in_path = self.path_style || must || self.endpoint.is_some() && !self.host_style;
        let (scheme, rest) = endpoint.split_once("://").ok_or_else(invalid)?;
        let rest = rest.trim_end_matches('/');
        Ok(if in_path { format!("{scheme}://{rest}/{bucket}") } else { format!("{scheme}://{bucket}.{rest}") })
    }
}

impl RequestSettings {
    fn take(options: &mut Options) -> Result<Self> {
        let (default, retries) = (Self::default(), RetrySettings::default());
        Ok(Self {
            connect_timeout: take_seconds(options, "s3.connect-timeout")?.unwrap_or(default.connect_timeout),
            timeout: take_seconds(options, "s3.request-timeout")?.unwrap_or(default.timeout),
            max_connections: options
                .take_number("s3.max-connections", 1)?
                .unwrap_or(default.max_connections)
                .min(CONNECTIONS_MAX),
            retries: RetrySettings {
                count: options.take_number("s3.retry.num-retries", 0)?.unwrap_or(retries.count),
                min_wait: options.take_millis("s3.retry.min-wait-ms")?.unwrap_or(retries.min_wait),
                max_wait: options.take_millis("s3.retry.max-wait-ms")?.unwrap_or(retries.max_wait),
                total: options.take_millis("s3.retry.total-timeout-ms")?.unwrap_or(retries.total),
                retry_after_max: retries.retry_after_max,
            },
            authorities: default.authorities,
        })
    }
}

fn take_endpoint(options: &mut Options) -> Result<Option<String>> {
    let Some(endpoint) = options.take("s3.endpoint").filter(|endpoint| !endpoint.is_empty()) else { return Ok(None) };
    match parsed_endpoint(&endpoint) {
        Some(_) => Ok(Some(endpoint.trim_end_matches('/').to_string())),
        None => Err(options
            .error("the option `s3.endpoint` must be a URL that begins with `https://` or `http://`")
            .hint("write `https://<host>`, without user, query or fragment")),
    }
}

/// The endpoint, if it names a server and nothing else.
fn parsed_endpoint(endpoint: &str) -> Option<Url> {
    let url = Url::parse(endpoint).ok()?;
    let is_plain = ["http", "https"].contains(&url.scheme())
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    is_plain.then_some(url)
}

fn take_encryption(options: &mut Options) -> Result<Encryption> {
    let kind = options.take("s3.sse.type");
    let key = options.take_secret("s3.sse.key");
    // Accepted, as Java's catalogs send it; the digest that is sent is computed from the key.
    let digest = options.take_secret("s3.sse.md5");
    let key_id = |key: Option<SecretString>| key.map(|key| secrecy::ExposeSecret::expose_secret(&key).to_string());
    match (kind.as_deref(), key) {
        (None | Some("none"), None) if digest.is_none() => Ok(Encryption::Bucket),
        (Some("s3"), None) => Ok(Encryption::S3),
        (Some("kms"), key) => Ok(Encryption::Kms(key_id(key))),
        (Some("dsse-kms"), key) => Ok(Encryption::DualKms(key_id(key))),
        (Some("custom"), Some(key)) => Ok(Encryption::Custom(key)),
        (Some("custom"), None) => Err(options
            .error("the option `s3.sse.key` is missing")
            .hint("`custom` encryption wants a key of 256 bits, in base64")),
        (None | Some("none" | "s3"), _) => {
            Err(options.error("the options `s3.sse.key` and `s3.sse.md5` need `s3.sse.type` to be `kms` or `custom`"))
        }
        _ => Err(options.error("the option `s3.sse.type` must be `none`, `s3`, `kms`, `dsse-kms` or `custom`")),
    }
}

/// A time in seconds, as PyIceberg writes it: `60` or `0.5`.
fn take_seconds(options: &mut Options, key: &str) -> Result<Option<Duration>> {
    let Some(seconds) = options.take_number(key, 0.001_f64)? else { return Ok(None) };
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) => Ok(Some(time)),
        Err(_) => Err(options.error(format!("the option `{key}` must be a number of seconds"))),
    }
}

/// A region becomes part of a host name.
fn is_region(region: &str) -> bool {
    region.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-')
}
