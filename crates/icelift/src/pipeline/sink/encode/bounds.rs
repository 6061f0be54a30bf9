//! The smallest and the largest value of a page and of a chunk, as statistics have them.

use parquet::data_type::ByteArray;
use parquet::file::statistics::{Statistics, ValueStatistics};

use crate::pipeline::sink::metrics::{raised_bytes, raised_text};

/// A value in its physical type. Bytes are compared as unsigned ones.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub(super) enum Bound {
    Int32(i32),
    Int64(i64),
    Float(f32),
    Double(f64),
    Bytes(Vec<u8>),
}

/// Of values that are there, NaN not counted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bounds {
    pub lower: Bound,
    pub upper: Bound,
}

impl Bounds {
    pub fn widen(&mut self, other: &Self) {
        if other.lower < self.lower {
            self.lower = other.lower.clone();
        }
        if other.upper > self.upper {
            self.upper = other.upper.clone();
        }
    }

    /// Bounds of at most so many bytes around these, and whether they are the same.
    pub fn truncated(&self, length: Option<usize>, is_text: bool) -> (Self, (bool, bool)) {
        let mut cut = self.clone();
        let (Some(length), Bound::Bytes(lower), Bound::Bytes(upper)) = (length, &mut cut.lower, &mut cut.upper) else {
            return (cut, (true, true));
        };
        let (lower_end, upper_end) = (prefix_length(lower, length, is_text), prefix_length(upper, length, is_text));
        let mut exact = (true, true);
        // A prefix without a character would be below everything.
        if lower.len() > length && lower_end > 0 {
            lower.truncate(lower_end);
            exact.0 = false;
        }
        if upper.len() > length {
            let prefix = &upper[..upper_end];
            let raised = match is_text {
                true => std::str::from_utf8(prefix).ok().and_then(raised_text),
                false => raised_bytes(prefix),
            };
            // There may be nothing so short above it.
            if let Some(raised) = raised {
                *upper = raised;
                exact.1 = false;
            }
        }
        (cut, exact)
    }
}

/// The end of a prefix of at most `length` bytes, of whole characters.
fn prefix_length(bytes: &[u8], length: usize, is_text: bool) -> usize {
    let is_start = |at: &usize| !is_text || bytes.get(*at).is_none_or(|byte| byte & 0xC0 != 0x80);
    (0..=length).rev().find(is_start).unwrap_or(0)
}

impl Bound {
    /// In Parquet's PLAIN encoding, bytes without their length.
    pub fn plain(&self) -> Vec<u8> {
        match self {
            Self::Int32(value) => value.to_le_bytes().to_vec(),
            Self::Int64(value) => value.to_le_bytes().to_vec(),
            Self::Float(value) => value.to_le_bytes().to_vec(),
            Self::Double(value) => value.to_le_bytes().to_vec(),
            Self::Bytes(value) => value.clone(),
        }
    }
}

/// The statistics of a chunk with these bounds.
pub(super) fn statistics(bounds: Bounds, exact: (bool, bool), nulls: u64) -> Option<Statistics> {
    /// Old readers look where signed values have always been; bytes were not signed there.
    macro_rules! signed {
        ($lower:expr, $upper:expr) => {
            ValueStatistics::new(Some($lower), Some($upper), None, Some(nulls), false)
                .with_backwards_compatible_min_max(true)
                .into()
        };
    }
    Some(match (bounds.lower, bounds.upper) {
        (Bound::Int32(lower), Bound::Int32(upper)) => signed!(lower, upper),
        (Bound::Int64(lower), Bound::Int64(upper)) => signed!(lower, upper),
        (Bound::Float(lower), Bound::Float(upper)) => signed!(lower, upper),
        (Bound::Double(lower), Bound::Double(upper)) => signed!(lower, upper),
        (Bound::Bytes(lower), Bound::Bytes(upper)) => {
            let (lower, upper) = (ByteArray::from(lower), ByteArray::from(upper));
            ValueStatistics::new(Some(lower), Some(upper), None, Some(nulls), false)
                .with_min_is_exact(exact.0)
                .with_max_is_exact(exact.1)
                .into()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Bound, Bounds};

    fn truncated(lower: &[u8], upper: &[u8], is_text: bool) -> (Vec<u8>, Vec<u8>, (bool, bool)) {
        let bounds = Bounds { lower: Bound::Bytes(lower.to_vec()), upper: Bound::Bytes(upper.to_vec()) };
        let (cut, exact) = bounds.truncated(Some(3), is_text);
        (cut.lower.plain(), cut.upper.plain(), exact)
    }

    #[test]
    fn truncated_bounds_are_whole_characters_around_the_values() {
        assert_eq!(truncated(b"abc", b"abc", true), (b"abc".to_vec(), b"abc".to_vec(), (true, true)));
        assert_eq!(truncated(b"abcd", b"abcd", true), (b"abc".to_vec(), b"abd".to_vec(), (false, false)));
        let (lower, upper, _) = truncated("abä".as_bytes(), "abä".as_bytes(), true);
        assert_eq!((lower, upper), (b"ab".to_vec(), b"ac".to_vec()));
        assert_eq!(truncated(&[1, 2, 0xFF, 4], &[1, 0xFF, 0xFF, 4], false).1, [2]);
        let highest = [0xFF; 5];
        assert_eq!(truncated(&highest, &highest, false), (highest[..3].to_vec(), highest.to_vec(), (false, true)));
    }
}
