//! The proxy between a client that trusts it and servers that answer what the test says.

mod catalog;
mod faults;
mod s3;
mod stub;

use std::time::Duration;

use bytes::Bytes;
use hyper::{HeaderMap, Method};
use serde_json::Value;

use super::{Keys, R2Proxy, Settings, Upstream};
use crate::signature::{insert, sign};
use stub::Stub;

const PREFIX: &str = "0b1c2d3e-0000-4000-8000-000000000001";
const UPSTREAM_SECRET: &str = "secret-of-the-upstream";

/// A proxy whose two upstream servers are one stub.
struct Bench {
    proxy: R2Proxy,
    stub: Stub,
    client: reqwest::Client,
}

/// What came back.
struct Got {
    code: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Got {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The type of an error of the catalog.
    fn error(&self) -> (u16, String) {
        (self.code, self.json()["error"]["type"].as_str().unwrap().to_owned())
    }

    /// The code of an error of S3.
    fn s3_error(&self) -> (u16, String) {
        (self.code, crate::s3_client::elements(&self.text(), "Code")[0].to_owned())
    }
}

impl Bench {
    async fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let stub = Stub::start().await;
        let upstream = Upstream {
            catalog: stub.address.clone(),
            catalog_token: "token-of-the-upstream".to_owned(),
            prefix: PREFIX.to_owned(),
            s3: stub.address.clone(),
            s3_keys: Keys::new("key-of-the-upstream", UPSTREAM_SECRET),
        };
        let mut settings = Settings::new("account", "lake", upstream);
        change(&mut settings);
        let proxy = R2Proxy::start(settings).unwrap();
        let authority = reqwest::Certificate::from_pem(proxy.ca_pem().as_bytes()).unwrap();
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_built_in_root_certs(false)
            .add_root_certificate(authority)
            .timeout(Duration::from_secs(20));
        Self { proxy, stub, client: client.build().unwrap() }
    }

    /// Asks the catalog for a path below the prefix, or for `/v1/config…`.
    async fn catalog(&self, method: &str, path: &str, body: &str) -> Got {
        let path = if path.starts_with("config") { path.to_owned() } else { format!("{PREFIX}/{path}") };
        self.catalog_at(method, &format!("/v1/{path}"), self.proxy.token(), body).await.unwrap()
    }

    async fn catalog_at(&self, method: &str, path: &str, token: &str, body: &str) -> reqwest::Result<Got> {
        let url = format!("{}{path}", self.proxy.catalog_uri());
        let request = self.client.request(Method::from_bytes(method.as_bytes()).unwrap(), url);
        got(request.bearer_auth(token).header("idempotency-key", "1").body(body.to_owned())).await
    }

    /// Asks the S3 side with R2's keys.
    async fn s3(&self, method: &str, target: &str, body: &[u8]) -> Got {
        self.s3_as(&self.proxy.s3_keys(), method, target, &[], body).await.unwrap()
    }

    async fn s3_as(
        &self,
        keys: &Keys,
        method: &str,
        target: &str,
        extra: &[(&'static str, &str)],
        body: &[u8],
    ) -> reqwest::Result<Got> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let endpoint = self.proxy.s3_endpoint();
        let mut headers = HeaderMap::new();
        extra.iter().for_each(|(name, value)| insert(&mut headers, name, value));
        sign(keys, endpoint.trim_start_matches("https://"), (method, path, query), &mut headers);
        let request =
            self.client.request(Method::from_bytes(method.as_bytes()).unwrap(), format!("{endpoint}{target}"));
        got(request.headers(headers).body(body.to_vec())).await
    }
}

async fn got(request: reqwest::RequestBuilder) -> reqwest::Result<Got> {
    let response = request.send().await?;
    Ok(Got { code: response.status().as_u16(), headers: response.headers().clone(), body: response.bytes().await? })
}
