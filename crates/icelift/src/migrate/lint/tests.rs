use std::collections::{BTreeMap, HashMap};

use iceberg::TableIdent;
use iceberg::spec::{
    DataContentType, DataFileBuilder, DataFileFormat, ListType, Literal, NestedField, Operation, PrimitiveType,
    Snapshot, SnapshotReference, SnapshotRetention, Struct, StructType, Summary, Transform, Type, UnboundPartitionSpec,
};
use serde_json::json;

use super::*;
use crate::catalog::NewTable;

fn primitive(id: i32, name: &str, of: PrimitiveType) -> NestedField {
    NestedField::optional(id, name, Type::Primitive(of))
}

fn table(
    version: &str,
    fields: Vec<NestedField>,
    spec: UnboundPartitionSpec,
    properties: &[(&str, &str)],
) -> TableMetadata {
    let properties = properties.iter().map(|(key, value)| (key.to_string(), value.to_string()));
    let version = ("format-version".to_string(), version.to_string());
    let new = NewTable {
        ident: TableIdent::from_strs(["n", "t"]).unwrap(),
        schema: Schema::builder().with_fields(fields.into_iter().map(Arc::new)).build().unwrap(),
        partition_spec: spec,
        properties: properties.chain([version]).collect::<BTreeMap<_, _>>(),
        location: None,
        keep_field_ids: true,
    };
    new.metadata("s3://b/t".to_string()).unwrap()
}

fn unpartitioned() -> UnboundPartitionSpec {
    UnboundPartitionSpec::builder().build()
}

fn by(source: i32, name: &str, transform: Transform) -> UnboundPartitionSpec {
    UnboundPartitionSpec::builder().add_partition_field(source, name, transform).unwrap().build()
}

fn found(source: &TableMetadata, target: &TableMetadata, target_kind: &str, files: FilesSummary) -> Vec<String> {
    let findings = lint(Sides { source, target, target_kind, views: &[] }, files);
    findings.iter().map(|it| format!("{} {}: {}", it.level, it.subject, it.message)).collect()
}

#[test]
fn a_copy_differs_in_nothing() {
    let fields =
        || vec![primitive(3, "a", PrimitiveType::Int).with_doc("first"), primitive(7, "b", PrimitiveType::Uuid)];
    let table = || table("2", fields(), by(3, "a", Transform::Identity), &[("comment", "c")]);
    assert_eq!(found(&table(), &table(), "local", FilesSummary { data_files: 9, ..Default::default() }), [""; 0]);
}

#[test]
fn columns() {
    let inner = |fields: Vec<NestedField>| Type::Struct(StructType::new(fields.into_iter().map(Arc::new).collect()));
    let list =
        Type::List(ListType::new(Arc::new(NestedField::list_element(9, Type::Primitive(PrimitiveType::Float), false))));
    let doubles = Type::List(ListType::new(Arc::new(NestedField::list_element(
        9,
        Type::Primitive(PrimitiveType::Double),
        false,
    ))));
    let source = table(
        "3",
        vec![
            NestedField::required(1, "id", Type::Primitive(PrimitiveType::Long)).with_doc("key"),
            primitive(2, "gone", PrimitiveType::Int),
            NestedField::optional(
                3,
                "s",
                inner(vec![primitive(4, "x", PrimitiveType::Int), primitive(5, "y", PrimitiveType::Int)]),
            ),
            NestedField::optional(6, "t", inner(vec![primitive(7, "z", PrimitiveType::Int)])),
            NestedField::optional(8, "l", list),
            primitive(10, "d", PrimitiveType::Int).with_write_default(Literal::int(1)),
        ],
        unpartitioned(),
        &[],
    );
    let target = table(
        "3",
        vec![
            primitive(2, "id", PrimitiveType::Long),
            NestedField::optional(3, "s", inner(vec![primitive(4, "x", PrimitiveType::Long)])),
            NestedField::optional(8, "l", doubles),
            primitive(10, "d", PrimitiveType::Int),
            primitive(11, "quarter", PrimitiveType::String),
        ],
        unpartitioned(),
        &[],
    );
    let expected = [
        "lost gone: the target has no column of this name",
        "lost s.y: the target has no column of this name",
        "lost t: the target has no column of this name",
        "lost comments: the target has none or others for `id`",
        "lost write defaults: the target has none or others for `d`",
        "changed s.x: int becomes long",
        "changed l.element: float becomes double",
        "changed field ids: the target has others for `id`",
        "changed required columns: the target takes NULL in `id`",
        "changed row lineage: rows get new row ids and sequence numbers",
    ];
    assert_eq!(found(&source, &target, "local", FilesSummary::default()), expected);
}

#[test]
fn what_the_target_cannot_hold() {
    let source = table("3", vec![primitive(1, "ts", PrimitiveType::TimestampNs)], unpartitioned(), &[]);
    // As a catalog may describe it that does not look at types.
    let mut json = serde_json::to_value(&source).unwrap();
    json.as_object_mut().unwrap().remove("next-row-id");
    json["format-version"] = json!(2);
    let target: TableMetadata = serde_json::from_value(json).unwrap();
    let expected = [
        "refused ts: format version 2 has no timestamp_ns; create the target with 'format-version' = '3', or CAST",
        "changed format version: 3 becomes 2",
        "changed row lineage: rows get new row ids and sequence numbers",
    ];
    assert_eq!(found(&source, &target, "local", FilesSummary::default()), expected);
    let fields = || vec![primitive(1, "u", PrimitiveType::Uuid)];
    let by_uuid = table("2", fields(), by(1, "u", Transform::Identity), &[]);
    let expected = [
        "refused u: a UUID cannot be a partition by itself; partition by bucket(n, column)",
        "changed partitions: no partitions becomes identity of `u`",
    ];
    assert_eq!(
        found(&table("2", fields(), unpartitioned(), &[]), &by_uuid, "local", FilesSummary::default()),
        expected
    );
}

#[test]
fn layout_deletes_and_history() {
    let fields = || vec![primitive(1, "a", PrimitiveType::Int), primitive(2, "b", PrimitiveType::Int)];
    let target = table("2", fields(), by(1, "a_bucket", Transform::Bucket(4)), &[]);
    let snapshot = |id: i64| {
        Snapshot::builder()
            .with_snapshot_id(id)
            .with_sequence_number(id)
            .with_timestamp_ms(chrono::Utc::now().timestamp_millis() + id)
            .with_manifest_list(format!("s3://b/t/{id}.avro"))
            .with_summary(Summary { operation: Operation::Append, additional_properties: HashMap::new() })
            .with_schema_id(0)
            .build()
    };
    let tag = SnapshotReference::new(1, SnapshotRetention::Tag { max_ref_age_ms: None });
    let mut source = table("2", fields(), unpartitioned(), &[]).into_builder(None);
    source = source.set_branch_snapshot(snapshot(1), MAIN_BRANCH).unwrap();
    source = source.set_branch_snapshot(snapshot(2), MAIN_BRANCH).unwrap();
    source = source.set_ref("audit", tag).unwrap();
    source = source.add_default_partition_spec(by(1, "a", Transform::Identity)).unwrap();
    source = source.set_statistics(iceberg::spec::StatisticsFile {
        snapshot_id: 2,
        statistics_path: "s3://b/t/2.puffin".to_string(),
        file_size_in_bytes: 1,
        file_footer_size_in_bytes: 1,
        key_metadata: None,
        blob_metadata: Vec::new(),
    });
    // The builder has no way to order rows.
    let mut json = serde_json::to_value(source.build().unwrap().metadata).unwrap();
    let field = json!({"source-id": 2, "transform": "identity", "direction": "asc", "null-order": "nulls-first"});
    json["sort-orders"] = json!([{"order-id": 1, "fields": [field]}]);
    json["default-sort-order-id"] = json!(1);
    let source: TableMetadata = serde_json::from_value(json).unwrap();
    let files = FilesSummary { data_files: 9, with_deletes: 3, with_equality_deletes: 1, delete_files: 2 };
    let expected = [
        "lost sort order: rows are not sorted by `b`; sort the target afterwards",
        "lost history: the earlier snapshots, 1 in all, stay with the source",
        "lost branches and tags: `audit` stay with the source; only `main` is migrated",
        "lost statistics: the files, 1 in all, stay with the source; compute them anew where an engine uses them",
        "changed partitions: identity of `a` becomes bucket[4] of `a`",
        "changed partition specs: 2 specs become one, that of the target",
        "changed deletes: 3 of 9 data files have deleted rows, 1 of them by equality; these rows are left out, the 2 \
         delete files are not needed any more",
    ];
    assert_eq!(found(&source, &target, "local", files), expected);
}

#[test]
fn properties() {
    let all = [
        ("comment", "c"),
        ("gc.enabled", "false"),
        ("icelift.register", "r"),
        ("schema.name-mapping.default", "[]"),
        ("write.data.path", "s3://b/elsewhere"),
        ("write.metadata.metrics.default", "full"),
        ("write.parquet.compression-codec", "zstd"),
    ];
    let fields = || vec![primitive(1, "a", PrimitiveType::Int)];
    let source = table("2", fields(), unpartitioned(), &all);
    let keys = |kind| carried_properties(&source, kind).into_keys().collect::<Vec<_>>();
    assert_eq!(keys("r2"), ["comment", "write.parquet.compression-codec"]);
    assert_eq!(keys("basin"), keys("r2"));
    let to_glue = ["comment", "gc.enabled", "write.metadata.metrics.default", "write.parquet.compression-codec"];
    assert_eq!(keys("glue"), to_glue);
    let target = table("2", fields(), unpartitioned(), &[("write.parquet.compression-codec", "snappy")]);
    let expected = [
        "lost property `comment`: the target does not have it",
        "lost property `gc.enabled`: the target's catalog refuses it",
        "lost property `icelift.register`: it tells of an earlier migration",
        "lost property `schema.name-mapping.default`: files are written anew, with field ids",
        "lost property `write.data.path`: it names a place of the source",
        "lost property `write.metadata.metrics.default`: the target's catalog refuses it",
        "changed property `write.parquet.compression-codec`: the target has another value",
    ];
    assert_eq!(found(&source, &target, "r2", FilesSummary::default()), expected);
}

#[test]
fn views_and_long_lists() {
    let table = table("2", vec![primitive(1, "a", PrimitiveType::Int)], unpartitioned(), &[]);
    let views: Vec<String> = (1..=12).map(|number| format!("v{number}")).collect();
    let findings =
        lint(Sides { source: &table, target: &table, target_kind: "r2", views: &views }, FilesSummary::default());
    assert_eq!(findings.len(), 1);
    assert!(findings[0].message.ends_with("`v10` and 2 more stay where they are; only tables are migrated"));
}

#[test]
fn a_file_of_several_batches_counts_once() {
    let file = |name: &str| {
        let file = DataFileBuilder::default()
            .content(DataContentType::Data)
            .file_path(format!("s3://b/{name}"))
            .file_format(DataFileFormat::Parquet)
            .partition(Struct::empty())
            .record_count(1)
            .file_size_in_bytes(1)
            .build()
            .unwrap();
        Arc::new(PlannedFile::without_deletes(file, Arc::new(PartitionSpec::unpartition_spec())))
    };
    let batches = [vec![file("a"), file("b")], vec![file("b"), file("c")]];
    assert_eq!(FilesSummary::of(batches.iter().flatten()).data_files, 3);
}
