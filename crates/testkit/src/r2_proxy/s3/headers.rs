//! What R2 has not implemented, told by headers.

use super::super::answer::Refusal;
use super::super::call::Call;

/// Headers that ask for what is not there.
const REFUSED: [&str; 6] = [
    "x-amz-acl",
    "x-amz-tagging",
    "x-amz-request-payer",
    "x-amz-trailer",
    "x-amz-server-side-encryption",
    "x-amz-bucket-object-lock-enabled",
];
const REFUSED_PREFIXES: [&str; 3] = ["x-amz-grant-", "x-amz-object-lock-", "x-amz-server-side-encryption-aws-kms"];

/// Headers that are about this connection or this signature; the next ones are made anew.
const OWN: [&str; 9] = [
    "host",
    "authorization",
    "connection",
    "content-length",
    "expect",
    "transfer-encoding",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
];

pub(super) fn is_passed_on(name: &str) -> bool {
    !OWN.contains(&name)
}

pub(super) fn checked(call: &Call) -> Result<(), Refusal> {
    let not_implemented =
        |what: &str| Err(Refusal::violation(501, "NotImplemented", format!("{what} is not implemented")));
    let names = call.headers.keys().map(hyper::header::HeaderName::as_str);
    let is_refused =
        |name: &&str| REFUSED.contains(name) || REFUSED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    if let Some(name) = names.into_iter().find(|name| is_refused(name)) {
        return not_implemented(name);
    }
    if let Some(payload) = call.header("x-amz-content-sha256").filter(|payload| payload.starts_with("STREAMING-")) {
        return not_implemented(payload);
    }
    if call.header("content-encoding").is_some_and(|encoding| encoding.contains("aws-chunked")) {
        return not_implemented("aws-chunked");
    }
    let algorithm = call.header("x-amz-checksum-algorithm").unwrap_or_default();
    match call.header("x-amz-checksum-type") {
        Some("FULL_OBJECT") if algorithm != "CRC64NVME" => not_implemented("a checksum of the full object"),
        Some("COMPOSITE") if algorithm == "CRC64NVME" => not_implemented("a composite checksum of this kind"),
        _ => Ok(()),
    }
}
