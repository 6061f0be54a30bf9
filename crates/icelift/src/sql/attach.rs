//! `ATTACH` and `DETACH`.

use std::collections::BTreeMap;
use std::fmt;

use datafusion::sql::sqlparser::tokenizer::Token;

use super::Statement;
use super::cursor::Cursor;
use super::options::{self, Keys};
use crate::error::Result;

/// `ATTACH [IF NOT EXISTS] ['<warehouse>'] AS name [(KEY value, …)]`
#[derive(Clone, PartialEq, Eq)]
pub struct Attach {
    /// The name of the catalog in SQL.
    pub name: String,
    /// The warehouse, as the catalog knows it.
    pub warehouse: Option<String>,
    /// Iceberg's properties by name in lower case; variables are not expanded yet.
    pub options: BTreeMap<String, String>,
    /// Whether an attached catalog of this name is kept.
    pub if_not_exists: bool,
}

/// Prints the names of the options only: what they say may be a secret.
impl fmt::Debug for Attach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attach")
            .field("name", &self.name)
            .field("warehouse", &self.warehouse)
            .field("options", &self.options.keys())
            .field("if_not_exists", &self.if_not_exists)
            .finish()
    }
}

/// Reads `ATTACH …`.
pub(super) fn attach(cursor: &mut Cursor<'_>) -> Result<Attach> {
    cursor.expect_words(&["ATTACH"], "first")?;
    let if_not_exists = cursor.words(&["IF", "NOT", "EXISTS"]);
    let warehouse =
        if cursor.sees(&["AS"]) { None } else { Some(cursor.string("AS or a warehouse between single quotes")?) };
    let place = if warehouse.is_some() { "after the warehouse" } else { "before the name" };
    cursor.expect_words(&["AS"], place)?;
    let name = cursor.identifier("a name for the catalog")?;
    let options = match cursor.peek().token {
        Token::LParen => options::parse(cursor, Keys::Lowered)?,
        _ => BTreeMap::new(),
    };
    cursor.end()?;
    Ok(Attach { name, warehouse, options, if_not_exists })
}

/// Reads `DETACH …`.
pub(super) fn detach(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_words(&["DETACH"], "first")?;
    let if_exists = cursor.words(&["IF", "EXISTS"]);
    let name = cursor.identifier("the name of a catalog")?;
    cursor.end()?;
    Ok(Statement::Detach { name, if_exists })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::parse;

    fn attached(text: &str) -> Attach {
        match parse(text) {
            Ok(Statement::Attach(attach)) => attach,
            other => panic!("{other:?}"),
        }
    }

    fn message(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn all_sorts_of_options() {
        let attach = attached(
            "attach if not exists 's3://w' AS R2 (TYPE r2, uri = 'https://x', s3.region us-east-1, oauth2-server-uri 'u',
             \"S3.Path\" \"V\", 's3.x-y' $$a$$, retries -5, size 1.50, flag TRUE, header.x-a-2 E'\\'') -- end\n;",
        );
        let options: Vec<_> = attach.options.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let expected = "flag=TRUE header.x-a-2=' oauth2-server-uri=u retries=-5 s3.path=V s3.region=us-east-1 s3.x-y=a \
                        size=1.50 type=r2 uri=https://x";
        assert_eq!(options.join(" "), expected);
        assert_eq!(attach.name, "r2");
        assert_eq!(attach.warehouse.as_deref(), Some("s3://w"));
        assert!(attach.if_not_exists);
    }

    #[test]
    fn the_least() {
        let attach = attached("ATTACH AS \"R2\" ()");
        assert_eq!((attach.name.as_str(), attach.warehouse, attach.options.len()), ("R2", None, 0));
        assert_eq!(parse("DETACH IF EXISTS R2;").unwrap(), Statement::Detach { name: "r2".into(), if_exists: true });
    }

    #[test]
    fn errors_name_what_and_where() {
        assert_eq!(message("ATTACH 'w' FOO"), "expected AS after the warehouse, found `FOO` at line 1, column 12");
        assert_eq!(
            message("ATTACH DATABASE 'w' AS x"),
            "expected AS or a warehouse between single quotes, found `DATABASE` at line 1, column 8"
        );
        assert_eq!(
            message("ATTACH AS"),
            "expected a name for the catalog, found the end of the statement at line 1, column 10"
        );
        assert_eq!(message("ATTACH AS r (a 1,\n \"A\" 2)"), "option `a` is given twice, again at line 2, column 2");
        assert_eq!(message("DETACH a.b"), "expected the end of the statement, found `.` at line 1, column 9");
    }

    #[test]
    fn secrets_stay_secret() {
        assert!(!format!("{:?}", attached("ATTACH AS r (TOKEN 'hunter2')")).contains("hunter2"));
        for text in [
            "ATTACH AS r (TOKEN 'a' 'hunter2')",
            "ATTACH AS r (TOKEN a hunter2)",
            "ATTACH AS r (TOKEN 'a', 'hunter2')",
            "ATTACH AS r (TOKEN 'a', hunter2)",
            "ATTACH AS r (TOKEN hunter2:x)",
            "ATTACH AS r (TOKEN hunter2-)",
            "ATTACH AS r (TOKEN ${hunter2})",
            "ATTACH AS r (TOKEN 'hunter2' TOKEN 'b')",
            "ATTACH AS r (TOKEN 'hunter2', TOKEN 'hunter2')",
            "ATTACH AS r (TOKEN 'hunter2'",
            "ATTACH AS r (TOKEN 'hunter2",
            "ATTACH AS r (TOKEN 1 2) 'hunter2'",
            "ATTACH AS r TOKEN 'hunter2'",
            "ATTACH AS r (TOKEN 'hunter2'); SELECT 1",
            "EXPLAIN ATTACH AS r (TOKEN 'hunter2'",
        ] {
            let error = parse(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{text}: {error:?}");
        }
    }
}
