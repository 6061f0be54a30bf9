//! Manifests that were merged: PyIceberg and DuckDB find in them what was there before, at every snapshot, and so does who
//! cleans up.

use std::path::Path;

use libtest_mimic::{Failed, Trial};
use serde_json::json;

use super::bench::{BATCHES, Bench, Left, With};
use super::twice::asleep;
use crate::clouds::world::equal;

/// Two manifests are merged as soon as there is a third one.
const EAGER: &str = "TBLPROPERTIES ('commit.manifest.min-count-to-merge' = '3')";

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("migrate::merged::as_others_read_them", as_others_read_them),
        Trial::test("migrate::merged::deletes_apply_to_them", deletes_apply_to_them),
        Trial::test("migrate::merged::behind_a_crash", behind_a_crash),
        Trial::test("migrate::merged::behind_a_lost_race", behind_a_lost_race),
        Trial::test("migrate::merged::not_unless_wanted", not_unless_wanted),
    ]
}

fn eager() -> Result<Bench, Failed> {
    let mut bench = Bench::new()?;
    bench.target.properties = EAGER.to_owned();
    Ok(bench)
}

/// All that the readers say of the table is right.
fn is_right(bench: &Bench) -> Result<serde_json::Value, Failed> {
    let seen = bench.ask_target("merged_manifests", json!({}))?;
    equal("entries with numbers of others", &seen["wrong_entries"], &json!([]))?;
    equal("snapshots that do not have their rows", &seen["wrong_snapshots"], &json!([]))?;
    Ok(seen)
}

fn as_others_read_them() -> Result<(), Failed> {
    let bench = eager()?;
    bench.finish(With::default())?;
    bench.holds(Left::Nothing)?;
    let seen = is_right(&bench)?;
    // Four batches make four manifests: the third commit finds two and leaves one, the fourth finds two again.
    equal("manifests that were merged", &seen["merges"], &json!([2, 2]))?;
    equal("manifests", &seen["manifests"], &json!(2))?;
    equal("files that are new", &seen["statuses"]["ADDED"], &json!(1))?;
    bench.is_finished()
}

/// A delete file applies by sequence numbers, and stays in a manifest of its own.
fn deletes_apply_to_them() -> Result<(), Failed> {
    let bench = eager()?;
    bench.finish(With::default())?;
    let sums = || bench.ask_target("sums", json!({"column": "id"}));
    bench.ask_target("delete_positions", json!({"year": 2022, "positions": [0, 1]}))?;
    let before = sums()?;
    equal("readers", &before["duckdb"], &before["pyiceberg"])?;
    // Each merges what the ones before have left.
    for id in [1_000, 2_000, 3_000] {
        bench.sql(&format!("INSERT INTO r2.default.t (id, year, quarter) VALUES ({id}, 2021, 'Q1')"))?;
    }
    let (after, seen) = (sums()?, is_right(&bench)?);
    let merges = seen["merges"].as_array().map_or(0, Vec::len);
    equal("commits that merged", merges, 5)?;
    equal("readers", &after["duckdb"], &after["pyiceberg"])?;
    let number = |sums: &serde_json::Value, at: usize| sums["duckdb"][at].as_i64().unwrap_or_default();
    equal("rows", [number(&after, 0), number(&after, 1)], [number(&before, 0) + 3, number(&before, 1) + 6_000])?;
    let own = bench.sql("SELECT count(*) AS n, sum(id) AS ids FROM r2.default.t")?;
    equal("what icelift reads", own, format!("n,ids\n{},{}\n", number(&after, 0), number(&after, 1)))
}

/// Killed behind a commit that merged, and once the next one is built: what is merged and not used goes, what an older
/// snapshot names stays.
fn behind_a_crash() -> Result<(), Failed> {
    for point in ["commit.after:kill:3", "commit.before:kill:4"] {
        let bench = eager()?;
        bench.run(With { points: point, ..With::default() })?.ended(-1)?;
        bench.finish(With::default())?;
        bench.holds(Left::Nothing)?;
        is_right(&bench)?;
        let stray = stray(&bench.target_folder().join("default/t/metadata"))?;
        equal("what is removed", bench.orphans(false)?.into_iter().collect::<Vec<_>>(), vec![stray])?;
        is_right(&bench)?;
    }
    Ok(())
}

/// Others commit, and merge, when a commit is built: it is built again on theirs, and what it had merged before is removed.
fn behind_a_lost_race() -> Result<(), Failed> {
    let bench = eager()?;
    let going = asleep(&bench, "commit.before:freeze:3")?;
    bench.sql("INSERT INTO r2.default.t (id, year, quarter) VALUES (1000, 2021, 'Q1')")?;
    going.wakes()?.done()?;
    let audit = bench.compared("id < 1000", None)?;
    equal("differences", audit["difference"].as_str(), Some(""))?;
    bench.files(Left::Nothing)?;
    let seen = is_right(&bench)?;
    // The third commit of all is that of others; it leaves two, and so does each after it.
    equal("manifests that were merged", &seen["merges"], &json!([2, 2, 2]))?;
    equal("manifests", &seen["manifests"], &json!(2))
}

/// A merged manifest that no list names.
fn stray(metadata: &Path) -> Result<String, Failed> {
    let is_merged = |name: &str| name.contains("-merged0.avro");
    let names = std::fs::read_dir(metadata)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let names: Vec<String> = names.collect::<std::io::Result<_>>()?;
    let merged = names.iter().find(|name| is_merged(name)).ok_or("nothing was merged")?;
    let stray = metadata.join(merged.replace("-merged0", "-merged7"));
    std::fs::copy(metadata.join(merged), &stray)?;
    Ok(stray.display().to_string())
}

fn not_unless_wanted() -> Result<(), Failed> {
    let mut bench = Bench::new()?;
    bench.target.properties =
        "TBLPROPERTIES ('commit.manifest.min-count-to-merge' = '2', 'commit.manifest-merge.enabled' = 'false')"
            .to_owned();
    bench.finish(With::default())?;
    let seen = is_right(&bench)?;
    equal("manifests", &seen["manifests"], &json!(BATCHES.len()))?;
    equal("manifests that were merged", &seen["merges"], &json!([]))
}
