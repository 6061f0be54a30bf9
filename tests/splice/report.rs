//! What EXPLAIN says of the row groups of a statement, and how much of it has been seen in all.

use std::collections::BTreeSet;

use libtest_mimic::Failed;

use crate::clouds::world::equal;

/// Why a row group is not copied, in the words of EXPLAIN.
const REFUSALS: [&str; 11] = [
    "too small to be kept as row groups",
    "larger than what a file or the memory shall hold",
    "rows of their files may be deleted",
    "may hold rows that the query leaves out",
    "may hold rows of several partitions",
    "is computed from row to row",
    "is stored in another way than in the table",
    "has changed since",
    "without being decoded",
    "the table wants a Bloom filter",
    "the footer tells too little",
];

/// Of how many row groups, how many were copied, and why the others were not.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) copied: u64,
    pub(super) encoded: u64,
    refusals: BTreeSet<&'static str>,
}

impl Tally {
    /// Reads the row `splice` of an answer to EXPLAIN; a statement that cannot copy anything has none.
    pub(super) fn explained(answer: &[Vec<String>]) -> Result<Self, Failed> {
        let mut tally = Self::default();
        let row = answer.iter().find(|row| row.first().is_some_and(|cell| cell == "splice"));
        for line in row.and_then(|row| row.get(1)).into_iter().flat_map(|text| text.split("\\n")) {
            let number = |text: &str| text.split(' ').next().and_then(|word| word.parse::<u64>().ok());
            let (kind, rest) = line.split_once(": ").ok_or_else(|| format!("`{line}` says nothing"))?;
            let row_groups = number(rest).ok_or_else(|| format!("`{line}` has no number"))?;
            if kind == "copied" {
                tally.copied += row_groups;
                continue;
            }
            tally.encoded += row_groups;
            let known = REFUSALS.iter().find(|refusal| line.contains(**refusal));
            tally.refusals.insert(known.ok_or_else(|| format!("`{line}` gives no reason that is known"))?);
        }
        Ok(tally)
    }

    pub(super) fn add(&mut self, other: Self) {
        self.copied += other.copied;
        self.encoded += other.encoded;
        self.refusals.extend(other.refusals);
    }

    /// Every reason has been seen, and enough has been copied for the comparison to mean something.
    pub(super) fn is_telling(&self, least_percent: u64) -> Result<(), Failed> {
        let missing: Vec<_> = REFUSALS.iter().filter(|refusal| !self.refusals.contains(**refusal)).collect();
        equal("reasons that never occurred", missing, Vec::new())?;
        let Self { copied, encoded, .. } = self;
        if copied * 100 < least_percent * (copied + encoded) {
            return Err(format!("{copied} row groups were copied and {encoded} encoded: that proves little").into());
        }
        Ok(())
    }
}
