//! Parquet's hybrid of runs and packed bits (`RLE` in "Parquet encodings", <https://parquet.apache.org/docs/file-format/data-pages/encodings/>).

use parquet::errors::Result;

/// Bytes of the length in front of a page's levels.
const LENGTH_BYTES: usize = 4;

/// Fewer equal values in turn take no more room as packed bits.
const RUN_MIN: usize = 8;

/// Groups of eight values behind one header: it takes one byte then, as all writers do it.
const PACKED_GROUPS_MAX: usize = 63;

/// Appends numbers of at most `width` bits each. Runs begin where a group of eight would.
fn append_numbers(numbers: &[u32], width: u32, into: &mut Vec<u8>) {
    let (mut packed_from, mut at) = (0, 0);
    while at < numbers.len() {
        let number = numbers[at];
        let length = numbers[at..].iter().take_while(|next| **next == number).count();
        // What is packed before the run must be whole groups.
        let lent = (8 - (at - packed_from) % 8) % 8;
        if length >= RUN_MIN + lent {
            append_packed(&numbers[packed_from..at + lent], width, into);
            append_run(number, width, length - lent, into);
            packed_from = at + length;
        }
        at += length;
    }
    append_packed(&numbers[packed_from..], width, into);
}

/// Appends `length` times a number of at most `width` bits.
pub(super) fn append_run(number: u32, width: u32, length: usize, into: &mut Vec<u8>) {
    append_header((length as u64) << 1, into);
    into.extend_from_slice(&number.to_le_bytes()[..width.div_ceil(8) as usize]);
}

/// Appends levels as the first version of data pages has them: what `append` appends, behind its length.
pub(crate) fn append_behind_length(into: &mut Vec<u8>, append: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
    let start = into.len();
    into.extend_from_slice(&[0; LENGTH_BYTES]);
    append(into);
    let length = u32::try_from(into.len() - start - LENGTH_BYTES)?;
    into[start..start + LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// Appends the references of a page to a dictionary of so many entries, behind their width.
pub(crate) fn append_references(references: &[u32], entries: usize, into: &mut Vec<u8>) {
    let width = width_of(entries);
    into.push(width as u8);
    append_numbers(references, width, into);
}

/// Appends whole groups; the last one is filled up.
fn append_packed(numbers: &[u32], width: u32, into: &mut Vec<u8>) {
    for groups in numbers.chunks(PACKED_GROUPS_MAX * 8) {
        let count = groups.len().div_ceil(8);
        append_header((count as u64) << 1 | 1, into);
        let end = into.len() + count * width as usize;
        let (mut waiting, mut bits) = (0_u64, 0);
        for number in groups {
            waiting |= u64::from(*number) << bits;
            bits += width;
            if bits >= 32 {
                into.extend_from_slice(&(waiting as u32).to_le_bytes());
                waiting >>= 32;
                bits -= 32;
            }
        }
        into.extend_from_slice(&waiting.to_le_bytes()[..bits.div_ceil(8) as usize]);
        into.resize(end, 0);
    }
}

/// Appends `length` levels of one bit, packed already, the first in the lowest bit.
///
/// What is packed begins anew behind every run, wherever that ends: rows that come again, as those of the next day do, look the
/// same then, and the codec finds them.
pub(crate) fn append_levels(packed: &[u8], length: usize, into: &mut Vec<u8>) {
    let byte = |at: usize| packed.get(at).copied().unwrap_or(0);
    let group = |at: usize| {
        let pair = u16::from_le_bytes([byte(at / 8), byte(at / 8 + 1)]);
        (pair >> (at % 8)) as u8
    };
    let (mut groups, mut at) = (Vec::new(), 0);
    while at < length {
        let first = group(at);
        if at + 8 > length || (first != 0 && first != u8::MAX) {
            groups.push(first & u8::MAX.unbounded_shr(8_u32.saturating_sub((length - at) as u32)));
            at += 8;
            continue;
        }
        append_packed_levels(&mut groups, into);
        let mut end = at + 8;
        while end + 8 <= length && group(end) == first {
            end += 8;
        }
        let more = (group(end) ^ first).trailing_zeros() as usize;
        end = length.min(end + more);
        append_run(u32::from(first & 1), 1, end - at, into);
        at = end;
    }
    append_packed_levels(&mut groups, into);
}

fn append_packed_levels(groups: &mut Vec<u8>, into: &mut Vec<u8>) {
    for groups in groups.chunks(PACKED_GROUPS_MAX) {
        append_header((groups.len() as u64) << 1 | 1, into);
        into.extend_from_slice(groups);
    }
    groups.clear();
}

/// ULEB-128.
fn append_header(mut header: u64, into: &mut Vec<u8>) {
    while header >= 0x80 {
        into.push(header as u8 | 0x80);
        header >>= 7;
    }
    into.push(header as u8);
}

/// Bits that hold all numbers below `count`; none where there is one only.
pub(crate) fn width_of(count: usize) -> u32 {
    usize::BITS - count.saturating_sub(1).leading_zeros()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{Just, Strategy, any};
    use proptest::{prop_assert_eq, proptest};

    use super::{append_levels, append_numbers, width_of};

    /// As the specification reads it, value by value.
    fn decoded(mut bytes: &[u8], width: u32, length: usize) -> Vec<u32> {
        let mut numbers = Vec::new();
        while numbers.len() < length {
            let (mut header, mut shift) = (0_u64, 0);
            loop {
                header |= u64::from(bytes[0] & 0x7F) << shift;
                shift += 7;
                let more = bytes[0] & 0x80 > 0;
                bytes = &bytes[1..];
                if !more {
                    break;
                }
            }
            let count = (header >> 1) as usize;
            if header & 1 == 0 {
                let (value, rest) = bytes.split_at(width.div_ceil(8) as usize);
                let value = value.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
                numbers.extend(std::iter::repeat_n(value, count));
                bytes = rest;
            } else {
                let (packed, rest) = bytes.split_at(count * width as usize);
                let bit = |at: usize| u32::from(packed[at / 8] >> (at % 8) & 1);
                let value = |at: usize| (0..width as usize).map(|i| bit(at * width as usize + i) << i).sum::<u32>();
                numbers.extend((0..count * 8).map(value));
                bytes = rest;
            }
        }
        assert!(bytes.is_empty() && numbers.len() < length + 8, "{} of {length} numbers", numbers.len());
        numbers.truncate(length);
        numbers
    }

    /// Runs of all lengths, and what is between them.
    fn runs(bits: u32) -> impl Strategy<Value = Vec<u32>> {
        let largest = u32::MAX.checked_shr(32 - bits).unwrap_or(0);
        let run = (any::<u32>(), proptest::prop_oneof![Just(1_usize), 1_usize..30, 500_usize..1100]);
        vec(run, 0..40).prop_map(move |runs| {
            runs.into_iter().flat_map(|(value, length)| std::iter::repeat_n(value & largest, length)).collect()
        })
    }

    proptest! {
        #[test]
        fn numbers_come_back((width, numbers) in (0_u32..=32).prop_flat_map(|width| (Just(width), runs(width)))) {
            let mut bytes = Vec::new();
            append_numbers(&numbers, width, &mut bytes);
            prop_assert_eq!(decoded(&bytes, width, numbers.len()), numbers);
        }

        /// As numbers of one bit, so that they are as short.
        #[test]
        fn levels_are_numbers(levels in runs(1)) {
            let mut packed = vec![0; levels.len().div_ceil(8)];
            levels.iter().enumerate().for_each(|(at, level)| packed[at / 8] |= (*level as u8) << (at % 8));
            let (mut bytes, mut as_numbers) = (Vec::new(), Vec::new());
            append_levels(&packed, levels.len(), &mut bytes);
            append_numbers(&levels, 1, &mut as_numbers);
            prop_assert_eq!(decoded(&bytes, 1, levels.len()), levels);
            prop_assert_eq!(bytes, as_numbers);
        }
    }

    #[test]
    fn one_value_takes_no_bits() {
        assert_eq!([0, 1, 2, 3, 4, 5, 256, 257].map(width_of), [0, 0, 1, 2, 2, 3, 8, 9]);
        let mut bytes = Vec::new();
        append_numbers(&[0; 20_000], 0, &mut bytes);
        assert_eq!(bytes, [0xC0, 0xB8, 0x02]);
    }
}
