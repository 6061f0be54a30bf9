//! The specification's own values and the types around them.

mod naive;
mod sql;

use arrow::array::{
    BinaryViewArray, BooleanArray, Date32Array, Date64Array, Decimal64Array, Decimal128Array, DictionaryArray,
    FixedSizeBinaryArray, Float64Array, Int16Array, Int64Array, LargeStringArray, RunArray, StringArray,
    StringViewArray, Time32SecondArray, Time64MicrosecondArray, Time64NanosecondArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt8Array, UInt32Array, UInt64Array,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::Int32Type as RunEnds;
use datafusion::common::ScalarValue;

use super::*;

/// 2017-11-16 and 22:31:08 on that day, as in Appendix B of the specification.
const DAY: i32 = 17_486;
const SECOND: i64 = 1_510_871_468;

fn value(transform: Transform, array: impl Array + 'static) -> ScalarValue {
    let array: ArrayRef = Arc::new(array);
    let result = apply(&transform, &array).unwrap();
    assert_eq!(*result.data_type(), result_type(&transform, array.data_type()).unwrap());
    ScalarValue::try_from_array(&result, 0).unwrap()
}

fn assert_hash(hash: i32, array: impl Array + Clone + 'static) {
    let what = array.data_type().clone();
    for buckets in [1, 7, 16, 1_000, i32::MAX] {
        let bucket = value(Transform::Bucket(buckets as u32), array.clone());
        assert_eq!(bucket, ScalarValue::from((hash & i32::MAX) % buckets), "{what} in {buckets}");
    }
}

#[test]
fn hashes_of_the_specification() {
    assert_hash(2_017_239_379, Int32Array::from(vec![34]));
    assert_hash(2_017_239_379, Int64Array::from(vec![34]));
    assert_hash(-500_754_589, Decimal128Array::from(vec![1_420]).with_precision_and_scale(9, 2).unwrap());
    assert_hash(-653_330_422, Date32Array::from(vec![DAY]));
    assert_hash(-662_762_989, Time64MicrosecondArray::from(vec![81_068_000_000]));
    assert_hash(-2_047_944_441, TimestampMicrosecondArray::from(vec![SECOND * 1_000_000]));
    let zoned = TimestampMicrosecondArray::from(vec![SECOND * 1_000_000]);
    assert_hash(-2_047_944_441, zoned.clone().with_timezone("+00:00"));
    assert_hash(-2_047_944_441, zoned.with_timezone("America/Los_Angeles"));
    assert_hash(-1_207_196_810, TimestampMicrosecondArray::from(vec![SECOND * 1_000_000 + 1]));
    assert_hash(-1_207_196_810, TimestampNanosecondArray::from(vec![SECOND * 1_000_000_000 + 1_001]));
    assert_hash(1_210_000_089, StringArray::from(vec!["iceberg"]));
    let uuid = uuid::Uuid::parse_str("f79c3e09-677c-4bbd-a479-3f349cb785e7").unwrap();
    assert_hash(1_488_055_340, FixedSizeBinaryArray::try_from_iter([uuid.as_bytes()].into_iter()).unwrap());
    let bytes: &[u8] = &[0, 1, 2, 3];
    assert_hash(-188_683_207, LargeBinaryArray::from(vec![bytes]));
    assert_hash(-188_683_207, FixedSizeBinaryArray::try_from_iter([bytes].into_iter()).unwrap());
}

#[test]
fn other_encodings_hash_like_the_iceberg_type() {
    assert_hash(2_017_239_379, Int16Array::from(vec![34]));
    assert_hash(2_017_239_379, UInt8Array::from(vec![34]));
    assert_hash(2_017_239_379, UInt32Array::from(vec![34]));
    assert_hash(2_017_239_379, UInt64Array::from(vec![34]));
    assert_hash(-500_754_589, Decimal64Array::from(vec![1_420]).with_precision_and_scale(9, 2).unwrap());
    assert_hash(-653_330_422, Date64Array::from(vec![i64::from(DAY) * 86_400_000 + 5]));
    assert_hash(-662_762_989, Time32SecondArray::from(vec![81_068]));
    assert_hash(-662_762_989, Time64NanosecondArray::from(vec![81_068_000_000_999]));
    assert_hash(-2_047_944_441, TimestampSecondArray::from(vec![SECOND]));
    assert_hash(-2_047_944_441, TimestampMillisecondArray::from(vec![SECOND * 1_000]).with_timezone("+02:00"));
    assert_hash(1_210_000_089, LargeStringArray::from(vec!["iceberg"]));
    assert_hash(1_210_000_089, StringViewArray::from(vec!["iceberg"]));
    assert_hash(1_210_000_089, DictionaryArray::<RunEnds>::from_iter(["iceberg"]));
    assert_hash(1_210_000_089, RunArray::<RunEnds>::from_iter(["iceberg"]));
    let bytes: &[u8] = &[0, 1, 2, 3];
    assert_hash(-188_683_207, BinaryViewArray::from(vec![bytes]));
}

#[test]
fn nanoseconds_before_1970_hash_as_the_microsecond_below() {
    let micros = value(Transform::Bucket(1 << 30), TimestampMicrosecondArray::from(vec![-1]));
    assert_eq!(value(Transform::Bucket(1 << 30), TimestampNanosecondArray::from(vec![-1])), micros);
}

#[test]
fn truncation_rounds_down_and_counts_code_points() {
    let ints = |width, number| value(Transform::Truncate(width), Int32Array::from(vec![number]));
    assert_eq!(ints(10, -1), ScalarValue::from(-10));
    assert_eq!(ints(10, 19), ScalarValue::from(10));
    assert_eq!(ints(i32::MAX as u32, -1), ScalarValue::from(-i32::MAX));
    assert_eq!(ints(10, i32::MIN), ScalarValue::from(i32::MIN.wrapping_sub(2)), "wraps as in Java");
    assert_eq!(value(Transform::Truncate(10), Int64Array::from(vec![-11])), ScalarValue::from(-20_i64));
    let decimal = Decimal128Array::from(vec![1_065, -1]).with_precision_and_scale(9, 2).unwrap();
    assert_eq!(value(Transform::Truncate(50), decimal.clone()), ScalarValue::Decimal128(Some(1_050), 9, 2));
    assert_eq!(value(Transform::Truncate(50), decimal.slice(1, 1)), ScalarValue::Decimal128(Some(-50), 9, 2));
    assert_eq!(value(Transform::Truncate(3), StringArray::from(vec!["iceberg"])), ScalarValue::from("ice"));
    assert_eq!(value(Transform::Truncate(2), StringViewArray::from(vec!["🧊é🧊"])), ScalarValue::from("🧊é"));
    let bytes: &[u8] = &[1, 2, 3];
    let prefix = |width| value(Transform::Truncate(width), LargeBinaryArray::from(vec![bytes]));
    assert_eq!(prefix(2), ScalarValue::LargeBinary(Some(vec![1, 2])));
    assert_eq!(prefix(9), ScalarValue::LargeBinary(Some(vec![1, 2, 3])));
}

#[test]
fn times_round_down_before_1970() {
    use Transform::{Day, Hour, Month, Year};
    let micros = |micros| TimestampMicrosecondArray::from(vec![micros]);
    for (transform, wanted) in [(Year, -1), (Month, -1), (Hour, -1)] {
        assert_eq!(value(transform, micros(-1)), ScalarValue::from(wanted), "{transform}");
    }
    assert_eq!(value(Day, micros(-1)), ScalarValue::Date32(Some(-1)));
    // iceberg-rust 0.10.1 says -1.
    assert_eq!(value(Day, micros(-86_400_500_000)), ScalarValue::Date32(Some(-2)));
    assert_eq!(value(Day, TimestampNanosecondArray::from(vec![-86_400_500_000_000])), ScalarValue::Date32(Some(-2)));
    assert_eq!(value(Hour, TimestampNanosecondArray::from(vec![-1])), ScalarValue::from(-1));
    assert_eq!(value(Month, Date32Array::from(vec![-1])), ScalarValue::from(-1));
    assert_eq!(value(Year, Date32Array::from(vec![DAY])), ScalarValue::from(47));
    assert_eq!(value(Month, Date64Array::from(vec![i64::from(DAY) * 86_400_000])), ScalarValue::from(574));
    assert_eq!(
        value(Hour, TimestampSecondArray::from(vec![SECOND]).with_timezone("Asia/Tokyo")),
        ScalarValue::from(419_686)
    );
}

#[test]
fn what_does_not_fit_is_an_error_unless_the_slot_is_null() {
    let nulls = NullBuffer::from(vec![false]);
    for seconds in [i64::MIN, i64::MAX] {
        let bad: ArrayRef = Arc::new(TimestampSecondArray::from(vec![seconds]));
        for transform in [Transform::Year, Transform::Month, Transform::Day, Transform::Hour, Transform::Identity] {
            let error = apply(&transform, &bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Execution, "{transform}");
        }
        let hidden = TimestampSecondArray::new(vec![seconds].into(), Some(nulls.clone()));
        assert!(value(Transform::Hour, hidden.clone()).is_null());
        assert!(value(Transform::Bucket(4), hidden).is_null());
    }
    let big: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
    assert_eq!(apply(&Transform::Bucket(4), &big).unwrap_err().kind(), ErrorKind::Execution);
}

#[test]
fn identity_and_void_have_the_iceberg_type() {
    assert_eq!(value(Transform::Identity, Float64Array::from(vec![1.5])), ScalarValue::from(1.5));
    assert_eq!(value(Transform::Identity, BooleanArray::from(vec![true])), ScalarValue::from(true));
    assert_eq!(value(Transform::Identity, StringViewArray::from(vec!["a"])), ScalarValue::from("a"));
    assert_eq!(value(Transform::Void, StringViewArray::from(vec!["a"])), ScalarValue::Utf8(None));
    let zoned = TimestampMillisecondArray::from(vec![1]).with_timezone("Europe/Berlin");
    let wanted = ScalarValue::TimestampMicrosecond(Some(1_000), Some(UTC.into()));
    assert_eq!(value(Transform::Identity, zoned), wanted);
}

#[test]
fn what_iceberg_does_not_transform_is_refused() {
    for (transform, source) in [
        (Transform::Bucket(4), DataType::Float64),
        (Transform::Bucket(4), DataType::Boolean),
        (Transform::Truncate(4), DataType::Date32),
        (Transform::Truncate(4), DataType::FixedSizeBinary(4)),
        (Transform::Hour, DataType::Date32),
        (Transform::Year, DataType::Int32),
        (Transform::Year, DataType::Time64(TimeUnit::Microsecond)),
        (Transform::Identity, DataType::Duration(TimeUnit::Second)),
        (Transform::Bucket(0), DataType::Int32),
        (Transform::Truncate(u32::MAX), DataType::Int64),
        (Transform::Unknown, DataType::Int32),
    ] {
        let error = result_type(&transform, &source).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{transform} of {source}");
    }
}
