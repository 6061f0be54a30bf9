//! Only R2's keys, and only with a right signature.

use std::time::{SystemTime, UNIX_EPOCH};

use super::super::answer::Refusal;
use super::super::call::Call;
use super::super::vended::Vended;
use crate::signature::{Authorization, Signable, UNSIGNED, seconds_of, sha256_hex};

/// R2 has one region, and takes two names for it.
const REGIONS: [&str; 2] = ["auto", "us-east-1"];

/// How far two clocks may differ.
const SKEW_SECONDS_MAX: u64 = 15 * 60;

pub(super) fn checked(vended: &Vended, call: &Call) -> Result<(), Refusal> {
    if let Some(credential) = call.parameter("X-Amz-Credential") {
        let access_key = credential.split('/').next().unwrap_or_default();
        vended.secret_of(access_key, call.parameter("X-Amz-Security-Token").as_deref())?;
        return Err(Refusal::violation(501, "NotImplemented", "this proxy takes no presigned requests"));
    }
    let header = call.header("authorization").and_then(Authorization::parse);
    let found = header.ok_or_else(|| Refusal::violation(403, "AccessDenied", "the request is not signed"))?;
    let secret = vended.secret_of(&found.access_key, call.header("x-amz-security-token"))?;
    if !REGIONS.contains(&found.scope.region.as_str()) || found.scope.service != "s3" {
        let message = format!("signed for `{}`, expected region auto and service s3", found.scope);
        return Err(Refusal::violation(400, "InvalidRegionName", message));
    }
    dated(&found, call)?;
    if let Some(name) = must_be_signed(call).find(|name| !found.signed_headers.contains(*name)) {
        return Err(Refusal::violation(403, "AccessDenied", format!("the header `{name}` is not signed")));
    }
    let request =
        Signable { method: call.method.as_str(), path: &call.path, query: &call.query, headers: &call.headers };
    if !found.is_by(&secret, &request) {
        return Err(Refusal::violation(403, "SignatureDoesNotMatch", "the signature is not that of the secret key"));
    }
    payload(call)
}

fn dated(found: &Authorization, call: &Call) -> Result<(), Refusal> {
    let date = call.header("x-amz-date").unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    match seconds_of(date).filter(|_| date.starts_with(&found.scope.date)) {
        Some(seconds) if seconds.abs_diff(now) <= SKEW_SECONDS_MAX => Ok(()),
        _ => Err(Refusal::violation(403, "RequestTimeTooSkewed", format!("signed at `{date}`"))),
    }
}

fn must_be_signed(call: &Call) -> impl Iterator<Item = &str> {
    let of_amazon =
        call.headers.keys().map(hyper::header::HeaderName::as_str).filter(|name| name.starts_with("x-amz-"));
    std::iter::once("host").chain(of_amazon)
}

/// A body that is part of the signature is the one that was signed.
fn payload(call: &Call) -> Result<(), Refusal> {
    match call.header("x-amz-content-sha256").unwrap_or_default() {
        UNSIGNED => Ok(()),
        hash if hash == sha256_hex(&call.body) => Ok(()),
        hash => Err(Refusal::violation(400, "XAmzContentSHA256Mismatch", format!("the body's hash is not `{hash}`"))),
    }
}
