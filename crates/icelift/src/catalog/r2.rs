//! `TYPE r2`: Cloudflare R2 Data Catalog, since October 2026 called Basin Catalog. `TYPE basin` is the same.
//!
//! A REST catalog with the rules of its product: what Cloudflare publishes of them is checked here, before a call. It refuses
//! AWS identities by design: keys are the user's R2 keys, those of the API token, or vended.
//!
//! Options: those of `TYPE rest` without `credential`, and `r2.token-id`, the id of the API token, from which the token's
//! own S3 keys follow. `oauth2-server-uri` is taken and has no effect, because configurations of Spark have it.

mod limits;
mod rules;

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio_util::task::TaskTracker;

pub(super) use self::limits::least_wait;
use self::rules::R2Rules;
pub(super) use self::rules::takes_property;
use super::rest::Rest;
use super::rest::paths::is_loopback;
use super::rest::settings::Settings;
use crate::error::Result;
use crate::options::Options;
use crate::storage::{S3Credentials, static_credentials};

/// What messages call it.
pub(super) const PRODUCT: &str = "R2 Data Catalog (Basin Catalog)";
/// Where Cloudflare's catalogs are, followed by account and bucket.
const CATALOGS: &str = "https://catalog.cloudflarestorage.com/";
/// The largest page that R2 gives.
const PAGE: u32 = 1000;
/// The form of ATTACH.
const FORM: &str = "ATTACH '<account>_<bucket>' AS name (TYPE r2, URI 'https://catalog.cloudflarestorage.com/<account>/<bucket>', \
                    TOKEN '<API token>')";

/// Opens a catalog of `TYPE r2`.
pub(super) async fn open(warehouse: Option<String>, mut options: Options, cleanup: &TaskTracker) -> Result<Rest> {
    let settings = settings(warehouse, &mut options).await?;
    options.finish()?;
    Rest::connect(settings, Arc::new(R2Rules::default()), cleanup).await
}

async fn settings(warehouse: Option<String>, options: &mut Options) -> Result<Settings> {
    let Some(warehouse) = warehouse.filter(|warehouse| !warehouse.is_empty()) else {
        return Err(options.error(format!("an {PRODUCT} needs its warehouse")).hint(FORM));
    };
    if options.take("credential").is_some() {
        return Err(options
            .error(format!("the {PRODUCT} has no OAuth2 clients, so `credential` cannot be used"))
            .hint("give the API token as TOKEN"));
    }
    if options.take("oauth2-server-uri").is_some() {
        tracing::debug!(catalog = options.catalog(), "oauth2-server-uri has no effect on an R2 Data Catalog");
    }
    let token_id = options.take("r2.token-id");
    let mut settings = Settings::take(options, Some(warehouse)).await?;
    let Some(token) = &settings.token else {
        return Err(options.error("the option `token` is missing").hint(FORM));
    };
    refuse_plain_http(options, "uri", &settings.uri)?;
    if let Some(endpoint) = &settings.s3.endpoint {
        refuse_plain_http(options, "s3.endpoint", endpoint)?;
    }
    if let Some(token_id) = token_id {
        if settings.keys.is_some() {
            return Err(options
                .error("`r2.token-id` and `s3.access-key-id` exclude each other")
                .hint("the keys of the API token follow from its id; give the one or the other"));
        }
        settings.keys = Some(keys_of_token(&token_id, token));
    }
    if let Some(endpoint) = endpoint_of(&settings.uri) {
        settings.defaults.insert("s3.endpoint".to_string(), endpoint);
    }
    settings.s3 = settings.s3.with_r2_rules().map_err(|error| error.subject(format!("`{}`", options.catalog())))?;
    settings.page_size = settings.page_size.or(Some(PAGE));
    Ok(settings)
}

/// R2 answers plain HTTP with 400, and the token would be on the wire by then. Tests run on this machine.
fn refuse_plain_http(options: &Options, key: &str, address: &str) -> Result<()> {
    if address.starts_with("https://") || is_loopback(address) {
        return Ok(());
    }
    let error = options.error(format!("the option `{key}` must begin with `https://`: the {PRODUCT} has nothing else"));
    Err(error.hint(FORM))
}

/// The S3 keys of an API token, as Cloudflare defines them.
fn keys_of_token(token_id: &str, token: &SecretString) -> S3Credentials {
    let digest = Sha256::digest(token.expose_secret().as_bytes());
    let secret: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    static_credentials(token_id, &SecretString::from(secret), None)
}

/// The S3 endpoint of the account that the catalog's address names.
fn endpoint_of(uri: &str) -> Option<String> {
    let account = uri.strip_prefix(CATALOGS)?.split('/').next().filter(|account| !account.is_empty())?;
    Some(format!("https://{account}.r2.cloudflarestorage.com"))
}

#[cfg(test)]
mod tests;
