//! Statements that need little more than a name: `CREATE SCHEMA`, `DROP SCHEMA`, `DROP TABLE`, `SHOW MIGRATIONS`.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::tokenizer::Token;

use super::Statement;
use super::cursor::Cursor;
use super::options::{self, Keys};
use super::tokens::{sql_error, unsupported};
use crate::error::Result;

/// Reads `CREATE SCHEMA [IF NOT EXISTS] name [COMMENT '…'] [LOCATION '…'] [[WITH] [DB]PROPERTIES ('k' = 'v', …)]`.
///
/// Comment and location are properties of a namespace in Iceberg, under these names.
pub(super) fn create_schema(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let (if_not_exists, name) = create_schema_head(cursor)?;
    let mut properties = BTreeMap::new();
    loop {
        let place = cursor.place();
        let given = if cursor.words(&["COMMENT"]) {
            BTreeMap::from([("comment".to_string(), cursor.string("a comment between single quotes")?)])
        } else if cursor.words(&["LOCATION"]) {
            BTreeMap::from([("location".to_string(), cursor.string("a location between single quotes")?)])
        } else if begins_properties(cursor) {
            options::parse(cursor, Keys::Kept)?
        } else {
            break;
        };
        for (key, value) in given {
            if properties.contains_key(&key) {
                return Err(sql_error(format!("property `{key}` is given twice, again"), place));
            }
            properties.insert(key, value);
        }
    }
    cursor.end()?;
    Ok(Statement::CreateSchema { name, if_not_exists, properties })
}

fn begins_properties(cursor: &mut Cursor<'_>) -> bool {
    ["PROPERTIES", "DBPROPERTIES"].iter().any(|word| cursor.words(&["WITH", word]) || cursor.words(&[word]))
}

/// Reads up to the name of the schema.
pub(super) fn create_schema_head(cursor: &mut Cursor<'_>) -> Result<(bool, Vec<String>)> {
    cursor.expect_words(&["CREATE", "SCHEMA"], "first")?;
    let if_not_exists = cursor.words(&["IF", "NOT", "EXISTS"]);
    Ok((if_not_exists, cursor.name("the name of a schema")?))
}

/// Reads `DROP SCHEMA [IF EXISTS] name [CASCADE | RESTRICT]`.
pub(super) fn drop_schema(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let (if_exists, name) = drop_head(cursor, "SCHEMA")?;
    let cascade = cursor.words(&["CASCADE"]);
    if !cascade {
        cursor.words(&["RESTRICT"]);
    }
    cursor.end()?;
    Ok(Statement::DropSchema { name, if_exists, cascade })
}

/// Reads `DROP TABLE [IF EXISTS] name [PURGE]`.
pub(super) fn drop_table(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let (if_exists, name) = drop_head(cursor, "TABLE")?;
    let purge = cursor.words(&["PURGE"]);
    cursor.end()?;
    Ok(Statement::DropTable { name, if_exists, purge })
}

/// Reads up to the name of what is dropped.
pub(super) fn drop_head(cursor: &mut Cursor<'_>, object: &str) -> Result<(bool, Vec<String>)> {
    cursor.expect_words(&["DROP", object], "first")?;
    let if_exists = cursor.words(&["IF", "EXISTS"]);
    let name = cursor.name(&format!("the name of a {}", object.to_lowercase()))?;
    let place = cursor.place();
    if cursor.peek().token == Token::Comma {
        return Err(unsupported("DROP takes one name at a time; another one is given", place));
    }
    Ok((if_exists, name))
}

/// Reads `SHOW MIGRATIONS [FROM catalog[.schema]]`.
pub(super) fn show_migrations(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_words(&["SHOW", "MIGRATIONS"], "first")?;
    let from = if cursor.words(&["FROM"]) { Some(cursor.name("the name of a catalog or schema")?) } else { None };
    match (&from, &cursor.peek().token) {
        (_, Token::EOF) => Ok(Statement::ShowMigrations { from }),
        (None, _) => Err(cursor.expected("FROM or the end of the statement")),
        (Some(_), _) => Err(cursor.expected("the end of the statement")),
    }
}

/// Reads `SHOW MIGRATION target`.
pub(super) fn show_migration(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_words(&["SHOW", "MIGRATION"], "first")?;
    let target = cursor.name("the name of the target")?;
    cursor.end()?;
    Ok(Statement::ShowMigration { target })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::parse;

    fn name(parts: &[&str]) -> Vec<String> {
        parts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn schemas() {
        let statement = parse(
            "CREATE SCHEMA IF NOT EXISTS r2.Ns.\"Sub\" COMMENT 'c' LOCATION 'l' WITH DBPROPERTIES ('K' = 'v', a 1)",
        );
        let pairs = [("K", "v"), ("a", "1"), ("comment", "c"), ("location", "l")];
        let properties = pairs.into_iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let name = name(&["r2", "ns", "Sub"]);
        assert_eq!(statement.unwrap(), Statement::CreateSchema { name: name.clone(), if_not_exists: true, properties });
        let dropped = parse("DROP SCHEMA r2.ns.\"Sub\" CASCADE").unwrap();
        assert_eq!(dropped, Statement::DropSchema { name, if_exists: false, cascade: true });
        assert!(matches!(parse("drop schema if exists a restrict;"), Ok(Statement::DropSchema { cascade: false, .. })));
    }

    #[test]
    fn tables() {
        let dropped = parse("DROP TABLE IF EXISTS r2.ns.t PURGE").unwrap();
        assert_eq!(dropped, Statement::DropTable { name: name(&["r2", "ns", "t"]), if_exists: true, purge: true });
        assert!(matches!(parse("DROP TABLE t"), Ok(Statement::DropTable { purge: false, if_exists: false, .. })));
    }

    #[test]
    fn migrations() {
        assert_eq!(parse("show migrations;").unwrap(), Statement::ShowMigrations { from: None });
        for (text, parts) in [("R2", &["r2"][..]), ("r2.\"Ns\"", &["r2", "Ns"]), ("r2.a.b", &["r2", "a", "b"])] {
            let shown = parse(&format!("SHOW MIGRATIONS FROM {text}")).unwrap();
            assert_eq!(shown, Statement::ShowMigrations { from: Some(name(parts)) });
        }
        let shown = parse("SHOW MIGRATION r2.ns.T").unwrap();
        assert_eq!(shown, Statement::ShowMigration { target: name(&["r2", "ns", "t"]) });
    }

    #[test]
    fn mistakes() {
        for (text, message) in [
            ("SHOW MIGRATIONS r2", "expected FROM or the end of the statement, found `r2` at line 1, column 17"),
            (
                "SHOW MIGRATIONS FROM",
                "expected the name of a catalog or schema, found the end of the statement at line 1, column 21",
            ),
            ("SHOW MIGRATIONS FROM r2 x", "expected the end of the statement, found `x` at line 1, column 25"),
            ("SHOW MIGRATION", "expected the name of the target, found the end of the statement at line 1, column 15"),
            ("SHOW MIGRATION t BATCH 1", "expected the end of the statement, found `BATCH` at line 1, column 18"),
            ("CREATE SCHEMA", "expected the name of a schema, found the end of the statement at line 1, column 14"),
            (
                "CREATE SCHEMA s AUTHORIZATION x",
                "expected the end of the statement, found `AUTHORIZATION` at line 1, column 17",
            ),
            (
                "CREATE SCHEMA s COMMENT 'a' PROPERTIES (comment 'b')",
                "property `comment` is given twice, again at line 1, column 29",
            ),
            ("DROP TABLE a, b", "DROP takes one name at a time; another one is given at line 1, column 13"),
            (
                "DROP TABLE IF EXISTS",
                "expected the name of a table, found the end of the statement at line 1, column 21",
            ),
            ("DROP TABLE t CASCADE", "expected the end of the statement, found `CASCADE` at line 1, column 14"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), message);
        }
    }
}
