//! `MIGRATE` in the real binary, stopped at every step, run twice at once, and disturbed by others: each batch arrives once.
//!
//! Whatever happens, the same statement is run again until it says that it is done. Then DuckDB reads source and target and
//! compares the rows, PyIceberg counts the snapshots of each batch, and every file in the target's folder must be known.

mod bench;
mod changes;
mod cloud;
mod copied;
mod crashes;
mod growth;
mod lost;
mod many;
mod merged;
mod rollback;
mod schedules;
mod sorted;
mod twice;

use std::collections::BTreeSet;

use icelift::FAILPOINTS;
use libtest_mimic::{Failed, Trial};
use serde_json::json;

pub(crate) use self::bench::clean_up;
use self::bench::{Bench, Left, With};
use crate::clouds::world::equal;
use crate::support::files_below;

pub(crate) fn trials() -> Vec<Trial> {
    // The longest of all come first.
    let mut trials = many::trials();
    trials.extend(growth::trials());
    trials.extend(schedules::trials());
    trials.extend(lost::trials());
    trials.extend(cloud::trials());
    trials.extend(copied::trials());
    trials.extend(twice::trials());
    trials.extend(changes::trials());
    trials.extend(merged::trials());
    trials.extend(rollback::trials());
    trials.extend(crashes::trials());
    trials.extend(sorted::trials());
    trials.push(Trial::test("migrate::every_failpoint_has_a_trial", every_failpoint_has_a_trial));
    trials.push(Trial::test("migrate::the_look_is_not_blind", the_look_is_not_blind));
    trials
}

/// Each trial that names a failpoint fails unless the binary comes past it.
fn every_failpoint_has_a_trial() -> Result<(), Failed> {
    let groups = [&crashes::FRESH[..], &crashes::RESUMED, &lost::LOST, &many::MANY, &rollback::ROLLBACK];
    let tried: Vec<_> = groups.concat();
    let names = |names: &[&'static str]| names.iter().copied().collect::<BTreeSet<_>>();
    equal("failpoints", (names(&tried), tried.len()), (names(&FAILPOINTS), FAILPOINTS.len()))
}

/// What the other trials look for, they find: a row too many, another value, a row that is gone, a file too many, and one that
/// is gone.
fn the_look_is_not_blind() -> Result<(), Failed> {
    let finished = || {
        let bench = Bench::new()?;
        bench.finish(With::default())?;
        Ok::<_, Failed>(bench)
    };
    let doubled = "INSERT INTO r2.default.t SELECT * FROM r2.default.t WHERE id = 17";
    let changed = "INSERT INTO r2.default.t BY NAME SELECT * EXCEPT (price), CAST(price + 1 AS DECIMAL(9, 2)) AS price FROM r2.default.t WHERE id = 17";
    let seen = |bench: &Bench, what: &str| match bench.holds(Left::Named) {
        Ok(_) => Err(Failed::from(format!("{what} is not seen"))),
        Err(failed) => Ok(failed.message().unwrap_or_default().to_owned()),
    };
    let bench = finished()?;
    bench.sql(doubled)?;
    let told = seen(&bench, "a row that comes twice")?;
    equal("whether it is named", (told.contains("1 too many"), &told), (true, &told))?;
    bench.ask_target("delete_rows", json!({"condition": "id = 17"}))?;
    let told = seen(&bench, "a row that is gone")?;
    equal("whether it is named", (told.contains("1 missing"), &told), (true, &told))?;
    let bench = finished()?;
    bench.sql(changed)?;
    bench.ask_target("delete_rows", json!({"condition": "id = 17 AND price = 17.00"}))?;
    let told = seen(&bench, "another value")?;
    equal("whether it is named", (told.contains("1 missing, 1 too many"), &told), (true, &told))?;
    let bench = finished()?;
    let stray = bench.target_folder().join("default/t/data/stray.parquet");
    std::fs::write(&stray, "")?;
    seen(&bench, "a file of somebody else")?;
    std::fs::remove_file(&stray)?;
    bench.holds(Left::Nothing)?;
    let is_data = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "parquet");
    let data = files_below(&bench.target_folder())?.into_iter().find(is_data).ok_or("no data file")?;
    std::fs::remove_file(data)?;
    seen(&bench, "a file that is gone").map(drop)
}
