//! One request as both sides look at it, its body in memory.

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method};

use super::listen::Cut;
use crate::signature::decoded;

/// The largest body: tests have no larger part, and everything that is in memory has a limit.
const BODY_BYTES_MAX: usize = 256 * 1024 * 1024;

pub(super) struct Call {
    pub(super) method: Method,
    /// As it was sent, with its percent signs.
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The byte of the body that is to be flipped on the way to the upstream.
    pub(super) corrupt_at: Option<u64>,
}

impl Call {
    pub(super) fn new(parts: &Parts) -> Self {
        Self {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers.clone(),
            body: Bytes::new(),
            corrupt_at: None,
        }
    }

    /// A client that goes away in the middle gets no answer.
    pub(super) async fn read(&mut self, body: Incoming) -> Result<(), Cut> {
        self.body = Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(|_| Cut)?.to_bytes();
        Ok(())
    }

    /// The parameters of the query, decoded; one without a value has an empty one.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (plain(name), plain(value))
        })
    }

    pub(super) fn parameter(&self, wanted: &str) -> Option<String> {
        self.parameters().find_map(|(name, value)| (name == wanted).then_some(value))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        crate::signature::text(&self.headers, name)
    }

    /// The body as the upstream gets it.
    pub(super) fn sent_body(&self) -> Bytes {
        let Some(at) = self.corrupt_at.and_then(|at| usize::try_from(at).ok()).filter(|at| *at < self.body.len())
        else {
            return self.body.clone();
        };
        let mut bytes = self.body.to_vec();
        bytes[at] ^= 0xff;
        bytes.into()
    }
}

/// Percent-decoded text.
pub(super) fn plain(text: &str) -> String {
    String::from_utf8_lossy(&decoded(text)).into_owned()
}
