//! What getConfig says, and how it is followed.

use std::time::{Duration, Instant};

use super::*;
use crate::catalog::Catalog;

const NONE: &str = r#"{"namespaces": []}"#;

#[tokio::test]
async fn the_warehouse_is_asked_for_and_the_prefix_is_followed() {
    let config = r#"{"defaults": {"prefix": "weak"}, "overrides": {"prefix": "acct/1"}}"#;
    let server = serving(config, |_| body(NONE)).await;
    let rest = attach(&server, &[("prefix", "mine")]).await.unwrap();
    rest.list_namespaces().await.unwrap();
    let targets: Vec<_> = server.asked().into_iter().map(|asked| asked.target).collect();
    assert_eq!(targets, ["/v1/config?warehouse=w", "/v1/acct/1/namespaces?pageToken="]);
}

#[tokio::test]
async fn the_servers_defaults_lie_below_the_options_and_its_overrides_above() {
    for (defaults, own, overrides, expected) in
        [("d", None, None, "/v1/d/"), ("d", Some("o"), None, "/v1/o/"), ("d", Some("o"), Some("s"), "/v1/s/")]
    {
        let config = json!({"defaults": {"prefix": defaults, "none": null}, "overrides": {"prefix": overrides}});
        let server = serving(&config.to_string(), |_| body(NONE)).await;
        let own: Vec<_> = own.iter().map(|own| ("prefix", *own)).collect();
        attach(&server, &own).await.unwrap().list_namespaces().await.unwrap();
        assert!(calls(&server)[0].starts_with(&format!("GET {expected}")), "{:?}", calls(&server));
    }
}

#[tokio::test]
async fn headers_come_from_the_options_and_from_the_server() {
    let config =
        r#"{"defaults": {"header.x-a": "server", "header.x-b": "server"}, "overrides": {"header.X-C": "server"}}"#;
    let server = serving(config, |_| body(NONE)).await;
    let rest = attach(&server, &[("header.x-a", "own"), ("header.x-c", "own")]).await.unwrap();
    rest.list_namespaces().await.unwrap();
    let asked = &server.asked()[1];
    let found =
        ["x-a", "x-b", "x-c", "x-iceberg-access-delegation"].map(|name| asked.header(name).unwrap().to_string());
    assert_eq!(found, ["own", "server", "server", "vended-credentials"]);
    assert!(server.asked()[0].header("user-agent").unwrap().starts_with("icelift/"));
}

#[tokio::test]
async fn another_kind_of_access_may_be_asked_for() {
    let server = serving(SILENT, |_| body(NONE)).await;
    attach(&server, &[("header.x-iceberg-access-delegation", "remote-signing")]).await.unwrap();
    assert_eq!(server.asked()[0].header("x-iceberg-access-delegation"), Some("remote-signing"));
}

#[tokio::test]
async fn the_server_may_move_the_catalog() {
    let there = serving(SILENT, |_| body(NONE)).await;
    let config = json!({"overrides": {"uri": format!("{}/deeper/", there.url)}}).to_string();
    let here = serving(&config, |_| body(NONE)).await;
    attach(&here, &[]).await.unwrap().list_namespaces().await.unwrap();
    assert_eq!(calls(&there), ["GET /deeper/v1/namespaces?pageToken="]);
    assert!(calls(&here).is_empty());
}

#[tokio::test]
async fn what_the_server_does_not_list_is_not_called() {
    let config = r#"{"endpoints": ["GET /v1/{prefix}/namespaces"]}"#;
    let server = serving(config, |_| body(NONE)).await;
    let rest = attach(&server, &[]).await.unwrap();
    rest.list_namespaces().await.unwrap();
    let error = rest.drop_table(&ident()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "catalog of `r`: dropTable of `n.t`: the REST catalog has no \
         `DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}`"
    );
    assert_eq!(calls(&server).len(), 1);
}

#[tokio::test]
async fn every_call_has_a_time_limit() {
    let server = serving(SILENT, |_| Reply::Hang).await;
    let given = [("rest.client.socket-timeout-ms", "200"), ("rest.client.max-retries", "0")];
    let rest = attach(&server, &given).await.unwrap();
    let start = Instant::now();
    let error = rest.load_table(&ident()).await.unwrap_err();
    assert!(error.to_string().ends_with("did not answer in time"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn options_that_are_wrong_are_refused() {
    let server = serving(SILENT, |_| body(NONE)).await;
    for (key, value, expected) in [
        ("uri", "ftp://x", "the option `uri` is wrong: it begins with `ftp:`, not with `https:`"),
        (
            "uri",
            "https://me:hunter2@x",
            "the option `uri` is wrong: it holds a name or password; give TOKEN or CREDENTIAL",
        ),
        ("tokken", "hunter2", "the option `tokken` is unknown"),
        ("header.a b", "x", "the option `header.a b` is no valid header"),
        ("s3.access-key-id", "hunter2", "the option `s3.secret-access-key` is missing"),
        ("rest.client.max-retries", "many", "the option `rest.client.max-retries` must be a number of at least 0"),
    ] {
        let error = attach(&server, &[(key, value)]).await.unwrap_err();
        assert_eq!(error.to_string(), format!("catalog of `r`: {expected}"));
        assert!(!chain(&error).contains("hunter2"), "{error:?}");
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_file_without_certificates_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, "no certificate").unwrap();
    let server = serving(SILENT, |_| body(NONE)).await;
    let error = attach(&server, &[("ssl.cabundle", file.to_str().unwrap())]).await.unwrap_err();
    assert!(error.to_string().ends_with("of `ssl.cabundle` holds no PEM certificates"), "{error}");
}

#[tokio::test]
async fn a_server_without_tls_is_told_from_one_that_is_down() {
    let server = serving(SILENT, |_| body(NONE)).await;
    let https = server.url.replace("http://", "https://");
    let error = attach(&server, &[("uri", &https)]).await.unwrap_err();
    assert!(error.advice().unwrap().starts_with("the server speaks no TLS on this port"), "{error:?}");
    let down = TcpPort::free();
    let given = [("uri", down.as_str()), ("rest.client.max-retries", "0")];
    let error = attach(&server, &given).await.unwrap_err();
    assert_eq!(error.to_string(), format!("catalog of `r`: getConfig: the REST catalog at `{down}` cannot be reached"));
}

/// A port of this machine that nobody listens on.
struct TcpPort;

impl TcpPort {
    fn free() -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = Server::start(|_| Reply::with(301, &[("location", "https://elsewhere/")], b"")).await;
    let error = attach(&server, &[]).await.unwrap_err();
    assert_eq!(error.to_string(), "catalog of `r`: getConfig: the REST catalog answers 301");
    assert_eq!(error.advice(), Some("the server redirects; give the URI that it redirects to"));
    assert_eq!(server.asked().len(), 1);
}
