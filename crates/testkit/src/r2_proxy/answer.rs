//! Answers in the three languages of R2: JSON of Iceberg, XML of S3, plain text.

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::s3_client::Error;
use crate::signature::insert;

pub(super) type Body = BoxBody<Bytes, Error>;
pub(super) type Answer = Response<Body>;

/// Why a rule refuses a request.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: u16,
    /// The error's type, or none: then the answer is plain text.
    pub(super) name: &'static str,
    pub(super) message: String,
    /// Whether a correct client never gets here.
    pub(super) is_violation: bool,
    retry_after_seconds: Option<u64>,
}

impl Refusal {
    /// A client that gets this has broken a rule.
    pub(super) fn violation(code: u16, name: &'static str, message: impl Into<String>) -> Self {
        Self { code, name, message: message.into(), is_violation: true, retry_after_seconds: None }
    }

    /// What happens to correct clients too.
    pub(super) fn expected(code: u16, name: &'static str, message: impl Into<String>) -> Self {
        Self { is_violation: false, ..Self::violation(code, name, message) }
    }

    pub(super) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    pub(super) fn as_iceberg(&self) -> Answer {
        if self.name.is_empty() {
            return text(self.code, &self.message);
        }
        let body = iceberg_error_body(self.code, self.name, &self.message).to_string();
        raw(self.code, &body, self.retry_after_seconds)
    }

    pub(super) fn as_s3(&self) -> Answer {
        s3_error(self.code, self.name, &self.message)
    }
}

pub(super) fn bytes(code: u16, content_type: &str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body).map_err(|never| match never {}).boxed());
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if !content_type.is_empty() {
        insert(answer.headers_mut(), "content-type", content_type);
    }
    answer
}

pub(super) fn empty(code: u16) -> Answer {
    bytes(code, "", Bytes::new())
}

pub(super) fn text(code: u16, message: &str) -> Answer {
    bytes(code, "text/plain;charset=UTF-8", Bytes::copy_from_slice(message.as_bytes()))
}

pub(super) fn json(code: u16, body: &Value) -> Answer {
    bytes(code, "application/json", body.to_string().into())
}

pub(super) fn iceberg_error(code: u16, name: &str, message: &str) -> Answer {
    json(code, &iceberg_error_body(code, name, message))
}

pub(super) fn iceberg_error_body(code: u16, name: &str, message: &str) -> Value {
    json!({"error": {"message": message, "type": name, "code": code}})
}

pub(super) fn s3_error(code: u16, name: &str, message: &str) -> Answer {
    bytes(code, "application/xml", s3_error_body(name, message).into())
}

pub(super) fn s3_error_body(name: &str, message: &str) -> String {
    let message = message.replace('&', "&amp;").replace('<', "&lt;");
    format!(r#"<?xml version="1.0" encoding="UTF-8"?><Error><Code>{name}</Code><Message>{message}</Message></Error>"#)
}

/// An answer that a test has written; what it is, its first letter tells.
pub(super) fn raw(code: u16, body: &str, retry_after_seconds: Option<u64>) -> Answer {
    let content_type = match body.chars().next() {
        Some('{') => "application/json",
        Some('<') => "application/xml",
        _ => "text/plain;charset=UTF-8",
    };
    let mut answer = bytes(code, content_type, Bytes::copy_from_slice(body.as_bytes()));
    if let Some(seconds) = retry_after_seconds {
        insert(answer.headers_mut(), "retry-after", &seconds.to_string());
    }
    answer
}
