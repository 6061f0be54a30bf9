//! What a person reads when a server says no, breaks, or is no catalog at all.

use super::*;
use crate::catalog::Catalog;
use crate::error::ErrorKind;

async fn load_error(reply: Reply) -> Error {
    let (_server, rest) = attached(move |_| reply.clone()).await;
    rest.load_table(&ident()).await.unwrap_err()
}

#[tokio::test]
async fn kinds_follow_types_and_then_statuses() {
    for (status, named, expected) in [
        (404, "NoSuchTableException", ErrorKind::NotFound),
        (404, "NoSuchNamespaceException", ErrorKind::NotFound),
        (404, "SomethingElse", ErrorKind::NotFound),
        (401, "NotAuthorizedException", ErrorKind::Denied),
        (403, "ForbiddenException", ErrorKind::Denied),
        (400, "ForbiddenException", ErrorKind::Denied),
        (400, "BadRequestException", ErrorKind::Read),
        (501, "", ErrorKind::Unsupported),
        (500, "ServiceFailureException", ErrorKind::Read),
        (503, "ServiceUnavailableException", ErrorKind::Unavailable),
        (429, "TooManyRequestsException", ErrorKind::Unavailable),
    ] {
        assert_eq!(load_error(refuse(status, named, "m")).await.kind(), expected, "{status} {named}");
    }
}

#[tokio::test]
async fn what_does_not_exist_is_said_as_elsewhere() {
    let error = load_error(refuse(404, "NoSuchTableException", "Table does not exist: n.t")).await;
    assert_eq!((error.to_string(), error.at()), ("the table `r.n.t` does not exist".to_string(), None));
    let error = load_error(refuse(404, "NoSuchNamespaceException", "nope")).await;
    assert_eq!((error.to_string(), error.at()), ("the namespace `r.n` does not exist".to_string(), None));
}

#[tokio::test]
async fn a_404_of_somebody_else_is_no_missing_table() {
    let error = load_error(Reply::with(404, &[], b"<html><body>nginx: not here</body></html>")).await;
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(error.to_string(), "catalog of `r`: loadTable of `n.t`: the REST catalog answers 404: nginx: not here");
    assert_eq!(error.advice(), Some("check the URI, it ends before `/v1`; check the warehouse"));
}

#[tokio::test]
async fn text_of_servers_is_bounded() {
    let long = "x".repeat(2_000_000);
    let error = load_error(Reply::with(500, &[], long.as_bytes())).await;
    assert!(error.to_string().len() < 450, "{}", error.to_string().len());
    let error = load_error(refuse(500, &"T".repeat(5000), &long)).await;
    assert!(error.to_string().len() < 900, "{}", error.to_string().len());
}

#[tokio::test]
async fn an_answer_that_is_no_catalogs_quotes_nothing() {
    for (reply, found) in [
        (body("<html>welcome, hunter2</html>"), "it is no JSON from line 1, column 1"),
        (
            body(r#"{"metadata": {}, "config": "hunter2"}"#),
            "something is missing or of another type at line 1, column 37",
        ),
        (body(""), "it is empty"),
        (body(r#"{"config": {"s3.secret-access-key": "hunter2"#), "it ends early, after 44 bytes"),
    ] {
        let error = load_error(reply).await;
        let expected =
            format!("catalog of `r`: loadTable of `n.t`: the answer of the REST catalog is not Iceberg's: {found}");
        assert_eq!(error.to_string(), expected);
        assert!(!chain(&error).contains("hunter2"));
    }
}

#[tokio::test]
async fn reads_are_repeated_when_it_may_help() {
    let table = || answer(&loaded(json!({}), json!([])));
    for passing in [
        Reply::status(429),
        Reply::status(502),
        Reply::status(503),
        Reply::status(504),
        Reply::with(503, &[("retry-after", "0")], b""),
        Reply::Close,
        table().cut(100),
        body(r#"{"metadata": {"#),
    ] {
        let (server, rest) = attached(in_turn(vec![passing.clone(), table()])).await;
        rest.load_table(&ident()).await.unwrap();
        assert_eq!(calls(&server).len(), 2, "{passing:?}");
    }
    for lasting in [Reply::status(500), Reply::status(400), Reply::status(403), body("no JSON")] {
        let (server, rest) = attached(in_turn(vec![lasting, table()])).await;
        rest.load_table(&ident()).await.unwrap_err();
        assert_eq!(calls(&server).len(), 1);
    }
}

#[tokio::test]
async fn retry_after_is_waited_for_and_a_long_one_is_refused() {
    let table = answer(&loaded(json!({}), json!([])));
    let (_server, rest) = attached(in_turn(vec![Reply::with(429, &[("retry-after", "1")], b""), table.clone()])).await;
    let start = std::time::Instant::now();
    rest.load_table(&ident()).await.unwrap();
    assert!(start.elapsed() >= std::time::Duration::from_secs(1));
    let (server, rest) = attached(in_turn(vec![Reply::with(429, &[("retry-after", "86400")], b""), table])).await;
    rest.load_table(&ident()).await.unwrap_err();
    assert_eq!(calls(&server).len(), 1);
}

#[tokio::test]
async fn metadata_that_is_not_supported_is_named() {
    let mut reply = loaded(json!({}), json!([]));
    reply["metadata"]["format-version"] = json!(4);
    let error = load_error(answer(&reply)).await;
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.to_string(), "catalog of `r.n.t`: the table has format version 4, versions 1 to 3 are supported");
    let error = load_error(answer(&json!({"metadata": {"format-version": 2}}))).await;
    assert_eq!(error.to_string(), "catalog of `r.n.t`: the table's metadata cannot be parsed");
}

#[tokio::test]
async fn compressed_answers_are_read() {
    // `printf '{"identifiers": []}' | gzip -n`
    let gzip: &'static [u8] = &[
        31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 171, 86, 202, 76, 73, 205, 43, 201, 76, 203, 76, 45, 42, 86, 178, 82, 136,
        142, 173, 5, 0, 195, 252, 212, 166, 19, 0, 0, 0,
    ];
    let (server, rest) = attached(move |_| Reply::with(200, &[("content-encoding", "gzip")], gzip)).await;
    assert_eq!(rest.list_tables(&namespace()).await.unwrap(), []);
    assert!(server.asked()[0].header("accept-encoding").unwrap().contains("gzip"));
}
