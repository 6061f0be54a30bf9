//! Fingerprints that another engine computes.
//!
//! `tests/fingerprints` has the rows, and for each engine the query that the library makes for their table, below the
//! fingerprint that the library computes; a test of the library holds it to both.

use libtest_mimic::{Failed, Trial};
use serde_json::json;

use super::{ask, with_target};
use crate::support;

pub(super) fn trials() -> Vec<Trial> {
    vec![Trial::test("interop::fingerprints::by_duckdb", by_duckdb)]
}

/// DuckDB reads the rows that we wrote and gets the number that we get.
fn by_duckdb() -> Result<(), Failed> {
    let target = tempfile::tempdir()?;
    support::block_on(async {
        let engine = with_target(target.path()).await?;
        for piece in icelift::script::split(include_str!("../fingerprints/rows.sql"))? {
            support::run(&engine, &piece.sql).await?;
        }
        Ok(())
    })?;
    let query = include_str!("../fingerprints/duckdb.sql");
    let found = ask(json!({"do": "fingerprint_by_duckdb", "target": target.path(), "query": query}))?;
    let expected = query.lines().next().and_then(|line| line.strip_prefix("-- "));
    if found.as_str() == expected { Ok(()) } else { Err(format!("found {found}, expected {expected:?}").into()) }
}
