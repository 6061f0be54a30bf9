//! Which files are rewritten together, from what manifests say: Iceberg's bin packing (`SizeBasedFileRewritePlanner`).
//!
//! What must hold: a file is in one group at most; files of one partition stay together, or what is written for it would be
//! as small as what was read; a group that would come out as it went in is left alone, or a second call would not find
//! nothing to do.

use std::collections::HashMap;
use std::sync::Arc;

use super::options::{JobOrder, Options};
use crate::pipeline::scan::PlannedFile;
use crate::pipeline::values::PartitionValues;

/// What readers of a split read beside its rows: Iceberg's estimate.
const SPLIT_OVERHEAD_BYTES: u64 = 5 << 10;

/// Files that are rewritten together.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub files: Vec<Arc<PlannedFile>>,
    pub bytes: u64,
}

impl Group {
    fn new(files: Vec<Arc<PlannedFile>>) -> Self {
        let bytes = files.iter().map(|file| bytes_of(file)).sum();
        Self { files, bytes }
    }
}

fn bytes_of(file: &PlannedFile) -> u64 {
    file.file.file_size_in_bytes()
}

/// Groups the files of a snapshot.
pub(super) fn groups(files: &[Arc<PlannedFile>], options: &Options) -> Vec<Group> {
    let mut groups = Vec::new();
    let mut files_left = options.files_max;
    for partition in by_partition(files, options.spec_id) {
        let fit = partition.into_iter().filter(|file| options.rewrites_all || options.is_unfit(file));
        for files in packed(fit, options.group_bytes_max) {
            let mut group = Group::new(files);
            if files_left == 0 || !(options.rewrites_all || options.is_worth(&group)) {
                continue;
            }
            if group.files.len() > files_left {
                group = Group::new(group.files.into_iter().take(files_left).collect());
            }
            files_left -= group.files.len();
            groups.push(group);
        }
    }
    order(&mut groups, options.job_order);
    groups
}

/// The files of each partition, in the order in which partitions and files come. Rows of files of other specs may belong to
/// any partition of the spec that is written: those are taken together.
fn by_partition(files: &[Arc<PlannedFile>], spec_id: i32) -> Vec<Vec<Arc<PlannedFile>>> {
    let mut at: HashMap<Option<PartitionValues>, usize> = HashMap::new();
    let mut partitions: Vec<Vec<Arc<PlannedFile>>> = Vec::new();
    for file in files {
        let key = (file.spec.spec_id() == spec_id).then(|| PartitionValues::of(&file.file));
        let place = *at.entry(key).or_insert_with(|| {
            partitions.push(Vec::new());
            partitions.len() - 1
        });
        partitions[place].push(Arc::clone(file));
    }
    partitions
}

/// One after the other into bins of a size; a file that is larger has one for itself.
fn packed(files: impl Iterator<Item = Arc<PlannedFile>>, bytes_max: u64) -> Vec<Vec<Arc<PlannedFile>>> {
    let mut bins: Vec<Vec<Arc<PlannedFile>>> = Vec::new();
    let mut open_bytes = 0_u64;
    for file in files {
        let bytes = bytes_of(&file);
        match bins.last_mut().filter(|_| open_bytes.saturating_add(bytes) <= bytes_max) {
            Some(open) => {
                open_bytes += bytes;
                open.push(file);
            }
            None => {
                open_bytes = bytes;
                bins.push(vec![file]);
            }
        }
    }
    bins
}

fn order(groups: &mut [Group], by: JobOrder) {
    match by {
        JobOrder::None => {}
        JobOrder::BytesAscending => groups.sort_by_key(|group| group.bytes),
        JobOrder::BytesDescending => groups.sort_by_key(|group| std::cmp::Reverse(group.bytes)),
        JobOrder::FilesAscending => groups.sort_by_key(|group| group.files.len()),
        JobOrder::FilesDescending => groups.sort_by_key(|group| std::cmp::Reverse(group.files.len())),
    }
}

impl Options {
    /// Whether the file is not as it should be.
    fn is_unfit(&self, file: &PlannedFile) -> bool {
        !self.file_bytes.contains(&bytes_of(file)) || self.has_many_deletes(file)
    }

    fn has_many_deletes(&self, file: &PlannedFile) -> bool {
        let deleted = file.deleted_rows_known().min(file.file.record_count()) as f64;
        let is_hit = deleted > 0.0 && deleted / file.file.record_count() as f64 >= self.delete_ratio_min;
        file.delete_count() >= self.delete_count_min || is_hit
    }

    /// Whether the files of the group come out better than they went in.
    fn is_worth(&self, group: &Group) -> bool {
        let several = group.files.len() > 1;
        (several && (group.files.len() >= self.input_files_min || group.bytes > self.target_file_bytes))
            || group.bytes > *self.file_bytes.end()
            || group.files.iter().any(|file| self.has_many_deletes(file))
    }

    /// How many files so many bytes become, so that the last one is not small.
    pub fn file_count(&self, bytes: u64) -> u64 {
        let target = self.target_file_bytes;
        if bytes < target {
            return 1;
        }
        let (whole, rest) = (bytes / target, bytes % target);
        let spread = bytes / whole;
        let tenth_more = target + target / 10;
        let fits = rest <= *self.file_bytes.start() && spread < tenth_more.min(self.whole_file_bytes_max());
        if rest == 0 || fits { whole } else { whole + 1 }
    }

    /// How large the files of a group shall be.
    pub fn file_bytes_of(&self, group: &Group) -> u64 {
        match self.file_count(group.bytes) {
            // What was written by another engine may need more bytes here.
            0 | 1 => self.whole_file_bytes_max(),
            count => {
                let each = group.bytes / count + group.bytes / count / 50 + SPLIT_OVERHEAD_BYTES;
                each.min(self.whole_file_bytes_max())
            }
        }
    }
}
