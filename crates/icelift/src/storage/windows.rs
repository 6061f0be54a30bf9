//! Requests for ranges of an object: neighbours come together, long ones in several requests.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// Windows of at most `window_bytes` for ranges in their order; such that touch come together, or have a gap of at most
/// `gap_bytes`: these cost less than a request of their own. Ranges that go back begin a window of their own.
pub(crate) fn windows(ranges: &[Range<u64>], gap_bytes: u64, window_bytes: u64) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for range in ranges.iter().filter(|range| !range.is_empty()) {
        match runs.last_mut() {
            Some(last) if last.start <= range.start && range.start <= last.end.saturating_add(gap_bytes) => {
                last.end = last.end.max(range.end);
            }
            _ => runs.push(range.clone()),
        }
    }
    let cut = |run: Range<u64>| {
        let starts = (run.start..run.end).step_by(usize::try_from(window_bytes.max(1)).unwrap_or(usize::MAX));
        starts.map(move |start| start..start.saturating_add(window_bytes.max(1)).min(run.end))
    };
    runs.into_iter().flat_map(cut).collect()
}

/// The bytes of a range out of sorted windows, of which each has its first byte's place; not copied where one window has them all.
pub(super) fn slice(windows: &[(u64, Bytes)], range: &Range<u64>) -> Bytes {
    let first = windows.partition_point(|(start, bytes)| start + bytes.len() as u64 <= range.start);
    let parts = windows[first..].iter().take_while(|(start, _)| *start < range.end).map(|(start, bytes)| {
        let end = range.end.min(start + bytes.len() as u64);
        bytes.slice((range.start.max(*start) - start) as usize..(end - start) as usize)
    });
    let mut parts: Vec<Bytes> = parts.collect();
    match parts.len() {
        0 => Bytes::new(),
        1 => parts.swap_remove(0),
        _ => parts
            .iter()
            .fold(BytesMut::new(), |mut all, part| {
                all.extend_from_slice(part);
                all
            })
            .freeze(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::{slice, windows};

    #[test]
    fn neighbours_come_together_and_long_ones_are_cut() {
        assert_eq!(windows(&[4..6, 6..9, 20..22], 10, 100), [4..9, 20..22]);
        assert_eq!(windows(&[4..6, 16..17, 99..100], 10, 100), [4..17, 99..100]);
        assert_eq!(windows(&[0..4, 4..25], 0, 10), [0..10, 10..20, 20..25]);
        assert_eq!(windows(&[10..20, 0..10, 3..3], 0, 10), [10..20, 0..10]);
    }

    proptest! {
        #[test]
        fn each_range_comes_out_as_it_is(
            pieces in prop::collection::vec((0_u64..9, 0_u64..9), 0..20),
            gap_bytes in 0_u64..5,
            window_bytes in 1_u64..20,
        ) {
            let (mut ranges, mut end) = (Vec::new(), 0);
            for (gap, length) in pieces {
                ranges.push(end + gap..end + gap + length);
                end += gap + length;
            }
            let content: Vec<u8> = (0..end).map(|at| at as u8).collect();
            let windows = windows(&ranges, gap_bytes, window_bytes);
            let fetched: Vec<_> = windows.into_iter().map(|window| {
                let bytes = Bytes::copy_from_slice(&content[window.start as usize..window.end as usize]);
                (window.start, bytes)
            }).collect();
            for range in ranges {
                prop_assert_eq!(&slice(&fetched, &range)[..], &content[range.start as usize..range.end as usize]);
            }
        }
    }
}
