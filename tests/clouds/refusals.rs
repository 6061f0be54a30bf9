//! What needs no question: how many requests a statement costs that cannot succeed.

use icelift::ErrorKind;
use libtest_mimic::{Failed, Trial};

use super::world::{SEED_ROWS, World, equal, failure};
use crate::support;

/// What R2 never takes, and what is said of it. `{}` is a namespace that is there.
const NEVER: [(&str, &str); 5] = [
    ("CREATE SCHEMA r2.system", "`system` is reserved"),
    ("CREATE TABLE r2.system.t (id BIGINT)", "catalog of `r2.system.t`: `system` is reserved"),
    ("CREATE TABLE r2.{}.t (id BIGINT) LOCATION 's3://r2-lake/here'", "chooses the location"),
    ("CREATE TABLE IF NOT EXISTS r2.{}.t (id BIGINT) LOCATION 's3://r2-lake/here'", "chooses the location"),
    ("CREATE OR REPLACE TABLE r2.information_schema.t AS SELECT 1 AS id", "`information_schema` is reserved"),
];

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("clouds::refused::before_any_request", before_any_request),
        Trial::test("clouds::refused::existing_table_is_not_loaded", existing_table_is_not_loaded),
    ]
}

fn before_any_request() -> Result<(), Failed> {
    let world = World::new("clouds_refused_unasked")?;
    support::block_on(async {
        let engine = world.engine(&[]).await?;
        support::run(&engine, &format!("CREATE SCHEMA r2.{}", world.namespace)).await?;
        let before = world.proxy.requests().len();
        for (sql, words) in NEVER {
            let (kind, message) = failure(&engine, &sql.replace("{}", &world.namespace)).await?;
            let found = (kind, message.contains(words), message.contains("(hint: "), &message);
            equal(sql, found, (ErrorKind::Sql, true, true, &message))?;
        }
        equal("requests", world.proxy.requests().len() - before, 0)
    })
}

/// Staging tells that the name is taken; a load would tell no more.
fn existing_table_is_not_loaded() -> Result<(), Failed> {
    let world = World::new("clouds_refused_existing")?;
    support::block_on(async {
        let engine = world.seeded(&[]).await?;
        let before = (world.proxy.requests().len(), world.count("loadTable"));
        for source in ["(id BIGINT)", "AS SELECT 1 AS id"] {
            let (kind, message) = failure(&engine, &format!("CREATE TABLE {} {source}", world.table())).await?;
            let words = format!("the table `{}` exists already", world.table());
            let found = (kind, message.contains(&words), message.contains("IF NOT EXISTS"), &message);
            equal("what is said", found, (ErrorKind::AlreadyExists, true, true, &message))?;
        }
        let after = (world.proxy.requests().len(), world.count("loadTable"));
        equal("requests, loads", (after.0 - before.0, after.1 - before.1), (2, 0))?;
        // IF NOT EXISTS has to look.
        support::run(&engine, &format!("CREATE TABLE IF NOT EXISTS {} (other INT)", world.table())).await?;
        equal("loads", world.count("loadTable") - before.1, 1)
    })?;
    world.holds(SEED_ROWS, 1)
}
