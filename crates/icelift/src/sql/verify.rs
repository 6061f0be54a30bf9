//! `VERIFY TABLE`.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::call::{Value, scalar};
use super::cursor::{Cursor, set_once, string_value};
use super::tokens::sql_error;
use crate::error::Result;
use crate::pipeline::verify::{Dialect, Level};

/// `VERIFY TABLE target [AGAINST source] …`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verify {
    pub target: Vec<String>,
    /// `None` is the source that the target's register names.
    pub source: Option<Vec<String>>,
    pub level: Option<Level>,
    /// `None` is every batch.
    pub batch: Option<BatchValue>,
    pub emit: Option<Dialect>,
}

/// The value that all rows of a batch share in the field of `BATCH BY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BatchValue {
    Null,
    /// What a number, a string, a date or a timestamp says, as it is written.
    Literal(String),
}

/// The clauses read so far.
#[derive(Default)]
struct Clauses {
    level: Option<Level>,
    batch: Option<BatchValue>,
    emit: Option<Dialect>,
}

/// Reads `VERIFY …`.
pub(super) fn verify(cursor: &mut Cursor<'_>) -> Result<Verify> {
    cursor.expect_words(&["VERIFY"], "first")?;
    cursor.expect_words(&["TABLE"], "after VERIFY")?;
    let target = cursor.name("the name of the target")?;
    let source = if cursor.words(&["AGAINST"]) { Some(cursor.name("the name of the source")?) } else { None };
    let mut clauses = Clauses::default();
    while cursor.peek().token != Token::EOF {
        let none_yet = clauses.level.is_none() && clauses.batch.is_none() && clauses.emit.is_none();
        clauses.next(cursor, source.is_none() && none_yet)?;
    }
    let Clauses { level, batch, emit } = clauses;
    Ok(Verify { target, source, level, batch, emit })
}

impl Clauses {
    /// Reads one clause.
    fn next(&mut self, cursor: &mut Cursor<'_>, may_name_source: bool) -> Result<()> {
        let place = cursor.place();
        if cursor.words(&["USING"]) {
            set_once(&mut self.level, level(cursor)?, "USING", place)
        } else if cursor.words(&["BATCH"]) {
            set_once(&mut self.batch, batch_value(cursor)?, "BATCH", place)
        } else if cursor.words(&["EMIT"]) {
            cursor.expect_words(&["SQL", "FOR"], "after EMIT")?;
            set_once(&mut self.emit, dialect(cursor)?, "EMIT SQL", place)
        } else if cursor.sees(&["AGAINST"]) && !may_name_source {
            Err(sql_error("AGAINST comes once, directly behind the target; it begins", place))
        } else if may_name_source {
            Err(cursor.expected("AGAINST, USING, BATCH or EMIT SQL FOR"))
        } else {
            Err(cursor.expected("USING, BATCH or EMIT SQL FOR"))
        }
    }
}

fn level(cursor: &mut Cursor<'_>) -> Result<Level> {
    let place = cursor.place();
    let name = cursor.word_or_string("'metadata', 'content' or 'portable'")?;
    Level::named(&name).ok_or_else(|| {
        let names = Level::NAMES;
        sql_error(format!("unknown level `{name}`, expected {names}"), place)
    })
}

fn dialect(cursor: &mut Cursor<'_>) -> Result<Dialect> {
    let place = cursor.place();
    let name = cursor.word_or_string("duckdb or spark")?;
    name.parse().map_err(|_| sql_error(format!("unknown engine `{name}`, expected duckdb or spark"), place))
}

/// Reads the value of a batch.
pub(super) fn batch_value(cursor: &mut Cursor<'_>) -> Result<BatchValue> {
    const EXPECTED: &str = "the value of a batch: a number, a string, NULL, DATE '…' or TIMESTAMP '…'";
    if string_value(&cursor.peek_nth(1).token).is_some() {
        cursor.words(&["DATE"]);
    }
    match scalar(cursor) {
        Some(Value::Null) => Ok(BatchValue::Null),
        Some(Value::Boolean(truth)) => Ok(BatchValue::Literal(truth.to_string())),
        Some(Value::Number(text) | Value::String(text) | Value::Timestamp(text)) => Ok(BatchValue::Literal(text)),
        Some(Value::Map(_) | Value::Array(_)) | None => Err(cursor.expected(EXPECTED)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Statement, parse};

    fn verified(text: &str) -> Verify {
        match parse(text) {
            Ok(Statement::Verify(verify)) => verify,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn all_forms() {
        let verify =
            verified("verify table R2.\"Ns\".t against glue.default.s emit sql for Spark batch 2019 using 'Portable';");
        assert_eq!(verify.target, ["r2", "Ns", "t"]);
        assert_eq!(verify.source.unwrap(), ["glue", "default", "s"]);
        assert_eq!(verify.level, Some(Level::Portable));
        assert_eq!(verify.batch, Some(BatchValue::Literal("2019".to_string())));
        assert_eq!(verify.emit, Some(Dialect::Spark));

        let target = vec!["r2".to_string(), "n".to_string(), "t".to_string()];
        let least = Verify { target, source: None, level: None, batch: None, emit: None };
        assert_eq!(verified("VERIFY TABLE r2.n.t"), least);
        let verify = verified("VERIFY TABLE r2.n.t USING metadata EMIT SQL FOR 'duckdb'");
        assert_eq!((verify.level, verify.emit), (Some(Level::Metadata), Some(Dialect::DuckDb)));
        assert_eq!(verified("VERIFY TABLE t USING content").level, Some(Level::Content));
    }

    #[test]
    fn values_of_batches() {
        for (text, value) in [
            ("-5", "-5"),
            ("1.50", "1.50"),
            ("'It''s'", "It's"),
            ("'NULL'", "NULL"),
            ("True", "true"),
            ("DATE '2024-05-01'", "2024-05-01"),
            ("timestamp '2024-05-01 10:00:00'", "2024-05-01 10:00:00"),
        ] {
            let verify = verified(&format!("VERIFY TABLE t AGAINST s BATCH {text} USING 'content'"));
            assert_eq!(verify.batch, Some(BatchValue::Literal(value.to_string())));
        }
        assert_eq!(verified("VERIFY TABLE t BATCH null").batch, Some(BatchValue::Null));
    }

    #[test]
    fn mistakes() {
        for (text, message) in [
            ("VERIFY t", "expected TABLE after VERIFY, found `t` at line 1, column 8"),
            ("VERIFY TABLE", "expected the name of the target, found the end of the statement at line 1, column 13"),
            (
                "VERIFY TABLE t AGAINST",
                "expected the name of the source, found the end of the statement at line 1, column 23",
            ),
            ("VERIFY TABLE t s", "expected AGAINST, USING, BATCH or EMIT SQL FOR, found `s` at line 1, column 16"),
            ("VERIFY TABLE t AGAINST s x", "expected USING, BATCH or EMIT SQL FOR, found `x` at line 1, column 26"),
            (
                "VERIFY TABLE t USING 'content' AGAINST s",
                "AGAINST comes once, directly behind the target; it begins at line 1, column 32",
            ),
            (
                "VERIFY TABLE t AGAINST s\nUSING 'rows'",
                "unknown level `rows`, expected metadata, content or portable at line 2, column 7",
            ),
            ("VERIFY TABLE t USING 5", "expected 'metadata', 'content' or 'portable', found `5` at line 1, column 22"),
            ("VERIFY TABLE t USING content USING content", "USING is given twice, again at line 1, column 30"),
            ("VERIFY TABLE t BATCH 1 BATCH 2", "BATCH is given twice, again at line 1, column 24"),
            (
                "VERIFY TABLE t BATCH year",
                "expected the value of a batch: a number, a string, NULL, DATE '…' or TIMESTAMP '…', found `year` at \
                 line 1, column 22",
            ),
            (
                "VERIFY TABLE t BATCH DATE 2024",
                "expected the value of a batch: a number, a string, NULL, DATE '…' or TIMESTAMP '…', found `DATE` at \
                 line 1, column 22",
            ),
            ("VERIFY TABLE t EMIT FOR spark", "expected SQL FOR after EMIT, found `FOR` at line 1, column 21"),
            (
                "VERIFY TABLE t EMIT SQL FOR trino",
                "unknown engine `trino`, expected duckdb or spark at line 1, column 29",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), message);
        }
    }
}
