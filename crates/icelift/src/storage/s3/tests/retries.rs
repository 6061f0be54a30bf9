use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::server::{Reply, Server};
use super::{SECRET, requests, settings, store, store_at};
use crate::error::ErrorKind;
use crate::storage::s3::{S3Settings, static_credentials};

fn etag() -> Reply {
    Reply::with(200, &[("etag", "\"e\"")], b"")
}

#[tokio::test]
async fn what_may_pass_is_sent_again() {
    for passing in [
        Reply::status(429),
        Reply::status(500),
        Reply::status(502),
        Reply::status(503),
        Reply::status(504),
        Reply::status(408),
        Reply::error(400, "RequestTimeout", "Your socket connection was idle", ""),
        Reply::error(429, "ServiceUnavailable", "Reduce your concurrent request rate for the same object", ""),
        Reply::Close,
    ] {
        let server = Server::scripted([passing.clone(), passing.clone(), etag()]).await;
        let store = store_at(&server);
        store.write("s3://b/k", Bytes::from_static(b"12345")).await.unwrap();
        let asked = server.asked();
        assert_eq!(asked.len(), 3, "{passing:?}");
        assert!(asked.iter().all(|it| it.body == b"12345"));
        assert_eq!(store.meter().put_requests, 3);
        assert_eq!(store.meter().written_bytes, 15);
    }
}

#[tokio::test]
async fn what_will_not_pass_is_not_sent_again() {
    for lasting in [Reply::status(400), Reply::status(403), Reply::status(501), Reply::status(301)] {
        let server = Server::scripted([lasting]).await;
        store_at(&server).write("s3://b/k", Bytes::from_static(b"1")).await.unwrap_err();
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn retries_are_used_up() {
    let server = Server::start(|_| Reply::error(503, "SlowDown", "Please reduce your request rate.", "")).await;
    let error = store_at(&server).read("s3://b/k").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("the server asks to slow down; gave up after 4 attempts in"), "{error}");
    assert_eq!(server.asked().len(), 4);
}

#[tokio::test]
async fn retry_after_is_waited_for_up_to_a_limit() {
    let slow = Reply::with(503, &[("retry-after", "3600")], b"");
    let server = Server::scripted([slow, etag()]).await;
    let started = Instant::now();
    store_at(&server).write("s3://b/k", Bytes::new()).await.unwrap();
    // The limit of these tests is 80 ms, the growing waits reach 8 ms at most.
    assert!((80..5_000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
}

#[tokio::test]
async fn no_attempt_begins_after_the_time_for_all() {
    let mut settings = settings("");
    settings.requests.retries.total = Duration::from_millis(60);
    let server = Server::start(|_| Reply::with(503, &[("retry-after", "1")], b"")).await;
    settings.endpoint = Some(server.url.clone());
    store(settings).read("s3://b/k").await.unwrap_err();
    assert_eq!(server.asked().len(), 1, "the wait of 80 ms would end too late");
}

#[tokio::test]
async fn silence_ends() {
    let server = Server::start(|_| Reply::Hang).await;
    let mut settings = settings(&server.url);
    settings.requests.timeout = Duration::from_millis(200);
    settings.requests.retries.count = 1;
    let error = store(settings).read("s3://b/k").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("did not answer within 0.2 s"), "{error}");
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_range_that_was_cut_is_read_again() {
    let whole = Reply::range(10, b"0123456789", 100);
    let server = Server::scripted([whole.clone().cut(4), whole.clone().cut(0), whole]).await;
    let store = store_at(&server);
    assert_eq!(store.read_range("s3://b/k", 10..20).await.unwrap(), "0123456789");
    assert_eq!(server.asked().len(), 3);
    assert_eq!(server.asked()[2].header("range"), Some("bytes=10-19"));
    assert_eq!((store.meter().get_requests, store.meter().read_bytes), (3, 14));
}

#[tokio::test]
async fn a_range_that_is_cut_each_time_is_an_error() {
    let server = Server::start(|_| Reply::range(10, b"0123456789", 100).cut(4)).await;
    let error = store_at(&server).read_range("s3://b/k", 10..20).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Read);
    assert_eq!(error.to_string(), "`s3://b/k`: the answer has 4 of 10 bytes, after 4 attempts");
    assert_eq!(server.asked().len(), 4);
}

#[tokio::test]
async fn a_range_that_is_shorter_than_it_says_is_an_error() {
    // A proxy that cut the body and made the length fit.
    let lying = Reply::with(206, &[("content-range", "bytes 10-19/100")], b"0123");
    let server = Server::start(move |_| lying.clone()).await;
    let error = store_at(&server).read_range("s3://b/k", 10..20).await.unwrap_err();
    assert_eq!(error.to_string(), "`s3://b/k`: the answer has 4 of 10 bytes, after 4 attempts");
}

#[tokio::test]
async fn an_object_that_was_cut_is_read_again() {
    let whole = Reply::with(200, &[("etag", "\"e\"")], b"0123456789");
    let server = Server::scripted([whole.clone().cut(4), whole]).await;
    assert_eq!(store_at(&server).read("s3://b/k").await.unwrap(), "0123456789");
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn other_bytes_are_an_error() {
    let server = Server::start(|_| Reply::range(11, b"123456789", 100)).await;
    let error = store_at(&server).read_range("s3://b/k", 10..20).await.unwrap_err();
    assert_eq!(error.to_string(), "`s3://b/k`: the server answered the bytes 11..20, expected 10..20");
    let server = Server::start(|_| Reply::with(200, &[], b"0123456789")).await;
    let error = store_at(&server).read_range("s3://b/k", 0..4).await.unwrap_err();
    assert_eq!(error.to_string(), "`s3://b/k`: the server answered the whole object, expected the bytes 0..4");
}

#[tokio::test]
async fn an_object_that_ends_early_is_not_read_again() {
    let server = Server::scripted([Reply::range(10, b"01234", 15)]).await;
    let error = store_at(&server).read_range("s3://b/k", 10..20).await.unwrap_err();
    assert_eq!(error.to_string(), "`s3://b/k`: the object ends early: 5 of 10 bytes at offset 10");
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn neighbouring_ranges_are_one_request() {
    let server = Server::start(|asked| match asked.header("range") {
        Some("bytes=0-9") => Reply::range(0, b"0123456789", 9_000_000),
        _ => Reply::range(8_000_000, b"ab", 9_000_000),
    })
    .await;
    let store = store_at(&server);
    let found = store.read_ranges("s3://b/k", &[0..2, 4..10, 8_000_000..8_000_002], store.rank()).await.unwrap();
    assert_eq!(found, ["01", "456789", "ab"]);
    assert_eq!((store.meter().get_requests, store.meter().read_bytes), (2, 12));
}

#[tokio::test]
async fn a_server_that_was_never_reached_is_given_up_early() {
    // A port that nobody listens on: bound and released.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let mut settings = settings(&url);
    settings.requests.retries.count = 50;
    let error = store(settings).read("s3://b/k").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let chain = chain(&error);
    assert!(chain.contains("cannot be reached"), "{chain}");
    assert!(chain.contains("3 attempts"), "{chain}");
}

#[tokio::test]
async fn connections_are_limited_for_all_keys_of_an_endpoint() {
    let under_way = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let server = Server::start(|_| Reply::Hang).await;
    let mut settings = settings(&server.url);
    settings.requests = requests();
    settings.requests.max_connections = 3;
    // As a catalog does that hands out keys for each table, and says only then where the tables are.
    let root = store(S3Settings { endpoint: None, ..settings.clone() });
    for number in 0..20 {
        let keys = static_credentials(&format!("KEY{number}"), &SECRET.into(), None);
        let (store, under_way) = (root.with_credentials(settings.clone(), keys), std::sync::Arc::clone(&under_way));
        tokio::spawn(async move {
            under_way.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let _ = store.read("s3://b/k").await;
        });
    }
    while under_way.load(std::sync::atomic::Ordering::Relaxed) < 20 || server.asked().len() < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.asked().len(), 3);
}

fn chain(error: &dyn std::error::Error) -> String {
    let levels = std::iter::successors(Some(error), |error| error.source());
    levels.map(|it| it.to_string()).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn an_object_without_an_end_is_not_read() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let sent_bytes = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        let mut sent_bytes = 0;
        let mut piece = Vec::from(&b"HTTP/1.1 200 OK\r\netag: \"e\"\r\nconnection: close\r\n\r\n"[..]);
        while sent_bytes < 1 << 30 && stream.write_all(&piece).await.is_ok() {
            sent_bytes += piece.len();
            piece = vec![0; 1 << 20];
        }
        sent_bytes
    });
    let error = store(settings(&url)).read("s3://b/k").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Read);
    assert!(sent_bytes.await.unwrap() < 64 << 20);
}
