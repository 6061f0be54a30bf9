//! A full disk and a user who presses Ctrl-C: the statement commits nothing and takes its files with it.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};

use super::bench::Bench;

/// More than any of the limits below, and does not compress.
const LARGE: &str =
    "INSERT INTO r2.default.wide SELECT value, random(), random(), random() FROM generate_series(1, 1000000)";

/// Takes hours.
const ENDLESS: &str =
    "INSERT INTO r2.default.wide SELECT value, random(), random(), random() FROM generate_series(1, 100000000000)";

const ENDLESS_TABLE: &str = "CREATE TABLE r2.default.half TBLPROPERTIES ('write.target-file-size-bytes' = '4194304', \
     'write.parquet.row-group-size-bytes' = '1048576') AS SELECT value, random() AS a, random() AS b FROM generate_series(1, 100000000000)";

const TABLE: &str = "CREATE TABLE r2.default.wide (id BIGINT, a DOUBLE, b DOUBLE, c DOUBLE) \
     TBLPROPERTIES ('write.target-file-size-bytes' = '4194304', 'write.parquet.row-group-size-bytes' = '1048576')";

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("bad_input::full_disk", full_disk),
        Trial::test("bad_input::interrupt", || stopped_by(ENDLESS, "INT", 130)),
        Trial::test("bad_input::terminate", || stopped_by(ENDLESS, "TERM", 143)),
        Trial::test("bad_input::interrupt_ctas", interrupt_ctas),
    ]
}

/// A limit on the size of a file stands for the disk: writing beyond it fails as on a full one. The signal that comes with
/// it is ignored, as it would not come from a disk.
fn full_disk() -> Result<(), Failed> {
    let bench = Bench::new()?;
    bench.succeeds(TABLE)?;
    let before = bench.files()?;
    let mut command = Command::new("sh");
    bench.prepare(&mut command);
    command.args(["-c", "trap '' XFSZ; ulimit -f 512; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_icelift")]);
    let output = command.args(bench.attach()).args(["-c", LARGE]).output()?;
    Bench::check_failure(&output, &["r2.default.wide"])?;
    bench.same_files(&before)?;
    empty(&bench)
}

/// The table comes with its rows or not at all.
fn interrupt_ctas() -> Result<(), Failed> {
    stopped_by(ENDLESS_TABLE, "INT", 130)
}

fn stopped_by(statement: &str, signal: &str, code: i32) -> Result<(), Failed> {
    let bench = Bench::new()?;
    bench.succeeds(TABLE)?;
    let (before, listed) = (bench.files()?, tables(&bench)?);
    let mut child = bench.command().args(["-c", statement]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    wait_for(&mut child, "a data file", |_| Ok(bench.files()?.len() > before.len()))?;
    Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status()?;
    wait_for(&mut child, "the end", |child| Ok(child.try_wait()?.is_some()))?;
    let output = child.wait_with_output()?;
    if output.status.code() != Some(code) {
        let told = String::from_utf8_lossy(&output.stderr);
        return Err(format!("ended with {}, expected exit code {code}; stderr:\n{told}", output.status).into());
    }
    bench.same_files(&before)?;
    let left = tables(&bench)?;
    if left != listed {
        return Err(format!("there were the tables {listed}, now there are {left}").into());
    }
    empty(&bench)
}

fn tables(bench: &Bench) -> Result<String, Failed> {
    bench.succeeds(
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_catalog = 'r2' ORDER BY 1, 2",
    )
}

/// Waits at most a minute; then the child is ended, so that nothing runs on.
fn wait_for(child: &mut Child, what: &str, done: impl Fn(&mut Child) -> Result<bool, Failed>) -> Result<(), Failed> {
    let start = Instant::now();
    while !done(child)? {
        if start.elapsed() > Duration::from_secs(60) {
            child.kill()?;
            return Err(format!("waited a minute for {what}").into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn empty(bench: &Bench) -> Result<(), Failed> {
    let rows = bench.succeeds("SELECT count(*) = 0 AS is_empty FROM r2.default.wide")?;
    if rows.contains("true") { Ok(()) } else { Err(format!("the table holds rows: {rows}").into()) }
}
