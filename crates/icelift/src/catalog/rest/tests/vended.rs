//! Keys: whose, which of several, and renewed in time. The server is catalog and object store at once.

use chrono::Utc;

use super::*;
use crate::catalog::rest::vended::store_config;
use crate::catalog::rest::wire::StorageCredential;
use crate::catalog::{Catalog, CommitOutcome, CommitRequest, Table};
use crate::error::ErrorKind;

const CREDENTIALS: &str = "/v1/namespaces/n/tables/t/credentials";
const LISTED: &str = r#"{"endpoints": ["GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
                                       "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}/credentials"]}"#;

/// Keys named `id`, that end after so many milliseconds.
fn keys(id: &str, lives_ms: Option<i64>) -> Value {
    let mut keys = json!({
        "s3.access-key-id": id,
        "s3.secret-access-key": format!("secret-of-{id}"),
        "s3.session-token": format!("session-of-{id}"),
        "s3.path-style-access": "true",
        "s3.region": "auto",
    });
    if let Some(lives_ms) = lives_ms {
        let end = Utc::now().timestamp_millis() + lives_ms;
        keys["s3.session-token-expires-at-ms"] = json!(end.to_string());
    }
    keys
}

/// A server whose tables come with `config` and `credentials`, and whose objects are all empty.
async fn vending(
    config: &str,
    mut table: impl FnMut() -> (Value, Value) + Send + 'static,
    mut renewed: impl FnMut() -> Reply + Send + 'static,
) -> Server {
    serving(config, move |asked| match path(asked) {
        "/v1/namespaces/n/tables/t" => {
            let (config, credentials) = table();
            let mut config = config.clone();
            config["s3.endpoint"] = json!(format!("http://{}", asked.header("host").unwrap()));
            answer(&loaded(config, credentials))
        }
        CREDENTIALS => renewed(),
        object if object.starts_with("/b/t/") => Reply::with(200, &[("etag", "\"e\"")], b"x"),
        _ => Reply::status(418),
    })
    .await
}

/// Reads an object of the table and says with whose keys, and whether with a session token.
async fn signer(server: &Server, table: &Table) -> String {
    table.store.read("s3://b/t/data/x").await.unwrap();
    let asked = server.asked().into_iter().rfind(|asked| asked.target.starts_with("/b/t/")).unwrap();
    let signature = asked.header("authorization").unwrap().to_string();
    let id = signature.split("Credential=").nth(1).unwrap().split('/').next().unwrap().to_string();
    match asked.header("x-amz-security-token") {
        Some(token) => format!("{id} {token}"),
        None => id,
    }
}

fn none() -> Reply {
    Reply::status(418)
}

#[tokio::test]
async fn keys_of_the_configuration_are_used_if_there_are_no_others() {
    let server = vending(SILENT, || (keys("CONFIG", None), Value::Null), none).await;
    let table = attach(&server, &[]).await.unwrap().load_table(&ident()).await.unwrap();
    assert_eq!(signer(&server, &table).await, "CONFIG session-of-CONFIG");
}

#[tokio::test]
async fn keys_of_the_longest_prefix_outrank_them() {
    let credentials = || {
        json!([
            {"prefix": "s3://b", "config": keys("BUCKET", None)},
            {"prefix": "s3://b/t", "config": keys("TABLE", None)},
            {"prefix": "s3://b/t2", "config": keys("OTHER", None)},
        ])
    };
    let server = vending(SILENT, move || (keys("CONFIG", None), credentials()), none).await;
    let table = attach(&server, &[]).await.unwrap().load_table(&ident()).await.unwrap();
    assert_eq!(signer(&server, &table).await, "TABLE session-of-TABLE");
}

#[test]
fn prefixes_cover_whole_names_only() {
    let chosen = |prefixes: &[&str], location: &str| {
        let credential = |prefix: &&str| StorageCredential {
            prefix: prefix.to_string(),
            config: HashMap::from([("s3.access-key-id".to_string(), prefix.to_string())]),
        };
        let credentials: Vec<_> = prefixes.iter().map(credential).collect();
        store_config(location, HashMap::new(), &credentials).remove("s3.access-key-id")
    };
    let some = |text: &str| Some(text.to_string());
    assert_eq!(chosen(&["s3://b/t", "s3://b/t2"], "s3://b/t2"), some("s3://b/t2"));
    assert_eq!(chosen(&["s3://b/t"], "s3://b/t2"), None);
    assert_eq!(chosen(&["s3://b/t/"], "s3://b/t"), some("s3://b/t/"));
    assert_eq!(chosen(&["s3"], "s3://b/t"), some("s3"));
    assert_eq!(chosen(&["s3://b"], "s3a://b/t"), some("s3://b"));
    assert_eq!(chosen(&["gs://b"], "s3://b/t"), None);
    assert_eq!(chosen(&[], "s3://b/t"), None);
}

#[test]
fn a_session_token_stays_with_its_own_keys() {
    let config = HashMap::from([("s3.session-token".to_string(), "old".to_string())]);
    let own = HashMap::from([("s3.access-key-id".to_string(), "new".to_string())]);
    let credential = StorageCredential { prefix: "s3://b".to_string(), config: own };
    assert_eq!(store_config("s3://b/t", config, &[credential]).get("s3.session-token"), None);
}

#[tokio::test]
async fn keys_of_the_catalog_do_not_mix_with_those_of_a_table() {
    let config = json!({"overrides": keys("CATALOG", None)}).to_string();
    let table = || {
        let mut table = keys("TABLE", None);
        table.as_object_mut().unwrap().remove("s3.session-token");
        (table, Value::Null)
    };
    let server = vending(&config, table, none).await;
    let table = attach(&server, &[]).await.unwrap().load_table(&ident()).await.unwrap();
    assert_eq!(signer(&server, &table).await, "TABLE");
}

#[tokio::test]
async fn the_users_keys_win_over_the_servers() {
    let server = vending(SILENT, || (keys("CONFIG", None), Value::Null), none).await;
    let own = [("s3.access-key-id", "MINE"), ("s3.secret-access-key", "x")];
    let table = attach(&server, &own).await.unwrap().load_table(&ident()).await.unwrap();
    assert_eq!(signer(&server, &table).await, "MINE");
}

#[tokio::test]
async fn without_keys_nothing_is_asked_and_the_error_says_what_to_do() {
    let server = vending(SILENT, || (json!({"s3.path-style-access": "true"}), Value::Null), none).await;
    let table = attach(&server, &[]).await.unwrap().load_table(&ident()).await.unwrap();
    let error = table.store.read("s3://b/t/data/x").await.unwrap_err();
    let shown = chain(&error);
    assert!(
        shown.contains("there are no keys for `s3://b/t`: the REST catalog vends none and none are given"),
        "{shown}"
    );
    assert!(server.asked().iter().all(|asked| !asked.target.starts_with("/b/")));
}

#[tokio::test]
async fn keys_are_renewed_before_they_end_where_the_server_renews_keys() {
    // They end within the two minutes that are kept ahead.
    let renewed =
        || answer(&json!({"storage-credentials": [{"prefix": "s3://b/t/", "config": keys("NEW", Some(3_600_000))}]}));
    let server = vending(LISTED, || (keys("OLD", Some(60_000)), Value::Null), renewed).await;
    let table = attach(&server, &[]).await.unwrap().load_table(&ident()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(signer(&server, &table).await, "NEW session-of-NEW");
    }
    assert_eq!(server.asked().iter().filter(|asked| path(asked) == CREDENTIALS).count(), 1);
}

#[tokio::test]
async fn otherwise_the_table_is_loaded_again() {
    let mut loads = 0;
    let table = move || {
        loads += 1;
        (if loads == 1 { keys("OLD", Some(-1000)) } else { keys("NEW", Some(3_600_000)) }, Value::Null)
    };
    let server = vending(SILENT, table, none).await;
    let table = attach(&server, &[]).await.unwrap().load_table(&ident()).await.unwrap();
    assert_eq!(signer(&server, &table).await, "NEW session-of-NEW");
    assert_eq!(calls(&server).iter().filter(|call| call.ends_with("/tables/t")).count(), 2);
}

#[tokio::test]
async fn keys_that_still_serve_outlive_a_failed_renewal() {
    let server = vending(LISTED, || (keys("OLD", Some(60_000)), Value::Null), || Reply::status(500)).await;
    let table = attach(&server, &[]).await.unwrap().load_table(&ident()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(signer(&server, &table).await, "OLD session-of-OLD");
    }
    // And the server is not asked at every request.
    assert_eq!(server.asked().iter().filter(|asked| path(asked) == CREDENTIALS).count(), 1);
}

#[tokio::test]
async fn keys_that_ended_and_cannot_be_renewed_are_an_error() {
    for renewed in [|| Reply::status(403), || answer(&json!({"storage-credentials": []}))] {
        let server = vending(LISTED, || (keys("OLD", Some(-1000)), Value::Null), renewed).await;
        let table = attach(&server, &[]).await.unwrap().load_table(&ident()).await.unwrap();
        let error = table.store.read("s3://b/t/data/x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
        assert!(!chain(&error).contains("secret-of-OLD"));
    }
}

#[tokio::test]
async fn keys_that_the_store_calls_ended_are_renewed_whatever_was_said_of_their_end() {
    for lives_ms in [None, Some(3_600_000)] {
        let renewed =
            move || answer(&json!({"storage-credentials": [{"prefix": "s3://b/t/", "config": keys("NEW", lives_ms)}]}));
        let server = serving(LISTED, move |asked| match path(asked) {
            "/v1/namespaces/n/tables/t" => {
                let mut config = keys("OLD", lives_ms);
                config["s3.endpoint"] = json!(format!("http://{}", asked.header("host").unwrap()));
                answer(&loaded(config, Value::Null))
            }
            CREDENTIALS => renewed(),
            _ if asked.header("authorization").unwrap().contains("Credential=OLD/") => {
                Reply::error(400, "ExpiredToken", "The provided token has expired.", "")
            }
            _ => Reply::with(200, &[("etag", "\"e\"")], b"x"),
        })
        .await;
        let table = attach(&server, &[]).await.unwrap().load_table(&ident()).await.unwrap();
        for _ in 0..2 {
            assert_eq!(signer(&server, &table).await, "NEW session-of-NEW");
        }
        let of_objects = server.asked().iter().filter(|asked| path(asked).starts_with("/b/t/")).count();
        assert_eq!(of_objects, 3, "one request with the old keys");
    }
}

#[tokio::test]
async fn keys_may_be_null() {
    let credentials = || {
        let mut config = keys("TABLE", None);
        config["s3.session-token"] = Value::Null;
        json!([{"prefix": "s3://b/t", "config": config}, {"prefix": "s3://c", "config": null}])
    };
    let server = vending(SILENT, move || (json!({"s3.path-style-access": null}), credentials()), none).await;
    let table = attach(&server, &[]).await.unwrap().load_table(&ident()).await.unwrap();
    assert_eq!(signer(&server, &table).await, "TABLE");
}

/// Opens a table of a catalog, where the user and the server name these endpoints.
async fn opens(catalog_is_in_the_clear: bool, own: Option<&str>, vended: &str) -> Result<crate::storage::Store> {
    let (_server, rest) = attached(|_| none()).await;
    let mut client = std::sync::Arc::into_inner(rest.client).unwrap();
    if !catalog_is_in_the_clear {
        client.uri = "https://catalog".to_string();
    }
    let settings = crate::storage::S3Settings { endpoint: own.map(str::to_string), ..Default::default() };
    let stores = crate::catalog::rest::stores::Stores::new(rest.stores.root, settings, None);
    let config = HashMap::from([("s3.endpoint".to_string(), vended.to_string())]);
    stores.table(&client.into(), &ident(), "s3://b/t", &config)
}

#[tokio::test]
async fn data_travels_in_the_clear_only_if_the_user_says_so() {
    let error = opens(false, None, "http://store").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.advice().unwrap().contains("s3.endpoint"), "{error:?}");
    assert!(opens(false, None, "HTTP://store").await.is_err());
    assert!(opens(false, None, "https://store").await.is_ok());
    assert!(opens(false, Some("http://mine"), "http://store").await.is_ok());
    assert!(opens(false, Some("https://mine"), "http://store").await.is_ok());
    assert!(opens(true, None, "http://store").await.is_ok());
}

#[tokio::test]
async fn a_commit_keeps_the_keys_and_takes_newer_ones() {
    for (given, expected) in [
        (json!({}), "OLD session-of-OLD"),
        (keys("NEW", Some(7_200_000)), "NEW session-of-NEW"),
        (keys("OLDER", Some(1_000_000)), "OLD session-of-OLD"),
    ] {
        let server = serving(SILENT, move |asked| match (asked.method.as_str(), path(asked)) {
            ("GET", "/v1/namespaces/n/tables/t") => {
                let mut config = keys("OLD", Some(3_600_000));
                config["s3.endpoint"] = json!(format!("http://{}", asked.header("host").unwrap()));
                answer(&loaded(config, Value::Null))
            }
            ("POST", _) => answer(&loaded(given.clone(), Value::Null)),
            _ => Reply::with(200, &[("etag", "\"e\"")], b"x"),
        })
        .await;
        let rest = attach(&server, &[]).await.unwrap();
        let table = rest.load_table(&ident()).await.unwrap();
        let requirements = vec![iceberg::TableRequirement::UuidMatch { uuid: table.metadata.uuid() }];
        let request = CommitRequest { requirements, ..CommitRequest::default() };
        assert!(matches!(rest.commit(&ident(), request).await, CommitOutcome::Landed));
        assert_eq!(signer(&server, &table).await, expected);
    }
}

#[tokio::test]
async fn a_table_that_is_loaded_again_keeps_its_store_and_gets_new_keys() {
    let mut loads = 0;
    let table = move || {
        loads += 1;
        (keys(&format!("K{loads}"), Some(3_600_000 + loads)), Value::Null)
    };
    let server = vending(SILENT, table, none).await;
    let rest = attach(&server, &[]).await.unwrap();
    let first = rest.load_table(&ident()).await.unwrap();
    let second = rest.load_table(&ident()).await.unwrap();
    assert_eq!(signer(&server, &second).await, "K2 session-of-K2");
    assert_eq!(signer(&server, &first).await, "K2 session-of-K2");
    // One meter for the catalog, whatever its tables.
    assert!(rest.store().meter().get_requests >= 2);
}
