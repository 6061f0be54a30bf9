//! Versions and metadata tables of a table on R2 that another engine has written to.

use libtest_mimic::{Failed, Trial};
use serde_json::json;

use super::world::{World, equal};
use crate::interop::{ask, compare};
use crate::support;

pub(super) fn trials() -> Vec<Trial> {
    vec![Trial::test("clouds::inspected::what_duckdb_wrote", what_duckdb_wrote)]
}

fn what_duckdb_wrote() -> Result<(), Failed> {
    support::block_on(async {
        let world = World::new("inspected")?;
        let engine = world.seeded(&[]).await?;
        let insert = "INSERT INTO r2.inspected.t SELECT range, 'row' || range FROM range(10, 20)".to_string();
        ask(json!({"do": "duckdb_queries", "catalog": world.catalog(), "queries": [insert]}))?;
        compare(&engine, "r2.inspected.t", &world.catalog(), "inspected.t").await?;
        let ids =
            support::rows(&engine, "SELECT snapshot_id FROM r2.inspected.t$snapshots ORDER BY committed_at").await?;
        let [first, second] = ids.as_slice() else { return Err(format!("snapshots {ids:?}").into()) };
        let (first, second) = (&first[0], &second[0]);
        for (from, expected) in [
            (format!("r2.inspected.t FOR VERSION AS OF {first}"), ["10", "0", "9"]),
            (format!("r2.inspected.t FOR VERSION AS OF {second}"), ["20", "0", "19"]),
            (format!("added_rows('r2.inspected.t', {first})"), ["10", "10", "19"]),
        ] {
            let found = support::rows(&engine, &format!("SELECT count(*), min(id), max(id) FROM {from}")).await?;
            equal(&from, found, vec![expected.map(str::to_string).to_vec()])?;
        }
        // What is in the metadata file costs nothing beyond loading the table.
        let before = engine.meter("r2").unwrap_or_default();
        support::rows(
            &engine,
            "SELECT * FROM r2.inspected.t$snapshots s JOIN r2.inspected.t$refs r USING (snapshot_id)",
        )
        .await?;
        let asked = engine.meter("r2").unwrap_or_default().since(&before);
        equal("requests", (asked.catalog_calls, asked.get_requests), (1, 0))?;
        equal("violations", world.proxy.violations(), vec![])
    })
}
