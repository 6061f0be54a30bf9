//! How many requests a batch takes. Each number stands for something that the code elsewhere does; the tests hold the two
//! together by its meters.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{PlanInput, PlannedBatch};
use crate::migrate::batches::slices;
use crate::migrate::price::Traffic;
use crate::pipeline::scan::{PlannedFile, footer_prefetch_bytes};
use crate::storage::{WINDOW_BYTES, put_requests};

/// Where a manifest does not say how many row groups a file has: the size that most writers give them.
const ROW_GROUP_BYTES: u64 = 128 << 20;

/// What a catalog of some type takes for what a driver does with it.
#[derive(Debug, Clone, Copy, Default)]
struct Habits {
    load_calls: u64,
    commit_calls: u64,
    /// Whether the answer to a commit tells the table, so that it need not be loaded for the next one.
    commit_tells: bool,
    /// To stage a table and to create it.
    create_calls: u64,
    /// Whether the catalog keeps a pointer to a metadata file, which is then ours to read and to write.
    has_pointer: bool,
    /// Whether that file is read again where it was read or written just before.
    reads_again: bool,
}

impl Habits {
    fn of(kind: &str) -> Self {
        match kind {
            "glue" => Self {
                load_calls: 1,
                commit_calls: 2,
                create_calls: 4,
                has_pointer: true,
                reads_again: true,
                ..Self::default()
            },
            "local" => Self { has_pointer: true, ..Self::default() },
            _ => Self { load_calls: 1, commit_calls: 1, commit_tells: true, create_calls: 2, ..Self::default() },
        }
    }

    fn reload_calls(&self) -> u64 {
        if self.commit_tells { 0 } else { self.load_calls }
    }

    fn pointers(&self) -> u64 {
        u64::from(self.has_pointer)
    }

    fn repeated_gets(&self) -> u64 {
        u64::from(self.reads_again)
    }
}

/// Data files that a slice of a batch comes to.
struct Written {
    files: u64,
    bytes_each: u64,
}

impl PlanInput<'_> {
    /// What a run does before its first batch: it reads the source's metadata, creates the target if it must, and claims it.
    pub(super) fn before_batches(&self) -> Traffic {
        let (source, target) = (Habits::of(self.source_kind), Habits::of(self.target_kind));
        // An empty snapshot: the parent's manifest list is read, its own is written.
        let mut claim = Traffic {
            target_calls: target.commit_calls,
            target_gets: 1 + target.repeated_gets(),
            target_puts: 1 + target.pointers(),
            ..Traffic::default()
        };
        if self.creates_target {
            // A new table has no parent; it is read once more behind its creation.
            claim.target_calls += target.create_calls + target.load_calls;
            claim.target_gets = 2 * target.repeated_gets();
            claim.target_puts += target.pointers();
        }
        // The target is looked for before, and loaded after.
        let found_gets = if self.creates_target { 0 } else { target.pointers() };
        claim
            + Traffic {
                source_calls: source.load_calls,
                // The manifest list and the manifests; the batches are handed the files that stand in them.
                source_gets: source.pointers() + 1 + self.source_manifests,
                target_calls: 2 * target.load_calls,
                target_gets: found_gets + target.repeated_gets(),
                ..Traffic::default()
            }
    }

    /// What one batch takes, from reading to its commit.
    pub(super) fn of_batch(&self, planned: &PlannedBatch<'_>) -> Traffic {
        let target = Habits::of(self.target_kind);
        let slices = slices(planned.files, self.slice_bytes);
        let mut traffic = Traffic { read_bytes: planned.bytes(), ..Traffic::default() };
        let mut files = 0;
        for slice in &slices {
            traffic.source_gets += slice_gets(slice, planned.batch.predicate.is_some());
            let written = self.written(planned, slice);
            files += written.files;
            traffic.stored_bytes += written.files * written.bytes_each;
            // The files and their listing.
            traffic.target_puts += written.files * put_requests(self.sizes.part_bytes, written.bytes_each) + 1;
            if self.rereads_target {
                traffic.target_gets += written.files * self.reread_gets(written.bytes_each);
            }
        }
        // The parent's manifest list is read, manifest and list are written.
        traffic.target_calls += target.reload_calls() + target.commit_calls;
        traffic.target_gets += 1 + 2 * target.repeated_gets();
        traffic.target_puts += u64::from(files > 0) + 1 + target.pointers();
        traffic
    }

    /// The files of a slice, if what is written is as large as what is read.
    fn written(&self, planned: &PlannedBatch<'_>, slice: &[Arc<PlannedFile>]) -> Written {
        let size = |files: &[Arc<PlannedFile>]| -> u64 { files.iter().map(|it| it.file.file_size_in_bytes()).sum() };
        let (of_slice, of_all) = (u128::from(size(slice)), u128::from(size(planned.files).max(1)));
        let bytes = u64::try_from(u128::from(planned.bytes()) * of_slice / of_all).unwrap_or(u64::MAX);
        let rows = planned.rows();
        if rows.exact && rows.count == 0 {
            return Written { files: 0, bytes_each: 0 };
        }
        let partitions = self.partitions_per_batch.max(1);
        let of_partition = (bytes / partitions).div_ceil(self.sizes.file_bytes.max(1)).max(1);
        let files = partitions.saturating_mul(of_partition);
        Written { files, bytes_each: bytes / files }
    }

    /// A written file is read by its footer and its row groups.
    fn reread_gets(&self, file_bytes: u64) -> u64 {
        let row_groups = file_bytes.div_ceil(self.sizes.row_group_bytes.max(1)).max(1);
        1 + row_groups * row_group_gets(file_bytes / row_groups)
    }

    /// How long the batch's bytes are on their way: what comes and what goes pass at once.
    pub(super) fn seconds(&self, planned: &PlannedBatch<'_>) -> Option<f64> {
        let bandwidth = self.bandwidth_bytes_per_second.filter(|bandwidth| *bandwidth > 0)?;
        let Traffic { read_bytes, stored_bytes, .. } = self.of_batch(planned);
        let reread_bytes = if self.rereads_target { stored_bytes } else { 0 };
        Some(read_bytes.saturating_add(reread_bytes).max(stored_bytes) as f64 / bandwidth as f64)
    }
}

/// What the files of a slice and their deletes take.
fn slice_gets(slice: &[Arc<PlannedFile>], by_predicate: bool) -> u64 {
    let deletes: BTreeSet<&str> = slice.iter().flat_map(|planned| planned.delete_files()).collect();
    let files: u64 = slice.iter().map(|planned| file_gets(planned, by_predicate)).sum();
    // Footer and rows of each.
    files + 2 * deletes.len() as u64
}

/// The footer, with a predicate the page index where it does not come with the footer, and the row groups.
fn file_gets(planned: &PlannedFile, by_predicate: bool) -> u64 {
    let size_bytes = planned.file.file_size_in_bytes();
    let row_groups = match planned.file.split_offsets() {
        Some(offsets) if !offsets.is_empty() => row_groups_gets(offsets, size_bytes),
        _ => {
            let row_groups = size_bytes.div_ceil(ROW_GROUP_BYTES).max(1);
            row_groups * row_group_gets(size_bytes / row_groups)
        }
    };
    let page_index = by_predicate && size_bytes > footer_prefetch_bytes(size_bytes);
    1 + u64::from(page_index) + row_groups
}

/// What row groups take that begin at these offsets of a file.
fn row_groups_gets(offsets: &[i64], size_bytes: u64) -> u64 {
    let starts = offsets.iter().map(|offset| u64::try_from(*offset).unwrap_or(0));
    let ends = starts.clone().skip(1).chain(std::iter::once(size_bytes));
    starts.zip(ends).map(|(start, end)| row_group_gets(end.saturating_sub(start))).sum()
}

/// A row group comes whole, in pieces of a window.
fn row_group_gets(bytes: u64) -> u64 {
    bytes.div_ceil(WINDOW_BYTES).max(1)
}
