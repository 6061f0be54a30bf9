use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray,
    Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, LargeBinaryArray, LargeStringArray,
    ListArray, MapArray, RecordBatch, StringArray, StringViewArray, StructArray, Time64MicrosecondArray,
    TimestampMicrosecondArray, TimestampNanosecondArray, UInt32Array, make_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{concat_batches, take, take_record_batch};
use arrow::datatypes::{DataType, Field, Fields, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use proptest::prelude::*;

use super::ContentHasher;
use super::fill::Rows;
use crate::error::ErrorKind;
use crate::pipeline::verify::fingerprint::Fingerprint;

fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    let field = |(index, array): (usize, &ArrayRef)| Field::new(format!("c{index}"), array.data_type().clone(), true);
    let schema = Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn print<'a>(batches: impl IntoIterator<Item = &'a RecordBatch>) -> Fingerprint {
    let mut batches = batches.into_iter().peekable();
    let mut hasher = ContentHasher::new(&batches.peek().unwrap().schema()).unwrap();
    batches.for_each(|batch| hasher.add(batch).unwrap());
    hasher.take()
}

fn of(column: impl Array + 'static) -> Fingerprint {
    print([&batch(vec![Arc::new(column)])])
}

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    /// One of few values, and sometimes none.
    fn value(&mut self) -> Option<i64> {
        let value = self.below(4) as i64;
        (value > 0).then_some(value - 2)
    }

    /// Never empty: as text, a list of nothing looks like one of an empty string.
    fn text(&mut self) -> Option<String> {
        self.value().map(|value| "abc".repeat((value + 2) as usize))
    }

    fn column<T, A: FromIterator<Option<T>>>(&mut self, rows: usize, of: impl Fn(i64) -> T) -> A {
        (0..rows).map(|_| self.value().map(&of)).collect()
    }

    fn nulls(&mut self, rows: usize) -> NullBuffer {
        (0..rows).map(|_| self.below(4) > 0).collect()
    }

    fn offsets(&mut self, rows: usize) -> (OffsetBuffer<i32>, usize) {
        let lengths: Vec<usize> = (0..rows).map(|_| self.below(3) as usize).collect();
        let total = lengths.iter().sum();
        (OffsetBuffer::from_lengths(lengths), total)
    }
}

fn structs(dice: &mut Dice, rows: usize) -> StructArray {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(dice.column::<_, Int32Array>(rows, |value| value as i32)),
        Arc::new((0..rows).map(|_| dice.text()).collect::<StringArray>()),
    ];
    let fields = Fields::from(vec![Field::new("x", DataType::Int32, true), Field::new("y", DataType::Utf8, true)]);
    StructArray::new(fields, columns, Some(dice.nulls(rows)))
}

/// Lists of `elements`, which is asked for so many. Also NULL lists have elements.
fn lists(dice: &mut Dice, rows: usize, elements: impl Fn(&mut Dice, usize) -> ArrayRef) -> ListArray {
    let (offsets, total) = dice.offsets(rows);
    let values = elements(dice, total);
    let field = Arc::new(Field::new("element", values.data_type().clone(), true));
    ListArray::new(field, offsets, values, Some(dice.nulls(rows)))
}

fn maps(dice: &mut Dice, rows: usize) -> MapArray {
    let (offsets, total) = dice.offsets(rows);
    let keys: ArrayRef = Arc::new((0..total).map(|index| Some(format!("k{index}"))).collect::<StringArray>());
    let values: ArrayRef = Arc::new(dice.column::<_, Float64Array>(total, |value| value as f64));
    let fields =
        Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Float64, true)]);
    let entries = StructArray::new(fields.clone(), vec![keys, values], None);
    let field = Arc::new(Field::new("key_value", DataType::Struct(fields), false));
    MapArray::new(field, offsets, entries, Some(dice.nulls(rows)), false)
}

/// Rows of every type.
fn sample(rows: usize, seed: u64) -> RecordBatch {
    let mut dice = Dice(seed);
    let dice = &mut dice;
    let decimals: Decimal128Array = dice.column(rows, i128::from);
    let fixed = (0..rows).map(|_| dice.value().map(|value| value.to_le_bytes())).collect::<Vec<_>>();
    batch(vec![
        Arc::new(dice.column::<_, BooleanArray>(rows, |value| value > 0)),
        Arc::new(dice.column::<_, Int32Array>(rows, |value| value as i32)),
        Arc::new(dice.column::<_, Int64Array>(rows, |value| value << 40)),
        Arc::new(dice.column::<_, Float32Array>(rows, |value| value as f32)),
        Arc::new(dice.column::<_, Float64Array>(rows, |value| value as f64 / 3.0)),
        Arc::new(dice.column::<_, Date32Array>(rows, |value| value as i32)),
        Arc::new(dice.column::<_, Time64MicrosecondArray>(rows, |value| value)),
        Arc::new(dice.column::<_, TimestampMicrosecondArray>(rows, |value| value)),
        Arc::new(dice.column::<_, TimestampNanosecondArray>(rows, |value| value).with_timezone("+00:00")),
        Arc::new(decimals.with_precision_and_scale(20, 6).unwrap()),
        Arc::new((0..rows).map(|_| dice.text()).collect::<StringArray>()),
        Arc::new((0..rows).map(|_| dice.text().map(String::into_bytes)).collect::<LargeBinaryArray>()),
        Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(fixed.into_iter(), 8).unwrap()),
        Arc::new(structs(dice, rows)),
        Arc::new(lists(dice, rows, |dice, count| Arc::new((0..count).map(|_| dice.text()).collect::<StringArray>()))),
        Arc::new(lists(dice, rows, |dice, count| Arc::new(structs(dice, count)))),
        Arc::new(lists(dice, rows, |dice, count| {
            Arc::new(lists(dice, count, |dice, count| Arc::new(dice.column::<_, Int64Array>(count, |value| value))))
        })),
        Arc::new(maps(dice, rows)),
    ])
}

/// The rows as sorted text: what two equal sets of rows share, by another way.
/// As text that tells a NULL struct from one of NULLs, as `Debug` does not.
fn sorted_rows(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<_> =
        batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap()).collect();
    let row = |row: usize| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|");
    let mut rows: Vec<_> = (0..batch.num_rows()).map(row).collect();
    rows.sort_unstable();
    rows
}

fn indices(of: impl IntoIterator<Item = usize>) -> UInt32Array {
    of.into_iter().map(|index| index as u32).collect()
}

proptest! {
    #[test]
    fn neither_order_nor_batches_matter(rows in 1_usize..700, seed: u64, at in proptest::collection::vec(0.0..1.0, 0..4)) {
        let whole = sample(rows, seed);
        let mut dice = Dice(seed ^ 1);
        let mut order: Vec<usize> = (0..rows).collect();
        (1..rows).for_each(|index| order.swap(index, dice.below(index as u64 + 1) as usize));
        let shuffled = take_record_batch(&whole, &indices(order)).unwrap();
        let mut cuts: Vec<usize> = at.iter().map(|part| (part * rows as f64) as usize).chain([0, rows]).collect();
        cuts.sort_unstable();
        let parts: Vec<_> = cuts.windows(2).map(|cut| shuffled.slice(cut[0], cut[1] - cut[0])).collect();
        let expected = print([&whole]);
        prop_assert_eq!(expected.rows, rows as u64);
        prop_assert_eq!(print(&parts), expected);
        let mut merged = Fingerprint::default();
        parts.iter().for_each(|part| merged.merge(print([part])));
        prop_assert_eq!(merged, expected);
    }

    /// One of the columns gets some of its values from other rows; other rows are doubled, others lost.
    #[test]
    fn equal_rows_and_only_these_are_equal(rows in 1_usize..12, seed: u64, column: usize, edits in 0_u64..4) {
        let before = sample(rows, seed);
        let mut dice = Dice(seed ^ 2);
        let (mut of_column, mut of_all): (Vec<_>, Vec<_>) = ((0..rows).collect(), (0..rows).collect());
        for _ in 0..edits {
            let (from, to) = (dice.below(rows as u64) as usize, dice.below(rows as u64) as usize);
            match dice.below(4) {
                0 => of_column[to] = of_column[from],
                1 => of_column.swap(from, to),
                2 => of_all[to] = of_all[from],
                _ => of_all.swap(from, to),
            }
        }
        let column = column % before.num_columns();
        let mut columns = before.columns().to_vec();
        columns[column] = take(&columns[column], &indices(of_column), None).unwrap();
        let after = take_record_batch(&batch(columns), &indices(of_all)).unwrap();
        let same = sorted_rows(&before) == sorted_rows(&after);
        let of = before.schema().field(column).data_type().clone();
        prop_assert_eq!(print([&before]) == print([&after]), same, "a column of {}", of);
    }

    #[test]
    fn what_lies_beneath_null_does_not_matter(rows in 1_usize..300, seed: u64) {
        let (one, other) = (sample(rows, seed), sample(rows, seed ^ 3));
        let mut dice = Dice(seed ^ 4);
        for (one, other) in one.columns().iter().zip(other.columns()) {
            // The values of two arrays, hidden wherever they differ.
            let hidden: NullBuffer = dice.nulls(rows);
            let hide = |array: &ArrayRef| {
                let nulls = NullBuffer::union(array.nulls(), Some(&hidden));
                make_array(array.to_data().into_builder().nulls(nulls).build().unwrap())
            };
            let mixed = |beneath: &ArrayRef| {
                let both = arrow::compute::concat(&[one.as_ref(), beneath.as_ref()]).unwrap();
                let rows = (0..rows).map(|row| if hidden.is_valid(row) { row } else { row + one.len() });
                hide(&take(&both, &indices(rows), None).unwrap())
            };
            prop_assert_eq!(print([&batch(vec![mixed(one)])]), print([&batch(vec![mixed(other)])]));
        }
    }
}

#[test]
fn one_row_lost_or_doubled() {
    let whole = sample(1_000, 7);
    let without = concat_batches(&whole.schema(), [&whole.slice(0, 500), &whole.slice(501, 499)]).unwrap();
    let doubled = concat_batches(&whole.schema(), [&without, &without.slice(3, 1)]).unwrap();
    assert_ne!(print([&whole]).sum, print([&without]).sum);
    assert_eq!(print([&whole]).rows, print([&doubled]).rows);
    assert_ne!(print([&whole]), print([&doubled]));
}

#[test]
fn a_row_twice_is_not_none() {
    let expected = of(Int32Array::from(vec![1, 2, 3, 3]));
    assert_ne!(of(Int32Array::from(vec![1, 2, 4, 4])), expected);
    assert_ne!(of(Int32Array::from(vec![1, 2, 1, 1])), expected);
    assert_eq!(of(Int32Array::from(vec![3, 1, 3, 2])), expected);
}

#[test]
fn promotions_keep_the_fingerprint() {
    let integers = of(Int64Array::from(vec![Some(-7), None, Some(100)]));
    assert_eq!(of(Int32Array::from(vec![Some(-7), None, Some(100)])), integers);
    assert_eq!(of(Int16Array::from(vec![Some(-7), None, Some(100)])), integers);
    assert_eq!(of(Int8Array::from(vec![Some(-7), None, Some(100)])), integers);
    let floats = of(Float64Array::from(vec![Some(f64::from(0.1_f32)), None, Some(-0.0), Some(f64::INFINITY)]));
    assert_eq!(of(Float32Array::from(vec![Some(0.1), None, Some(-0.0), Some(f32::INFINITY)])), floats);
    let decimals =
        |precision| Decimal128Array::from(vec![Some(-5), None]).with_precision_and_scale(precision, 2).unwrap();
    assert_eq!(of(decimals(9)), of(decimals(38)));
    let promoted = lists(&mut Dice(1), 20, |_, count| Arc::new((0..count as i64).map(Some).collect::<Int64Array>()));
    assert_eq!(
        of(lists(&mut Dice(1), 20, |_, count| Arc::new((0..count as i32).map(Some).collect::<Int32Array>()))),
        of(promoted)
    );
}

#[test]
fn arrow_spells_a_type_in_several_ways() {
    let words = || vec![Some("some"), None, Some("a text that is too long for a view's own bytes"), Some("")];
    assert_eq!(of(LargeStringArray::from(words())), of(StringArray::from(words())));
    assert_eq!(of(StringViewArray::from(words())), of(StringArray::from(words())));
    let bytes = || words().into_iter().map(|word| word.map(str::as_bytes)).collect::<Vec<_>>();
    assert_eq!(of(LargeBinaryArray::from(bytes())), of(BinaryArray::from(bytes())));
    assert_eq!(of(BinaryViewArray::from(bytes())), of(BinaryArray::from(bytes())));
}

#[test]
fn one_nan_and_two_zeros() {
    let float = |value: f64| of(Float64Array::from(vec![value]));
    assert_eq!(float(f64::from_bits(0xFFF8_0000_0000_0001)), float(f64::NAN));
    assert_eq!(of(Float32Array::from(vec![f32::from_bits(0x7F80_0001)])), float(f64::NAN));
    assert_ne!(float(-0.0), float(0.0));
    assert_ne!(float(f64::NAN), float(f64::INFINITY));
}

#[test]
fn nothing_is_like_null() {
    assert_ne!(of(Int64Array::from(vec![Some(0)])), of(Int64Array::from(vec![None])));
    assert_ne!(of(StringArray::from(vec![Some("")])), of(StringArray::from(vec![None::<&str>])));
    let null: ArrayRef = Arc::new(Int64Array::from(vec![None]));
    let field = Arc::new(Field::new("x", DataType::Int64, true));
    let structs = |nulls| StructArray::new(vec![Arc::clone(&field)].into(), vec![Arc::clone(&null)], nulls);
    assert_ne!(of(structs(None)), of(structs(Some(vec![false].into()))));
    let lists = |lengths: [usize; 1], values: &ArrayRef, nulls| {
        ListArray::new(Arc::clone(&field), OffsetBuffer::from_lengths(lengths), Arc::clone(values), nulls)
    };
    let none: ArrayRef = Arc::new(Int64Array::from(Vec::<i64>::new()));
    let found =
        [of(lists([0], &none, None)), of(lists([0], &none, Some(vec![false].into()))), of(lists([1], &null, None))];
    assert!(found[0] != found[1] && found[1] != found[2] && found[0] != found[2]);
}

#[test]
fn the_order_of_a_list_counts_and_that_of_a_map_does_not() {
    let list = |values: Vec<i64>, lengths: Vec<usize>| {
        let field = Arc::new(Field::new("element", DataType::Int64, true));
        of(ListArray::new(field, OffsetBuffer::from_lengths(lengths), Arc::new(Int64Array::from(values)), None))
    };
    assert_ne!(list(vec![1, 2], vec![2]), list(vec![2, 1], vec![2]));
    assert_ne!(list(vec![1, 2], vec![2, 0]), list(vec![1, 2], vec![1, 1]));
    let map = |keys: Vec<&str>, values: Vec<i64>| {
        let fields =
            Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Int64, true)]);
        let offsets = OffsetBuffer::from_lengths([keys.len()]);
        let columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(keys)), Arc::new(Int64Array::from(values))];
        let field = Arc::new(Field::new("entries", DataType::Struct(fields.clone()), false));
        of(MapArray::new(field, offsets, StructArray::new(fields, columns, None), None, false))
    };
    assert_eq!(map(vec!["a", "b"], vec![1, 2]), map(vec!["b", "a"], vec![2, 1]));
    assert_ne!(map(vec!["a", "b"], vec![1, 2]), map(vec!["a", "b"], vec![2, 1]));
}

#[test]
fn long_lists_and_many_short_ones() {
    let lengths = [0, 1, 1_500, 3, 1_024, 1, 0, 700, 700];
    let values = Int64Array::from_iter_values(0..lengths.iter().sum::<usize>() as i64);
    let field = Arc::new(Field::new("element", DataType::Int64, true));
    let all = ListArray::new(field, OffsetBuffer::from_lengths(lengths), Arc::new(values), None);
    let mut one_by_one = Fingerprint::default();
    (0..all.len()).for_each(|row| one_by_one.merge(of(all.slice(row, 1))));
    assert_eq!(of(all), one_by_one);
}

#[test]
fn columns_that_change_places() {
    let (a, b): (ArrayRef, ArrayRef) = (Arc::new(Int64Array::from(vec![1])), Arc::new(Int64Array::from(vec![2])));
    assert_ne!(print([&batch(vec![a.clone(), b.clone()])]), print([&batch(vec![b, a])]));
}

#[test]
fn what_has_no_fingerprint() {
    let field = Arc::new(Field::new("element", DataType::UInt64, true));
    let schema = Schema::new(vec![Field::new("numbers", DataType::List(field), true)]);
    let error = ContentHasher::new(&schema).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        error.to_string(),
        "the column `numbers.element` is of the type UInt64, for which there is no fingerprint"
    );
    assert_eq!(ContentHasher::new(&Schema::empty()).err().unwrap().kind(), ErrorKind::Unsupported);
}

#[test]
fn other_columns_than_announced() {
    let announced = batch(vec![Arc::new(Int64Array::from(vec![1])), Arc::new(StringArray::from(vec!["a"]))]);
    let mut hasher = ContentHasher::new(&announced.schema()).unwrap();
    let error = hasher.add(&announced.project(&[1, 0]).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "the column `c0` came as Utf8, another type was announced");
    let error = hasher.add(&announced.project(&[0]).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "1 columns came, 2 were announced");
    assert_eq!(hasher.take(), Fingerprint::default());
}

/// The rows of the worked example in the reference.
fn example() -> RecordBatch {
    let entries =
        Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Int32, true)]);
    let pairs: Vec<ArrayRef> =
        vec![Arc::new(StringArray::from(vec!["b", "a"])), Arc::new(Int32Array::from(vec![Some(1), None]))];
    let map = MapArray::new(
        Arc::new(Field::new("key_value", DataType::Struct(entries.clone()), false)),
        OffsetBuffer::from_lengths([2, 0]),
        StructArray::new(entries, pairs, None),
        Some(vec![true, false].into()),
        false,
    );
    let inner =
        vec![Arc::new(Field::new("x", DataType::Boolean, true)), Arc::new(Field::new("y", DataType::Date32, true))];
    let children: Vec<ArrayRef> =
        vec![Arc::new(BooleanArray::from(vec![Some(true), None])), Arc::new(Date32Array::from(vec![None, Some(-1)]))];
    let list = ListArray::new(
        Arc::new(Field::new("element", DataType::Float64, true)),
        OffsetBuffer::from_lengths([2, 0]),
        Arc::new(Float64Array::from(vec![Some(1.5), None])),
        None,
    );
    batch(vec![
        Arc::new(Int32Array::from(vec![-2, 7])),
        Arc::new(StringArray::from(vec![Some("ab"), None])),
        Arc::new(Decimal128Array::from(vec![Some(-1), None]).with_precision_and_scale(9, 2).unwrap()),
        Arc::new(StructArray::new(inner.into(), children, Some(vec![true, false].into()))),
        Arc::new(list),
        Arc::new(map),
    ])
}

#[test]
fn the_reference_tells_these_bytes() {
    let reference = include_str!("../../../../../../docs/reference/fingerprints.md");
    let example = example();
    // What stands first on each line: the slots, one below the other.
    let shown: String = reference.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let mut rows = Rows::new(example.schema().fields(), None).unwrap();
    let row_bytes = rows.row_bytes();
    for row in rows.fill(example.columns(), 0, 2).unwrap().chunks_exact(row_bytes) {
        let hex: String = row.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(shown.contains(&hex), "docs/reference/fingerprints.md does not show {hex}");
        let hash = format!("`{:032x}`", xxhash_rust::xxh3::xxh3_128(row));
        assert!(reference.contains(&hash), "docs/reference/fingerprints.md does not show {hash}");
    }
    let found = print([&example]).to_string();
    assert!(reference.contains(&format!("`{found}`")), "docs/reference/fingerprints.md does not show {found}");
}
