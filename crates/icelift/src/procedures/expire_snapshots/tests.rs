//! Over local catalogs: the snapshots that are to go are gone, and of the files exactly those that nobody needs.

use std::collections::BTreeSet;
use std::path::Path;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use iceberg::TableUpdate;
use iceberg::spec::{SnapshotReference, SnapshotRetention};

use super::unreachable::{Counts, Unreachable};
use crate::catalog::{CommitOutcome, CommitRequest, Table};
use crate::error::{ErrorKind, Result};
use crate::pipeline::warehouse::{Warehouse, files_below};
use crate::storage::Held;

const FAR: &str = "older_than => TIMESTAMP '2100-01-01'";

/// Ten rows, and then 5 times others in their place.
async fn churned() -> Warehouse {
    let warehouse = Warehouse::new().await;
    warehouse.run("CREATE TABLE r2.default.t (id BIGINT, part INT) PARTITIONED BY (part)").await;
    for _ in 0..3 {
        warehouse
            .run("INSERT INTO r2.default.t SELECT value, CAST(value % 2 AS INT) FROM generate_series(1, 10)")
            .await;
    }
    warehouse
}

async fn call(warehouse: &Warehouse, procedure: &str, arguments: &str) -> Result<Vec<i64>> {
    let call = format!("CALL r2.system.{procedure}(table => 'default.t', {arguments})");
    let batches = warehouse.try_run(&call).await?;
    let columns = batches.iter().flat_map(|batch| batch.columns().iter());
    Ok(columns.flat_map(|column| column.as_primitive::<Int64Type>().iter().flatten().collect::<Vec<_>>()).collect())
}

async fn expire(warehouse: &Warehouse, arguments: &str) -> Vec<i64> {
    call(warehouse, "expire_snapshots", arguments).await.unwrap_or_else(|error| panic!("{arguments}: {error}"))
}

fn files(table: &Table) -> BTreeSet<String> {
    files_below(Path::new(table.metadata.location().strip_prefix("file://").unwrap()))
}

/// Every file in the table's folder is needed, and every file that is needed is there.
async fn holds(warehouse: &Warehouse) {
    let table = warehouse.table().await;
    let known = crate::migrate::orphans::known(&table).await.unwrap();
    let files = files(&table);
    // Metadata files have a log of their own.
    let left: Vec<_> =
        files.iter().filter(|file| known.find(file) == Held::No && !file.ends_with(".metadata.json")).collect();
    assert_eq!(left, Vec::<&String>::new());
    let rows = warehouse.run("SELECT count(*) FROM r2.default.t").await;
    assert!(!rows.is_empty());
}

async fn tag(warehouse: &Warehouse, name: &str, snapshot_id: i64) {
    let table = warehouse.table().await;
    let reference = SnapshotReference::new(snapshot_id, SnapshotRetention::Tag { max_ref_age_ms: None });
    let updates = vec![TableUpdate::SetSnapshotRef { ref_name: name.to_string(), reference }];
    let request = CommitRequest { updates, ..CommitRequest::default() };
    assert!(matches!(warehouse.catalog().commit(&table.name.ident, request).await, CommitOutcome::Landed));
}

fn snapshots(table: &Table) -> Vec<i64> {
    let mut found: Vec<_> = table.metadata.snapshots().collect();
    found.sort_by_key(|snapshot| snapshot.sequence_number());
    found.into_iter().map(|snapshot| snapshot.snapshot_id()).collect()
}

/// Appends need all files of before: only lists of manifests go.
#[tokio::test]
async fn what_is_appended_stays() {
    let warehouse = churned().await;
    let before = warehouse.table().await;
    assert_eq!(expire(&warehouse, "dry_run => true").await, [0; 6], "they are young");
    assert_eq!(expire(&warehouse, &format!("{FAR}, dry_run => true")).await, [0, 0, 0, 0, 2, 0]);
    assert_eq!(warehouse.table().await.metadata_location, before.metadata_location, "nothing is changed");
    assert_eq!(expire(&warehouse, FAR).await, [0, 0, 0, 0, 2, 0]);
    assert_eq!(snapshots(&warehouse.table().await).len(), 1);
    holds(&warehouse).await;
    let after = warehouse.table().await.metadata_location;
    assert_eq!(expire(&warehouse, FAR).await, [0; 6], "nothing is left to expire");
    assert_eq!(warehouse.table().await.metadata_location, after, "nothing is committed");
}

/// Main is set back: the files that only came later are nobody's once their snapshots are gone.
#[tokio::test]
async fn what_was_rolled_back_goes_and_what_a_tag_needs_stays() {
    let warehouse = churned().await;
    let ids = snapshots(&warehouse.table().await);
    tag(&warehouse, "second", ids[1]).await;
    let moved = call(&warehouse, "rollback_to_snapshot", &format!("snapshot_id => {}", ids[0])).await.unwrap();
    assert_eq!(moved, [ids[2], ids[0]]);
    let dry = expire(&warehouse, &format!("{FAR}, dry_run => true")).await;
    assert_eq!(dry, [2, 0, 0, 1, 1, 0]);
    assert_eq!(expire(&warehouse, FAR).await, dry);
    let table = warehouse.table().await;
    assert_eq!(snapshots(&table), ids[..2]);
    holds(&warehouse).await;
    // The tag is still readable.
    let moved = call(&warehouse, "set_current_snapshot", "ref => 'second'").await.unwrap();
    assert_eq!(moved, [ids[0], ids[1]]);
    let rows = warehouse.run("SELECT count(id) FROM r2.default.t").await;
    assert_eq!(rows[0].column(0).as_primitive::<Int64Type>().value(0), 20);
}

/// The same files, compared part by part of their hashes.
#[tokio::test]
async fn parts_of_all_hashes_come_to_the_same() {
    let warehouse = churned().await;
    let before = warehouse.table().await;
    let ids = snapshots(&before);
    call(&warehouse, "rollback_to_snapshot", &format!("snapshot_id => {}", ids[0])).await.unwrap();
    let after = warehouse.table().await;
    for hashes_max in [1, 2, 3, 1_000] {
        let unreachable = Unreachable::of(&before, &after, &ids[1..]).await.unwrap().with_hashes_max(hashes_max);
        let expected = Counts { data: 4, manifests: 2, manifest_lists: 2, ..Counts::default() };
        assert_eq!(unreachable.count().await.unwrap(), expected, "{hashes_max}");
    }
    let unreachable = Unreachable::of(&before, &after, &ids[1..2]).await.unwrap();
    assert_eq!(unreachable.count().await.unwrap().data, 0, "the third snapshot is still there, and needs them");
}

/// Whoever tags a snapshot that is about to go keeps it: the commit is refused, and decided anew.
#[tokio::test]
async fn a_tag_that_is_made_meanwhile_keeps_its_snapshot() {
    let warehouse = churned().await;
    let table = warehouse.table().await;
    let ids = snapshots(&table);
    tag(&warehouse, "late", ids[0]).await;
    let request = CommitRequest {
        updates: vec![TableUpdate::RemoveSnapshots { snapshot_ids: ids[..2].to_vec() }],
        ..CommitRequest::default()
    };
    match warehouse.catalog().commit(&table.name.ident, request).await {
        CommitOutcome::NotLanded(error) => assert_eq!(error.kind(), ErrorKind::CommitConflict, "{error}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(expire(&warehouse, FAR).await, [0, 0, 0, 0, 1, 0]);
    assert_eq!(snapshots(&warehouse.table().await), [ids[0], ids[2]]);
}

#[tokio::test]
async fn what_is_refused_changes_nothing() {
    let warehouse = churned().await;
    let before = warehouse.table().await;
    let (ids, there) = (snapshots(&before), files(&before));
    let refused = async |procedure: &str, arguments: &str| {
        let error = call(&warehouse, procedure, arguments).await.expect_err(arguments);
        (error.kind(), error.to_string())
    };
    let at = "catalog of `r2.default.t`: ";
    for (procedure, arguments, kind, message) in [
        (
            "expire_snapshots",
            "retain_last => 0".to_string(),
            ErrorKind::Sql,
            "`retain_last` is 0, expected 1 or more".to_string(),
        ),
        (
            "expire_snapshots",
            "snapshot_ids => array(7)".into(),
            ErrorKind::NotFound,
            "snapshot of `r2.default.t`: the table has no snapshot 7".into(),
        ),
        (
            "expire_snapshots",
            format!("snapshot_ids => array({})", ids[2]),
            ErrorKind::Sql,
            format!("snapshot of `r2.default.t`: the snapshot {} cannot expire: `main` points to it", ids[2]),
        ),
        (
            "expire_snapshots",
            "snapshot_ids => array('7')".into(),
            ErrorKind::Sql,
            "the argument `snapshot_ids` of `expire_snapshots` takes array(1, 2, …) of whole numbers, found an array"
                .into(),
        ),
        (
            "rollback_to_snapshot",
            "snapshot_id => 7".into(),
            ErrorKind::NotFound,
            format!("{at}the table has no snapshot 7"),
        ),
        (
            "rollback_to_snapshot",
            "snapshot_id => NULL".into(),
            ErrorKind::Sql,
            "the argument `snapshot_id` of `rollback_to_snapshot` is missing".into(),
        ),
        (
            "rollback_to_timestamp",
            "timestamp => TIMESTAMP '2020-01-01'".into(),
            ErrorKind::NotFound,
            format!("{at}no ancestor of the current snapshot is older than 2020-01-01 00:00:00.000 UTC"),
        ),
        (
            "set_current_snapshot",
            "ref => 'v1'".into(),
            ErrorKind::NotFound,
            format!("{at}the table has no branch or tag `v1`"),
        ),
        (
            "set_current_snapshot",
            "ref => 'main', snapshot_id => 7".into(),
            ErrorKind::Sql,
            "either `snapshot_id` or `ref` is to be given, found both".into(),
        ),
        ("ancestors_of", "snapshot_id => 7".into(), ErrorKind::NotFound, format!("{at}the table has no snapshot 7")),
        (
            "fast_forward",
            "branch => 'main', to => 'dev'".into(),
            ErrorKind::NotFound,
            format!("{at}the table has no branch or tag `dev`"),
        ),
    ] {
        assert_eq!(refused(procedure, &arguments).await, (kind, message), "{procedure} {arguments}");
    }
    warehouse.set_property("gc.enabled", "false").await;
    let (kind, _) = refused("expire_snapshots", FAR).await;
    assert_eq!(kind, ErrorKind::Unsupported);
    let now = warehouse.table().await;
    // The property has made a metadata file.
    assert_eq!((snapshots(&now), files(&now).len()), (ids, there.len() + 1));
}

#[tokio::test]
async fn back_and_forth() {
    let warehouse = churned().await;
    let table = warehouse.table().await;
    let ids = snapshots(&table);
    let ancestors = call(&warehouse, "ancestors_of", "snapshot_id => NULL").await.unwrap();
    assert_eq!(ancestors[..3], [ids[2], ids[1], ids[0]]);
    let times: Vec<i64> = ids.iter().map(|id| table.metadata.snapshot_by_id(*id).unwrap().timestamp_ms()).collect();
    assert_eq!(ancestors[3..], [times[2], times[1], times[0]]);
    tag(&warehouse, "newest", ids[2]).await;
    // The time of a snapshot is not before itself.
    let literal = super::super::moves::shown_time(times[2]);
    let timestamp = format!("timestamp => TIMESTAMP '{}'", literal.trim_end_matches(" UTC"));
    assert_eq!(call(&warehouse, "rollback_to_timestamp", &timestamp).await.unwrap(), [ids[2], ids[1]]);
    let id = format!("snapshot_id => {}", ids[2]);
    let error = call(&warehouse, "rollback_to_snapshot", &id).await.unwrap_err();
    let message = format!("the snapshot {} is no ancestor of the current snapshot {}", ids[2], ids[1]);
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::Sql, format!("catalog of `r2.default.t`: {message}")));
    let forwarded = warehouse.run("CALL r2.system.fast_forward('default.t', 'main', 'newest')").await;
    assert_eq!(forwarded[0].column(2).as_primitive::<Int64Type>().value(0), ids[2]);
    // Back on another way: main has a commit that the tag does not have.
    call(&warehouse, "rollback_to_snapshot", &format!("snapshot_id => {}", ids[0])).await.unwrap();
    warehouse.run("INSERT INTO r2.default.t VALUES (1, 1)").await;
    let error = call(&warehouse, "fast_forward", "branch => 'main', to => 'newest'").await.unwrap_err();
    assert!(error.to_string().contains("`newest` does not come after `main`"), "{error}");
    assert_eq!(call(&warehouse, "set_current_snapshot", &id).await.unwrap()[1], ids[2]);
}

/// A name for a table that is there, and one for a table that another catalog forgot.
#[tokio::test]
async fn a_metadata_file_gets_a_name() {
    let warehouse = churned().await;
    let table = warehouse.table().await;
    let (file, id) = (table.metadata_location.clone().unwrap(), table.metadata.current_snapshot_id().unwrap());
    let register = |name: &str, file: &str| format!("CALL r2.system.register_table('default.{name}', '{file}')");
    let error = warehouse.try_run(&register("t", &file)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::AlreadyExists, "the table `r2.default.t` exists already")
    );
    warehouse.run("DROP TABLE r2.default.t").await;
    let row = warehouse.run(&register("again", &file)).await;
    let cells: Vec<i64> = row[0].columns().iter().map(|column| column.as_primitive::<Int64Type>().value(0)).collect();
    assert_eq!(cells, [id, 30, 6]);
    warehouse.run("INSERT INTO r2.default.again VALUES (100, 0)").await;
    let rows = warehouse.run("SELECT count(*) FROM r2.default.again").await;
    assert_eq!(rows[0].column(0).as_primitive::<Int64Type>().value(0), 31);
    for (file, kind) in [
        (file.replace("metadata/", "metadata/none-"), ErrorKind::NotFound),
        ("relative/v1.metadata.json".to_string(), ErrorKind::Unsupported),
        (file.replace(".metadata.json", ".json"), ErrorKind::Sql),
        ("s3://b/t/metadata/v1.metadata.json".to_string(), ErrorKind::Unsupported),
    ] {
        let error = warehouse.try_run(&register("other", &file)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{file}: {error}");
    }
}
