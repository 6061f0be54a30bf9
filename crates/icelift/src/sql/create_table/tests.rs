use super::*;
use crate::sql::{Statement, parse};

fn created(text: &str) -> CreateTable {
    match parse(text) {
        Ok(Statement::CreateTable(create)) => create,
        other => panic!("{text}: {other:?}"),
    }
}

fn query(create: &CreateTable) -> String {
    match &create.source {
        TableSource::Query(query) => query.to_string(),
        other => panic!("{other:?}"),
    }
}

fn partition(create: &CreateTable) -> Vec<String> {
    create.partition_by.iter().map(|field| format!("{} {}", field.transform, field.column)).collect()
}

#[test]
fn columns_and_every_clause() {
    let create = created(
        "create table if not exists R2.\"Ns\".sub.T (id bigint not null, d date comment 'day')
         comment 'drives' tblproperties ('write.format' = 'parquet', a.B 5, 'c' true) -- here
         partitioned by (year(d), bucket(4, id)) location 's3://b/t';",
    );
    assert_eq!(create.name, ["r2", "Ns", "sub", "t"]);
    assert!(create.if_not_exists && !create.or_replace);
    assert_eq!(create.columns.as_ref().unwrap().len(), 2);
    assert_eq!(create.comment.as_deref(), Some("drives"));
    assert_eq!(create.location.as_deref(), Some("s3://b/t"));
    assert_eq!(partition(&create), ["year d", "bucket[4] id"]);
    let properties: Vec<_> = create.properties.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(properties, ["a.B=5", "c=true", "write.format=parquet"]);
    assert_eq!(create.source, TableSource::Columns);
}

#[test]
fn clauses_on_either_side_of_the_query() {
    for text in [
        "CREATE OR REPLACE TABLE t PARTITIONED BY (year) TBLPROPERTIES ('a'='b') AS SELECT * FROM s",
        "CREATE OR REPLACE TABLE t AS SELECT * FROM s PARTITIONED BY (year) TBLPROPERTIES ('a'='b')",
        "CREATE OR REPLACE TABLE t PARTITIONED BY (year) AS SELECT * FROM s\nTBLPROPERTIES ('a'='b');",
    ] {
        let create = created(text);
        assert!(create.or_replace);
        assert_eq!(partition(&create), ["identity year"]);
        assert_eq!(create.properties.len(), 1);
        assert_eq!(query(&create), "SELECT * FROM s");
    }
    let create = created("CREATE TABLE t AS (SELECT 1 AS a WHERE a IN (SELECT 2)) COMMENT 'c' LOCATION 'l'");
    assert_eq!((create.comment.as_deref(), create.location.as_deref()), (Some("c"), Some("l")));
    assert_eq!(partition(&created("CREATE TABLE t AS VALUES (1), (2) PARTITIONED BY (column1)")), ["identity column1"]);
    assert_eq!(
        partition(&created("CREATE TABLE t AS SELECT a FROM s GROUP BY ALL PARTITIONED BY (a)")),
        ["identity a"]
    );
    assert!(created("CREATE TABLE t (a int) AS SELECT 1").columns.is_some());
}

#[test]
fn words_that_are_not_clauses() {
    for text in [
        "SELECT comment, location, t.comment, location AS comment FROM t AS tblproperties WHERE location = 'x'",
        "SELECT location 'x', comment 'y' FROM t",
        "SELECT sum(a) OVER (PARTITION BY comment ORDER BY b) FROM t",
        "SELECT (SELECT comment FROM t LIMIT 1) FROM partitioned",
        "SELECT 'PARTITIONED BY (a)' /* LOCATION 'x' */ FROM t ORDER BY comment",
        "SELECT a FROM t WHERE comment LIKE 'x' AND location IN ('a')",
    ] {
        let create = created(&format!("CREATE TABLE t AS {text}"));
        assert!(create.partition_by.is_empty() && create.properties.is_empty() && create.comment.is_none(), "{text}");
    }
}

#[test]
fn like_another_table() {
    for text in [
        "LIKE g.\"D\".s PARTITIONED BY (a)",
        "PARTITIONED BY (a) LIKE g.\"D\".s",
        "(LIKE g.\"D\".s) PARTITIONED BY (a)",
    ] {
        let create = created(&format!("CREATE TABLE t {text}"));
        assert_eq!(create.source, TableSource::Like(vec!["g".into(), "D".into(), "s".into()]));
        assert_eq!(partition(&create), ["identity a"]);
        assert!(create.columns.is_none());
    }
}

#[test]
fn mistakes() {
    for (text, message) in [
        ("CREATE TABLE", "expected the name of a table, found the end of the statement at line 1, column 13"),
        ("CREATE TABLE AS SELECT 1", "expected the name of a table, found `AS` at line 1, column 14"),
        (
            "CREATE TABLE a.",
            "expected the next part of the name of a table, found the end of the statement at line 1, column 16",
        ),
        (
            "CREATE TABLE t",
            "expected a list of columns, LIKE or AS with a query, found the end of the statement at line 1, column 15",
        ),
        (
            "CREATE TABLE t USING iceberg",
            "expected PARTITIONED BY, TBLPROPERTIES, COMMENT, LOCATION, LIKE or AS, found `USING` at line 1, column 16",
        ),
        ("CREATE TABLE t AS", "expected a query, found the end of the statement at line 1, column 18"),
        (
            "CREATE TABLE t AS PARTITIONED BY (a)",
            "expected: SELECT, VALUES, or a subquery in the query body, found: PARTITIONED at line 1, column 19",
        ),
        (
            "CREATE TABLE t AS SELECT a FROM\ns UNPARTITIONED x",
            "expected: the end of the query, found: x at line 2, column 17",
        ),
        ("CREATE TABLE t LIKE u AS SELECT 1", "LIKE or AS is given twice, again at line 1, column 23"),
        ("CREATE TABLE t LIKE u COMMENT 'a' COMMENT 'b'", "COMMENT is given twice, again at line 1, column 35"),
        ("CREATE TABLE t (a int) LIKE u", "LIKE excludes a list of columns at line 1, column 24"),
        ("CREATE OR REPLACE TABLE IF NOT EXISTS t LIKE u", "OR REPLACE excludes IF NOT EXISTS at line 1, column 8"),
        (
            "CREATE TABLE t AS SELECT 1 TBLPROPERTIES ('a'='b', 'a'='c')",
            "option `a` is given twice, again at line 1, column 52",
        ),
        (
            "CREATE TABLE t AS SELECT 1 LOCATION 'x' y",
            "expected PARTITIONED BY, TBLPROPERTIES, COMMENT, LOCATION, LIKE or AS, found `y` at line 1, column 41",
        ),
        (
            "CREATE TABLE t AS DELETE FROM u",
            "expected a query, found a statement that changes a table at line 1, column 19",
        ),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), message, "{text}");
    }
}
