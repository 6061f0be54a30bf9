//! How many writers a key gets, and which.
//!
//! Every lane that works on a key keeps a row group of it open in memory, with dictionaries of its own, and leaves a row group of
//! its own in the file. So a key begins on one lane, the one with the least to do, and goes to one more only when it has brought
//! much and its lanes are ahead of another: rows in the order of their partitions are encoded by all lanes, and of rows in any order
//! each partition stays on its lane.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes in memory that a key must have brought for each further lane, and that its lanes must be ahead by.
const SPREAD_BYTES: usize = 16 << 20;

/// Assigns lanes to keys. Shared by all inputs of a sink.
#[derive(Debug)]
pub(crate) struct Lanes {
    state: Mutex<State>,
    /// What a key is expected to bring before it has brought anything.
    expected_bytes: usize,
}

#[derive(Debug)]
struct State {
    keys: HashMap<Arc<[u8]>, Spread>,
    /// By lane: what it was given so far.
    given_bytes: Vec<usize>,
}

#[derive(Debug)]
struct Spread {
    lanes: Vec<usize>,
    seen_bytes: usize,
}

impl Lanes {
    /// `expected_bytes` is what every key will bring at least, as far as the plan knows.
    pub fn new(count: usize, expected_bytes: usize) -> Self {
        let state = State { keys: HashMap::new(), given_bytes: vec![0; count.max(1)] };
        Self { state: Mutex::new(state), expected_bytes }
    }

    /// The lane for `bytes` more of `key` that arrive at `input`: the input's own if the key has spread there and it is not ahead.
    pub fn assign(&self, key: &Arc<[u8]>, input: usize, bytes: usize) -> usize {
        let State { keys, given_bytes } = &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let own = input % given_bytes.len();
        let least_of = |lanes: &mut dyn Iterator<Item = usize>| {
            lanes.min_by_key(|lane| (given_bytes[*lane], *lane != own)).unwrap_or(own)
        };
        let emptiest = least_of(&mut (0..given_bytes.len()));
        let spread = keys.entry(Arc::clone(key)).or_insert_with(|| {
            let width = (1 + self.expected_bytes / SPREAD_BYTES).min(given_bytes.len());
            let lanes = (emptiest..emptiest + width).map(|lane| lane % given_bytes.len());
            Spread { lanes: lanes.collect(), seen_bytes: self.expected_bytes }
        });
        let is_ahead = |lane: usize| given_bytes[lane] >= given_bytes[emptiest] + SPREAD_BYTES;
        let mut lane = match spread.lanes.contains(&own) && !is_ahead(own) {
            true => own,
            false => least_of(&mut spread.lanes.iter().copied()),
        };
        let may_spread = spread.seen_bytes / SPREAD_BYTES >= spread.lanes.len();
        if may_spread && is_ahead(lane) {
            spread.lanes.push(emptiest);
            lane = emptiest;
        }
        spread.seen_bytes = spread.seen_bytes.saturating_add(bytes);
        given_bytes[lane] = given_bytes[lane].saturating_add(bytes);
        lane
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
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
        let first: BTreeSet<_> = (0..4).map(|_| lanes.assign(&key, 2, SPREAD_BYTES)).collect();
        assert_eq!(first.len(), 4);
        let assigned: Vec<_> = (0..4).map(|input| lanes.assign(&key, input, 1)).collect();
        assert_eq!(assigned, [0, 1, 2, 3]);
    }

    #[test]
    fn a_key_that_is_expected_to_be_large_starts_wide() {
        let lanes = Lanes::new(2, 10 * SPREAD_BYTES);
        let key: Arc<[u8]> = Arc::from([]);
        assert_eq!([lanes.assign(&key, 0, 1), lanes.assign(&key, 1, 1)], [0, 1]);
    }

    #[test]
    fn large_keys_side_by_side_stay_on_a_lane_each() {
        let lanes = Lanes::new(2, 0);
        let keys: [Arc<[u8]>; 4] = [1, 2, 3, 4].map(|key| Arc::from([key]));
        let mut used = BTreeSet::new();
        for batch in 0..100 {
            for key in &keys {
                used.insert((key[0], lanes.assign(key, batch % 2, SPREAD_BYTES / 4)));
            }
        }
        assert_eq!(used, BTreeSet::from([(1, 0), (2, 1), (3, 0), (4, 1)]));
    }

    #[test]
    fn keys_one_after_the_other_are_shared_evenly() {
        let lanes = Lanes::new(3, 0);
        let mut given_bytes = [0; 3];
        for part in 0..1000_usize {
            let key: Arc<[u8]> = Arc::from([(part / 250) as u8]);
            let lane = lanes.assign(&key, part % 3, SPREAD_BYTES / 8);
            given_bytes[lane] += SPREAD_BYTES / 8;
        }
        let (least, most) = (given_bytes.iter().min().unwrap(), given_bytes.iter().max().unwrap());
        assert!(most - least <= 2 * SPREAD_BYTES, "{given_bytes:?}");
    }
}
