//! What a failed request to S3 means to a person, and what to do about it.
//!
//! What must hold: the kind is decided by S3's own code first, by the status second, as servers differ in statuses; the
//! message says what happened, the hint what to type next, and neither holds a key, a signature or a URL with a query.

use super::answer::Answer;
use super::failure::{Failure, Problem};
use crate::error::{Error, ErrorKind};

/// What was to be done with the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::storage) enum Action {
    Read,
    Write,
}

impl Action {
    fn kind(self) -> ErrorKind {
        match self {
            Action::Read => ErrorKind::Read,
            Action::Write => ErrorKind::Write,
        }
    }
}

/// Kind, message and hint.
struct Meaning(ErrorKind, String, String);

impl Meaning {
    fn new(kind: ErrorKind, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self(kind, message.into(), hint.into())
    }
}

/// The error of an object that could not be read or written.
pub(in crate::storage) fn explain(location: &str, failure: Failure, action: Action) -> Error {
    let meaning = match failure.problem() {
        Problem::Answer(answer) => refused(location, answer, &failure, action),
        problem => unanswered(problem, &failure, action),
    };
    let Meaning(kind, message, hint) = meaning;
    Error::new(kind, message).subject(location).hint(hint).source(failure)
}

fn unanswered(problem: &Problem, failure: &Failure, action: Action) -> Meaning {
    let host = failure.host();
    match problem {
        Problem::Unreachable(_) => Meaning::new(
            ErrorKind::Unavailable,
            format!("the server `{host}` cannot be reached"),
            "check `s3.endpoint`, the network, and whether the name can be resolved",
        ),
        Problem::Tls(_) => Meaning::new(
            ErrorKind::Unavailable,
            format!("no TLS connection can be made to `{host}`"),
            "check whether `s3.endpoint` means `https://`, and whether this machine trusts the server's certificate",
        ),
        Problem::Interrupted(_) => Meaning::new(
            ErrorKind::Unavailable,
            format!("the connection to `{host}` broke"),
            "run the statement again; if it happens often, lower `s3.max-connections`",
        ),
        Problem::TimedOut(limit) => Meaning::new(
            ErrorKind::Unavailable,
            format!("the server `{host}` did not answer within {} s", limit.as_secs_f64()),
            "run the statement again, or attach with a larger `s3.request-timeout`",
        ),
        Problem::Length { found_bytes, expected_bytes } => Meaning::new(
            action.kind(),
            format!("the answer has {found_bytes} of {expected_bytes} bytes, after {} attempts", failure.attempts()),
            "the server or a proxy before it cuts answers; run the statement again",
        ),
        Problem::OtherRange { asked, answered } => Meaning::new(
            action.kind(),
            match answered {
                Some(found) => format!("the server answered the bytes {found:?}, expected {asked:?}"),
                None => format!("the server answered the whole object, expected the bytes {asked:?}"),
            },
            "the server or a proxy before it does not know byte ranges",
        ),
        Problem::Credentials(_) | Problem::Answer(_) => Meaning::new(
            ErrorKind::Denied,
            format!("there are no credentials for `{host}`"),
            "attach with `s3.access-key-id` and `s3.secret-access-key`, or renew the session that they come from",
        ),
    }
}

fn refused(location: &str, answer: &Answer, failure: &Failure, action: Action) -> Meaning {
    by_code(location, answer, failure, action).unwrap_or_else(|| by_status(answer, failure, action))
}

fn by_code(location: &str, answer: &Answer, failure: &Failure, action: Action) -> Option<Meaning> {
    let code = answer.code.as_str();
    Some(match code {
        "InvalidObjectState" => Meaning::new(
            ErrorKind::Read,
            "the object is in an archive storage class and must be restored before it can be read",
            "restore it with `aws s3api restore-object`, wait until it is there, and run the statement again",
        ),
        "NoSuchBucket" => Meaning::new(
            ErrorKind::NotFound,
            format!("the bucket `{}` does not exist at `{}`", bucket(location), failure.host()),
            "check the location, and `s3.endpoint`: a bucket of another provider is not there",
        ),
        "InvalidPart" | "InvalidPartOrder" => Meaning::new(
            ErrorKind::Write,
            format!("the server refuses the parts of the upload ({code})"),
            "a proxy or another client changed the upload; run the statement again",
        ),
        "EntityTooSmall" => Meaning::new(
            ErrorKind::Write,
            "the server wants larger parts",
            "attach with a larger `s3.multipart.part-size-bytes`; S3 and R2 take parts of 5 MiB and more",
        ),
        "EntityTooLarge" => Meaning::new(
            ErrorKind::Write,
            "the server wants smaller parts or objects",
            "attach with a smaller `s3.multipart.part-size-bytes`, or lower `write.target-file-size-bytes`",
        ),
        "NoSuchUpload" => Meaning::new(
            ErrorKind::Write,
            "the upload was ended by somebody else before it was completed",
            "look for a rule of the bucket that ends unfinished uploads; run the statement again",
        ),
        "InvalidRange" => Meaning::new(
            ErrorKind::Read,
            "the object is shorter than its metadata says",
            "the object was truncated or replaced after its metadata was written; compare its size with the manifest",
        ),
        _ => return denied(answer, failure, action).or_else(|| misplaced(answer, failure)),
    })
}

/// What concerns keys and rights.
fn denied(answer: &Answer, failure: &Failure, action: Action) -> Option<Meaning> {
    let code = answer.code.as_str();
    let message = answer.message.to_ascii_lowercase();
    let kms = code.starts_with("KMS.") || code == "AccessDenied" && message.contains("kms");
    let right = if action == Action::Read { "kms:Decrypt" } else { "kms:GenerateDataKey and kms:Decrypt" };
    let (text, hint) = match code {
        _ if kms => (
            "the KMS key of the object cannot be used with these credentials".to_string(),
            format!("grant {right} on the key that the answer names, or look whether the key is enabled"),
        ),
        "AccessDenied" | "AllAccessDisabled" | "Forbidden" => ("access is denied".to_string(), rights(action)),
        "InvalidAccessKeyId" => (
            format!("`{}` does not know the access key", failure.host()),
            "check `s3.access-key-id`; a key of one provider is not known to another".to_string(),
        ),
        "SignatureDoesNotMatch" => (
            "the signature is wrong: the secret key is not that of the access key".to_string(),
            "check `s3.secret-access-key` for characters that are missing or too many".to_string(),
        ),
        "RequestTimeTooSkewed" | "RequestExpired" => (
            match &answer.server_time {
                Some(time) => format!("the clock of this machine is wrong: the server's says {time}"),
                None => "the clock of this machine differs too much from the server's".to_string(),
            },
            "set the clock, and have it kept right by NTP".to_string(),
        ),
        "ExpiredToken" | "TokenRefreshRequired" => (
            "the session's token has expired, and there is no newer one".to_string(),
            "renew the session, for example with `aws sso login`, and run the statement again".to_string(),
        ),
        "InvalidToken" | "InvalidSecurity" => (
            "the session's token is not that of the access key".to_string(),
            "give `s3.access-key-id`, `s3.secret-access-key` and `s3.session-token` of one session".to_string(),
        ),
        _ => return None,
    };
    Some(Meaning::new(ErrorKind::Denied, text, hint))
}

fn rights(action: Action) -> String {
    match action {
        Action::Read => {
            "the credentials need s3:GetObject and s3:ListBucket here; a bucket that the reader pays for wants \
                         `s3.requester-pays-enabled` to be true"
                .to_string()
        }
        Action::Write => {
            "the credentials need s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload here".to_string()
        }
    }
}

/// A request that was sent to the wrong region, or signed for it.
fn misplaced(answer: &Answer, failure: &Failure) -> Option<Meaning> {
    let codes = [
        "PermanentRedirect",
        "TemporaryRedirect",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
        "InvalidRegionName",
        "InvalidLocationConstraint",
    ];
    let asked = failure.region();
    let other = answer.region.as_deref().filter(|region| *region != asked);
    // An answer to HEAD has no code, but may name the region.
    let is_silent = answer.code.is_empty() && answer.status.as_u16() == 400 && other.is_some();
    if !codes.contains(&answer.code.as_str()) && !answer.status.is_redirection() && !is_silent {
        return None;
    }
    Some(match other {
        Some(region) => Meaning::new(
            ErrorKind::Config,
            format!("the bucket is in the region `{region}`, the request was for `{asked}`"),
            format!("attach with `s3.region` '{region}'"),
        ),
        None => Meaning::new(
            ErrorKind::Config,
            format!("the bucket is not in the region `{asked}` that the request was for"),
            "attach with the bucket's own `s3.region` and, if it is not AWS, `s3.endpoint`",
        ),
    })
}

fn by_status(answer: &Answer, failure: &Failure, action: Action) -> Meaning {
    let tries = format!("gave up after {} attempts in {:.1} s", failure.attempts(), failure.elapsed().as_secs_f64());
    let slow = ["SlowDown", "ServiceUnavailable", "RequestLimitExceeded", "Throttling", "TooManyRequests"];
    match answer.status.as_u16() {
        429 | 503 => throttled(tries),
        _ if slow.contains(&answer.code.as_str()) => throttled(tries),
        501 => Meaning::new(
            ErrorKind::Unsupported,
            "the server does not implement what it was asked",
            "leave out options that it does not know, such as `s3.sse.type`",
        ),
        _ if answer.status.is_server_error() || answer.status.is_success() => Meaning::new(
            ErrorKind::Unavailable,
            format!("the server `{}` failed; {tries}", failure.host()),
            "run the statement again later",
        ),
        401 | 403 => Meaning::new(ErrorKind::Denied, "access is denied", rights(action)),
        404 => Meaning::new(
            ErrorKind::NotFound,
            "the object does not exist",
            "it was removed after the metadata that names it was written; an older snapshot may be complete",
        ),
        status => Meaning::new(
            action.kind(),
            format!("the server refuses the request ({status})"),
            "the cause below says why; check the options of ATTACH that begin with `s3.`",
        ),
    }
}

fn throttled(tries: String) -> Meaning {
    Meaning::new(
        ErrorKind::Unavailable,
        format!("the server asks to slow down; {tries}"),
        "run the statement again later, or attach with a lower `s3.max-connections`",
    )
}

fn bucket(location: &str) -> &str {
    super::split(location).map_or("", |(bucket, _)| bucket)
}
