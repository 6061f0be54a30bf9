//! Many partitions: each has a file that collects its first part, and all of them together are more than the limit.

use libtest_mimic::{Failed, Trial};

use super::{attach, stays_below};
use crate::support::process::Binary;

const PARTITIONS: u64 = 40;
/// About 10 MiB for each partition, less than a part.
const ROWS: u64 = 3_000_000;

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("memory::partitions_stay_below_the_limit", partitions_stay_below_the_limit)]
}

/// Files are closed early, and the rows are all there.
fn partitions_stay_below_the_limit() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let text = [1, 3, 5, 7].map(|times| format!("md5(CAST(value * {times} AS STRING))")).join(" || ");
    let create = format!(
        "CREATE SCHEMA lake.n; CREATE TABLE lake.n.t PARTITIONED BY (part) AS \
         SELECT value AS id, {text} AS text, value % {PARTITIONS} AS part FROM generate_series(1, {ROWS})"
    );
    stays_below(folder.path(), &create)?;
    let count = "SELECT count(DISTINCT id) AS ids, count(DISTINCT part) AS parts FROM lake.n.t";
    let found = Binary::new()?.sql(&attach(folder.path())).sql(count).stdout()?;
    if found != format!("ids,parts\n{ROWS},{PARTITIONS}\n") {
        return Err(format!("found {found}").into());
    }
    Ok(())
}
