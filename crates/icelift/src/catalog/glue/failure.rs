//! What a call of Glue that failed means, and what to say of it.

use std::fmt;

use aws_sdk_glue::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_glue::operation::RequestId;

use super::limits::SOCKET_TIMEOUT;
use crate::error::{Error, ErrorKind, Stage};
use crate::secrets::Secrets;

/// A call that failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub reason: Reason,
    pub error: Error,
}

/// What follows from a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    NotFound,
    Exists,
    /// The version that an update names is not the newest, or another update is under way.
    Concurrent,
    /// Nothing was done, and the same call may be made later.
    Throttled,
    /// No answer, or none that says what was done: the call may have been applied, or may yet be.
    Lost,
    /// Nothing was done, and the same call would fail again.
    Refused,
}

/// A call of Glue and what it is about, to be named in errors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    /// The attached catalog.
    pub catalog: &'a str,
    /// As in IAM's `glue:<action>`.
    pub action: &'static str,
    /// The database or table, if it is about one.
    pub object: &'a str,
}

impl Call<'_> {
    fn writes(&self) -> bool {
        !self.action.starts_with("Get")
    }

    fn of_object(&self) -> String {
        if self.object.is_empty() { String::new() } else { format!(" on `{}`", self.object) }
    }

    /// What is known of a call whose answer is missing.
    fn outcome(&self) -> &'static str {
        if self.writes() { "; it is not known whether it was done" } else { "" }
    }
}

impl Failure {
    /// The identity has no credentials: nothing was sent.
    pub fn unsent(error: Error) -> Self {
        Self { reason: Reason::Refused, error }
    }

    /// `secrets` are those of the identity, which what answers may repeat.
    pub fn new<E>(call: Call<'_>, error: SdkError<E>, secrets: &Secrets) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let unsent = matches!(error, SdkError::ConstructionFailure(_));
        let code = error.code().map(str::to_string);
        let message = secrets.scrub(&error.message().map(first_line).unwrap_or_default());
        let reason = if unsent { Reason::Refused } else { reason(code.as_deref(), status) };
        let said = match (status.filter(|_| code.is_none()), &error) {
            (Some(status), _) => not_glue(call, status),
            (None, SdkError::TimeoutError(_)) => unanswered(call),
            (None, _) => describe(call, reason, code.as_deref(), &message),
        };
        let said = said.stage(Stage::Catalog).subject(call.catalog);
        // The SDK's error holds the answer as it came, and AWS repeats signed headers, a session token among them.
        let said = match status {
            Some(status) => said.source(Answer { status, code, request: error.request_id().map(str::to_string) }),
            None => said.source(error),
        };
        Self { reason, error: said }
    }
}

/// What is kept of an answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    code: Option<String>,
    request: Option<String>,
}

impl std::error::Error for Answer {}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer is {}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        match &self.request {
            Some(request) => write!(f, " (request {request})"),
            None => Ok(()),
        }
    }
}

/// The connection stands, and nothing comes.
fn unanswered(call: Call<'_>) -> Error {
    let (action, of_object, outcome) = (call.action, call.of_object(), call.outcome());
    Error::new(ErrorKind::Unavailable, format!("Glue did not answer {action}{of_object} in time{outcome}")).hint(format!(
        "check the network, `glue.endpoint` and proxies; `{SOCKET_TIMEOUT}` sets how long to wait, and `glue.max-retries` how often"
    ))
}

/// A proxy, or another server.
fn not_glue(call: Call<'_>, status: u16) -> Error {
    let (action, of_object, outcome) = (call.action, call.of_object(), call.outcome());
    let message = format!("what answers {status} to {action}{of_object} does not speak as Glue does{outcome}");
    Error::new(ErrorKind::Unavailable, message).hint("check `glue.endpoint`, `client.region` and proxies")
}

/// AWS's error codes, which are the same over all calls. Statuses do not tell: most errors are 400.
fn reason(code: Option<&str>, status: Option<u16>) -> Reason {
    match (code, status) {
        (Some("EntityNotFoundException"), _) => Reason::NotFound,
        (Some("AlreadyExistsException"), _) => Reason::Exists,
        (Some("ConcurrentModificationException"), _) => Reason::Concurrent,
        (Some("ThrottlingException" | "Throttling" | "TooManyRequestsException" | "RequestLimitExceeded"), _) => {
            Reason::Throttled
        }
        // A timeout inside of Glue, with status 400.
        (Some("OperationTimeoutException" | "InternalServiceException"), _) => Reason::Lost,
        (Some(_), Some(400..500)) => Reason::Refused,
        _ => Reason::Lost,
    }
}

fn is_signature(code: Option<&str>) -> bool {
    matches!(code, Some("InvalidSignatureException" | "SignatureDoesNotMatch" | "IncompleteSignatureException"))
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().trim_end_matches('.').to_string()
}

fn describe(call: Call<'_>, reason: Reason, code: Option<&str>, message: &str) -> Error {
    let (action, of_object) = (call.action, call.of_object());
    let kind = if call.writes() { ErrorKind::Write } else { ErrorKind::Read };
    match (reason, code) {
        (_, Some("AccessDeniedException" | "AccessDenied")) => {
            Error::new(ErrorKind::Denied, format!("AWS denies glue:{action}{of_object}: {message}"))
                .hint(denied_hint(action, message))
        }
        (_, Some("UnrecognizedClientException" | "InvalidClientTokenId" | "MissingAuthenticationTokenException")) => {
            Error::new(ErrorKind::Denied, format!("AWS does not know the access key that called {action}: {message}"))
                .hint("check `client.access-key-id`; temporary keys need `client.session-token` too")
        }
        (_, Some("ExpiredTokenException" | "ExpiredToken")) => {
            Error::new(ErrorKind::Denied, format!("the AWS session that called {action} has expired: {message}"))
                .hint("get new credentials (for SSO: `aws sso login`); roles and profiles are renewed by themselves")
        }
        (_, code) if is_signature(code) || code == Some("RequestExpired") => signature(action, code, message),
        (Reason::Throttled, _) => {
            Error::new(ErrorKind::Unavailable, format!("Glue throttles {action}{of_object}: {message}"))
                .hint("try again later, or have the account's quota of Glue calls raised")
        }
        (Reason::Lost, _) => {
            let outcome = call.outcome();
            let said = if message.is_empty() { String::new() } else { format!(": {message}") };
            Error::new(ErrorKind::Unavailable, format!("Glue gave no answer to {action}{of_object}{said}{outcome}"))
                .hint("check the network, `client.region` and `glue.endpoint`")
        }
        (_, Some("ResourceNumberLimitExceededException")) => {
            Error::new(ErrorKind::Resources, format!("a quota of Glue is used up by {action}{of_object}: {message}"))
                .hint("have the quota raised; `glue.skip-archive` keeps old versions from counting")
        }
        (_, code) => {
            let code = code.unwrap_or("the request could not be made");
            Error::new(kind, format!("Glue refuses {action}{of_object}: {code}: {message}"))
        }
    }
}

fn signature(action: &str, code: Option<&str>, message: &str) -> Error {
    let skewed = code == Some("RequestExpired") || message.contains("expired") || message.contains("not yet current");
    let (said, hint) = if skewed {
        (format!("this machine's clock differs from AWS's: {message}"), "set the clock, for example by NTP")
    } else {
        ("the signature does not match".to_string(), "check `client.secret-access-key` and `client.region`")
    };
    Error::new(ErrorKind::Denied, format!("AWS refuses {action}: {said}")).hint(hint)
}

/// Lake Formation denies what IAM allows, and the other way round.
fn denied_hint(action: &str, message: &str) -> String {
    if message.to_ascii_lowercase().contains("lake formation") {
        let right = match action {
            "CreateDatabase" => "CREATE_DATABASE on the catalog",
            "CreateTable" => "CREATE_TABLE on the database",
            "UpdateTable" => "ALTER on the table",
            "DeleteTable" | "DeleteDatabase" => "DROP",
            _ => "DESCRIBE on the database, DESCRIBE and SELECT on the table",
        };
        return format!("have Lake Formation grant {right} to this identity; IAM alone is not enough there");
    }
    let also = match action {
        "GetTable" => " (reading needs glue:GetDatabase and glue:GetTable)",
        "UpdateTable" => " (committing needs glue:GetTable and glue:UpdateTable)",
        "CreateTable" => " (creating needs glue:GetDatabase, glue:GetTable and glue:CreateTable)",
        "DeleteDatabase" => " (dropping needs glue:GetTables and glue:DeleteDatabase)",
        _ => "",
    };
    format!(
        "allow glue:{action} on the catalog, the database and the table in IAM{also}; where Lake Formation governs them, it must grant access too"
    )
}

#[cfg(test)]
mod tests {
    use super::{Call, Reason, describe, reason};

    fn said(code: &str, message: &str) -> (String, String) {
        let call = Call { catalog: "g", action: "GetTable", object: "db.t" };
        let error = describe(call, reason(Some(code), Some(400)), Some(code), message);
        (error.to_string(), error.advice().unwrap_or_default().to_string())
    }

    #[test]
    fn what_was_not_done_for_sure_is_told_from_what_may_have_been() {
        assert_eq!(reason(Some("InvalidInputException"), Some(400)), Reason::Refused);
        assert_eq!(reason(Some("SomethingNewException"), Some(400)), Reason::Refused);
        assert_eq!(reason(Some("SomethingNewException"), Some(503)), Reason::Lost);
        assert_eq!(reason(Some("OperationTimeoutException"), Some(400)), Reason::Lost);
        assert_eq!(reason(Some("InternalServiceException"), Some(500)), Reason::Lost);
        assert_eq!(reason(Some("ThrottlingException"), Some(400)), Reason::Throttled);
        assert_eq!(reason(None, Some(502)), Reason::Lost);
        assert_eq!(reason(None, None), Reason::Lost);
    }

    #[test]
    fn denials_name_the_action_and_who_can_grant_it() {
        let (message, hint) = said("AccessDeniedException", "User: u is not authorized to perform: glue:GetTable");
        assert_eq!(message, "AWS denies glue:GetTable on `db.t`: User: u is not authorized to perform: glue:GetTable");
        assert!(hint.contains("reading needs glue:GetDatabase and glue:GetTable"), "{hint}");
        let (_, hint) =
            said("AccessDeniedException", "Insufficient Lake Formation permission(s): Required Describe on t");
        assert!(hint.starts_with("have Lake Formation grant DESCRIBE on the database"), "{hint}");
    }

    #[test]
    fn a_wrong_clock_is_told_from_a_wrong_key() {
        let (message, _) = said("InvalidSignatureException", "Signature expired: 2020 is now earlier than 2021");
        assert!(
            message.starts_with("AWS refuses GetTable: this machine's clock differs from AWS's: Signature"),
            "{message}"
        );
        let (message, hint) = said("InvalidSignatureException", "The request signature we calculated does not match");
        assert_eq!(message, "AWS refuses GetTable: the signature does not match");
        assert!(hint.contains("client.secret-access-key"), "{hint}");
    }
}
