//! Puts rewritten files into the place of those that they were made of: one snapshot, `replace`.
//!
//! What must hold: a row is in the table once before and once after. So all files that go must still be there, and no row of
//! them may have been deleted since; what others have added stays.

use std::collections::HashSet;
use std::sync::Arc;

use super::rewrite::{self, Batch, Uncommitted};
use crate::Failpoints;
use crate::catalog::{Catalog, CommitOutcome, Table};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::scan::PlannedFile;
use crate::pipeline::snapshot::{self, Change, Effect, SameDeletes};

/// What a commit has changed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Replaced {
    pub rewritten_files: usize,
    pub added_files: usize,
    pub rewritten_bytes: u64,
    pub removed_deletes: usize,
}

/// Who commits to what.
pub(super) struct Committing<'a> {
    pub catalog: &'a Arc<dyn Catalog>,
    /// The table as it was planned.
    pub planned: &'a Table,
    pub spec_id: i32,
    pub keeps_sequence: bool,
    pub failpoints: &'a Failpoints,
}

impl Committing<'_> {
    /// Commits what was written of some batches.
    ///
    /// # Errors
    /// [`ErrorKind::Drift`] if others have changed the files that go, and those of a commit. What was written is removed,
    /// unless it is not known whether the commit landed.
    pub async fn commit(&self, batches: &[Batch], written: &mut [Uncommitted]) -> Result<Replaced> {
        let files: Vec<Arc<PlannedFile>> = batches.iter().flat_map(Batch::files).collect();
        let change = self.change(files);
        let replaced = Replaced {
            rewritten_files: change.remove.len(),
            added_files: written.iter().map(Uncommitted::count).sum(),
            rewritten_bytes: batches.iter().map(Batch::bytes).sum(),
            removed_deletes: change.remove_deletes.len(),
        };
        self.failpoints.reach("rewrite.before_commit").await?;
        let added: Vec<_> = written.iter_mut().flat_map(Uncommitted::take).collect();
        let (catalog, planned) = (Arc::clone(self.catalog), self.planned.clone());
        // In a task of its own: a statement that is cancelled now must still learn whether to remove its files.
        let task = self.planned.store.cleanup().spawn(async move {
            let change = Change { files: added.clone(), ..change };
            match snapshot::commit(&catalog, &planned, planned.clone(), change).await {
                CommitOutcome::Landed => Ok(()),
                CommitOutcome::NotLanded(error) => {
                    rewrite::remove(&planned.store, &added).await;
                    Err(error)
                }
                CommitOutcome::Unknown(error) => Err(error),
            }
        });
        let died =
            |source| Error::new(ErrorKind::CommitUnknown, "the commit task died").stage(Stage::Snapshot).source(source);
        task.await.map_err(died)??;
        Ok(replaced)
    }

    /// The change without the files that it adds.
    fn change(&self, files: Vec<Arc<PlannedFile>>) -> Change {
        let started = self.planned.metadata.current_snapshot().map(|snapshot| snapshot.sequence_number());
        let remove: HashSet<_> = files.iter().map(|file| file.file.file_path().to_string()).collect();
        let remove_deletes = files.iter().flat_map(|file| file.vectors()).collect();
        let keeps_sequence_in = self.keeps_sequence.then_some(self.spec_id);
        let same_deletes = SameDeletes { planned: self.planned.clone(), files, keeps_sequence_in };
        Change {
            effect: Effect::Layout,
            spec_id: Some(self.spec_id),
            data_sequence: started.filter(|_| self.keeps_sequence),
            remove,
            remove_deletes,
            preconditions: vec![Arc::new(same_deletes)],
            ..Change::default()
        }
    }
}
