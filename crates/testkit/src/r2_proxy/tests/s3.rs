//! The rules of R2's S3 API.

use std::time::Duration;

use super::super::{Counts, Keys};
use super::{Bench, PREFIX, UPSTREAM_SECRET};
use crate::signature::{Authorization, Signable, sha256_hex, text};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn requests_are_signed_anew() {
    let bench = Bench::new(|_| {}).await;
    bench.stub.says("/lake/a%20b", 200, "content");
    let put = bench.s3("PUT", "/lake/a%20b?x-id=PutObject", b"content").await;
    assert_eq!((put.code, put.text().as_str()), (200, "content"));
    let [asked] = &bench.stub.asked()[..] else { panic!("one request") };
    assert_eq!((asked.target.as_str(), &asked.body[..]), ("/lake/a%20b?x-id=PutObject", &b"content"[..]));
    let found = Authorization::parse(text(&asked.headers, "authorization").unwrap()).unwrap();
    assert_eq!(found.access_key, "key-of-the-upstream");
    let request = Signable { method: "PUT", path: "/lake/a%20b", query: "x-id=PutObject", headers: &asked.headers };
    assert!(found.is_by(UPSTREAM_SECRET, &request));
    assert_eq!(bench.proxy.violations(), [""; 0]);
}

#[tokio::test]
async fn only_r2s_keys_open_it() {
    let bench = Bench::new(|_| {}).await;
    let own = bench.proxy.s3_keys();
    let cases = [
        (Keys::new("key-of-aws", &own.secret_key), vec![], (403, "InvalidAccessKeyId")),
        (Keys::new(&own.access_key, "wrong"), vec![], (403, "SignatureDoesNotMatch")),
        (own.clone(), vec![("x-amz-security-token", "of-aws")], (403, "InvalidToken")),
        (own.clone(), vec![("x-amz-content-sha256", "0")], (400, "XAmzContentSHA256Mismatch")),
        (own.clone(), vec![("x-amz-acl", "private")], (501, "NotImplemented")),
        (own.clone(), vec![("x-amz-server-side-encryption", "aws:kms")], (501, "NotImplemented")),
        (own.clone(), vec![("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")], (501, "NotImplemented")),
        (own.clone(), vec![("x-amz-checksum-type", "FULL_OBJECT")], (501, "NotImplemented")),
    ];
    for (number, (keys, extra, (code, name))) in cases.iter().enumerate() {
        let got = bench.s3_as(keys, "PUT", "/lake/a", extra, b"x").await.unwrap();
        assert_eq!(got.s3_error(), (*code, (*name).to_owned()), "{extra:?}");
        assert_eq!(bench.proxy.violations().len(), number + 1);
    }
    assert!(bench.proxy.violations()[0].contains("the access key `key-of-aws` is none of R2's"));
    assert_eq!(bench.stub.targets(), [""; 0]);

    let hash = sha256_hex(b"x");
    let hashed = bench.s3_as(&own, "PUT", "/lake/a", &[("x-amz-content-sha256", &hash)], b"x").await.unwrap();
    assert_eq!(hashed.code, 200);
}

#[tokio::test]
async fn other_buckets_and_unsigned_requests_are_refused() {
    let bench = Bench::new(|_| {}).await;
    assert_eq!(bench.s3("GET", "/other/a", b"").await.s3_error(), (403, "AccessDenied".to_owned()));
    assert_eq!(bench.s3("GET", "/lake/a?acl", b"").await.s3_error(), (501, "NotImplemented".to_owned()));
    let unsigned = bench.client.get(format!("{}/lake/a", bench.proxy.s3_endpoint()));
    assert_eq!(super::got(unsigned).await.unwrap().s3_error(), (403, "AccessDenied".to_owned()));
    let presigned = format!("{}/lake/a?X-Amz-Credential=key-of-aws%2F2026", bench.proxy.s3_endpoint());
    let presigned = super::got(bench.client.get(presigned)).await.unwrap();
    assert_eq!(presigned.s3_error(), (403, "InvalidAccessKeyId".to_owned()));
    assert_eq!(bench.stub.targets(), [""; 0]);
}

async fn upload(bench: &Bench, key: &str, sizes: &[usize]) -> super::Got {
    let mut parts = String::new();
    for (index, size) in sizes.iter().enumerate() {
        let number = index + 1;
        let target = format!("/lake/{key}?partNumber={number}&uploadId=u");
        assert_eq!(bench.s3("PUT", &target, &vec![0; *size]).await.code, 200);
        parts += &format!("<Part><PartNumber>{number}</PartNumber><ETag>e</ETag></Part>");
    }
    let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    bench.s3("POST", &format!("/lake/{key}?uploadId=u"), body.as_bytes()).await
}

#[tokio::test]
async fn parts_are_equal_but_the_last() {
    let bench = Bench::new(|_| {}).await;
    let uneven = upload(&bench, "a", &[5 * MIB, 5 * MIB + 1, MIB]).await;
    assert_eq!(uneven.s3_error(), (400, "InvalidPart".to_owned()));
    assert!(uneven.text().contains("All non-trailing parts must have the same length."));
    let small = upload(&bench, "b", &[MIB, MIB]).await;
    assert_eq!(small.s3_error(), (400, "EntityTooSmall".to_owned()));
    assert!(!bench.stub.targets().iter().any(|target| target.starts_with("POST")));
    assert_eq!(upload(&bench, "c", &[5 * MIB, 5 * MIB, 1]).await.code, 200);
    assert_eq!(upload(&bench, "d", &[1]).await.code, 200);
    assert_eq!(bench.proxy.violations().len(), 2);
    assert_eq!(bench.proxy.counts(), Counts { class_a: 3 + 2 + 3 + 1 + 4, ..Counts::default() });
}

#[tokio::test]
async fn one_write_to_one_key_at_a_time() {
    let bench = Bench::new(|settings| settings.limits.key_write_interval = Duration::from_secs(60)).await;
    bench.stub.says("/lake/refused", 503, "");
    assert_eq!(bench.s3("PUT", "/lake/refused", b"").await.code, 503);
    assert_eq!(bench.s3("PUT", "/lake/refused", b"").await.code, 503, "what was not written does not count");
    assert_eq!(bench.s3("PUT", "/lake/a", b"").await.code, 200);
    assert_eq!(bench.s3("PUT", "/lake/b", b"").await.code, 200);
    assert_eq!(bench.s3("PUT", "/lake/a", b"").await.s3_error(), (429, "TooManyRequests".to_owned()));
    assert_eq!(bench.s3("DELETE", "/lake/a", b"").await.code, 200);
    assert_eq!(bench.s3("GET", "/lake/a", b"").await.code, 200);
    assert_eq!(bench.proxy.counts(), Counts { class_a: 5, class_b: 1, free: 1, catalog: 0 });
}

#[tokio::test]
async fn sessions_end() {
    let bench = Bench::new(|settings| settings.session = Some(Duration::from_secs(60))).await;
    let table = r#"{"metadata": {"location": "s3://lake/t"}}"#;
    bench.stub.says(&format!("/v1/{PREFIX}/namespaces/n/tables/t"), 200, table);
    let config = bench.catalog("GET", "namespaces/n/tables/t", "").await.json()["config"].clone();
    let field = |name: &str| config[name].as_str().unwrap().to_owned();
    let keys = Keys::new(field("s3.access-key-id"), field("s3.secret-access-key"));
    let token = field("s3.session-token");
    assert!(field("s3.session-token-expires-at-ms").parse::<u64>().unwrap() > 1_700_000_000_000);

    let with_token = [("x-amz-security-token", token.as_str())];
    assert_eq!(bench.s3_as(&keys, "GET", "/lake/a", &with_token, b"").await.unwrap().code, 200);
    let without = bench.s3_as(&keys, "GET", "/lake/a", &[], b"").await.unwrap();
    assert_eq!(without.s3_error(), (403, "InvalidToken".to_owned()));
    bench.proxy.expire_sessions();
    let expired = bench.s3_as(&keys, "GET", "/lake/a", &with_token, b"").await.unwrap();
    assert_eq!(expired.s3_error(), (400, "ExpiredToken".to_owned()));
    assert_eq!(bench.proxy.violations().len(), 1);
    let sent = &bench.stub.asked()[1].headers;
    assert!(!sent.contains_key("x-amz-security-token"), "the token is none of the upstream's business");
}
