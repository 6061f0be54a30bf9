//! Numbers of four or eight bytes that wait for their page.

use arrow::array::{Array, ArrayRef};
use arrow::buffer::NullBuffer;
use arrow::datatypes::ArrowNativeType;
use parquet::errors::Result;

use super::bounds::{Bound, Bounds};
use super::table::{NO_GUESS, Table, hash_of};
use super::values::{Dictionary, EncodedValues, PageValues};
use crate::pipeline::splice::hybrid;

/// Rows that are taken in at once: what they are copied to stays in the processor's first cache.
const ROWS_AT_ONCE: usize = 2048;

/// Values that are looked for together.
const SOUGHT_AT_ONCE: usize = 256;

/// Values whose bits are below this are found by them.
const SMALL: usize = 256;

/// A physical type of Parquet. Values are the same when their bits are.
pub(super) trait Number: ArrowNativeType {
    fn bits(self) -> u64;

    fn append_plain(self, into: &mut Vec<u8>);

    /// The smallest and the largest, NaN not counted.
    fn bounds_of(values: &[Self]) -> Option<(Self, Self)>;

    /// For statistics: zero is -0.0 as the lower bound and 0.0 as the upper one (parquet.thrift, `ColumnOrder`).
    fn bounds(lower: Self, upper: Self) -> Bounds;
}

macro_rules! integer {
    ($number:ty, $bits:ty, $bound:path) => {
        impl Number for $number {
            fn bits(self) -> u64 {
                u64::from(self as $bits)
            }

            fn append_plain(self, into: &mut Vec<u8>) {
                into.extend_from_slice(&self.to_le_bytes());
            }

            fn bounds_of(values: &[Self]) -> Option<(Self, Self)> {
                let first = *values.first()?;
                Some(values.iter().fold((first, first), |(lower, upper), value| (lower.min(*value), upper.max(*value))))
            }

            fn bounds(lower: Self, upper: Self) -> Bounds {
                Bounds { lower: $bound(lower), upper: $bound(upper) }
            }
        }
    };
}

macro_rules! float {
    ($number:ty, $bound:path) => {
        impl Number for $number {
            fn bits(self) -> u64 {
                u64::from(self.to_bits())
            }

            fn append_plain(self, into: &mut Vec<u8>) {
                into.extend_from_slice(&self.to_le_bytes());
            }

            fn bounds_of(values: &[Self]) -> Option<(Self, Self)> {
                let bounds = values
                    .iter()
                    .fold((Self::NAN, Self::NAN), |(lower, upper), value| (lower.min(*value), upper.max(*value)));
                (!bounds.0.is_nan()).then_some(bounds)
            }

            fn bounds(lower: Self, upper: Self) -> Bounds {
                let signed = |bound: Self, zero: Self| if bound == 0.0 { zero } else { bound };
                Bounds { lower: $bound(signed(lower, -0.0)), upper: $bound(signed(upper, 0.0)) }
            }
        }
    };
}

integer!(i32, u32, Bound::Int32);
integer!(i64, u64, Bound::Int64);
float!(f32, Bound::Float);
float!(f64, Bound::Double);

/// The values of a chunk of numbers.
pub(super) struct Numbers<T> {
    /// `None` once the dictionary has become too large.
    known: Option<Known<T>>,
    /// Where there is no dictionary: the values of the page.
    plain: Vec<u8>,
    bounds: Option<(T, T)>,
    /// Room for values without the NULLs between them.
    dense: Vec<T>,
}

struct Known<T> {
    table: Table,
    /// The numbers of the values below [`SMALL`], plus one: half of all columns hold percentages, states and other small numbers,
    /// and need no table.
    small: Box<[u32; SMALL]>,
    values: Vec<T>,
    /// Which of them the page has.
    indices: Vec<u32>,
}

impl<T: Number> Default for Numbers<T> {
    fn default() -> Self {
        let known =
            Known { table: Table::default(), small: Box::new([0; SMALL]), values: Vec::new(), indices: Vec::new() };
        Self { known: Some(known), plain: Vec::new(), bounds: None, dense: Vec::new() }
    }
}

impl<T: Number> Numbers<T> {
    fn add_values(&mut self, values: &[T]) {
        if let Some((lower, upper)) = T::bounds_of(values) {
            let (lowest, highest) = self.bounds.unwrap_or((lower, upper));
            self.bounds = T::bounds_of(&[lower, upper, lowest, highest]);
        }
        match &mut self.known {
            Some(known) => known.add(values),
            None => values.iter().for_each(|value| value.append_plain(&mut self.plain)),
        }
    }
}

impl<T: Number> Known<T> {
    fn add(&mut self, values: &[T]) {
        values.chunks(SOUGHT_AT_ONCE).for_each(|values| self.add_few(values));
    }

    fn add_few(&mut self, values: &[T]) {
        let Self { table, small, values: met, indices } = self;
        let mut guesses = [NO_GUESS; SOUGHT_AT_ONCE];
        table.guess(values.iter().map(|value| hash_of(value.bits())), &mut guesses);
        indices.extend(values.iter().zip(guesses).map(|(value, guess)| {
            let bits = value.bits();
            if let Some(number) = usize::try_from(bits).ok().and_then(|bits| small.get_mut(bits)) {
                if *number == 0 {
                    met.push(*value);
                    *number = met.len() as u32;
                }
                return *number - 1;
            }
            if met.get(guess as usize).is_some_and(|met| met.bits() == bits) {
                return guess;
            }
            let is_equal = |at: usize| met[at].bits() == bits;
            let found = table.find_or_put(hash_of(bits), met.len(), is_equal, |at| hash_of(met[at].bits()));
            found.unwrap_or_else(|| {
                met.push(*value);
                met.len() as u32 - 1
            })
        }));
    }
}

impl<T: Number> PageValues for Numbers<T> {
    fn rows_at_once(&self, array: &ArrayRef, _bytes: usize) -> usize {
        array.len().min(ROWS_AT_ONCE)
    }

    fn add(&mut self, array: &ArrayRef) -> Result<()> {
        let data = array.to_data();
        let values = &data.buffers()[0].typed_data::<T>()[data.offset()..][..data.len()];
        match array.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => self.add_values(values),
            Some(nulls) if nulls.null_count() == values.len() => {}
            Some(nulls) => {
                let mut dense = std::mem::take(&mut self.dense);
                let count = collect_valid(values, nulls, &mut dense);
                self.add_values(&dense[..count]);
                self.dense = dense;
            }
        }
        Ok(())
    }

    fn page_bytes(&self) -> usize {
        match &self.known {
            Some(known) => known.indices.len() * hybrid::width_of(known.values.len()) as usize / 8,
            None => self.plain.len(),
        }
    }

    fn memory_bytes(&self) -> usize {
        let known = self.known.as_ref().map_or(0, |known| {
            known.table.memory_bytes()
                + known.values.capacity() * size_of::<T>()
                + known.indices.capacity() * size_of::<u32>()
        });
        known + self.plain.capacity() + self.dense.capacity() * size_of::<T>()
    }

    fn take_page(&mut self, into: &mut Vec<u8>) -> EncodedValues {
        let bounds = self.bounds.take().map(|(lower, upper)| T::bounds(lower, upper));
        let is_dictionary = self.known.is_some();
        match &mut self.known {
            Some(known) => {
                hybrid::append_references(&known.indices, known.values.len(), into);
                known.indices.clear();
            }
            None => into.append(&mut self.plain),
        }
        EncodedValues { is_dictionary, bounds, unencoded_bytes: None }
    }

    fn dictionary_bytes(&self) -> usize {
        self.known.as_ref().map_or(0, |known| known.values.len() * size_of::<T>())
    }

    fn take_dictionary(&mut self) -> Option<Dictionary> {
        let known = self.known.take()?;
        let mut plain = Vec::with_capacity(known.values.len() * size_of::<T>());
        known.values.iter().for_each(|value| value.append_plain(&mut plain));
        Some(Dictionary { plain, entries: known.values.len() })
    }
}

/// Puts the values that are not NULL at the beginning of `dense`, in their order. Returns how many they are. There is no branch for
/// each: a processor could not foresee it.
fn collect_valid<T: Number>(values: &[T], nulls: &NullBuffer, dense: &mut Vec<T>) -> usize {
    // One place more: a NULL behind the last value is written, too.
    dense.resize(dense.len().max(values.len() + 1), T::default());
    let mut filled = 0;
    let words = nulls.inner().bit_chunks();
    for (mut word, values) in words.iter_padded().zip(values.chunks(64)) {
        if word == u64::MAX && values.len() == 64 {
            dense[filled..filled + 64].copy_from_slice(values);
            filled += 64;
            continue;
        }
        if word == 0 {
            continue;
        }
        for value in values {
            dense[filled] = *value;
            filled += (word & 1) as usize;
            word >>= 1;
        }
    }
    filled
}
