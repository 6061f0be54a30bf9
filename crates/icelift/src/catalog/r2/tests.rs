//! The rules of the product, without a server.

use std::collections::{BTreeMap, HashMap};

use iceberg::{NamespaceIdent, TableIdent};
use secrecy::SecretString;

use super::*;
use crate::catalog::rest::call::Operation;
use crate::catalog::rest::rules::Rules;
use crate::error::Error;

const URI: &str = "https://catalog.cloudflarestorage.com/acct/bucket";

async fn settings_of(warehouse: Option<&str>, given: &[(&str, &str)]) -> Result<Settings, Error> {
    let options: BTreeMap<_, _> = given.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let mut options = Options::new("r2", options);
    let settings = settings(warehouse.map(str::to_string), &mut options).await?;
    options.finish()?;
    Ok(settings)
}

async fn refusal(warehouse: Option<&str>, given: &[(&str, &str)]) -> String {
    match settings_of(warehouse, given).await {
        Ok(_) => "taken".to_string(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn the_least_that_is_needed() {
    let settings = settings_of(Some("acct_bucket"), &[("uri", URI), ("token", "t")]).await.unwrap();
    assert_eq!(settings.warehouse.as_deref(), Some("acct_bucket"));
    assert_eq!(settings.defaults["s3.endpoint"], "https://acct.r2.cloudflarestorage.com");
    assert_eq!((settings.s3.region.as_deref(), settings.s3.path_style), (Some("auto"), true));
    assert_eq!(settings.page_size, Some(1000));
    assert!(settings.keys.is_none() && settings.s3.endpoint.is_none());
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_said() {
    let product = "R2 Data Catalog (Basin Catalog)";
    for (warehouse, given, expected) in [
        (None, vec![("uri", URI), ("token", "t")], format!("an {product} needs its warehouse")),
        (Some("w"), vec![("token", "t")], "the option `uri` is missing".to_string()),
        (Some("w"), vec![("uri", URI)], "the option `token` is missing".to_string()),
        (
            Some("w"),
            vec![("uri", URI), ("token", "t"), ("credential", "a:b")],
            format!("the {product} has no OAuth2 clients, so `credential` cannot be used"),
        ),
        (
            Some("w"),
            vec![("uri", "http://catalog.cloudflarestorage.com/a/b"), ("token", "t")],
            format!("the option `uri` must begin with `https://`: the {product} has nothing else"),
        ),
        (
            Some("w"),
            vec![("uri", URI), ("token", "t"), ("s3.endpoint", "http://a.r2.cloudflarestorage.com")],
            format!("the option `s3.endpoint` must begin with `https://`: the {product} has nothing else"),
        ),
        (
            Some("w"),
            vec![
                ("uri", URI),
                ("token", "t"),
                ("r2.token-id", "i"),
                ("s3.access-key-id", "a"),
                ("s3.secret-access-key", "b"),
            ],
            "`r2.token-id` and `s3.access-key-id` exclude each other".to_string(),
        ),
    ] {
        assert_eq!(refusal(warehouse, &given).await, format!("catalog of `r2`: {expected}"));
    }
}

#[tokio::test]
async fn loopback_may_be_plain_and_oauth2_server_uri_is_inert() {
    let given = [("uri", "http://127.0.0.1:1/x"), ("token", "t"), ("oauth2-server-uri", "https://x/v1/oauth/tokens")];
    let settings = settings_of(Some("w"), &given).await.unwrap();
    assert!(settings.defaults.is_empty());
}

#[tokio::test]
async fn keys_follow_from_the_token() {
    // `printf hunter2 | sha256sum`
    let keys = keys_of_token("id", &SecretString::from("hunter2")).get_credential().await.unwrap();
    assert_eq!(keys.key_id, "id");
    assert_eq!(keys.secret_key, "f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7");
    assert_eq!(keys.token, None);
}

#[test]
fn properties_that_would_hurt_are_left_out() {
    let rules = R2Rules::default();
    for key in [
        "write.data.path",
        "write.data.path.extra",
        "write.metadata.path",
        "write.metadata.metrics.default",
        "write.object-storage.path",
        "write.folder-storage.path",
        "gc.enabled",
        "vacuum_max_snapshot_age_seconds",
        "encryption.key-id",
        "cloudflare-data-catalog.deletion.grace-period-seconds",
    ] {
        assert!(!rules.takes_property(key), "{key}");
    }
    for key in [
        "write.metadata.compression-codec",
        "write.metadata.delete-after-commit.enabled",
        "write.metadata.previous-versions-max",
        "write.parquet.compression-codec",
        "write.target-file-size-bytes",
        "icelift.register",
        "comment",
    ] {
        assert!(rules.takes_property(key), "{key}");
    }
}

#[test]
fn namespaces_that_the_product_refuses() {
    let rules = R2Rules::default();
    let check = |levels: &[&str], key: &str| {
        let namespace = NamespaceIdent::from_strs(levels.iter().copied()).unwrap();
        let properties = HashMap::from([(key.to_string(), String::new())]);
        rules.check_new_namespace(&namespace, &properties).map_err(|error| error.to_string())
    };
    assert_eq!(check(&["a", "b", "c", "d", "e"], "k"), Ok(()));
    assert!(check(&["a", "b", "c", "d", "e", "f"], "k").unwrap_err().contains("6 levels"));
    assert!(check(&["System", "x"], "k").unwrap_err().contains("reserved"));
    assert_eq!(check(&["a", "system"], "k"), Ok(()));
    assert!(check(&["a.b"], "k").unwrap_err().contains("found `a.b`"));
    assert!(check(&["a"], "Owner").unwrap_err().contains("found `Owner`"));
}

#[test]
fn the_catalog_chooses_locations() {
    let table = TableIdent::from_strs(["n", "t"]).unwrap();
    let error = R2Rules::default().check_new_table(&table, Some("s3://b/x")).unwrap_err();
    assert_eq!(error.advice(), Some("leave LOCATION out of CREATE TABLE"));
    assert!(R2Rules::default().check_new_table(&table, None).is_ok());
}

#[test]
fn a_403_may_mean_a_missing_namespace() {
    let hint = R2Rules::default().hint(Operation::ListTables, 403).unwrap();
    assert!(hint.contains("may not exist"));
}
