//! `PARTITIONED BY (…)`: columns and transforms.

use datafusion::sql::sqlparser::tokenizer::{Token, Word};
use iceberg::spec::Transform;

use super::cursor::Cursor;
use super::tokens::sql_error;
use crate::error::{Error, Result};

/// What an error offers.
const TRANSFORMS: &str = "year(c), month(c), day(c), hour(c), bucket(16, c), truncate(4, c), identity(c), void(c)";

/// One field of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionField {
    pub transform: Transform,
    /// The column; a field of a struct as Iceberg names it, with dots.
    pub column: String,
    /// The name that the user gave to the field.
    pub name: Option<String>,
}

/// Reads `(column, transform(column) AS name, …)`.
pub(super) fn fields(cursor: &mut Cursor<'_>) -> Result<Vec<PartitionField>> {
    cursor.expect_symbol(&Token::LParen, "after PARTITIONED BY")?;
    let mut fields = Vec::new();
    loop {
        fields.push(field(cursor)?);
        if cursor.symbol(&Token::RParen) {
            return Ok(fields);
        }
        if !cursor.symbol(&Token::Comma) {
            return Err(cursor.expected("AS, `,` or `)` after a partition field"));
        }
    }
}

fn field(cursor: &mut Cursor<'_>) -> Result<PartitionField> {
    let field = unnamed(cursor)?;
    let name = if cursor.words(&["AS"]) { Some(cursor.identifier("a name for the partition field")?) } else { None };
    Ok(PartitionField { name, ..field })
}

/// Reads `column` or `transform(column)`.
pub(super) fn unnamed(cursor: &mut Cursor<'_>) -> Result<PartitionField> {
    let (transform, column) = match &cursor.peek().token {
        Token::Word(Word { quote_style: None, .. }) if cursor.peek_nth(1).token == Token::LParen => call(cursor)?,
        _ => (Transform::Identity, column(cursor)?),
    };
    Ok(PartitionField { transform, column, name: None })
}

fn column(cursor: &mut Cursor<'_>) -> Result<String> {
    Ok(cursor.name("a column or a transform")?.join("."))
}

/// Reads `transform(column)` or `transform(width, column)`.
fn call(cursor: &mut Cursor<'_>) -> Result<(Transform, String)> {
    let place = cursor.place();
    let name = cursor.peek().token.to_string().to_ascii_lowercase();
    let plain = match name.as_str() {
        "year" | "years" => Some(Transform::Year),
        "month" | "months" => Some(Transform::Month),
        "day" | "days" => Some(Transform::Day),
        "hour" | "hours" => Some(Transform::Hour),
        "identity" => Some(Transform::Identity),
        "void" => Some(Transform::Void),
        "bucket" | "truncate" => None,
        _ => {
            let hint = format!("the transforms are {TRANSFORMS}");
            return Err(sql_error(format!("unknown transform `{name}`"), place).hint(hint));
        }
    };
    cursor.step();
    cursor.expect_symbol(&Token::LParen, "after the transform")?;
    let (transform, column) = match plain {
        Some(transform) => (transform, column(cursor)?),
        None => sized(cursor, &name)?,
    };
    cursor.expect_symbol(&Token::RParen, &format!("after the arguments of {name}"))?;
    Ok((transform, column))
}

/// Reads the arguments of a transform that has a width: Spark and Iceberg put it first, Trino puts it last.
fn sized(cursor: &mut Cursor<'_>, name: &str) -> Result<(Transform, String)> {
    let (make, what): (fn(u32) -> Transform, _) = match name {
        "bucket" => (Transform::Bucket, "a number of buckets of 1 or more, as in bucket(16, c)"),
        _ => (Transform::Truncate, "a width of 1 or more, as in truncate(4, c)"),
    };
    let advise = |error: Error| error.hint(format!("the transforms are {TRANSFORMS}"));
    let column_first = matches!(cursor.peek().token, Token::Word(_));
    if column_first {
        let column = column(cursor)?;
        cursor.expect_symbol(&Token::Comma, &format!("and {what}")).map_err(advise)?;
        return Ok((make(cursor.number(what).map_err(advise)?), column));
    }
    let width = cursor.number(what).map_err(advise)?;
    cursor.expect_symbol(&Token::Comma, "and a column").map_err(advise)?;
    Ok((make(width), column(cursor)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::tokens;

    fn read(text: &str) -> Result<Vec<PartitionField>> {
        let tokens = tokens::statement(text)?;
        let mut cursor = Cursor::new(&tokens);
        let fields = fields(&mut cursor)?;
        cursor.end()?;
        Ok(fields)
    }

    #[test]
    fn columns_and_transforms() {
        let fields = read(
            "(Year, \"Q\", s.\"A\".b, bucket(16, ID), BUCKET(id, 8), truncate(4, s) as S4, years(ts), year(ts), months(ts),
             month(ts), days(ts), day(ts), hours(ts), hour(ts), void(x), identity(\"X\") AS \"Y\")",
        )
        .unwrap();
        let shown: Vec<_> = fields.iter().map(|field| format!("{} {}", field.transform, field.column)).collect();
        let expected = [
            "identity year",
            "identity Q",
            "identity s.A.b",
            "bucket[16] id",
            "bucket[8] id",
            "truncate[4] s",
            "year ts",
            "year ts",
            "month ts",
            "month ts",
            "day ts",
            "day ts",
            "hour ts",
            "hour ts",
            "void x",
            "identity X",
        ];
        assert_eq!(shown, expected);
        let names: Vec<_> = fields.iter().filter_map(|field| field.name.as_deref()).collect();
        assert_eq!(names, ["s4", "Y"]);
    }

    #[test]
    fn mistakes() {
        for (text, message) in [
            ("()", "expected a column or a transform, found `)` at line 1, column 2"),
            ("(quarter(d))", "unknown transform `quarter` at line 1, column 2"),
            (
                "(bucket(0, id))",
                "expected a number of buckets of 1 or more, as in bucket(16, c), found `0` at line 1, column 9",
            ),
            (
                "(truncate(s, 1.5))",
                "expected a width of 1 or more, as in truncate(4, c), found `1.5` at line 1, column 14",
            ),
            (
                "(bucket(id))",
                "expected `,` and a number of buckets of 1 or more, as in bucket(16, c), found `)` at line 1, column 11",
            ),
            ("(bucket(16))", "expected `,` and a column, found `)` at line 1, column 11"),
            ("(day(ts, 3))", "expected `)` after the arguments of day, found `,` at line 1, column 8"),
            ("(d date)", "expected AS, `,` or `)` after a partition field, found `date` at line 1, column 4"),
            ("(\"day\"(ts))", "expected AS, `,` or `)` after a partition field, found `(` at line 1, column 7"),
            (
                "(bucket(4294967296, id))",
                "expected a number of buckets of 1 or more, as in bucket(16, c), found `4294967296` at line 1, column 9",
            ),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), message);
        }
        assert!(read("(bucket(id))").unwrap_err().advice().unwrap().contains("truncate(4, c)"));
    }
}
