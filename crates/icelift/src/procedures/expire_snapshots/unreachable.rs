//! The files that only snapshots needed which are gone.
//!
//! What must hold: a file goes only if no snapshot that the table has names it, by any of the names that it may have; and
//! memory does not grow with the number of files. So manifests are read in three passes. The first hashes the files of the
//! manifests that nobody needs any more; the second takes out those that a manifest which is needed lists as well; the third
//! reads the first ones again and removes what is left. Where there are more files than [`HASHES_MAX`], the passes are made
//! for one part of all hashes after the other.
//!
//! Hashes are of paths alone, without what stands before them: what has the same path in another store stays. So does, of two
//! files whose hashes meet, one that nobody needs.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use iceberg::spec::{DataContentType, Manifest, ManifestFile, SnapshotRef};
use xxhash_rust::xxh3::xxh3_128;

use crate::catalog::Table;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::storage::path_of;

/// Manifests and their lists that are read at once.
pub(super) const READ_CONCURRENCY: usize = 4;
/// Hashes that are kept at once: 32 bytes each, with what a set adds.
const HASHES_MAX: u64 = 500_000;
/// What a manifest is reckoned with that does not tell how many files it lists.
const FILES_UNTOLD: u64 = 10_000;

/// How many files there are, or were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub data: u64,
    pub position_deletes: u64,
    pub equality_deletes: u64,
    pub manifests: u64,
    pub manifest_lists: u64,
    pub statistics: u64,
}

/// What nobody needs any more.
pub(super) struct Unreachable<'a> {
    /// With the store that the files are in.
    table: &'a Table,
    manifests: Vec<ManifestFile>,
    /// Those whose files stay.
    needed: Vec<ManifestFile>,
    manifest_lists: Vec<String>,
    statistics: Vec<String>,
    hashes_max: u64,
}

type Hash = u128;

fn hash(location: &str) -> Hash {
    xxh3_128(path_of(location).as_bytes())
}

impl<'a> Unreachable<'a> {
    /// What the snapshots `gone` of `before` needed and no snapshot of `after` does; `after` may still have them.
    pub async fn of(before: &'a Table, after: &Table, gone: &[i64]) -> Result<Self> {
        let place = |error: Error| error.place(Stage::Snapshot, &before.name);
        let gone: HashSet<i64> = gone.iter().copied().collect();
        let is_gone = |snapshot: &&SnapshotRef| gone.contains(&snapshot.snapshot_id());
        let expired: Vec<SnapshotRef> = before.metadata.snapshots().filter(is_gone).cloned().collect();
        let kept: Vec<SnapshotRef> = after.metadata.snapshots().filter(|it| !is_gone(it)).cloned().collect();
        if expired.is_empty() {
            return Ok(Self::nothing(before));
        }
        let needed = manifests(after, &kept, false).await.map_err(place)?;
        let mut manifests = manifests(before, &expired, true).await.map_err(place)?;
        manifests.retain(|path, _| !needed.contains_key(path));
        let lists: HashSet<Hash> = kept.iter().map(|snapshot| hash(snapshot.manifest_list())).collect();
        let manifest_lists = expired.iter().map(|snapshot| snapshot.manifest_list().to_string());
        let manifest_lists = manifest_lists.filter(|location| !lists.contains(&hash(location))).collect();
        Ok(Self {
            table: before,
            manifests: manifests.into_values().collect(),
            needed: needed.into_values().collect(),
            manifest_lists,
            statistics: statistics(before, after, &gone),
            hashes_max: HASHES_MAX,
        })
    }

    fn nothing(table: &'a Table) -> Self {
        let (manifests, needed, manifest_lists, statistics) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { table, manifests, needed, manifest_lists, statistics, hashes_max: HASHES_MAX }
    }

    #[cfg(test)]
    pub fn with_hashes_max(self, hashes_max: u64) -> Self {
        Self { hashes_max, ..self }
    }

    /// Counts the files.
    pub async fn count(&self) -> Result<Counts> {
        self.each_file(None).await.map_err(|error| error.place(Stage::Snapshot, &self.table.name))
    }

    /// Removes the files: what holds rows first, what names it last.
    ///
    /// # Errors
    /// The first file that cannot be removed. Those before it are gone.
    pub async fn remove(&self, concurrency: usize) -> Result<Counts> {
        let removed = async {
            let counts = self.each_file(Some(concurrency)).await?;
            let manifests = self.manifests.iter().map(|manifest| manifest.manifest_path.as_str());
            self.delete(manifests, concurrency).await?;
            self.delete(self.manifest_lists.iter().map(String::as_str), concurrency).await?;
            self.delete(self.statistics.iter().map(String::as_str), concurrency).await?;
            Ok(counts)
        };
        removed.await.map_err(|error: Error| error.place(Stage::Snapshot, &self.table.name))
    }

    async fn delete<'b>(&self, locations: impl Iterator<Item = &'b str>, concurrency: usize) -> Result<()> {
        let removals: Vec<_> = locations.map(|location| self.table.store.delete(location)).collect();
        stream::iter(removals).buffer_unordered(concurrency).try_for_each(|()| async { Ok(()) }).await
    }

    /// Counts the data and delete files, and removes them, so many at once, if that is asked for.
    async fn each_file(&self, removals: Option<usize>) -> Result<Counts> {
        let mut counts = Counts {
            manifests: self.manifests.len() as u64,
            manifest_lists: self.manifest_lists.len() as u64,
            statistics: self.statistics.len() as u64,
            ..Counts::default()
        };
        let files: u64 = self.manifests.iter().map(listed_files).sum();
        let parts = files.div_ceil(self.hashes_max.max(1)).max(1);
        for part in 0..parts {
            let of_part = |location: &str| {
                let hash = hash(location);
                (hash % Hash::from(parts) == Hash::from(part)).then_some(hash)
            };
            let mut doomed = HashSet::new();
            let hashes = |manifest: &Manifest| live(manifest).filter_map(|file| of_part(file.file_path())).collect();
            self.read(&self.manifests, hashes, |found: Vec<Hash>| doomed.extend(found)).await?;
            if !doomed.is_empty() {
                let stay = |found: Vec<Hash>| {
                    for hash in &found {
                        doomed.remove(hash);
                    }
                };
                self.read(&self.needed, hashes, stay).await?;
            }
            if !doomed.is_empty() {
                self.each_doomed(&mut doomed, removals, &mut counts).await?;
            }
        }
        Ok(counts)
    }

    /// Reads manifests, one after the other gets its turn.
    async fn read<T>(
        &self,
        manifests: &[ManifestFile],
        of: impl Fn(&Manifest) -> T,
        mut take: impl FnMut(T),
    ) -> Result<()> {
        let reads: Vec<_> = manifests.iter().map(|file| self.table.manifest(file)).collect();
        let mut reads = stream::iter(reads).buffer_unordered(READ_CONCURRENCY);
        while let Some(manifest) = reads.try_next().await? {
            take(of(&manifest));
        }
        Ok(())
    }

    /// The third pass. A file that several manifests list counts once.
    async fn each_doomed(
        &self,
        doomed: &mut HashSet<Hash>,
        removals: Option<usize>,
        counts: &mut Counts,
    ) -> Result<()> {
        let reads: Vec<_> = self.manifests.iter().map(|file| self.table.manifest(file)).collect();
        let mut reads = stream::iter(reads).buffer_unordered(READ_CONCURRENCY);
        while let Some(manifest) = reads.try_next().await? {
            let files: Vec<_> = live(&manifest).filter(|file| doomed.remove(&hash(file.file_path()))).collect();
            if let Some(concurrency) = removals {
                self.delete(files.iter().map(|file| file.file_path()), concurrency).await?;
            }
            for file in files {
                *match file.content_type() {
                    DataContentType::Data => &mut counts.data,
                    DataContentType::PositionDeletes => &mut counts.position_deletes,
                    DataContentType::EqualityDeletes => &mut counts.equality_deletes,
                } += 1;
            }
        }
        Ok(())
    }
}

/// The files that a manifest says are in the table.
fn live(manifest: &Manifest) -> impl Iterator<Item = &iceberg::spec::DataFile> {
    manifest.entries().iter().filter(|entry| entry.is_alive()).map(|entry| entry.data_file())
}

fn listed_files(manifest: &ManifestFile) -> u64 {
    match (manifest.added_files_count, manifest.existing_files_count) {
        (Some(added), Some(existing)) => u64::from(added) + u64::from(existing),
        _ => FILES_UNTOLD,
    }
}

/// The manifests that the snapshots name, by path. Lists that are gone are passed over where that is allowed: what they named
/// is not known any more.
async fn manifests(table: &Table, snapshots: &[SnapshotRef], may_be_gone: bool) -> Result<HashMap<Hash, ManifestFile>> {
    let reads: Vec<_> = snapshots.iter().map(|snapshot| table.manifest_list(snapshot)).collect();
    let mut reads = stream::iter(reads).buffered(READ_CONCURRENCY);
    let mut found = HashMap::new();
    while let Some(read) = reads.next().await {
        let list = match read {
            Err(error) if may_be_gone && error.kind() == ErrorKind::NotFound => {
                tracing::warn!(table = %table.name, %error, "the manifest list of an expired snapshot is gone");
                continue;
            }
            read => read?,
        };
        for mut manifest in list.consume_entries() {
            // Bounds of partitions are most of it, and not needed.
            manifest.partitions = None;
            found.entry(hash(&manifest.manifest_path)).or_insert(manifest);
        }
    }
    Ok(found)
}

/// The statistics of the snapshots that are gone.
fn statistics(before: &Table, after: &Table, gone: &HashSet<i64>) -> Vec<String> {
    let of = |table: &Table, is_wanted: &dyn Fn(i64) -> bool| -> HashSet<String> {
        let of_table = table.metadata.statistics_iter().map(|it| (it.snapshot_id, &it.statistics_path));
        let of_partitions = table.metadata.partition_statistics_iter().map(|it| (it.snapshot_id, &it.statistics_path));
        of_table.chain(of_partitions).filter(|(id, _)| is_wanted(*id)).map(|(_, path)| path.clone()).collect()
    };
    let needed: HashSet<Hash> = of(after, &|id| !gone.contains(&id)).iter().map(|path| hash(path)).collect();
    let mut found: Vec<String> = of(before, &|id| gone.contains(&id)).into_iter().collect();
    found.retain(|path| !needed.contains(&hash(path)));
    found.sort();
    found
}
