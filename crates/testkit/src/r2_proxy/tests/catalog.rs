//! The rules of R2 Data Catalog.

use serde_json::json;

use super::super::{LostRace, Side};
use super::{Bench, PREFIX};
use crate::r2_proxy::Class;

const TABLE: &str = "namespaces/n/tables/t";

fn upstream(path: &str) -> String {
    format!("/v1/{PREFIX}/{path}")
}

/// A table as the catalog behind answers it, with its own keys.
fn loaded() -> String {
    let keys = json!({"s3.access-key-id": "key-of-the-upstream", "s3.secret-access-key": "secret-of-the-upstream"});
    json!({
        "metadata-location": "s3://lake/t/metadata/1.json",
        "metadata": {"location": "s3://lake/t"},
        "config": keys,
        "storage-credentials": [{"prefix": "s3://lake/t", "config": keys}],
    })
    .to_string()
}

#[tokio::test]
async fn who_may_ask_and_for_which_warehouse() {
    let bench = Bench::new(|_| {}).await;
    bench.stub.says("/v1/config", 200, r#"{"overrides": {"prefix": "p"}}"#);
    let refused = bench.catalog_at("GET", "/v1/config?warehouse=account_lake", "other", "").await.unwrap();
    assert_eq!((refused.code, refused.text().as_str()), (401, "Unauthorized"));
    let missing = bench.catalog("GET", "config", "").await;
    assert_eq!((missing.code, missing.text().as_str()), (403, "Forbidden"));
    let other = bench.catalog("GET", "config?warehouse=other", "").await;
    assert_eq!(other.error(), (404, "NoSuchWarehouseException".to_owned()));
    assert_eq!(bench.stub.targets(), [""; 0]);

    let config = bench.catalog("GET", "config?warehouse=account_lake", "").await;
    assert_eq!((config.code, config.json()), (200, json!({"overrides": {"prefix": "p"}})));
    let asked = &bench.stub.asked()[0];
    assert_eq!(asked.target, "/v1/config?warehouse=account_lake");
    assert_eq!(asked.headers["authorization"], "Bearer token-of-the-upstream");
    assert_eq!(bench.proxy.violations(), ["getConfig /account/lake/v1/config: Forbidden"]);
}

#[tokio::test]
async fn other_prefixes_and_operations_are_not_there() {
    let bench = Bench::new(|_| {}).await;
    for path in ["/v1/other/namespaces", "/v1/oauth/tokens", &format!("/v1/{PREFIX}/{TABLE}/plan")] {
        let got = bench.catalog_at("POST", path, bench.proxy.token(), "").await.unwrap();
        assert_eq!(got.error(), (404, "NotFoundException".to_owned()), "{path}");
    }
    assert_eq!(bench.stub.targets(), [""; 0]);
}

#[tokio::test]
async fn keys_of_the_upstream_never_get_out() {
    let bench = Bench::new(|_| {}).await;
    bench.stub.says(&upstream(TABLE), 200, &loaded());
    let (keys, endpoint) = (bench.proxy.s3_keys(), bench.proxy.s3_endpoint().to_owned());
    for path in [TABLE.to_owned(), format!("{TABLE}/credentials")] {
        let got = bench.catalog("GET", &path, "").await;
        let credentials = &got.json()["storage-credentials"];
        assert_eq!(credentials[0]["prefix"], "s3://lake/t");
        assert_eq!(credentials[0]["config"]["s3.endpoint"], endpoint);
        assert_eq!(credentials[0]["config"]["s3.access-key-id"], keys.access_key);
        assert_eq!(credentials[0]["config"]["s3.secret-access-key"], keys.secret_key);
        assert!(credentials[0]["config"]["s3.session-token"].is_null());
        assert!(!got.text().contains("upstream"), "{}", got.text());
    }
    let committed = bench.catalog("POST", TABLE, "{}").await.json();
    assert_eq!(committed["metadata-location"], "s3://lake/t/metadata/1.json");
    assert!(committed["config"].is_null() && committed["storage-credentials"].is_null());
}

#[tokio::test]
async fn a_lost_race_is_told_in_two_ways() {
    let error = |message| json!({"error": {"message": message, "type": "CommitFailedException", "code": 409}});
    let moved = error("Requirement failed: branch main has changed: expected id 1 != 2").to_string();
    let bench = Bench::new(|_| {}).await;
    bench.stub.says(&upstream(TABLE), 409, &moved);
    assert_eq!(bench.catalog("POST", TABLE, "{}").await.error(), (400, "ConcurrentUpdateError".to_owned()));
    bench.stub.says(&upstream(TABLE), 409, &error("Requirement failed: UUID does not match").to_string());
    assert_eq!(bench.catalog("POST", TABLE, "{}").await.error(), (409, "CommitFailedException".to_owned()));

    let bench = Bench::new(|settings| settings.lost_race = LostRace::CommitFailed).await;
    bench.stub.says(&upstream(TABLE), 409, &moved);
    assert_eq!(bench.catalog("POST", TABLE, "{}").await.error(), (409, "CommitFailedException".to_owned()));
}

#[tokio::test]
async fn what_the_body_may_not_say() {
    let bench = Bench::new(|_| {}).await;
    let set = |name: &str| json!({"updates": [{"action": "set-properties", "updates": {name: "x"}}]});
    let moved = json!({"updates": [{"action": "set-location", "location": "s3://lake/__r2_data_catalog/x"}]});
    let staged = json!({
        "requirements": [{"type": "assert-create"}],
        "updates": [{"action": "set-location", "location": "s3://lake/__r2_data_catalog/x"}],
    });
    let cases = [
        ("namespaces", json!({"namespace": ["system"]}), "400 BadRequestException"),
        ("namespaces", json!({"namespace": ["a.b"]}), "400 BadRequestException"),
        ("namespaces", json!({"namespace": ["a"], "properties": {"Owner": "x"}}), "400 BadRequestException"),
        ("namespaces", json!({"namespace": ["a"], "properties": {"owner": "X"}}), "204 "),
        ("namespaces/n/tables", json!({"name": "t", "location": "s3://lake/t"}), "400 BadRequestException"),
        ("namespaces/n/tables", json!({"properties": {"format-version": "4"}}), "400 InvalidFormatVersion"),
        ("namespaces/n/tables", json!({"properties": {"write.data.path": "x"}}), "409 FailedToSetProperties"),
        ("namespaces/n/tables?force=true", json!({}), "400 BadRequestException"),
        ("namespaces/n/register", json!({"metadata-location": "s3://else/1.json"}), "400 BadRequestException"),
        (TABLE, set("write.metadata.path"), "409 FailedToSetProperties"),
        (TABLE, set("write.metadata.metrics.default"), "409 FailedToSetProperties"),
        (TABLE, set("write.metadata.compression-codec"), "204 "),
        (TABLE, set("write.parquet.compression-codec"), "204 "),
        (TABLE, moved, "400 BadRequestException"),
        (TABLE, staged, "204 "),
        (TABLE, json!({"updates": [{"action": "add-encryption-key"}]}), "501 NotImplementedException"),
        ("transactions/commit", json!({"table-changes": [set("write.data.path")]}), "409 FailedToSetProperties"),
    ];
    for (path, body, expected) in cases {
        let got = bench.catalog("POST", path, &body.to_string()).await;
        let error = if got.body.is_empty() { String::new() } else { got.error().1 };
        assert_eq!(format!("{} {error}", got.code), expected, "{path} {body}");
    }
    assert_eq!(bench.proxy.violations().len(), 13);
    assert_eq!(bench.stub.targets().len(), 4);
}

#[tokio::test]
async fn lists_come_in_pages_and_missing_namespaces_are_forbidden() {
    let bench = Bench::new(|_| {}).await;
    let path = "namespaces/n/tables";
    bench.catalog("GET", path, "").await;
    bench.catalog("GET", &format!("{path}?pageToken=x&pageSize=5000"), "").await;
    let pages = ["?pageToken=&pageSize=100", "?pageToken=x&pageSize=1000"];
    assert_eq!(bench.stub.targets(), pages.map(|page| format!("GET {}{page}", upstream(path))));
    bench.stub.says(&upstream(path), 404, "{}");
    let missing = bench.catalog("GET", path, "").await;
    assert_eq!((missing.code, missing.text().as_str()), (403, "Forbidden"));
}

#[tokio::test]
async fn who_is_too_fast_waits() {
    let bench = Bench::new(|settings| settings.limits.creates = 1).await;
    let create = json!({"name": "t"}).to_string();
    assert_eq!(bench.catalog("POST", "namespaces/n/tables", &create).await.code, 204);
    let refused = bench.catalog("POST", "namespaces/n/tables", &create).await;
    assert_eq!(refused.error(), (429, "TooManyRequestsException".to_owned()));
    assert_eq!(refused.headers["retry-after"], "60");
    assert_eq!(bench.catalog("POST", TABLE, "{}").await.code, 204);
    assert_eq!(bench.proxy.violations(), [""; 0]);
}

#[tokio::test]
async fn what_is_dropped_on_the_way() {
    let bench = Bench::new(|_| {}).await;
    assert_eq!(bench.catalog("POST", &format!("{TABLE}/metrics"), "{}").await.code, 204);
    assert_eq!(bench.catalog("DELETE", &format!("{TABLE}?purgeRequested=true"), "").await.code, 204);
    assert_eq!(bench.stub.targets(), [format!("DELETE {}?purgeRequested=false", upstream(TABLE))]);
    assert!(!bench.stub.asked()[0].headers.contains_key("idempotency-key"));
}

#[tokio::test]
async fn answers_are_packed_for_who_can_unpack_them() {
    let bench = Bench::new(|_| {}).await;
    let long = json!({"metadata": {"location": "x".repeat(70_000)}}).to_string();
    bench.stub.says(&upstream(TABLE), 200, &long);
    // The client unpacks and says nothing; what was sent is a little more than what arrived.
    let got = bench.catalog("GET", TABLE, "").await;
    assert_eq!(got.json()["metadata"]["location"].as_str().unwrap().len(), 70_000);
    let [recorded] = &bench.proxy.requests()[..] else { panic!("one request") };
    assert_eq!(recorded.bytes_out, got.body.len() as u64 + 10 + 3 * 5 + 8);
}

#[tokio::test]
async fn requests_are_written_down_without_secrets() {
    let bench = Bench::new(|_| {}).await;
    bench.catalog("POST", TABLE, "{}").await;
    let [recorded] = &bench.proxy.requests()[..] else { panic!("one request") };
    assert_eq!((recorded.side, recorded.operation, recorded.class), (Side::Catalog, "updateTable", Class::Catalog));
    assert_eq!((recorded.method.as_str(), recorded.status, recorded.bytes_in), ("POST", Some(204), 2));
    assert!(recorded.headers.iter().any(|(name, _)| name == "idempotency-key"));
    assert!(!format!("{recorded:?}").contains(bench.proxy.token()));
    assert_eq!(bench.proxy.counts().catalog, 1);
}
