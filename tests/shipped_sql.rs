//! Runs every script of sql/ as a user would, over two years of a table whose answers can be counted by hand.
//!
//! Ten drives, one row each a day from 2023-01-01 to 2024-12-31; every thousandth row is a failure.

use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::support::root;

const ATTACH: &str = "sql/01_attach.sql";
const SAMPLE: &str = "CREATE SCHEMA glue.default;
    CREATE TABLE glue.default.drive_stats PARTITIONED BY (year) AS
    SELECT date, 'S' || (value % 10) AS serial_number, CASE WHEN value % 10 < 5 THEN 'A' ELSE 'B' END AS model,
        value * 1000 AS capacity_bytes, CASE WHEN value % 1000 = 999 THEN 1 ELSE 0 END AS failure,
        CAST(date_part('year', date) AS INT) AS year
    FROM (SELECT value, arrow_cast(CAST(19358 + value / 10 AS INT), 'Date32') AS date FROM generate_series(0, 7309))";

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("shipped_sql::the_migration_of_the_article", migration)]
}

/// Runs the binary on `arguments` with both catalogs below `folder`; CSV of what it prints.
fn run(folder: &Path, arguments: &[&str]) -> Result<String, Failed> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_icelift"));
    command.current_dir(root()).args(["--format", "csv", "--quiet", "-f", ATTACH]).args(arguments);
    command.env("GLUE_WAREHOUSE", folder.join("glue")).env("R2_WAREHOUSE", folder.join("r2"));
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn expect(found: &str, expected: &str) -> Result<(), Failed> {
    if found == expected { Ok(()) } else { Err(format!("expected:\n{expected}\nfound:\n{found}").into()) }
}

fn migration() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    run(folder, &["-c", SAMPLE])?;
    let preview = run(folder, &["-f", "sql/02_preview.sql"])?;
    expect(&preview, "year,row_count,failures,drives\n2023,3650,3,10\n2024,3660,4,10\n")?;
    run(folder, &["-f", "sql/03_create.sql", "-v", "year=2023", "-f", "sql/04_migrate_year.sql"])?;
    let header = "year,source_rows,target_rows,source_failures,target_failures,capacity_difference,verdict\n";
    let half = run(folder, &["-f", "sql/05_verify.sql"])?;
    expect(&half, &format!("{header}2023,3650,3650,3,3,0,same\n2024,3660,,4,,,missing in target\n"))?;
    // Creating again changes nothing.
    run(folder, &["-f", "sql/03_create.sql", "-v", "year=2024", "-f", "sql/04_migrate_year.sql"])?;
    let whole = run(folder, &["-f", "sql/05_verify.sql"])?;
    expect(&whole, &format!("{header}2023,3650,3650,3,3,0,same\n2024,3660,3660,4,4,0,same\n"))?;
    let query = run(folder, &["-v", "min_drives=4", "-f", "sql/queries/drive_reliability_2024_q2.sql"])?;
    let expected = "model,drives,drive_days,failures,annualised_failure_rate_pct,grade\n\
                    A,5,455,0,0.0,A\nB,5,455,1,80.22,E\n";
    expect(&query, expected)
}
