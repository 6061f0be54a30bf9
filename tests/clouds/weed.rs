//! Another vendor's REST catalog: OAuth2, and keys of a session that are good for one table only.

use icelift::{Attach, Engine};
use libtest_mimic::{Failed, Trial};
use serde_json::json;

use super::world::equal;
use crate::interop::ask;
use crate::support;
use crate::support::servers::{Weed, admin_keys, weed};

pub(super) fn trials() -> Vec<Trial> {
    vec![Trial::test("clouds::rest::oauth2_and_vended_sessions", oauth2_and_vended_sessions)]
}

async fn engine(options: &[(&str, &str)]) -> Result<Engine, Failed> {
    let (weed, keys) = (weed()?, admin_keys());
    let credential = format!("{}:{}", keys.access_key, keys.secret_key);
    let own = [("type", "rest"), ("uri", weed.catalog_uri.as_str()), ("credential", &credential)];
    let options = own.iter().chain(options).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let attach = Attach {
        name: "weed".to_owned(),
        warehouse: Some(Weed::WAREHOUSE.to_owned()),
        options: options.collect(),
        if_not_exists: false,
    };
    Engine::builder().attach(attach).build().await.map_err(|error| support::told(&error).into())
}

fn oauth2_and_vended_sessions() -> Result<(), Failed> {
    let table = "weed.clouds_weed.t";
    support::block_on(async {
        let engine = engine(&[]).await?;
        support::run(&engine, "CREATE SCHEMA weed.clouds_weed").await?;
        let columns = "(id BIGINT, part INT, name STRING) PARTITIONED BY (part)";
        support::run(&engine, &format!("CREATE TABLE {table} {columns}")).await?;
        for start in [0, 1000] {
            let rows = format!("generate_series({start}, {})", start + 999);
            let select = format!("SELECT value, CAST(value % 3 AS INT), 'row' || value FROM {rows}");
            support::run(&engine, &format!("INSERT INTO {table} {select}")).await?;
        }
        let query = format!("SELECT part, count(*), sum(id) FROM {table} GROUP BY part ORDER BY part");
        let expected = [["0", "667", "666333"], ["1", "667", "667000"], ["2", "666", "665667"]];
        equal(
            "rows by part",
            support::rows(&engine, &query).await?,
            expected.map(|row| row.map(String::from).to_vec()).to_vec(),
        )
    })?;
    let catalog = weed()?.catalog();
    let found = ask(json!({"do": "pyiceberg_count", "catalog": catalog, "table": "clouds_weed.t"}))?;
    equal("what PyIceberg reads", found, json!([2000, ["id", "part", "name"]]))
}
