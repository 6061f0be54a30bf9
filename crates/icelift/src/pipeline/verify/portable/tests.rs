use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float32Array,
    Float64Array, Int32Array, Int64Array, LargeBinaryArray, ListArray, MapArray, RecordBatch, StringArray, StructArray,
    Time64MicrosecondArray, TimestampMicrosecondArray, TimestampNanosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields, Schema};
use iceberg::spec::{ListType, MapType, NestedField, NestedFieldRef, PrimitiveType, StructType, Type};
use proptest::prelude::*;

use super::{PortableFingerprint, PortableHasher, text};
use crate::error::ErrorKind;

fn column(name: &str, of: impl Into<Type>) -> NestedFieldRef {
    NestedField::optional(1, name, of.into()).into()
}

fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    let field = |(index, array): (usize, &ArrayRef)| Field::new(format!("c{index}"), array.data_type().clone(), true);
    let schema = Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn print<'a>(columns: &[NestedFieldRef], batches: impl IntoIterator<Item = &'a RecordBatch>) -> PortableFingerprint {
    let mut hasher = PortableHasher::new(columns).unwrap();
    batches.into_iter().for_each(|batch| hasher.add(batch).unwrap());
    hasher.take()
}

/// The texts of all rows of one column.
fn texts(of: impl Into<Type>, array: impl Array + 'static) -> Vec<String> {
    let (columns, arrays): (_, [ArrayRef; 1]) = ([column("c", of)], [Arc::new(array)]);
    let writers = text::writers(&columns, &arrays).unwrap();
    let row = |row| {
        let mut text = String::new();
        text::join(&writers, row, &mut text);
        text
    };
    (0..arrays[0].len()).map(row).collect()
}

/// The definition's own example, which Python, DuckDB and Spark gave, too.
#[test]
fn golden_vector() {
    let columns = [
        column("a", PrimitiveType::Boolean),
        column("b", PrimitiveType::Int),
        column("c", PrimitiveType::Double),
        column("d", PrimitiveType::String),
    ];
    let rows = batch(vec![
        Arc::new(BooleanArray::from(vec![true, false, true])),
        Arc::new(Int32Array::from(vec![1, -7, 1])),
        Arc::new(Float64Array::from(vec![None, Some(1.0), None])),
        Arc::new(StringArray::from(vec!["a,b", "", "a,b"])),
    ]);
    let writers = text::writers(&columns, rows.columns()).unwrap();
    let mut first = String::new();
    text::join(&writers, 1, &mut first);
    assert_eq!(first, "false,-7,4607182418800017408,0:");
    let found = print(&columns, [&rows]);
    assert_eq!(found, PortableFingerprint { rows: 3, hi: 32_843_010_010_252_339_900, lo: 44_734_781_780_061_643_588 });
    let reference = include_str!("../../../../../../docs/reference/fingerprints.md");
    assert!(reference.contains(&format!("`{found}`")), "docs/reference/fingerprints.md does not show {found}");
}

#[test]
fn numbers() {
    assert_eq!(texts(PrimitiveType::Long, Int64Array::from(vec![Some(i64::MIN), None])), ["-9223372036854775808", "N"]);
    let floats = [1.0, -0.0, f64::NAN, f64::from_bits(0xFFF8_0000_0000_0001), f64::NEG_INFINITY];
    let bits = [
        "4607182418800017408",
        "-9223372036854775808",
        "9221120237041090560",
        "9221120237041090560",
        "-4503599627370496",
    ];
    assert_eq!(texts(PrimitiveType::Double, Float64Array::from(floats.to_vec())), bits);
    let singles = Float32Array::from(floats.map(|float| float as f32).to_vec());
    assert_eq!(texts(PrimitiveType::Float, singles), bits);
    let decimal = |scale: i8, values: Vec<i128>| {
        let array = Decimal128Array::from(values).with_precision_and_scale(38, scale).unwrap();
        texts(PrimitiveType::Decimal { precision: 38, scale: scale as u32 }, array)
    };
    assert_eq!(decimal(2, vec![5, -5, 123, 0, -12345]), ["0.05", "-0.05", "1.23", "0.00", "-123.45"]);
    assert_eq!(decimal(0, vec![5, -5, 0]), ["5", "-5", "0"]);
    assert_eq!(decimal(38, vec![-1]), ["-0.00000000000000000000000000000000000001"]);
    // More digits than the precision says: not cut.
    let narrow = Decimal128Array::from(vec![123_456]).with_precision_and_scale(3, 1).unwrap();
    assert_eq!(texts(PrimitiveType::Decimal { precision: 3, scale: 1 }, narrow), ["12345.6"]);
}

#[test]
fn words_and_bytes() {
    let words = StringArray::from(vec![Some("a,b"), Some(""), Some("🧊é"), None, Some("N")]);
    assert_eq!(texts(PrimitiveType::String, words), ["3:a,b", "0:", "2:🧊é", "N", "1:N"]);
    assert_eq!(texts(PrimitiveType::Binary, LargeBinaryArray::from(vec![&[0_u8, 255][..], &[]])), ["00ff", ""]);
    assert_eq!(texts(PrimitiveType::Binary, BinaryArray::from(vec![&[10_u8][..]])), ["0a"]);
    let sixteen = || FixedSizeBinaryArray::try_from_iter([(0xA0..0xB0).collect::<Vec<u8>>()].into_iter()).unwrap();
    assert_eq!(texts(PrimitiveType::Fixed(16), sixteen()), ["a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"]);
    assert_eq!(texts(PrimitiveType::Uuid, sixteen()), ["a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf"]);
    assert_eq!(texts(PrimitiveType::Boolean, BooleanArray::from(vec![true, false])), ["true", "false"]);
}

#[test]
fn times() {
    assert_eq!(texts(PrimitiveType::Date, Date32Array::from(vec![-719_162, 0])), ["-719162", "0"]);
    assert_eq!(texts(PrimitiveType::Time, Time64MicrosecondArray::from(vec![86_399_999_999])), ["86399999999"]);
    let micros = TimestampMicrosecondArray::from(vec![-1, 5]);
    assert_eq!(texts(PrimitiveType::Timestamp, micros.clone()), ["-1", "5"]);
    assert_eq!(texts(PrimitiveType::Timestamptz, micros.with_timezone("+00:00")), ["-1", "5"]);
    let nanos = TimestampNanosecondArray::from(vec![i64::MIN]);
    assert_eq!(texts(PrimitiveType::TimestampNs, nanos.clone()), ["-9223372036854775808"]);
    assert_eq!(texts(PrimitiveType::TimestamptzNs, nanos.with_timezone("+00:00")), ["-9223372036854775808"]);
}

#[test]
fn nested_values() {
    let ints: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(10)]));
    let words: ArrayRef = Arc::new(StringArray::from(vec![Some("a,b"), None, Some("}")]));
    let fields =
        Fields::from(vec![Field::new("key", DataType::Int32, true), Field::new("value", DataType::Utf8, true)]);
    let of = StructType::new(vec![column("key", PrimitiveType::Int), column("value", PrimitiveType::String)]);
    let columns = vec![Arc::clone(&ints), Arc::clone(&words)];
    let structs = StructArray::new(fields.clone(), columns, Some(vec![true, true, false].into()));
    assert_eq!(texts(Type::Struct(of), structs), ["{1,3:a,b}", "{N,N}", "N"]);

    let list_of = ListType::new(column("element", PrimitiveType::Int));
    let field = Arc::new(Field::new("element", DataType::Int32, true));
    let nulls = Some(vec![true, true, false].into());
    let lists = ListArray::new(field, OffsetBuffer::from_lengths([3, 0, 0]), ints, nulls);
    assert_eq!(texts(Type::List(list_of), lists.slice(0, 3)), ["[3;1,N,10]", "[0;]", "N"]);

    // By the bytes of the key's text: 10 lies between 1 and 2, and -1 before both.
    let keys: ArrayRef = Arc::new(Int32Array::from(vec![2, 10, 1, -1]));
    let values: ArrayRef = Arc::new(StringArray::from(vec![Some("b"), Some(""), None, Some("d")]));
    let entries = StructArray::new(fields.clone(), vec![keys, values], None);
    let field = Arc::new(Field::new("key_value", DataType::Struct(fields), false));
    let maps = MapArray::new(field, OffsetBuffer::from_lengths([4, 0]), entries, None, false);
    let map_of = MapType::new(column("key", PrimitiveType::Int), column("value", PrimitiveType::String));
    assert_eq!(texts(Type::Map(map_of), maps), ["<4;-1=1:d,1=N,10=0:,2=1:b>", "<0;>"]);
}

#[test]
fn promotions_keep_the_fingerprint() {
    let columns = [column("a", PrimitiveType::Long), column("b", PrimitiveType::Double)];
    let before = batch(vec![Arc::new(Int32Array::from(vec![-7])), Arc::new(Float32Array::from(vec![0.1]))]);
    let after =
        batch(vec![Arc::new(Int64Array::from(vec![-7])), Arc::new(Float64Array::from(vec![f64::from(0.1_f32)]))]);
    let narrow = [column("a", PrimitiveType::Int), column("b", PrimitiveType::Float)];
    assert_eq!(print(&narrow, [&before]), print(&columns, [&after]));
    assert_eq!(print(&narrow, [&before]), print(&columns, [&before]));
}

#[test]
fn other_columns_than_announced() {
    let mut hasher = PortableHasher::new(&[column("a", PrimitiveType::Long)]).unwrap();
    let error = hasher.add(&batch(vec![Arc::new(StringArray::from(vec!["a"]))])).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Internal, "the column `a` came as Utf8, not as long")
    );
    let scaled = Decimal128Array::from(vec![1]).with_precision_and_scale(9, 3).unwrap();
    let mut hasher = PortableHasher::new(&[column("p", PrimitiveType::Decimal { precision: 9, scale: 2 })]).unwrap();
    assert_eq!(hasher.add(&batch(vec![Arc::new(scaled)])).unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(PortableHasher::new(&[]).err().unwrap().kind(), ErrorKind::Unsupported);
}

#[test]
fn only_one_spelling_is_read() {
    let found = PortableFingerprint { rows: 3, hi: u128::MAX, lo: 0 };
    assert_eq!(found.to_string(), "cfp1:3:340282366920938463463374607431768211455:0");
    assert_eq!(found.to_string().parse::<PortableFingerprint>().unwrap(), found);
    for wrong in ["cfp1:3:1", "cfp1:3:1:+2", "cfp1:3:01:2", "cfp1:3:1:2:", "cfp1:3:1:2:4", "cfp1"] {
        assert_eq!(wrong.parse::<PortableFingerprint>().unwrap_err().kind(), ErrorKind::Read, "{wrong}");
    }
    let other = "content1:3:1:2".parse::<PortableFingerprint>().unwrap_err();
    assert_eq!(other.kind(), ErrorKind::Unsupported);
}

proptest! {
    #[test]
    fn equal_rows_and_only_these_are_equal(rows: Vec<(Option<i8>, Option<String>)>, cut: prop::sample::Index, edit: bool) {
        let columns = [column("a", PrimitiveType::Int), column("b", PrimitiveType::String)];
        let of = |rows: &[(Option<i8>, Option<String>)]| {
            let numbers: Int32Array = rows.iter().map(|row| row.0.map(i32::from)).collect();
            let words: StringArray = rows.iter().map(|row| row.1.clone()).collect();
            batch(vec![Arc::new(numbers), Arc::new(words)])
        };
        let mut other = rows.clone();
        if edit && !other.is_empty() {
            let at = cut.index(other.len());
            other[at].1 = other[(at + 1) % rows.len()].1.clone();
        }
        let (mut sorted, mut sorted_other) = (rows.clone(), other.clone());
        sorted.sort();
        sorted_other.sort();
        other.reverse();
        let (head, tail) = other.split_at(if other.is_empty() { 0 } else { cut.index(other.len()) });
        let same = print(&columns, [&of(&rows)]) == print(&columns, [&of(head), &of(tail)]);
        prop_assert_eq!(same, sorted == sorted_other);
    }
}
