use datafusion::prelude::SessionContext;
use iceberg::TableIdent;
use iceberg::spec::TableMetadata;
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use super::*;
use crate::catalog::TableName;
use crate::storage::{Store, UploadSettings};

/// 2020-01-01T00:00:00Z, and an hour.
const START_MS: i64 = 1_577_836_800_000;
const HOUR_MS: i64 = 3_600_000;

fn snapshot(id: i64, parent: Option<i64>, schema: Option<i32>, operation: &str) -> Value {
    let mut snapshot = json!({
        "snapshot-id": id, "sequence-number": id, "timestamp-ms": START_MS + id * HOUR_MS,
        "manifest-list": format!("s3://b/t/metadata/{id}.avro"), "summary": {"operation": operation},
    });
    let rest = [("parent-snapshot-id", parent.map(Value::from)), ("schema-id", schema.map(Value::from))];
    for (key, value) in rest {
        if let Some(value) = value {
            snapshot[key] = value;
        }
    }
    snapshot
}

fn schema(id: i32, columns: &[&str]) -> Value {
    let field =
        |(index, name): (usize, &&str)| json!({"id": index + 1, "name": name, "required": false, "type": "int"});
    let fields: Vec<_> = columns.iter().enumerate().map(field).collect();
    json!({"type": "struct", "schema-id": id, "fields": fields})
}

/// Snapshots 1 to 5 in a row: 4 replaces files, 5 deletes rows; 3 was set back to 2 for a while. Since 3 there are two
/// columns, today's partition spec needs the second one.
fn table() -> Table {
    let made = |(id, hours): &(i64, i64)| json!({"snapshot-id": id, "timestamp-ms": START_MS + hours * HOUR_MS});
    let history: Vec<_> = [(1, 1), (2, 2), (3, 3), (2, 30), (3, 31), (4, 40), (5, 50)].iter().map(made).collect();
    let metadata = json!({
        "format-version": 2, "table-uuid": "9c12d441-03fe-4693-9a96-a0705ddf69c1", "location": "s3://b/t",
        "last-sequence-number": 6, "last-updated-ms": START_MS + 100 * HOUR_MS, "last-column-id": 2,
        "current-schema-id": 1, "schemas": [schema(0, &["a"]), schema(1, &["a", "b"])],
        "default-spec-id": 1, "last-partition-id": 1000,
        "partition-specs": [
            {"spec-id": 0, "fields": []},
            {"spec-id": 1, "fields": [{"source-id": 2, "field-id": 1000, "name": "b", "transform": "identity"}]},
        ],
        "default-sort-order-id": 1,
        "sort-orders": [{"order-id": 0, "fields": []}, {"order-id": 1, "fields": [
            {"source-id": 2, "transform": "identity", "direction": "asc", "null-order": "nulls-first"},
        ]}],
        "properties": {}, "current-snapshot-id": 5, "snapshot-log": history, "metadata-log": [],
        "snapshots": [
            snapshot(1, None, None, "append"), snapshot(2, Some(1), Some(0), "append"),
            snapshot(3, Some(2), Some(1), "append"), snapshot(4, Some(3), Some(1), "replace"),
            snapshot(5, Some(4), Some(1), "delete"), snapshot(6, Some(2), Some(0), "append"),
        ],
        "refs": {
            "main": {"snapshot-id": 5, "type": "branch"}, "audit": {"snapshot-id": 6, "type": "branch"},
            "2019": {"snapshot-id": 2, "type": "tag"}, "3": {"snapshot-id": 1, "type": "tag"},
        },
    });
    let metadata: TableMetadata = serde_json::from_value(metadata).unwrap();
    let name = TableName { catalog: "c".into(), ident: TableIdent::from_strs(["n", "t"]).unwrap() };
    let store = Store::local(UploadSettings::default(), TaskTracker::new());
    Table::at(name, "s3://b/t/metadata/v.json".to_string(), metadata.into(), store)
}

fn as_of(version: &Version) -> Result<(Option<i64>, usize)> {
    let table = table().as_of(version, &SessionContext::new().state())?;
    Ok((table.metadata.current_snapshot_id(), table.metadata.current_schema().as_struct().fields().len()))
}

fn named(name: &str) -> Version {
    Version::Named(name.to_string())
}

fn at(expression: &str) -> Version {
    Version::Timestamp(expression.to_string())
}

#[test]
fn snapshots_and_tags_have_the_columns_of_their_time_and_branches_those_of_today() {
    for (version, expected) in [
        // Its writer noted no schema.
        (Version::Snapshot(1), (Some(1), 2)),
        (Version::Snapshot(2), (Some(2), 1)),
        (Version::Snapshot(5), (Some(5), 2)),
        (named("main"), (Some(5), 2)),
        (named("audit"), (Some(6), 2)),
        (named("2019"), (Some(2), 1)),
        (named("2"), (Some(2), 1)),
        // A snapshot goes before a tag of that name.
        (named("3"), (Some(3), 2)),
        (at("'2020-01-01 02:30:00'"), (Some(2), 1)),
    ] {
        assert_eq!(as_of(&version).unwrap(), expected, "{version}");
    }
}

#[test]
fn a_point_in_time_is_looked_up_in_the_history() {
    let snapshot = |expression: &str| as_of(&at(expression)).unwrap().0;
    for (expression, expected) in [
        ("'2020-01-01T01:00:00Z'", 1),
        ("'2020-01-01 01:59:59.999'", 1),
        ("'2020-01-01 02:00:00'", 2),
        ("'2020-01-01T03:00:00+01:00'", 2),
        ("TIMESTAMP '2020-01-01 03:00:00'", 3),
        ("CAST('2020-01-01 03:00:00' AS TIMESTAMP)", 3),
        // Set back for an hour.
        ("'2020-01-02 06:00:00'", 2),
        ("'2020-01-02 07:00:00'", 3),
        ("DATE '2020-01-02'", 3),
        ("'2020-01-03'", 4),
        ("TIMESTAMP '2020-01-03 00:00:00' - INTERVAL '1 day'", 3),
        ("1577844000", 2),
        ("now()", 5),
        ("current_date", 5),
    ] {
        assert_eq!(snapshot(expression), Some(expected), "{expression}");
    }
}

#[test]
fn unknown_versions_say_which_there_are() {
    let told = |version: &Version| {
        let error = as_of(version).unwrap_err();
        (error.kind(), error.to_string(), error.advice().unwrap_or_default().to_string())
    };
    let (kind, message, hint) = told(&Version::Snapshot(77));
    assert_eq!((kind, message.as_str()), (ErrorKind::NotFound, "catalog of `c.n.t`: the table has no snapshot 77"));
    assert_eq!(
        hint,
        "the newest of 6 are 6 of 2020-01-01 06:00:00.000 UTC, 5 of 2020-01-01 05:00:00.000 UTC, 4 of 2020-01-01 \
         04:00:00.000 UTC, 3 of 2020-01-01 03:00:00.000 UTC, 2 of 2020-01-01 02:00:00.000 UTC; SELECT * FROM \
         \"c\".\"n\".\"t$snapshots\" lists all snapshots"
    );
    let (kind, message, hint) = told(&named("Main"));
    assert_eq!(kind, ErrorKind::NotFound);
    assert_eq!(message, "catalog of `c.n.t`: the table has no branch or tag `Main`");
    assert!(
        hint.starts_with("it has the tag `2019`, the tag `3`, the branch `audit`, the branch `main`; SELECT"),
        "{hint}"
    );
    let (kind, message, hint) = told(&at("'2020-01-01'"));
    assert_eq!(kind, ErrorKind::NotFound);
    assert_eq!(message, "catalog of `c.n.t`: the table had no snapshot at 2020-01-01 00:00:00.000 UTC");
    assert!(hint.starts_with("its history begins at 2020-01-01 01:00:00.000 UTC with snapshot 1; SELECT"), "{hint}");
}

#[test]
fn what_is_no_point_in_time() {
    for (expression, told) in [
        ("'yesterday'", "`'yesterday'` is no point in time"),
        ("NULL", "`NULL` is NULL"),
        ("true", "`true` is no point in time"),
        ("1.5", "`1.5` is no point in time"),
        ("a", "`a` is no constant that TIMESTAMP AS OF could take"),
        ("random()", "`random()` is no constant"),
        (
            "1577836800000",
            "`1577836800000` is a number of seconds since 1970 that is too large; are they milliseconds?",
        ),
        (
            "18446744073709551615",
            "`18446744073709551615` is a number of seconds since 1970 that is too large; are they milliseconds?",
        ),
        ("(SELECT 1)", "`(SELECT 1)` is no constant"),
    ] {
        let error = as_of(&at(expression)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Sql, "{expression}");
        let message = error.to_string();
        assert!(message.starts_with(&format!("catalog of `c.n.t`: {told}")), "{expression}: {message}");
    }
}

#[test]
fn rows_are_added_by_appends_alone() {
    let state = SessionContext::new().state();
    let added = |after: Version, up_to: Option<Version>| {
        let added = table().added(&after, up_to.as_ref(), &state)?;
        Ok::<_, Error>(added.snapshots.iter().map(|snapshot| snapshot.snapshot_id()).collect::<Vec<_>>())
    };
    let snapshot = Version::Snapshot;
    assert_eq!(added(snapshot(1), Some(snapshot(4))).unwrap(), [2, 3]);
    assert_eq!(added(snapshot(1), Some(named("audit"))).unwrap(), [2, 6]);
    assert_eq!(added(snapshot(3), Some(snapshot(4))).unwrap(), [] as [i64; 0]);
    assert_eq!(added(snapshot(4), Some(snapshot(4))).unwrap(), [] as [i64; 0]);

    let told = |after, up_to| added(after, up_to).unwrap_err();
    let error = told(snapshot(2), None);
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().ends_with("1 of the snapshots between changed or removed rows: 5 (delete)"), "{error}");
    let error = told(snapshot(3), Some(snapshot(2)));
    assert!(error.to_string().ends_with("the snapshot 3 does not come before the snapshot 2"), "{error}");
    let error = told(snapshot(6), Some(snapshot(4)));
    assert!(error.to_string().ends_with("the snapshot 6 does not come before the snapshot 4"), "{error}");
    assert_eq!(told(snapshot(77), None).kind(), ErrorKind::NotFound);
}
