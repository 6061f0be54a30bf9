//! Finds the number of a value among those met before: open addressing, one probe for a value that is known.

/// What a slot knows of an entry: its hash, so that values are compared only where that is equal, and its number plus one.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    hash: u32,
    number: u32,
}

/// Numbers of values by hash. The values themselves are with the caller.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// As many as a power of two, a quarter of them free.
    slots: Vec<Slot>,
    entries: u32,
    /// How many there may be before there are more slots.
    entries_max: u32,
}

const SLOTS_AT_FIRST: usize = 64;

impl Table {
    /// The number of the value with this hash for which `is_equal` holds. `None` where there was none: it is `next` from now on.
    #[inline]
    pub fn find_or_put(&mut self, hash: u32, next: usize, is_equal: impl Fn(usize) -> bool) -> Option<u32> {
        if self.entries >= self.entries_max {
            self.grow();
        }
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot.number == 0 {
                break;
            }
            if slot.hash == hash && is_equal(slot.number as usize - 1) {
                return Some(slot.number - 1);
            }
            at = (at + 1) & mask;
        }
        self.entries += 1;
        self.slots[at] = Slot { hash, number: next as u32 + 1 };
        None
    }

    fn grow(&mut self) {
        let length = (self.slots.len() * 2).max(SLOTS_AT_FIRST);
        let old = std::mem::replace(&mut self.slots, vec![Slot::default(); length]);
        for slot in old.into_iter().filter(|slot| slot.number > 0) {
            let mut at = slot.hash as usize & (length - 1);
            while self.slots[at].number > 0 {
                at = (at + 1) & (length - 1);
            }
            self.slots[at] = slot;
        }
        self.entries_max = u32::try_from(length / 4 * 3).unwrap_or(u32::MAX);
    }

    pub fn memory_bytes(&self) -> usize {
        self.slots.len() * size_of::<Slot>()
    }
}

/// A hash of the bits of a number: all of them decide about all of it.
#[inline]
pub(super) fn hash_of(bits: u64) -> u32 {
    // The golden ratio, as in Fibonacci hashing (Knuth, TAOCP 3, 6.4), with both halves of the product.
    let product = u128::from(bits ^ 0x5851_F42D_4C95_7F2D) * 0x9E37_79B9_7F4A_7C15;
    let folded = product as u64 ^ (product >> 64) as u64;
    (folded ^ (folded >> 32)) as u32
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::collection::vec;
    use proptest::prelude::{any, prop_oneof};
    use proptest::{prop_assert_eq, proptest};

    use super::{Table, hash_of};

    proptest! {
        /// Whatever the hashes are, a value keeps its number.
        #[test]
        fn a_value_keeps_its_number(
            values in vec(prop_oneof![0_u64..300, any::<u64>()], 0..1000),
            hash_bits in 0_u32..=32,
        ) {
            let (mut table, mut met, mut known) = (Table::default(), Vec::new(), HashMap::new());
            for value in values {
                let hash = hash_of(value) & u32::MAX.checked_shr(32 - hash_bits).unwrap_or(0);
                let found = table.find_or_put(hash, met.len(), |number| met[number] == value);
                prop_assert_eq!(found, known.get(&value).copied());
                if found.is_none() {
                    known.insert(value, met.len() as u32);
                    met.push(value);
                }
            }
        }
    }
}
