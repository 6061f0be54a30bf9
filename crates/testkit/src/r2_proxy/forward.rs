//! The way to the upstream servers and back.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{HeaderMap, Method, Response};

use super::answer::{Answer, Refusal};
use crate::s3_client::Error;

/// Headers that are about one connection only, or that the next client makes anew.
const OF_THE_CONNECTION: [&str; 6] =
    ["connection", "keep-alive", "transfer-encoding", "upgrade", "te", "proxy-connection"];

pub(super) async fn send(
    client: &reqwest::Client,
    method: Method,
    url: &str,
    headers: HeaderMap,
    body: Bytes,
) -> Result<reqwest::Response, Refusal> {
    let sent = client.request(method, url).headers(headers).body(body).send().await;
    sent.map_err(|error| Refusal::expected(502, "BadGateway", format!("the upstream server: {error:?}")))
}

/// The upstream's answer, passed on while it arrives.
pub(super) fn streamed(response: reqwest::Response) -> Answer {
    let (mut parts, body) = Response::<reqwest::Body>::from(response).into_parts();
    for name in OF_THE_CONNECTION {
        parts.headers.remove(name);
    }
    Response::from_parts(parts, body.map_err(Error::from).boxed())
}
