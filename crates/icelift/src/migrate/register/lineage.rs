//! Whether the rows that a register speaks of are still in the table.
//!
//! Properties stay as they are when a table is set back to an older snapshot; its rows do not. The register names the
//! snapshot of its last commit, which must be an ancestor of what the main branch points to. Snapshots expire, so that it
//! may be gone without harm: then the sequence numbers of the ancestors that are left decide, and where they say nothing
//! the number of rows does.

use iceberg::spec::TableMetadata;

use super::Register;
use crate::error::{Error, ErrorKind, Result, Stage};

/// What the ancestors of the main branch tell.
#[derive(Debug, PartialEq, Eq)]
enum Lineage {
    Descends,
    SetBack,
    /// Ancestors have expired.
    Unknown,
}

impl Register {
    /// Fails if the table was set back behind the register's last commit.
    ///
    /// # Errors
    /// [`ErrorKind::Drift`].
    pub fn check_lineage(&self, metadata: &TableMetadata) -> Result<()> {
        if self.last.snapshot == 0 && self.done.count() == 0 {
            return Ok(());
        }
        let set_back = match self.lineage(metadata) {
            Lineage::Descends => false,
            Lineage::SetBack => true,
            Lineage::Unknown => total_records(metadata).is_some_and(|rows| rows < self.done.totals().print.rows),
        };
        if !set_back {
            return Ok(());
        }
        let message = format!(
            "the table was set back behind the snapshot {}, which {} finished batches rely on",
            self.last.snapshot,
            self.done.count()
        );
        Err(Error::new(ErrorKind::Drift, message)
            .stage(Stage::Snapshot)
            .hint("set the table to its latest snapshot again, or drop it and migrate anew"))
    }

    fn lineage(&self, metadata: &TableMetadata) -> Lineage {
        let Some(main) = metadata.current_snapshot() else { return Lineage::SetBack };
        let mut at = main;
        // No table has more ancestors than snapshots: a circle ends.
        for _ in 0..metadata.snapshots().len() {
            if at.snapshot_id() == self.last.snapshot {
                return Lineage::Descends;
            }
            // Format 1 has no sequence numbers: they are all 0.
            if at.sequence_number() < self.last.sequence && at.sequence_number() > 0 {
                return Lineage::SetBack;
            }
            match at.parent_snapshot_id() {
                None => return Lineage::SetBack,
                Some(parent) => match metadata.snapshot_by_id(parent) {
                    Some(parent) => at = parent,
                    None => break,
                },
            }
        }
        match metadata.snapshot_by_id(self.last.snapshot) {
            // It is there, and no ancestor that is left leads to it: on a side branch, unless those between have expired.
            Some(_) if at.sequence_number() <= self.last.sequence => Lineage::SetBack,
            _ => Lineage::Unknown,
        }
    }
}

fn total_records(metadata: &TableMetadata) -> Option<u64> {
    let summary = metadata.current_snapshot()?.summary();
    summary.additional_properties.get("total-records")?.parse().ok()
}
