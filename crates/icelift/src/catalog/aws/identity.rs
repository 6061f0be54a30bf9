//! Credentials that are kept, and renewed before they end.

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use tokio::sync::Mutex;

use crate::error::{Error, ErrorKind, Stage};
use crate::secrets::Secrets;
use crate::storage::S3Keys;

/// How long before their end credentials are renewed. A request that is signed now may wait in a queue.
const RENEW_BEFORE: Duration = Duration::from_secs(300);
/// How long credentials that could not be renewed, or that came short-lived, are used before the next try.
const RENEW_PAUSE: Duration = Duration::from_secs(10);
/// How long one look-up may take: an SSO session may be renewed, a role assumed, a program run.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(30);

/// One identity. Clones share the credentials, so that Glue and S3 never act as two and look up only once.
#[derive(Clone)]
pub(in crate::catalog) struct AwsIdentity(Arc<Inner>);

struct Inner {
    catalog: String,
    /// The role that `provider` assumes, if the catalog names one.
    role: Option<String>,
    provider: SharedCredentialsProvider,
    /// The identity that assumes the role.
    base: Option<SharedCredentialsProvider>,
    timeout: Duration,
    held: RwLock<Option<Held>>,
    /// Held by the one caller that looks up.
    lookup: Mutex<()>,
}

#[derive(Clone)]
struct Held {
    sdk: Credentials,
    s3: Arc<AwsCredential>,
    renew_at: Option<SystemTime>,
    /// Whether a server said so, whatever the credentials say.
    ended: bool,
}

impl fmt::Debug for AwsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsIdentity").field("catalog", &self.0.catalog).finish_non_exhaustive()
    }
}

impl Held {
    fn new(sdk: Credentials, now: SystemTime) -> Self {
        let s3 = AwsCredential {
            key_id: sdk.access_key_id().to_string(),
            secret_key: sdk.secret_access_key().to_string(),
            token: sdk.session_token().map(str::to_string),
        };
        let early = |expiry: SystemTime| expiry.checked_sub(RENEW_BEFORE).unwrap_or(now).max(now + RENEW_PAUSE);
        Self { renew_at: sdk.expiry().map(early), sdk, s3: Arc::new(s3), ended: false }
    }

    fn is_fresh(&self, now: SystemTime) -> bool {
        self.is_valid(now) && self.renew_at.is_none_or(|renew_at| now < renew_at)
    }

    fn is_valid(&self, now: SystemTime) -> bool {
        !self.ended && self.sdk.expiry().is_none_or(|expiry| now < expiry)
    }
}

impl AwsIdentity {
    pub fn new(catalog: &str, provider: SharedCredentialsProvider, role: Option<&str>) -> Self {
        Self::with_timeout(catalog, provider, role, LOOKUP_TIMEOUT)
    }

    fn with_timeout(catalog: &str, provider: SharedCredentialsProvider, role: Option<&str>, timeout: Duration) -> Self {
        let (catalog, role) = (catalog.to_string(), role.map(str::to_string));
        let (base, held, lookup) = (None, RwLock::default(), Mutex::default());
        Self(Arc::new(Inner { catalog, role, provider, base, timeout, held, lookup }))
    }

    /// A role that the identity of `base` assumes through `provider`.
    pub fn assumed(
        catalog: &str,
        role: &str,
        provider: SharedCredentialsProvider,
        base: SharedCredentialsProvider,
    ) -> Self {
        let (catalog, role, base) = (catalog.to_string(), Some(role.to_string()), Some(base));
        let (held, lookup) = (RwLock::default(), Mutex::default());
        Self(Arc::new(Inner { catalog, role, provider, base, timeout: LOOKUP_TIMEOUT, held, lookup }))
    }

    /// What STS was sent, and may repeat.
    async fn base_secrets(&self) -> Secrets {
        let Some(base) = &self.0.base else { return Secrets::default() };
        let asked = tokio::time::timeout(self.0.timeout, base.provide_credentials()).await;
        let keys = asked.iter().flatten();
        Secrets::of(keys.flat_map(|keys| std::iter::once(keys.secret_access_key()).chain(keys.session_token())))
    }

    /// Makes sure that there are credentials.
    ///
    /// # Errors
    /// None were found, or the ones that ended could not be renewed.
    pub async fn check(&self) -> Result<(), Error> {
        self.held().await.map(|_| ())
    }

    /// What no message may show.
    pub fn secrets(&self) -> Secrets {
        let known = self.known().map(|held| held.s3);
        let secrets = known.iter().flat_map(|keys| std::iter::once(&keys.secret_key).chain(&keys.token));
        Secrets::of(secrets.map(String::as_str))
    }

    async fn held(&self) -> Result<Held, Error> {
        self.held_at(SystemTime::now()).await
    }

    async fn held_at(&self, now: SystemTime) -> Result<Held, Error> {
        let known = self.known();
        if let Some(fresh) = known.as_ref().filter(|held| held.is_fresh(now)) {
            return Ok(fresh.clone());
        }
        // The lock is held while credentials are looked up, which is what makes it one look-up for all callers. While the
        // old ones still work, the others go on with them instead of waiting.
        let _guard = match (self.0.lookup.try_lock(), known.filter(|held| held.is_valid(now))) {
            (Ok(guard), _) => guard,
            (Err(_), Some(valid)) => return Ok(valid),
            (Err(_), None) => self.0.lookup.lock().await,
        };
        let known = self.known();
        if let Some(fresh) = known.as_ref().filter(|held| held.is_fresh(now)) {
            return Ok(fresh.clone());
        }
        let renewed = match (self.look_up(now).await, known.filter(|held| held.is_valid(now))) {
            (Ok(found), _) => Held::new(found, now),
            (Err(error), Some(valid)) => {
                tracing::warn!(catalog = %self.0.catalog, %error, "credentials could not be renewed yet");
                Held { renew_at: Some(now + RENEW_PAUSE), ..valid }
            }
            (Err(error), None) => return Err(error),
        };
        *self.0.held.write().unwrap_or_else(PoisonError::into_inner) = Some(renewed.clone());
        Ok(renewed)
    }

    fn known(&self) -> Option<Held> {
        self.0.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn look_up(&self, now: SystemTime) -> Result<Credentials, Error> {
        let found = tokio::time::timeout(self.0.timeout, self.0.provider.provide_credentials()).await;
        let error = match found {
            Ok(Ok(found)) if found.expiry().is_none_or(|expiry| expiry > now) => return Ok(found),
            Ok(Ok(_)) => Error::new(ErrorKind::Denied, "the AWS credentials that were found have expired")
                .hint("renew them (for SSO: `aws sso login`), or check this machine's clock"),
            Ok(Err(source)) => match &self.0.role {
                Some(role) => not_assumed(role, &source, &self.base_secrets().await),
                None => not_found(source),
            },
            Err(_) => {
                let seconds = self.0.timeout.as_secs();
                Error::new(ErrorKind::Denied, format!("AWS credentials were not found within {seconds} s")).hint(
                    "a source of credentials hangs: set AWS_EC2_METADATA_DISABLED=true where there is no instance \
                     metadata service, or give `client.access-key-id` and `client.secret-access-key`",
                )
            }
        };
        Err(error.stage(Stage::Catalog).subject(&self.0.catalog))
    }
}

/// STS may repeat what it was sent: the keys of `base` and a session's token.
fn not_assumed(role: &str, source: &CredentialsError, base: &Secrets) -> Error {
    Error::new(ErrorKind::Denied, format!("the role `{role}` could not be assumed"))
        .hint(
            "the identity needs sts:AssumeRole on the role, and the role's trust policy must name the identity and, if it \
             asks for one, `client.assume-role.external-id`",
        )
        .source(Told::of(source, base))
}

/// What to say of a look-up that failed. The causes say more, and never hold a secret.
fn not_found(source: CredentialsError) -> Error {
    let (message, hint) = match &source {
        CredentialsError::CredentialsNotLoaded(_) => (
            "no AWS credentials were found in the environment, the profile, web identity, container and instance metadata",
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE (for SSO after `aws sso login`), or add \
             `client.access-key-id` and `client.secret-access-key` to ATTACH",
        ),
        _ if mentions(&source, "SSO") || mentions(&source, "/sso/") => {
            ("the AWS SSO session cannot be used", "run `aws sso login` for the profile")
        }
        CredentialsError::InvalidConfiguration(_) => (
            "the AWS configuration is not valid",
            "correct the profile in ~/.aws/config, or choose another by AWS_PROFILE",
        ),
        _ => (
            "AWS credentials could not be obtained",
            "the causes name the source that failed; AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or \
             `client.access-key-id` and `client.secret-access-key` in ATTACH name another",
        ),
    };
    Error::new(ErrorKind::Denied, message).hint(hint).source(Told::of(&source, &Secrets::default()))
}

/// What a chain of errors says, without secrets: the errors themselves hold answers as they came.
#[derive(Debug)]
struct Told(String);

impl Told {
    fn of(error: &(dyn StdError + 'static), secrets: &Secrets) -> Self {
        let levels = std::iter::successors(Some(error), |error| (*error).source());
        let texts: Vec<_> = levels.map(ToString::to_string).collect();
        Self(secrets.scrub(&texts.join(": ")))
    }
}

impl StdError for Told {}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The cause of a hint, never of a decision: providers tell what they are only in their texts.
fn mentions(error: &(dyn StdError + 'static), word: &str) -> bool {
    std::iter::successors(Some(error), |error| (*error).source()).any(|error| error.to_string().contains(word))
}

/// For the SDK's clients.
impl ProvideCredentials for AwsIdentity {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.held().await.map(|held| held.sdk).map_err(CredentialsError::provider_error)
        })
    }
}

/// For the object store, which asks before every request.
#[async_trait]
impl CredentialProvider for AwsIdentity {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let generic = |error: Error| object_store::Error::Generic { store: "S3", source: Box::new(error) };
        self.held().await.map(|held| held.s3).map_err(generic)
    }
}

impl S3Keys for AwsIdentity {
    fn ended(&self, keys: &AwsCredential) {
        let mut held = self.0.held.write().unwrap_or_else(PoisonError::into_inner);
        // Others may have renewed them in the meantime.
        if let Some(held) = held.as_mut().filter(|held| held.s3.as_ref() == keys) {
            held.ended = true;
        }
    }
}

#[cfg(test)]
mod tests;
