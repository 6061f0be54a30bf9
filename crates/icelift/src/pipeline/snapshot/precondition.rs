//! What must hold in the table that a commit is built on.
//!
//! A commit that loses a race is built again on what won it. Where its files were made from others, what won may have
//! changed those: then it must not be built.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use super::difference::{Difference, LiveFile};
use crate::catalog::Table;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::scan::PlannedFile;

/// Looks at each base before a commit is built on it.
#[async_trait]
pub(crate) trait Precondition: Debug + Send + Sync {
    /// # Errors
    /// Why there must be no commit on this base. Nothing is sent then.
    async fn check(&self, base: &Table) -> Result<()>;
}

/// The deletes that bear on files which others are made from are those that were applied to them.
///
/// Files that are made get a sequence number. If it is that of the snapshot that was read, equality deletes which came since
/// apply to the new files as they did to the old ones (spec, "Scan Planning"), as long as they are of the same spec.
/// Positions never do: they name a file.
#[derive(Debug)]
pub(crate) struct SameDeletes {
    /// The table as the files were read.
    pub planned: Table,
    pub files: Vec<Arc<PlannedFile>>,
    /// The partition spec of the files that are made, if they keep the sequence number of the snapshot that was read.
    pub keeps_sequence_in: Option<i32>,
}

#[async_trait]
impl Precondition for SameDeletes {
    async fn check(&self, base: &Table) -> Result<()> {
        let difference = Difference::since(&self.planned, base).await?;
        if difference.added_deletes.is_empty() && difference.removed_deletes.is_empty() {
            return Ok(());
        }
        let gone: HashSet<_> = difference.removed_deletes.iter().map(|delete| delete.file.file_path()).collect();
        for file in &self.files {
            let new = difference.added_deletes.iter().find(|delete| self.conflicts(file, delete));
            let lost = file.delete_files().find(|location| gone.contains(location));
            if let Some(delete) = new.map(|delete| delete.file.file_path()).or(lost) {
                return Err(deleted(file, delete).place(Stage::Snapshot, &base.name));
            }
        }
        Ok(())
    }
}

impl SameDeletes {
    fn conflicts(&self, file: &PlannedFile, delete: &LiveFile) -> bool {
        if !file.may_be_deleted_by(delete) {
            return false;
        }
        let started = self.planned.metadata.current_snapshot().map_or(0, |snapshot| snapshot.sequence_number());
        let goes_on = match self.keeps_sequence_in {
            Some(spec_id) => delete.spec.is_unpartitioned() || spec_id == file.spec.spec_id(),
            None => false,
        };
        !(delete.compares_keys() && goes_on && delete.sequence > started)
    }
}

fn deleted(file: &PlannedFile, delete: &str) -> Error {
    let message = format!("rows of `{}` were deleted by another writer while the statement ran", file.file.file_path());
    Error::new(ErrorKind::Drift, message).subject(delete).hint("nothing was changed; run the statement again")
}
