use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::server::{Asked, Reply, Server};
use super::store_at;
use crate::error::{ErrorKind, Result};

/// Uploads 25 bytes in parts of 10; `complete` answers the requests that end the upload, `head` those that look for it.
async fn upload(complete: impl Fn(usize) -> Reply + Send + 'static, head: Reply) -> (Result<u64>, Vec<Asked>) {
    let ends = AtomicUsize::new(0);
    let server = Server::start(move |asked| match asked.method.as_str() {
        "POST" if asked.target.ends_with("?uploads=") => {
            let body = "<InitiateMultipartUploadResult><UploadId>U1</UploadId></InitiateMultipartUploadResult>";
            Reply::with(200, &[], body.as_bytes())
        }
        "POST" => complete(ends.fetch_add(1, Ordering::Relaxed)),
        "PUT" => Reply::with(200, &[("etag", "\"e\"")], b""),
        "HEAD" => head.clone(),
        _ => Reply::status(204),
    })
    .await;
    let store = store_at(&server);
    let mut upload = store.upload("s3://b/k").unwrap();
    upload.write(Bytes::from_static(b"0123456789012345678901234")).await.unwrap();
    let finished = upload.finish().await;
    store.cleanup().close();
    store.cleanup().wait().await;
    (finished, server.asked())
}

fn completed() -> Reply {
    let body = "<CompleteMultipartUploadResult><ETag>\"e-3\"</ETag></CompleteMultipartUploadResult>";
    Reply::with(200, &[], body.as_bytes())
}

fn no_such_upload() -> Reply {
    Reply::error(404, "NoSuchUpload", "The specified upload does not exist.", "")
}

fn found(size: &str, etag: &str) -> Reply {
    Reply::with(200, &[("content-length", size), ("etag", etag)], b"")
}

fn methods(asked: &[Asked]) -> String {
    asked.iter().map(|it| it.method.as_str()).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn parts_are_equal_but_the_last() {
    let (finished, asked) = upload(|_| completed(), Reply::status(500)).await;
    assert_eq!(finished.unwrap(), 25);
    let mut parts: Vec<_> = asked.iter().filter(|it| it.method == "PUT").map(|it| it.body.len()).collect();
    parts.sort_unstable();
    assert_eq!(parts, [5, 10, 10]);
}

#[tokio::test]
async fn an_error_in_the_body_of_a_success_is_retried() {
    let late = Reply::error(200, "InternalError", "We encountered an internal error. Please try again.", "");
    let (finished, asked) =
        upload(move |number| if number == 0 { late.clone() } else { completed() }, Reply::status(500)).await;
    assert_eq!(finished.unwrap(), 25);
    assert_eq!(asked.iter().filter(|it| it.target.ends_with("uploadId=U1") && it.method == "POST").count(), 2);
}

#[tokio::test]
async fn an_upload_that_is_gone_after_a_lost_answer_has_landed() {
    let lost = |number| if number == 0 { Reply::Close } else { no_such_upload() };
    let (finished, asked) = upload(lost, found("25", "\"abc-3\"")).await;
    assert_eq!(finished.unwrap(), 25);
    assert!(!methods(&asked).contains("DELETE"), "nothing is aborted");
}

#[tokio::test]
async fn an_object_of_another_upload_is_not_taken_for_ours() {
    let lost = |number| if number == 0 { Reply::Close } else { no_such_upload() };
    for head in [found("24", "\"abc-3\""), found("25", "\"abc-2\""), Reply::status(404)] {
        let (finished, asked) = upload(lost, head).await;
        let error = finished.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Write);
        assert!(error.to_string().contains("ended by somebody else"), "{error}");
        assert!(methods(&asked).ends_with("DELETE"), "{}", methods(&asked));
    }
}

#[tokio::test]
async fn an_upload_that_somebody_else_ended_is_an_error() {
    let (finished, asked) = upload(|_| no_such_upload(), found("25", "\"abc-3\"")).await;
    assert_eq!(finished.unwrap_err().kind(), ErrorKind::Write);
    assert!(!methods(&asked).contains("HEAD"), "no answer was lost, so nothing is in doubt");
}

#[tokio::test]
async fn a_refused_completion_names_the_reason() {
    let refuse = |_| Reply::error(400, "InvalidPart", "All non-trailing parts must have the same length.", "");
    let (finished, asked) = upload(refuse, found("25", "\"abc-3\"")).await;
    let error = finished.unwrap_err();
    assert!(error.to_string().contains("InvalidPart"), "{error}");
    assert!(methods(&asked).ends_with("DELETE"), "the upload is aborted");
}
