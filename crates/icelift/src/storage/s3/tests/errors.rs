use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::server::{Reply, Server};
use super::{KEY_ID, SECRET, TOKEN, store_at};
use crate::error::{Error, ErrorKind};

/// The error of reading an object that the server answers so.
async fn read(reply: Reply) -> Error {
    let server = Server::start(move |_| reply.clone()).await;
    let error = store_at(&server).read("s3://bucket-1/t/k.parquet").await.unwrap_err();
    says_no_secret(&error);
    error
}

async fn write(reply: Reply) -> Error {
    let server = Server::start(move |_| reply.clone()).await;
    let error = store_at(&server).write("s3://bucket-1/t/k", Bytes::from_static(b"1")).await.unwrap_err();
    says_no_secret(&error);
    error
}

fn says_no_secret(error: &Error) {
    let chain = format!("{error:?}\n{}", chain(error));
    for secret in [SECRET, TOKEN, KEY_ID, "Signature=", "AWS4-HMAC"] {
        assert!(!chain.contains(secret), "{secret} in {chain}");
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let levels = std::iter::successors(Some(error), |error| error.source());
    levels.map(|it| it.to_string()).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn check(error: &Error, kind: ErrorKind, message: &str, hint: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(message), "`{message}` in `{error}`");
    let advice = error.advice().unwrap();
    assert!(advice.contains(hint), "`{hint}` in `{advice}`");
}

#[tokio::test]
async fn archived() {
    let message = "The operation is not valid for the object's storage class";
    let error = read(Reply::error(403, "InvalidObjectState", message, "<StorageClass>GLACIER</StorageClass>")).await;
    check(&error, ErrorKind::Read, "is in an archive storage class and must be restored", "restore-object");
    assert!(chain(&error).contains(&format!("answered 403 InvalidObjectState: {message} (request REQ1)")));
}

#[tokio::test]
async fn kms_key() {
    let message =
        "User: arn:aws:iam::1:user/u is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:r:1:key/k";
    let error = read(Reply::error(403, "AccessDenied", message, "")).await;
    check(&error, ErrorKind::Denied, "the KMS key of the object cannot be used", "grant kms:Decrypt on the key");
    assert!(chain(&error).contains("arn:aws:kms:r:1:key/k"));
    let error = write(Reply::error(400, "KMS.DisabledException", "The key is disabled", "")).await;
    check(&error, ErrorKind::Denied, "the KMS key of the object cannot be used", "kms:GenerateDataKey");
}

#[tokio::test]
async fn denied() {
    let error = read(Reply::error(403, "AccessDenied", "Access Denied", "")).await;
    check(&error, ErrorKind::Denied, "access is denied", "s3:GetObject");
    let error = write(Reply::error(403, "AccessDenied", "Access Denied", "")).await;
    check(&error, ErrorKind::Denied, "access is denied", "s3:PutObject");
    let error = write(Reply::with(401, &[], b"Unauthorized")).await;
    check(&error, ErrorKind::Denied, "access is denied", "s3:PutObject");
}

#[tokio::test]
async fn wrong_keys() {
    let echo = format!("<AWSAccessKeyId>{KEY_ID}</AWSAccessKeyId>");
    let error = read(Reply::error(403, "InvalidAccessKeyId", "The key does not exist in our records.", &echo)).await;
    check(&error, ErrorKind::Denied, "does not know the access key", "check `s3.access-key-id`");
    let echo = format!("<CanonicalRequest>x-amz-security-token:{TOKEN}</CanonicalRequest>");
    let error = read(Reply::error(403, "SignatureDoesNotMatch", "The request signature does not match", &echo)).await;
    check(&error, ErrorKind::Denied, "the secret key is not that of the access key", "s3.secret-access-key");
}

#[tokio::test]
async fn expired_session() {
    let error = read(Reply::error(400, "ExpiredToken", "The provided token has expired.", "")).await;
    check(&error, ErrorKind::Denied, "token has expired", "aws sso login");
    let error = read(Reply::error(400, "InvalidToken", "The provided token is malformed", "")).await;
    check(&error, ErrorKind::Denied, "token is not that of the access key", "of one session");
}

#[tokio::test]
async fn clock_skew() {
    let more = "<RequestTime>20200101T000000Z</RequestTime><ServerTime>2026-11-22T22:00:00Z</ServerTime>";
    let error = read(Reply::error(403, "RequestTimeTooSkewed", "The difference is too large.", more)).await;
    check(&error, ErrorKind::Denied, "clock of this machine is wrong: the server's says 2026-11-22T22:00:00Z", "NTP");
}

#[tokio::test]
async fn no_bucket() {
    let error = read(Reply::error(404, "NoSuchBucket", "The specified bucket does not exist", "")).await;
    check(&error, ErrorKind::NotFound, "the bucket `bucket-1` does not exist at `127.0.0.1:", "check the location");
}

#[tokio::test]
async fn no_object() {
    let error = read(Reply::error(404, "NoSuchKey", "The specified key does not exist.", "")).await;
    check(&error, ErrorKind::NotFound, "the object does not exist", "an older snapshot may be complete");
}

#[tokio::test]
async fn wrong_region() {
    let redirect = |headers: &[(&str, &str)]| {
        let body = b"<Error><Code>PermanentRedirect</Code><Message>Use the specified endpoint</Message></Error>";
        Reply::with(301, headers, body)
    };
    let error = read(redirect(&[("x-amz-bucket-region", "us-west-2")])).await;
    let message = "the bucket is in the region `us-west-2`, the request was for `eu-west-3`";
    check(&error, ErrorKind::Config, message, "attach with `s3.region` 'us-west-2'");
    let error = read(redirect(&[])).await;
    check(&error, ErrorKind::Config, "not in the region `eu-west-3`", "`s3.region`");
    let malformed = Reply::error(400, "AuthorizationHeaderMalformed", "wrong region", "<Region>us-west-2</Region>");
    check(&read(malformed).await, ErrorKind::Config, message, "'us-west-2'");
}

/// What HEAD says has no body; the header tells the region.
#[tokio::test]
async fn wrong_region_of_a_head() {
    let server = Server::start(|_| Reply::with(400, &[("x-amz-bucket-region", "us-west-2")], b"")).await;
    let error = store_at(&server).size_bytes("s3://b/k").await.unwrap_err();
    check(&error, ErrorKind::Config, "the bucket is in the region `us-west-2`", "s3.region");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Server::start(|_| Reply::status(200)).await;
    let location = format!("{}/bucket-1/k", other.url);
    let server = Server::start(move |_| Reply::with(307, &[("location", location.as_str())], b"")).await;
    let error = store_at(&server).read("s3://bucket-1/k").await.unwrap_err();
    check(&error, ErrorKind::Config, "not in the region", "s3.region");
    assert_eq!(other.asked().len(), 0, "the signature stays here");
}

#[tokio::test]
async fn parts() {
    let error = write(Reply::error(400, "InvalidPart", "All non-trailing parts must have the same length", "")).await;
    check(&error, ErrorKind::Write, "refuses the parts of the upload (InvalidPart)", "run the statement again");
    let error = write(Reply::error(400, "EntityTooSmall", "Your proposed upload is too small", "")).await;
    check(&error, ErrorKind::Write, "wants larger parts", "s3.multipart.part-size-bytes");
}

#[tokio::test]
async fn not_implemented() {
    let error = write(Reply::error(501, "NotImplemented", "A header you provided is not implemented", "")).await;
    check(&error, ErrorKind::Unsupported, "does not implement", "s3.sse.type");
}

#[tokio::test]
async fn tls_to_a_server_without_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let error = super::store(super::settings(&url)).read("s3://b/k").await.unwrap_err();
    check(&error, ErrorKind::Unavailable, "no TLS connection can be made to `127.0.0.1:", "`https://`");
}

#[tokio::test]
async fn keys_that_fit_no_header() {
    let server = Server::start(|_| Reply::status(200)).await;
    let error = super::store_with(super::settings(&server.url), "AKID\n").read("s3://b/k").await.unwrap_err();
    check(&error, ErrorKind::Denied, "the access key id is empty or has characters that no key has", "line break");
    says_no_secret(&error);
    assert_eq!(server.asked().len(), 0);
}
