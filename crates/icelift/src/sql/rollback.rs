//! `ROLLBACK MIGRATION`.

use super::BatchValue;
use super::cursor::Cursor;
use super::options::{self, Keys};
use super::tokens::sql_error;
use super::verify::batch_value;
use crate::error::Result;

/// `ROLLBACK MIGRATION target [BATCH value] [WITH (job '…')]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RollbackMigration {
    pub target: Vec<String>,
    /// `None` is every batch.
    pub batch: Option<BatchValue>,
    /// Which migration, where several have the same target.
    pub job: Option<String>,
}

/// Reads `ROLLBACK MIGRATION …`.
pub(super) fn rollback_migration(cursor: &mut Cursor<'_>) -> Result<RollbackMigration> {
    cursor.expect_words(&["ROLLBACK", "MIGRATION"], "first")?;
    let target = cursor.name("the name of the target")?;
    let batch = if cursor.words(&["BATCH"]) { Some(batch_value(cursor)?) } else { None };
    let mut job = None;
    if cursor.words(&["WITH"]) {
        let place = cursor.place();
        for (key, value) in options::parse(cursor, Keys::Lowered)? {
            if key != "job" {
                return Err(sql_error(format!("`{key}` is no option, expected `job`; the options begin"), place));
            }
            job = Some(value.to_ascii_lowercase());
        }
    }
    cursor.end()?;
    Ok(RollbackMigration { target, batch, job })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Statement, parse};

    fn read(text: &str) -> RollbackMigration {
        match parse(text) {
            Ok(Statement::RollbackMigration(statement)) => statement,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn all_forms() {
        let target: Vec<String> = ["r2", "Ns", "t"].map(str::to_string).to_vec();
        let least = RollbackMigration { target, batch: None, job: None };
        assert_eq!(read("rollback migration R2.\"Ns\".t;"), least);
        let batch = Some(BatchValue::Literal("2019".to_string()));
        let one = RollbackMigration { batch, ..least.clone() };
        assert_eq!(read("ROLLBACK MIGRATION r2.\"Ns\".t BATCH 2019"), one);
        let job = Some("1f0c6f5d3a9b2e47".to_string());
        let named = RollbackMigration { job, batch: Some(BatchValue::Null), ..least };
        assert_eq!(read("ROLLBACK MIGRATION r2.\"Ns\".t BATCH NULL WITH (JOB '1F0C6F5D3A9B2E47')"), named);
    }

    #[test]
    fn mistakes() {
        for (text, message) in [
            (
                "ROLLBACK MIGRATION",
                "expected the name of the target, found the end of the statement at line 1, column 19",
            ),
            ("ROLLBACK MIGRATION t BATCHES", "expected the end of the statement, found `BATCHES` at line 1, column 22"),
            (
                "ROLLBACK MIGRATION t BATCH",
                "expected the value of a batch: a number, a string, NULL, DATE '…' or TIMESTAMP '…', found the end of the \
                 statement at line 1, column 27",
            ),
            (
                "ROLLBACK MIGRATION t WITH (batch 1)",
                "`batch` is no option, expected `job`; the options begin at line 1, column 27",
            ),
            (
                "EXPLAIN ROLLBACK MIGRATION t",
                "EXPLAIN takes a query, INSERT, CREATE TABLE … AS or MIGRATE TABLE; another statement begins at line 1, \
                 column 9",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), message, "{text}");
        }
    }
}
