//! What comes into the partitions of a sink still. A file is completed as soon as nothing more does, and not only when everything
//! is there: its last part is sent, and it is read again, while others are written.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Row groups to come, by the bytes of their partition's key.
#[derive(Debug)]
pub(super) struct Coming(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Row groups of any partition may be encoded.
    encoding: bool,
    /// It is not known yet of all row groups whether they are copied.
    deciding: bool,
    /// Row groups that will be copied.
    copies: HashMap<Arc<[u8]>, usize>,
}

impl Default for Coming {
    fn default() -> Self {
        Self(Mutex::new(State { encoding: true, deciding: true, copies: HashMap::new() }))
    }
}

impl Coming {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A row group will be copied.
    pub fn expect(&self, key: &Arc<[u8]>) {
        *self.state().copies.entry(Arc::clone(key)).or_default() += 1;
    }

    /// A row group that was expected is there.
    pub fn arrived(&self, key: &Arc<[u8]>) {
        let mut state = self.state();
        if let Some(copies) = state.copies.get_mut(key) {
            *copies -= 1;
            if *copies == 0 {
                state.copies.remove(key);
            }
        }
    }

    /// All row groups that will be copied are expected by now.
    pub fn end_deciding(&self) {
        self.state().deciding = false;
    }

    /// No row group is encoded any more.
    pub fn end_encoding(&self) {
        self.state().encoding = false;
    }

    /// Whether nothing more comes into the partition.
    pub fn is_over(&self, key: &Arc<[u8]>) -> bool {
        let state = self.state();
        !state.encoding && !state.deciding && !state.copies.contains_key(key)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Coming;

    #[test]
    fn a_partition_is_over_when_nothing_can_come_any_more() {
        let [first, second]: [Arc<[u8]>; 2] = [Arc::from([1]), Arc::from([2])];
        let coming = Coming::default();
        coming.expect(&first);
        coming.expect(&first);
        coming.end_encoding();
        assert!(!coming.is_over(&second), "it may be decided that something is copied");
        coming.end_deciding();
        assert!(coming.is_over(&second));
        coming.arrived(&first);
        assert!(!coming.is_over(&first));
        coming.arrived(&first);
        assert!(coming.is_over(&first));
    }
}
