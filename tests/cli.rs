//! The real binary as a user meets it: order, output, exit codes, signals. Few: every case starts a process.

mod commands;
mod configured;
mod data;
mod doctor;
mod guide;
mod keys;
mod migrate;
mod process;
mod report;
mod stopping;
mod terminal;
mod typing;

use libtest_mimic::Trial;
use process::Folder;

/// The cases of this module, named `cli::…`.
pub fn trials() -> Vec<Trial> {
    let cases: [(&str, fn()); 61] = [
        ("files_and_commands_run_in_the_order_given", files_and_commands_run_in_the_order_given),
        ("stdin_is_a_script", stdin_is_a_script),
        ("variables_are_put_in", variables_are_put_in),
        ("the_first_error_stops_and_names_file_and_line", the_first_error_stops_and_names_file_and_line),
        ("lines_in_messages_are_those_of_the_file", lines_in_messages_are_those_of_the_file),
        ("usage_errors_end_with_2", usage_errors_end_with_2),
        ("missing_variables_end_with_2", missing_variables_end_with_2),
        ("a_wrong_configuration_ends_with_2", a_wrong_configuration_ends_with_2),
        ("the_configuration_attaches_and_sets", the_configuration_attaches_and_sets),
        ("the_higher_place_wins", configured::the_higher_place_wins),
        ("a_prompt_waits_for_no_catalog", configured::a_prompt_waits_for_no_catalog),
        ("files_of_others_are_refused", configured::files_of_others_are_refused),
        ("pyiceberg_is_read_as_it_is", configured::pyiceberg_is_read_as_it_is),
        ("variables_of_files_are_read_when_asked", configured::variables_of_files_are_read_when_asked),
        ("secrets_come_from_commands_and_files", configured::secrets_come_from_commands_and_files),
        ("typed_secrets_are_warned_of", configured::typed_secrets_are_warned_of),
        ("init_and_doctor_go_together", doctor::init_and_doctor_go_together),
        ("init_overwrites_nothing_and_writes_no_secret", doctor::init_overwrites_nothing_and_writes_no_secret),
        ("doctor_says_what_is_wrong", doctor::doctor_says_what_is_wrong),
        ("formats_are_exact", formats_are_exact),
        ("statements_without_rows_print_what_they_should", statements_without_rows_print_what_they_should),
        ("a_closed_pipe_ends_quietly", a_closed_pipe_ends_quietly),
        ("sigint_stops_with_130", sigint_stops_with_130),
        ("sigterm_stops_with_143", sigterm_stops_with_143),
        ("a_table_outlives_the_process", data::a_table_outlives_the_process),
        ("the_demo_runs_in_a_temporary_folder", data::the_demo_runs_in_a_temporary_folder),
        ("the_demo_runs_twice_in_one_folder", data::the_demo_runs_twice_in_one_folder),
        ("the_demo_leaves_other_folders_alone", data::the_demo_leaves_other_folders_alone),
        ("a_killed_migration_is_completed_by_the_next_run", migrate::a_killed_migration_is_completed_by_the_next_run),
        ("a_migration_is_followed_in_lines", migrate::a_migration_is_followed_in_lines),
        ("a_migration_is_followed_in_json", migrate::a_migration_is_followed_in_json),
        ("a_failed_batch_ends_with_3_after_the_rows", migrate::a_failed_batch_ends_with_3_after_the_rows),
        ("a_stopped_migration_says_how_to_go_on", migrate::a_stopped_migration_says_how_to_go_on),
        ("wrong_failpoints_end_with_2", migrate::wrong_failpoints_end_with_2),
        ("bars_do_not_mix_with_rows", terminal::bars_do_not_mix_with_rows),
        ("a_long_scan_shows_how_far_it_is", terminal::a_long_scan_shows_how_far_it_is),
        (
            "ctrl_c_stops_the_statement_and_the_shell_lives_on",
            stopping::ctrl_c_stops_the_statement_and_the_shell_lives_on,
        ),
        (
            "ctrl_c_in_an_insert_commits_nothing_and_leaves_no_file",
            stopping::ctrl_c_in_an_insert_commits_nothing_and_leaves_no_file,
        ),
        ("ctrl_c_twice_at_an_empty_prompt_quits", stopping::ctrl_c_twice_at_an_empty_prompt_quits),
        ("what_deletes_is_asked_for_once", stopping::what_deletes_is_asked_for_once),
        ("a_read_only_session_writes_nothing", stopping::a_read_only_session_writes_nothing),
        ("what_is_there_is_listed", commands::what_is_there_is_listed),
        ("a_table_is_described", commands::a_table_is_described),
        ("output_goes_where_it_is_sent", commands::output_goes_where_it_is_sent),
        ("conditions_and_variables", commands::conditions_and_variables),
        ("scripts_include_scripts", commands::scripts_include_scripts),
        ("scripts_go_on_when_they_are_told_to", commands::scripts_go_on_when_they_are_told_to),
        ("programs_run_beside", commands::programs_run_beside),
        ("a_dry_run_runs_nothing", commands::a_dry_run_runs_nothing),
        ("the_journal_has_a_line_for_each_statement", commands::the_journal_has_a_line_for_each_statement),
        ("completions_and_the_manual_are_printed", commands::completions_and_the_manual_are_printed),
        ("a_report_is_made_of_the_target", report::a_report_is_made_of_the_target),
        ("a_report_that_cannot_be_made_says_why", report::a_report_that_cannot_be_made_says_why),
        ("a_migration_writes_its_report", report::a_migration_writes_its_report),
        ("the_tour_of_the_shell_is_true", guide::the_tour_of_the_shell_is_true),
        ("names_are_completed", typing::names_are_completed),
        ("a_statement_is_edited_over_its_lines", typing::a_statement_is_edited_over_its_lines),
        ("the_history_outlives_the_shell", typing::the_history_outlives_the_shell),
        ("tables_fit_narrow_and_wide_terminals", typing::tables_fit_narrow_and_wide_terminals),
        ("long_results_are_shown_in_the_pager", typing::long_results_are_shown_in_the_pager),
        ("colours_are_left_out_where_they_are_not_wanted", typing::colours_are_left_out_where_they_are_not_wanted),
    ];
    let trial = |(name, case): (&str, fn())| {
        Trial::test(format!("cli::{name}"), move || {
            case();
            Ok(())
        })
    };
    cases.into_iter().map(trial).collect()
}

fn files_and_commands_run_in_the_order_given() {
    let folder = Folder::new().with("a.sql", "\u{feff}CREATE TABLE t AS SELECT 1 AS a;\nSELECT a FROM t;\n");
    let ran = folder.run(&["--format", "csv", "-f", "a.sql", "-c", "-- two\nSELECT a + 1 AS b FROM t", "-f", "-"]);
    assert_eq!(ran.stdout, "a\n1\nb\n2\n");
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let ran = folder.run(&["-c", "SELECT a FROM t", "-f", "a.sql"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.starts_with("-c:1: error: "), "{}", ran.stderr);
}

fn stdin_is_a_script() {
    let folder = Folder::new();
    let script = "SELECT 1 AS a;\n\nSELECT 'ü;' AS b; -- the end\nSELECT nope;\n";
    let ran = folder.run_with_stdin(&["--format", "tsv"], script);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, "a\n1\nb\nü;\n"));
    assert!(ran.stderr.starts_with("stdin:4: error: "), "{}", ran.stderr);
    let ran = folder.run_with_stdin(&[], "");
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
}

fn variables_are_put_in() {
    let folder = Folder::new();
    let sql = "SELECT :year + 1 AS next, :'word' AS word, ':year' AS kept";
    let ran = folder.run(&["--format", "csv", "-v", "year=2019", "-v", "word=it's=so", "-c", sql]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "next,word,kept\n2020,it's=so,:year\n", ""));
}

fn the_first_error_stops_and_names_file_and_line() {
    let folder = Folder::new()
        .with("a.sql", "SELECT 1 AS a;\n\n-- wrong\nSELECT nope\nFROM (SELECT 1 AS b);\nSELECT 2 AS c;\n")
        .with("b.sql", "SELECT 3 AS d;\n");
    let ran = folder.run(&["--format", "csv", "-f", "a.sql", "-f", "b.sql"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, "a\n1\n"));
    assert!(ran.stderr.starts_with("a.sql:4: error: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("nope"), "{}", ran.stderr);
}

fn lines_in_messages_are_those_of_the_file() {
    let folder = Folder::new()
        .with("a.sql", "SELECT 1 AS a;\n\nSELECT\n  1,\n  :unset;\n")
        .with("b.sql", "SELECT 1 AS a;\nSELECT 'open;\n");
    let ran = folder.run(&["-f", "a.sql"]);
    assert!(ran.stderr.starts_with("a.sql:3: error: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("line 5, column 3"), "{}", ran.stderr);
    let ran = folder.run(&["-f", "b.sql"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "nothing runs before everything is read");
    assert!(ran.stderr.starts_with("b.sql: error: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("line 2, column 8"), "{}", ran.stderr);
}

fn usage_errors_end_with_2() {
    let folder = Folder::new().with("a.sql", "SELECT 1;");
    let cases: [&[&str]; 10] = [
        &["--no-such-flag"],
        &["no-such-command"],
        &["-v", "1year=2019"],
        &["--format", "xml", "-c", "SELECT 1"],
        &["--memory-limit", "much", "-c", "SELECT 1"],
        &["--log", "icelift=loud", "-c", "SELECT 1"],
        &["--progress", "loud", "-c", "SELECT 1"],
        &["-f", "-", "-f", "-"],
        &["-f", "a.sql", "demo"],
        &["-f", "a.sql", "-f", "missing.sql"],
    ];
    for args in cases {
        let ran = folder.run(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("error: "), "{args:?}: {}", ran.stderr);
    }
}

fn missing_variables_end_with_2() {
    let folder = Folder::new();
    let cases = ["ATTACH '${ICELIFT_UNSET}' AS x (TYPE local)", "SELECT 1 = :icelift_unset"];
    for sql in cases {
        let ran = folder.run(&["-c", sql]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
        assert!(ran.stderr.to_uppercase().contains("ICELIFT_UNSET"), "{}", ran.stderr);
    }
}

fn a_wrong_configuration_ends_with_2() {
    let cases = [
        ("[catalog.a]\ntype = 'local'\nwarehouse = 'a'\n\n[setings]\nthreads = 1\n", "icelift.toml:5: error: "),
        ("\n[catalog.a]\ntoken = 'hunter2'\n", "icelift.toml:2: error: "),
        ("[catalog.a]\ntype = 'local'\ntoken = 'hunter2\n", "icelift.toml:3: error: "),
        ("[catalog.a]\ntype = 'local'\ntoken = 'hunter2${ICELIFT_UNSET}'\n", "icelift.toml:3: error: "),
        ("[settings]\nformat = 'hunter2'\n", "icelift.toml:2: error: "),
        ("[catalog.a]\ntype = 'no-such-type'\ntoken = 'hunter2'\n", "icelift.toml: error: "),
    ];
    for (text, start) in cases {
        let ran = Folder::new().with("icelift.toml", text).run(&["-c", "SELECT 1"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{text}: {}", ran.stderr);
        assert!(ran.stderr.starts_with(start), "{text}: {}", ran.stderr);
        assert!(!ran.stderr.contains("hunter2"), "{text}: {}", ran.stderr);
    }
    let ran = Folder::new().run(&["--config", "missing.toml", "-c", "SELECT 1"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.starts_with("missing.toml: error: "), "{}", ran.stderr);
}

fn the_configuration_attaches_and_sets() {
    let text = "[catalog.here]\ntype = 'local'\nwarehouse = '${ICELIFT_TEST_FOLDER}/here'\n\n\
                [settings]\nformat = 'csv'\nthreads = 2\nmemory_limit = '1GB'\n";
    let folder = Folder::new().with("other.toml", text);
    let script = "CREATE SCHEMA here.s; CREATE TABLE here.s.t AS SELECT 1 AS a; SELECT a FROM here.s.t";
    let ran = folder.run(&["--config", "other.toml", "-c", script]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "a\n1\n", ""));
    let ran = folder.run(&["--config", "other.toml", "--format", "json", "-c", "SELECT 1 AS a"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "[\n{\"a\":1}\n]\n"));
}

fn formats_are_exact() {
    let sql = "SELECT * FROM (VALUES (1, 'plain', 0.5), (NULL, 'say \"hi\", ü', NULL), (-300, NULL, 2.0)) \
               AS t(n, word, f)";
    let table = "+------+-------------+------+\n\
                 |    n | word        |    f |\n\
                 +------+-------------+------+\n\
                 |    1 | plain       |  0.5 |\n\
                 | NULL | say \"hi\", ü | NULL |\n\
                 | -300 | NULL        |  2.0 |\n\
                 +------+-------------+------+\n";
    let json = "[\n{\"n\":1,\"word\":\"plain\",\"f\":0.5},\n{\"n\":null,\"word\":\"say \\\"hi\\\", ü\",\"f\":null},\n\
                {\"n\":-300,\"word\":null,\"f\":2.0}\n]\n";
    let cases = [
        ("table", table),
        ("csv", "n,word,f\n1,plain,0.5\n,\"say \"\"hi\"\", ü\",\n-300,,2.0\n"),
        ("tsv", "n\tword\tf\n1\tplain\t0.5\n\t\"say \"\"hi\"\", ü\"\t\n-300\t\t2.0\n"),
        ("json", json),
    ];
    for (format, expected) in cases {
        let ran = Folder::new().run(&["--format", format, "-c", sql]);
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, expected, ""), "{format}");
    }
}

fn statements_without_rows_print_what_they_should() {
    let script = "CREATE TABLE t AS SELECT 1 AS a; SELECT a FROM t WHERE false";
    let table = "+---+\n| a |\n+---+\n+---+\n";
    for (format, expected) in [("table", table), ("csv", "a\n"), ("tsv", "a\n"), ("json", "[]\n")] {
        let ran = Folder::new().run(&["--format", format, "-c", script]);
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, expected, ""), "{format}");
    }
}

fn a_closed_pipe_ends_quietly() {
    let folder = Folder::new();
    for format in ["table", "csv", "json"] {
        let sql = "SELECT value FROM generate_series(1, 1000000000)";
        let mut running = folder.start(&["--format", format, "-c", sql, "-c", "SELECT 'never'"]);
        running.read_line();
        running.close_stdout();
        let ran = running.wait();
        assert_eq!((ran.code, ran.stderr.as_str()), (141, ""), "{format}");
    }
}

#[cfg(unix)]
fn sigint_stops_with_130() {
    let folder = Folder::new();
    let long = "\nSELECT value AS endless FROM generate_series(1, 1000000000000); SELECT 'never'";
    let mut running = folder.start(&["--format", "csv", "-c", "SELECT 1 AS begun", "-c", long]);
    // Rows of the second statement are out, so it is the one that is stopped.
    assert_eq!([(); 3].map(|()| running.read_line()), ["begun\n", "1\n", "endless\n"]);
    running.signal("INT");
    let ran = running.wait();
    assert_eq!((ran.code, ran.stderr.as_str()), (130, "-c:2: stopped by SIGINT\n"));
    assert!(!ran.stdout.contains("never"));
}

#[cfg(unix)]
fn sigterm_stops_with_143() {
    let folder = Folder::new();
    let long = "SELECT count(*) FROM generate_series(1, 1000000000000) WHERE value % 7 = 3; SELECT 'never'";
    let mut running = folder.start(&["--format", "csv", "-c", "SELECT 1 AS begun", "-c", long]);
    // From here on signals are listened to. Nothing tells when the long statement begins: hence the pause.
    assert_eq!(running.read_line(), "begun\n");
    std::thread::sleep(std::time::Duration::from_millis(300));
    running.signal("TERM");
    let ran = running.wait();
    assert_eq!((ran.code, ran.stdout.as_str()), (143, "1\n"), "{}", ran.stderr);
    assert_eq!(ran.stderr, "-c:1: stopped by SIGTERM\n");
}
