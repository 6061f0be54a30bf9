//! Statements that tell what is there: `SHOW CATALOGS | SCHEMAS | TABLES FROM | CREATE TABLE`, `DESCRIBE EXTENDED`, `SUMMARIZE`.
//!
//! `SHOW TABLES` and `DESCRIBE` without more words stay DataFusion's.

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::query;
use crate::error::Result;

/// What is to be told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Show {
    Catalogs,
    /// Of one catalog, or of all.
    Schemas {
        from: Option<String>,
    },
    /// Of a catalog, or of a schema of it.
    Tables {
        from: Vec<String>,
    },
    /// The statement that would create a table.
    Create(Vec<String>),
    /// All that is known of a table without reading its rows.
    Extended(Vec<String>),
    /// Each column of a query in figures.
    Summary(Box<ast::Query>),
}

/// Whether one of these statements begins here.
pub(super) fn begins(cursor: &Cursor<'_>) -> bool {
    let heads: [&[&str]; 9] = [
        &["SHOW", "CATALOGS"],
        &["SHOW", "SCHEMAS"],
        &["SHOW", "TABLES", "FROM"],
        &["SHOW", "TABLES", "IN"],
        &["SHOW", "CREATE", "TABLE"],
        &["DESCRIBE", "EXTENDED"],
        &["DESCRIBE", "TABLE", "EXTENDED"],
        &["DESC", "EXTENDED"],
        &["SUMMARIZE"],
    ];
    heads.iter().any(|words| cursor.sees(words))
}

/// Reads one of these statements.
pub(super) fn show(cursor: &mut Cursor<'_>) -> Result<Show> {
    let shown = if cursor.words(&["SUMMARIZE"]) {
        return summarize(cursor).map(Show::Summary);
    } else if cursor.words(&["DESC"]) || cursor.words(&["DESCRIBE"]) {
        cursor.words(&["TABLE"]);
        cursor.expect_words(&["EXTENDED"], "next")?;
        Show::Extended(cursor.name("the name of a table")?)
    } else if cursor.words(&["SHOW", "CREATE", "TABLE"]) {
        Show::Create(cursor.name("the name of a table")?)
    } else if cursor.words(&["SHOW", "CATALOGS"]) {
        Show::Catalogs
    } else if cursor.words(&["SHOW", "SCHEMAS"]) {
        let named = cursor.words(&["FROM"]) || cursor.words(&["IN"]);
        Show::Schemas { from: named.then(|| cursor.identifier("the name of a catalog")).transpose()? }
    } else {
        cursor.expect_words(&["SHOW", "TABLES"], "first")?;
        cursor.step();
        Show::Tables { from: cursor.name("the name of a catalog or schema")? }
    };
    cursor.end()?;
    Ok(shown)
}

/// Reads a table or a query.
fn summarize(cursor: &mut Cursor<'_>) -> Result<Box<ast::Query>> {
    let begins_query = cursor.peek().token == Token::LParen
        || ["SELECT", "WITH", "VALUES", "FROM"].iter().any(|word| cursor.sees(&[word]));
    if begins_query {
        return query::parse(cursor.take_until(|_| false));
    }
    let place = cursor.place();
    let table = cursor.name("a table or a query")?;
    cursor.end()?;
    query::of_table(&table, place, None, None)
}

#[cfg(test)]
mod tests {
    use super::Show;
    use crate::sql::{Statement, parse};

    fn name(parts: &[&str]) -> Vec<String> {
        parts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_shown() {
        for (text, expected) in [
            ("SHOW CATALOGS;", Show::Catalogs),
            ("show schemas", Show::Schemas { from: None }),
            ("SHOW SCHEMAS IN r2", Show::Schemas { from: Some("r2".to_string()) }),
            ("SHOW TABLES FROM r2.\"Ns\"", Show::Tables { from: name(&["r2", "Ns"]) }),
            ("SHOW CREATE TABLE r2.a.T", Show::Create(name(&["r2", "a", "t"]))),
            ("DESCRIBE TABLE EXTENDED r2.a.t", Show::Extended(name(&["r2", "a", "t"]))),
            ("desc extended r2.a.t", Show::Extended(name(&["r2", "a", "t"]))),
        ] {
            assert_eq!(parse(text).unwrap(), Statement::Show(expected), "{text}");
        }
        for (text, query) in [
            ("SUMMARIZE r2.a.t", r#"SELECT * FROM "r2"."a"."t""#),
            ("SUMMARIZE SELECT a FROM t WHERE b", "SELECT a FROM t WHERE b"),
            ("summarize (SELECT 1)", "(SELECT 1)"),
        ] {
            let Ok(Statement::Show(Show::Summary(parsed))) = parse(text) else { panic!("{text}") };
            assert_eq!(parsed.to_string(), query);
        }
        assert!(matches!(parse("SHOW TABLES"), Ok(Statement::Query(_))));
        assert!(matches!(parse("DESCRIBE t"), Ok(Statement::Query(_))));
        assert!(parse("SHOW CATALOGS LIKE 'a'").is_err());
        assert!(parse("SUMMARIZE").is_err());
    }
}
