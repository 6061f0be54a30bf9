//! Brings the values of a block of rows to their slots, column by column.

use arrow::array::{Array, ArrayAccessor, ArrayRef, AsArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Fields, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType, TimestampNanosecondType,
};
use xxhash_rust::xxh3::xxh3_128;

use super::layout::{Column, Kind, Layout, Leaf};
use crate::error::{Error, ErrorKind, Result};

/// Elements of lists that are brought to their slots at once, unless one list alone has more.
const BLOCK_ELEMENTS: usize = 1024;
/// Every NaN is this one.
const NAN_BITS: u64 = 0x7FF8_0000_0000_0000;

/// Canonical rows, one after the other, in a buffer that is used again for each block.
pub(super) struct Rows {
    layout: Layout,
    bytes: Vec<u8>,
    /// By field that can be NULL: where it is, 64 rows in a word.
    hidden: Vec<u64>,
    scratch: Scratch,
}

/// One list or map, to be hashed.
#[derive(Default)]
struct Scratch {
    encoded: Vec<u8>,
    order: Vec<usize>,
}

impl Rows {
    pub fn new(fields: &Fields, above: Option<&str>) -> Result<Self> {
        Ok(Self {
            layout: Layout::new(fields, above)?,
            bytes: Vec::new(),
            hidden: Vec::new(),
            scratch: Scratch::default(),
        })
    }

    /// Bytes of one row; 0 only without columns.
    pub fn row_bytes(&self) -> usize {
        self.layout.row_bytes
    }

    /// The canonical bytes of `count` rows from `start` on.
    ///
    /// # Errors
    /// Columns of other types than the layout's.
    pub fn fill(&mut self, arrays: &[ArrayRef], start: usize, count: usize) -> Result<&[u8]> {
        let Layout { columns, bits_at, row_bytes } = &mut self.layout;
        if arrays.len() != columns.len() {
            let message = format!("{} columns came, {} were announced", arrays.len(), columns.len());
            return Err(Error::new(ErrorKind::Internal, message));
        }
        // All that is in them is written.
        self.bytes.resize(count * *row_bytes, 0);
        let words = count.div_ceil(64).max(1);
        self.hidden.clear();
        self.hidden.resize((*row_bytes - *bits_at) * 8 * words, 0);
        let (bytes, hidden) = (&mut self.bytes, &mut self.hidden);
        let mut block = Block { bytes, row_bytes: *row_bytes, hidden, words, start, count };
        for (column, array) in columns.iter_mut().zip(arrays) {
            column.write(array, None, &mut block)?;
        }
        block.write_bits(*bits_at);
        Ok(&self.bytes)
    }

    /// Hashes each list or map: the number of its elements, then their canonical rows. `arrays` hold the elements,
    /// `offsets` say where each list starts and the last one ends. The entries of maps come in the order of their bytes.
    fn hash_each(
        &mut self,
        arrays: &[ArrayRef],
        offsets: &[i32],
        sorted: bool,
        mut put: impl FnMut(usize, u128),
    ) -> Result<()> {
        let offset = |list: usize| offsets[list] as usize;
        let lists = offsets.len() - 1;
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut first = 0;
        while first < lists {
            let start = offset(first);
            let fits = |list: &usize| offset(list + 1) - start <= BLOCK_ELEMENTS;
            let end = (first + 1..lists).take_while(fits).last().unwrap_or(first) + 1;
            let row_bytes = self.row_bytes();
            let elements = self.fill(arrays, start, offset(end) - start)?;
            for list in first..end {
                let range = (offset(list) - start) * row_bytes..(offset(list + 1) - start) * row_bytes;
                put(list, scratch.hash(&elements[range], row_bytes, sorted));
            }
            first = end;
        }
        self.scratch = scratch;
        Ok(())
    }
}

impl Scratch {
    fn hash(&mut self, elements: &[u8], row_bytes: usize, sorted: bool) -> u128 {
        let count = elements.len() / row_bytes;
        self.encoded.clear();
        self.encoded.extend_from_slice(&(count as u64).to_le_bytes());
        if sorted {
            let element = |index: usize| &elements[index * row_bytes..(index + 1) * row_bytes];
            self.order.clear();
            self.order.extend(0..count);
            self.order.sort_unstable_by(|a, b| element(*a).cmp(element(*b)));
            for index in &self.order {
                self.encoded.extend_from_slice(element(*index));
            }
        } else {
            self.encoded.extend_from_slice(elements);
        }
        xxh3_128(&self.encoded)
    }
}

impl Column {
    /// `above` says where a struct around the column is NULL: there the column is, too.
    fn write(&mut self, array: &ArrayRef, above: Option<&NullBuffer>, block: &mut Block<'_>) -> Result<()> {
        let (start, count) = (block.start, block.count);
        let own = array.nulls().filter(|nulls| nulls.null_count() > 0).map(|nulls| nulls.slice(start, count));
        let nulls = NullBuffer::union(above, own.as_ref()).filter(|nulls| nulls.null_count() > 0);
        match (&mut self.kind, array.data_type()) {
            (Kind::Leaf(leaf, at), data_type) if Leaf::of(data_type) == Some(*leaf) => {
                write_leaf(array, Slots { block, at: *at, bit: self.bit, nulls: nulls.as_ref() });
            }
            (Kind::Struct(columns), DataType::Struct(fields)) if columns.len() == fields.len() => {
                block.mark(self.bit, nulls.as_ref());
                for (column, child) in columns.iter_mut().zip(array.as_struct().columns()) {
                    column.write(child, nulls.as_ref(), block)?;
                }
            }
            (Kind::List(elements, at), DataType::List(_)) => {
                let list = array.as_list::<i32>();
                let mut slots = Slots { block, at: *at, bit: self.bit, nulls: nulls.as_ref() };
                slots.hide();
                let (values, offsets) = (std::slice::from_ref(list.values()), &list.offsets()[start..=start + count]);
                elements.hash_each(values, offsets, false, |row, hash| slots.put_valid(row, hash))?;
            }
            (Kind::Map(entries, at), DataType::Map(..)) => {
                let map = array.as_map();
                let mut slots = Slots { block, at: *at, bit: self.bit, nulls: nulls.as_ref() };
                slots.hide();
                let (pairs, offsets) = (map.entries().columns(), &map.offsets()[start..=start + count]);
                entries.hash_each(pairs, offsets, true, |row, hash| slots.put_valid(row, hash))?;
            }
            (_, data_type) => {
                let message = format!("the column `{}` came as {data_type}, another type was announced", self.name);
                return Err(Error::new(ErrorKind::Internal, message));
            }
        }
        Ok(())
    }
}

fn write_leaf(array: &ArrayRef, mut slots: Slots<'_, '_>) {
    let range = slots.block.start..slots.block.start + slots.block.count;
    match array.data_type() {
        DataType::Boolean => {
            let values = array.as_boolean().values().slice(range.start, range.len());
            slots.put(&values.iter().collect::<Vec<_>>(), u64::from);
        }
        DataType::Int8 => slots.integers::<Int8Type>(array),
        DataType::Int16 => slots.integers::<Int16Type>(array),
        DataType::Int32 => slots.integers::<Int32Type>(array),
        DataType::Int64 => slots.integers::<Int64Type>(array),
        DataType::Date32 => slots.integers::<Date32Type>(array),
        DataType::Time64(_) => slots.integers::<Time64MicrosecondType>(array),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => slots.integers::<TimestampNanosecondType>(array),
        DataType::Timestamp(..) => slots.integers::<TimestampMicrosecondType>(array),
        DataType::Float32 => {
            let values = &array.as_primitive::<Float32Type>().values()[range];
            slots.put(values, |value| float_bits(f64::from(value)));
        }
        DataType::Float64 => {
            let values = &array.as_primitive::<Float64Type>().values()[range];
            slots.put(values, float_bits);
        }
        DataType::Decimal128(..) => {
            let values = &array.as_primitive::<Decimal128Type>().values()[range];
            slots.put(values, |value| value as u128);
        }
        DataType::Utf8 => slots.hashes(array.as_string::<i32>()),
        DataType::LargeUtf8 => slots.hashes(array.as_string::<i64>()),
        DataType::Utf8View => slots.hashes(array.as_string_view()),
        DataType::Binary => slots.hashes(array.as_binary::<i32>()),
        DataType::LargeBinary => slots.hashes(array.as_binary::<i64>()),
        DataType::BinaryView => slots.hashes(array.as_binary_view()),
        // `Leaf::of` lets no other type pass.
        _ => slots.hashes(array.as_fixed_size_binary()),
    }
}

fn float_bits(value: f64) -> u64 {
    if value.is_nan() { NAN_BITS } else { value.to_bits() }
}

/// The rows that are being filled: `count` from `start` on.
struct Block<'a> {
    bytes: &'a mut [u8],
    row_bytes: usize,
    hidden: &'a mut [u64],
    /// Of `hidden`, for each field.
    words: usize,
    start: usize,
    count: usize,
}

impl Block<'_> {
    /// Remembers where `nulls` says that a field is NULL.
    fn mark(&mut self, bit: usize, nulls: Option<&NullBuffer>) {
        let Some(nulls) = nulls else { return };
        let hidden = &mut self.hidden[bit * self.words..][..self.words];
        for (hidden, valid) in hidden.iter_mut().zip(nulls.inner().bit_chunks().iter_padded()) {
            *hidden = !valid;
        }
    }

    /// Writes the bits of all fields to all rows, eight fields of eight rows at a time.
    fn write_bits(&mut self, bits_at: usize) {
        for (byte, fields) in self.hidden.chunks_exact(self.words * 8).enumerate() {
            for (index, rows) in self.bytes.chunks_mut(self.row_bytes * 8).enumerate() {
                let (word, shift) = (index / 8, index % 8 * 8);
                let mut square = [0; 8];
                for (bits, field) in square.iter_mut().zip(fields.chunks_exact(self.words)) {
                    *bits = (field[word] >> shift) as u8;
                }
                for (row, bits) in rows.chunks_exact_mut(self.row_bytes).zip(turned(square)) {
                    row[bits_at + byte] = bits;
                }
            }
        }
    }
}

/// Rows of bits as columns (Warren, "Hacker's Delight", 7-3).
fn turned(square: [u8; 8]) -> [u8; 8] {
    let mut bits = u64::from_le_bytes(square);
    for (shift, mask) in [(7, 0x00AA_00AA_00AA_00AA), (14, 0x0000_CCCC_0000_CCCC), (28, 0x0000_0000_F0F0_F0F0)] {
        let moved = (bits ^ (bits >> shift)) & mask;
        bits ^= moved ^ (moved << shift);
    }
    bits.to_le_bytes()
}

/// The slots of one column.
struct Slots<'a, 'b> {
    block: &'a mut Block<'b>,
    at: usize,
    bit: usize,
    nulls: Option<&'a NullBuffer>,
}

impl Slots<'_, '_> {
    /// Writes one value for each row, 0 and the bit for NULL.
    #[inline]
    fn put<V: Copy, S: Slot<N>, const N: usize>(&mut self, values: &[V], slot: impl Fn(V) -> S) {
        self.block.mark(self.bit, self.nulls);
        let (at, row_bytes) = (self.at, self.block.row_bytes);
        let rows = self.block.bytes.chunks_mut(64 * row_bytes).zip(values.chunks(64));
        // Bit by bit and without a branch: NULLs in no order would cost 5 ns each.
        let fill = |rows: &mut [u8], values: &[V], mut valid: u64| {
            for (row, value) in rows.chunks_exact_mut(row_bytes).zip(values) {
                row[at..at + N].copy_from_slice(&slot(*value).bytes(valid & 1));
                valid >>= 1;
            }
        };
        match self.nulls {
            None => rows.for_each(|(rows, values)| fill(rows, values, u64::MAX)),
            Some(nulls) => {
                let words = nulls.inner().bit_chunks();
                rows.zip(words.iter_padded()).for_each(|((rows, values), valid)| fill(rows, values, valid));
            }
        }
    }

    fn integers<T: ArrowPrimitiveType>(&mut self, array: &ArrayRef)
    where
        T::Native: Into<i64>,
    {
        let values = &array.as_primitive::<T>().values()[self.block.start..self.block.start + self.block.count];
        self.put(values, |value| Into::<i64>::into(value) as u64);
    }

    /// Writes the hash of the bytes of each row.
    fn hashes<A: ArrayAccessor>(&mut self, values: A)
    where
        A::Item: AsRef<[u8]>,
    {
        let (start, count) = (self.block.start, self.block.count);
        let hash = |row: usize| xxh3_128(values.value(start + row).as_ref());
        let Some(nulls) = self.nulls else {
            (0..count).for_each(|row| self.put_at(row, hash(row)));
            return;
        };
        self.hide();
        for row in nulls.valid_indices() {
            self.put_at(row, hash(row));
        }
    }

    /// Zeroes the slots and sets the bits, where there are NULLs at all.
    fn hide(&mut self) {
        if self.nulls.is_some() {
            let (at, row_bytes) = (self.at, self.block.row_bytes);
            self.block.bytes.chunks_exact_mut(row_bytes).for_each(|row| row[at..at + 16].fill(0));
            self.block.mark(self.bit, self.nulls);
        }
    }

    fn put_valid(&mut self, row: usize, hash: u128) {
        if self.nulls.is_none_or(|nulls| nulls.is_valid(row)) {
            self.put_at(row, hash);
        }
    }

    fn put_at(&mut self, row: usize, hash: u128) {
        let at = row * self.block.row_bytes + self.at;
        self.block.bytes[at..at + 16].copy_from_slice(&hash.to_le_bytes());
    }
}

/// A number as it stands in its slot.
trait Slot<const N: usize> {
    /// Little-endian; zeros unless `valid` is 1.
    fn bytes(self, valid: u64) -> [u8; N];
}

impl Slot<8> for u64 {
    fn bytes(self, valid: u64) -> [u8; 8] {
        (self & 0_u64.wrapping_sub(valid)).to_le_bytes()
    }
}

impl Slot<16> for u128 {
    fn bytes(self, valid: u64) -> [u8; 16] {
        (self & 0_u128.wrapping_sub(u128::from(valid))).to_le_bytes()
    }
}
