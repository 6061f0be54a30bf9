//! Row groups that were copied undecoded are verified as those are that were encoded: what is damaged on its way is not
//! committed.

use libtest_mimic::{Failed, Trial};
use serde_json::json;

use super::bench::{Bench, Left, Outcome, With, Words};
use super::twice::asleep;
use crate::clouds::world::equal;
use crate::support;

const WORDS: Words = Words { clauses: "SELECT *", options: "verify = 'content'", columns: "*" };

/// Small enough for the rows of the source to be copied.
const PROPERTIES: &str = "TBLPROPERTIES ('write.parquet.row-group-size-bytes' = '4096')";

pub(super) fn trials() -> Vec<Trial> {
    ["flipped", "cut"].map(|damage| Trial::test(format!("migrate::copied::{damage}"), move || damaged(damage))).into()
}

fn bench() -> Result<Bench, Failed> {
    let folder = tempfile::tempdir()?;
    support::block_on(async {
        let engine = support::engine(&[("glue", &folder.path().join("glue"))]).await?;
        support::run(&engine, "CREATE SCHEMA glue.default").await?;
        let rows = "SELECT value AS id, 'row ' || value AS name, value / 3.0 AS x FROM generate_series(1, 3000)";
        support::run(&engine, &format!("CREATE TABLE glue.default.t AS {rows}")).await.map(drop)
    })?;
    let mut bench = Bench::by(WORDS, folder)?;
    bench.target.properties = PROPERTIES.to_owned();
    Ok(bench)
}

/// The file is damaged between its upload and its verification: nothing is committed, and the next run brings the rows once.
fn damaged(damage: &str) -> Result<(), Failed> {
    let bench = bench()?;
    let going = asleep(&bench, "batch.before_verify")?;
    let copied = bench.ask_target("damage_copied", json!({"damage": damage}))?;
    equal("row groups that were copied into the file", copied.as_u64(), Some(1))?;
    let failed: Outcome = going.wakes()?;
    equal("whether it succeeded", failed.code == 0, false)?;
    equal("whether anything was committed", failed.passed("commit.before"), false)?;
    equal("rows", bench.sql("SELECT count(*) AS n FROM r2.default.t")?, "n\n0\n".to_owned())?;
    bench.finish(With::default())?;
    let audit = bench.audit()?;
    equal("differences", audit["difference"].as_str(), Some(""))?;
    equal("rows that arrived", audit["rows"].as_u64(), Some(3000))?;
    bench.files(Left::Nothing)
}
