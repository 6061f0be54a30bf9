//! Keys that requests are signed with.
//!
//! What must hold: every endpoint has its own provider and no other is ever asked, neither environment nor instance
//! metadata; a key that cannot stand in a header is an error, not a panic of the signer; `Debug` shows no key.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use secrecy::{ExposeSecret, SecretString};

use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;

/// Where the keys for requests come from. Asked for every request, so that they can be renewed while a job runs.
pub(crate) type S3Credentials = Arc<dyn S3Keys>;

/// A provider of keys that may hear from the server that they have ended.
pub(crate) trait S3Keys: CredentialProvider<Credential = AwsCredential> {
    /// The server says that these keys have ended, whatever was said of their end: sessions are taken back, and clocks differ.
    /// From now on others are given, if there are any.
    fn ended(&self, _keys: &AwsCredential) {}
}

/// A provider of keys that do not change.
pub(crate) fn static_credentials(
    access_key_id: &str,
    secret_access_key: &SecretString,
    session_token: Option<&SecretString>,
) -> S3Credentials {
    Arc::new(StaticCredentials(Arc::new(AwsCredential {
        key_id: access_key_id.to_string(),
        secret_key: secret_access_key.expose_secret().to_string(),
        token: session_token.map(|token| token.expose_secret().to_string()),
    })))
}

/// Takes `s3.access-key-id`, `s3.secret-access-key` and `s3.session-token`; nothing if none of them is given.
pub(crate) fn take_static_credentials(options: &mut Options) -> Result<Option<S3Credentials>> {
    let key_id = options.take_secret("s3.access-key-id");
    let secret = options.take_secret("s3.secret-access-key");
    let token = options.take_secret("s3.session-token");
    match (key_id, secret, token) {
        (None, None, None) => Ok(None),
        (Some(key_id), Some(secret), token) => {
            Ok(Some(static_credentials(key_id.expose_secret(), &secret, token.as_ref())))
        }
        (None, ..) => Err(options.error("the option `s3.access-key-id` is missing").hint(TOGETHER)),
        (_, None, _) => Err(options.error("the option `s3.secret-access-key` is missing").hint(TOGETHER)),
    }
}

const TOGETHER: &str = "`s3.access-key-id` and `s3.secret-access-key` go together";

struct StaticCredentials(Arc<AwsCredential>);

impl fmt::Debug for StaticCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StaticCredentials")
    }
}

#[async_trait]
impl CredentialProvider for StaticCredentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        Ok(Arc::clone(&self.0))
    }
}

impl S3Keys for StaticCredentials {}

/// A provider whose keys can be put into headers.
pub(super) struct CheckedCredentials(pub S3Credentials);

impl fmt::Debug for CheckedCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CheckedCredentials")
    }
}

#[async_trait]
impl CredentialProvider for CheckedCredentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let credential = self.0.get_credential().await?;
        let wrong = if !is_printable(&credential.key_id) {
            "access key id"
        } else if credential.secret_key.is_empty() {
            "secret access key"
        } else if credential.token.as_deref().is_some_and(|token| !is_printable(token)) {
            "session token"
        } else {
            return Ok(credential);
        };
        let error = Error::new(ErrorKind::Denied, format!("the {wrong} is empty or has characters that no key has"))
            .hint("look for a line break or blank at its end");
        Err(object_store::Error::Generic { store: "S3", source: Box::new(error) })
    }
}

fn is_printable(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_graphic())
}
