//! The line editor: what is typed, completed, remembered and drawn.

use super::keys::{CTRL_R, Keys, TAB, UP};
use super::process::Folder;

const ATTACH: &str = "ATTACH 'w' AS w (TYPE local);";

fn with_table() -> Folder {
    let folder = Folder::new();
    let create = "CREATE SCHEMA w.stats; CREATE TABLE w.stats.drives AS SELECT 1 AS serial_number, 2 AS capacity";
    let made = folder.run(&["-c", ATTACH, "-c", create]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    folder
}

pub fn names_are_completed() {
    let folder = with_table();
    let keys = Keys::new(&folder, &[]).line(ATTACH).prompt().keys(&format!("SELECT cap{TAB}")).wait("SELECT cap");
    let keys = keys
        .keys(&format!(", * FROM w.st{TAB}"))
        .wait("w\\.stats")
        .keys(&format!(".dr{TAB}"))
        .wait("w\\.stats\\.drives");
    let keys = keys.keys(&format!(" WHERE ser{TAB}")).wait("WHERE serial_number");
    let keys = keys.keys(" = 1").keys("\x15").prompt();
    let keys = keys.keys(&format!("\\tim{TAB}")).wait("\\\\timing").keys("\r").prompt();
    let keys = keys.keys(&format!("SELECT quar{TAB}")).wait("quarter").keys("\x15");
    let answers = keys.line("\\q").play();
    assert_eq!(answers, [0]);
}

pub fn a_statement_is_edited_over_its_lines() {
    let folder = Folder::new();
    let keys = Keys::new(&folder, &[])
        .line("SELECT 1 AS a,")
        .wait("AS a,")
        .keys("       'x' AS b\r")
        .keys("FROM (SELECT 1);\r");
    let keys = keys.wait("│ 1 │ x │").prompt().keys(UP).wait("(?s)FROM \\(SELECT 1\\);.*FROM \\(SELECT 1\\);");
    // Up to the first line, and the 1 becomes a 7.
    let keys = keys.keys(UP).keys(UP).keys("\x01").keys("\x1b[C".repeat(7).as_str()).keys("\x04").keys("7").keys("\r");
    let answers = keys.wait("│ 7 │ x │").line("\\q").play();
    assert_eq!(answers, [0]);
}

pub fn the_history_outlives_the_shell() {
    let folder = Folder::new();
    let keys = Keys::new(&folder, &[])
        .line("SELECT 11 AS first;")
        .wait("│ +11 │")
        .line("SELECT 22 AS second;")
        .wait("│ +22 │");
    let keys = keys.line("SELECT 11 AS first;").wait("(?s)11 │.*11 │").line("\\set token hunter2");
    assert_eq!(keys.line("\\q").play(), [0]);
    let history = std::fs::read_to_string(folder.path().join(".local/state/icelift/history")).unwrap();
    let lines: Vec<_> = history.lines().filter(|line| line.starts_with("SELECT")).collect();
    assert_eq!(lines, ["SELECT 22 AS second;", "SELECT 11 AS first;"]);
    assert!(!history.contains("hunter2"), "{history}");
    let keys = Keys::new(&folder, &[])
        .prompt()
        .keys(CTRL_R)
        .keys("sec")
        .wait("SELECT 22 AS second")
        .keys("\r")
        .wait("│ +22 │");
    let keys = keys.prompt().keys(UP).wait("(?s)second;.*second;").keys("\x15").prompt();
    assert_eq!(keys.line("\\q").play(), [0]);
}

pub fn tables_fit_narrow_and_wide_terminals() {
    let folder = Folder::new();
    let columns: Vec<_> = (0..12).map(|at| format!("{at} AS column_{at:02}")).collect();
    let sql = format!("SELECT {};", columns.join(", "));
    for (width, fits) in [(40, false), (80, false), (200, true)] {
        let keys = Keys::new(&folder, &[]).size(width, 30).line("\\x off").line("\\mode box").line(&sql);
        let keys = keys.wait("└").screen().line("\\x").line(&sql).wait("column_11 \\| 11").line("\\q");
        let answers = keys.play();
        let screen = answers[0].as_str().unwrap();
        assert_eq!(screen.contains("columns fit; \\x shows all"), !fits, "{width}: {screen}");
        let lines: Vec<_> = screen.lines().filter(|line| line.starts_with(['┌', '│', '├', '└'])).collect();
        assert_eq!(lines.len(), 5, "no line is broken: {screen}");
        assert!(screen.contains("column_00") && screen.contains("column_11"), "{screen}");
    }
}

pub fn long_results_are_shown_in_the_pager() {
    let mut folder = Folder::new();
    folder.set("PAGER", "cat -n | tail -2");
    let keys =
        Keys::new(&folder, &[]).line("SELECT value FROM generate_series(1, 500);").wait("^ *504 ").prompt().screen();
    let keys = keys.line("SELECT 5 AS short;").wait("│ +5 │").line("\\pager off");
    let answers = keys.line("SELECT value AS v FROM generate_series(1, 60);").wait("│ 60 │").line("\\q").play();
    assert!(!answers[0].as_str().unwrap().contains("┌───────┐"), "{answers:?}");
}

pub fn colours_are_left_out_where_they_are_not_wanted() {
    for (term, no_colour, coloured) in [("xterm", false, true), ("xterm", true, false), ("dumb", false, false)] {
        let mut folder = Folder::new();
        folder.set("TERM", term);
        if no_colour {
            folder.set("NO_COLOR", "1");
        }
        let keys = Keys::new(&folder, &[]).line("SELECT 'red' AS c;").wait("\\| red \\||│ red │").raw();
        let answers = keys.line("\\q").play();
        let raw = answers[0].as_str().unwrap();
        assert_eq!(raw.contains("\x1b[1;34mSELECT\x1b[0m"), coloured, "{term} {no_colour}: {raw:?}");
        assert_eq!(raw.contains('┌'), term == "xterm", "{raw:?}");
    }
}
