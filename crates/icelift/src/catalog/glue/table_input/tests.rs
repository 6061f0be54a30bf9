use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_glue::types::{Column, StorageDescriptor, Table};
use iceberg::spec::{
    FormatVersion, ListType, MapType, NestedField, PrimitiveType, Schema, SortOrder, StructType, TableMetadata,
    TableMetadataBuilder, Type, UnboundPartitionSpec,
};

use super::{METADATA_LOCATION, PREVIOUS_METADATA_LOCATION, TABLE_TYPE, created, updated};

fn field(id: i32, name: &str, field_type: Type) -> NestedField {
    NestedField::optional(id, name, field_type)
}

fn metadata(fields: Vec<NestedField>, properties: &[(&str, &str)]) -> TableMetadata {
    let schema = Schema::builder().with_fields(fields.into_iter().map(Arc::new)).build().unwrap();
    let properties = properties.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let (spec, order) = (UnboundPartitionSpec::builder().build(), SortOrder::unsorted_order());
    let builder =
        TableMetadataBuilder::new(schema, spec, order, "s3://b/t".to_string(), FormatVersion::V2, properties).unwrap();
    builder.build().unwrap().metadata
}

fn columns(storage: Option<&StorageDescriptor>) -> Vec<(String, String)> {
    let columns = storage.unwrap().columns().iter();
    columns.map(|column| (column.name.clone(), column.r#type.clone().unwrap())).collect()
}

#[test]
fn types_are_written_in_hives_words() {
    let long = || Type::Primitive(PrimitiveType::Long);
    let element = Arc::new(NestedField::list_element(10, long(), false));
    let key = Arc::new(NestedField::map_key_element(11, Type::Primitive(PrimitiveType::String)));
    let value = Arc::new(NestedField::map_value_element(12, Type::Primitive(PrimitiveType::Uuid), false));
    let inner = Arc::new(field(13, "x", Type::Primitive(PrimitiveType::Decimal { precision: 9, scale: 2 })));
    let fields = vec![
        field(1, "a", long()),
        field(2, "b", Type::List(ListType::new(element))),
        field(3, "c", Type::Map(MapType::new(key, value))),
        field(4, "d", Type::Struct(StructType::new(vec![inner]))),
        field(5, "e", Type::Primitive(PrimitiveType::Timestamptz)),
    ];
    let input = created("t", &metadata(fields, &[]), "s3://b/t/metadata/0.json").unwrap();
    let types: Vec<_> = columns(input.storage_descriptor()).into_iter().map(|(_, text)| text).collect();
    assert_eq!(types, ["bigint", "array<bigint>", "map<string,string>", "struct<x:decimal(9,2)>", "timestamp"]);
}

#[test]
fn a_new_entry_has_what_java_writes() {
    let fields = vec![
        NestedField::required(1, "id", Type::Primitive(PrimitiveType::Int)).with_doc("line one\nline two"),
        field(2, "name", Type::Primitive(PrimitiveType::String)),
    ];
    let input = created("t", &metadata(fields, &[("comment", "of a test")]), "s3://b/t/metadata/0.json").unwrap();
    assert_eq!(input.table_type(), Some("EXTERNAL_TABLE"));
    assert_eq!(input.description(), Some("of a test"));
    let parameters = input.parameters().unwrap();
    assert_eq!(parameters[TABLE_TYPE], "ICEBERG");
    assert_eq!(parameters[METADATA_LOCATION], "s3://b/t/metadata/0.json");
    assert!(!parameters.contains_key(PREVIOUS_METADATA_LOCATION));
    let storage = input.storage_descriptor().unwrap();
    assert_eq!(storage.location(), Some("s3://b/t"));
    let first = &storage.columns()[0];
    assert_eq!(first.comment(), Some("line one line two"));
    let expected = [("iceberg.field.id", "1"), ("iceberg.field.optional", "false"), ("iceberg.field.current", "true")];
    let expected: HashMap<_, _> =
        expected.into_iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    assert_eq!(first.parameters(), Some(&expected));
}

#[test]
fn what_others_wrote_into_the_entry_stays() {
    let old = Column::builder().name("id").comment("by hand").build().unwrap();
    let storage =
        StorageDescriptor::builder().columns(old).location("s3://old").input_format("in").parameters("k", "v");
    let entry = Table::builder()
        .name("t")
        .owner("ann")
        .retention(7)
        .description("by hand")
        .table_type("EXTERNAL_TABLE")
        .storage_descriptor(storage.build())
        .parameters(TABLE_TYPE, "iceberg")
        .parameters(METADATA_LOCATION, "s3://b/t/metadata/0.json")
        .parameters(PREVIOUS_METADATA_LOCATION, "s3://b/t/metadata/older.json")
        .parameters("classification", "theirs")
        .build()
        .unwrap();
    let metadata = metadata(vec![field(1, "id", Type::Primitive(PrimitiveType::Int))], &[]);
    let input = updated(&entry, &metadata, "s3://b/t/metadata/1.json").unwrap();
    assert_eq!((input.owner(), input.retention, input.description()), (Some("ann"), 7, Some("by hand")));
    let parameters = input.parameters().unwrap();
    assert_eq!(parameters["classification"], "theirs");
    assert_eq!(parameters[METADATA_LOCATION], "s3://b/t/metadata/1.json");
    assert_eq!(parameters[PREVIOUS_METADATA_LOCATION], "s3://b/t/metadata/0.json");
    let storage = input.storage_descriptor().unwrap();
    assert_eq!((storage.location(), storage.input_format()), (Some("s3://b/t"), Some("in")));
    assert_eq!(storage.parameters().unwrap()["k"], "v");
    assert_eq!(storage.columns()[0].comment(), Some("by hand"));
}

#[test]
fn earlier_columns_follow_and_glues_limits_are_kept() {
    let int = || Type::Primitive(PrimitiveType::Int);
    let fields = vec![field(1, "old", int()), field(2, "kept", int())];
    let long = "ä".repeat(300);
    let second =
        vec![field(2, "kept", int()).with_doc(&long), field(3, "KEPT", int()), field(4, &"n".repeat(256), int())];
    let second = Schema::builder().with_schema_id(1).with_fields(second.into_iter().map(Arc::new)).build().unwrap();
    let evolved =
        metadata(fields, &[]).into_builder(None).add_current_schema(second).unwrap().build().unwrap().metadata;
    let input = created("t", &evolved, "s3://b/t/metadata/0.json").unwrap();
    let names: Vec<_> = columns(input.storage_descriptor()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["kept", "old"]);
    let storage = input.storage_descriptor().unwrap();
    assert_eq!(storage.columns()[0].comment().map(str::len), Some(254));
    assert_eq!(storage.columns()[1].parameters().unwrap()["iceberg.field.current"], "false");
}
