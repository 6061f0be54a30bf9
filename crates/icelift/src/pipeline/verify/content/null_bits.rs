//! The bits of a block of rows that say where there is NULL: they come column by column and are written row by row.

use arrow::buffer::NullBuffer;

/// Rows whose bits are in one word.
const WORD_ROWS: usize = 64;

/// A bit for each field that can be NULL and each row of a block.
#[derive(Default)]
pub(super) struct NullBits {
    /// Of each field its words, one after the other.
    words: Vec<u64>,
    words_of_field: usize,
}

impl NullBits {
    /// No NULL in so many rows. `fields` are a multiple of 8.
    pub fn clear(&mut self, fields: usize, rows: usize) {
        self.words_of_field = rows.div_ceil(WORD_ROWS);
        self.words.clear();
        self.words.resize(fields * self.words_of_field, 0);
    }

    /// The field is NULL where `nulls` says so.
    pub fn mark(&mut self, field: usize, nulls: Option<&NullBuffer>) {
        let Some(nulls) = nulls else { return };
        let words = &mut self.words[field * self.words_of_field..(field + 1) * self.words_of_field];
        for (word, valid) in words.iter_mut().zip(nulls.inner().bit_chunks().iter_padded()) {
            *word |= !valid;
        }
    }

    /// Writes them into rows, from the byte `at` of each row on. Field 0 is the lowest bit of the first byte.
    pub fn write(&self, rows: &mut [u8], row_bytes: usize, at: usize) {
        if self.words_of_field == 0 {
            return;
        }
        for (byte, fields) in self.words.chunks_exact(8 * self.words_of_field).enumerate() {
            let groups = (0..self.words_of_field * (WORD_ROWS / 8)).map(|group| {
                let (word, shift) = (group / 8, group % 8 * 8);
                let of_field = |field: usize| fields[field * self.words_of_field + word] >> shift & 0xFF;
                (0..8).fold(0, |matrix, field| matrix | of_field(field) << (field * 8))
            });
            let bits = groups.flat_map(|matrix| transposed(matrix).to_le_bytes());
            for (row, bits) in rows.chunks_exact_mut(row_bytes).zip(bits) {
                row[at + byte] = bits;
            }
        }
    }
}

/// Swaps rows and columns of 8 by 8 bits, of which each byte is a row (Warren, Hacker's Delight, 7-3).
fn transposed(matrix: u64) -> u64 {
    let swap = |matrix: u64, mask: u64, shift: u32| {
        let moved = (matrix ^ matrix >> shift) & mask;
        matrix ^ moved ^ moved << shift
    };
    let matrix = swap(matrix, 0x00AA_00AA_00AA_00AA, 7);
    let matrix = swap(matrix, 0x0000_CCCC_0000_CCCC, 14);
    swap(matrix, 0x0000_0000_F0F0_F0F0, 28)
}

#[cfg(test)]
mod tests {
    use arrow::buffer::NullBuffer;
    use proptest::prelude::*;

    use super::NullBits;

    proptest! {
        #[test]
        fn each_bit_comes_where_it_belongs(fields in 1_usize..20, rows in 0_usize..200, seed: u64) {
            let is_null = |field: usize, row: usize| {
                seed.wrapping_mul((field * 211 + row) as u64 | 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 63 == 1
            };
            let (bytes, at) = (fields.div_ceil(8), 3);
            let mut bits = NullBits::default();
            bits.clear(16, 300);
            bits.clear(bytes * 8, rows);
            for field in 0..fields {
                let valid: Vec<bool> = (0..rows).map(|row| !is_null(field, row)).collect();
                bits.mark(field, Some(&NullBuffer::from(valid)));
            }
            let mut found = vec![0xFF_u8; rows * (at + bytes)];
            bits.write(&mut found, at + bytes, at);
            for (row, found) in found.chunks_exact(at + bytes).enumerate() {
                prop_assert_eq!(&found[..at], &[0xFF; 3]);
                for field in 0..bytes * 8 {
                    let bit = found[at + field / 8] >> (field % 8) & 1 == 1;
                    prop_assert_eq!(bit, field < fields && is_null(field, row));
                }
            }
        }
    }
}
