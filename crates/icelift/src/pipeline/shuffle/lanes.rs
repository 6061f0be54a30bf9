//! How many writers a key gets.
//!
//! Every lane that works on a key keeps a row group of it open in memory, and leaves a row group of its own in the file.
//! So a key starts on one lane, that of the input that brought it first, and spreads as it grows: what has brought many
//! bytes is expected to bring as many again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes in memory that a key must have brought for each further lane.
const SPREAD_BYTES: usize = 16 << 20;

/// Assigns lanes to keys. Shared by all inputs of a sink.
#[derive(Debug)]
pub(crate) struct Lanes {
    count: usize,
    spread: Mutex<HashMap<Arc<[u8]>, Spread>>,
    /// What a key is expected to bring before it has brought anything.
    expected_bytes: usize,
}

#[derive(Debug)]
struct Spread {
    home: usize,
    seen_bytes: usize,
}

impl Lanes {
    /// `expected_bytes` is what every key will bring at least, as far as the plan knows.
    pub fn new(count: usize, expected_bytes: usize) -> Self {
        Self { count: count.max(1), spread: Mutex::default(), expected_bytes }
    }

    /// The lane for `bytes` more of `key` that arrive at `input`: the input's own if the key has spread there.
    pub fn assign(&self, key: &Arc<[u8]>, input: usize, bytes: usize) -> usize {
        let own = input % self.count;
        let mut spread = self.spread.lock().unwrap_or_else(PoisonError::into_inner);
        let expected = self.expected_bytes;
        let spread = spread.entry(Arc::clone(key)).or_insert(Spread { home: own, seen_bytes: expected });
        let width = (1 + spread.seen_bytes / SPREAD_BYTES).min(self.count);
        spread.seen_bytes = spread.seen_bytes.saturating_add(bytes);
        let distance = (own + self.count - spread.home) % self.count;
        if distance < width { own } else { (spread.home + distance % width) % self.count }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Lanes, SPREAD_BYTES};

    #[test]
    fn a_small_key_stays_on_the_lane_that_saw_it_first() {
        let lanes = Lanes::new(8, 0);
        let key: Arc<[u8]> = Arc::from([1]);
        let assigned: Vec<_> = [3, 0, 7, 3].iter().map(|input| lanes.assign(&key, *input, 1)).collect();
        assert_eq!(assigned, [3, 3, 3, 3]);
    }

    #[test]
    fn a_large_key_spreads_to_every_lane() {
        let lanes = Lanes::new(4, 0);
        let key: Arc<[u8]> = Arc::from([1]);
        for _ in 0..3 {
            lanes.assign(&key, 2, SPREAD_BYTES);
        }
        let assigned: Vec<_> = (0..4).map(|input| lanes.assign(&key, input, 1)).collect();
        assert_eq!(assigned, [0, 1, 2, 3]);
    }

    #[test]
    fn a_key_that_is_expected_to_be_large_starts_wide() {
        let lanes = Lanes::new(2, 10 * SPREAD_BYTES);
        let key: Arc<[u8]> = Arc::from([]);
        assert_eq!([lanes.assign(&key, 0, 1), lanes.assign(&key, 1, 1)], [0, 1]);
    }
}
