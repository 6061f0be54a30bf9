//! What many batches make of the target's metadata, beside the rows.

use super::{Finding, Level};
use crate::catalog::least_wait;

/// What a snapshot of a migration takes in the table's metadata, as the trials `migrate::growth` measure it.
pub(crate) const SNAPSHOT_BYTES: u64 = 1_000;
/// Batches from which on that is worth a word: a metadata file of a megabyte.
const WORTH_A_WORD: u64 = 1_000;

/// Each batch is a snapshot, and each commit writes the metadata anew, with all snapshots in it. `snapshots` are there
/// already; `batches` are to be committed.
pub(crate) fn growth(snapshots: u64, batches: u64, target_kind: &str) -> Option<Finding> {
    if batches < WORTH_A_WORD {
        return None;
    }
    let after = snapshots + batches;
    let file_bytes = after * SNAPSHOT_BYTES;
    let written_bytes = (snapshots + after) * batches / 2 * SNAPSHOT_BYTES;
    let minutes = least_wait(target_kind, batches).as_secs().div_ceil(60);
    let wait = if minutes == 0 { String::new() } else { format!("; their commits take {minutes} minutes or more") };
    let message = format!(
        "{batches} batches are as many snapshots: the metadata file comes to {} MB, and is written anew with each, \
         {} GB in all{wait}; a coarser BATCH BY takes less",
        (file_bytes + 500_000) / 1_000_000,
        (written_bytes + 500_000_000) / 1_000_000_000
    );
    Some(Finding::new(Level::Costly, "batches", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_batches_are_told_with_numbers() {
        let told = |snapshots, batches, kind: &str| growth(snapshots, batches, kind).map(|it| it.message);
        assert_eq!(told(0, 999, "r2"), None);
        let local = "1000 batches are as many snapshots: the metadata file comes to 1 MB, and is written anew with each, \
                     1 GB in all; a coarser BATCH BY takes less";
        assert_eq!(told(1, 1_000, "local").as_deref(), Some(local));
        // 20 commits a minute: 499 times 61 seconds pass before the last ones.
        let r2 = "10000 batches are as many snapshots: the metadata file comes to 10 MB, and is written anew with each, \
                  51 GB in all; their commits take 508 minutes or more; a coarser BATCH BY takes less";
        assert_eq!(told(100, 10_000, "r2").as_deref(), Some(r2));
    }
}
