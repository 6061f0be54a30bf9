use std::sync::Arc;

use iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, Literal, NestedField, PartitionSpec, PartitionSpecRef,
    PrimitiveType, Schema, Struct, Transform, Type,
};

use super::DeleteFile;

fn spec(id: i32) -> PartitionSpecRef {
    let field = NestedField::optional(1, "key", Type::Primitive(PrimitiveType::Long));
    let schema = Schema::builder().with_fields([Arc::new(field)]).build().unwrap();
    let spec = PartitionSpec::builder(schema).with_spec_id(id);
    Arc::new(spec.add_partition_field("key", "key", Transform::Identity).unwrap().build().unwrap())
}

fn file(content: DataContentType, format: DataFileFormat, partition: Literal, of: Option<&str>) -> DataFile {
    DataFileBuilder::default()
        .content(content)
        .file_path("/file".to_string())
        .file_format(format)
        .partition(Struct::from_iter([Some(partition)]))
        .record_count(1)
        .file_size_in_bytes(1)
        .partition_spec_id(0)
        .referenced_data_file(of.map(str::to_string))
        .build()
        .unwrap()
}

fn applies(content: DataContentType, values: (Literal, Literal), spec_id: i32) -> bool {
    let data = file(DataContentType::Data, DataFileFormat::Parquet, values.0, None);
    let delete = file(content, DataFileFormat::Parquet, values.1, None);
    DeleteFile::new(delete, spec(0), 2).applies_to(&data, spec_id, 1)
}

#[test]
fn deletes_reach_files_of_before_a_promotion() {
    for content in [DataContentType::PositionDeletes, DataContentType::EqualityDeletes] {
        assert!(applies(content, (Literal::int(5), Literal::long(5)), 0), "{content:?}");
        assert!(applies(content, (Literal::long(-5), Literal::int(-5)), 0), "{content:?}");
        assert!(applies(content, (Literal::float(0.1), Literal::double(f64::from(0.1_f32))), 0), "{content:?}");
        assert!(!applies(content, (Literal::int(5), Literal::long(6)), 0), "{content:?}");
        assert!(!applies(content, (Literal::int(5), Literal::long((1_i64 << 32) + 5)), 0), "{content:?}");
        assert!(!applies(content, (Literal::float(0.1), Literal::double(0.1)), 0), "{content:?}");
        assert!(!applies(content, (Literal::int(5), Literal::long(5)), 1), "{content:?}");
    }
}

#[test]
fn a_vector_names_its_file() {
    let data = file(DataContentType::Data, DataFileFormat::Parquet, Literal::int(5), None);
    for (path, expected) in [("/file", true), ("/other", false)] {
        let content = DataContentType::PositionDeletes;
        let vector = file(content, DataFileFormat::Puffin, Literal::long(5), Some(path));
        assert_eq!(DeleteFile::new(vector, spec(0), 2).applies_to(&data, 0, 1), expected);
    }
}
