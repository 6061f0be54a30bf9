//! Sends the requests of one bucket: limits, signs, counts, checks and retries them.
//!
//! It stands between `object_store`, which knows S3's operations, and the HTTP client. What must hold:
//! - every attempt is signed anew, with the keys of this endpoint: waits and renewed keys make no signature stale;
//! - every attempt is counted, with the bytes that it sent or received;
//! - an answer is passed on only if it is whole: its length is what its headers and the request say;
//! - a retry repeats the request as it was. All requests are safe to repeat: objects and parts are written as a whole
//!   under names of their own, deletions of what is gone succeed. A repeated start of an upload may leave one behind
//!   that nobody continues, which the bucket's own rules remove; a repeated completion may find the upload gone, which
//!   [`Failure::is_in_doubt`] tells and the upload settles;
//! - there is one loop of retries: `object_store`'s own is switched off;
//! - bodies are held in memory until they are checked. The library asks for ranges and small objects only.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use object_store::CredentialProvider;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::{
    ClientOptions, HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap};

use super::answer::{Answer, element};
use super::credentials::CheckedCredentials;
use super::failure::{Attempts, Failure, Problem};
use super::request::{Operation, answered_range, is_asked_range};
use super::settings::RequestSettings;
use super::transport::Transport;
use super::waits::Waits;
use crate::secrets::Secrets;
use crate::storage::Meter;
use crate::storage::meter::Request;

/// Of the body of an error no more is read.
const ERROR_MAX_BYTES: usize = 64 << 10;
/// Bodies that are neither object nor error: pages of lists, answers to uploads.
const ANSWER_MAX_BYTES: usize = 64 << 20;
/// Memory is not reserved on a server's word alone.
const RESERVED_MAX_BYTES: usize = 64 << 20;
/// The slowest upload that is waited for, as many others may share the line.
const UPLOAD_MIN_BYTES_PER_SECOND: u64 = 32 << 10;

/// Headers with secrets.
const CARRIED: [&str; 2] = ["authorization", "x-amz-server-side-encryption-customer-key"];

/// Sends the requests of one bucket.
#[derive(Debug)]
pub(super) struct Service {
    pub transport: Arc<Transport>,
    pub credentials: Arc<CheckedCredentials>,
    pub meter: Arc<Meter>,
    pub settings: RequestSettings,
    pub region: String,
    pub host: String,
    pub requester_pays: bool,
}

/// The [`Service`] as `object_store` wants it.
#[derive(Debug, Clone)]
pub(super) struct Connector(pub Arc<Service>);

impl HttpConnector for Connector {
    /// The options are not used: the transport is set up already, and shared.
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.0.send(request).await.map_err(Failure::into_http)
    }
}

impl Service {
    /// Sends a request until it succeeds or is not worth another attempt.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Failure> {
        let operation = Operation::of(&request);
        let mut waits = Waits::new(self.settings.retries);
        let (mut in_doubt, mut renewed) = (false, false);
        loop {
            waits.attempts += 1;
            let mut used = None;
            let problem = match self.attempt(&operation, request.clone(), &mut used).await {
                Ok(response) => return Ok(response),
                Err(problem) => problem,
            };
            in_doubt |= problem.is_in_doubt();
            if !renewed && self.has_newer_keys(&problem, used.as_deref()).await {
                renewed = true;
                continue;
            }
            let reached = self.transport.is_reached();
            let Some(wait) = waits.next(&problem, reached) else {
                let attempts = Attempts { count: waits.attempts, elapsed: waits.started.elapsed(), in_doubt };
                return Err(Failure::new(problem, attempts, &self.host, &self.region));
            };
            tracing::debug!(host = self.host, attempt = waits.attempts, ?wait, ?problem, "a request is sent again");
            tokio::time::sleep(wait).await;
        }
    }

    /// Whether the keys had expired and the provider has others by now.
    async fn has_newer_keys(&self, problem: &Problem, used: Option<&AwsCredential>) -> bool {
        let Problem::Answer(answer) = problem else { return false };
        if !answer.is_expired_token() {
            return false;
        }
        if let Some(used) = used {
            self.credentials.0.ended(used);
        }
        let current = self.credentials.get_credential().await;
        current.is_ok_and(|current| Some(current.as_ref()) != used)
    }

    /// One request on the wire, within the limit of connections.
    async fn attempt(
        &self,
        operation: &Operation,
        mut request: HttpRequest,
        used: &mut Option<Arc<AwsCredential>>,
    ) -> Result<HttpResponse, Problem> {
        // The semaphore is never closed.
        let _permit = self.transport.permits.acquire().await;
        let credential = self.sign(&mut request).await?;
        let secrets = secrets_of(&credential, request.headers());
        *used = Some(credential);
        self.meter.count(operation.class, operation.sent_bytes);
        let limit = self.settings.timeout
            + Duration::from_millis(operation.sent_bytes as u64 * 1000 / UPLOAD_MIN_BYTES_PER_SECOND);
        let answered = tokio::time::timeout(limit, self.transport.client.execute(request)).await;
        let (parts, body) = answered.map_err(|_| Problem::TimedOut(limit))?.map_err(Problem::transport)?.into_parts();
        self.transport.set_reached();
        if !parts.status.is_success() {
            // What cannot be read of it is not needed: the status says enough.
            let body = self.read(body, ERROR_MAX_BYTES, None).await.0;
            return Err(Problem::Answer(Answer::new(parts.status, &parts.headers, &body, &secrets).into()));
        }
        let body = match operation.class {
            Request::Head => Bytes::new(),
            Request::Get => self.read_object(operation, parts.status, &parts.headers, body).await?,
            _ => self.read_answer(operation, &parts.headers, body, &secrets).await?,
        };
        Ok(HttpResponse::from_parts(parts, body.into()))
    }

    /// Signs, in place of what `object_store` signed; the digest of the payload is taken over from there.
    async fn sign(&self, request: &mut HttpRequest) -> Result<Arc<AwsCredential>, Problem> {
        let asked = self.credentials.get_credential().await;
        let credential = asked.map_err(|source| Problem::Credentials(Arc::new(source)))?;
        let headers = request.headers_mut();
        headers.remove(AUTHORIZATION);
        headers.remove("x-amz-security-token");
        let digest = headers.get("x-amz-content-sha256").and_then(|it| sha256(it.as_bytes()));
        // Without a digest the signer would declare a streamed payload, which R2 does not take.
        let is_known = digest.is_some() || request.body().content_length() == 0;
        AwsAuthorizer::new(&credential, "s3", &self.region)
            .with_sign_payload(is_known)
            .with_request_payer(self.requester_pays)
            .authorize(request, digest.as_ref().map(<[u8; 32]>::as_slice));
        Ok(credential)
    }

    /// The bytes of an object, all that were asked for.
    async fn read_object(
        &self,
        operation: &Operation,
        status: StatusCode,
        headers: &HeaderMap,
        body: HttpResponseBody,
    ) -> Result<Bytes, Problem> {
        let declared = content_length(headers);
        let expected = match &operation.range {
            None => declared,
            Some(asked) => {
                let found = answered_range(headers).filter(|_| status == StatusCode::PARTIAL_CONTENT);
                match found {
                    Some((range, size)) if is_asked_range(asked, &range, size) => Some(range.end - range.start),
                    found => {
                        let answered = found.map(|(range, _)| range);
                        return Err(Problem::OtherRange { asked: asked.clone(), answered });
                    }
                }
            }
        };
        // Without a length nobody knows when the object ends: `object_store` refuses such an answer, so it is not read.
        let limit = expected.map_or(0, |it| usize::try_from(it).unwrap_or(usize::MAX));
        let (bytes, ended) = self.read(body, limit, expected).await;
        self.meter.received(bytes.len());
        whole(bytes, expected, ended)
    }

    /// The answer to what is no reading of an object.
    async fn read_answer(
        &self,
        operation: &Operation,
        headers: &HeaderMap,
        body: HttpResponseBody,
        secrets: &Secrets,
    ) -> Result<Bytes, Problem> {
        let expected = content_length(headers);
        let (bytes, ended) = self.read(body, ANSWER_MAX_BYTES, expected).await;
        let bytes = whole(bytes, expected, ended)?;
        if operation.late_error && element(&String::from_utf8_lossy(&bytes), "Code").is_some() {
            return Err(Problem::Answer(Answer::new(StatusCode::OK, headers, &bytes, secrets).into()));
        }
        Ok(bytes)
    }

    /// Reads up to `limit` bytes and one piece more; and says how the body ended.
    async fn read(&self, body: HttpResponseBody, limit: usize, expected: Option<u64>) -> (Bytes, Result<(), Problem>) {
        let mut pieces = body.bytes_stream();
        let mut found: Vec<u8> = Vec::new();
        if let Some(expected) = expected {
            found.reserve(usize::try_from(expected).unwrap_or(usize::MAX).min(RESERVED_MAX_BYTES));
        }
        let ended = loop {
            match tokio::time::timeout(self.settings.timeout, pieces.next()).await {
                Err(_) => break Err(Problem::TimedOut(self.settings.timeout)),
                Ok(None) => break Ok(()),
                Ok(Some(Err(error))) => break Err(Problem::transport(error)),
                Ok(Some(Ok(piece))) => found.extend_from_slice(&piece),
            }
            if found.len() > limit {
                break Ok(());
            }
        };
        (found.into(), ended)
    }
}

/// What an answer to the request must not show: what it was signed with, and what it carries.
fn secrets_of(credential: &AwsCredential, headers: &HeaderMap) -> Secrets {
    let carried = CARRIED.iter().filter_map(|name| headers.get(*name)?.to_str().ok());
    let signed = std::iter::once(&credential.secret_key).chain(&credential.token).map(String::as_str);
    Secrets::of(signed.chain(carried))
}

/// The body, if it is as long as it should be.
fn whole(bytes: Bytes, expected: Option<u64>, ended: Result<(), Problem>) -> Result<Bytes, Problem> {
    let found_bytes = bytes.len() as u64;
    match (expected, ended) {
        (_, Err(Problem::TimedOut(limit))) => Err(Problem::TimedOut(limit)),
        (Some(expected_bytes), _) if found_bytes != expected_bytes => {
            Err(Problem::Length { found_bytes, expected_bytes })
        }
        (None, Err(problem)) => Err(problem),
        _ => Ok(bytes),
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The bytes of a digest in hex; nothing for words such as `UNSIGNED-PAYLOAD`.
fn sha256(hex: &[u8]) -> Option<[u8; 32]> {
    let hex = std::str::from_utf8(hex).ok().filter(|hex| hex.len() == 64 && hex.is_ascii())?;
    let mut digest = [0; 32];
    for (index, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(digest)
}
