//! Ctrl-C in the shell, what asks before it deletes, and what is refused.

use super::keys::{CTRL_C, CTRL_D, Keys};
use super::process::Folder;

const ATTACH: &str = "ATTACH 'w' AS w (TYPE local);";

/// Statements that would run for hours, at work in an operator each: pairs that do not match, pairs that all do, a sort.
const ENDLESS: [&str; 3] = [
    "SELECT count(*) FROM generate_series(1, 9000000) a(x) JOIN generate_series(1, 9000000) b(y) ON a.x * b.y = -1;",
    "SELECT sum(x) FROM (SELECT value % 2 k, value x FROM generate_series(1, 4000000)) a JOIN (SELECT value % 2 k \
     FROM generate_series(1, 4000000)) b USING (k);",
    "SELECT value FROM generate_series(1, 900000000) ORDER BY value % 1000003;",
];

#[cfg(unix)]
pub fn ctrl_c_stops_the_statement_and_the_shell_lives_on() {
    let folder = Folder::new();
    let mut keys = Keys::new(&folder, &["--memory-limit", "2GB", "--threads", "2"]).size(200, 50);
    for (stopped, sql) in (1..).zip(ENDLESS) {
        keys = keys.line(sql).busy(2.0).keys(CTRL_C);
        keys = keys.wait(&format!("(?s)(stopped by SIGINT.*){{{stopped}}}"));
    }
    let answers = keys.line("SELECT 6 * 7 AS still;").wait("42").line("\\q").play();
    assert_eq!(answers, [0]);
}

#[cfg(unix)]
pub fn ctrl_c_in_an_insert_commits_nothing_and_leaves_no_file() {
    let folder = Folder::new();
    let insert = "INSERT INTO w.s.t SELECT value, repeat('x', 20) FROM generate_series(1, 2000000000);";
    let keys = Keys::new(&folder, &["--memory-limit", "2GB"]).size(200, 50).line(ATTACH).line("CREATE SCHEMA w.s;");
    let keys = keys.line("CREATE TABLE w.s.t (a BIGINT, b STRING);").line(insert).busy(4.0).keys(CTRL_C);
    let keys = keys.wait("stopped by SIGINT").line("SELECT 'rows: ' || count(*) FROM w.s.t;").wait("rows: 0");
    assert_eq!(keys.line("\\q").play(), [0]);
    let files = crate::support::files_below(&folder.path().join("w")).unwrap();
    let data: Vec<_> = files.iter().filter(|path| path.extension().is_some_and(|it| it == "parquet")).collect();
    assert!(data.is_empty(), "{data:?}");
}

#[cfg(unix)]
pub fn ctrl_c_twice_at_an_empty_prompt_quits() {
    let folder = Folder::new();
    let keys = Keys::new(&folder, &[]).prompt().keys("SELECT 1").wait("SELECT 1$").keys(CTRL_C).prompt().keys(CTRL_C);
    let keys = keys.wait("Ctrl-C again").prompt().line("SELECT 40 + 2 AS n;").wait("42").prompt().keys(CTRL_C);
    let answers = keys.wait("(?s)again.*again").prompt().keys(CTRL_C).play();
    assert_eq!(answers, [0]);
    assert_eq!(Keys::new(&folder, &[]).prompt().keys(CTRL_D).play(), [0]);
}

#[cfg(unix)]
pub fn what_deletes_is_asked_for_once() {
    let folder = Folder::new();
    let made = folder.run(&["-c", ATTACH, "-c", "CREATE SCHEMA w.s; CREATE TABLE w.s.t AS SELECT 1 AS a"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let keys = Keys::new(&folder, &[]).line(ATTACH).line("DROP TABLE w.s.t;").wait(r"\[y/N\] \Z|\[y/N\]\Z").keys("\r");
    let keys = keys.wait("not done").line("SELECT 'kept ' || count(*) FROM w.s.t;").wait("kept 1");
    let keys = keys.line("DROP TABLE w.s.t;").wait(r"(?s)N\].*N\] *\Z").keys("y\r").prompt();
    let answers = keys.line("SELECT * FROM w.s.t;").wait("error: ").line("\\q").play();
    assert_eq!(answers, [0]);
    let history = std::fs::read_to_string(folder.path().join(".local/state/icelift/history")).unwrap();
    assert!(history.contains("DROP TABLE") && !history.lines().any(|line| line == "y"), "{history}");
    let keys = Keys::new(&folder, &["--yes"]).line(ATTACH).line("DROP SCHEMA w.s;").prompt().screen();
    let answers = keys.line("\\q").play();
    assert!(!answers[0].as_str().unwrap().contains("[y/N]"), "{answers:?}");
}

pub fn a_read_only_session_writes_nothing() {
    let folder = Folder::new();
    let made = folder.run(&["-c", ATTACH, "-c", "CREATE SCHEMA w.s; CREATE TABLE w.s.t AS SELECT 1 AS a"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    for sql in [
        "INSERT INTO w.s.t SELECT 2",
        "DROP TABLE w.s.t",
        "CREATE TABLE w.s.u AS SELECT 1 AS a",
        "EXPLAIN ANALYZE INSERT INTO w.s.t SELECT 2",
        "COPY (SELECT 1) TO 'file.csv'",
        "CALL w.system.remove_orphan_files(table => 's.t')",
        "MIGRATE TABLE w.s.t TO w.s.u",
    ] {
        let ran = folder.run(&["--read-only", "-c", ATTACH, "-c", sql]);
        assert_eq!(ran.code, 1, "{sql}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("-c:1: error: the session is read-only"), "{sql}: {}", ran.stderr);
    }
    let own = "CREATE TABLE mine AS SELECT 2 AS b; SELECT a, b FROM w.s.t, mine";
    let ran = folder.run(&["--read-only", "--format", "csv", "-c", ATTACH, "-c", own]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "a,b\n1,2\n"), "{}", ran.stderr);
    assert!(!folder.path().join("file.csv").exists());
}
