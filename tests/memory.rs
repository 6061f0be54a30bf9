//! What the process takes, against what it may: the kernel's own figure, over tables many times larger than the limit.

use std::path::Path;

use libtest_mimic::{Failed, Trial};

use crate::support::process::Binary;

const MIB: u64 = 1 << 20;
/// A little more than two streams need at least.
const LIMIT_MIB: u64 = 192;
/// How far the process may be above it.
const ABOVE_PERCENT: u64 = 10;

/// In memory a row is twenty numbers, none of them like the one before.
const ROWS: u64 = 8_000_000;
const COLUMNS: u64 = 20;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("memory::insert_stays_below_the_limit", insert_stays_below_the_limit),
        Trial::test("memory::limit_that_is_too_small", limit_that_is_too_small),
    ]
}

fn attach(folder: &Path) -> String {
    format!("ATTACH '{}' AS lake (TYPE local)", folder.display())
}

/// The source is an Iceberg table: reading, routing, encoding and writing are all there, in two streams.
fn insert_stays_below_the_limit() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let columns =
        (0..COLUMNS).map(|column| format!("value * {} % 4294967291 AS c{column}", 2_654_435_761 + 2 * column));
    let rows = columns.collect::<Vec<_>>().join(", ");
    let create =
        format!("CREATE SCHEMA lake.n; CREATE TABLE lake.n.source AS SELECT {rows} FROM generate_series(1, {ROWS})");
    Binary::new()?.sql(&attach(folder.path())).sql(&create).stdout()?;
    let copy = "CREATE TABLE lake.n.target LIKE lake.n.source";
    let insert = "INSERT INTO lake.n.target SELECT * FROM lake.n.source";
    let binary = Binary::new()?.flag("--memory-limit", &format!("{LIMIT_MIB}MiB")).flag("--threads", "2");
    let (ran, peak_bytes) = binary.sql(&attach(folder.path())).sql(copy).sql(insert).start()?.wait_watched()?;
    let printed = ran.stdout()?;
    if printed != format!("count\n{ROWS}\n") {
        return Err(format!("found {printed}").into());
    }
    let (limit_bytes, table_bytes) = (LIMIT_MIB * MIB, ROWS * COLUMNS * 8);
    let times = table_bytes / limit_bytes;
    if times < 5 {
        return Err(format!("the table is only {times} times as large as the limit").into());
    }
    if peak_bytes > limit_bytes * (100 + ABOVE_PERCENT) / 100 {
        return Err(format!("the process had {} MiB, the limit is {LIMIT_MIB} MiB", peak_bytes / MIB).into());
    }
    Ok(())
}

/// Nothing has run by then, and what would do is named.
fn limit_that_is_too_small() -> Result<(), Failed> {
    let ran = Binary::new()?.flag("--memory-limit", "64MiB").flag("--threads", "2").sql("SELECT 1 AS a").run()?;
    let said = "error: the memory limit is 64 MiB, and 2 streams need at least 165 MiB\n\
                hint: give it 165 MiB or more, or fewer threads\n";
    if (ran.code, ran.stdout.as_str(), ran.stderr.as_str()) != (2, "", said) {
        return Err(format!("found {ran:?}").into());
    }
    Binary::new()?.flag("--memory-limit", "165MiB").flag("--threads", "2").sql("SELECT 1 AS a").stdout().map(|_| ())
}
