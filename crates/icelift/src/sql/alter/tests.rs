use iceberg::spec::Transform;

use super::{AlterTable, ColumnAction, Distribution, Position, TableChange};
use crate::error::ErrorKind;
use crate::sql::{Column, ColumnType, PartitionField, Statement, parse};

fn change(text: &str) -> TableChange {
    match parse(&format!("ALTER TABLE r2.ns.t {text}")) {
        Ok(Statement::AlterTable(AlterTable { table, change })) => {
            assert_eq!(table, ["r2", "ns", "t"]);
            change
        }
        other => panic!("{text}: {other:?}"),
    }
}

fn path(text: &str) -> Vec<String> {
    text.split('.').map(str::to_string).collect()
}

fn field(transform: Transform, column: &str, name: Option<&str>) -> PartitionField {
    PartitionField { transform, column: column.to_string(), name: name.map(str::to_string) }
}

#[test]
fn columns_are_added() {
    let TableChange::AddColumns { columns, if_not_exists: false } =
        change("ADD COLUMNS (A int COMMENT 'c' AFTER \"B\", s.points.element.z decimal(9, 2) FIRST, d date NOT NULL)")
    else {
        panic!("no columns");
    };
    let column = |name: &str, data_type, required, comment: Option<&str>| {
        let comment = comment.map(str::to_string);
        Column { name: name.to_string(), data_type, required, comment }
    };
    assert_eq!(columns[0].column, column("a", ColumnType::Int, false, Some("c")));
    assert_eq!(columns[0].position, Some(Position::After("B".to_string())));
    assert_eq!(columns[1].parent, path("s.points.element"));
    assert_eq!(columns[1].column, column("z", ColumnType::Decimal { precision: 9, scale: 2 }, false, None));
    assert_eq!(columns[1].position, Some(Position::First));
    assert_eq!(columns[2].column, column("d", ColumnType::Date, true, None));
    assert!(matches!(change("add column if not exists a int"), TableChange::AddColumns { if_not_exists: true, .. }));
    assert!(matches!(change("ADD COLUMN a int, b int"), TableChange::AddColumns { columns, .. } if columns.len() == 2));
}

#[test]
fn columns_change() {
    let dropped = |columns: &[&str], if_exists| TableChange::DropColumns {
        columns: columns.iter().map(|it| path(it)).collect(),
        if_exists,
    };
    assert_eq!(change("DROP COLUMN a.b"), dropped(&["a.b"], false));
    assert_eq!(change("DROP COLUMNS IF EXISTS (a, b)"), dropped(&["a", "b"], true));
    let renamed = change("RENAME COLUMN a.b TO \"C d\"");
    assert_eq!(renamed, TableChange::RenameColumn { column: path("a.b"), to: "C d".to_string() });
    for (text, action) in [
        ("TYPE bigint", ColumnAction::Type(ColumnType::Long)),
        ("SET DATA TYPE double", ColumnAction::Type(ColumnType::Double)),
        ("SET NOT NULL", ColumnAction::SetNotNull),
        ("DROP NOT NULL", ColumnAction::DropNotNull),
        ("COMMENT 'x'", ColumnAction::Comment("x".to_string())),
        ("FIRST", ColumnAction::Move(Position::First)),
        ("AFTER b", ColumnAction::Move(Position::After("b".to_string()))),
    ] {
        for verb in ["ALTER COLUMN", "ALTER", "CHANGE COLUMN"] {
            let expected = TableChange::AlterColumn { column: path("a"), actions: vec![action.clone()] };
            assert_eq!(change(&format!("{verb} a {text}")), expected);
        }
    }
    let both = change("ALTER COLUMN a TYPE bigint COMMENT 'x' FIRST");
    assert!(matches!(both, TableChange::AlterColumn { actions, .. } if actions.len() == 3));
}

#[test]
fn layouts_change() {
    let bucket = |name| field(Transform::Bucket(16), "id", name);
    assert_eq!(
        change("ADD PARTITION FIELD bucket(16, id) AS shard"),
        TableChange::AddPartitionField(bucket(Some("shard")))
    );
    assert_eq!(change("DROP PARTITION FIELD bucket(16, id)"), TableChange::DropPartitionField(bucket(None)));
    let by_name = field(Transform::Identity, "shard", None);
    assert_eq!(change("DROP PARTITION FIELD shard"), TableChange::DropPartitionField(by_name.clone()));
    let with = field(Transform::Day, "ts", Some("d"));
    let replaced = change("REPLACE PARTITION FIELD shard WITH days(ts) AS d");
    assert_eq!(replaced, TableChange::ReplacePartitionField { field: by_name, with });

    let order = |text: &str| match change(text) {
        TableChange::WriteOrder { fields, distribution } => {
            let shown = |it: &super::OrderField| (it.term.column.clone(), it.is_descending, it.nulls_first);
            (fields.map(|fields| fields.iter().map(shown).collect::<Vec<_>>()), distribution)
        }
        other => panic!("{other:?}"),
    };
    let of = |name: &str, descending, nulls_first| (name.to_string(), descending, nulls_first);
    let fields = Some(vec![of("a", false, true), of("b", true, false), of("c", true, true)]);
    let written = "ORDERED BY a, bucket(4, b) DESC, c DESC NULLS FIRST";
    assert_eq!(order(&format!("WRITE {written}")), (fields.clone(), Distribution::Range));
    assert_eq!(order(&format!("WRITE LOCALLY {written}")), (fields.clone(), Distribution::None));
    assert_eq!(order(&format!("WRITE DISTRIBUTED BY PARTITION LOCALLY {written}")), (fields, Distribution::Hash));
    assert_eq!(order("WRITE DISTRIBUTED BY PARTITION"), (None, Distribution::Hash));
    assert_eq!(order("WRITE UNORDERED"), (Some(vec![]), Distribution::None));
    assert_eq!(change("SET IDENTIFIER FIELDS a, b.c"), TableChange::SetIdentifierFields(vec![path("a"), path("b.c")]));
    assert_eq!(change("DROP IDENTIFIER FIELDS a"), TableChange::DropIdentifierFields(vec![path("a")]));
}

#[test]
fn properties_and_names() {
    let TableChange::SetProperties(set) = change("SET TBLPROPERTIES ('a.b' = 'x', c = 1)") else { panic!("not set") };
    assert_eq!(set.into_iter().collect::<Vec<_>>(), [("a.b".into(), "x".into()), ("c".into(), "1".into())]);
    let unset = change("UNSET TBLPROPERTIES IF EXISTS ('a.b', c.d)");
    let keys = ["a.b", "c.d"].map(str::to_string).into();
    assert_eq!(unset, TableChange::UnsetProperties { keys, if_exists: true });
    assert_eq!(change("RENAME TO r2.other.\"U\""), TableChange::RenameTable(path("r2.other.U")));
}

#[test]
fn mistakes() {
    for (text, message) in [
        ("ADD COLUMN a", "expected a type, found the end of the statement at line 1, column 33"),
        ("ADD COLUMN a int DEFAULT 1", "DEFAULT is not supported for a column at line 1, column 38"),
        ("ADD COLUMN (a int, A int)", "column `a` is given twice, again at line 1, column 40"),
        ("ADD COLUMN a int FIRST AFTER b", "FIRST or AFTER is given twice, again at line 1, column 44"),
        (
            "ALTER COLUMN a",
            "expected TYPE, SET NOT NULL, DROP NOT NULL, COMMENT, FIRST or AFTER, found the end of the \
                            statement at line 1, column 35",
        ),
        ("ALTER COLUMN a FIRST FIRST", "FIRST or AFTER is given twice, again at line 1, column 42"),
        ("DROP COLUMN a, a", "column `a` is given twice, again at line 1, column 36"),
        ("RENAME COLUMN a b", "expected TO after the name of the column, found `b` at line 1, column 37"),
        ("ADD PARTITION (a = 1)", "ALTER TABLE … ADD PARTITION is not supported; it begins at line 1, column 21"),
        ("ADD PARTITION FIELD quarter(d)", "unknown transform `quarter` at line 1, column 41"),
        (
            "WRITE",
            "expected [LOCALLY] ORDERED BY, DISTRIBUTED BY PARTITION or UNORDERED after WRITE, found the end of the \
                   statement at line 1, column 26",
        ),
        ("UNSET TBLPROPERTIES ('a', 'a')", "the key `a` is given twice, again at line 1, column 47"),
        ("RENAME TO b c", "expected the end of the statement, found `c` at line 1, column 33"),
    ] {
        assert_eq!(parse(&format!("ALTER TABLE r2.ns.t {text}")).unwrap_err().to_string(), message);
    }
    let error = parse("ALTER TABLE t ENABLE x").unwrap_err();
    assert!(error.to_string().contains("RENAME TO, found `ENABLE` at line 1, column 15"), "{error}");
    assert_eq!(parse("ALTER TABLE t SET LOCATION 'x'").unwrap_err().kind(), ErrorKind::Unsupported);
}
