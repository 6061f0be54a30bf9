//! `apply` against a second implementation that works value by value.

use chrono::{DateTime, Datelike};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

/// MurmurHash3, x86, 32 bits, seed 0, from its published description.
fn murmur3(bytes: &[u8]) -> i32 {
    let scrambled = |k: u32| k.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let chunks = bytes.chunks_exact(4);
    let tail = chunks.remainder().iter().rev().fold(0, |k, &byte| k << 8 | u32::from(byte));
    let mut hash: u32 = 0;
    for chunk in chunks {
        hash ^= scrambled(u32::from_le_bytes(chunk.try_into().unwrap()));
        hash = hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    hash ^= scrambled(tail) ^ bytes.len() as u32;
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    (hash ^ hash >> 16) as i32
}

fn bucket_of(buckets: u32, bytes: &[u8]) -> i32 {
    (murmur3(bytes) & i32::MAX) % buckets as i32
}

/// Two's complement, big endian, as few bytes as keep the sign.
fn short_bytes(number: i128) -> Vec<u8> {
    let length = (1..16).find(|bytes| number >> (8 * bytes - 1) == 0 || number >> (8 * bytes - 1) == -1).unwrap_or(16);
    number.to_be_bytes()[16 - length..].to_vec()
}

fn applied(transform: Transform, array: impl Array + 'static) -> ArrayRef {
    apply(&transform, &(Arc::new(array) as ArrayRef)).unwrap()
}

fn ints(array: &ArrayRef) -> Vec<Option<i32>> {
    array.as_primitive::<Int32Type>().iter().collect()
}

/// What the four say of an instant, by chrono and i128.
fn calendar(transform: Transform, micros: i64) -> i32 {
    let date = DateTime::from_timestamp_micros(micros).unwrap();
    let units = |length: i128| i128::from(micros).div_euclid(length) as i32;
    match transform {
        Transform::Year => date.year() - 1970,
        Transform::Month => (date.year() - 1970) * 12 + date.month0() as i32,
        Transform::Day => units(86_400_000_000),
        _ => units(3_600_000_000),
    }
}

proptest! {
    #[test]
    fn numbers(values in vec(option::of(any::<i64>()), 0..60), width in 1..=i32::MAX as u32) {
        let array = Int64Array::from(values.clone());
        let buckets: Vec<_> = values.iter().map(|v| v.map(|v| bucket_of(width, &v.to_le_bytes()))).collect();
        prop_assert_eq!(ints(&applied(Transform::Bucket(width), array.clone())), buckets);
        let down = |v: i64| { let w = i128::from(width); (i128::from(v).div_euclid(w) * w) as i64 };
        let truncated: Vec<_> = values.iter().map(|v| v.map(down)).collect();
        prop_assert_eq!(applied(Transform::Truncate(width), array).as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), truncated);

        let small: Vec<_> = values.iter().map(|v| v.map(|v| v as i32)).collect();
        let down = |v: i32| (i64::from(v).div_euclid(width.into()) * i64::from(width)) as i32;
        let truncated: Vec<_> = small.iter().map(|v| v.map(down)).collect();
        prop_assert_eq!(ints(&applied(Transform::Truncate(width), Int32Array::from(small.clone()))), truncated);
        let buckets: Vec<_> = small.iter().map(|v| v.map(|v| bucket_of(width, &i64::from(v).to_le_bytes()))).collect();
        prop_assert_eq!(&ints(&applied(Transform::Bucket(width), Int32Array::from(small.clone()))), &buckets);
        prop_assert_eq!(ints(&applied(Transform::Bucket(width), Date32Array::from(small))), buckets);
    }

    #[test]
    fn decimals(values in vec(option::of(-99_999_999_999_999_999_999i128..100_000_000_000_000_000_000), 0..60), small in any::<bool>(), width in 1..100_000u32) {
        let values: Vec<_> = values.into_iter().map(|v| v.map(|v| if small { v % 70_000 } else { v })).collect();
        let array = Decimal128Array::from(values.clone()).with_precision_and_scale(30, 4).unwrap();
        let buckets: Vec<_> = values.iter().map(|v| v.map(|v| bucket_of(width, &short_bytes(v)))).collect();
        prop_assert_eq!(ints(&applied(Transform::Bucket(width), array.clone())), buckets);
        let w = i128::from(width);
        let truncated: Decimal128Array = values.iter().map(|v| v.map(|v| v.div_euclid(w) * w)).collect();
        let truncated: ArrayRef = Arc::new(truncated.with_precision_and_scale(30, 4).unwrap());
        prop_assert_eq!(&applied(Transform::Truncate(width), array), &truncated);
    }

    #[test]
    fn texts(values in vec(option::of(".{0,12}"), 0..60), width in 1..14u32) {
        let buckets: Vec<_> = values.iter().map(|v| v.as_ref().map(|v| bucket_of(width, v.as_bytes()))).collect();
        prop_assert_eq!(&ints(&applied(Transform::Bucket(width), StringArray::from(values.clone()))), &buckets);
        prop_assert_eq!(&ints(&applied(Transform::Bucket(width), StringViewArray::from_iter(values.clone()))), &buckets);
        let short = |v: &String| v.chars().take(width as usize).collect::<String>();
        let truncated: StringArray = values.iter().map(|v| v.as_ref().map(short)).collect();
        let truncated: ArrayRef = Arc::new(truncated);
        prop_assert_eq!(&applied(Transform::Truncate(width), LargeStringArray::from(values.clone())), &truncated);
        let bytes: Vec<_> = values.iter().map(|v| v.as_ref().map(|v| v.as_bytes())).collect();
        let truncated: ArrayRef = Arc::new(LargeBinaryArray::from_iter(
            bytes.iter().map(|v| v.map(|v| &v[..v.len().min(width as usize)])),
        ));
        prop_assert_eq!(&applied(Transform::Truncate(width), LargeBinaryArray::from_iter(bytes.clone())), &truncated);
        prop_assert_eq!(&ints(&applied(Transform::Bucket(width), LargeBinaryArray::from_iter(bytes))), &buckets);
    }

    #[test]
    fn instants(values in vec(option::of(-2_000_000_000_000_000i64..9_000_000_000_000_000), 0..60), nanos in 0..1_000i64, zoned: bool) {
        let zone = zoned.then_some("+00:00");
        let micros = TimestampMicrosecondArray::from(values.clone()).with_timezone_opt(zone);
        let exact: Vec<_> = values.iter().map(|v| v.map(|v| v * 1_000 + nanos)).collect();
        let nanos = TimestampNanosecondArray::from(exact).with_timezone_opt(zone);
        for transform in [Transform::Year, Transform::Month, Transform::Day, Transform::Hour] {
            let wanted: Vec<_> = values.iter().map(|v| v.map(|v| calendar(transform, v))).collect();
            for array in [applied(transform, micros.clone()), applied(transform, nanos.clone())] {
                let numbers = arrow::compute::cast(&array, &DataType::Int32).unwrap();
                prop_assert_eq!(&ints(&numbers), &wanted, "{}", transform);
            }
        }
        let buckets: Vec<_> = values.iter().map(|v| v.map(|v| bucket_of(97, &v.to_le_bytes()))).collect();
        prop_assert_eq!(&ints(&applied(Transform::Bucket(97), micros)), &buckets);
        prop_assert_eq!(&ints(&applied(Transform::Bucket(97), nanos)), &buckets);
    }
}
