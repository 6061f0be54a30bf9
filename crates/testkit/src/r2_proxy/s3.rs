//! R2's S3 API: what it refuses; the rest goes to the S3 server behind, signed anew.

mod authorized;
mod headers;
mod objects;

use std::time::Instant;

use hyper::HeaderMap;

use super::answer::{Answer, Refusal};
use super::call::{Call, plain};
use super::{State, forward};
use crate::signature::sign;
pub(super) use objects::Objects;

const KEY_BYTES_MAX: usize = 1_024;

/// The operation by S3's own name.
pub(super) fn operation_name(call: &Call) -> &'static str {
    let has = |name: &str| call.parameters().any(|(found, _)| found == name);
    let (bucket, key) = object(call);
    let (in_bucket, is_object) = (!bucket.is_empty(), !key.is_empty());
    match call.method.as_str() {
        "GET" | "PUT" | "DELETE" if ["acl", "tagging"].iter().any(|name| has(name)) => "unknown",
        "PUT" if is_object && has("uploadId") => "UploadPart",
        "PUT" if is_object && call.header("x-amz-copy-source").is_some() => "CopyObject",
        "PUT" if is_object => "PutObject",
        "POST" if is_object && has("uploads") => "CreateMultipartUpload",
        "POST" if is_object && has("uploadId") => "CompleteMultipartUpload",
        "POST" if in_bucket && has("delete") => "DeleteObjects",
        "DELETE" if is_object && has("uploadId") => "AbortMultipartUpload",
        "DELETE" if is_object => "DeleteObject",
        "GET" if is_object && has("uploadId") => "ListParts",
        "GET" if is_object => "GetObject",
        "GET" if in_bucket && has("uploads") => "ListMultipartUploads",
        "GET" if in_bucket => "ListObjects",
        "GET" => "ListBuckets",
        "HEAD" if is_object => "HeadObject",
        "HEAD" if in_bucket => "HeadBucket",
        _ => "unknown",
    }
}

pub(super) async fn answer(state: &State, operation: &'static str, call: &Call) -> Answer {
    let answered = match checked(state, operation, call) {
        Ok(()) => ask(state, operation, call).await,
        Err(refusal) => Err(refusal),
    };
    answered.unwrap_or_else(|refusal| {
        if refusal.is_violation {
            state.log.violation(operation, call, &refusal.message);
        }
        refusal.as_s3()
    })
}

fn checked(state: &State, operation: &str, call: &Call) -> Result<(), Refusal> {
    // First, because a body in the wrong form cannot be checked against its signature.
    headers::checked(call)?;
    authorized::checked(&state.vended, call)?;
    let (bucket, key) = object(call);
    if bucket != state.settings.bucket {
        return Err(Refusal::violation(403, "AccessDenied", format!("the token is not for the bucket `{bucket}`")));
    }
    if operation == "unknown" {
        return Err(Refusal::violation(501, "NotImplemented", format!("{} {}", call.method, call.query)));
    }
    if key.len() > KEY_BYTES_MAX {
        return Err(Refusal::violation(400, "KeyTooLongError", format!("a key of {} bytes", key.len())));
    }
    state.objects.checked(operation, &key, call, Instant::now())
}

async fn ask(state: &State, operation: &str, call: &Call) -> Result<Answer, Refusal> {
    let upstream = &state.settings.upstream;
    let mut headers = HeaderMap::new();
    for (name, value) in call.headers.iter().filter(|(name, _)| headers::is_passed_on(name.as_str())) {
        headers.append(name, value.clone());
    }
    let host = upstream.s3.trim_start_matches("http://");
    sign(&upstream.s3_keys, host, (call.method.as_str(), &call.path, &call.query), &mut headers);
    let question = if call.query.is_empty() { "" } else { "?" };
    let url = format!("{}{}{question}{}", upstream.s3, call.path, call.query);
    let response = forward::send(&state.client, call.method.clone(), &url, headers, call.sent_body()).await?;
    if response.status().is_success() {
        state.objects.done(operation, &object(call).1, call, Instant::now());
    }
    Ok(forward::streamed(response))
}

/// Bucket and key of a path, decoded; both may be empty.
fn object(call: &Call) -> (String, String) {
    let path = call.path.trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    (plain(bucket), plain(key))
}
