//! Drops whose answer is lost.

use serde_json::json;

use crate::catalog::NewTable;
use crate::error::ErrorKind;
use crate::scripted_server::{Reply, Server};

/// The answer to loadTable of a table at `s3://b/t`, in a store on the same server.
fn loaded(host: &str) -> Reply {
    let keys = json!({"s3.access-key-id": "k", "s3.secret-access-key": "x", "s3.endpoint": format!("http://{host}")});
    let metadata = NewTable::of_one_column().metadata("s3://b/t".to_string()).unwrap();
    let table = json!({"metadata-location": "s3://b/t/metadata/0.json", "metadata": metadata, "config": keys});
    Reply::with(200, &[("content-type", "application/json")], table.to_string().as_bytes())
}

#[tokio::test]
async fn what_may_have_been_renamed_is_not_purged() {
    for (answer, purged) in [(Reply::status(204), true), (Reply::Close, false)] {
        let mut dropped = false;
        let server = Server::start(move |asked| match (asked.method.as_str(), asked.target.as_str()) {
            ("GET", config) if config.starts_with("/v1/config") => Reply::with(200, &[], b"{}"),
            ("GET", "/v1/namespaces/n/tables/t") if dropped => {
                Reply::with(404, &[], br#"{"error": {"message": "", "type": "NoSuchTableException", "code": 404}}"#)
            }
            ("GET", "/v1/namespaces/n/tables/t") => loaded(asked.header("host").unwrap()),
            ("DELETE", "/v1/namespaces/n/tables/t") => {
                dropped = true;
                answer.clone()
            }
            _ => Reply::status(403),
        })
        .await;
        let engine = crate::Engine::builder().build().await.unwrap();
        engine.run(&format!("ATTACH 'w' AS r (TYPE rest, URI '{}')", server.url)).await.unwrap();
        let error = engine.run("DROP TABLE r.n.t PURGE").await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Write, "{error:?}");
        assert_eq!(error.advice().is_some_and(|hint| hint.contains("renamed")), !purged, "{error:?}");
        // The store allows nothing: to ask it is what counts.
        assert_eq!(server.asked().iter().any(|asked| asked.target.starts_with("/b")), purged);
        engine.run("DROP TABLE IF EXISTS r.n.t PURGE").await.unwrap();
    }
}
