//! A table that PyIceberg wrote is set back, written to and expired by us, and read by PyIceberg and DuckDB afterwards.

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::ask;
use crate::clouds::world::equal;
use crate::support;

pub(super) fn trials() -> Vec<Trial> {
    vec![Trial::test("interop::maintenance::expire_and_roll_back", expire_and_roll_back)]
}

fn expire_and_roll_back() -> Result<(), Failed> {
    let scratch = tempfile::tempdir()?;
    let ids = ask(json!({"do": "write_with_a_past", "folder": scratch.path()}))?;
    let ids: Vec<i64> = ids.as_array().into_iter().flatten().filter_map(Value::as_i64).collect();
    let [first, second, ..] = ids.as_slice() else { return Err(format!("snapshots {ids:?}").into()) };
    let table = "'default.past'";
    let (moved, counts, last) = support::block_on(async {
        let engine = support::engine(&[("r2", scratch.path())]).await?;
        let rollback = format!("CALL r2.system.rollback_to_snapshot({table}, {second})");
        let moved = support::rows(&engine, &rollback).await?;
        support::run(&engine, "INSERT INTO r2.default.past VALUES (10, 'ten')").await?;
        let expire = format!("CALL r2.system.expire_snapshots({table}, TIMESTAMP '2100-01-01')");
        let counts = support::rows(&engine, &expire).await?;
        let ancestors = support::rows(&engine, &format!("CALL r2.system.ancestors_of({table})")).await?;
        Ok::<_, Failed>((moved, counts, ancestors))
    })?;
    equal("where main was and is", moved, vec![vec![ids[3].to_string(), second.to_string()]])?;
    // A data file, a delete file; a manifest of each; the lists of the second, third and fourth snapshot; statistics.
    let expected = ["1", "1", "0", "2", "3", "1"].map(str::to_owned).to_vec();
    equal("what has gone", counts, vec![expected])?;
    let current: i64 = last[0][0].parse()?;
    let seen = ask(json!({"do": "past_as_others_see_it", "folder": scratch.path()}))?;
    equal("rows of main", &seen["main"], &json!([[1, 2, 3, 4, 5, 6, 10], [1, 2, 3, 4, 5, 6, 10]]))?;
    equal("rows of the tag", &seen["tags"], &json!({"v1": [[1, 2, 3], [1, 2, 3]]}))?;
    let mut snapshots = vec![*first, current];
    snapshots.sort_unstable();
    equal("snapshots", &seen["snapshots"], &json!(snapshots))?;
    equal("files that nothing names, and that are gone", (&seen["left"], &seen["gone"]), (&json!([]), &json!([])))
}
