//! Changes that take files out, over a local catalog: what the snapshot says, and on what it must not be built.

use std::collections::BTreeMap;

use async_trait::async_trait;
use iceberg::TableUpdate;
use iceberg::spec::{
    DataContentType, DataFileBuilder, DataFileFormat, MAIN_BRANCH, ManifestListWriter, ManifestWriterBuilder,
    Operation, Snapshot, SnapshotReference, SnapshotRetention, Struct, Summary,
};

use super::*;
use crate::catalog::CommitRequest;
use crate::pipeline::scan::PlannedFile;
use crate::pipeline::warehouse::{Warehouse, files};

/// Three files: years 2019 and 2020 of the first commit, 2019 of the second.
async fn filled(properties: &str) -> Warehouse {
    let warehouse = Warehouse::new().await;
    warehouse
        .run(&format!(
            "CREATE TABLE r2.default.t PARTITIONED BY (year) TBLPROPERTIES ('a' = 'b'{properties})
             AS SELECT value AS id, CAST(2019 + value % 2 AS INT) AS year FROM generate_series(1, 10);
             INSERT INTO r2.default.t SELECT value AS id, 2019 AS year FROM generate_series(11, 20)"
        ))
        .await;
    warehouse
}

/// A file that is described and not there.
fn described(like: &DataFile, path: &str, content: DataContentType, rows: u64) -> DataFileBuilder {
    let mut builder = DataFileBuilder::default();
    builder
        .content(content)
        .file_path(format!("{path}.parquet"))
        .file_format(DataFileFormat::Parquet)
        .partition(like.partition().clone())
        .record_count(rows)
        .file_size_in_bytes(1_000)
        .partition_spec_id(0);
    builder
}

/// Commits deletes as another writer would.
async fn add_deletes(warehouse: &Warehouse, deletes: Vec<DataFile>) {
    let table = warehouse.table().await;
    let (metadata, id) = (&table.metadata, i64::from(Uuid::new_v4().as_u128() as u32));
    let output =
        |name: &str| table.file_io.new_output(format!("{}/metadata/{id}-{name}", metadata.location())).unwrap();
    let spec = metadata.default_partition_spec().as_ref().clone();
    let schema = metadata.current_schema().clone();
    let mut writer = ManifestWriterBuilder::new(output("d.avro"), Some(id), schema, spec).build_v2_deletes();
    deletes.into_iter().for_each(|delete| writer.add_file(delete, -1).unwrap());
    let manifest = writer.write_manifest_file().await.unwrap();
    let parent = metadata.current_snapshot().unwrap();
    let kept = table.manifest_list(parent).await.unwrap().consume_entries();
    let list = output("list.avro");
    let (location, sequence) = (list.location().to_string(), metadata.next_sequence_number());
    let writer = list.writer().await.unwrap();
    let mut writer = ManifestListWriter::v2(writer, id, Some(parent.snapshot_id()), sequence);
    writer.add_manifests(kept.into_iter().chain([manifest])).unwrap();
    writer.close().await.unwrap();
    let totals = ["total-delete-files", "total-position-deletes"].map(|total| (total.to_string(), "1".to_string()));
    let snapshot = Snapshot::builder()
        .with_snapshot_id(id)
        .with_parent_snapshot_id(Some(parent.snapshot_id()))
        .with_sequence_number(sequence)
        .with_timestamp_ms(chrono::Utc::now().timestamp_millis())
        .with_manifest_list(location)
        .with_summary(Summary { operation: Operation::Delete, additional_properties: totals.into() })
        .with_schema_id(metadata.current_schema_id())
        .build();
    let reference = SnapshotReference::new(id, SnapshotRetention::branch(None, None, None));
    let updates = vec![
        TableUpdate::AddSnapshot { snapshot },
        TableUpdate::SetSnapshotRef { ref_name: MAIN_BRANCH.to_string(), reference },
    ];
    let request = CommitRequest { updates, ..CommitRequest::default() };
    assert!(matches!(warehouse.catalog().commit(&table.name.ident, request).await, CommitOutcome::Landed));
}

fn year(file: &DataFile) -> Struct {
    file.partition().clone()
}

/// The files of the partition that has two, and the other one.
async fn split(table: &Table) -> (Vec<DataFile>, DataFile) {
    let mut by_year: BTreeMap<String, Vec<DataFile>> = BTreeMap::new();
    for file in files(table).await {
        by_year.entry(format!("{:?}", year(&file))).or_default().push(file);
    }
    let mut parts: Vec<_> = by_year.into_values().collect();
    parts.sort_by_key(Vec::len);
    let (two, mut one) = (parts.pop().unwrap(), parts.pop().unwrap());
    (two, one.pop().unwrap())
}

/// Puts one file in the place of two.
fn replacing(two: &[DataFile]) -> Change {
    let one = described(&two[0], "/one", DataContentType::Data, 15).build().unwrap();
    let remove = two.iter().map(|file| file.file_path().to_string()).collect();
    Change { effect: Effect::Layout, files: vec![one], remove, ..Change::default() }
}

fn same_deletes(planned: &Table, files: &[DataFile], keeps_sequence_in: Option<i32>) -> Vec<Arc<dyn Precondition>> {
    let spec = planned.metadata.default_partition_spec();
    let planned_file = |file: &DataFile| Arc::new(PlannedFile::without_deletes(file.clone(), spec.clone()));
    let files = files.iter().map(planned_file).collect();
    vec![Arc::new(SameDeletes { planned: planned.clone(), files, keeps_sequence_in })]
}

async fn landed(warehouse: &Warehouse, planned: &Table, change: Change) -> Table {
    match commit(&warehouse.catalog(), planned, planned.clone(), change).await {
        CommitOutcome::Landed => warehouse.table().await,
        other => panic!("{other:?}"),
    }
}

async fn refused(warehouse: &Warehouse, planned: &Table, change: Change) -> String {
    let before = (warehouse.table().await.metadata.current_snapshot_id(), warehouse.metadata_files());
    match commit(&warehouse.catalog(), planned, warehouse.table().await, change).await {
        CommitOutcome::NotLanded(error) => {
            let now = (warehouse.table().await.metadata.current_snapshot_id(), warehouse.metadata_files());
            assert_eq!(before, now, "something was left behind");
            let message = error.to_string();
            let message = message.strip_prefix("snapshot of `r2.default.t`: ").unwrap_or(&message);
            format!("{:?}: {message}", error.kind())
        }
        other => panic!("{other:?}"),
    }
}

fn summary_of(table: &Table) -> (Operation, BTreeMap<String, String>) {
    let Summary { operation, additional_properties } = table.metadata.current_snapshot().unwrap().summary().clone();
    (operation, additional_properties.into_iter().collect())
}

#[tokio::test]
async fn a_replacement_says_what_it_is() {
    let warehouse = filled("").await;
    let planned = warehouse.table().await;
    let (two, _) = split(&planned).await;
    let started = planned.metadata.current_snapshot().unwrap().sequence_number();
    let table = landed(&warehouse, &planned, Change { data_sequence: Some(started), ..replacing(&two) }).await;
    let (operation, summary) = summary_of(&table);
    assert_eq!(operation, Operation::Replace);
    for (key, value) in [
        ("added-data-files", "1"),
        ("deleted-data-files", "2"),
        ("added-records", "15"),
        ("deleted-records", "15"),
        ("total-data-files", "2"),
        ("total-records", "20"),
        ("changed-partition-count", "1"),
    ] {
        assert_eq!(summary[key], value, "{key}");
    }
    let snapshot = table.metadata.current_snapshot().unwrap();
    let mut found = BTreeMap::new();
    for manifest in table.manifest_list(snapshot).await.unwrap().entries() {
        for entry in table.manifest(manifest).await.unwrap().entries() {
            let at = (entry.status(), entry.sequence_number().unwrap(), entry.file_sequence_number.unwrap());
            *found.entry(format!("{:?} {} {}", at.0, at.1, at.2)).or_insert(0) += 1;
        }
    }
    // The new file counts as written at the planned snapshot, which is the second one.
    let expected = [("Added 2 3", 1), ("Deleted 1 1", 1), ("Deleted 2 2", 1), ("Existing 1 1", 1)];
    assert_eq!(found, expected.map(|(entry, count)| (entry.to_string(), count)).into());
    let gone = refused(&warehouse, &planned, replacing(&two)).await;
    assert_eq!(gone, "Drift: files that are to be replaced are not in the table any more");
}

#[derive(Debug)]
struct Refuses;

#[async_trait]
impl Precondition for Refuses {
    async fn check(&self, base: &Table) -> Result<()> {
        Err(Error::new(ErrorKind::Drift, format!("{} snapshots", base.metadata.snapshots().len())))
    }
}

#[tokio::test]
async fn a_precondition_is_asked_about_each_base() {
    let warehouse = filled("").await;
    let planned = warehouse.table().await;
    let (two, _) = split(&planned).await;
    warehouse.run("INSERT INTO r2.default.t VALUES (99, 2030)").await;
    let change = Change { preconditions: vec![Arc::new(Refuses)], ..replacing(&two) };
    assert_eq!(refused(&warehouse, &planned, change).await, "Drift: 3 snapshots");
}

#[tokio::test]
async fn rows_that_were_deleted_meanwhile_stay_deleted() {
    for (content, names_file, of_two, keeps, expected) in [
        (DataContentType::PositionDeletes, true, true, Some(0), false),
        (DataContentType::PositionDeletes, false, true, Some(0), false),
        (DataContentType::PositionDeletes, true, false, None, true),
        (DataContentType::PositionDeletes, false, false, None, true),
        // Equality deletes apply to the new file as well, if it is as old.
        (DataContentType::EqualityDeletes, false, true, Some(0), true),
        (DataContentType::EqualityDeletes, false, true, Some(1), false),
        (DataContentType::EqualityDeletes, false, true, None, false),
        (DataContentType::EqualityDeletes, false, false, None, true),
    ] {
        let warehouse = filled("").await;
        let planned = warehouse.table().await;
        let (two, one) = split(&planned).await;
        let of = if of_two { &two[0] } else { &one };
        let mut delete = described(of, "/delete", content, 1);
        delete.referenced_data_file(names_file.then(|| of.file_path().to_string()));
        if content == DataContentType::EqualityDeletes {
            delete.equality_ids(Some(vec![1]));
        }
        add_deletes(&warehouse, vec![delete.build().unwrap()]).await;
        // Rows that were added meanwhile are no obstacle.
        warehouse.run("INSERT INTO r2.default.t VALUES (99, 2030)").await;
        let change = Change { preconditions: same_deletes(&planned, &two, keeps), ..replacing(&two) };
        let case = format!("{content:?} {names_file} {of_two} {keeps:?}");
        if expected {
            let table = landed(&warehouse, &planned, change).await;
            assert_eq!(summary_of(&table).0, Operation::Replace, "{case}");
        } else {
            let message = refused(&warehouse, &planned, change).await;
            assert!(message.starts_with("Drift: `/delete.parquet`: rows of `"), "{case}: {message}");
            assert!(message.ends_with("were deleted by another writer while the statement ran"), "{case}: {message}");
        }
    }
}

#[tokio::test]
async fn deletes_go() {
    let warehouse = filled("").await;
    let (two, _) = split(&warehouse.table().await).await;
    let delete = |name: &str| described(&two[0], name, DataContentType::PositionDeletes, 3).build().unwrap();
    add_deletes(&warehouse, vec![delete("/x"), delete("/y")]).await;
    let planned = warehouse.table().await;
    let change = || Change {
        effect: Effect::Layout,
        remove_deletes: HashSet::from([DeleteId { location: "/x.parquet".to_string(), offset: None }]),
        ..Change::default()
    };
    let table = landed(&warehouse, &planned, change()).await;
    let (operation, summary) = summary_of(&table);
    assert_eq!(operation, Operation::Replace);
    for (key, value) in [
        ("removed-delete-files", "1"),
        ("removed-position-delete-files", "1"),
        ("removed-position-deletes", "3"),
        ("removed-files-size", "1000"),
        ("total-delete-files", "0"),
    ] {
        assert_eq!(summary[key], value, "{key}");
    }
    let difference = Difference::since(&planned, &table).await.unwrap();
    let gone: Vec<_> = difference.removed_deletes.iter().map(|delete| delete.file.file_path()).collect();
    assert_eq!((gone, difference.added_deletes.len(), difference.added.len()), (vec!["/x.parquet"], 0, 0));
    assert!(refused(&warehouse, &table, change()).await.starts_with("Drift: files that are to be replaced"));
}

#[tokio::test]
async fn rows_keep_their_ids_where_their_entry_moves() {
    let warehouse = filled(", 'format-version' = '3'").await;
    let planned = warehouse.table().await;
    let first_ids = |table: Table| async move {
        let mut found = BTreeMap::new();
        let list = table.manifest_list(table.metadata.current_snapshot().unwrap()).await.unwrap();
        for file in list.entries() {
            let manifest = table.manifest(file).await.unwrap();
            for (entry, data) in lineage::moved(file, &manifest, None).unwrap() {
                if entry.is_alive() {
                    found.insert(data.file_path().to_string(), data.first_row_id().unwrap());
                }
            }
        }
        found
    };
    let before = first_ids(planned.clone()).await;
    let mut ids: Vec<_> = before.values().copied().collect();
    ids.sort_unstable();
    assert_eq!(ids, [0, 5, 10]);
    let (two, _) = split(&planned).await;
    // One file of the manifest that lists two.
    let gone = two.iter().find(|file| before[file.file_path()] < 10).unwrap().file_path();
    let change = Change { remove: HashSet::from([gone.to_string()]), ..Change::default() };
    let table = landed(&warehouse, &planned, change).await;
    assert_eq!(summary_of(&table).0, Operation::Delete);
    let after = first_ids(table).await;
    assert_eq!(after.len(), 2);
    assert!(after.iter().all(|(path, id)| before[path] == *id), "{before:?}, then {after:?}");
}

/// How long snapshots of the branch are kept outlives appends and what takes files out.
#[tokio::test]
async fn commits_leave_the_retention_of_the_branch() {
    let warehouse = filled("").await;
    let table = warehouse.table().await;
    let retention = SnapshotRetention::branch(Some(7), Some(86_400_000), None);
    let reference = SnapshotReference::new(table.metadata.current_snapshot_id().unwrap(), retention.clone());
    let updates = vec![TableUpdate::SetSnapshotRef { ref_name: MAIN_BRANCH.to_string(), reference }];
    let request = CommitRequest { updates, ..CommitRequest::default() };
    assert!(matches!(warehouse.catalog().commit(&table.name.ident, request).await, CommitOutcome::Landed));
    for sql in ["INSERT INTO r2.default.t VALUES (21, 2021)", "DELETE FROM r2.default.t WHERE year = 2020"] {
        warehouse.run(sql).await;
        let main = crate::catalog::refs(&warehouse.table().await.metadata).unwrap().remove(MAIN_BRANCH).unwrap();
        assert_eq!(main.retention, retention, "{sql}");
    }
}

/// Files fit one schema and one spec only, however old the base is that the commit is built on first.
#[tokio::test]
async fn a_change_of_columns_or_partitions_is_noticed_on_an_old_base() {
    for (sql, changed) in [("ADD COLUMN c INT", "schema"), ("ADD PARTITION FIELD bucket(3, id)", "partition spec")] {
        let warehouse = filled("").await;
        let old = warehouse.table().await;
        let (two, _) = split(&old).await;
        let file = described(&two[0], "/one", DataContentType::Data, 15).build().unwrap();
        warehouse.run(&format!("ALTER TABLE r2.default.t {sql}")).await;
        let before = warehouse.table().await.metadata.current_snapshot_id();
        let change = Change { files: vec![file], holds_layout: true, ..Change::default() };
        match commit(&warehouse.catalog(), &old, old.clone(), change).await {
            CommitOutcome::NotLanded(error) => {
                let expected =
                    format!("snapshot of `r2.default.t`: the table's {changed} was changed while the statement ran");
                assert_eq!(error.to_string(), expected);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(warehouse.table().await.metadata.current_snapshot_id(), before);
    }
}
