//! `TYPE r2` against a server that behaves as R2 Data Catalog does.

use iceberg::{TableRequirement, TableUpdate};

use super::*;
use crate::catalog::{Catalog, CommitOutcome, CommitRequest, r2};
use crate::error::ErrorKind;

async fn attach_r2(server: &Server, given: &[(&str, &str)]) -> Result<Rest> {
    let mut options =
        BTreeMap::from([("uri", server.url.as_str()), ("token", "hunter2-hunter2"), ("rest.client.max-retries", "1")]);
    options.extend(given.iter().copied());
    let options = options.into_iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    r2::open(Some("acct_bucket".to_string()), Options::new("r2", options), &TaskTracker::new()).await
}

#[tokio::test]
async fn calls_have_what_the_product_knows_and_nothing_else() {
    let server = serving(r#"{"overrides": {"prefix": "0b1c"}}"#, |asked| match (asked.method.as_str(), path(asked)) {
        ("GET", "/v1/0b1c/namespaces") => body(r#"{"namespaces": []}"#),
        ("GET", _) => body(r#"{"identifiers": []}"#),
        _ => Reply::status(204),
    })
    .await;
    let rest = attach_r2(&server, &[]).await.unwrap();
    rest.list_namespaces().await.unwrap();
    rest.list_tables(&namespace()).await.unwrap();
    rest.drop_table(&ident()).await.unwrap();
    assert_eq!(server.asked()[0].target, "/v1/config?warehouse=acct_bucket");
    assert_eq!(server.asked()[0].header("authorization"), Some("Bearer hunter2-hunter2"));
    assert_eq!(
        calls(&server),
        [
            "GET /v1/0b1c/namespaces?pageToken=&pageSize=1000",
            "GET /v1/0b1c/namespaces/n/tables?pageToken=&pageSize=1000",
            "DELETE /v1/0b1c/namespaces/n/tables/t",
        ]
    );
}

#[tokio::test]
async fn refusals_in_plain_text_are_understood() {
    for (status, text, hint) in [
        (401, "Authentication error", "check TOKEN: it is an API token of the account, with R2's `Admin Read & Write`"),
        (403, "Forbidden", "the namespace may not exist: R2 says 403 of those, too; otherwise the token lacks a right"),
    ] {
        let server = serving(SILENT, move |_| Reply::with(status, &[], text.as_bytes())).await;
        let rest = attach_r2(&server, &[]).await.unwrap();
        let error = rest.list_tables(&namespace()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        let expected =
            format!("catalog of `r2`: listTables of `n`: the R2 Data Catalog (Basin Catalog) answers {status}: {text}");
        assert_eq!((error.to_string(), error.advice()), (expected, Some(hint)));
    }
}

#[tokio::test]
async fn properties_that_r2_refuses_are_left_out_of_creations_and_commits() {
    let server = serving(SILENT, |asked| {
        if asked.target == "/v1/namespaces/n/tables" {
            let mut metadata = serde_json::to_value(metadata()).unwrap();
            metadata["properties"] = json!({"k": "v", "cloudflare-data-catalog.x": "theirs"});
            answer(&json!({"metadata": metadata}))
        } else {
            answer(&loaded(json!({}), json!([])))
        }
    })
    .await;
    let rest = attach_r2(&server, &[]).await.unwrap();
    let mut new = new_table(false);
    new.properties.extend([("write.data.path".to_string(), "s3://x".to_string())]);
    let table = rest.stage_table(new).await.unwrap();
    let sent: Value = serde_json::from_slice(&server.asked()[1].body).unwrap();
    assert_eq!(sent["properties"], json!({"k": "v", "format-version": "2"}));
    assert!(sent.get("location").is_none());
    let Some(TableUpdate::SetProperties { updates }) = table.staged.as_ref().unwrap().updates.last() else {
        panic!("no properties")
    };
    assert_eq!(*updates, HashMap::from([("k".to_string(), "v".to_string())]));
    let set = |pairs: &[(&str, &str)]| TableUpdate::SetProperties {
        updates: pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
    };
    let request = CommitRequest {
        create: None,
        requirements: vec![TableRequirement::UuidMatch { uuid: metadata().uuid() }],
        updates: vec![set(&[("write.metadata.path", "x"), ("a", "b")]), set(&[("gc.enabled", "false")])],
        author: None,
    };
    assert!(matches!(rest.commit(&ident(), request).await, CommitOutcome::Landed));
    let sent: Value = serde_json::from_slice(&server.asked()[2].body).unwrap();
    assert_eq!(sent["updates"], json!([{"action": "set-properties", "updates": {"a": "b"}}]));
}

#[tokio::test]
async fn what_r2_refuses_is_refused_before_a_call() {
    let server = serving(SILENT, |_| Reply::status(418)).await;
    let rest = attach_r2(&server, &[]).await.unwrap();
    assert_eq!(rest.check_new_table(&ident(), Some("s3://b/x")).unwrap_err().kind(), ErrorKind::Sql);
    let system = NamespaceIdent::new("system".to_string());
    assert_eq!(rest.create_namespace(&system, no_properties()).await.unwrap_err().kind(), ErrorKind::Sql);
    assert!(calls(&server).is_empty());
}

#[tokio::test]
async fn keys_are_the_tokens_own_if_its_id_is_given() {
    let server = serving(SILENT, |asked| match path(asked) {
        "/v1/namespaces/n/tables/t" => {
            let vended = json!({"s3.access-key-id": "VENDED", "s3.secret-access-key": "s"});
            answer(&loaded(vended, json!([])))
        }
        _ => Reply::with(200, &[("etag", "\"e\"")], b"x"),
    })
    .await;
    for (given, expected) in [(vec![("r2.token-id", "TOKENID")], "Credential=TOKENID/"), (vec![], "Credential=VENDED/")]
    {
        let given: Vec<_> = given.into_iter().chain([("s3.endpoint", server.url.as_str())]).collect();
        let table = attach_r2(&server, &given).await.unwrap().load_table(&ident()).await.unwrap();
        table.store.read("s3://b/t/x").await.unwrap();
        let asked = server.asked().into_iter().rfind(|asked| asked.target == "/b/t/x").unwrap();
        let signature = asked.header("authorization").unwrap();
        assert!(signature.contains(expected) && signature.contains("/auto/s3/"), "{signature}");
    }
}

#[tokio::test]
async fn a_write_beyond_the_limit_waits() {
    let server = serving(SILENT, |_| Reply::status(204)).await;
    let rest = attach_r2(&server, &[]).await.unwrap();
    for _ in 0..20 {
        rest.drop_table(&ident()).await.unwrap();
    }
    let waiting = std::time::Duration::from_millis(300);
    assert!(tokio::time::timeout(waiting, rest.drop_table(&ident())).await.is_err());
    assert_eq!(calls(&server).len(), 20);
}
