use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use tokio_util::task::TaskTracker;

use super::server::{Asked, Reply, Server};
use super::{KEY_ID, TOKEN, settings, store, store_at, store_with};
use crate::error::ErrorKind;
use crate::storage::Store;
use crate::storage::s3::{Encryption, S3Keys, S3Settings};

/// A server that knows enough for an object's whole life.
async fn complete_server() -> Server {
    Server::start(|asked| match (asked.method.as_str(), asked.target.as_str()) {
        ("POST", target) if target.ends_with("?uploads=") => {
            let body = "<InitiateMultipartUploadResult><UploadId>U1</UploadId></InitiateMultipartUploadResult>";
            Reply::with(200, &[], body.as_bytes())
        }
        ("POST", _) => {
            let body = "<CompleteMultipartUploadResult><ETag>\"e-3\"</ETag></CompleteMultipartUploadResult>";
            Reply::with(200, &[], body.as_bytes())
        }
        ("PUT", _) => Reply::with(200, &[("etag", "\"e\"")], b""),
        ("DELETE", _) => Reply::status(204),
        ("GET", target) if target.contains("list-type=2") => list(target),
        ("GET", _) if asked.header("range").is_some() => Reply::range(2, b"234", 10),
        _ => Reply::with(200, &[("etag", "\"e\"")], b"0123456789"),
    })
    .await
}

/// Two pages of one key each.
fn list(target: &str) -> Reply {
    let entry = |key: &str| {
        format!(
            "<Contents><Key>{key}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
        )
    };
    let body = if target.contains("continuation-token=T1") {
        entry("t/p=a%2Fb/2")
    } else {
        format!("{}<NextContinuationToken>T1</NextContinuationToken>", entry("t/1"))
    };
    Reply::with(200, &[], format!("<ListBucketResult>{body}</ListBucketResult>").as_bytes())
}

/// One of each: put, multipart upload, get, ranged get, head, list, delete.
async fn live(settings: S3Settings) -> crate::storage::MeterReading {
    let store = store(settings);
    store.write("s3://b/t/k", Bytes::from_static(b"12345")).await.unwrap();
    let mut upload = store.upload("s3://b/t/large").unwrap();
    upload.write(Bytes::from_static(b"0123456789012345678901234")).await.unwrap();
    assert_eq!(upload.finish().await.unwrap(), 25);
    assert_eq!(store.read("s3://b/t/k").await.unwrap(), "0123456789");
    assert_eq!(store.read_range("s3://b/t/k", 2..5).await.unwrap(), "234");
    assert_eq!(store.size_bytes("s3://b/t/k").await.unwrap(), 10);
    store.delete("s3://b/t/k").await.unwrap();
    store.delete_prefix("s3://b/t").await.unwrap();
    store.meter()
}

#[tokio::test]
async fn every_request_is_counted() {
    let server = complete_server().await;
    let meter = live(settings(&server.url)).await;
    assert_eq!(meter.put_requests, 1 + 5, "an object; start, three parts and end of an upload");
    assert_eq!(meter.get_requests, 2);
    assert_eq!(meter.head_requests, 1);
    assert_eq!(meter.list_requests, 2, "pages");
    assert_eq!(meter.delete_requests, 3);
    assert_eq!(meter.read_bytes, 10 + 3);
    let sent: usize = server.asked().iter().map(|it| it.body.len()).sum();
    assert_eq!(meter.written_bytes as usize, sent);
    assert_eq!(server.asked().len(), 6 + 2 + 1 + 2 + 3);
}

#[tokio::test]
async fn r2_gets_no_header_that_it_does_not_know() {
    let server = complete_server().await;
    let r2 = super::r2_settings(&server.url).unwrap();
    live(S3Settings { uploads: settings("").uploads, requests: super::requests(), ..r2 }).await;
    let asked = server.asked();
    let methods: Vec<_> = asked.iter().map(|it| it.method.as_str()).collect();
    for method in ["PUT", "POST", "GET", "HEAD", "DELETE"] {
        assert!(methods.contains(&method), "{method}");
    }
    let known = [
        "accept",
        "authorization",
        "content-length",
        "host",
        "range",
        "user-agent",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-security-token",
    ];
    for request in &asked {
        for (name, value) in &request.headers {
            assert!(known.contains(&name.as_str()), "{name}: {value} in {} {}", request.method, request.target);
        }
        let digest = request.header("x-amz-content-sha256").unwrap();
        assert!(digest.len() == 64 && digest.bytes().all(|it| it.is_ascii_hexdigit()), "{digest}");
        assert!(request.target.starts_with("/b/") || request.target.starts_with("/b?"), "{}", request.target);
        assert_signed(request, KEY_ID, "auto");
    }
}

#[tokio::test]
async fn r2_refuses_what_it_does_not_know() {
    let with = |change: fn(&mut S3Settings)| {
        let mut settings = settings("https://a.r2.cloudflarestorage.com");
        settings.region = None;
        change(&mut settings);
        settings.with_r2_rules().err().map(|error| (error.kind(), error.to_string()))
    };
    assert_eq!(with(|_| {}), None);
    let refused = |option: &str| Some((ErrorKind::Config, format!("R2 does not take the option `{option}`")));
    assert_eq!(with(|it| it.encryption = Encryption::Kms(None)), refused("s3.sse.type"));
    assert_eq!(with(|it| it.encryption = Encryption::S3), refused("s3.sse.type"));
    assert_eq!(with(|it| it.requester_pays = true), refused("s3.requester-pays-enabled"));
    assert_eq!(with(|it| it.region = Some("weur".to_string())), refused("s3.region"));
    assert_eq!(with(|it| it.region = Some("auto".to_string())), None);
    let error = super::r2_settings("https://a.r2.cloudflarestorage.com/bucket").unwrap_err();
    assert!(error.to_string().contains("names the account only"), "{error}");
}

#[track_caller]
fn assert_signed(request: &Asked, key_id: &str, region: &str) {
    let authorization = request.header("authorization").unwrap();
    let scope = format!("AWS4-HMAC-SHA256 Credential={key_id}/");
    assert!(authorization.starts_with(&scope), "{authorization}");
    assert!(authorization.contains(&format!("/{region}/s3/aws4_request")), "{authorization}");
    assert!(authorization.contains("SignedHeaders=host;"), "{authorization}");
    assert_eq!(request.header("x-amz-security-token"), Some(TOKEN));
    assert_eq!(request.headers.iter().filter(|(name, _)| name == "authorization").count(), 1);
}

#[tokio::test]
async fn two_endpoints_have_their_own_keys() {
    let (first, second) = (complete_server().await, complete_server().await);
    let (one, other) = (store_with(settings(&first.url), "KEYONE"), store_with(settings(&second.url), "KEYTWO"));
    for _ in 0..3 {
        tokio::try_join!(one.read("s3://b/k"), other.read("s3://b/k")).unwrap();
    }
    let vended = one.with_credentials(
        settings(&first.url),
        super::static_credentials("KEYTHREE", &super::SECRET.into(), Some(&TOKEN.into())),
    );
    vended.read("s3://b/vended").await.unwrap();
    for request in first.asked() {
        let key_id = if request.target == "/b/vended" { "KEYTHREE" } else { "KEYONE" };
        assert_signed(&request, key_id, "eu-west-3");
    }
    second.asked().iter().for_each(|request| assert_signed(request, "KEYTWO", "eu-west-3"));
    assert_eq!(one.meter().get_requests, 4, "vended keys share the meter");
    assert_eq!(other.meter().get_requests, 3);
}

/// Hands out another key each time that it is asked by way of `object_store` and by the service.
#[derive(Debug, Default)]
struct Renewing(AtomicUsize);

#[async_trait::async_trait]
impl CredentialProvider for Renewing {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let token = (number == 0).then(|| TOKEN.to_string());
        Ok(Arc::new(AwsCredential { key_id: format!("KEY{number}"), secret_key: "s".to_string(), token }))
    }
}

impl S3Keys for Renewing {}

#[tokio::test]
async fn each_attempt_is_signed_anew() {
    let found = Reply::with(200, &[("etag", "\"e\"")], b"");
    let server = Server::scripted([Reply::status(503), found]).await;
    let store = Store::s3(settings(&server.url), Arc::new(Renewing::default()), TaskTracker::new());
    store.write("s3://b/k", Bytes::from_static(b"1")).await.unwrap();
    let asked = server.asked();
    let authorization = |number: usize| asked[number].header("authorization").unwrap();
    assert!(authorization(0).contains("Credential=KEY1/"), "KEY0 is that of `object_store`");
    assert!(authorization(1).contains("Credential=KEY2/"));
    assert!(asked.iter().all(|it| it.header("x-amz-security-token").is_none()), "that of KEY0");
    assert_eq!(asked[0].header("x-amz-content-sha256"), asked[1].header("x-amz-content-sha256"));
}

#[tokio::test]
async fn an_expired_token_is_replaced_once() {
    let expired = || Reply::error(400, "ExpiredToken", "The provided token has expired.", "");
    let found = Reply::with(200, &[("etag", "\"e\"")], b"");
    let server = Server::scripted([expired(), found]).await;
    let store = Store::s3(settings(&server.url), Arc::new(Renewing::default()), TaskTracker::new());
    store.write("s3://b/k", Bytes::from_static(b"1")).await.unwrap();
    let server = Server::start(move |_| expired()).await;
    let store = Store::s3(settings(&server.url), Arc::new(Renewing::default()), TaskTracker::new());
    let error = store.write("s3://b/k", Bytes::from_static(b"1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn keys_arrive_as_they_are_written() {
    let server = complete_server().await;
    let store = store_at(&server);
    for scheme in ["s3", "s3a", "s3n"] {
        store.read(&format!("{scheme}://b/t/p=a%2Fb c+d/x=é/f.parquet")).await.unwrap();
    }
    store.delete("s3://b/t/p=a%2Fb c+d/x=é/f.parquet").await.unwrap();
    for request in server.asked() {
        assert_eq!(request.target, "/b/t/p%3Da%252Fb%20c%2Bd/x%3D%C3%A9/f.parquet");
    }
}

#[tokio::test]
async fn locations_that_would_be_changed_are_refused() {
    let server = complete_server().await;
    let store = store_at(&server);
    for location in ["s3://b//k", "s3://b/t//k", "s3://b/t/k/", "s3://b/", "s3://b", "s3://b/t/../k", "s3:///k"] {
        let error = store.read(location).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{location}");
    }
    for bucket in ["b@evil.example", "evil.example#", "b%2f", "b?x"] {
        let error = store.read(&format!("s3://{bucket}/k")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{bucket}");
    }
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test]
async fn only_what_is_below_a_folder_is_deleted() {
    let server = complete_server().await;
    let store = store_at(&server);
    for location in ["s3://b", "s3://b/", "s3://b//"] {
        assert_eq!(store.delete_prefix(location).await.unwrap_err().kind(), ErrorKind::Unsupported, "{location}");
    }
    assert_eq!(server.asked().len(), 0);
    store.delete_prefix("s3://b/t/").await.unwrap();
    let asked = server.asked();
    let lists: Vec<_> = asked.iter().filter(|it| it.method == "GET").collect();
    assert!(lists.iter().all(|it| it.target.contains("prefix=t%2F")), "{lists:?}");
    let mut deleted: Vec<_> = asked.iter().filter(|it| it.method == "DELETE").map(|it| it.target.as_str()).collect();
    deleted.sort_unstable();
    assert_eq!(deleted, ["/b/t/1", "/b/t/p%3Da%252Fb/2"]);
}

#[tokio::test]
async fn what_goes_between_listing_and_deleting_is_no_error() {
    let server = Server::start(|asked| match asked.method.as_str() {
        "GET" => list(&asked.target),
        _ => Reply::error(404, "NoSuchKey", "The specified key does not exist.", ""),
    })
    .await;
    store_at(&server).delete_prefix("s3://b/t").await.unwrap();
    assert_eq!(server.asked().len(), 4);
}

#[tokio::test]
async fn what_is_gone_is_deleted_and_a_bucket_that_is_gone_is_not() {
    let server = Server::scripted([
        Reply::error(404, "NoSuchKey", "The specified key does not exist.", ""),
        Reply::error(404, "NoSuchBucket", "The specified bucket does not exist", ""),
        Reply::status(404),
        Reply::status(403),
    ])
    .await;
    let store = store_at(&server);
    store.delete("s3://b/k").await.unwrap();
    assert_eq!(store.delete("s3://b/k").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!store.exists("s3://b/k").await.unwrap());
    assert_eq!(store.exists("s3://b/k").await.unwrap_err().kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn encryption_and_payer_are_said_where_they_are_set() {
    let server = complete_server().await;
    let key = "arn:aws:kms:r:1:key/k".to_string();
    let encryption = Encryption::Kms(Some(key.clone()));
    live(S3Settings { encryption, requester_pays: true, ..settings(&server.url) }).await;
    for request in server.asked() {
        assert_eq!(request.header("x-amz-request-payer"), Some("requester"), "{} {}", request.method, request.target);
        let begins = request.method == "PUT" && !request.target.contains('?') || request.target.ends_with("?uploads=");
        let expected = begins.then_some(key.as_str());
        assert_eq!(request.header("x-amz-server-side-encryption-aws-kms-key-id"), expected, "{}", request.target);
    }
}
