//! What can go wrong from outside: each case ends with one clear message on stderr that names the object, an exit code that
//! is not 0, no partial commit and no file that nothing refers to.

mod bench;
mod broken_files;
mod interrupted;

use libtest_mimic::{Failed, Trial};

use bench::Bench;

/// What the message must say, besides being one: words, in any order.
type Words = &'static [&'static str];

/// Statements that cannot be right, against `r2.default.t (id BIGINT NOT NULL, name STRING, d DATE)` and a full source.
const STATEMENTS: [(&str, &str, Words); 25] = [
    ("missing_catalog", "SELECT * FROM nowhere.default.t", &["nowhere"]),
    ("missing_namespace", "INSERT INTO r2.nowhere.t SELECT 1", &["nowhere"]),
    ("create_in_missing_namespace", "CREATE TABLE r2.nowhere.t (id BIGINT)", &["nowhere"]),
    ("missing_table", "INSERT INTO r2.default.missing SELECT 1", &["missing"]),
    ("missing_source", "INSERT INTO r2.default.t SELECT * FROM glue.default.missing", &["missing"]),
    ("missing_column", "SELECT nothing FROM r2.default.t", &["nothing"]),
    ("missing_column_in_list", "INSERT INTO r2.default.t (id, nothing) SELECT 1, 'a'", &["nothing"]),
    ("column_listed_twice", "INSERT INTO r2.default.t (id, id) SELECT 1, 2", &["id"]),
    ("narrowing", "INSERT INTO r2.default.small SELECT id FROM glue.default.s", &["n", "id"]),
    ("float_to_int", "INSERT INTO r2.default.small SELECT CAST(1.5 AS DOUBLE)", &["n"]),
    ("text_to_int", "INSERT INTO r2.default.small SELECT name FROM glue.default.s", &["n"]),
    ("text_to_date", "INSERT INTO r2.default.t SELECT id, name, name FROM glue.default.s", &["d"]),
    ("too_few_columns", "INSERT INTO r2.default.t SELECT id FROM glue.default.s", &["3", "1"]),
    ("too_many_columns", "INSERT INTO r2.default.t SELECT id, name, d, 1 FROM glue.default.s", &["3", "4"]),
    ("null_literal", "INSERT INTO r2.default.t SELECT NULL, 'a', NULL", &["id"]),
    ("null_in_data", "INSERT INTO r2.default.t SELECT nullif(id, 99999), name, d FROM glue.default.s", &["id"]),
    ("required_column_left_out", "INSERT INTO r2.default.t (name) SELECT 'a'", &["id"]),
    ("unknown_by_name", "INSERT INTO r2.default.t BY NAME SELECT 1 AS id, 2 AS other", &["other"]),
    ("fails_in_last_row", "INSERT INTO r2.default.t SELECT id / (id - 99999), name, d FROM glue.default.s", &["zero"]),
    ("syntax", "SELEKT 1", &["SELEKT"]),
    ("syntax_at_the_end", "INSERT INTO r2.default.t SELECT * FROM", &["EOF", "line 1, column 39"]),
    ("unknown_transform", "CREATE TABLE r2.default.u (id BIGINT) PARTITIONED BY (weekly(id))", &["weekly"]),
    ("partition_by_uuid", "CREATE TABLE r2.default.u (u UUID) PARTITIONED BY (u)", &["uuid", "bucket"]),
    ("transform_of_wrong_type", "CREATE TABLE r2.default.u (name STRING) PARTITIONED BY (day(name))", &["day", "name"]),
    ("table_exists", "CREATE TABLE r2.default.t (id BIGINT)", &["t", "exists"]),
];

/// What cannot even be attached, with a hint of what the message must name.
const ATTACHMENTS: [(&str, &str, Words); 5] = [
    (
        "missing_variable",
        "ATTACH 'w' AS x (TYPE rest, URI 'http://127.0.0.1:1', TOKEN '${ICELIFT_NO_SUCH}')",
        &["ICELIFT_NO_SUCH"],
    ),
    ("unknown_type", "ATTACH 'w' AS x (TYPE floppy)", &["floppy"]),
    ("unknown_option", "ATTACH 'w' AS x (TYPE local, COLOUR 'red')", &["colour"]),
    ("attached_twice", "ATTACH 'w' AS r2 (TYPE local)", &["r2"]),
    ("detach_unknown", "DETACH nowhere", &["nowhere"]),
];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, sql, words) in STATEMENTS.into_iter().chain(ATTACHMENTS) {
        trials.push(Trial::test(format!("bad_input::{name}"), move || refused(sql, words)));
    }
    trials.push(Trial::test("bad_input::failed_ctas_leaves_no_table", failed_ctas_leaves_no_table));
    trials.push(Trial::test("bad_input::script_stops_at_first_error", script_stops_at_first_error));
    trials.push(Trial::test("bad_input::missing_script", missing_script));
    trials.extend(broken_files::trials());
    trials.extend(interrupted::trials());
    trials
}

/// The statement fails, and both catalogs are byte for byte what they were.
fn refused(sql: &str, words: Words) -> Result<(), Failed> {
    let bench = Bench::new()?;
    let before = bench.files()?;
    bench.fails(sql, words)?;
    bench.same_files(&before)
}

fn failed_ctas_leaves_no_table() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let before = bench.data_files()?;
    bench.fails("CREATE TABLE r2.default.u AS SELECT id / (id - 99999) AS x FROM glue.default.s", &["zero"])?;
    if bench.data_files()? != before {
        return Err("the failed CREATE TABLE … AS SELECT left a data file".into());
    }
    bench.fails("SELECT * FROM r2.default.u", &["u"])
}

/// The first error ends the script and is named with file and line; what came before stays, what follows does not run.
fn script_stops_at_first_error() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let script = bench.folder().join("script.sql");
    let lines = [
        "CREATE TABLE r2.default.before (id BIGINT);",
        "-- the next one is wrong",
        "INSERT INTO r2.default.before SELECT * FROM r2.default.missing;",
        "CREATE TABLE r2.default.after (id BIGINT);",
    ];
    std::fs::write(&script, lines.join("\n"))?;
    let output = bench.command().arg("-f").arg(&script).output()?;
    Bench::check_failure(&output, &["script.sql:3", "missing"])?;
    bench.succeeds("SELECT * FROM r2.default.before")?;
    bench.fails("SELECT * FROM r2.default.after", &["after"])
}

fn missing_script() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let output = bench.command().args(["-f", "no_such_script.sql"]).output()?;
    Bench::check_failure(&output, &["no_such_script.sql"])
}
