//! Texts and bytes that wait for their page.

use arrow::array::{Array, ArrayRef, AsArray, GenericByteArray};
use arrow::datatypes::{ArrowNativeType, ByteArrayType, DataType};
use parquet::errors::{ParquetError, Result};
use xxhash_rust::xxh3::xxh3_64;

use super::bounds::{Bound, Bounds};
use super::table::Table;
use super::values::{Dictionary, EncodedValues, PageValues};
use crate::pipeline::splice::hybrid;

/// Rows that are taken in at once.
const ROWS_AT_ONCE: usize = 1024;

/// Bytes of the length in front of each value in Parquet's PLAIN encoding.
const LENGTH_BYTES: usize = 4;

/// The values of a chunk of texts or bytes.
pub(super) struct Texts {
    /// `None` once the dictionary has become too large.
    known: Option<Known>,
    /// Where there is no dictionary: the values of the page, as PLAIN has them.
    plain: Vec<u8>,
    /// The smallest and the largest of `plain`.
    bounds: Option<(Vec<u8>, Vec<u8>)>,
    /// Bytes of all values of the page, without their lengths.
    unencoded_bytes: usize,
}

#[derive(Default)]
struct Known {
    table: Table,
    values: Entries,
    /// Which of them the page has.
    indices: Vec<u32>,
    /// By entry: the number of the last page that has it.
    met_in: Vec<u32>,
    page: u32,
}

/// Values as PLAIN has them, one after the other.
#[derive(Default)]
struct Entries {
    plain: Vec<u8>,
    starts: Vec<usize>,
}

impl Entries {
    fn get(&self, number: usize) -> &[u8] {
        let end = self.starts.get(number + 1).map_or(self.plain.len(), |next| next - LENGTH_BYTES);
        &self.plain[self.starts[number]..end]
    }
}

impl Default for Texts {
    fn default() -> Self {
        Self { known: Some(Known::default()), plain: Vec::new(), bounds: None, unencoded_bytes: 0 }
    }
}

impl Texts {
    fn add_value(&mut self, value: &[u8]) -> Result<()> {
        // A page and a dictionary tell the length of each in four bytes.
        u32::try_from(value.len())?;
        self.unencoded_bytes += value.len();
        match &mut self.known {
            Some(known) => known.add(value),
            None => {
                append_plain(value, &mut self.plain);
                match &mut self.bounds {
                    None => self.bounds = Some((value.to_vec(), value.to_vec())),
                    Some((lower, _)) if value < lower.as_slice() => replace(lower, value),
                    Some((_, upper)) if value > upper.as_slice() => replace(upper, value),
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }

    fn add_all<T: ByteArrayType>(&mut self, array: &GenericByteArray<T>) -> Result<()> {
        // Also under NULL there is a value; it is not one of the column.
        match array.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => array.iter().flatten().try_for_each(|value| self.add_value(value.as_ref())),
            Some(nulls) => nulls.valid_indices().try_for_each(|row| self.add_value(array.value(row).as_ref())),
        }
    }
}

impl Known {
    fn add(&mut self, value: &[u8]) {
        let next = self.values.starts.len();
        let hash_of = |value: &[u8]| xxh3_64(value) as u32;
        let (is_equal, hash_at) =
            (|number| self.values.get(number) == value, |number| hash_of(self.values.get(number)));
        let known = self.table.find_or_put(hash_of(value), next, is_equal, hash_at);
        let index = known.unwrap_or_else(|| {
            append_plain(value, &mut self.values.plain);
            self.values.starts.push(self.values.plain.len() - value.len());
            self.met_in.push(0);
            next as u32
        });
        self.indices.push(index);
    }

    /// Each value of the page is compared once.
    fn bounds(&mut self) -> Option<Bounds> {
        self.page += 1;
        let mut bounds: Option<(&[u8], &[u8])> = None;
        for index in &self.indices {
            if std::mem::replace(&mut self.met_in[*index as usize], self.page) == self.page {
                continue;
            }
            let value = self.values.get(*index as usize);
            let (lower, upper) = bounds.get_or_insert((value, value));
            *lower = value.min(lower);
            *upper = value.max(upper);
        }
        let (lower, upper) = bounds?;
        Some(Bounds { lower: Bound::Bytes(lower.to_vec()), upper: Bound::Bytes(upper.to_vec()) })
    }
}

impl PageValues for Texts {
    /// No more than `bytes` of them, or a single one.
    fn rows_at_once(&self, array: &ArrayRef, bytes: usize) -> usize {
        fn fitting<T: ByteArrayType>(array: &GenericByteArray<T>, bytes: usize) -> usize {
            let offsets = &array.value_offsets()[..=array.len().min(ROWS_AT_ONCE)];
            let end = offsets[0].as_usize().saturating_add(bytes);
            (offsets.partition_point(|offset| offset.as_usize() <= end) - 1).max(1)
        }
        match array.data_type() {
            DataType::Utf8 => fitting(array.as_string::<i32>(), bytes),
            _ => fitting(array.as_binary::<i64>(), bytes),
        }
    }

    fn add(&mut self, array: &ArrayRef) -> Result<()> {
        match array.data_type() {
            DataType::Utf8 => self.add_all(array.as_string::<i32>()),
            DataType::LargeBinary => self.add_all(array.as_binary::<i64>()),
            other => Err(ParquetError::General(format!("{other} for a column of texts or bytes"))),
        }
    }

    fn page_bytes(&self) -> usize {
        match &self.known {
            Some(known) => known.indices.len() * hybrid::width_of(known.values.starts.len()) as usize / 8,
            None => self.plain.len(),
        }
    }

    fn memory_bytes(&self) -> usize {
        let known = self.known.as_ref().map_or(0, |known| {
            known.table.memory_bytes()
                + known.values.plain.capacity()
                + known.values.starts.capacity() * size_of::<usize>()
                + (known.indices.capacity() + known.met_in.capacity()) * size_of::<u32>()
        });
        known + self.plain.capacity()
    }

    fn take_page(&mut self, into: &mut Vec<u8>) -> EncodedValues {
        let unencoded_bytes = Some(std::mem::take(&mut self.unencoded_bytes));
        match &mut self.known {
            Some(known) => {
                let bounds = known.bounds();
                hybrid::append_references(&known.indices, known.values.starts.len(), into);
                known.indices.clear();
                EncodedValues { is_dictionary: true, bounds, unencoded_bytes }
            }
            None => {
                into.append(&mut self.plain);
                let bounds = self.bounds.take();
                let bounds =
                    bounds.map(|(lower, upper)| Bounds { lower: Bound::Bytes(lower), upper: Bound::Bytes(upper) });
                EncodedValues { is_dictionary: false, bounds, unencoded_bytes }
            }
        }
    }

    fn dictionary_bytes(&self) -> usize {
        self.known.as_ref().map_or(0, |known| known.values.plain.len())
    }

    fn take_dictionary(&mut self) -> Option<Dictionary> {
        let known = self.known.take()?;
        Some(Dictionary { entries: known.values.starts.len(), plain: known.values.plain })
    }
}

fn append_plain(value: &[u8], into: &mut Vec<u8>) {
    into.extend_from_slice(&(value.len() as u32).to_le_bytes());
    into.extend_from_slice(value);
}

fn replace(bound: &mut Vec<u8>, value: &[u8]) {
    bound.clear();
    bound.extend_from_slice(value);
}
