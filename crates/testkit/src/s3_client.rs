//! A look into an S3 server from outside: what tests put there and find there, not through the code under test.

use std::fmt;

use bytes::Bytes;
use hyper::{HeaderMap, Method, StatusCode};

use crate::signature::{self, Keys};

/// Any failure: a test shows it and ends.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// One server with one pair of keys; requests are signed, bodies are held in memory.
#[derive(Clone, Debug)]
pub struct S3Client {
    endpoint: String,
    keys: Keys,
    client: reqwest::Client,
}

impl S3Client {
    /// A client of a server without TLS such as `http://127.0.0.1:9000`.
    ///
    /// # Errors
    /// If there can be no HTTP client.
    pub fn new(endpoint: impl Into<String>, keys: Keys) -> Result<Self, Error> {
        Ok(Self { endpoint: endpoint.into(), keys, client: plain_client()? })
    }

    /// Creates a bucket.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn create_bucket(&self, bucket: &str) -> Result<(), Error> {
        self.send(Method::PUT, &format!("/{bucket}"), "", Bytes::new()).await.map(|_| ())
    }

    /// Stores an object. Keys are plain: letters, digits and `-._~/`.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn put(&self, bucket: &str, key: &str, body: impl Into<Bytes>) -> Result<(), Error> {
        self.send(Method::PUT, &format!("/{bucket}/{key}"), "", body.into()).await.map(|_| ())
    }

    /// Reads an object.
    ///
    /// # Errors
    /// If there is none, or the server refuses.
    pub async fn get(&self, bucket: &str, key: &str) -> Result<Bytes, Error> {
        self.send(Method::GET, &format!("/{bucket}/{key}"), "", Bytes::new()).await
    }

    /// The keys below a prefix, sorted, in as many pages as it takes.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, Error> {
        let mut found: Vec<String> = Vec::new();
        loop {
            let after = found.last().map_or_else(String::new, |last| format!("&start-after={}", encoded(last)));
            let query = format!("list-type=2&prefix={}{after}", encoded(prefix));
            let page = self.send(Method::GET, &format!("/{bucket}"), &query, Bytes::new()).await?;
            let page = String::from_utf8(page.to_vec())?;
            let keys = elements(&page, "Key");
            let is_last = !page.contains("<IsTruncated>true") || keys.is_empty();
            found.extend(keys.iter().map(|key| unescaped(key)));
            if is_last {
                found.sort();
                return Ok(found);
            }
        }
    }

    /// The keys of multipart uploads that are neither completed nor aborted, of at most a thousand.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn list_uploads(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, Error> {
        let query = format!("uploads&prefix={}", encoded(prefix));
        let page = self.send(Method::GET, &format!("/{bucket}"), &query, Bytes::new()).await?;
        Ok(elements(&String::from_utf8(page.to_vec())?, "Key").iter().map(|key| unescaped(key)).collect())
    }

    /// Begins a multipart upload. Returns the server's name for it.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn start_upload(&self, bucket: &str, key: &str) -> Result<String, Error> {
        let answer = self.send(Method::POST, &format!("/{bucket}/{key}"), "uploads=", Bytes::new()).await?;
        let answer = String::from_utf8(answer.to_vec())?;
        let id = elements(&answer, "UploadId").first().map(|id| unescaped(id));
        id.ok_or_else(|| format!("no upload in `{answer}`").into())
    }

    /// Ends a multipart upload without an object.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn abort_upload(&self, bucket: &str, key: &str, id: &str) -> Result<(), Error> {
        let query = format!("uploadId={}", encoded(id));
        self.send(Method::DELETE, &format!("/{bucket}/{key}"), &query, Bytes::new()).await.map(|_| ())
    }

    async fn send(&self, method: Method, path: &str, query: &str, body: Bytes) -> Result<Bytes, Error> {
        let host = self.endpoint.trim_start_matches("http://");
        let mut headers = HeaderMap::new();
        signature::sign(&self.keys, host, (method.as_str(), path, query), &mut headers);
        let url = format!("{}{path}{}{query}", self.endpoint, if query.is_empty() { "" } else { "?" });
        let answer = self.client.request(method, &url).headers(headers).body(body).send().await?;
        let (status, body) = (answer.status(), answer.bytes().await?);
        if status.is_success() { Ok(body) } else { Err(Refused { url, status, body }.into()) }
    }
}

/// An HTTP client that goes straight to a server on this machine and changes nothing on the way.
pub(crate) fn plain_client() -> Result<reqwest::Client, Error> {
    let builder = reqwest::Client::builder().no_proxy().no_gzip().redirect(reqwest::redirect::Policy::none());
    Ok(builder.tls_built_in_root_certs(false).build()?)
}

#[derive(Debug)]
struct Refused {
    url: String,
    status: StatusCode,
    body: Bytes,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answers {}: {}", self.url, self.status, String::from_utf8_lossy(&self.body))
    }
}

impl std::error::Error for Refused {}

/// The texts of all elements of one name, in their order. Enough for the answers of S3, whose elements have no attributes.
pub(crate) fn elements<'a>(xml: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(open.as_str()).skip(1).filter_map(|rest| rest.split_once(close.as_str())).map(|(text, _)| text).collect()
}

fn unescaped(text: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&#34;", "\""), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    entities.iter().fold(text.to_owned(), |text, (entity, plain)| text.replace(entity, plain))
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
