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
    for statement in ["ATTACH", "PARTITIONED BY (year, quarter)", "WHERE year = 2024", "rows/s", "removed now"] {
        assert!(ran.stderr.contains(statement), "{statement}: {}", ran.stderr);
    }
    assert_eq!(left(&folder), Vec::<String>::new());
}

pub fn the_demo_runs_twice_in_one_folder() {
    let folder = Folder::new();
    let args = ["demo", "--drives", "4", "--keep", "kept"];
    let first = demo(&folder, &args);
    let second = demo(&folder, &args);
    assert_eq!(first.stdout, second.stdout);
    assert!(second.stderr.contains("Found an earlier demo"), "{}", second.stderr);
    assert!(second.stderr.contains("nothing to do"), "{}", second.stderr);
    shipped_scripts_find_what_the_demo_left(&folder);

    let ran = demo(&folder, &["demo", "--drives", "3", "--keep", "kept"]);
    assert!(ran.stderr.contains("replacing it"), "{}", ran.stderr);
    assert_ne!(ran.stdout, first.stdout);
    assert_eq!(demo(&folder, &args).stdout, first.stdout);
}

fn shipped_scripts_find_what_the_demo_left(folder: &Folder) {
    let sql = |name: &str| format!("{}/sql/{name}", env!("CARGO_MANIFEST_DIR"));
    let scripts = ["01_attach.sql", "02_preview.sql", "03_create.sql", "05_verify.sql"].map(sql);
    let mut args = vec!["--format", "csv", "-v", "year=2024", "-v", "min_drives=0"];
    args.extend(scripts.iter().flat_map(|script| ["-f", script]));
    let query = sql("queries/drive_reliability_2024_q2.sql");
    args.extend(["-f", &query]);
    let ran = folder.run(&args);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(ran.stdout.matches(",same\n").count(), 6, "{}", ran.stdout);
    let last = ran.stdout.find("annualised_failure_rate_pct,grade\n");
    assert!(last.is_some_and(|at| ran.stdout[at..].lines().count() > 1), "{}", ran.stdout);

    // What 04 says of itself: a year twice is a year doubled, and 05 tells.
    let (attach, migrate, verify) = (&scripts[0], sql("04_migrate_year.sql"), &scripts[3]);
    let args = ["--format", "csv", "-v", "year=2020", "-f", attach, "-f", &migrate, "-f", verify];
    let ran = folder.run(&args);
    assert_eq!((ran.code, ran.stdout.matches(",different\n").count()), (0, 1), "{}", ran.stdout);
    // The demo puts it right again.
    let ran = demo(folder, &["demo", "--drives", "4", "--keep", "kept"]);
    assert!(ran.stderr.contains("created anew"), "{}", ran.stderr);
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
    assert_eq!(ran.stdout.matches(" same ").count(), 6, "{}", ran.stdout);
    ran
}

fn left(folder: &Folder) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
