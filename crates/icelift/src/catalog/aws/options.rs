//! The options of ATTACH that say who icelift is towards AWS, by the names of PyIceberg and of Iceberg's Java library.

use std::time::Duration;

use secrecy::SecretString;

use crate::error::Result;
use crate::options::Options;

/// What the options say. `glue.*` and `s3.*` go before `client.*`.
#[derive(Debug, Default)]
pub(in crate::catalog) struct AwsOptions {
    pub glue_keys: Option<Keys>,
    /// Keys for S3 alone.
    pub s3_keys: Option<Keys>,
    pub profile: Option<String>,
    pub glue_region: Option<String>,
    pub s3_region: Option<String>,
    pub role: Option<Role>,
}

/// Access keys, with a session token if they are temporary.
#[derive(Debug, Clone)]
pub(in crate::catalog) struct Keys {
    pub access_key_id: String,
    pub secret_access_key: SecretString,
    pub session_token: Option<SecretString>,
}

/// A role to assume with the identity that was found.
#[derive(Debug, Clone)]
pub(in crate::catalog) struct Role {
    pub arn: String,
    pub session_name: Option<String>,
    pub external_id: Option<String>,
    pub region: Option<String>,
    pub session_length: Option<Duration>,
}

impl AwsOptions {
    pub fn take(options: &mut Options) -> Result<Self> {
        let client_keys = Keys::take(options, "client")?;
        let glue_keys = Keys::take(options, "glue")?;
        // Without keys of its own S3 goes by those of `client.*`, and without these by Glue's.
        let s3_keys = Keys::take(options, "s3")?.or_else(|| client_keys.clone().filter(|_| glue_keys.is_some()));
        let client_profile = filled(options, "client.profile-name");
        let client_region = region(options, "client.region")?;
        let aws = Self {
            profile: filled(options, "glue.profile-name").or(client_profile),
            glue_region: region(options, "glue.region")?.or_else(|| client_region.clone()),
            s3_region: region(options, "s3.region")?.or(client_region),
            role: Role::take(options)?,
            glue_keys: glue_keys.or(client_keys),
            s3_keys,
        };
        if aws.profile.is_some() && aws.glue_keys.is_some() {
            return Err(options.error("a profile and access keys are given").hint("one of them is the identity"));
        }
        Ok(aws)
    }
}

impl Keys {
    fn take(options: &mut Options, service: &str) -> Result<Option<Self>> {
        let [id, secret, token] =
            ["access-key-id", "secret-access-key", "session-token"].map(|name| format!("{service}.{name}"));
        let access_key_id = filled(options, &id);
        let secret_access_key = filled(options, &secret).map(SecretString::from);
        let session_token = filled(options, &token).map(SecretString::from);
        match (access_key_id, secret_access_key) {
            (Some(access_key_id), Some(secret_access_key)) => {
                Ok(Some(Self { access_key_id, secret_access_key, session_token }))
            }
            (None, None) if session_token.is_none() => Ok(None),
            (Some(_), None) => {
                Err(options.error(format!("the option `{secret}` is missing or empty")).hint(together(service)))
            }
            (None, _) => Err(options.error(format!("the option `{id}` is missing or empty")).hint(together(service))),
        }
    }
}

impl Role {
    fn take(options: &mut Options) -> Result<Option<Self>> {
        let mut either = |python: &str, java: &str| {
            let found = filled(options, python);
            filled(options, java).or(found)
        };
        let arn = either("client.role-arn", "client.assume-role.arn");
        let session_name = either("client.role-session-name", "client.assume-role.session-name");
        let external_id = filled(options, "client.assume-role.external-id");
        let region = filled(options, "client.assume-role.region");
        // AWS takes no shorter session.
        let seconds = options.take_number("client.assume-role.timeout-sec", 900_u64)?;
        match arn {
            Some(arn) => {
                let session_length = seconds.map(Duration::from_secs);
                Ok(Some(Self { arn, session_name, external_id, region, session_length }))
            }
            None if session_name.is_some() || external_id.is_some() || region.is_some() || seconds.is_some() => {
                Err(options.error("the option `client.role-arn` is missing").hint("the other options are about a role"))
            }
            None => Ok(None),
        }
    }
}

fn together(service: &str) -> String {
    format!("`{service}.access-key-id` and `{service}.secret-access-key` go together")
}

/// A region, which becomes part of host names.
fn region(options: &mut Options, key: &str) -> Result<Option<String>> {
    let found = filled(options, key);
    let is_label = |text: &String| text.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-');
    if found.as_ref().is_none_or(is_label) {
        return Ok(found);
    }
    Err(options.error(format!("the option `{key}` must be a region such as `us-east-1`")))
}

/// The option's value; a variable that is empty counts as not given.
fn filled(options: &mut Options, key: &str) -> Option<String> {
    options.take(key).filter(|value| !value.is_empty())
}
