use datafusion::sql::sqlparser::tokenizer::Token;
use proptest::prelude::*;

use super::*;
use crate::sql::{Version, tokens};

/// The names that a statement has after rewriting, taken apart, where they say more than before.
fn found(text: &str) -> Vec<(String, Option<Version>)> {
    let rewritten = rewrite(tokens::statement(text).unwrap()).unwrap();
    let words = rewritten.into_iter().filter_map(|token| match token.token {
        Token::Word(word) if word.quote_style == Some('"') => Some(Reference::decode(&word.value)),
        _ => None,
    });
    words.filter(|it| it.version.is_some()).map(|it| (it.table, it.version)).collect()
}

fn one(text: &str) -> Version {
    let mut all = found(text);
    assert_eq!(all.len(), 1, "{text}: {all:?}");
    all.remove(0).1.unwrap()
}

fn message(text: &str) -> String {
    rewrite(tokens::statement(text).unwrap()).unwrap_err().to_string()
}

#[test]
fn every_form_of_the_clause() {
    for clause in ["FOR VERSION AS OF 12", "version as of 12", "For System_Version /* x */ AS\nOF 12"] {
        assert_eq!(one(&format!("SELECT * FROM r2.default.t {clause}")), Version::Snapshot(12), "{clause}");
    }
    let named = |name: &str| Version::Named(name.to_string());
    assert_eq!(one("SELECT * FROM t VERSION AS OF 'it''s'"), named("it's"));
    assert_eq!(one("SELECT * FROM t VERSION AS OF '12'"), named("12"));
    for (clause, text) in [
        ("FOR TIMESTAMP AS OF '2019-01-01' x", "'2019-01-01'"),
        ("TIMESTAMP AS OF TIMESTAMP '2019-01-01 00:00:00' AS x", "TIMESTAMP '2019-01-01 00:00:00'"),
        ("FOR SYSTEM_TIME AS OF now() - INTERVAL '1 day' WHERE a = 1", "now() - INTERVAL '1 day'"),
        ("TIMESTAMP AS OF 1546300800 JOIN u ON true", "1546300800"),
        ("TIMESTAMP AS OF (SELECT 1), u", "(SELECT 1)"),
    ] {
        assert_eq!(one(&format!("SELECT * FROM t {clause}")), Version::Timestamp(text.to_string()), "{clause}");
    }
}

#[test]
fn wherever_a_table_stands() {
    let snapshots = |text: &str| {
        let versions = found(text).into_iter().map(|(table, version)| match version {
            Some(Version::Snapshot(id)) => format!("{table} {id}"),
            other => panic!("{text}: {other:?}"),
        });
        versions.collect::<Vec<_>>().join(", ")
    };
    for (text, expected) in [
        ("SELECT * FROM a VERSION AS OF 1 AS x, b VERSION AS OF 2 y", "a 1, b 2"),
        ("SELECT * FROM a VERSION AS OF 1 LEFT JOIN b VERSION AS OF 2 ON a.version = b.version", "a 1, b 2"),
        (
            "SELECT (SELECT max(v) FROM a VERSION AS OF 1), b FROM c, (SELECT * FROM d FOR VERSION AS OF 2) e",
            "a 1, d 2",
        ),
        ("SELECT * FROM (a VERSION AS OF 1 JOIN b VERSION AS OF 2 ON true)", "a 1, b 2"),
        ("WITH q AS (SELECT * FROM a VERSION AS OF 1) SELECT * FROM q, q AS version", "a 1"),
        (
            "SELECT 1 FROM a WHERE x IN (SELECT y FROM b VERSION AS OF 1) UNION SELECT 2 FROM c VERSION AS OF 2",
            "b 1, c 2",
        ),
        ("EXPLAIN SELECT * FROM a VERSION AS OF 1", "a 1"),
        ("INSERT INTO t SELECT * FROM a VERSION AS OF 1", "a 1"),
        ("CREATE TABLE t AS SELECT * FROM a VERSION AS OF 1 TBLPROPERTIES ('a' = 'b')", "a 1"),
        ("CREATE VIEW v AS SELECT * FROM a VERSION AS OF 1", "a 1"),
        ("COPY (SELECT * FROM a VERSION AS OF 1) TO 'x.csv'", "a 1"),
        ("SELECT * FROM \"A b\".\"c\"\"d\" VERSION AS OF 1", "c\"d 1"),
        ("SELECT * FROM R2.Default.T VERSION AS OF 1", "t 1"),
        ("SELECT * FROM version VERSION AS OF 1", "version 1"),
        ("DELETE FROM a WHERE id IN (SELECT id FROM b VERSION AS OF 1)", "b 1"),
        ("SELECT * FROM r2.d.t$files VERSION AS OF 1", "t$files 1"),
        ("SELECT * FROM r2.d.t.files VERSION AS OF 1", "t$files 1"),
    ] {
        assert_eq!(snapshots(text), expected, "{text}");
    }
}

#[test]
fn the_rest_of_the_name_stays() {
    let rewritten = rewrite(tokens::statement("SELECT 1 FROM R2.\"De Fault\".T VERSION AS OF 1 x").unwrap()).unwrap();
    let text: String = rewritten.iter().map(|token| token.token.to_string()).collect();
    assert!(text.starts_with("SELECT 1 FROM \"r2\".\"De Fault\".\"t\u{a0}FOR VERSION AS OF 1\" x"), "{text}");
    // An error about the table names its place.
    let place = rewritten.iter().find(|token| token.token.to_string().contains("AS OF")).unwrap().span.start;
    assert_eq!((place.line, place.column), (1, 15));
}

#[test]
fn tables_of_metadata_as_spark_names_them() {
    let text = |text: &str| {
        let rewritten = rewrite(tokens::statement(text).unwrap()).unwrap();
        rewritten.iter().map(|token| token.token.to_string()).collect::<String>()
    };
    assert!(text("SELECT * FROM r2.d.t.snapshots s").contains("\"r2\".\"d\".\"t$snapshots\" s"));
    for other in ["SELECT * FROM d.t.snapshots", "SELECT * FROM r2.d.t.other", "SELECT r2.d.t.files FROM r2.d.t"] {
        assert_eq!(text(other), format!("{other}EOF"));
    }
}

#[test]
fn added_rows_is_a_version() {
    let added = |after, up_to: Option<Version>| Version::Added { after: Box::new(after), up_to: up_to.map(Box::new) };
    let (one_, two) = (Version::Snapshot(1), Version::Snapshot(2));
    for (call, expected) in [
        ("added_rows('r2.d.t', 1, 2)", added(one_.clone(), Some(two.clone()))),
        ("Added_Rows ( 'r2.d.t' , 1 ) x", added(one_.clone(), None)),
        ("added_rows('r2.d.t', 1, NULL)", added(one_.clone(), None)),
        ("added_rows('r2.d.t', 'tag')", added(Version::Named("tag".to_string()), None)),
        ("added_rows(end_snapshot_id => 2, start_snapshot_id => 1, table => 'r2.d.t')", added(one_, Some(two))),
    ] {
        assert_eq!(found(&format!("SELECT * FROM {call}")), [("t".to_string(), Some(expected))], "{call}");
    }
    for (call, told) in [
        ("added_rows()", "added_rows takes the name of the table as a string; it is called at line 1, column 15"),
        (
            "added_rows('t')",
            "added_rows takes the snapshot behind which rows are wanted; it is called at line 1, column 15",
        ),
        ("added_rows('t', 1, 2, 3)", "added_rows takes 2 or 3 arguments, not 4; it is called at line 1, column 15"),
        ("added_rows(tab => 't')", "added_rows has no argument `tab`; it is called at line 1, column 15"),
        (
            "added_rows('t', true)",
            "`start_snapshot_id` of added_rows is the id of a snapshot, or the name of a branch or tag; called at line 1, column 15",
        ),
    ] {
        assert_eq!(message(&format!("SELECT * FROM {call}")), told);
    }
}

#[test]
fn mistakes() {
    for (text, told) in [
        (
            "SELECT * FROM t VERSION AS OF x",
            "expected the id of a snapshot, or the name of a branch or tag between single quotes, found `x` at line 1, column 31",
        ),
        (
            "SELECT * FROM t FOR VERSION AS OF",
            "expected the id of a snapshot, or the name of a branch or tag between single quotes, found the end of the statement at line 1, column 34",
        ),
        (
            "SELECT * FROM t VERSION AS OF 99999999999999999999",
            "`99999999999999999999` is not the id of a snapshot, given at line 1, column 31",
        ),
        (
            "SELECT * FROM t VERSION AS OF -1",
            "expected the id of a snapshot, or the name of a branch or tag between single quotes, found `-` at line 1, column 31",
        ),
        ("SELECT * FROM t TIMESTAMP AS OF", "expected: an expression, found: EOF at line 1, column 32"),
    ] {
        assert_eq!(message(text), told);
    }
}

/// Statements that speak of versions and have no clause.
const OTHERS: &[&str] = &[
    "SELECT version AS of FROM t",
    "SELECT t.version AS of, timestamp AS of FROM t",
    "SELECT DISTINCT version AS of FROM t",
    "SELECT ALL version AS of FROM t",
    "SELECT 'FROM t VERSION AS OF 1' FROM t",
    "SELECT \"FROM t VERSION AS OF 1\" FROM t",
    "SELECT 1 /* FROM t VERSION AS OF 1 */ FROM t -- VERSION AS OF 1",
    "SELECT $$FROM t VERSION AS OF 1$$",
    "SELECT * FROM version AS of",
    "SELECT * FROM t, version AS of WHERE a = 1",
    "SELECT * FROM a JOIN version AS of ON true",
    "SELECT * FROM a CROSS JOIN timestamp AS of",
    "SELECT * FROM t AS version",
    "SELECT * FROM t version",
    "SELECT * FROM t timestamp, u",
    "SELECT * FROM t \"version\" ORDER BY 1",
    "SELECT a IS DISTINCT FROM version AS of FROM t",
    "SELECT EXTRACT(year FROM version) AS of FROM t",
    "SELECT EXTRACT(year FROM timestamp), a AS of FROM t",
    "SELECT trim(BOTH 'x' FROM version) AS of",
    "SELECT substring(version FROM 1 FOR 2) AS of FROM t",
    "SELECT x::timestamp AS of, CAST(y AS timestamp) AS of FROM t",
    "SELECT a AT TIME ZONE version AS of FROM t",
    "SELECT * FROM t FOR UPDATE",
    "SELECT * FROM LATERAL version AS of",
    "SELECT * FROM unnest(a) AS version, t",
    "SELECT count(*) FILTER (WHERE version > 1) AS of FROM t GROUP BY version",
    "SELECT added_rows, added_rows.a FROM added_rows",
    "SELECT * FROM \"added_rows\"(1)",
    "INSERT INTO version VALUES (1, 'AS OF')",
    "CREATE TABLE t (version INT, timestamp TIMESTAMP) TBLPROPERTIES ('version' = 'AS OF 1')",
    "ATTACH 'x' AS version (TYPE local)",
    "CALL r2.system.p(version => 1, 'AS OF')",
    "SHOW MIGRATIONS FROM version",
    "SHOW MIGRATIONS FROM r2.a.b.files",
    "DELETE FROM r2.a.b.files WHERE id = 1",
    "SELECT * FROM a.b.c, d.e.f WHERE a.b.c.files = 1",
    ")) FROM ((",
    "FROM",
    "SELECT * FROM ,",
];

#[test]
fn other_statements_stay_token_for_token() {
    for text in OTHERS {
        let before = tokens::statement(text).unwrap();
        assert_eq!(rewrite(before.clone()).unwrap(), before, "{text}");
    }
}

proptest! {
    /// Whatever words come together: without the two words of a clause nothing is changed, and nothing panics.
    #[test]
    fn nothing_else_is_changed(
        words in prop::collection::vec(prop::sample::select(vec![
            "SELECT", "FROM", "JOIN", "version", "VERSION", "timestamp", "AS", "FOR", "t", "a.b.c", "\"x\"", "'AS OF'",
            "1", "(", ")", ",", "WHERE", "ON", "=", "-- OF\n", "/* OF */", "UNION", ".", "*",
        ]), 0..24),
    ) {
        let text = words.join(" ");
        if let Ok(before) = tokens::statement(&text) {
            prop_assert_eq!(rewrite(before.clone()).unwrap(), before);
        }
    }

    /// Whatever comes together, it is rewritten or an error; what is rewritten once stays as it is.
    #[test]
    fn rewriting_ends(
        words in prop::collection::vec(prop::sample::select(vec![
            "FROM", "JOIN", "VERSION AS OF", "TIMESTAMP AS OF", "FOR", "t", "a.b.c.files", "\"x\"", "'y'", "1", "(", ")",
            ",", "added_rows(", "now()", "-", "INTERVAL '1 day'", "SELECT",
        ]), 0..16),
    ) {
        if let Ok(before) = tokens::statement(&words.join(" "))
            && let Ok(once) = rewrite(before)
            && let Ok(twice) = rewrite(once.clone())
        {
            prop_assert!(twice.len() <= once.len());
        }
    }
}
