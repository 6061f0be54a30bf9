use std::collections::BTreeMap;

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use object_store::CredentialProvider;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{AwsAccess, AwsIdentity, AwsOptions, AwsSource, base_config};
use crate::error::{Error, Result};
use crate::options::Options;

fn options(given: &[(&str, &str)]) -> Options {
    let given = given.iter().map(|(key, value)| (key.to_string(), value.to_string()));
    Options::new("g", given.collect::<BTreeMap<_, _>>())
}

async fn access(given: &[(&str, &str)], source: &AwsSource) -> Result<AwsAccess> {
    let mut options = options(given);
    let aws = AwsOptions::take(&mut options)?;
    let access = AwsAccess::new(&options, aws, source).await?;
    options.finish()?;
    Ok(access)
}

async fn key(identity: &AwsIdentity) -> String {
    identity.get_credential().await.unwrap().key_id.clone()
}

async fn refused(given: &[(&str, &str)], source: &AwsSource) -> Error {
    access(given, source).await.map(|_| ()).unwrap_err()
}

fn config(key: &str) -> AwsSource {
    let provider = SharedCredentialsProvider::new(Credentials::new(key, "s", None, None, "test"));
    AwsSource::Config(Box::new(
        SdkConfig::builder().region(Region::new("eu-west-1")).credentials_provider(provider).build(),
    ))
}

#[tokio::test]
async fn glue_and_s3_are_one_identity() {
    let given = [("client.access-key-id", "c"), ("client.secret-access-key", "s"), ("client.region", "eu-north-1")];
    let access = access(&given, &AwsSource::Options).await.unwrap();
    assert_eq!((key(&access.glue).await, key(&access.s3).await), ("c".to_string(), "c".to_string()));
    assert_eq!(access.config.region().unwrap().as_ref(), "eu-north-1");
    assert_eq!(access.s3_region.as_deref(), Some("eu-north-1"));
}

#[tokio::test]
async fn the_nearer_name_wins() {
    let client = [("client.access-key-id", "c"), ("client.secret-access-key", "s"), ("client.region", "r-c")];
    let glue = [("glue.access-key-id", "g"), ("glue.secret-access-key", "s"), ("glue.region", "r-g")];
    let s3 = [("s3.access-key-id", "3"), ("s3.secret-access-key", "s"), ("s3.region", "r-3")];
    let keys = async |given: Vec<(&str, &str)>| {
        let access = access(&given, &AwsSource::Options).await.unwrap();
        let region = access.config.region().unwrap().to_string();
        (key(&access.glue).await + &region, key(&access.s3).await + access.s3_region.as_deref().unwrap())
    };
    let pair = |glue: &str, s3: &str| (glue.to_string(), s3.to_string());
    assert_eq!(keys([client, glue, s3].concat()).await, pair("gr-g", "3r-3"));
    assert_eq!(keys([client, glue].concat()).await, pair("gr-g", "cr-c"));
    assert_eq!(keys([client, s3].concat()).await, pair("cr-c", "3r-3"));
    assert_eq!(keys(glue.to_vec()).await, pair("gr-g", "gr-g"));
}

#[tokio::test]
async fn an_embedders_configuration_is_used_and_options_go_first() {
    let source = config("embedder");
    let plain = access(&[], &source).await.unwrap();
    assert_eq!((key(&plain.glue).await, key(&plain.s3).await), ("embedder".to_string(), "embedder".to_string()));
    assert_eq!(plain.s3_region.as_deref(), Some("eu-west-1"));
    let given = [("glue.access-key-id", "g"), ("glue.secret-access-key", "s")];
    let own = access(&given, &source).await.unwrap();
    assert_eq!((key(&own.glue).await, key(&own.s3).await), ("g".to_string(), "g".to_string()));
}

#[tokio::test]
async fn half_an_identity_is_refused() {
    let error = refused(&[("client.access-key-id", "c")], &AwsSource::Options).await;
    assert_eq!(error.to_string(), "catalog of `g`: the option `client.secret-access-key` is missing or empty");
    let error = refused(&[("s3.session-token", "t")], &AwsSource::Options).await;
    assert_eq!(error.to_string(), "catalog of `g`: the option `s3.access-key-id` is missing or empty");
    let error = refused(&[("client.assume-role.external-id", "x")], &AwsSource::Options).await;
    assert_eq!(error.to_string(), "catalog of `g`: the option `client.role-arn` is missing");
    let keys = [("client.access-key-id", "c"), ("client.secret-access-key", "s")];
    let error = refused(&keys, &AwsSource::Options).await;
    assert_eq!(error.to_string(), "catalog of `g`: no AWS region is set");
    let error = refused(&[keys.as_slice(), &[("glue.profile-name", "p")]].concat(), &AwsSource::Defaults).await;
    assert_eq!(error.to_string(), "catalog of `g`: a profile and access keys are given");
}

#[tokio::test]
async fn without_leave_nothing_is_looked_up() {
    let error = refused(&[("client.region", "r")], &AwsSource::Options).await;
    assert!(error.to_string().contains("the library may not look for them"), "{error}");
    let error = refused(&[("client.region", "r"), ("client.profile-name", "p")], &AwsSource::Options).await;
    assert!(error.to_string().contains("the library may not read profiles"), "{error}");
}

/// A chain that is not built can ask no metadata service.
#[tokio::test]
async fn who_brings_keys_gets_no_chain_of_sources() {
    let given = [("client.access-key-id", "c"), ("client.secret-access-key", "s"), ("client.region", "r")];
    let mut with_keys = options(&given);
    let aws = AwsOptions::take(&mut with_keys).unwrap();
    let config = base_config(&with_keys, &aws, &AwsSource::Defaults).await.unwrap();
    assert!(config.credentials_provider().is_none());
    let mut without = options(&given[2..]);
    let aws = AwsOptions::take(&mut without).unwrap();
    let config = base_config(&without, &aws, &AwsSource::Defaults).await.unwrap();
    assert!(config.credentials_provider().is_some());
}

#[tokio::test]
async fn a_role_is_assumed_for_glue_and_s3() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let sts = tokio::spawn(async move { one_role(listener).await });
    let AwsSource::Config(config) = config("base") else { unreachable!() };
    let source = AwsSource::Config(Box::new(config.into_builder().endpoint_url(endpoint).build()));
    let given = [
        ("client.role-arn", "arn:aws:iam::123456789012:role/mover"),
        ("client.role-session-name", "night"),
        ("client.assume-role.external-id", "ticket"),
    ];
    let access = access(&given, &source).await.unwrap();
    assert_eq!((key(&access.glue).await, key(&access.s3).await), ("assumed".to_string(), "assumed".to_string()));
    let asked = sts.await.unwrap();
    for part in ["Credential=base/", "Action=AssumeRole", "RoleSessionName=night", "ExternalId=ticket", "role%2Fmover"]
    {
        assert!(asked.contains(part), "{part} is not in {asked}");
    }
}

/// Answers one AssumeRole, and gives back what was asked.
async fn one_role(listener: TcpListener) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut asked = String::new();
    while !asked.contains("ExternalId=ticket") {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await.unwrap();
        asked.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    let body = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><AssumedRoleUser>\
                <Arn>arn:aws:sts::123456789012:assumed-role/mover/night</Arn><AssumedRoleId>A:night</AssumedRoleId>\
                </AssumedRoleUser><Credentials><AccessKeyId>assumed</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
                <SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
                </AssumeRoleResult></AssumeRoleResponse>";
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all((head + body).as_bytes()).await.unwrap();
    asked
}
