//! What a server says when it refuses a request.
//!
//! What must hold: only code, message and the few fields below are kept, never the body: S3 repeats headers in it,
//! tokens among them.

use std::fmt;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use crate::retry_after::retry_after;
use crate::secrets::Secrets;

/// A message longer than this is cut.
const MESSAGE_MAX_CHARS: usize = 400;

/// What a server says when it refuses.
#[derive(Debug, Clone, Default)]
pub(in crate::storage) struct Answer {
    pub status: StatusCode,
    /// S3's name for the error; an answer to HEAD has none.
    pub code: String,
    pub message: String,
    pub request_id: Option<String>,
    /// Where the bucket is, if the answer tells.
    pub region: Option<String>,
    /// The server's clock, if the answer tells.
    pub server_time: Option<String>,
    pub retry_after: Option<Duration>,
}

impl Answer {
    /// `secrets` are those of the request, which servers and proxies repeat.
    pub fn new(status: StatusCode, headers: &HeaderMap, body: &[u8], secrets: &Secrets) -> Self {
        let text = secrets.scrub(&String::from_utf8_lossy(body));
        let header = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_string());
        Self {
            status,
            code: element(&text, "Code").unwrap_or_default(),
            message: element(&text, "Message").unwrap_or_default(),
            request_id: element(&text, "RequestId").or_else(|| header("x-amz-request-id")),
            region: header("x-amz-bucket-region").or_else(|| element(&text, "Region")),
            server_time: element(&text, "ServerTime"),
            retry_after: header("retry-after").and_then(|value| retry_after(&value, chrono::Utc::now())),
        }
    }

    /// The server's word that the same request may succeed later.
    pub fn is_passing(&self) -> bool {
        let by_code =
            ["RequestTimeout", "OperationAborted", "BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody"];
        let by_status = self.status.is_server_error() && ![501, 505].contains(&self.status.as_u16());
        by_status
            || [408, 429].contains(&self.status.as_u16())
            || by_code.contains(&self.code.as_str())
            || self.is_late()
    }

    /// An error in the body of a 200.
    pub fn is_late(&self) -> bool {
        self.status.is_success() && ["InternalError", "SlowDown", "ServiceUnavailable"].contains(&self.code.as_str())
    }

    pub fn is_expired_token(&self) -> bool {
        ["ExpiredToken", "TokenRefreshRequired"].contains(&self.code.as_str())
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, code, message, request_id, .. } = self;
        write!(f, "{}", status.as_u16())?;
        if !code.is_empty() {
            write!(f, " {code}")?;
        }
        if !message.is_empty() {
            write!(f, ": {}", message.trim_end_matches('.'))?;
        }
        match request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

/// The text of the first element of a name in S3's XML, which has neither attributes nor CDATA there.
pub(super) fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text.trim().to_string(), |text, (from, to)| text.replace(from, to));
    let printable = plain.chars().map(|it| if it.is_control() { ' ' } else { it });
    Some(printable.take(MESSAGE_MAX_CHARS).collect()).filter(|text: &String| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_keeps_what_an_error_may_say() {
        let body = b"<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code>\n\
            <Message>The request &lt;signature&gt; is\nwrong.</Message><RequestId>ID1</RequestId>\
            <CanonicalRequest>x-amz-security-token:T0KEN</CanonicalRequest></Error>";
        let answer = Answer::new(StatusCode::FORBIDDEN, &HeaderMap::new(), body, &Secrets::default());
        assert_eq!(answer.code, "SignatureDoesNotMatch");
        assert_eq!(answer.request_id.as_deref(), Some("ID1"));
        assert_eq!(answer.message, "The request <signature> is wrong.");
        assert!(!format!("{answer:?} {answer}").contains("T0KEN"));
    }
}
