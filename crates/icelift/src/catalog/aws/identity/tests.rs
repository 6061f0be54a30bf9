use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use object_store::CredentialProvider;

use super::AwsIdentity;
use crate::error::ErrorKind;
use crate::storage::S3Keys;

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

/// Gives keys `key-1`, `key-2`, … that end an hour after `start`, two hours after it, and so on.
#[derive(Debug, Clone)]
struct Counting {
    start: SystemTime,
    asked: Arc<AtomicUsize>,
    /// Look-ups from this one on fail.
    fails_from: usize,
}

impl Counting {
    fn new(fails_from: usize) -> Self {
        Self { start: SystemTime::now(), asked: Arc::default(), fails_from }
    }

    fn identity(&self) -> AwsIdentity {
        AwsIdentity::new("g", SharedCredentialsProvider::new(self.clone()), None)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl ProvideCredentials for Counting {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
            if number >= self.fails_from {
                return Err(CredentialsError::provider_error("no answer"));
            }
            let end = self.start + HOUR * number as u32;
            Ok(Credentials::new(format!("key-{number}"), "hidden", Some("hidden".into()), Some(end), "test"))
        })
    }
}

async fn key_at(identity: &AwsIdentity, at: SystemTime) -> String {
    identity.held_at(at).await.unwrap().s3.key_id.clone()
}

#[tokio::test]
async fn callers_share_one_look_up() {
    let provider = Counting::new(usize::MAX);
    let identity = provider.identity();
    let calls = (0..50).map(|_| {
        let identity = identity.clone();
        tokio::spawn(async move { identity.get_credential().await.unwrap().key_id.clone() })
    });
    for key in futures::future::join_all(calls).await {
        assert_eq!(key.unwrap(), "key-1");
    }
    let sdk = identity.provide_credentials().await.unwrap();
    assert_eq!((sdk.access_key_id(), sdk.session_token()), ("key-1", Some("hidden")));
    assert_eq!(provider.asked(), 1);
}

#[tokio::test]
async fn credentials_that_a_server_calls_ended_are_renewed_at_once() {
    let provider = Counting::new(3);
    let identity = provider.identity();
    let first = identity.get_credential().await.unwrap();
    identity.ended(&first);
    // Requests that were signed with the old ones are still under way.
    let renewed = futures::future::join_all((0..8).map(|_| identity.get_credential())).await;
    assert!(renewed.into_iter().all(|found| found.unwrap().key_id == "key-2"));
    identity.ended(&first);
    assert_eq!((key_at(&identity, provider.start).await.as_str(), provider.asked()), ("key-2", 2));
    identity.ended(&identity.get_credential().await.unwrap());
    identity.get_credential().await.unwrap_err();
}

#[tokio::test]
async fn credentials_are_renewed_before_they_end() {
    let provider = Counting::new(usize::MAX);
    let (identity, start) = (provider.identity(), provider.start);
    assert_eq!(key_at(&identity, start).await, "key-1");
    assert_eq!(key_at(&identity, start + HOUR - SECOND * 301).await, "key-1");
    assert_eq!(key_at(&identity, start + HOUR - SECOND * 299).await, "key-2");
    assert_eq!(key_at(&identity, start + HOUR * 2 - SECOND * 301).await, "key-2");
    assert_eq!(provider.asked(), 2);
}

#[tokio::test]
async fn while_others_renew_valid_credentials_are_used() {
    let provider = Counting::new(usize::MAX);
    let (identity, start) = (provider.identity(), provider.start);
    key_at(&identity, start).await;
    let late = start + HOUR - SECOND;
    let keys = futures::future::join_all((0..5).map(|_| key_at(&identity, late))).await;
    assert_eq!(keys, ["key-2", "key-1", "key-1", "key-1", "key-1"]);
    assert_eq!(provider.asked(), 2);
}

#[tokio::test]
async fn credentials_that_cannot_be_renewed_are_used_to_their_end() {
    let provider = Counting::new(2);
    let (identity, start) = (provider.identity(), provider.start);
    assert_eq!(key_at(&identity, start).await, "key-1");
    let late = start + HOUR - SECOND * 100;
    assert_eq!(key_at(&identity, late).await, "key-1");
    assert_eq!(key_at(&identity, late + SECOND * 9).await, "key-1");
    assert_eq!(provider.asked(), 2);
    assert_eq!(key_at(&identity, late + SECOND * 11).await, "key-1");
    assert_eq!(provider.asked(), 3);
    let error = identity.held_at(start + HOUR).await.map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "catalog of `g`: AWS credentials could not be obtained");
}

#[tokio::test]
async fn credentials_that_have_ended_are_refused() {
    let provider = Counting::new(usize::MAX);
    let identity = provider.identity();
    let error = identity.held_at(provider.start + HOUR).await.map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "catalog of `g`: the AWS credentials that were found have expired");
}

#[derive(Debug)]
struct Silent;

impl ProvideCredentials for Silent {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(std::future::pending())
    }
}

#[tokio::test]
async fn a_source_that_hangs_ends_in_bounded_time() {
    let identity = AwsIdentity::with_timeout("g", SharedCredentialsProvider::new(Silent), None, SECOND);
    let error = identity.check().await.unwrap_err();
    assert_eq!(error.to_string(), "catalog of `g`: AWS credentials were not found within 1 s");
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.advice().unwrap().contains("AWS_EC2_METADATA_DISABLED"));
}

#[derive(Debug)]
struct Failing(fn() -> CredentialsError);

impl ProvideCredentials for Failing {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err((self.0)()))
    }
}

async fn failed(with: fn() -> CredentialsError, role: Option<&str>) -> (String, String) {
    let identity = AwsIdentity::new("g", SharedCredentialsProvider::new(Failing(with)), role);
    let error = identity.check().await.unwrap_err();
    (error.to_string(), error.advice().unwrap_or_default().to_string())
}

#[tokio::test]
async fn an_error_says_where_was_looked_and_what_to_set() {
    let (message, hint) = failed(CredentialsError::not_loaded_no_source, None).await;
    assert!(message.contains("environment, the profile, web identity, container and instance metadata"), "{message}");
    assert!(hint.contains("AWS_ACCESS_KEY_ID") && hint.contains("client.access-key-id"), "{hint}");
    let expired = || CredentialsError::provider_error("the SSO token has expired and cannot be refreshed");
    let (message, hint) = failed(expired, None).await;
    assert_eq!(message, "catalog of `g`: the AWS SSO session cannot be used");
    assert_eq!(hint, "run `aws sso login` for the profile");
    let denied = || CredentialsError::provider_error("denied");
    let (message, _) = failed(denied, Some("arn:aws:iam::1:role/r")).await;
    assert_eq!(message, "catalog of `g`: the role `arn:aws:iam::1:role/r` could not be assumed");
}

#[tokio::test]
async fn debug_shows_no_secret() {
    let identity = Counting::new(usize::MAX).identity();
    identity.check().await.unwrap();
    assert!(!format!("{identity:?}").contains("hidden"));
}
