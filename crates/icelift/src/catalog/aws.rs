//! Who icelift is towards AWS: one identity for all calls of an attached catalog, to Glue, S3 and STS alike.
//!
//! What must hold:
//! - the environment, the home folder and the metadata service of an instance are asked only if the embedder allowed it
//!   ([`AwsSource::Defaults`]), only when a catalog is attached, and not at all if the catalog names its keys;
//! - looking for credentials ends in bounded time, and an error says where they were looked for;
//! - credentials are renewed while a job runs, once for all callers.

mod http;
mod identity;
mod options;
mod profile;

use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::identity::IdentityCache;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::service_config::ServiceConfigKey;
use secrecy::ExposeSecret;

pub(super) use self::identity::AwsIdentity;
pub(super) use self::options::AwsOptions;
use self::options::{Keys, Role};
use self::profile::MissingProfile;
use crate::error::{Error, Result};
use crate::options::Options;

/// How long reading profiles and asking for the region may take. Only the instance metadata service is slow: where there
/// is none, it gives up after a second.
const CONFIG_TIMEOUT: Duration = Duration::from_secs(10);

/// Where AWS settings may come from, if a catalog does not bring its own.
#[derive(Debug, Clone, Default)]
pub(crate) enum AwsSource {
    /// From the options of ATTACH only.
    #[default]
    Options,
    /// From the embedder.
    Config(Box<SdkConfig>),
    /// From environment, profiles, and what the machine knows of itself, in the order of every AWS tool.
    Defaults,
}

/// What a catalog needs to call AWS.
#[derive(Debug, Clone)]
pub(super) struct AwsAccess {
    /// Region, endpoints, HTTP client. Its credentials are those of `glue`.
    pub config: SdkConfig,
    pub glue: AwsIdentity,
    /// The same as `glue`, unless S3 has keys of its own.
    pub s3: AwsIdentity,
    pub s3_region: Option<String>,
    /// Where S3 is, if the source says so: an emulator, or a private endpoint.
    pub s3_endpoint: Option<String>,
}

impl AwsAccess {
    /// Brings together what the options and the source say. No credentials are asked for yet, unless it takes them to tell
    /// whether a profile is missed.
    pub async fn new(options: &Options, aws: AwsOptions, source: &AwsSource) -> Result<Self> {
        let missing = match source {
            AwsSource::Defaults => MissingProfile::find(&aws).await,
            AwsSource::Options | AwsSource::Config(_) => None,
        };
        if let Some(missing) = missing.as_ref().filter(|missing| missing.is_of_options()) {
            return Err(missing.error(options));
        }
        // What is not found might have been in that profile.
        let missed = |error: Error| match &missing {
            Some(missing) => missing.error(options).source(error),
            None => error,
        };
        let config = base_config(options, &aws, source).await.map_err(missed)?;
        let config = with_region(options, config, &aws)?;
        let provider = match (&aws.glue_keys, config.credentials_provider()) {
            (Some(keys), _) => keys.provider(),
            (None, Some(provider)) => provider,
            (None, None) => return Err(no_source(options)),
        };
        let name = options.catalog();
        if missing.is_some() && aws.glue_keys.is_none() {
            AwsIdentity::new(name, provider.clone(), None).check().await.map_err(missed)?;
        }
        let glue = match &aws.role {
            Some(role) => {
                AwsIdentity::assumed(name, &role.arn, assumed(role, &config, provider.clone()).await, provider)
            }
            None => AwsIdentity::new(name, provider, None),
        };
        let s3_keys = |keys: Keys| AwsIdentity::new(options.catalog(), keys.provider(), None);
        let s3 = aws.s3_keys.map_or_else(|| glue.clone(), s3_keys);
        // The identity keeps its credentials itself; a second cache would only give up sooner.
        let config = config
            .into_builder()
            .credentials_provider(SharedCredentialsProvider::new(glue.clone()))
            .identity_cache(IdentityCache::no_cache())
            .build();
        let s3_region = aws.s3_region.or_else(|| config.region().map(ToString::to_string));
        let s3_endpoint = s3_endpoint(&config);
        Ok(Self { config, glue, s3, s3_region, s3_endpoint })
    }
}

/// `AWS_ENDPOINT_URL_S3` or what stands for it in a profile, which every AWS tool knows; else the endpoint for all services.
/// Glue's client looks for its own in the same way.
fn s3_endpoint(config: &SdkConfig) -> Option<String> {
    let key =
        ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url").build().ok()?;
    let of_s3 = config.service_config().and_then(|known| known.load_config(key));
    let found = of_s3.or_else(|| config.endpoint_url().map(str::to_string))?;
    Some(found.trim_end_matches('/').to_string()).filter(|endpoint| !endpoint.is_empty())
}

/// The role, assumed by the identity of `provider`.
async fn assumed(role: &Role, config: &SdkConfig, provider: SharedCredentialsProvider) -> SharedCredentialsProvider {
    let config = config.to_builder().credentials_provider(provider).build();
    let mut builder = AssumeRoleProvider::builder(&role.arn).configure(&config);
    if let Some(region) = &role.region {
        builder = builder.region(Region::new(region.clone()));
    }
    if let Some(name) = &role.session_name {
        builder = builder.session_name(name);
    }
    if let Some(id) = &role.external_id {
        builder = builder.external_id(id);
    }
    if let Some(length) = role.session_length {
        builder = builder.session_length(length);
    }
    SharedCredentialsProvider::new(builder.build().await)
}

/// Region, HTTP client and credentials as far as the source knows them.
async fn base_config(options: &Options, aws: &AwsOptions, source: &AwsSource) -> Result<SdkConfig> {
    match source {
        AwsSource::Options if aws.profile.is_some() => Err(options
            .error("a profile is named, but the library may not read profiles")
            .hint("call EngineBuilder::aws_defaults(), or give `client.access-key-id` and `client.secret-access-key`")),
        AwsSource::Options => Ok(completed(SdkConfig::builder().build(), false)),
        AwsSource::Config(_) if aws.profile.is_some() => {
            Err(options.error("a profile is named, but the engine was built with an AWS configuration of its own"))
        }
        AwsSource::Config(config) => Ok(completed(config.as_ref().clone(), false)),
        AwsSource::Defaults => {
            let loaded = tokio::time::timeout(CONFIG_TIMEOUT, load(aws)).await;
            let loaded = loaded.map_err(|_| {
                let message = format!("the AWS configuration was not found within {} s", CONFIG_TIMEOUT.as_secs());
                options
                    .error(message)
                    .hint("set `client.region`, and AWS_EC2_METADATA_DISABLED=true if this is no instance")
            })?;
            loaded.ok_or_else(|| no_region(options))
        }
    }
}

/// AWS's own order of looking, except that a profile that ATTACH names comes before the keys of the environment. None if
/// no region is found: the loader would go on and ask the metadata service for it again and again.
async fn load(aws: &AwsOptions) -> Option<SdkConfig> {
    let client = http::client(true);
    let version = Some(BehaviorVersion::latest());
    let places = ProviderConfig::without_region().with_http_client(client.clone()).with_behavior_version(version);
    let region = found_region(aws, &places).await?;
    let places = places.with_region(Some(region.clone()));
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(client).region(region);
    if let Some(profile) = &aws.profile {
        let provider = ProfileFileCredentialsProvider::builder().configure(&places).profile_name(profile).build();
        loader = loader.profile_name(profile).credentials_provider(provider);
    }
    // Without this the loader would build the chain that looks everywhere.
    let loader = if aws.glue_keys.is_some() { loader.no_credentials() } else { loader };
    Some(completed(loader.load().await, true))
}

async fn found_region(aws: &AwsOptions, places: &ProviderConfig) -> Option<Region> {
    if let Some(region) = &aws.glue_region {
        return Some(Region::new(region.clone()));
    }
    let mut profile = ProfileFileRegionProvider::builder().configure(places);
    if let Some(name) = &aws.profile {
        profile = profile.profile_name(name);
    }
    let mut chain = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new()).or_else(profile.build());
    // Who brings keys need not wait for the metadata service of an instance.
    if aws.glue_keys.is_none() {
        chain = chain.or_else(ImdsRegionProvider::builder().configure(places).build());
    }
    chain.region().await
}

/// The parts that the SDK's clients cannot do without.
fn completed(config: SdkConfig, proxied: bool) -> SdkConfig {
    let (client, version) = (config.http_client(), config.behavior_version());
    let time_source = config.time_source().unwrap_or_default();
    let mut builder = config.into_builder();
    builder.set_time_source(Some(time_source));
    builder.set_http_client(Some(client.unwrap_or_else(|| http::client(proxied))));
    builder.set_behavior_version(Some(version.unwrap_or_else(BehaviorVersion::latest)));
    builder.build()
}

fn with_region(options: &Options, config: SdkConfig, aws: &AwsOptions) -> Result<SdkConfig> {
    match (&aws.glue_region, config.region()) {
        (Some(region), _) => Ok(config.into_builder().region(Region::new(region.clone())).build()),
        (None, Some(_)) => Ok(config),
        (None, None) => Err(no_region(options)),
    }
}

fn no_region(options: &Options) -> Error {
    options
        .error("no AWS region is set")
        .hint("add `client.region` to ATTACH, or set AWS_REGION, or `region` in the profile")
}

fn no_source(options: &Options) -> Error {
    options.error("no AWS credentials are given, and the library may not look for them").hint(
        "add `client.access-key-id` and `client.secret-access-key` to ATTACH, or call EngineBuilder::aws_defaults()",
    )
}

impl Keys {
    fn provider(&self) -> SharedCredentialsProvider {
        let token = self.session_token.as_ref().map(|token| token.expose_secret().to_string());
        let secret = self.secret_access_key.expose_secret();
        SharedCredentialsProvider::new(Credentials::new(&self.access_key_id, secret, token, None, "ATTACH"))
    }
}

#[cfg(test)]
mod tests;
