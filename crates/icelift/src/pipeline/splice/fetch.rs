//! Fetches the chunks of a row group in requests of some MiB, ahead of who wants them.
//!
//! Chunks are wanted in the order of the new file, and lie in that of the old one: a table whose columns came one after the other
//! has them in many orders. Where memory allows it, requests are cut as the bytes lie, and what is wanted later is kept; elsewhere
//! only what is wanted together comes together. What must hold: every byte is asked for once, and each is handed over as it
//! is in the source.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::error::{Error, ErrorKind, Result};
use crate::storage::{Store, windows};

/// Bytes that nobody wants and that are fetched with their neighbours: they cost less than a request of their own.
const GAP_BYTES: u64 = 8 << 10;

/// The requests for a row group, in the order in which their bytes are first wanted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Requests {
    windows: Vec<Range<u64>>,
    /// Bytes of all windows.
    total_bytes: u64,
    /// The most that is kept at once, besides what is on its way.
    kept_bytes: u64,
}

impl Requests {
    /// For `ranges` in the order in which they are wanted, of at most `window_bytes` each. Requests are cut as the bytes lie if no
    /// more than `kept_bytes` must be kept until they are wanted.
    pub fn new(ranges: &[Range<u64>], window_bytes: u64, kept_bytes: u64) -> Self {
        let mut sorted = ranges.to_vec();
        sorted.sort_by_key(|range| range.start);
        let as_they_lie = Self::of(windows(&sorted, GAP_BYTES, window_bytes), ranges);
        if as_they_lie.kept_bytes <= kept_bytes {
            return as_they_lie;
        }
        // A chunk that several columns are made of comes once.
        let mut seen = BTreeSet::new();
        let once: Vec<_> = ranges.iter().filter(|range| seen.insert(range.start)).cloned().collect();
        Self::of(windows(&once, 0, window_bytes), ranges)
    }

    fn of(windows: Vec<Range<u64>>, ranges: &[Range<u64>]) -> Self {
        let mut ahead: BTreeMap<u64, Range<u64>> = windows.into_iter().map(|window| (window.start, window)).collect();
        let mut left = left_bytes(&ahead, ranges);
        let (mut windows, mut here, mut kept_bytes) = (Vec::new(), BTreeMap::new(), 0);
        for range in ranges {
            for start in touched(&left, range) {
                if let Some(window) = ahead.remove(&start) {
                    here.insert(start, length(&window));
                    windows.push(window);
                }
            }
            kept_bytes = kept_bytes.max(here.values().sum());
            for (start, bytes) in parts(&here, range) {
                if let Some(left) = left.get_mut(&start) {
                    *left -= bytes;
                    if *left == 0 {
                        here.remove(&start);
                    }
                }
            }
        }
        // What lies in gaps only was never asked for.
        let total_bytes = windows.iter().map(length).sum();
        Self { windows, total_bytes, kept_bytes }
    }

    /// What is in memory while `ahead` requests are under way or wait.
    pub fn memory_bytes(&self, ahead: usize) -> u64 {
        let longest = self.windows.iter().map(length).max().unwrap_or(0);
        self.total_bytes.min(self.kept_bytes + longest * ahead as u64)
    }
}

fn length(range: &Range<u64>) -> u64 {
    range.end - range.start
}

/// By the start of each window how many of its bytes are wanted.
fn left_bytes(windows: &BTreeMap<u64, Range<u64>>, ranges: &[Range<u64>]) -> BTreeMap<u64, u64> {
    let lengths: BTreeMap<u64, u64> = windows.iter().map(|(start, window)| (*start, length(window))).collect();
    let mut left: BTreeMap<u64, u64> = lengths.keys().map(|start| (*start, 0)).collect();
    for range in ranges {
        for (start, bytes) in parts(&lengths, range) {
            left.entry(start).and_modify(|left| *left += bytes);
        }
    }
    left
}

/// The windows in which a range has bytes, by their starts.
fn touched(windows: &BTreeMap<u64, u64>, range: &Range<u64>) -> Vec<u64> {
    if range.is_empty() {
        return Vec::new();
    }
    let first = windows.range(..=range.start).next_back().map(|(start, _)| *start);
    let others = windows.range(range.start + 1..range.end.max(range.start + 1)).map(|(start, _)| *start);
    first.into_iter().chain(others).collect()
}

/// How many bytes of a range each window has, by the windows' starts and lengths.
fn parts(windows: &BTreeMap<u64, u64>, range: &Range<u64>) -> Vec<(u64, u64)> {
    let part = |start: u64| {
        let end = start + windows.get(&start).copied().unwrap_or(0);
        (start, end.min(range.end).saturating_sub(start.max(range.start)))
    };
    touched(windows, range).into_iter().map(part).filter(|(_, bytes)| *bytes > 0).collect()
}

/// A row group's bytes on their way.
pub(super) struct Fetching {
    coming: mpsc::Receiver<Result<Fetched>>,
    /// What is here and wanted later, by its first byte.
    here: BTreeMap<u64, Kept>,
    wanted: Vec<Range<u64>>,
    _fetching: AbortOnDropHandle<()>,
}

struct Fetched {
    start: u64,
    bytes: Bytes,
}

struct Kept {
    bytes: Bytes,
    /// How many of them are wanted still.
    left: u64,
}

impl Fetching {
    /// Begins with the requests for `wanted`, of which `ahead` are under way or wait.
    pub fn new(store: Store, location: String, wanted: Vec<Range<u64>>, requests: Requests, ahead: usize) -> Self {
        // One waits in the channel, one at its end, the others are under way.
        let under_way = ahead.saturating_sub(2).max(1);
        let (sender, coming) = mpsc::channel(1);
        let rank = store.rank();
        let fetching = tokio::spawn(async move {
            let read = |range: Range<u64>| {
                let (store, location) = (store.clone(), location.clone());
                async move {
                    let start = range.start;
                    Ok(Fetched { start, bytes: store.read_in_turn(&location, range, rank).await? })
                }
            };
            let mut windows = stream::iter(requests.windows).map(read).buffered(under_way);
            while let Some(window) = windows.next().await {
                if sender.send(window).await.is_err() {
                    return;
                }
            }
        });
        Self { coming, here: BTreeMap::new(), wanted, _fetching: AbortOnDropHandle::new(fetching) }
    }

    /// The bytes of one of the wanted ranges, in pieces and without a copy. In the order in which they were wanted.
    pub async fn take(&mut self, range: Range<u64>) -> Result<Vec<Bytes>> {
        let (mut taken, mut at) = (Vec::new(), range.start);
        while at < range.end {
            let found = self.here.range_mut(..=at).next_back();
            let found = found.filter(|(start, kept)| at < **start + kept.bytes.len() as u64);
            let Some((start, kept)) = found else {
                self.receive().await?;
                continue;
            };
            let (start, end) = (*start, range.end.min(*start + kept.bytes.len() as u64));
            taken.push(kept.bytes.slice((at - start) as usize..(end - start) as usize));
            kept.left = kept.left.saturating_sub(end - at);
            if kept.left == 0 {
                self.here.remove(&start);
            }
            at = end;
        }
        Ok(taken)
    }

    async fn receive(&mut self) -> Result<()> {
        let ended = || Error::new(ErrorKind::Internal, "fewer bytes were asked for than are copied");
        let Fetched { start, bytes } = self.coming.recv().await.ok_or_else(ended)??;
        let window: BTreeMap<u64, u64> = [(start, bytes.len() as u64)].into();
        let left = self.wanted.iter().flat_map(|range| parts(&window, range)).map(|(_, bytes)| bytes).sum();
        self.here.insert(start, Kept { bytes, left });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use proptest::prelude::*;
    use tokio_util::task::TaskTracker;

    use super::{Fetching, GAP_BYTES, Requests};
    use crate::storage::{Meter, Store, UploadSettings};

    const KEPT_BYTES: u64 = 64 << 20;

    fn windows(ranges: &[Range<u64>], window_bytes: u64) -> Vec<Range<u64>> {
        Requests::new(ranges, window_bytes, KEPT_BYTES).windows
    }

    #[test]
    fn neighbours_come_with_one_request_and_large_gaps_are_not_fetched() {
        let far = GAP_BYTES + 10;
        assert_eq!(windows(&[4..6, 6..9, far..far + 2], 10), [4..9, far..far + 2]);
        assert_eq!(windows(&[4..6, 7..9, 7..9, far..far + 1], 10), [4..9, far..far + 1]);
        assert_eq!(windows(&[0..4, 4..25], 10), [0..10, 10..20, 20..25]);
        assert_eq!(windows(&[], 10), [] as [Range<u64>; 0]);
    }

    #[test]
    fn other_orders_take_no_more_requests_until_memory_ends() {
        assert_eq!(windows(&[10..20, 0..10, 30..40, 20..30], 20), [0..20, 20..40]);
        assert_eq!(windows(&[30..40, 0..30], 10), [30..40, 0..10, 10..20, 20..30]);
        assert_eq!(windows(&[20..30, 0..20, 20..30], 20), [20..30, 0..20]);
        let half = KEPT_BYTES;
        let ranges = [half..2 * half, 0..half / 2, half / 2..half];
        let kept = Requests::new(&ranges, 4 * half, KEPT_BYTES);
        assert_eq!(kept.windows, [half..2 * half, 0..half]);
        assert_eq!(kept.memory_bytes(2), 2 * half);
    }

    proptest! {
        #[test]
        fn each_range_comes_as_it_is(
            lengths in prop::collection::vec((0_u64..40, 0_u64..3), 1..20),
            seed: u64,
            window_bytes in 1_u64..64,
            ahead in 1_usize..5,
        ) {
            let (mut ranges, mut end) = (Vec::new(), 0);
            for (length, gap) in lengths {
                ranges.push(end + gap..end + gap + length);
                end += gap + length;
            }
            let mut state = seed;
            for last in (1..ranges.len()).rev() {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                ranges.swap(last, (state >> 33) as usize % (last + 1));
            }
            if seed % 2 == 0 {
                ranges.push(ranges[0].clone());
            }
            let content: Vec<u8> = (0..end).map(|at| (at * 7 % 251) as u8).collect();
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), &content).unwrap();
            let account = std::sync::Arc::new(Meter::default());
            let store = Store::local(UploadSettings::default(), TaskTracker::new()).on_account(&account);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let requests = Requests::new(&ranges, window_bytes, KEPT_BYTES);
                let (total_bytes, count) = (requests.total_bytes, requests.windows.len() as u64);
                let location = file.path().display().to_string();
                let mut fetching = Fetching::new(store, location, ranges.clone(), requests, ahead);
                for range in ranges {
                    let found = fetching.take(range.clone()).await.unwrap().concat();
                    prop_assert_eq!(&found[..], &content[range.start as usize..range.end as usize]);
                }
                prop_assert!(fetching.here.is_empty());
                prop_assert_eq!((account.read().read_bytes, account.read().get_requests), (total_bytes, count));
                Ok(())
            })?;
        }
    }
}
