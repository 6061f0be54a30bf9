//! `INSERT`.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::tokenizer::{Token, Word};

use super::cursor::Cursor;
use super::query;
use super::tokens::{sql_error, unsupported};
use crate::error::Result;

mod overwrite;

pub(crate) use overwrite::Overwrite;

/// `INSERT INTO [TABLE] name [(columns)] [BY NAME] query`, or
/// `INSERT OVERWRITE [TABLE] name [PARTITION (…)] [(columns)] [BY NAME] [WHERE condition] query`
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Insert {
    pub target: Vec<String>,
    pub columns: Option<Vec<String>>,
    pub by_name: bool,
    pub source: Box<ast::Query>,
    /// Which rows the new ones replace; `None` if they are added to those that are there.
    pub overwrite: Option<Overwrite>,
}

/// Reads `INSERT …`.
pub(super) fn insert(cursor: &mut Cursor<'_>) -> Result<Insert> {
    let start = cursor.place();
    let (overwrites, target) = head(cursor)?;
    let partition = if overwrites { overwrite::partition(cursor, &target, start)? } else { None };
    refuse(cursor, &[&["PARTITION"], &["DEFAULT", "VALUES"], &["SET"], &["AS"]])?;
    let columns = if begins_columns(cursor) { Some(columns(cursor)?) } else { None };
    refuse(cursor, &[&["PARTITION"]])?;
    let place = cursor.place();
    let by_name = cursor.words(&["BY", "NAME"]);
    if by_name && columns.is_some() {
        return Err(sql_error("BY NAME excludes a list of columns", place));
    }
    let condition = if overwrites { overwrite::condition(cursor, &target, start)? } else { None };
    let overwrite = match (partition, condition, overwrites) {
        (Some(_), Some(_), _) => {
            return Err(sql_error("PARTITION excludes WHERE in an INSERT OVERWRITE that begins", start));
        }
        (Some(given), None, _) | (None, Some(given), _) => Some(given),
        (None, None, true) => Some(Overwrite::Partitions),
        (None, None, false) => None,
    };
    let query = cursor.take_until(begins_extra);
    refuse(cursor, &[&["RETURNING"], &["ON", "CONFLICT"], &["ON", "DUPLICATE", "KEY"]])?;
    let source = query::parse(query)?;
    Ok(Insert { target, columns, by_name, source, overwrite })
}

/// Reads up to the name of the table: whether it is overwritten, and which one it is.
pub(super) fn head(cursor: &mut Cursor<'_>) -> Result<(bool, Vec<String>)> {
    cursor.expect_words(&["INSERT"], "first")?;
    let overwrite = cursor.words(&["OVERWRITE"]);
    let into = cursor.words(&["INTO"]);
    if !overwrite && !into {
        return Err(cursor.expected("INTO or OVERWRITE after INSERT"));
    }
    cursor.words(&["TABLE"]);
    Ok((overwrite, cursor.name("the name of a table")?))
}

/// Fails at clauses that other databases have.
fn refuse(cursor: &Cursor<'_>, clauses: &[&[&str]]) -> Result<()> {
    match clauses.iter().find(|clause| cursor.sees(clause)) {
        None => Ok(()),
        Some(clause) => Err(unsupported(format!("INSERT … {} is not supported", clause.join(" ")), cursor.place())),
    }
}

fn begins_extra(cursor: &Cursor<'_>) -> bool {
    let conflict = cursor.sees(&["ON", "CONFLICT"])
        && (cursor.peek_nth(2).token == Token::LParen
            || cursor.sees(&["ON", "CONFLICT", "DO"])
            || cursor.sees(&["ON", "CONFLICT", "ON"]));
    conflict || cursor.sees(&["RETURNING"]) || cursor.sees(&["ON", "DUPLICATE", "KEY"])
}

/// Tells a list of columns from a query in parentheses.
fn begins_columns(cursor: &Cursor<'_>) -> bool {
    if cursor.peek().token != Token::LParen {
        return false;
    }
    match &cursor.peek_nth(1).token {
        Token::Word(Word { quote_style: None, value, .. }) => {
            let queries = ["SELECT", "WITH", "VALUES", "FROM", "TABLE"];
            !queries.iter().any(|word| value.eq_ignore_ascii_case(word))
        }
        Token::LParen => false,
        _ => true,
    }
}

fn columns(cursor: &mut Cursor<'_>) -> Result<Vec<String>> {
    let mut columns = Vec::new();
    let mut seen = BTreeSet::new();
    cursor.expect_symbol(&Token::LParen, "before the columns")?;
    loop {
        let place = cursor.place();
        let column = cursor.identifier("the name of a column")?;
        if !seen.insert(column.clone()) {
            return Err(sql_error(format!("column `{column}` is given twice, again"), place));
        }
        columns.push(column);
        if cursor.symbol(&Token::RParen) {
            return Ok(columns);
        }
        if !cursor.symbol(&Token::Comma) {
            return Err(cursor.expected("`,` or `)` after a column"));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::error::ErrorKind;
    use crate::sql::{Insert, Overwrite, Statement, parse};

    fn inserted(text: &str) -> Insert {
        match parse(text) {
            Ok(Statement::Insert(insert)) => insert,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn all_forms() {
        let insert =
            inserted("INSERT INTO TABLE r2.Ns1.\"Ns2\".t (A, \"B c\") SELECT 1, 2 FROM s WHERE x IN (SELECT 1);");
        assert_eq!(insert.target, ["r2", "ns1", "Ns2", "t"]);
        assert_eq!(insert.columns, Some(vec!["a".to_string(), "B c".to_string()]));
        assert_eq!(insert.source.to_string(), "SELECT 1, 2 FROM s WHERE x IN (SELECT 1)");
        assert!(insert.overwrite.is_none() && !insert.by_name);

        let insert = inserted("insert overwrite t by name with q as (select 1 as a) select * from q");
        assert_eq!(insert.overwrite, Some(Overwrite::Partitions));
        assert!(insert.by_name && insert.columns.is_none());

        assert!(inserted("INSERT INTO t (\"values\") VALUES (1), (2)").columns.is_some());
        for text in ["(SELECT 1)", "((SELECT 1))", "(VALUES (1))", "(WITH q AS (SELECT 1) SELECT * FROM q)"] {
            assert!(inserted(&format!("INSERT INTO t {text}")).columns.is_none());
        }
    }

    #[test]
    fn what_is_overwritten() {
        let insert = inserted("INSERT OVERWRITE r2.n.t (a) WHERE a > 1 AND b IS NULL SELECT a FROM s WHERE a < 9");
        assert_eq!(insert.columns, Some(vec!["a".to_string()]));
        assert_eq!(insert.source.to_string(), "SELECT a FROM s WHERE a < 9");
        match insert.overwrite {
            Some(Overwrite::Where(rows)) => {
                assert_eq!(rows.to_string(), "SELECT * FROM \"r2\".\"n\".\"t\" WHERE a > 1 AND b IS NULL");
            }
            other => panic!("{other:?}"),
        }
        for query in ["WITH q AS (SELECT 1) SELECT * FROM q", "VALUES (1)", "TABLE s"] {
            let insert = inserted(&format!("INSERT OVERWRITE TABLE t WHERE x = (1 + 2) {query}"));
            assert!(matches!(insert.overwrite, Some(Overwrite::Where(_))), "{query}");
        }
        let insert = inserted("INSERT OVERWRITE t PARTITION (Year = 2000 + 19, q = NULL, \"D\") SELECT 1");
        match insert.overwrite {
            Some(Overwrite::Partition { columns, values, rows }) => {
                assert_eq!(columns, ["year", "q"]);
                assert_eq!(values.to_string(), "SELECT 2000 + 19 AS \"year\", NULL AS \"q\"");
                let condition = "\"year\" = 2000 + 19 AND \"q\" IS NULL";
                assert_eq!(rows.to_string(), format!("SELECT * FROM \"t\" WHERE {condition}"));
            }
            other => panic!("{other:?}"),
        }
        let dynamic = inserted("INSERT OVERWRITE t PARTITION (year, q) SELECT 1").overwrite;
        assert_eq!(dynamic, Some(Overwrite::Partitions));
        for (text, message) in [
            (
                "PARTITION (a = 1) WHERE a = 1 SELECT 1",
                "PARTITION excludes WHERE in an INSERT OVERWRITE that begins at line 1, column 1",
            ),
            ("PARTITION (a = 1, a = 2) SELECT 1", "column `a` is given twice, again at line 1, column 38"),
            ("PARTITION () SELECT 1", "expected the name of a column, found `)` at line 1, column 31"),
        ] {
            assert_eq!(parse(&format!("INSERT OVERWRITE t {text}")).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn words_that_are_not_clauses() {
        for query in [
            "SELECT returning, t.returning, a AS returning FROM t WHERE returning > 1",
            "SELECT * FROM a JOIN b ON conflict = b.id",
            "SELECT (SELECT 1 AS returning)",
        ] {
            inserted(&format!("INSERT INTO t {query}"));
        }
    }

    #[test]
    fn what_is_refused() {
        for text in [
            "INSERT INTO t VALUES (1) RETURNING a",
            "INSERT INTO t SELECT 1 FROM s RETURNING *",
            "INSERT INTO t VALUES (1) ON CONFLICT (a) DO NOTHING",
            "INSERT INTO t SELECT 1 ON DUPLICATE KEY UPDATE a = 1",
            "INSERT INTO t PARTITION (a = 1) SELECT 1",
            "INSERT INTO t (a) PARTITION (a = 1) SELECT 1",
            "INSERT INTO t DEFAULT VALUES",
            "INSERT INTO t SET a = 1",
        ] {
            assert_eq!(parse(text).unwrap_err().kind(), ErrorKind::Unsupported, "{text}");
        }
        for (text, message) in [
            ("INSERT t SELECT 1", "expected INTO or OVERWRITE after INSERT, found `t` at line 1, column 8"),
            ("INSERT INTO SELECT 1", "expected the name of a table, found `SELECT` at line 1, column 13"),
            ("INSERT INTO t", "expected a query, found the end of the statement at line 1, column 14"),
            ("INSERT INTO t (a) BY NAME SELECT 1", "BY NAME excludes a list of columns at line 1, column 19"),
            ("INSERT INTO t (a, A) SELECT 1", "column `a` is given twice, again at line 1, column 19"),
            ("INSERT INTO t (a.b) SELECT 1", "expected `,` or `)` after a column, found `.` at line 1, column 17"),
            ("INSERT INTO t SELECT 1 2", "expected: the end of the query, found: 2 at line 1, column 24"),
            ("INSERT INTO t SELECT 1 +", "expected: an expression, found: EOF at line 1, column 25"),
            (
                "INSERT INTO t DELETE FROM s",
                "expected a query, found a statement that changes a table at line 1, column 15",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), message);
        }
    }
}
