//! Runs every script of sql/ as a user would, over two years of a table whose answers can be counted by hand.
//!
//! Ten drives, one row each a day from 2023-01-01 to 2024-12-31; every thousandth row is a failure.

use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::support::{self, root};

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

/// Runs the binary on `arguments` with both catalogs below `folder`: its exit code, and CSV of what it prints.
fn ended(folder: &Path, arguments: &[&str]) -> Result<(Option<i32>, String, String), Failed> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_icelift"));
    command.current_dir(root()).args(["--format", "csv", "--quiet", "-f", ATTACH]).args(arguments);
    command.env("GLUE_WAREHOUSE", folder.join("glue")).env("R2_WAREHOUSE", folder.join("r2"));
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((output.status.code(), String::from_utf8(output.stdout)?, said))
}

/// What it prints if all goes well.
fn run(folder: &Path, arguments: &[&str]) -> Result<String, Failed> {
    match ended(folder, arguments)? {
        (Some(0), printed, _) => Ok(printed),
        (code, _, said) => Err(format!("{arguments:?} ended with {code:?}: {said}").into()),
    }
}

fn expect(found: &str, expected: &str) -> Result<(), Failed> {
    if found == expected { Ok(()) } else { Err(format!("expected:\n{expected}\nfound:\n{found}").into()) }
}

/// Batch, state and rows of an answer to MIGRATE.
fn states(answer: &str) -> String {
    support::first_cells(answer, 3).join("\n")
}

/// Batch and verdict of an answer to VERIFY, without repetitions.
fn verdicts(answer: &str) -> String {
    let ends = |line: &str| Some(format!("{} {}", line.split(',').next()?, line.rsplit(',').next()?));
    let mut found: Vec<_> = answer.lines().skip(1).filter_map(ends).collect();
    found.dedup();
    found.join("\n")
}

fn migration() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    run(folder, &["-c", SAMPLE])?;
    let preview = run(folder, &["-f", "sql/02_preview.sql"])?;
    expect(&preview, "year,row_count,failures,drives\n2023,3650,3,10\n2024,3660,4,10\n")?;

    let year = ["-f", "sql/03_migrate_year.sql", "-v", "year=2023"];
    expect(&states(&run(folder, &year)?), "year=2023,copied,3650")?;
    expect(&states(&run(folder, &year)?), "year=2023,done,3650")?;
    let (code, half, said) = ended(folder, &["-f", "sql/04_verify.sql"])?;
    expect(&verdicts(&half), "year=2023 same\nyear=2024 different")?;
    expect(&format!("{code:?}"), "Some(4)").map_err(|_| format!("ended with {code:?}, expected 4: {said}"))?;

    expect(&states(&run(folder, &["-f", "sql/03_migrate.sql"])?), "year=2023,done,3650\nyear=2024,copied,3660")?;
    expect(&states(&run(folder, &["-f", "sql/03_migrate.sql"])?), "year=2023,done,3650\nyear=2024,done,3660")?;
    let whole = run(folder, &["-f", "sql/04_verify.sql"])?;
    let header = "year,source_rows,target_rows,source_failures,target_failures,capacity_difference,verdict\n";
    let (verified, sums) = whole.split_once(header).ok_or_else(|| format!("no sums: {whole}"))?;
    expect(&verdicts(verified), "year=2023 same\nyear=2024 same")?;
    expect(sums, "2023,3650,3650,3,3,0,same\n2024,3660,3660,4,4,0,same\n")?;

    // Each partition is one file already; the two batches have a manifest each.
    let optimise = ["-f", "sql/05_optimise.sql"];
    let nothing = "rewritten_data_files_count,added_data_files_count,rewritten_bytes_count,failed_data_files_count,\
                   removed_delete_files_count\n0,0,0,0,0\nrewritten_manifests_count,added_manifests_count\n";
    expect(&run(folder, &optimise)?, &format!("{nothing}2,1\n"))?;
    expect(&run(folder, &optimise)?, &format!("{nothing}0,0\n"))?;
    let again = run(folder, &["-f", "sql/04_verify.sql"])?;
    let (verified, sums) = again.split_once(header).ok_or_else(|| format!("no sums: {again}"))?;
    expect(&verdicts(verified), "year=2023 same\nyear=2024 same")?;
    expect(sums, "2023,3650,3650,3,3,0,same\n2024,3660,3660,4,4,0,same\n")?;
    expect(&states(&run(folder, &["-f", "sql/03_migrate.sql"])?), "year=2023,done,3650\nyear=2024,done,3660")?;

    let query = run(folder, &["-v", "min_drives=4", "-f", "sql/queries/drive_reliability_2024_q2.sql"])?;
    let expected = "model,drives,drive_days,failures,annualised_failure_rate_pct,grade\n\
                    A,5,455,0,0.0,A\nB,5,455,1,80.22,E\n";
    expect(&query, expected)
}
