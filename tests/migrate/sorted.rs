//! The sort order that the source declares: a target that is created declares it, too, as far as it has the columns; its files
//! are written as rows come, and say so.

use icelift::{Attach, Engine};
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::bench::local;
use crate::clouds::glue;
use crate::clouds::world::{HASTY, World, equal};
use crate::interop::ask;
use crate::support;
use crate::support::servers::{aws_keys, weed};

/// Tables, what is selected for them, and whether that has the column by which the source is sorted. The columns of the
/// second one have other ids than a server would give them.
const TABLES: [(&str, &str, bool); 3] =
    [("whole", "*", true), ("part", "id, year", true), ("without", "first, year", false)];

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("migrate::sorted::into_local", into_local),
        Trial::test("migrate::sorted::into_r2", into_r2),
        Trial::test("migrate::sorted::into_glue", into_glue),
    ]
}

fn into_local() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    declared(local("there", folder.path()), "default", |table| json!({"folder": folder.path(), "table": table}))
}

fn into_r2() -> Result<(), Failed> {
    let namespace = "migrate_sorted";
    let world = World::new(namespace)?;
    let attach = Attach { name: "there".to_owned(), ..world.attach(&HASTY) };
    declared(attach, namespace, |table| json!({"catalog": world.catalog(), "table": format!("{namespace}.{table}")}))?;
    equal("violations", world.proxy.violations(), vec![])
}

fn into_glue() -> Result<(), Failed> {
    let (database, keys) = ("migrate_sorted", aws_keys());
    let attach = Attach { name: "there".to_owned(), ..glue::attach()? };
    let opened = json!({
        "glue.endpoint": crate::support::servers::glue()?.endpoint, "s3.endpoint": weed()?.s3_endpoint,
        "client.region": "us-east-1", "client.access-key-id": keys.access_key, "client.secret-access-key": keys.secret_key,
    });
    declared(attach, database, |table| json!({"glue": opened, "table": format!("{database}.{table}")}))
}

/// Migrates into a catalog `there`, and looks at the tables with PyIceberg.
fn declared(there: Attach, namespace: &str, opened: impl Fn(&str) -> Value) -> Result<(), Failed> {
    let here = tempfile::tempdir()?;
    support::block_on(async {
        let built = Engine::builder().parallelism(2).attach(local("here", here.path())).attach(there).build().await;
        let engine = built.map_err(|error| support::told(&error))?;
        for sql in [
            "CREATE SCHEMA here.default",
            "CREATE TABLE here.default.t (first INT, id BIGINT, year INT) PARTITIONED BY (year)",
            "INSERT INTO here.default.t SELECT 1, value, CAST(2019 + value % 2 AS INT) FROM generate_series(1, 9)",
            &format!("CREATE SCHEMA there.{namespace}"),
        ] {
            support::run(&engine, sql).await?;
        }
        ask(json!({"do": "sort_by", "folder": here.path(), "table": "t", "column": "id"}))?;
        for (table, select, has_column) in TABLES {
            let migrate = format!("MIGRATE TABLE here.default.t TO there.{namespace}.{table} SELECT {select}");
            support::run(&engine, &migrate).await?;
            let found = ask(json!({"do": "sort_orders", "target": opened(table)}))?;
            let order = json!(["id", "identity", "DESC", "NULLS_LAST"]);
            let expected = if has_column { json!([order]) } else { json!([]) };
            equal(table, found, json!({"declared": expected, "files": [0]}))?;
        }
        Ok(())
    })
}
