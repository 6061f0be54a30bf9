use super::*;
use crate::error::ErrorKind;
use crate::sql::tokens;

fn read(text: &str) -> Result<Vec<Column>> {
    let tokens = tokens::statement(text)?;
    let mut cursor = Cursor::new(&tokens);
    let columns = columns(&mut cursor)?;
    cursor.end()?;
    Ok(columns)
}

fn one(data_type: &str) -> ColumnType {
    let columns = read(&format!("(c {data_type})")).unwrap();
    columns.into_iter().next().unwrap().data_type
}

fn message(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn primitive_types_in_all_spellings() {
    use ColumnType::*;
    for (spellings, data_type) in [
        (&["boolean", "BOOL"][..], Boolean),
        (&["int", "INTEGER", "smallint", "tinyint"], Int),
        (&["long", "bigint"], Long),
        (&["float", "real"], Float),
        (&["double", "double precision"], Double),
        (&["decimal(10, 2)", "numeric(10,2)"], Decimal { precision: 10, scale: 2 }),
        (&["decimal(38)", "decimal(38, 0)"], Decimal { precision: 38, scale: 0 }),
        (&["date"], Date),
        (&["time"], Time),
        (&["timestamp", "timestamp(6)", "timestamp without time zone", "timestamp_ntz"], Timestamp),
        (&["timestamptz", "timestamp with time zone", "timestamp_ltz", "timestamp(6) with time zone"], TimestampTz),
        (&["timestamp_ns", "timestamp(9)"], TimestampNs),
        (&["timestamptz_ns", "timestamp(9) with time zone"], TimestampTzNs),
        (&["string", "text", "varchar", "varchar(10)", "char(1)", "character varying(3)"], String),
        (&["uuid"], Uuid),
        (&["fixed(16)"], Fixed(16)),
        (&["binary"], Binary),
    ] {
        for spelling in spellings {
            assert_eq!(one(spelling), data_type, "{spelling}");
        }
    }
}

#[test]
fn nested_types() {
    let list = |element, element_required| ColumnType::List { element: Box::new(element), element_required };
    assert_eq!(one("array<int>"), list(ColumnType::Int, false));
    assert_eq!(one("list<int not null>"), list(ColumnType::Int, true));
    assert_eq!(one("list<list<list<int>>>"), list(list(list(ColumnType::Int, false), false), false));
    assert_eq!(one("list<list<list<int> > NOT NULL>"), list(list(list(ColumnType::Int, false), false), true));
    let columns = read(
        "(s struct<a: int NOT NULL, \"B\" string COMMENT 'b', c struct<d:list<int>>> NOT NULL COMMENT 's',
          m map<string, map<int, decimal(3,1)> not null>, n int COMMENT 'n' NOT NULL, o int NULL)",
    )
    .unwrap();
    let [s, m, n, o] = columns.as_slice() else { panic!("{columns:?}") };
    assert!(s.required && n.required && !m.required && !o.required);
    assert_eq!((s.comment.as_deref(), n.comment.as_deref()), (Some("s"), Some("n")));
    let ColumnType::Struct(fields) = &s.data_type else { panic!("{s:?}") };
    let [a, b, c] = fields.as_slice() else { panic!("{fields:?}") };
    assert!(a.required && a.data_type == ColumnType::Int);
    assert_eq!((b.name.as_str(), b.comment.as_deref()), ("B", Some("b")));
    assert!(matches!(&c.data_type, ColumnType::Struct(inner) if inner.len() == 1));
    assert!(matches!(&m.data_type, ColumnType::Map { value_required: true, .. }));
}

#[test]
fn mistakes() {
    let unknown = read("(a int, b uint8)").unwrap_err();
    assert_eq!(unknown.to_string(), "unknown type `uint8` at line 1, column 11");
    assert!(unknown.advice().unwrap().contains("decimal(p, s)"));
    for (text, expected) in [
        ("(a)", "expected a type, found `)` at line 1, column 3"),
        ("()", "expected the name of a column, found `)` at line 1, column 2"),
        ("(a int, A int)", "column `a` is given twice, again at line 1, column 9"),
        ("(a struct<x: int, X: int>)", "field `x` is given twice, again at line 1, column 19"),
        ("(a decimal)", "decimal needs precision and scale, as in decimal(10, 2), at line 1, column 11"),
        ("(a fixed(0))", "expected a length of 1 or more, found `0` at line 1, column 10"),
        ("(a list<int)", "expected `>` after the types of the list, found `)` at line 1, column 12"),
        ("(a list<int>>)", "one `>` too many before `)` at line 1, column 14"),
        ("(a list)", "expected `<` after list, found `)` at line 1, column 8"),
        ("(a map<list<int>>)", "expected `,` after the type of the keys before `>>`, found `)` at line 1, column 18"),
        ("(a timestamp(3))", "timestamps have a precision of 6 or 9, found timestamp(3) at line 1, column 13"),
        ("(a int(4))", "expected NOT NULL, COMMENT, `,` or `)` after a column, found `(` at line 1, column 7"),
        (
            "(a int",
            "expected NOT NULL, COMMENT, `,` or `)` after a column, found the end of the statement at line 1, column 7",
        ),
    ] {
        assert_eq!(message(text), expected, "{text}");
    }
    for text in ["(a decimal(39, 0))", "(a decimal(3, 4))", "(a decimal(0, 0))", "(a decimal(3, -1))", "(a \"int\")"] {
        assert_eq!(read(text).unwrap_err().kind(), ErrorKind::Sql, "{text}");
    }
    let deep = format!("(a {}int{})", "list<".repeat(10_000), ">".repeat(10_000));
    assert!(message(&deep).starts_with("the type is nested too deeply"));
}

#[test]
fn constraints_are_refused() {
    for text in [
        "(id int PRIMARY KEY)",
        "(id int DEFAULT 5)",
        "(id int, PRIMARY KEY (id))",
        "(id int, UNIQUE (id))",
        "(id int, CONSTRAINT c CHECK (id > 0))",
    ] {
        assert_eq!(read(text).unwrap_err().kind(), ErrorKind::Unsupported, "{text}");
    }
    assert_eq!(read("(unique int, constraint string, key int, check date)").unwrap().len(), 4);
}
