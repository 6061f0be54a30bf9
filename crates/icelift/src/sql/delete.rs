//! `DELETE FROM` and `TRUNCATE TABLE`.

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::query;
use super::tokens::unsupported;
use crate::error::Result;

/// `DELETE FROM name [WHERE condition]`, or `TRUNCATE TABLE name`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Delete {
    pub table: Vec<String>,
    /// `SELECT * FROM name WHERE condition`: the rows that go; `None` for all of them.
    pub rows: Option<Box<ast::Query>>,
}

/// Reads `DELETE …`.
pub(super) fn delete(cursor: &mut Cursor<'_>) -> Result<Delete> {
    let place = cursor.place();
    let table = delete_head(cursor)?;
    for clause in [&["USING"][..], &["RETURNING"], &["ORDER", "BY"], &["LIMIT"]] {
        if cursor.sees(clause) {
            let message = format!("DELETE … {} is not supported", clause.join(" "));
            return Err(unsupported(message, cursor.place()));
        }
    }
    if cursor.peek().token == Token::EOF {
        return Ok(Delete { table, rows: None });
    }
    cursor.expect_words(&["WHERE"], "or the end of the statement")?;
    let condition = query::condition(cursor.take_until(|_| false))?;
    let rows = query::of_table(&table, place, None, Some(condition))?;
    Ok(Delete { table, rows: Some(rows) })
}

/// Reads up to the name of the table.
pub(super) fn delete_head(cursor: &mut Cursor<'_>) -> Result<Vec<String>> {
    cursor.expect_words(&["DELETE", "FROM"], "first")?;
    cursor.name("the name of a table")
}

/// Reads `TRUNCATE TABLE name`.
pub(super) fn truncate(cursor: &mut Cursor<'_>) -> Result<Delete> {
    let table = truncate_head(cursor)?;
    cursor.end()?;
    Ok(Delete { table, rows: None })
}

/// Reads up to the name of the table.
pub(super) fn truncate_head(cursor: &mut Cursor<'_>) -> Result<Vec<String>> {
    cursor.expect_words(&["TRUNCATE", "TABLE"], "first")?;
    cursor.name("the name of a table")
}

#[cfg(test)]
mod tests {
    use crate::error::ErrorKind;
    use crate::sql::{Delete, Statement, parse};

    fn deleted(text: &str) -> Delete {
        match parse(text) {
            Ok(Statement::Delete(delete)) => delete,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn all_forms() {
        let delete = deleted("DELETE FROM R2.ns.\"T\" WHERE a > 1 AND (b IS NULL OR c IN (1, 2));");
        assert_eq!(delete.table, ["r2", "ns", "T"]);
        let rows = delete.rows.unwrap().to_string();
        assert_eq!(rows, "SELECT * FROM \"r2\".\"ns\".\"T\" WHERE a > 1 AND (b IS NULL OR c IN (1, 2))");
        let all = Delete { table: ["r2", "ns", "t"].map(str::to_string).to_vec(), rows: None };
        assert_eq!(deleted("delete from r2.ns.t"), all);
        assert_eq!(deleted("TRUNCATE TABLE r2.ns.t"), all);
    }

    #[test]
    fn mistakes() {
        for (text, message) in [
            ("DELETE FROM t x WHERE a", "expected WHERE or the end of the statement, found `x` at line 1, column 15"),
            ("DELETE FROM t WHERE", "expected: an expression, found: EOF at line 1, column 20"),
            ("DELETE FROM t WHERE a 1", "expected: the end of the condition, found: 1 at line 1, column 23"),
            ("TRUNCATE TABLE t CASCADE", "expected the end of the statement, found `CASCADE` at line 1, column 18"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), message);
        }
        for text in ["DELETE FROM t USING s WHERE a", "DELETE FROM t LIMIT 1", "DELETE FROM t RETURNING a"] {
            assert_eq!(parse(text).unwrap_err().kind(), ErrorKind::Unsupported, "{text}");
        }
    }
}
