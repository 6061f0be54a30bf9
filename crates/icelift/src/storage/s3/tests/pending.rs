use super::server::{Reply, Server};
use super::store_at;
use crate::error::ErrorKind;

/// Two pages of one upload each, and deletions of what is there.
async fn server() -> Server {
    Server::start(|asked| match (asked.method.as_str(), asked.target.as_str()) {
        ("GET", target) if target.contains("key-marker=t%2Fa%20b") && target.contains("upload-id-marker=U%2F1") => {
            let upload = "<Upload><Key>t/c</Key><UploadId>U2</UploadId></Upload>";
            Reply::with(
                200,
                &[],
                format!("<ListMultipartUploadsResult>{upload}</ListMultipartUploadsResult>").as_bytes(),
            )
        }
        ("GET", target) if target.starts_with("/b?uploads=&prefix=t%2F") => {
            let upload =
                "<Upload><Key>t/a b</Key><UploadId>U/1</UploadId><Initiated>2026-01-02T03:04:05Z</Initiated></Upload>";
            let more = "<NextKeyMarker>t/a b</NextKeyMarker><NextUploadIdMarker>U/1</NextUploadIdMarker>";
            let body = format!("<IsTruncated>true</IsTruncated>{more}{upload}");
            Reply::with(200, &[], format!("<ListMultipartUploadsResult>{body}</ListMultipartUploadsResult>").as_bytes())
        }
        ("DELETE", "/b/t/a%20b?uploadId=U%2F1") => Reply::status(204),
        ("DELETE", _) => Reply::error(404, "NoSuchUpload", "The specified upload does not exist.", ""),
        _ => Reply::status(501),
    })
    .await
}

#[tokio::test]
async fn uploads_are_listed_page_by_page_and_aborted() {
    let server = server().await;
    let store = store_at(&server);
    let found = store.list_uploads("s3a://b/t/").await.unwrap();
    let shown: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["s3a://b/t/a b (unfinished upload U/1)", "s3a://b/t/c (unfinished upload U2)"]);
    let begun = found[0].written.unwrap();
    assert_eq!((begun.to_rfc3339(), found[1].written), ("2026-01-02T03:04:05+00:00".to_string(), None));
    for upload in &found {
        store.remove(upload).await.unwrap();
    }
    let asked = server.asked();
    let methods: Vec<_> = asked.iter().map(|asked| asked.method.as_str()).collect();
    assert_eq!(methods, ["GET", "GET", "DELETE", "DELETE"]);
    let meter = store.meter();
    assert_eq!((meter.list_requests, meter.delete_requests, meter.read_bytes), (2, 2, 0));
}

#[tokio::test]
async fn a_server_that_does_not_show_uploads_has_none() {
    for refusal in
        [Reply::error(403, "AccessDenied", "Access Denied.", ""), Reply::error(501, "NotImplemented", "", "")]
    {
        let server = Server::scripted([refusal]).await;
        assert_eq!(store_at(&server).list_uploads("s3://b/t").await.unwrap(), []);
    }
    let page = Reply::with(200, &[], b"<html>Welcome</html>");
    let error = store_at(&Server::scripted([page]).await).list_uploads("s3://b/t").await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("no list of uploads")), (ErrorKind::Read, true), "{error}");
}
