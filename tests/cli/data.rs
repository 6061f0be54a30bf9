//! What stays on disk: local catalogs, the demo, and the shipped scripts.

use super::process::{Folder, Ran};

pub fn a_table_outlives_the_process() {
    let folder = Folder::new();
    let attach = "ATTACH '${ICELIFT_TEST_FOLDER}/w' AS w (TYPE local)";
    let create = "CREATE SCHEMA w.s; CREATE TABLE w.s.t PARTITIONED BY (b) AS SELECT 1 AS a, 'x' AS b";
    let insert = "INSERT INTO w.s.t SELECT 2 AS a, 'y' AS b";
    let ran = folder.run(&["--format", "csv", "-c", attach, "-c", create, "-c", insert]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "count\n1\n", ""));
    let ran = folder.run(&["--format", "csv", "-c", attach, "-c", "SELECT a, b FROM w.s.t ORDER BY a"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "a,b\n1,x\n2,y\n", ""));
    let ran = folder.run(&["-c", attach, "-c", "INSERT INTO w.s.t SELECT 'three' AS a, 'z' AS b"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{}", ran.stderr);
    assert!(ran.stderr.starts_with("-c:1: error: "), "{}", ran.stderr);
}

pub fn the_demo_runs_in_a_temporary_folder() {
    let folder = Folder::new();
    let ran = demo(&folder, &["demo", "--drives", "4"]);
    for statement in
        ["ATTACH", "PARTITIONED BY (year, quarter)", "year=2024: committed, 6 of 6", "rows/s", "removed now"]
    {
        assert!(ran.stderr.contains(statement), "{statement}: {}", ran.stderr);
    }
    assert_eq!(left(&folder), Vec::<String>::new());
}

pub fn the_demo_runs_twice_in_one_folder() {
    let folder = Folder::new();
    let args = ["demo", "--drives", "4", "--keep", "kept"];
    let first = demo(&folder, &args);
    let second = demo(&folder, &args);
    assert_eq!(without_migration(&first.stdout), without_migration(&second.stdout));
    assert!(second.stderr.contains("Found an earlier demo"), "{}", second.stderr);
    assert!(second.stderr.contains("all 6 batches are there from an earlier run, nothing to do"), "{}", second.stderr);
    shipped_scripts_find_what_the_demo_left(&folder);

    let ran = demo(&folder, &["demo", "--drives", "3", "--keep", "kept"]);
    assert!(ran.stderr.contains("replacing it"), "{}", ran.stderr);
    assert_ne!(without_migration(&ran.stdout), without_migration(&first.stdout));
    assert_eq!(without_migration(&demo(&folder, &args).stdout), without_migration(&first.stdout));
}

/// What is printed but for the answer to MIGRATE: that one has times in it.
fn without_migration(stdout: &str) -> String {
    let is_rule = |line: &&str| line.starts_with("+-");
    let lines: Vec<_> = stdout.lines().collect();
    let header = lines.iter().position(|line| line.contains("rows_per_second")).unwrap();
    let rules: Vec<_> = lines[header..].iter().enumerate().filter(|(_, line)| is_rule(line)).collect();
    let end = header + rules[1].0;
    assert_eq!(end - header, 1 + 6 + 1, "a rule and six batches: {stdout}");
    [&lines[..header - 1], &lines[end + 1..]].concat().join("\n")
}

fn shipped_scripts_find_what_the_demo_left(folder: &Folder) {
    let sql = |name: &str| format!("{}/sql/{name}", env!("CARGO_MANIFEST_DIR"));
    let scripts = ["01_attach.sql", "02_preview.sql", "03_migrate.sql", "04_verify.sql"].map(sql);
    let mut args = vec!["--format", "csv", "-v", "min_drives=0"];
    args.extend(scripts.iter().flat_map(|script| ["-f", script]));
    let query = sql("queries/drive_reliability_2024_q2.sql");
    args.extend(["-f", &query]);
    let ran = folder.run(&args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.starts_with("r2.default.drive_stats_r2: nothing to do\n"), "{}", ran.stderr);
    assert_eq!(ran.stdout.matches(",done,").count(), 6, "{}", ran.stdout);
    let sums = ran.stdout.find("capacity_difference").unwrap();
    assert_eq!(ran.stdout[sums..].matches(",same\n").count(), 6, "{}", ran.stdout);
    let last = ran.stdout.find("annualised_failure_rate_pct,grade\n");
    assert!(last.is_some_and(|at| ran.stdout[at..].lines().count() > 1), "{}", ran.stdout);

    // A year that somebody else adds once more: VERIFY says so, after the rows that show it.
    let (attach, verify) = (&scripts[0], &scripts[3]);
    let twice = "INSERT INTO r2.default.drive_stats_r2 SELECT *, quarter(date) AS quarter \
                 FROM glue.default.drive_stats WHERE year = 2020";
    let ran = folder.run(&["--format", "csv", "-f", attach, "-c", twice, "-f", verify]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stdout.contains("\nyear=2020,") && ran.stdout.contains(",different\n"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("capacity_difference"), "{}", ran.stdout);
    let ran = folder.run(&["demo", "--drives", "4", "--keep", "kept"]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
}

pub fn the_demo_leaves_other_folders_alone() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path().join("mine/glue")).unwrap();
    std::fs::write(folder.path().join("mine/glue/table"), "precious").unwrap();
    let ran = folder.run(&["demo", "--drives", "4", "--keep", "mine"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
    assert_eq!(std::fs::read(folder.path().join("mine/glue/table")).unwrap(), b"precious");
}

fn demo(folder: &Folder, args: &[&str]) -> Ran {
    let ran = folder.run(args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let sums = ran.stdout.find("capacity_difference").unwrap();
    assert_eq!(ran.stdout[sums..].matches(" same ").count(), 6, "{}", ran.stdout);
    assert!(!ran.stdout.contains(" different "), "{}", ran.stdout);
    ran
}

fn left(folder: &Folder) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
