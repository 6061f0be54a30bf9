use proptest::prelude::*;

use super::*;

fn message(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn everything_else_goes_to_datafusion() {
    for text in [
        "SELECT 1 /*! a banner; */ -- ;",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE VERBOSE SELECT 1",
        "EXPLAIN FORMAT TREE SELECT 1",
        "EXPLAIN CREATE TABLE t (a int)",
        "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION 'x'",
        "CREATE OR REPLACE EXTERNAL TABLE t STORED AS PARQUET LOCATION 'x'",
        "CREATE VIEW v AS SELECT 1",
        "CREATE OR REPLACE VIEW v AS SELECT 1",
        "CREATE TEMPORARY TABLE t (a int)",
        "COPY t TO 'x' STORED AS PARQUET",
        "SET a.b = 1",
        "SHOW TABLES",
        "SHOW ALL",
        "EXPLAIN SHOW TABLES",
        "UPDATE t SET a = 1",
        "DROP VIEW v",
        "ROLLBACK",
        "VALUES (1)",
    ] {
        assert!(matches!(parse(text), Ok(Statement::Query(_))), "{text}: {:?}", parse(text));
    }
}

#[test]
fn explain_of_ours() {
    let Ok(Statement::Explain { analyze, verbose, statement }) = parse("EXPLAIN ANALYZE INSERT INTO t SELECT 1;")
    else {
        panic!();
    };
    assert!(analyze && !verbose && matches!(*statement, Statement::Insert(_)));
    let Ok(Statement::Explain { analyze, verbose, statement }) = parse("EXPLAIN VERBOSE CREATE TABLE t AS SELECT 1")
    else {
        panic!();
    };
    assert!(!analyze && verbose && matches!(*statement, Statement::CreateTable(_)));
    assert_eq!(parse("EXPLAIN FORMAT TREE INSERT INTO t SELECT 1").unwrap_err().kind(), ErrorKind::Unsupported);
    assert!(message(&"EXPLAIN ".repeat(100_000)).ends_with("another statement begins at line 1, column 9"));
}

#[test]
fn explain_of_a_migration() {
    let explained = parse("explain migrate table g.n.s to r2.n.t where a = 1;").unwrap();
    let Ok(Statement::Migrate(migrate)) = parse("MIGRATE TABLE g.n.s TO r2.n.t WHERE a = 1") else { panic!() };
    assert!(matches!(explained, Statement::ExplainMigrate(it) if it.where_text == migrate.where_text));
    for options in ["ANALYZE", "VERBOSE", "ANALYZE VERBOSE", "FORMAT TREE"] {
        let error = parse(&format!("EXPLAIN {options} MIGRATE TABLE s TO t")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let expected = "EXPLAIN MIGRATE takes no ANALYZE, VERBOSE or FORMAT; one is given at line 1, column 9";
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn what_is_not_explained() {
    for text in ["ATTACH AS r", "VERIFY TABLE t", "CALL c.system.p()", "SHOW MIGRATIONS", "SHOW MIGRATION t"] {
        let expected = "EXPLAIN takes a query, INSERT, CREATE TABLE … AS or MIGRATE TABLE; another statement begins at \
                        line 1, column 9";
        assert_eq!(message(&format!("EXPLAIN {text}")), expected);
    }
}

#[test]
fn statements_of_later_versions() {
    let error = parse("MIGRATE SCHEMA s TO t").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().ends_with("is not supported in this version"));
}

#[test]
fn errors_have_a_place() {
    assert_eq!(message(""), "there is no statement");
    assert_eq!(message("SELEC 1"), "expected: an SQL statement, found: SELEC at line 1, column 1");
    assert_eq!(message("SELECT 1\nFROM"), "expected: identifier, found: EOF at line 2, column 5");
    assert_eq!(message("SELECT 1 2"), "expected the end of the statement, found `2` at line 1, column 10");
    assert_eq!(message("SELECT 'a"), "unterminated string that begins at line 1, column 8");
    assert_eq!(message("COPY t TO 'x' FOO"), "expected: end of statement or ;, found: FOO at line 1, column 15");
    let error = parse("SELECT 1; SELECT 2").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Sql);
    assert_eq!(error.to_string(), "expected one statement, found another one that begins at line 1, column 11");
    assert_eq!(message(&format!("SELECT {}1", "(".repeat(10_000))), "the statement is nested too deeply");
}

#[test]
fn names_for_datafusion() {
    let parts = |text: &str| target(text).map(|parts| parts.join("."));
    for text in [
        "CREATE TABLE a.B (x INT UNSIGNED PRIMARY KEY)",
        "CREATE OR REPLACE TABLE a.B AS SELECT 1",
        "EXPLAIN ANALYZE INSERT INTO a.B VALUES (1) RETURNING x",
        "DROP TABLE a.B CASCADE",
        "DROP SCHEMA a.B",
        "CREATE SCHEMA a.B WITH (x = 1)",
    ] {
        assert_eq!(parts(text).as_deref(), Some("a.b"), "{text}");
    }
    // DataFusion knows nothing of these, whatever tables they name.
    for text in [
        "SELECT * FROM a.b",
        "MIGRATE TABLE a.b TO c.d",
        "EXPLAIN MIGRATE TABLE a.b TO c.d",
        "VERIFY TABLE a.b",
        "SHOW MIGRATION a.b",
        "SHOW MIGRATIONS FROM a.b",
        "CALL a.system.b()",
    ] {
        assert_eq!(parts(text), None, "{text}");
    }
    assert!(parse_for_datafusion("CREATE TABLE a.B (x INT UNSIGNED PRIMARY KEY);").is_ok());
}

/// Words and signs out of which statements, right and wrong ones, are made.
const SOUP: &[&str] = &[
    "ATTACH",
    "DETACH",
    "CREATE",
    "OR",
    "REPLACE",
    "TABLE",
    "SCHEMA",
    "DROP",
    "IF",
    "NOT",
    "EXISTS",
    "INSERT",
    "INTO",
    "OVERWRITE",
    "BY",
    "NAME",
    "AS",
    "SELECT",
    "FROM",
    "VALUES",
    "EXPLAIN",
    "ANALYZE",
    "PARTITIONED",
    "TBLPROPERTIES",
    "COMMENT",
    "LOCATION",
    "LIKE",
    "MIGRATE",
    "TO",
    "WHERE",
    "BATCH",
    "WITH",
    "verify",
    "slice_bytes",
    "VERIFY",
    "AGAINST",
    "USING",
    "NULL",
    "DATE",
    "EMIT",
    "SQL",
    "FOR",
    "SHOW",
    "MIGRATION",
    "MIGRATIONS",
    "CALL",
    "array",
    "TRUE",
    "LIMIT",
    "struct",
    "map",
    "list",
    "decimal",
    "int",
    "timestamp",
    "bucket",
    "(",
    "(",
    ")",
    ")",
    "<",
    ">",
    ">>",
    "<<",
    ",",
    ",",
    ".",
    ";",
    ":",
    "::",
    ":a",
    ":'a'",
    ":\"a\"",
    "=",
    "=>",
    "-",
    "--",
    "/*",
    "*/",
    "/*!",
    "'",
    "\"",
    "`",
    "$",
    "$$",
    "$x$",
    "${",
    "}",
    "{",
    "[",
    "]",
    "a",
    "b.c",
    "_x",
    "\"Q\"",
    "'s'",
    "1",
    "0",
    "1.5",
    "e'\\",
    "u&'",
    "q'[",
    "x'",
    "\n",
    "\r\n",
    "é",
    "\u{feff}",
    "\u{0}",
    "\\",
    "@",
    "#",
    "?",
    "|",
    "^@",
    "~",
    "*",
    "+",
];

fn soup() -> impl Strategy<Value = String> {
    let heads = prop::sample::select(vec![
        "",
        "CREATE TABLE t ",
        "ATTACH AS r ( ",
        "INSERT INTO t ",
        "CREATE TABLE t ( a ",
        "MIGRATE TABLE s TO t ",
        "EXPLAIN MIGRATE TABLE s TO t SELECT a ",
        "VERIFY TABLE t AGAINST s ",
        "SHOW MIGRATIONS ",
        "CALL c.system.p ( ",
    ]);
    let word = (prop::sample::select(SOUP.to_vec()), prop::sample::select(vec![" ", " ", ""]));
    let words = prop::collection::vec(word, 0..24);
    (heads, words).prop_map(|(head, words)| {
        let words: String = words.into_iter().flat_map(|(word, space)| [word, space]).collect();
        format!("{head}{words}")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// No text makes the parsers panic, and a script is cut into its own words.
    #[test]
    fn soup_never_panics(text in soup(), any in any::<String>()) {
        let variables = BTreeMap::from([("a".to_string(), "va'l\"ue".to_string())]);
        for text in [&text, &any] {
            drop(parse(text));
            drop(parse_for_datafusion(text));
            target(text);
            script::is_complete(text);
            drop(variables::expand(text, &variables));
            if let Ok(pieces) = script::split(text) {
                for piece in pieces {
                    prop_assert!(text.contains(&piece.sql));
                    prop_assert_eq!(script::split(&piece.sql).map(|again| again.len()).ok(), Some(1));
                }
            }
            if let Ok(substituted) = variables::substitute(text, &variables) {
                prop_assert_eq!(substituted.matches('\n').count(), text.matches('\n').count());
            }
        }
    }
}
