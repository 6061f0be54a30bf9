use iceberg::spec::Transform;

use super::settings::{OnError, ReportFile, ReportFormat};
use super::*;
use crate::error::ErrorKind;
use crate::pipeline::verify::Level;
use crate::sql::{Statement, parse};

fn migrated(text: &str) -> Migrate {
    match parse(text) {
        Ok(Statement::Migrate(migrate)) => migrate,
        other => panic!("{text}: {other:?}"),
    }
}

fn shown(fields: &[PartitionField]) -> Vec<String> {
    fields.iter().map(|field| format!("{} {}", field.transform, field.column)).collect()
}

fn options(text: &str) -> MigrateOptions {
    migrated(&format!("MIGRATE TABLE s TO t WITH ({text})")).options
}

#[test]
fn everything() {
    let migrate = migrated(
        "migrate table Glue.default.\"S\" to r2.default.t -- the whole table
         select *, quarter(date) AS Quarter, sum(a) over (order by b) where Year >= 2019 and b in (select x from u)
         with (verify 'portable', merge_schema = false) batch by months(ts) tblproperties ('A.b' = 'c')
         partitioned by (year, bucket(4, id) as b);",
    );
    assert_eq!(migrate.source, ["glue", "default", "S"]);
    assert_eq!(migrate.target, ["r2", "default", "t"]);
    assert_eq!(
        migrate.query.to_string(),
        "SELECT *, quarter(date) AS Quarter, sum(a) OVER (ORDER BY b) FROM \"glue\".\"default\".\"S\" WHERE Year >= 2019 \
         AND b IN (SELECT x FROM u)"
    );
    let items = "*, quarter(date) as quarter, sum(a) over(order by b)";
    assert_eq!(migrate.select_text.as_deref(), Some(items));
    assert_eq!(migrate.where_text.as_deref(), Some("year >= 2019 and b in (select x from u)"));
    assert_eq!(shown(&migrate.partition_by.unwrap()), ["identity year", "bucket[4] id"]);
    assert_eq!(shown(&[migrate.batch_by.unwrap()]), ["month ts"]);
    assert_eq!(migrate.properties, BTreeMap::from([("A.b".to_string(), "c".to_string())]));
    assert_eq!(migrate.options.verify, Level::Portable);
    assert!(!migrate.options.merge_schema);
}

#[test]
fn the_least() {
    let migrate = migrated("MIGRATE TABLE s TO t");
    assert_eq!(migrate.query.to_string(), "SELECT * FROM \"s\"");
    assert_eq!((migrate.select_text, migrate.where_text), (None, None));
    assert!(migrate.partition_by.is_none() && migrate.batch_by.is_none() && migrate.properties.is_empty());
    assert_eq!(migrate.options, MigrateOptions::default());
    let migrate = migrated("MIGRATE TABLE g.a.\"B.c\".s TO r2.a.b.t WHERE x");
    assert_eq!(migrate.query.to_string(), "SELECT * FROM \"g\".\"a.B.c\".\"s\" WHERE x");
    assert_eq!(migrate.target, ["r2", "a", "b", "t"]);
}

#[test]
fn the_words_tell_two_migrations_apart() {
    let texts = |text: &str| {
        let migrate = migrated(&format!("MIGRATE TABLE s TO t {text}"));
        (migrate.select_text, migrate.where_text)
    };
    let one = texts("SELECT a, Quarter(d) AS q WHERE year = 2019 AND model = 'A' BATCH BY year");
    assert_eq!(one, texts("select A,quarter( d )as Q /* the quarter */\nwhere YEAR=2019 and Model='A'--\nWITH ()"));
    for other in [
        "SELECT a, quarter(d) AS q",
        "WHERE year = 2019 AND model = 'A'",
        "SELECT a, quarter(d) AS \"Q\" WHERE year = 2019 AND model = 'A'",
        "SELECT a, quarter(d) AS q WHERE year = 2019 AND model = 'a'",
    ] {
        assert_ne!(one, texts(other));
    }
}

#[test]
fn words_that_are_not_clauses() {
    for query in [
        "SELECT batch, partitioned AS batch, t.limit, \"from\", a IS NOT DISTINCT FROM b",
        "SELECT EXTRACT(YEAR FROM d) AS y, \"top\", a::TIMESTAMP WITH TIME ZONE AS b",
        "SELECT * EXCEPT (a), CASE WHEN a THEN b END, tblproperties(a)",
        "WHERE batch = 1 AND offset > 2 AND a IS DISTINCT FROM b",
        "WHERE EXISTS (SELECT a FROM t WHERE b GROUP BY a HAVING c ORDER BY d LIMIT 1)",
        "WHERE limit = 5",
    ] {
        let migrate = migrated(&format!("MIGRATE TABLE s TO t {query} BATCH BY year"));
        let text = migrate.select_text.or(migrate.where_text).unwrap();
        assert!(!text.contains("batch by"), "{text}");
        assert!(migrate.batch_by.is_some() && migrate.partition_by.is_none());
    }
}

#[test]
fn batches() {
    for (text, transform, column) in [
        ("year", Transform::Identity, "year"),
        ("place.\"City\"", Transform::Identity, "place.City"),
        ("Years(ts)", Transform::Year, "ts"),
        ("month(ts)", Transform::Month, "ts"),
        ("day(ts)", Transform::Day, "ts"),
        ("hours(ts)", Transform::Hour, "ts"),
        ("bucket(16, id)", Transform::Bucket(16), "id"),
        ("truncate(s, 4)", Transform::Truncate(4), "s"),
    ] {
        let batch = migrated(&format!("MIGRATE TABLE s TO t BATCH BY {text} PARTITIONED BY (a)")).batch_by;
        assert_eq!(batch, Some(PartitionField { transform, column: column.to_string(), name: None }));
    }
}

#[test]
fn every_option() {
    let all = MigrateOptions {
        verify: Level::Metadata,
        merge_schema: false,
        on_error: OnError::Continue,
        parallel_batches: 64,
        scan_batches: true,
        final_run: true,
        splice: None,
        slice_bytes: Some(2 << 30),
        report: Some(ReportFile { path: "out/Page.HTML".into(), format: ReportFormat::Html }),
    };
    for text in [
        "verify metadata, merge_schema false, on_error continue, parallel_batches 64, scan_batches true, final true,
         slice_bytes 2147483648, report 'out/Page.HTML'",
        "VERIFY = 'Metadata', Merge_Schema = 'FALSE', on_error = 'Continue', parallel_batches = '64',
         scan_batches = TRUE, FINAL = 'true', slice_bytes = '2GiB', REPORT = 'out/Page.HTML'",
    ] {
        assert_eq!(options(text), all);
    }
    assert_eq!(options(""), MigrateOptions::default());
    assert_eq!(options("slice_bytes '512 MB', verify content").slice_bytes, Some(512_000_000));
}

#[test]
fn wrong_options() {
    for (option, kind, message) in [
        ("verify off", ErrorKind::Config, "option `verify` is `off`, expected metadata, content or portable"),
        ("merge_schema 1", ErrorKind::Config, "option `merge_schema` is `1`, expected true or false"),
        ("on_error ''", ErrorKind::Config, "option `on_error` is ``, expected stop or continue"),
        ("parallel_batches 0", ErrorKind::Config, "option `parallel_batches` is `0`, expected a number from 1 to 64"),
        ("parallel_batches 65", ErrorKind::Config, "option `parallel_batches` is `65`, expected a number from 1 to 64"),
        (
            "slice_bytes '1023B'",
            ErrorKind::Config,
            "option `slice_bytes` is `1023B`, expected 1 KiB or more, such as '2GiB', '512MB' or 2147483648",
        ),
        ("splice maybe", ErrorKind::Config, "option `splice` is `maybe`, expected auto, off or keep-codec"),
        ("memory_limit '4GB'", ErrorKind::Unsupported, "option `memory_limit` is not supported in this version"),
        ("max_dollars 5", ErrorKind::Unsupported, "option `max_dollars` is not supported in this version"),
        (
            "report 'r.txt'",
            ErrorKind::Config,
            "option `report` is `r.txt`, expected the path of a local file that ends with .html or .json",
        ),
        (
            "report 's3://b/r.html'",
            ErrorKind::Config,
            "option `report` is `s3://b/r.html`, expected the path of a local file that ends with .html or .json",
        ),
        ("verfy content", ErrorKind::Config, "unknown option `verfy`"),
    ] {
        let error = parse(&format!("MIGRATE TABLE s TO t WITH (final true,\n {option})")).unwrap_err();
        assert_eq!(error.to_string(), format!("{message} at line 2, column 2"));
        assert_eq!(error.kind(), kind);
    }
    let error = parse("MIGRATE TABLE s TO t WITH (verfy content)").unwrap_err();
    let known = "the options are verify, merge_schema, on_error, parallel_batches, scan_batches, final, slice_bytes, splice, report";
    assert_eq!(error.advice(), Some(known));
    for (text, message) in [
        ("final true, FINAL false", "option `final` is given twice, again at line 1, column 40"),
        ("slice_bytes 2GiB", "expected `,` or `)` after an option, found a word at line 1, column 41"),
        ("verify", "expected the value of an option, found `)` at line 1, column 34"),
    ] {
        let text = format!("MIGRATE TABLE s TO t WITH ({text})");
        assert_eq!(parse(&text).unwrap_err().to_string(), message);
    }
}

#[test]
fn what_a_query_has_and_a_migration_has_not() {
    for (text, clause, column) in [
        ("SELECT a FROM s", "FROM", 31),
        ("SELECT a GROUP BY a", "GROUP BY", 31),
        ("WHERE a = 1 GROUP BY a", "GROUP BY", 34),
        ("WHERE a HAVING b", "HAVING", 30),
        ("ORDER BY a", "ORDER BY", 22),
        ("BATCH BY a LIMIT 5", "LIMIT", 33),
        ("SELECT * LIMIT 5", "LIMIT", 31),
        ("SELECT a OFFSET 5", "OFFSET", 31),
        ("SELECT a UNION SELECT b", "UNION", 31),
        ("SELECT DISTINCT a", "SELECT DISTINCT", 29),
        ("SELECT ALL a", "SELECT ALL", 29),
        ("SELECT TOP 5 a", "SELECT TOP", 29),
        ("WITH q AS (SELECT 1) SELECT a", "WITH of a query", 22),
        ("WITH q (a) AS (SELECT 1)", "WITH of a query", 22),
        ("WITH RECURSIVE q AS (SELECT 1)", "WITH of a query", 22),
    ] {
        let error = parse(&format!("MIGRATE TABLE s TO t {text}")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let expected = format!("MIGRATE … {clause} is not supported at line 1, column {column}");
        assert_eq!(error.to_string(), expected);
        assert!(error.advice().unwrap().contains("INSERT INTO … SELECT"));
    }
}

#[test]
fn mistakes() {
    for (text, message) in [
        ("MIGRATE s TO t", "expected TABLE after MIGRATE, found `s` at line 1, column 9"),
        ("MIGRATE TABLE", "expected the name of the source, found the end of the statement at line 1, column 14"),
        ("MIGRATE TABLE s", "expected TO after the source, found the end of the statement at line 1, column 16"),
        ("MIGRATE TABLE s INTO t", "expected TO after the source, found `INTO` at line 1, column 17"),
        ("MIGRATE TABLE s TO", "expected the name of the target, found the end of the statement at line 1, column 19"),
        ("MIGRATE TABLE s TO SELECT *", "expected the name of the target, found `SELECT` at line 1, column 20"),
        (
            "MIGRATE TABLE s TO t x",
            "expected SELECT, WHERE, PARTITIONED BY, BATCH BY, TBLPROPERTIES or WITH (…), found `x` at line 1, column 22",
        ),
        (
            "MIGRATE TABLE s TO t BATCH BY a AS b",
            "expected PARTITIONED BY, BATCH BY, TBLPROPERTIES or WITH (…), found `AS` at line 1, column 33",
        ),
        (
            "MIGRATE TABLE s TO t SELECT",
            "expected the items of SELECT, found the end of the statement at line 1, column 28",
        ),
        ("MIGRATE TABLE s TO t SELECT WHERE a", "expected the items of SELECT, found `WHERE` at line 1, column 29"),
        ("MIGRATE TABLE s TO t SELECT BATCH BY a", "expected the items of SELECT, found `BATCH` at line 1, column 29"),
        (
            "MIGRATE TABLE s TO t SELECT a,",
            "expected an item after `,`, found the end of the statement at line 1, column 31",
        ),
        ("MIGRATE TABLE s TO t SELECT a, WHERE b", "expected: the end of the items, found: WHERE at line 1, column 32"),
        ("MIGRATE TABLE s TO t\nSELECT a b c", "expected: the end of the items, found: c at line 2, column 12"),
        ("MIGRATE TABLE s TO t SELECT a +", "expected: an expression, found: EOF at line 1, column 32"),
        (
            "MIGRATE TABLE s TO t WHERE",
            "expected a condition after WHERE, found the end of the statement at line 1, column 27",
        ),
        (
            "MIGRATE TABLE s TO t WHERE BATCH BY a",
            "expected a condition after WHERE, found `BATCH` at line 1, column 28",
        ),
        ("MIGRATE TABLE s TO t WHERE a = 1 b", "expected: the end of the condition, found: b at line 1, column 34"),
        ("MIGRATE TABLE s TO t WHERE a WHERE b", "WHERE is given twice, again at line 1, column 30"),
        ("MIGRATE TABLE s TO t SELECT a SELECT b", "SELECT is given twice, again at line 1, column 31"),
        (
            "MIGRATE TABLE s TO t WHERE a SELECT b",
            "SELECT, WHERE and the other clauses come in this order; SELECT comes too late at line 1, column 30",
        ),
        (
            "MIGRATE TABLE s TO t BATCH BY a WHERE b",
            "SELECT, WHERE and the other clauses come in this order; WHERE comes too late at line 1, column 33",
        ),
        ("MIGRATE TABLE s TO t BATCH BY a BATCH BY b", "BATCH BY is given twice, again at line 1, column 33"),
        (
            "MIGRATE TABLE s TO t PARTITIONED BY (a) PARTITIONED BY (b)",
            "PARTITIONED BY is given twice, again at line 1, column 41",
        ),
        (
            "MIGRATE TABLE s TO t TBLPROPERTIES (a 1) TBLPROPERTIES (b 2)",
            "TBLPROPERTIES is given twice, again at line 1, column 42",
        ),
        ("MIGRATE TABLE s TO t WITH () WITH ()", "WITH is given twice, again at line 1, column 30"),
        ("MIGRATE TABLE s TO t BATCH BY a, b", "BATCH BY takes one field; another one is given at line 1, column 32"),
        ("MIGRATE TABLE s TO t BATCH BY (a)", "expected a column or a transform, found `(` at line 1, column 31"),
        ("MIGRATE TABLE s TO t BATCH BY quarter(a)", "unknown transform `quarter` at line 1, column 31"),
        (
            "MIGRATE TABLE s TO t WITH",
            "expected `(` before the options, found the end of the statement at line 1, column 26",
        ),
        (
            "MIGRATE TABLE s TO t WITH verify content",
            "expected `(` before the options, found a word at line 1, column 27",
        ),
        ("MIGRATE TABLE s TO t WITH ((a) b)", "expected the name of an option, found `(` at line 1, column 28"),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), message, "{text}");
    }
    for part in ["SELECT", "WHERE"] {
        let text = format!("MIGRATE TABLE s TO t {part} {}1", "(".repeat(10_000));
        assert_eq!(parse(&text).unwrap_err().to_string(), "the statement is nested too deeply");
    }
}
