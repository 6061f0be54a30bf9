//! Batches of files that are described by hand, and of tables that were written by SQL.

mod property;
mod tables;

use iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, Datum, Literal, NestedField, PartitionSpec,
    PrimitiveType, Schema, Struct, StructType, Transform, Type, UnboundPartitionField,
};

use super::*;

const ID: i32 = 1;

/// A schema of `x`, and of `s.y`.
fn schema(of: PrimitiveType) -> Schema {
    let inner = StructType::new(vec![NestedField::optional(3, "y", Type::Primitive(of.clone())).into()]);
    let fields = [
        NestedField::optional(ID, "x", Type::Primitive(of)).into(),
        NestedField::optional(2, "s", Type::Struct(inner)).into(),
    ];
    Schema::builder().with_fields(fields).build().unwrap()
}

fn column(of: PrimitiveType, transform: Transform) -> BatchColumn {
    BatchBy::parse(&schema(of.clone()), "x", transform).unwrap().bind(&schema(of)).unwrap().unwrap()
}

fn spec(of: PrimitiveType, name: &str, transform: Transform) -> PartitionSpec {
    let field = UnboundPartitionField { source_id: ID, field_id: Some(1000), name: name.to_string(), transform };
    PartitionSpec::builder(schema(of)).with_spec_id(1).add_unbound_field(field).unwrap().build().unwrap()
}

/// What a manifest says of a file.
#[derive(Debug, Clone, Default)]
struct Described {
    rows: u64,
    bounds: Option<(Datum, Datum)>,
    nulls: Option<u64>,
    partition: Option<(PartitionSpec, Option<Literal>)>,
}

fn file(name: &str, described: Described) -> Arc<PlannedFile> {
    let Described { rows, bounds, nulls, partition } = described;
    let (lower, upper) = bounds.unzip();
    let (spec, values) = match partition {
        Some((spec, value)) => (spec, Struct::from_iter([value])),
        None => (PartitionSpec::unpartition_spec(), Struct::empty()),
    };
    let file: DataFile = DataFileBuilder::default()
        .content(DataContentType::Data)
        .file_path(format!("s3://b/{name}.parquet"))
        .file_format(DataFileFormat::Parquet)
        .partition(values)
        .record_count(rows)
        .file_size_in_bytes(rows * 10)
        .null_value_counts(nulls.into_iter().map(|count| (ID, count)).collect())
        .lower_bounds(lower.into_iter().map(|bound| (ID, bound)).collect())
        .upper_bounds(upper.into_iter().map(|bound| (ID, bound)).collect())
        .build()
        .unwrap();
    Arc::new(PlannedFile::without_deletes(file, Arc::new(spec)))
}

fn bounded(name: &str, rows: u64, lower: Datum, upper: Datum, nulls: Option<u64>) -> Arc<PlannedFile> {
    file(name, Described { rows, bounds: Some((lower, upper)), nulls, partition: None })
}

/// Key, rows (`~` if they are an estimate), bytes and files of each batch.
fn shown(batches: &[Batch]) -> Vec<String> {
    let line = |batch: &Batch| {
        let names: Vec<_> =
            batch.files.iter().map(|it| &it.file.file_path()[7..it.file.file_path().len() - 8]).collect();
        let mark = if batch.rows.exact { "" } else { "~" };
        format!("{} {mark}{} {} {}", batch.key, batch.rows.count, batch.bytes, names.join(","))
    };
    batches.iter().map(line).collect()
}

fn dealt(column: &BatchColumn, files: Vec<Arc<PlannedFile>>) -> Vec<String> {
    shown(&deal(column, files, None).unwrap())
}

fn refused(column: &BatchColumn, files: Vec<Arc<PlannedFile>>) -> String {
    let error = deal(column, files, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    error.to_string()
}

#[test]
fn identity_of_specs_that_evolved() {
    let year = column(PrimitiveType::Int, Transform::Identity);
    let of = spec(PrimitiveType::Int, "x", Transform::Identity);
    let partitioned = |name, rows, value: Option<i32>| {
        let partition = Some((of.clone(), value.map(Literal::int)));
        file(name, Described { rows, partition, ..Described::default() })
    };
    let files = vec![
        partitioned("b", 5, Some(2020)),
        partitioned("n", 3, None),
        // Written before there were partitions.
        bounded("a", 7, Datum::int(2019), Datum::int(2019), Some(0)),
        bounded("c", 10, Datum::int(2019), Datum::int(2019), Some(4)),
        file("e", Described::default()),
    ];
    assert_eq!(dealt(&year, files), ["x=2019 13 130 a,c", "x=2020 5 50 b", "x=null 7 70 n,c"]);
}

#[test]
fn what_identity_does_not_tell_is_refused() {
    let year = column(PrimitiveType::Int, Transform::Identity);
    let several = vec![bounded("a", 7, Datum::int(2018), Datum::int(2019), Some(0))];
    let said = "`s3://b/a.parquet`: the file may hold several values of `x`, and metadata does not say which";
    assert_eq!(refused(&year, several), said);
    let unknown = vec![file("a", Described { rows: 7, nulls: Some(0), ..Described::default() })];
    let said = "`s3://b/a.parquet`: the file's metadata does not say between which values `x` lies";
    assert_eq!(refused(&year, unknown), said);
    // A bound as long as those that are cut may be cut.
    let text = column(PrimitiveType::String, Transform::Identity);
    let short = |text: &str| bounded("a", 1, Datum::string(text), Datum::string(text), Some(0));
    assert_eq!(dealt(&text, vec![short("123456789012345")]), ["x=123456789012345 1 10 a"]);
    assert!(refused(&text, vec![short("1234567890123456")]).contains("does not say between"));
}

#[test]
fn nulls() {
    let year = column(PrimitiveType::Int, Transform::Identity);
    let unknown = vec![bounded("a", 7, Datum::int(1), Datum::int(1), None)];
    assert_eq!(dealt(&year, unknown), ["x=1 ~7 70 a", "x=null ~0 70 a"]);
    let all = vec![file("a", Described { rows: 7, nulls: Some(7), ..Described::default() })];
    assert_eq!(dealt(&year, all), ["x=null 7 70 a"]);
    // A name that Avro does not take: the value was not found, which is not NULL.
    let renamed = spec(PrimitiveType::Int, "x-y", Transform::Identity);
    let lost = Described { rows: 7, partition: Some((renamed, None)), ..Described::default() };
    assert!(refused(&year, vec![file("a", lost)]).contains("does not say between"));
    // What is left of a field that was dropped from a spec of format 1.
    let void = spec(PrimitiveType::Int, "v", Transform::Void);
    let bounds = Some((Datum::int(1), Datum::int(1)));
    let dropped = Described { rows: 7, bounds, nulls: Some(0), partition: Some((void, None)) };
    assert_eq!(dealt(&year, vec![file("a", dropped)]), ["x=1 7 70 a"]);
}

#[test]
fn units_of_time_from_partitions_and_bounds() {
    let months = column(PrimitiveType::Timestamptz, Transform::Month);
    let moment = |text: &str| Datum::timestamptz_from_str(text).unwrap();
    let by = |transform, value| (spec(PrimitiveType::Timestamptz, "p", transform), Some(Literal::int(value)));
    let days = Described { rows: 4, partition: Some(by(Transform::Day, 19_844)), ..Described::default() };
    let months_of = Described { rows: 5, partition: Some(by(Transform::Month, 652)), ..Described::default() };
    let years = Described {
        rows: 30,
        partition: Some(by(Transform::Year, 54)),
        bounds: Some((moment("2023-01-01T00:00:00Z"), moment("2024-02-29T23:59:59.999999Z"))),
        nulls: None,
    };
    let files = vec![
        file("d", days),
        file("m", months_of),
        file("y", years),
        bounded("b", 3, moment("2024-10-31T23:59:59Z"), moment("2024-12-01T00:00:00Z"), Some(1)),
    ];
    let expected = [
        // The year says not before 2024, the bounds say not after February.
        "x_month=2024-01 ~15 300 y",
        "x_month=2024-02 ~15 300 y",
        "x_month=2024-05 9 90 d,m",
        "x_month=2024-10 ~0 30 b",
        "x_month=2024-11 ~1 30 b",
        "x_month=2024-12 ~1 30 b",
        "x_month=null 1 10 b",
    ];
    assert_eq!(dealt(&months, files), expected);
}

#[test]
fn predicates_are_half_open_in_the_type_of_the_column() {
    let shown = |of: PrimitiveType, transform, unit: i32| {
        let column = column(of, transform);
        let unit =
            if transform == Transform::Day { ScalarValue::Date32(Some(unit)) } else { ScalarValue::Int32(Some(unit)) };
        (column.key(&unit), column.predicate(&unit).to_string())
    };
    let pair = |key: &str, predicate: &str| (key.to_string(), predicate.to_string());
    assert_eq!(
        shown(PrimitiveType::Date, Transform::Year, 49),
        pair("x_year=2019", r#"x >= Date32("2019-01-01") AND x < Date32("2020-01-01")"#)
    );
    assert_eq!(
        shown(PrimitiveType::Timestamp, Transform::Hour, -1),
        pair(
            "x_hour=1969-12-31-23",
            "x >= TimestampMicrosecond(-3600000000, None) AND x < TimestampMicrosecond(0, None)"
        )
    );
    // What the column cannot hold is no bound.
    assert_eq!(
        shown(PrimitiveType::TimestampNs, Transform::Year, 292),
        pair("x_year=2262", "x >= TimestampNanosecond(9214646400000000000, None)")
    );
    assert_eq!(
        shown(PrimitiveType::TimestampNs, Transform::Year, -293),
        pair("x_year=1677", "x < TimestampNanosecond(-9214560000000000000, None)")
    );
    // Years that no calendar library knows.
    assert_eq!(shown(PrimitiveType::Timestamp, Transform::Year, 290_000).0, "x_year=291970");
    assert_eq!(shown(PrimitiveType::Date, Transform::Day, -719_529).0, "x_day=-0001-12-31");
}

#[test]
fn keys_are_unique() {
    let text = column(PrimitiveType::String, Transform::Identity);
    let value = |text: &str| ScalarValue::Utf8(Some(text.to_string()));
    let units = ["a b", "", "null", "'null'", "NULL", "it's"].map(value);
    let keys: Vec<_> = units.iter().map(|unit| text.key(unit)).collect();
    assert_eq!(keys, ["x=a b", "x=''", "x='null'", "x='''null'''", "x=NULL", "x=it's"]);
    assert_eq!(text.key(&ScalarValue::Utf8(None)), "x=null");
    for (of, value, key) in [
        (PrimitiveType::Date, ScalarValue::Date32(Some(0)), "x=1970-01-01"),
        (PrimitiveType::Time, ScalarValue::Time64Microsecond(Some(86_399_000_001)), "x=23:59:59.000001"),
        (
            PrimitiveType::Timestamptz,
            ScalarValue::TimestampMicrosecond(Some(-1), Some("+00:00".into())),
            "x=1969-12-31T23:59:59.999999Z",
        ),
        (PrimitiveType::TimestampNs, ScalarValue::TimestampNanosecond(Some(0), None), "x=1970-01-01T00:00:00"),
        (PrimitiveType::Boolean, ScalarValue::Boolean(Some(true)), "x=true"),
        (PrimitiveType::Decimal { precision: 9, scale: 2 }, ScalarValue::Decimal128(Some(-5), 9, 2), "x=-0.05"),
    ] {
        assert_eq!(column(of, Transform::Identity).key(&value), key);
    }
}

#[test]
fn columns_that_make_no_batches() {
    let said = |of: PrimitiveType, column: &str, transform| {
        BatchBy::parse(&schema(of), column, transform).map(|by| by.to_string()).map_err(|error| error.to_string())
    };
    assert_eq!(said(PrimitiveType::Int, "s.y", Transform::Identity), Ok("s.y".to_string()));
    assert_eq!(said(PrimitiveType::Date, "x", Transform::Month), Ok("month(x)".to_string()));
    for (of, column, transform, error) in [
        (PrimitiveType::Int, "z", Transform::Identity, "the source has no column `z` to batch by"),
        (
            PrimitiveType::Double,
            "x",
            Transform::Identity,
            "there are no batches by `x`: floating-point numbers are not equal to what they look like",
        ),
        (
            PrimitiveType::Int,
            "x",
            Transform::Year,
            "there are no batches by `x`: the values are of type int, which has no years",
        ),
        (
            PrimitiveType::Date,
            "x",
            Transform::Hour,
            "there are no batches by `x`: the values are of type date, which has no hours",
        ),
        (PrimitiveType::Int, "x", Transform::Bucket(4), "there are no batches by `x`: bucket[4] has no order"),
        (PrimitiveType::Int, "s", Transform::Identity, "there are no batches by `s`: it has no single values"),
    ] {
        assert_eq!(said(of, column, transform), Err(error.to_string()));
    }
    let quoted = BatchBy::Field { column: "s.My Year".to_string(), transform: Transform::Year };
    assert_eq!(quoted.to_string(), r#"year(s."My Year")"#);
}

#[test]
fn too_many_units() {
    let hours = column(PrimitiveType::Timestamp, Transform::Hour);
    let wide = bounded("a", 1, Datum::timestamp_micros(0), Datum::timestamp_micros(1 << 60), Some(0));
    assert!(refused(&hours, vec![wide]).starts_with("`s3://b/a.parquet`: `hour(x)` makes more than 100000 batches"));
}

#[test]
fn contradictions_are_damage() {
    let year = column(PrimitiveType::Int, Transform::Identity);
    let partition = Some((spec(PrimitiveType::Int, "x", Transform::Identity), Some(Literal::int(2018))));
    let bounds = Some((Datum::int(2019), Datum::int(2019)));
    let error =
        deal(&year, vec![file("a", Described { rows: 1, bounds, nulls: Some(0), partition })], None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Read);
}

#[test]
fn values_that_a_query_found() {
    let year = column(PrimitiveType::Int, Transform::Identity);
    let values = |found: &[Option<i64>]| Some(found.iter().map(|value| ScalarValue::Int64(*value)).collect());
    let files = vec![
        bounded("a", 10, Datum::int(2018), Datum::int(2020), Some(0)),
        bounded("b", 4, Datum::int(2019), Datum::int(2019), Some(1)),
        file("c", Described { rows: 9, ..Described::default() }),
    ];
    let found = deal(&year, files.clone(), values(&[Some(2020), None, Some(2019), Some(2018), Some(2020)])).unwrap();
    let expected = ["x=2018 ~6 190 a,c", "x=2019 ~9 220 a,b,c", "x=2020 ~7 190 a,c", "x=null ~1 100 b,c"];
    assert_eq!(shown(&found), expected);
    // A filter left one value: rows of others may be in the files all the same.
    let found = deal(&year, files, values(&[Some(2019)])).unwrap();
    assert_eq!(shown(&found), ["x=2019 ~22 220 a,b,c"]);
    assert!(!found[0].rows.exact);
}

#[test]
fn digests_depend_on_content_not_on_order() {
    let year = column(PrimitiveType::Int, Transform::Identity);
    let of = |name, value| bounded(name, 1, Datum::int(value), Datum::int(value), Some(0));
    let one = deal(&year, vec![of("a", 1), of("b", 1), of("c", 2)], None).unwrap();
    let other = deal(&year, vec![of("c", 2), of("b", 1), of("a", 1)], None).unwrap();
    let changed = deal(&year, vec![of("c", 2), of("b", 1), of("d", 1)], None).unwrap();
    assert_eq!(one[0].source, other[0].source);
    assert_ne!(one[0].source, changed[0].source);
    assert_eq!((plan_hash(&one), plan_hash(&one).len()), (plan_hash(&changed), 32));
    assert_ne!(plan_hash(&one), plan_hash(&one[..1]));
    // What is joined differently is something else.
    assert_ne!(digest([["ab", "c"]]), digest([["a", "bc"]]));
    assert_ne!(digest([vec!["a", "b"]]), digest([vec!["a"], vec!["b"]]));
    // `printf '\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0a' | sha256sum`
    assert_eq!(digest([["a"]]), "c74c1e456818583f87a20bd832b006a5");
}

#[test]
fn slices_have_their_size_or_end_the_batch() {
    let year = column(PrimitiveType::Int, Transform::Identity);
    let of = |(name, rows)| bounded(name, rows, Datum::int(1), Datum::int(1), Some(0));
    let files = [("a", 1), ("b", 2), ("c", 9), ("d", 1)].map(of).to_vec();
    let batch = deal(&year, files, None).unwrap().remove(0);
    let lengths = |slice_bytes| slices(&batch.files, slice_bytes).iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(lengths(30), [2, 1, 1]);
    assert_eq!(lengths(1), [1, 1, 1, 1]);
    assert_eq!(lengths(u64::MAX), [4]);
}
