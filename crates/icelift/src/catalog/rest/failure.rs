//! Why a call did not give what it was made for.
//!
//! Servers are classified by the type that their errors name, and by the status where they name none: R2 answers 400 for
//! a lost race and 409 for a property that it will never take. Nothing that a server said leaves this module unscrubbed.

use std::time::Duration;

use super::call::{Call, Operation};
use super::rules::Rules;
use crate::error::{Error, ErrorKind, Stage};

/// A call without its result.
#[derive(Debug)]
pub(super) struct Failure {
    pub call: Call,
    pub cause: Cause,
    /// Whether the call may have been carried out, by this attempt or an earlier one.
    pub is_doubtful: bool,
}

/// What became of one attempt.
#[derive(Debug)]
pub(super) enum Cause {
    /// Nothing reached the server.
    Unreachable(reqwest::Error),
    /// Something was sent, and no complete answer came.
    Lost(reqwest::Error),
    /// The server said that all went well, in a form that is not the specification's.
    Garbled { found: String, is_cut: bool },
    /// The server said no, or that it failed.
    Refused(Refusal),
    /// There is no way to make the call: no token, no such endpoint.
    Stopped(Error),
}

/// An answer that is no success.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    pub status: u16,
    /// `error.type`, if the body was the specification's JSON. As it came, so never shown: to be compared only. Scrubbing
    /// would make another type of it wherever a secret, or the value of a header, is a part of its name.
    pub named: Option<String>,
    /// The same as it may be shown.
    pub shown_name: String,
    /// What the server said: scrubbed, bounded, on one line.
    pub text: String,
    pub retry_after: Option<Duration>,
}

impl Refusal {
    pub fn is_named(&self, names: &[&str]) -> bool {
        self.named.as_deref().is_some_and(|found| names.contains(&found))
    }

    /// Whether a table or namespace is missing. A 404 without the specification's JSON is somebody else's: a wrong address.
    pub fn is_not_found(&self) -> bool {
        self.is_named(&["NoSuchTableException", "NoSuchNamespaceException", "NoSuchViewException", "NotFoundException"])
            || (self.status == 404 && self.named.is_some())
    }

    pub fn is_auth_timeout(&self) -> bool {
        [401, 419].contains(&self.status)
    }

    /// Whether the request may have been carried out although the answer says that something failed.
    ///
    /// 4xx answers come before the deed, also 429; 501 says that there is no such deed. All other 5xx answers may come from
    /// a proxy that lost patience, or from a server that failed after the deed. 408 comes from proxies too.
    pub fn is_doubtful(&self) -> bool {
        let server_failed = self.status == 408 || (self.status >= 500 && self.status != 501);
        server_failed || self.is_named(&["CommitStateUnknownException"])
    }
}

impl Cause {
    /// Whether the call may have been carried out all the same.
    pub fn is_doubtful(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Stopped(_) => false,
            Self::Lost(_) | Self::Garbled { .. } => true,
            Self::Refused(refusal) => refusal.is_doubtful(),
        }
    }

    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

impl Failure {
    /// The call was not made, or its result is of no use, for a reason that is an error already.
    pub fn stopped(call: Call, error: Error) -> Self {
        Self { call, cause: Cause::Stopped(error), is_doubtful: false }
    }

    /// Whether the call is about something that does not exist.
    pub fn is_not_found(&self) -> bool {
        self.cause.refusal().is_some_and(Refusal::is_not_found)
    }

    /// The error as its caller sees it. `catalog` is the name in SQL, `server` the address without credentials.
    pub fn into_error(self, catalog: &str, server: &str, rules: &dyn Rules) -> Error {
        let Self { call, cause, .. } = self;
        let product = rules.product();
        let at =
            |kind, message: String| Error::new(kind, message).stage(Stage::Catalog).subject(format!("`{catalog}`"));
        match cause {
            Cause::Stopped(error) => error.stage(Stage::Catalog).subject(format!("`{catalog}`")),
            Cause::Unreachable(source) => {
                let hint = unreachable_hint(&source, server);
                at(ErrorKind::Unavailable, format!("{call}: the {product} at `{server}` cannot be reached"))
                    .hint(hint)
                    .source(source)
            }
            Cause::Lost(source) => {
                let what = if source.is_timeout() { "did not answer in time" } else { "did not answer completely" };
                at(ErrorKind::Unavailable, format!("{call}: the {product} at `{server}` {what}"))
                    .hint("run the statement again; `rest.client.socket-timeout-ms` sets how long to wait")
                    .source(source)
            }
            Cause::Garbled { found, .. } => {
                // The first answer: it is no catalog at all.
                let is_first = call.operation == Operation::GetConfig;
                at(
                    if is_first { ErrorKind::Config } else { failed(call.operation) },
                    format!("{call}: the answer of the {product} is not Iceberg's: {found}"),
                )
                .hint("check the URI; it ends before `/v1`")
            }
            Cause::Refused(refusal) => {
                let error = at(kind(call.operation, &refusal), format!("{call}: {}", said(product, &refusal)));
                match hint(call.operation, &refusal, rules) {
                    Some(hint) => error.hint(hint),
                    None => error,
                }
            }
        }
    }
}

/// What the server said.
pub(super) fn said(product: &str, refusal: &Refusal) -> String {
    let Refusal { status, shown_name, text, .. } = refusal;
    let mut said = format!("the {product} answers {status}");
    if !shown_name.is_empty() {
        said.push_str(&format!(" `{shown_name}`"));
    }
    if !text.is_empty() {
        said.push_str(&format!(": {text}"));
    }
    said
}

fn failed(operation: Operation) -> ErrorKind {
    if operation.is_read() || operation == Operation::StageTable { ErrorKind::Read } else { ErrorKind::Write }
}

fn kind(operation: Operation, refusal: &Refusal) -> ErrorKind {
    match refusal.named.as_deref().unwrap_or_default() {
        "NamespaceNotEmptyException" | "NamespaceNotEmpty" => return ErrorKind::Sql,
        "AlreadyExistsException" => return ErrorKind::AlreadyExists,
        "UnsupportedOperationException" | "NotImplementedException" => return ErrorKind::Unsupported,
        "NotAuthorizedException" | "ForbiddenException" | "UnauthorizedException" => return ErrorKind::Denied,
        _ => {}
    }
    match refusal.status {
        _ if refusal.is_not_found() => ErrorKind::NotFound,
        401 | 403 | 407 | 419 => ErrorKind::Denied,
        300..=399 | 404 => ErrorKind::Config,
        400 | 422 if !operation.is_read() => ErrorKind::Sql,
        405 | 406 | 501 => ErrorKind::Unsupported,
        409 => match operation {
            Operation::CreateNamespace | Operation::CreateTable | Operation::StageTable | Operation::RenameTable => {
                ErrorKind::AlreadyExists
            }
            Operation::DropNamespace => ErrorKind::Sql,
            _ => ErrorKind::Write,
        },
        429 | 502..=504 => ErrorKind::Unavailable,
        _ => failed(operation),
    }
}

fn hint(operation: Operation, refusal: &Refusal, rules: &dyn Rules) -> Option<String> {
    if let Some(hint) = rules.hint(operation, refusal.status) {
        return Some(hint.to_string());
    }
    let hint = match refusal.status {
        300..=399 => "the server redirects; give the URI that it redirects to",
        400 if refusal.text.contains("HTTPS port") => "the server wants https:// in the URI",
        401 | 419 => "check TOKEN or CREDENTIAL; tokens expire",
        403 => "ask for the right to do this, or check the warehouse and the namespace's name",
        404 if operation == Operation::GetConfig => {
            "check the URI, it ends before `/v1`; check the warehouse: this account may have none of this name"
        }
        404 if !refusal.is_not_found() => "check the URI, it ends before `/v1`; check the warehouse",
        429 => "run the statement again later; other clients may be using up the server's limit",
        502..=504 => "run the statement again",
        409 if operation == Operation::DropNamespace => "drop its tables and namespaces first",
        _ => return None,
    };
    Some(hint.to_string())
}

/// Whether another try could reach the server: not where it speaks another protocol or is not trusted.
pub(super) fn may_pass(source: &reqwest::Error) -> bool {
    let chain = chain(source);
    !chain.contains("InvalidContentType") && !chain.contains("certificate")
}

fn chain(source: &reqwest::Error) -> String {
    let mut cause: Option<&dyn std::error::Error> = Some(source);
    let mut chain = String::new();
    while let Some(error) = cause {
        chain.push_str(&error.to_string());
        cause = error.source();
    }
    chain
}

/// What to check if nothing answers. A server without TLS shows in the chain of causes only.
fn unreachable_hint(source: &reqwest::Error, server: &str) -> String {
    let chain = chain(source);
    if chain.contains("InvalidContentType") || chain.contains("handshake eof") {
        return "the server speaks no TLS on this port; check the port, or give http:// in the URI".to_string();
    }
    if chain.contains("UnknownIssuer") {
        return "the server's certificate is signed by an unknown authority; \
                `ssl.cabundle` names a PEM file with its certificate"
            .to_string();
    }
    if chain.contains("certificate") {
        return "the server's certificate does not fit; check host name and URI".to_string();
    }
    format!("check that `{server}` is right and can be reached from here")
}
