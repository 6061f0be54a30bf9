//! MIGRATE as a process: killed, failed, stopped, and what is said meanwhile. Three batches of a hundred rows each.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::process::{Folder, Ran};
use crate::support::first_cells;

const ATTACH: &str = "ATTACH '${GLUE_WAREHOUSE}' AS glue (TYPE local); ATTACH '${R2_WAREHOUSE}' AS r2 (TYPE local)";
const SOURCE: &str = "CREATE SCHEMA glue.n; CREATE SCHEMA r2.n; \
    CREATE TABLE glue.n.t PARTITIONED BY (year) AS \
    SELECT value AS id, CAST(2019 + value % 3 AS INT) AS year FROM generate_series(0, 299)";
const MIGRATE: &str = "MIGRATE TABLE glue.n.t TO r2.n.t BATCH BY year";
const COUNT: &str = "SELECT count(*) AS n, count(DISTINCT id) AS ids, sum(id) AS total FROM r2.n.t";

/// A folder with the source.
pub fn bench() -> Folder {
    let folder = Folder::new();
    let ran = folder.run(&["-c", ATTACH, "-c", SOURCE]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    folder
}

/// The arguments of a run of the migration.
pub fn arguments<'a>(options: &[&'a str]) -> Vec<&'a str> {
    [options, &["-c", ATTACH, "-c", MIGRATE]].concat()
}

fn migrate(folder: &Folder, options: &[&str]) -> Ran {
    folder.run(&arguments(options))
}

/// Lets a failpoint act from now on. Returns the file of those that are reached.
pub fn arm(folder: &mut Folder, points: &str) -> PathBuf {
    let hits = folder.path().join("hits");
    folder.set("ICELIFT_FAILPOINTS", points);
    folder.set("ICELIFT_FAILPOINTS_HIT", hits.to_str().unwrap());
    hits
}

pub fn disarm(folder: &mut Folder) {
    folder.set("ICELIFT_FAILPOINTS", "");
}

/// Batch, state and rows of each line of an answer in CSV.
fn states(answer: &str) -> Vec<String> {
    first_cells(answer, 3)
}

fn is_whole(folder: &Folder) {
    let ran = folder.run(&["--format", "csv", "-c", ATTACH, "-c", COUNT]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "n,ids,total\n300,300,44850\n"), "{}", ran.stderr);
}

#[cfg(unix)]
pub fn a_killed_migration_is_completed_by_the_next_run() {
    let mut folder = bench();
    let hits = arm(&mut folder, "commit.before:kill:2");
    let ran = migrate(&folder, &["--format", "csv"]);
    const SIGABRT: i32 = 6;
    assert_eq!(ran.code, -SIGABRT, "{}", ran.stderr);
    // The first batch was committed; the kill may have come before its row was printed.
    let printed = states(&ran.stdout);
    assert!(printed.is_empty() || printed == ["year=2019,copied,100"], "{printed:?}");
    let reached = std::fs::read_to_string(&hits).unwrap();
    assert_eq!(reached.lines().filter(|name| *name == "commit.before").count(), 2, "{reached}");

    disarm(&mut folder);
    let ran = migrate(&folder, &["--format", "csv"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    // The second one was written and listed; the third may have been.
    let states = states(&ran.stdout);
    assert_eq!(states[..2], ["year=2019,done,100", "year=2020,adopted,100"]);
    assert!(["year=2021,copied,100", "year=2021,adopted,100"].contains(&states[2].as_str()), "{states:?}");
    is_whole(&folder);
}

pub fn a_migration_is_followed_in_lines() {
    let folder = bench();
    let ran = migrate(&folder, &["--format", "csv"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let expected = [
        "r2.n.t: 3 of 3 batches to do, 300 rows, ",
        "r2.n.t: year=2019: started, 100 rows, ",
        "r2.n.t: year=2019: verified, 100 rows in 1 file",
        "r2.n.t: year=2019: committed, 1 of 3: 100 rows, ",
        "r2.n.t: year=2020: started, 100 rows, ",
        "r2.n.t: year=2020: verified, 100 rows in 1 file",
        "r2.n.t: year=2020: committed, 2 of 3: 100 rows, ",
        "r2.n.t: year=2021: started, 100 rows, ",
        "r2.n.t: year=2021: verified, 100 rows in 1 file",
        "r2.n.t: year=2021: committed, 3 of 3: 100 rows, ",
        "r2.n.t: finished in ",
    ];
    // A batch begins while the one before it is verified and committed: the order is that of each batch's lines.
    let mut lines: Vec<_> = ran.stderr.lines().collect();
    lines.sort_by_key(|line| expected.iter().position(|start| line.starts_with(&start[..start.len().min(18)])));
    assert_eq!(lines.len(), expected.len(), "{}", ran.stderr);
    assert!(lines.iter().zip(expected).all(|(line, start)| line.starts_with(start)), "{}", ran.stderr);
    assert!(lines[3].contains(" in 1 file, ") && lines[3].ends_with(" rows/s"), "{}", lines[3]);

    let again = migrate(&folder, &["--format", "csv"]);
    assert_eq!(states(&again.stdout), ["year=2019,done,100", "year=2020,done,100", "year=2021,done,100"]);
    let (first, last) = again.stderr.split_once('\n').unwrap();
    assert_eq!(first, "r2.n.t: nothing to do");
    assert!(last.starts_with("r2.n.t: finished in ") && last.lines().count() == 1, "{last}");
    is_whole(&folder);
}

pub fn a_migration_is_followed_in_json() {
    let folder = bench();
    for quiet in [&["--quiet"][..], &["--progress", "off"]] {
        let ran = bench_run(quiet);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{quiet:?}");
    }
    let ran = migrate(&folder, &["--format", "csv", "--progress", "json", "--quiet"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let events: Vec<serde_json::Value> = ran.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let named = |name: &str| events.iter().filter(|event| event["event"] == name).collect::<Vec<_>>();
    let counts = ["planned", "started", "verified", "committed", "ended"].map(|name| named(name).len());
    assert_eq!(counts, [1, 3, 3, 3, 1], "{}", ran.stderr);
    assert_eq!(events.len(), 11, "{}", ran.stderr);
    // The figures are those of the answer.
    let row: Vec<_> = ran.stdout.lines().nth(1).unwrap().split(',').collect();
    let event = named("committed")[0];
    assert_eq!([&event["batch"], &event["state"], &event["verdict"]], [row[0], row[1], row[8]]);
    let keys = ["rows", "bytes_read", "bytes_written", "files"];
    assert_eq!(keys.map(|key| event[key].to_string()), [row[2], row[3], row[4], row[5]]);
    assert_eq!(named("ended")[0]["finished"], true);
}

fn bench_run(options: &[&str]) -> Ran {
    migrate(&bench(), options)
}

pub fn a_failed_batch_ends_with_3_after_the_rows() {
    for format in ["table", "csv", "tsv", "json"] {
        let mut folder = bench();
        arm(&mut folder, "commit.before:error:2");
        let ran = migrate(&folder, &["--format", format]);
        assert_eq!(ran.code, 3, "{format}: {}", ran.stderr);
        assert!(ran.stdout.contains("year=2019") && ran.stdout.contains("copied"), "{format}: {}", ran.stdout);
        assert!(!ran.stdout.contains("year=2020"), "{format}: {}", ran.stdout);
        assert!(ran.stderr.contains("r2.n.t: year=2020: failed: "), "{format}: {}", ran.stderr);
        assert!(ran.stderr.contains("r2.n.t: stopped after "), "{format}: {}", ran.stderr);
        assert!(ran.stderr.contains("-c:1: error: the batch `year=2020` did not arrive"), "{format}: {}", ran.stderr);
        if format == "json" {
            let rows: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
            assert_eq!(rows.as_array().map(Vec::len), Some(1), "{}", ran.stdout);
        }
    }
}

#[cfg(unix)]
pub fn a_stopped_migration_says_how_to_go_on() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut folder = bench();
        let hits = arm(&mut folder, "commit.before:stall:2");
        let running = folder.start(&arguments(&["--quiet"]));
        wait_for(&hits, "commit.before", 2);
        running.signal(signal);
        let ran = running.wait();
        let said = format!(
            "-c:1: stopped by SIG{signal}\n\
             hint: run the same statement again; at least 1 of 3 batches are in the target\n"
        );
        assert_eq!((ran.code, ran.stderr.as_str()), (code, said.as_str()));
        // The table that was begun is printed as far as it goes.
        assert!(ran.stdout.contains("| year=2019 | copied |"), "{}", ran.stdout);
        disarm(&mut folder);
        assert_eq!(migrate(&folder, &["--quiet"]).code, 0);
        is_whole(&folder);
    }
}

/// Waits, at most a minute, until a failpoint was reached so many times.
pub fn wait_for(hits: &std::path::Path, name: &str, times: usize) {
    let start = Instant::now();
    let reached = || std::fs::read_to_string(hits).unwrap_or_default();
    while reached().lines().filter(|line| *line == name).count() < times {
        assert!(start.elapsed() < Duration::from_secs(60), "{name} was not reached: {}", reached());
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn wrong_failpoints_end_with_2() {
    let mut folder = Folder::new();
    folder.set("ICELIFT_FAILPOINTS", "batch.files_written:explode");
    let ran = folder.run(&["-c", "SELECT 1"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("`batch.files_written:explode` is no failpoint"), "{}", ran.stderr);
    disarm(&mut folder);
    folder.set("ICELIFT_FAILPOINTS_HIT", folder.path().join("no/such/folder").to_str().unwrap().to_owned().as_str());
    let ran = folder.run(&["-c", "SELECT 1"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
}
