//! Finds the number of a value among those met before: open addressing, one probe for a value that is known.

/// Numbers of values by hash. The values themselves are with the caller.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// As many as a power of two, a quarter of them free. The low bits of the hash are the place of an entry. Its slot holds the
    /// other bits of the hash, so that values are compared only where those are equal, above its number plus one.
    slots: Vec<u32>,
}

const SLOTS_AT_FIRST: usize = 64;

/// No number: there are fewer values.
pub(super) const NO_GUESS: u32 = u32::MAX;

impl Table {
    /// For each hash the number that its value has if it is known and nothing else has taken its place.
    ///
    /// A large table is not in the cache, and its places are fetched all at once here. To look for one value after the other is to
    /// wait for memory each time.
    pub fn guess(&self, hashes: impl Iterator<Item = u32>, guesses: &mut [u32]) {
        if self.slots.is_empty() {
            return guesses.fill(NO_GUESS);
        }
        let mask = self.slots.len() - 1;
        for (hash, guess) in hashes.zip(guesses) {
            let slot = self.slots[hash as usize & mask];
            let is_alike = (slot ^ hash) & !(mask as u32) == 0;
            *guess = (slot & mask as u32 & u32::from(is_alike).wrapping_neg()).wrapping_sub(1);
        }
    }

    /// The number of the value with this hash for which `is_equal` holds. `None` where there was none: it is `next` from now on.
    /// `hash_of` tells the hash of each number below `next`.
    #[inline]
    pub fn find_or_put(
        &mut self,
        hash: u32,
        next: usize,
        is_equal: impl Fn(usize) -> bool,
        hash_of: impl Fn(usize) -> u32,
    ) -> Option<u32> {
        if next * 4 >= self.slots.len() * 3 {
            self.grow(next, hash_of);
        }
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            let number = slot & mask as u32;
            if number == 0 {
                break;
            }
            if (slot ^ hash) & !(mask as u32) == 0 && is_equal(number as usize - 1) {
                return Some(number - 1);
            }
            at = (at + 1) & mask;
        }
        self.slots[at] = entry(hash, next, mask);
        None
    }

    /// More slots, and all entries in their new places.
    #[cold]
    fn grow(&mut self, next: usize, hash_of: impl Fn(usize) -> u32) {
        let length = ((next + 1).next_power_of_two() * 2).max(SLOTS_AT_FIRST);
        let mask = length - 1;
        self.slots = vec![0; length];
        for number in 0..next {
            let hash = hash_of(number);
            let mut at = hash as usize & mask;
            while self.slots[at] != 0 {
                at = (at + 1) & mask;
            }
            self.slots[at] = entry(hash, number, mask);
        }
    }

    pub fn memory_bytes(&self) -> usize {
        self.slots.len() * size_of::<u32>()
    }
}

/// There are more slots than numbers, so that a number has room below the bits of the hash.
fn entry(hash: u32, number: usize, mask: usize) -> u32 {
    hash & !(mask as u32) | (number as u32 + 1)
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
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::{NO_GUESS, Table, hash_of};

    proptest! {
        /// Whatever the hashes are, a value keeps its number.
        #[test]
        fn a_value_keeps_its_number(
            values in vec(prop_oneof![0_u64..300, any::<u64>()], 0..1000),
            hash_bits in 0_u32..=32,
        ) {
            let (mut table, mut met, mut known) = (Table::default(), Vec::new(), HashMap::new());
            let hash_of = |value| hash_of(value) & u32::MAX.checked_shr(32 - hash_bits).unwrap_or(0);
            for value in values {
                let is_equal = |number: usize| met[number] == value;
                let found = table.find_or_put(hash_of(value), met.len(), is_equal, |number| hash_of(met[number]));
                prop_assert_eq!(found, known.get(&value).copied());
                let mut guesses = [0];
                table.guess([hash_of(value)].into_iter(), &mut guesses);
                prop_assert!(guesses[0] == NO_GUESS || guesses[0] as usize <= met.len());
                if found.is_none() {
                    known.insert(value, met.len() as u32);
                    met.push(value);
                }
            }
        }
    }

    #[test]
    fn known_values_are_guessed_unless_another_is_in_their_place() {
        let (mut table, mut guesses) = (Table::default(), [0; 1500]);
        let hashes = || (0..1500).map(hash_of);
        table.guess(hashes(), &mut guesses);
        assert_eq!(guesses, [NO_GUESS; 1500]);
        for number in 0..1000_u32 {
            table.find_or_put(hash_of(number.into()), number as usize, |_| false, |at| hash_of(at as u64));
        }
        table.guess(hashes(), &mut guesses);
        let guessed = (0..1000).filter(|number| guesses[*number as usize] == *number).count();
        assert!(guessed > 600, "{guessed}");
        let (known, unknown) = guesses.split_at(1000);
        assert!(known.iter().chain(unknown).all(|guess| *guess == NO_GUESS || *guess < 1000));
    }
}
