//! What ATTACH says of a REST catalog.

use std::collections::HashMap;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::auth::Login;
use super::http::Limits;
use super::paths;
use super::retry::Retries;
use crate::error::Result;
use crate::options::Options;
use crate::storage::{Authorities, S3Credentials, S3Settings, take_static_credentials};

pub(super) const DELEGATION: &str = "x-iceberg-access-delegation";
/// Where Iceberg's servers give tokens, below the catalog's address.
const TOKENS: &str = "v1/oauth/tokens";

/// What addresses look like.
const ADDRESS: &str =
    "URI 'https://…', without `/v1`, name, password and `?`; secrets are given as TOKEN or CREDENTIAL";

/// The settings of one catalog. No `Debug`: they hold secrets.
pub(in crate::catalog) struct Settings {
    /// The name in SQL.
    pub catalog: String,
    pub uri: String,
    pub warehouse: Option<String>,
    pub prefix: Option<String>,
    pub token: Option<SecretString>,
    pub(super) login: Option<Login>,
    pub headers: HeaderMap,
    pub(super) limits: Limits,
    pub(super) retries: Retries,
    /// Whom to trust beside the system's authorities, catalog and store alike.
    pub authorities: Authorities,
    pub page_size: Option<u32>,
    /// What holds where neither user nor server say anything.
    pub defaults: HashMap<String, String>,
    /// How to speak to the object store, as far as the user says.
    pub s3: S3Settings,
    /// The user's own keys; they win over those that the server vends.
    pub keys: Option<S3Credentials>,
}

impl Settings {
    /// Takes the options; see the module `rest`.
    pub async fn take(options: &mut Options, warehouse: Option<String>) -> Result<Self> {
        let given = options.require("uri", "URI 'https://…', without `/v1` at its end")?;
        let uri = paths::base(&given)
            .map_err(|found| options.error(format!("the option `uri` is wrong: {found}")).hint(ADDRESS))?;
        let login = login(options, &uri)?;
        let authorities = authorities(options).await?;
        let mut s3 = S3Settings::take(options)?;
        s3.requests.authorities = authorities.clone();
        Ok(Self {
            catalog: options.catalog().to_string(),
            warehouse,
            prefix: options.take("prefix"),
            token: options.take_secret("token"),
            login,
            headers: headers(options)?,
            limits: limits(options)?,
            retries: retries(options)?,
            authorities,
            page_size: options.take_number("rest-page-size", 1_u32)?,
            defaults: HashMap::new(),
            s3,
            keys: take_static_credentials(options)?,
            uri,
        })
    }
}

fn login(options: &mut Options, uri: &str) -> Result<Option<Login>> {
    let server = options.take("oauth2-server-uri");
    let server = server.or(options.take("rest.authorization-url")).unwrap_or_else(|| format!("{uri}/{TOKENS}"));
    let scope = options.take("scope").unwrap_or_else(|| "catalog".to_string());
    let (audience, resource) = (options.take("audience"), options.take("resource"));
    let Some(credential) = options.take_secret("credential") else { return Ok(None) };
    // Java takes a path for one below the catalog's address.
    let server = if server.contains("://") { server } else { format!("{uri}/{}", server.trim_start_matches('/')) };
    let server = paths::base(&server)
        .map_err(|found| options.error(format!("the option `oauth2-server-uri` is wrong: {found}")).hint(ADDRESS))?;
    let (client_id, client_secret) = match credential.expose_secret().split_once(':') {
        Some((id, secret)) => (Some(id.to_string()), SecretString::from(secret)),
        None => (None, credential.clone()),
    };
    Ok(Some(Login { server, client_id, client_secret, scope, audience, resource }))
}

/// The headers of every call: what the user gives, and the wish for keys.
fn headers(options: &mut Options) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(DELEGATION, HeaderValue::from_static("vended-credentials"));
    for (name, value) in options.take_prefixed("header.") {
        let (name, value) = header(&name, &value).ok_or_else(|| {
            options
                .error(format!("the option `header.{name}` is no valid header"))
                .hint("names are letters, digits and `-`; values are one line of visible letters")
        })?;
        headers.insert(name, value);
    }
    Ok(headers)
}

/// A header whose value is kept from logs.
pub(super) fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::try_from(name).ok()?;
    let mut value = HeaderValue::try_from(value).ok()?;
    value.set_sensitive(name != DELEGATION);
    Some((name, value))
}

fn limits(options: &mut Options) -> Result<Limits> {
    let default = Limits::default();
    Ok(Limits {
        connect: options.take_millis("rest.client.connection-timeout-ms")?.unwrap_or(default.connect),
        request: options.take_millis("rest.client.socket-timeout-ms")?.unwrap_or(default.request),
    })
}

fn retries(options: &mut Options) -> Result<Retries> {
    let default = Retries::default();
    Ok(Retries {
        count: options.take_number("rest.client.max-retries", 0_usize)?.unwrap_or(default.count).min(100),
        total: options.take_millis("rest.client.retry-timeout-ms")?.unwrap_or(default.total).min(DAY),
    })
}

const DAY: Duration = Duration::from_secs(86_400);

/// Whom to trust beside the system's authorities, from the file that the user names.
async fn authorities(options: &mut Options) -> Result<Authorities> {
    match options.take("ssl.cabundle") {
        Some(path) => Authorities::read(&path).await.map_err(|error| error.subject(format!("`{}`", options.catalog()))),
        None => Ok(Authorities::default()),
    }
}

/// The server's part of the configuration, merged: its defaults under the user's options, its overrides above them.
#[derive(Default)]
pub(super) struct Merged {
    pub defaults: HashMap<String, String>,
    pub overrides: HashMap<String, String>,
}

impl Merged {
    /// The value of `key`, where `own` is what the user says.
    pub fn value(&self, key: &str, own: Option<&str>) -> Option<String> {
        let found = self.overrides.get(key).map(String::as_str).or(own).or(self.defaults.get(key).map(String::as_str));
        found.filter(|value| !value.is_empty()).map(str::to_string)
    }

    /// Everything that the server says, its overrides first.
    pub fn served(&self) -> HashMap<String, String> {
        let mut served = self.defaults.clone();
        served.extend(self.overrides.clone());
        served
    }
}
