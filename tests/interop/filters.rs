//! A filter finds the same rows whether it is pushed into the scan or applied to the whole table afterwards.
//!
//! Wrong pruning is silent: it loses rows. So every source table is asked every predicate that fits it in both ways; a LIMIT
//! that is larger than the table keeps DataFusion from pushing the predicate further down.

use arrow::datatypes::Field;
use libtest_mimic::{Failed, Trial};

use super::python::sources;
use crate::support;

/// For the tables that hold the thirty events: each column, each kind of operator, values at and beside the partition bounds.
const EVENTS: [&str; 46] = [
    "n = -3",
    "n > 5",
    "n >= 6 AND n < 27",
    "n IS NULL",
    "n IS NOT NULL",
    "n IN (-30, 0, 27)",
    "n NOT IN (0, 3)",
    "n <> 0",
    "n BETWEEN -6 AND 6",
    "NOT (n > 0 AND s = 'a/b')",
    "NOT (n > 0 AND id % 2 = 0)",
    "n > 0 OR id = 2",
    "n + 0 = 3",
    "n > 1e0",
    "-n = 3",
    "CAST(n AS INT) = 3",
    "CAST(n AS VARCHAR) = '3'",
    "CAST(price AS INT) = 1",
    "price = 1.25",
    "price < 0",
    "price > -1.005",
    "s = 'a/b'",
    "s = ''",
    "s = 'null'",
    "s LIKE 'x%'",
    "s LIKE '%b'",
    "s NOT LIKE 'a%'",
    "s >= 'null'",
    "s < 'b'",
    "s > 'xxxxxxxxxxxxxxxx'",
    "starts_with(s, 'a')",
    "upper(s) = 'A/B'",
    "d >= DATE '1970-06-01'",
    "d = DATE '1970-02-08'",
    "d < '1970-01-01'",
    "date_part('year', d) = 1971",
    "ts >= TIMESTAMP '1970-01-01 00:00:00'",
    "ts < '1969-12-31 23:00:00'",
    "CAST(ts AS DATE) = DATE '1970-01-02'",
    "tz BETWEEN '1970-01-01T00:00:00Z' AND '1970-01-03T00:00:00Z'",
    "flag",
    "NOT flag",
    "flag IS NOT TRUE",
    "b = X'010101'",
    "id = 4 AND n IS NULL",
    "id IN (3, 4, 29) AND (s IS NULL OR s <> 'a/b')",
];

const IDS: [&str; 12] = [
    "id = 1",
    "id > 2",
    "id < 4",
    "id IS NULL",
    "id IS NOT NULL",
    "id IN (1, 7, 155, 2999, 4444)",
    "NOT (id > 2)",
    "id % 2 = 1",
    "id BETWEEN 690 AND 710",
    "id <> 3",
    "CAST(id AS DOUBLE) = 2.0",
    "CAST(id AS VARCHAR) LIKE '1%'",
];

const NAMES: [&str; 7] = [
    "name = 'a'",
    "name IS NULL",
    "name IS NOT NULL",
    "name <> 'odd'",
    "name > 'name 03'",
    "name LIKE 'o%'",
    "NOT (name = 'a' AND id % 2 = 0)",
];

const YEARS: [&str; 9] = [
    "year = 2019",
    "year IN (2018, 2020)",
    "year > 2018",
    "year < 2019",
    "year IS NULL",
    "year IS NOT NULL",
    "year <> 2019",
    "CAST(year AS VARCHAR) = '2019'",
    "year = 2019 AND id > 1",
];

const DRIVES: [&str; 10] = [
    "year = 2019",
    "year IN (2018, 2020)",
    "year > 2018 AND date < DATE '2019-06-01'",
    "year IS NULL",
    "NOT (year = 2019)",
    "year + 0 = 2020",
    "quarter(date) = 'Q4'",
    "year = 2019 AND quarter(date) = 'Q1' AND failure = 1",
    "smart_5_raw IS NULL AND year = 2020",
    "capacity_bytes < 0 OR year = 2018",
];

const ODD: [&str; 4] = [
    "\"select\" = 'select 1'",
    "\"Mixed Case\" = 'Mixed Case 2'",
    "\"with.dot\" > 'with.dot 0'",
    "\"with\"\"quote\" IS NOT NULL AND \"1st\" LIKE '1st%'",
];

const PRIMITIVES: [&str; 24] = [
    "flag",
    "small = -2147483648",
    "small > 0",
    "large = 9223372036854775807",
    "large < 0",
    "single > 0",
    "single < 0",
    "single = 0",
    "isnan(single)",
    "NOT isnan(single)",
    "single = CAST('NaN' AS FLOAT)",
    "precise >= 0",
    "precise <> 0",
    "precise IS NULL",
    "CAST(precise AS VARCHAR) = 'inf'",
    "cents < 0",
    "units > 1",
    "wide = 0.0000000001",
    "day < DATE '1970-01-01'",
    "moment >= TIMESTAMP '2020-01-01T00:00:00'",
    "instant < TIMESTAMPTZ '1970-01-01T00:00:00Z'",
    "text = ''",
    "text > 'x'",
    "blob = X'00'",
];

pub(super) fn trials() -> Vec<Trial> {
    super::SOURCES
        .lines()
        .map(|source| Trial::test(format!("interop::filter::{source}"), move || check(source)))
        .collect()
}

fn check(source: &str) -> Result<(), Failed> {
    let sources = sources()?;
    support::block_on(async {
        let engine = support::engine(&[("glue", &sources.folder)]).await?;
        let table = format!("glue.default.{source}");
        let (schema, _) = support::run(&engine, &format!("SELECT * FROM {table} LIMIT 0")).await?;
        // One table calls a text `id`.
        let fits = |column: &str, found: &Field| column != "id" || found.data_type().is_numeric();
        let has = |column: &str| schema.field_with_name(column).is_ok_and(|found| fits(column, found));
        let mut wrong = Vec::new();
        for predicate in predicates(&has) {
            let pushed = format!("SELECT * FROM {table} WHERE {predicate}");
            let applied = format!("SELECT * FROM (SELECT * FROM {table} LIMIT 1000000) WHERE {predicate}");
            let (mut found, mut wanted) =
                (support::rows(&engine, &pushed).await?, support::rows(&engine, &applied).await?);
            found.sort();
            wanted.sort();
            if found != wanted {
                wrong.push(format!("WHERE {predicate} finds {} rows, expected {}", found.len(), wanted.len()));
            }
            let count = support::rows(&engine, &format!("SELECT count(*) FROM {table} WHERE {predicate}")).await?;
            if count != [[wanted.len().to_string()]] {
                wrong.push(format!("count(*) WHERE {predicate} is {count:?}, expected {}", wanted.len()));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
    })
}

/// The predicates whose columns the table has.
fn predicates(has: &dyn Fn(&str) -> bool) -> Vec<&'static str> {
    let mut fitting = Vec::new();
    let lists: [(&[&str], &[&'static str]); 7] = [
        (&["select", "Mixed Case"], &ODD),
        (&["n", "s", "ts"], &EVENTS),
        (&["id"], &IDS),
        (&["id", "name"], &NAMES),
        (&["id", "year"], &YEARS),
        (&["serial_number"], &DRIVES),
        (&["single", "blob"], &PRIMITIVES),
    ];
    for (columns, list) in lists {
        if columns.iter().all(|column| has(column)) {
            fitting.extend_from_slice(list);
        }
    }
    fitting
}
