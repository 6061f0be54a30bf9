//! The reference says which columns there are.

use arrow::datatypes::{DataType, Field};
use datafusion::prelude::SessionContext;
use iceberg::TableIdent;
use iceberg::spec::{
    FormatVersion, NestedField, PrimitiveType, Schema, SortOrder, TableMetadata, TableMetadataBuilder, Transform, Type,
    UnboundPartitionSpec,
};
use tokio_util::task::TaskTracker;

use super::*;
use crate::catalog::TableName;
use crate::storage::{Store, UploadSettings};

const REFERENCE: &str = include_str!("../../../../docs/reference/metadata-tables.md");

fn table(spec: UnboundPartitionSpec) -> Table {
    let field = |id, name: &str, of| NestedField::optional(id, name, Type::Primitive(of)).into();
    let fields = [field(1, "a", PrimitiveType::Int), field(2, "b", PrimitiveType::String)];
    let schema = Schema::builder().with_fields(fields).build().unwrap();
    let (order, version) = (SortOrder::unsorted_order(), FormatVersion::V2);
    let builder = TableMetadataBuilder::new(schema, spec, order, "s3://b/t".to_string(), version, Default::default());
    let metadata: TableMetadata = builder.unwrap().build().unwrap().metadata;
    let name = TableName { catalog: "c".into(), ident: TableIdent::from_strs(["n", "t"]).unwrap() };
    Table::staged(name, metadata, Store::local(UploadSettings::default(), TaskTracker::new()))
}

fn partitioned() -> Table {
    table(UnboundPartitionSpec::builder().add_partition_field(1, "a_bucket", Transform::Bucket(4)).unwrap().build())
}

fn inspected(table: &Table, metadata: MetadataTable) -> Inspected {
    Inspected::new(table, metadata, None, &SessionContext::new().state()).unwrap()
}

/// The type in Iceberg's words.
fn type_name(field: &Field) -> String {
    match field.data_type() {
        DataType::Int32 => "int".to_string(),
        DataType::Int64 => "long".to_string(),
        DataType::Boolean => "boolean".to_string(),
        DataType::Utf8 => "string".to_string(),
        DataType::LargeBinary => "binary".to_string(),
        DataType::Timestamp(..) => "timestamptz".to_string(),
        DataType::List(element) => format!("list of {}", type_name(element)),
        DataType::Map(pair, _) => match pair.data_type() {
            DataType::Struct(fields) => fields.iter().map(|it| type_name(it)).collect::<Vec<_>>().join(" to "),
            other => panic!("{other}"),
        },
        DataType::Struct(_) => "struct".to_string(),
        other => panic!("{other}"),
    }
}

/// How the rows of the reference that tell of a metadata table's columns begin.
fn columns(metadata: MetadataTable) -> Vec<String> {
    let schema = inspected(&partitioned(), metadata).schema();
    let row = |field: &arrow::datatypes::FieldRef| format!("| `{}` | {} |", field.name(), type_name(field));
    schema.fields().iter().map(row).collect()
}

#[test]
fn the_reference_lists_tables_with_their_columns() {
    let sections: Vec<_> = REFERENCE.split("\n## ").skip(1).filter(|section| section.starts_with("`$")).collect();
    let mut told = Vec::new();
    for section in sections {
        let heading = section.lines().next().unwrap_or_default();
        let rows: Vec<_> = section.lines().filter(|line| line.starts_with("| `")).collect();
        for name in heading.split(", ").map(|name| name.trim_matches(['`', '$'])) {
            let metadata = MetadataTable::named(name).unwrap();
            let columns = columns(metadata);
            let same = rows.len() == columns.len() && rows.iter().zip(&columns).all(|(row, it)| row.starts_with(it));
            assert!(same, "${name} wants rows that begin with\n{}", columns.join("\n"));
            told.push(metadata);
        }
    }
    assert_eq!(told, MetadataTable::ALL);
}

#[test]
fn names_are_taken_apart() {
    for metadata in MetadataTable::ALL {
        assert_eq!(MetadataTable::of(&format!("a$b${}", metadata.name())), Some(("a$b", metadata)));
        assert_eq!(MetadataTable::named(metadata.name()), Some(metadata));
    }
    for name in ["t", "t$", "$files", "t$file", "t$FILES", "files", ""] {
        assert_eq!(MetadataTable::of(name), None, "{name}");
    }
}

#[test]
fn a_table_without_partitions_has_no_column_for_them() {
    let unpartitioned = table(UnboundPartitionSpec::builder().build());
    for metadata in [MetadataTable::Files, MetadataTable::Partitions] {
        let has = |table: &Table| inspected(table, metadata).schema().field_with_name("partition").is_ok();
        assert!(has(&partitioned()) && !has(&unpartitioned));
    }
    let entries = inspected(&unpartitioned, MetadataTable::Entries).schema();
    let DataType::Struct(fields) = entries.field_with_name("data_file").unwrap().data_type() else { panic!() };
    assert!(fields.iter().all(|field| field.name() != "partition"));
}

#[test]
fn what_tells_of_the_whole_table_has_no_versions() {
    let state = SessionContext::new().state();
    for metadata in MetadataTable::ALL {
        let found = Inspected::new(&partitioned(), metadata, Some(&Version::Named("main".to_string())), &state);
        assert_eq!(found.is_ok(), metadata.is_of_a_snapshot(), "{}", metadata.name());
        let added = Version::Added { after: Box::new(Version::Snapshot(1)), up_to: None };
        let error = Inspected::new(&partitioned(), metadata, Some(&added), &state).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}
