//! AWS signature version 4, for signing and for checking. Written here and not taken from a client library, because it checks
//! what such libraries send.

mod canonical;
mod time;

use std::collections::BTreeSet;
use std::fmt;

use hyper::HeaderMap;
use sha2::{Digest, Sha256};

use canonical::canonical_request;
pub(crate) use canonical::decoded;
pub(crate) use time::{seconds_of, timestamp};

/// What stands for the hash of a body that is not part of the signature.
pub(crate) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// An access key and the secret that belongs to it.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// The part that travels with every request.
    pub access_key: String,
    /// The part that never does.
    pub secret_key: String,
}

impl Keys {
    /// Both parts, as the services call them.
    pub fn new(access_key: impl Into<String>, secret_key: impl Into<String>) -> Self {
        Self { access_key: access_key.into(), secret_key: secret_key.into() }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// The parts of a request that a signature covers.
pub(crate) struct Signable<'a> {
    pub(crate) method: &'a str,
    /// The path as it is sent.
    pub(crate) path: &'a str,
    /// The query as it is sent, without the question mark.
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
}

/// What an `Authorization` header says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Authorization {
    pub(crate) access_key: String,
    pub(crate) scope: Scope,
    pub(crate) signed_headers: BTreeSet<String>,
    signature: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) date: String,
    pub(crate) region: String,
    pub(crate) service: String,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }
}

impl Authorization {
    /// None if the header is not one of this kind of signature.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let fields = header.strip_prefix(ALGORITHM)?.trim_start();
        let field = |name: &str| fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
        let [access_key, date, region, service, "aws4_request"] =
            field("Credential")?.split('/').collect::<Vec<_>>()[..]
        else {
            return None;
        };
        Some(Self {
            access_key: access_key.to_owned(),
            scope: Scope { date: date.to_owned(), region: region.to_owned(), service: service.to_owned() },
            signed_headers: field("SignedHeaders")?.split(';').map(str::to_owned).collect(),
            signature: field("Signature")?.to_owned(),
        })
    }

    /// Whether the signature is the one that `secret_key` makes for this request.
    pub(crate) fn is_by(&self, secret_key: &str, request: &Signable<'_>) -> bool {
        let (Some(date), Some(payload)) =
            (text(request.headers, "x-amz-date"), text(request.headers, "x-amz-content-sha256"))
        else {
            return false;
        };
        let canonical = canonical_request(request, &self.signed_headers, payload);
        signature_of(secret_key, &self.scope, date, &canonical) == self.signature
    }
}

/// Adds date and `Authorization` to the headers of a request to `host`, all of whose `x-amz-` headers are signed. The body
/// is not, unless the headers bring its hash.
pub(crate) fn sign(keys: &Keys, host: &str, request: (&str, &str, &str), headers: &mut HeaderMap) {
    let now = timestamp();
    let scope = Scope { date: now[..8].to_owned(), region: "us-east-1".to_owned(), service: "s3".to_owned() };
    let payload = text(headers, "x-amz-content-sha256").unwrap_or(UNSIGNED).to_owned();
    for (name, value) in [("host", host), ("x-amz-date", &now), ("x-amz-content-sha256", &payload)] {
        insert(headers, name, value);
    }
    let names = headers.keys().map(|name| name.as_str().to_owned());
    let signed: BTreeSet<String> = names.filter(|name| name == "host" || name.starts_with("x-amz-")).collect();
    let (method, path, query) = request;
    let canonical = canonical_request(&Signable { method, path, query, headers }, &signed, &payload);
    let signature = signature_of(&keys.secret_key, &scope, &now, &canonical);
    let signed = signed.into_iter().collect::<Vec<_>>().join(";");
    let access_key = &keys.access_key;
    let value = format!("{ALGORITHM} Credential={access_key}/{scope}, SignedHeaders={signed}, Signature={signature}");
    insert(headers, "authorization", &value);
}

/// Text that is no header value is left out; nothing here makes such text.
pub(crate) fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = value.parse() {
        headers.insert(name, value);
    }
}

/// A header as text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn signature_of(secret_key: &str, scope: &Scope, date: &str, canonical_request: &str) -> String {
    let to_sign = format!("{ALGORITHM}\n{date}\n{scope}\n{}", sha256_hex(canonical_request.as_bytes()));
    let mut key = hmac(format!("AWS4{secret_key}").as_bytes(), scope.date.as_bytes());
    for part in [&scope.region, &scope.service, "aws4_request"] {
        key = hmac(&key, part.as_bytes());
    }
    hex(&hmac(&key, to_sign.as_bytes()))
}

/// SHA-256 in hexadecimal digits.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// HMAC with SHA-256.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests;
