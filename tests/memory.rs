//! What the process takes, against what it may: the kernel's own figure, over tables many times larger than the limit.

pub(crate) mod partitions;

use std::path::Path;

use libtest_mimic::{Failed, Trial};

use crate::support::process::Binary;

const MIB: u64 = 1 << 20;
/// What two streams need, and not much more.
const LIMIT_MIB: u64 = 480;
/// How far the process may be above it.
const ABOVE_PERCENT: u64 = 10;

/// Most of a row is a text of 512 bytes that is unlike all others.
const ROWS: u64 = 6_000_000;
const ROW_BYTES: u64 = 2 * 8 + 512;
const _: () = assert!(ROWS * ROW_BYTES > 6 * LIMIT_MIB * MIB, "the table does not have to be larger than the limit");

const INSERT: &str =
    "CREATE TABLE lake.n.target LIKE lake.n.source; INSERT INTO lake.n.target SELECT * FROM lake.n.source";
/// What is written is read again, and both times its rows are hashed.
const MIGRATE: &str = "MIGRATE TABLE lake.n.source TO lake.n.target";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("memory::insert_stays_below_the_limit", || stays_below_the_limit(INSERT)),
        Trial::test("memory::migration_stays_below_the_limit", || stays_below_the_limit(MIGRATE)),
        Trial::test("memory::limit_that_is_too_small", limit_that_is_too_small),
    ]
}

fn attach(folder: &Path) -> String {
    format!("ATTACH '{}' AS lake (TYPE local)", folder.display())
}

/// The source is an Iceberg table: reading, routing, encoding and writing are all there, in two streams.
fn stays_below_the_limit(copy: &str) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let columns =
        "value AS id, value * 2654435761 % 4294967291 AS number, repeat(md5(CAST(value AS STRING)), 16) AS text";
    let create =
        format!("CREATE SCHEMA lake.n; CREATE TABLE lake.n.source AS SELECT {columns} FROM generate_series(1, {ROWS})");
    Binary::new()?.sql(&attach(folder.path())).sql(&create).stdout()?;
    stays_below(folder.path(), copy)?;
    let rows = Binary::new()?.sql(&attach(folder.path())).sql("SELECT count(*) AS n FROM lake.n.target").stdout()?;
    if rows != format!("n\n{ROWS}\n") {
        return Err(format!("found {rows}").into());
    }
    Ok(())
}

/// Runs the statements in two streams, with what the process has had at most looked at.
fn stays_below(folder: &Path, sql: &str) -> Result<(), Failed> {
    let binary = Binary::new()?.flag("--memory-limit", &format!("{LIMIT_MIB}MiB")).flag("--threads", "2");
    let (ran, peak_bytes) = binary.sql(&attach(folder)).sql(sql).start()?.wait_watched()?;
    ran.stdout()?;
    if peak_bytes > LIMIT_MIB * MIB * (100 + ABOVE_PERCENT) / 100 {
        return Err(format!("the process had {} MiB, the limit is {LIMIT_MIB} MiB", peak_bytes / MIB).into());
    }
    Ok(())
}

/// Nothing has run by then, and what would do is named.
fn limit_that_is_too_small() -> Result<(), Failed> {
    let ran = Binary::new()?.flag("--memory-limit", "329MiB").sql("SELECT 1 AS a").run()?;
    let said = "error: the memory limit is 329 MiB, the smallest is 330 MiB\nhint: give it 330 MiB or more\n";
    if (ran.code, ran.stdout.as_str(), ran.stderr.as_str()) != (2, "", said) {
        return Err(format!("found {ran:?}").into());
    }
    let ran = Binary::new()?.flag("--memory-limit", "330MiB").flag("--threads", "2").sql("SELECT 1 AS a").run()?;
    if ran.stdout()? != "a\n1\n" {
        return Err("the smallest limit does not do".into());
    }
    Ok(())
}
