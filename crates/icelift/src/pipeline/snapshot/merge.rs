//! Merges manifests, so that a table of many commits is planned from few of them: Iceberg's own properties and defaults.
//!
//! A commit adds one manifest. Without merging, a list names as many as there were commits, and the lists of all snapshots
//! together grow with the square of that. What must hold: a merged manifest has every living entry of those it stands for,
//! with the snapshot and the sequence numbers that it had, by which deletes apply to it; manifests of deletes, and of other
//! partition specs than each other, are never put together. The manifest of the commit's own files stays apart: it is written
//! once, however often the commit is built again.

use std::collections::HashMap;

use futures::{StreamExt, TryStreamExt, stream};
use iceberg::spec::{FormatVersion, ManifestContentType, ManifestFile, ManifestWriter, PartitionSpec, TableMetadata};

use super::change::{ChangeBuilder, write_failed};
use super::number;
use crate::catalog::Table;
use crate::error::{Error, Result};

/// Whether manifests are merged at all.
const ENABLED: &str = "commit.manifest-merge.enabled";
/// How many of them the newest group takes.
const MIN_COUNT: &str = "commit.manifest.min-count-to-merge";
/// How large a merged one may become.
pub(super) const TARGET_BYTES: &str = "commit.manifest.target-size-bytes";
pub(super) const TARGET_BYTES_DEFAULT: u64 = 8 << 20;
/// Manifests that are read at once.
const READ_CONCURRENCY: usize = 16;

/// When manifests are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Merging {
    is_enabled: bool,
    count_min: u64,
    bytes_target: u64,
}

impl Merging {
    /// Reads the properties of the table.
    ///
    /// # Errors
    /// A property that is not what it has to be, by name.
    pub fn new(metadata: &TableMetadata) -> Result<Self> {
        let is_off = |value: &String| value.eq_ignore_ascii_case("false");
        Ok(Self {
            is_enabled: !metadata.properties().get(ENABLED).is_some_and(is_off),
            count_min: number(metadata, MIN_COUNT, 100)?,
            bytes_target: number(metadata, TARGET_BYTES, TARGET_BYTES_DEFAULT)?,
        })
    }

    /// Which manifests are to become one, as Java's `ManifestMergeManager` decides: by partition spec, the oldest first, as
    /// many as fit into the target size. The group that the next commits will fill waits until it has enough; `new` is
    /// the manifest of this commit, which counts there.
    fn groups(&self, kept: &[ManifestFile], new: Option<&ManifestFile>) -> Vec<Vec<usize>> {
        let mut by_spec: HashMap<i32, Vec<Vec<usize>>> = HashMap::new();
        let mut last_bytes: HashMap<i32, u64> = HashMap::new();
        let data = kept.iter().enumerate().filter(|(_, manifest)| manifest.content == ManifestContentType::Data);
        // A list has the newest first.
        for (at, manifest) in data.rev() {
            let (spec, bytes) = (manifest.partition_spec_id, bytes_of(manifest));
            let (groups, last) = (by_spec.entry(spec).or_default(), last_bytes.entry(spec).or_default());
            match groups.last_mut().filter(|_| *last + bytes <= self.bytes_target) {
                Some(group) => group.push(at),
                None => groups.push(vec![at]),
            }
            let begun = groups.last().is_some_and(|group| group.len() == 1);
            *last = if begun { bytes } else { *last + bytes };
        }
        for (spec, groups) in &mut by_spec {
            let open = new.filter(|new| new.partition_spec_id == *spec);
            let fits =
                open.filter(|new| last_bytes.get(spec).copied().unwrap_or(0) + bytes_of(new) <= self.bytes_target);
            if fits.is_some() && groups.last().is_some_and(|group| (group.len() as u64) + 1 < self.count_min) {
                groups.pop();
            }
        }
        let mut groups: Vec<_> = by_spec.into_values().flatten().filter(|group| group.len() > 1).collect();
        // Back in the order of the list.
        groups.iter_mut().for_each(|group| group.reverse());
        groups.sort();
        groups
    }
}

fn bytes_of(manifest: &ManifestFile) -> u64 {
    u64::try_from(manifest.manifest_length).unwrap_or(0)
}

/// The manifests that a commit has merged so far.
#[derive(Default)]
pub(super) struct Merger {
    /// What stands for the manifests of these locations.
    known: HashMap<Vec<String>, ManifestFile>,
    /// Locations of all that were written.
    pub written: Vec<String>,
    /// Those of them that the last base does not need.
    pub superseded: Vec<String>,
    /// How many manifests of the last base others stand for.
    pub replaced_count: usize,
}

impl Merger {
    /// The manifests that a commit on `base` keeps, merged where it is time. `new` is that of its own files.
    ///
    /// # Errors
    /// Properties that are not what they have to be.
    pub async fn merged(
        &mut self,
        base: &Table,
        kept: Vec<ManifestFile>,
        new: Option<&ManifestFile>,
        change: &ChangeBuilder,
    ) -> Result<Vec<ManifestFile>> {
        self.superseded = self.written.clone();
        self.replaced_count = 0;
        let merging = Merging::new(&base.metadata)?;
        // In format 3 rows get their ids from the manifest that they are in.
        if !merging.is_enabled || base.metadata.format_version() == FormatVersion::V3 {
            return Ok(kept);
        }
        let (mut merged, mut replaced) = (HashMap::new(), kept.iter().map(|_| false).collect::<Vec<_>>());
        for group in merging.groups(&kept, new) {
            let of_group: Vec<&ManifestFile> = group.iter().filter_map(|at| kept.get(*at)).collect();
            match self.one_of(base, &of_group, change).await {
                Ok(Some(one)) => {
                    self.replaced_count += group.len();
                    group.iter().for_each(|at| replaced[*at] = true);
                    merged.insert(group[0], one);
                }
                Ok(None) => {}
                // What was to be merged is as good as before.
                Err(error) => tracing::warn!(table = %base.name, %error, "manifests are not merged"),
            }
        }
        let stands = |(at, manifest)| match merged.remove(&at) {
            Some(one) => Some(one),
            None => Some(manifest).filter(|_| !replaced[at]),
        };
        Ok(kept.into_iter().enumerate().filter_map(stands).collect())
    }

    /// One manifest with the living entries of several; `None` if they cannot be written any more.
    async fn one_of(
        &mut self,
        base: &Table,
        group: &[&ManifestFile],
        change: &ChangeBuilder,
    ) -> Result<Option<ManifestFile>> {
        let key: Vec<String> = group.iter().map(|manifest| manifest.manifest_path.clone()).collect();
        if !self.known.contains_key(&key) {
            let Some(spec) = writable_spec(&base.metadata, group) else { return Ok(None) };
            let location = change.merged_location(&base.metadata, self.written.len());
            self.written.push(location.clone());
            self.superseded.push(location.clone());
            let writer = change.manifest_writer(base, spec, &location)?;
            let one = write(base, group, writer, &location).await?;
            self.known.insert(key.clone(), one);
        }
        let one = self.known.get(&key).cloned();
        self.superseded.retain(|written| one.as_ref().is_none_or(|one| one.manifest_path != *written));
        Ok(one)
    }
}

/// The partition spec of the manifests, unless a column that it needs was dropped.
fn writable_spec<'a>(metadata: &'a TableMetadata, group: &[&ManifestFile]) -> Option<&'a PartitionSpec> {
    let spec = metadata.partition_spec_by_id(group.first()?.partition_spec_id)?;
    spec.partition_type(metadata.current_schema()).ok().map(|_| spec.as_ref())
}

async fn write(
    base: &Table,
    group: &[&ManifestFile],
    mut writer: ManifestWriter,
    location: &str,
) -> Result<ManifestFile> {
    let failed = |source: iceberg::Error| write_failed("the manifest", location, source);
    let reads = group.iter().map(|file| async move { Ok::<_, Error>((*file, base.manifest(file).await?)) });
    // In their order, so that the files stay in theirs.
    let mut reads = stream::iter(reads.collect::<Vec<_>>()).buffered(READ_CONCURRENCY);
    while let Some((file, manifest)) = reads.try_next().await? {
        for entry in manifest.entries().iter().filter(|entry| entry.is_alive()) {
            let snapshot = entry.snapshot_id().unwrap_or(file.added_snapshot_id);
            // Format 1 has no numbers: all are 0.
            let sequences = (entry.sequence_number().unwrap_or(0), Some(entry.file_sequence_number.unwrap_or(0)));
            writer.add_existing_file(entry.data_file().clone(), snapshot, sequences.0, sequences.1).map_err(failed)?;
        }
    }
    writer.write_manifest_file().await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: i32 = 0;

    fn manifest(spec: i32, bytes: i64, content: ManifestContentType) -> ManifestFile {
        ManifestFile {
            manifest_path: String::new(),
            manifest_length: bytes,
            partition_spec_id: spec,
            content,
            sequence_number: 1,
            min_sequence_number: 1,
            added_snapshot_id: 1,
            added_files_count: Some(1),
            existing_files_count: Some(0),
            deleted_files_count: Some(0),
            added_rows_count: Some(1),
            existing_rows_count: Some(0),
            deleted_rows_count: Some(0),
            partitions: None,
            key_metadata: None,
            first_row_id: None,
        }
    }

    fn data(bytes: i64) -> ManifestFile {
        manifest(SPEC, bytes, ManifestContentType::Data)
    }

    fn groups(kept: &[ManifestFile], new: Option<&ManifestFile>, count_min: u64, bytes_target: u64) -> Vec<Vec<usize>> {
        Merging { is_enabled: true, count_min, bytes_target }.groups(kept, new)
    }

    #[test]
    fn small_ones_wait_until_there_are_enough() {
        let new = data(10);
        for (kept, expected) in [(98, 0), (99, 1), (150, 1)] {
            let kept: Vec<_> = (0..kept).map(|_| data(10)).collect();
            let found = groups(&kept, Some(&new), 100, 8 << 20);
            assert_eq!(found.len(), expected);
            assert!(found.iter().all(|group| *group == (0..kept.len()).collect::<Vec<_>>()));
        }
    }

    #[test]
    fn a_group_that_is_full_does_not_wait() {
        let (new, kept) = (data(10), [10, 10, 60, 40, 100].map(data));
        // From the oldest: one that is full, two that fit together, and two that wait for more.
        assert_eq!(groups(&kept, Some(&new), 100, 100), [vec![2, 3]]);
        assert_eq!(groups(&kept, Some(&new), 3, 100), [vec![0, 1], vec![2, 3]]);
        // The next one does not fit beside what is there: nothing more will come to it.
        assert_eq!(groups(&[50, 45].map(data), Some(&data(10)), 100, 100), [vec![0, 1]]);
        assert_eq!(groups(&[50, 45].map(data), Some(&data(5)), 100, 100), Vec::<Vec<usize>>::new());
    }

    #[test]
    fn specs_and_deletes_stay_apart() {
        let deletes = manifest(SPEC, 10, ManifestContentType::Deletes);
        let other = manifest(1, 10, ManifestContentType::Data);
        let kept = [data(10), deletes.clone(), other.clone(), data(10), deletes, other.clone()];
        assert_eq!(groups(&kept, Some(&data(10)), 3, 1_000), [vec![0, 3], vec![2, 5]]);
        assert_eq!(groups(&kept, Some(&data(10)), 4, 1_000), [vec![2, 5]], "an earlier spec gets no more");
        assert_eq!(groups(&[data(10), other], None, 3, 1_000), Vec::<Vec<usize>>::new(), "one of each");
    }
}
