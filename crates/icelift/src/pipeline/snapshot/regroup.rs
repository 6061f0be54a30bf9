//! Writes manifests anew, so that the files of a partition are listed together: `rewrite_manifests`.
//!
//! What must hold: every live entry of the manifests that go is in one of those that come, with the snapshot and the sequence
//! numbers that it had, by which deletes apply to it, and the ids of its rows. Data files and deletes are never put together,
//! nor are partition specs. The entries of few manifests are in memory at once.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, TryStreamExt, stream};
use iceberg::spec::{DataFile, ManifestContentType, ManifestEntryRef, ManifestFile, PartitionSpecRef, TableMetadata};

use super::change::{ChangeBuilder, partition_type, write_failed};
use super::merge::{TARGET_BYTES, TARGET_BYTES_DEFAULT};
use super::{lineage, number};
use crate::catalog::Table;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::values::PartitionValues;

/// Manifests that are read at once.
const READ_CONCURRENCY: usize = 4;
/// Bytes of manifests whose entries are in memory at once. In memory they are several times as large.
const PASS_BYTES: u64 = 32 << 20;

/// Which manifests are written anew, and how.
#[derive(Debug, Clone)]
pub(crate) struct Regroup {
    pub spec_id: i32,
    /// The partition fields that entries are sorted by, as places in the spec; the others follow.
    pub sort_by: Vec<usize>,
    /// Gets what was done.
    pub done: Arc<Mutex<Regrouped>>,
}

/// How many manifests others stand for, and how many those are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Regrouped {
    pub replaced: usize,
    pub created: usize,
    kept: usize,
    entries: usize,
}

impl Regroup {
    /// The manifests of the list that are written anew.
    ///
    /// # Errors
    /// A table property that is no number.
    pub fn due<'m>(&self, metadata: &TableMetadata, manifests: &'m [ManifestFile]) -> Result<Vec<&'m ManifestFile>> {
        let target = target_bytes(metadata)?;
        let mut due = Vec::new();
        for content in [ManifestContentType::Data, ManifestContentType::Deletes] {
            let is_of = |it: &&ManifestFile| it.content == content && it.partition_spec_id == self.spec_id;
            let found: Vec<_> = manifests.iter().filter(is_of).collect();
            // As in Java: one that need not be cut is left alone.
            if found.len() > 1 || found.iter().any(|manifest| bytes_of(manifest) > target) {
                due.extend(found);
            }
        }
        Ok(due)
    }
}

fn target_bytes(metadata: &TableMetadata) -> Result<u64> {
    Ok(number(metadata, TARGET_BYTES, TARGET_BYTES_DEFAULT)?.max(1))
}

fn bytes_of(manifest: &ManifestFile) -> u64 {
    u64::try_from(manifest.manifest_length).unwrap_or(0)
}

/// What a change has written so far.
#[derive(Default)]
pub(super) struct Regrouper {
    /// Locations of the manifests that go.
    sources: HashSet<String>,
    /// Those that come.
    manifests: Vec<ManifestFile>,
    done: Regrouped,
    /// Locations of all that were written.
    pub written: Vec<String>,
    /// Those of them that the last base does not need.
    pub superseded: Vec<String>,
}

impl Regrouper {
    /// The manifests of a list, those that are due in other groups.
    pub async fn regrouped(
        &mut self,
        base: &Table,
        kept: Vec<ManifestFile>,
        regroup: &Regroup,
        change: &ChangeBuilder,
    ) -> Result<Vec<ManifestFile>> {
        let there: HashSet<_> = kept.iter().map(|manifest| manifest.manifest_path.as_str()).collect();
        let is_known = !self.sources.is_empty() && self.sources.iter().all(|source| there.contains(source.as_str()));
        if !is_known {
            self.write(base, &kept, regroup, change).await?;
        }
        let others = kept.into_iter().filter(|manifest| !self.sources.contains(&manifest.manifest_path));
        let all: Vec<_> = self.manifests.iter().cloned().chain(others).collect();
        self.done.kept = all.len() - self.manifests.len();
        *regroup.done.lock().unwrap_or_else(PoisonError::into_inner) = self.done;
        Ok(all)
    }

    /// What the summary of the snapshot says.
    pub fn summary(&self) -> impl Iterator<Item = (String, String)> {
        let Regrouped { replaced, created, kept, entries } = self.done;
        let counts = [
            ("manifests-created", created),
            ("manifests-kept", kept),
            ("manifests-replaced", replaced),
            ("entries-processed", entries),
        ];
        let said = counts.into_iter().filter(move |_| replaced > 0);
        said.map(|(key, count)| (key.to_string(), count.to_string()))
    }

    async fn write(
        &mut self,
        base: &Table,
        kept: &[ManifestFile],
        regroup: &Regroup,
        change: &ChangeBuilder,
    ) -> Result<()> {
        self.superseded.clone_from(&self.written);
        (self.sources, self.manifests, self.done) = Default::default();
        let due = regroup.due(&base.metadata, kept)?;
        if due.is_empty() {
            return Err(Error::new(ErrorKind::Drift, "the manifests were rewritten by another writer")
                .stage(Stage::Snapshot)
                .hint("nothing was changed, and there is nothing left to do"));
        }
        let spec = base.metadata.partition_spec_by_id(regroup.spec_id).cloned().ok_or_else(|| {
            let message = format!("the manifests name the unknown partition spec {}", regroup.spec_id);
            Error::new(ErrorKind::Read, message).stage(Stage::Snapshot)
        })?;
        for content in [ManifestContentType::Data, ManifestContentType::Deletes] {
            let sources: Vec<_> = due.iter().filter(|manifest| manifest.content == content).copied().collect();
            if !sources.is_empty() {
                self.write_sort(base, &Sources { content, spec: spec.clone(), sources }, regroup, change).await?;
            }
        }
        self.sources = due.iter().map(|manifest| manifest.manifest_path.clone()).collect();
        self.done.replaced = self.sources.len();
        self.done.created = self.manifests.len();
        Ok(())
    }

    /// Writes the manifests of data files, or those of deletes.
    async fn write_sort(
        &mut self,
        base: &Table,
        of: &Sources<'_>,
        regroup: &Regroup,
        change: &ChangeBuilder,
    ) -> Result<()> {
        let places = of.places(base, &regroup.sort_by).await?;
        self.done.entries += places.len();
        let outputs = cut(&places, target_bytes(&base.metadata)?);
        for pass in passes(&outputs) {
            let mut entries = of.entries(base, pass).await?;
            for output in pass {
                let location = change.regrouped_location(&base.metadata, self.written.len());
                self.written.push(location.clone());
                let failed = |source: iceberg::Error| write_failed("the manifest", &location, source);
                let mut writer = change.writer_of(of.content, base, &of.spec, &location)?;
                for place in output.iter() {
                    let Some(Moved { file, snapshot_id, sequence, file_sequence }) = entries.remove(&place.at) else {
                        return Err(Error::new(ErrorKind::Read, "a manifest was not the same when it was read again"));
                    };
                    writer.add_existing_file(file, snapshot_id, sequence, Some(file_sequence)).map_err(failed)?;
                }
                self.manifests.push(writer.write_manifest_file().await.map_err(failed)?);
            }
        }
        Ok(())
    }
}

/// The manifests of one sort and spec that go.
struct Sources<'a> {
    content: ManifestContentType,
    spec: PartitionSpecRef,
    sources: Vec<&'a ManifestFile>,
}

/// A live entry: which of which manifest.
type At = (usize, usize);

/// A live entry's place among all.
struct Place {
    at: At,
    partition: PartitionValues,
    bytes: u64,
}

/// An entry that moves.
struct Moved {
    file: DataFile,
    snapshot_id: i64,
    sequence: i64,
    file_sequence: i64,
}

impl Sources<'_> {
    /// All live entries, in the order of their partitions; within one in the order in which they were.
    async fn places(&self, base: &Table, sort_by: &[usize]) -> Result<Vec<Place>> {
        let reads = self.sources.iter().enumerate().map(|(number, source)| async move {
            let manifest = base.manifest(source).await?;
            let alive: Vec<_> = manifest.entries().iter().enumerate().filter(|(_, entry)| entry.is_alive()).collect();
            let bytes = bytes_of(source) / (manifest.entries().len() as u64).max(1);
            let place = |(index, entry): (usize, &ManifestEntryRef)| Place {
                at: (number, index),
                partition: PartitionValues::of(entry.data_file()),
                bytes,
            };
            Ok::<_, Error>(alive.into_iter().map(place).collect::<Vec<_>>())
        });
        let mut places: Vec<Place> =
            stream::iter(reads.collect::<Vec<_>>()).buffered(READ_CONCURRENCY).try_concat().await?;
        let fields = self.spec.fields().len();
        let wanted = sort_by.iter().copied().chain((0..fields).filter(|field| !sort_by.contains(field)));
        let fields: Vec<usize> = wanted.collect();
        places.sort_by(|a, b| compared(&a.partition, &b.partition, &fields));
        Ok(places)
    }

    /// The entries of some outputs. Only the manifests that list one of them are read.
    async fn entries(&self, base: &Table, outputs: &[&[Place]]) -> Result<HashMap<At, Moved>> {
        let mut wanted: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for place in outputs.iter().copied().flatten() {
            wanted.entry(place.at.0).or_default().insert(place.at.1);
        }
        let types = partition_type(&base.metadata, &self.spec);
        let types = types.as_ref();
        let reads = wanted.into_iter().filter_map(|(number, entries)| {
            let source = *self.sources.get(number)?;
            Some(async move {
                let manifest = base.manifest(source).await?;
                let with_ids = lineage::moved(source, &manifest, types)?.into_iter().enumerate();
                let moved = with_ids.filter(|(index, _)| entries.contains(index)).map(|(index, (entry, file))| {
                    let snapshot_id = entry.snapshot_id().unwrap_or(source.added_snapshot_id);
                    // Format 1 has no numbers: all are 0.
                    let sequence = entry.sequence_number().unwrap_or(0);
                    let file_sequence = entry.file_sequence_number.unwrap_or(0);
                    ((number, index), Moved { file, snapshot_id, sequence, file_sequence })
                });
                Ok::<_, Error>(moved.collect::<Vec<_>>())
            })
        });
        let reads = stream::iter(reads.collect::<Vec<_>>()).buffered(READ_CONCURRENCY);
        Ok(reads.try_concat().await?.into_iter().collect())
    }
}

/// Cuts the entries into manifests of about the same size, none of which is above the target.
fn cut(places: &[Place], target_bytes: u64) -> Vec<&[Place]> {
    let total: u64 = places.iter().map(|place| place.bytes).sum();
    let count = total.div_ceil(target_bytes).max(1);
    let each = total.div_ceil(count).max(1);
    let (mut outputs, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (index, place) in places.iter().enumerate() {
        bytes += place.bytes;
        if bytes >= each && index + 1 < places.len() {
            outputs.push(&places[start..=index]);
            (start, bytes) = (index + 1, 0);
        }
    }
    outputs.push(&places[start..]);
    outputs.retain(|output| !output.is_empty());
    outputs
}

/// Outputs whose entries are in memory together.
fn passes<'o, 'p>(outputs: &'o [&'p [Place]]) -> Vec<&'o [&'p [Place]]> {
    let (mut passes, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (index, output) in outputs.iter().enumerate() {
        let more: u64 = output.iter().map(|place| place.bytes).sum();
        if index > start && bytes + more > PASS_BYTES {
            passes.push(&outputs[start..index]);
            (start, bytes) = (index, 0);
        }
        bytes += more;
    }
    passes.push(&outputs[start..]);
    passes.retain(|pass| !pass.is_empty());
    passes
}

/// NULL first, then by value.
fn compared(a: &PartitionValues, b: &PartitionValues, fields: &[usize]) -> Ordering {
    let compared = fields.iter().map(|field| a.get(*field).partial_cmp(&b.get(*field)).unwrap_or(Ordering::Equal));
    compared.fold(Ordering::Equal, Ordering::then)
}

#[cfg(test)]
mod tests {
    use iceberg::spec::{Literal, Struct};

    use super::*;

    fn places(sizes: &[u64]) -> Vec<Place> {
        let place = |(index, bytes): (usize, &u64)| Place {
            at: (0, index),
            partition: PartitionValues::from(&Struct::empty()),
            bytes: *bytes,
        };
        sizes.iter().enumerate().map(place).collect()
    }

    #[test]
    fn manifests_are_of_one_size() {
        let lengths = |sizes: &[u64], target: u64| {
            let places = places(sizes);
            cut(&places, target).iter().map(|output| output.len()).collect::<Vec<_>>()
        };
        assert_eq!(lengths(&[10; 10], 100), [10]);
        assert_eq!(lengths(&[10; 11], 100), [6, 5]);
        assert_eq!(lengths(&[10; 5], 1), [1; 5]);
        assert_eq!(lengths(&[0; 3], 1), [3]);
        assert_eq!(lengths(&[], 1), Vec::<usize>::new());
    }

    #[test]
    fn a_pass_has_what_fits_into_memory() {
        let places = places(&[PASS_BYTES / 2; 5]);
        let outputs = cut(&places, PASS_BYTES / 2);
        assert_eq!(outputs.len(), 5);
        assert_eq!(passes(&outputs).iter().map(|pass| pass.len()).collect::<Vec<_>>(), [2, 2, 1]);
    }

    #[test]
    fn partitions_are_in_order() {
        let partition = |values: [Option<i32>; 2]| {
            PartitionValues::from(&Struct::from_iter(values.map(|value| value.map(Literal::int))))
        };
        let (a, b) = (partition([Some(1), None]), partition([Some(1), Some(-5)]));
        assert_eq!(compared(&a, &b, &[0, 1]), Ordering::Less);
        assert_eq!(compared(&a, &b, &[0]), Ordering::Equal);
        assert_eq!(compared(&partition([Some(2), None]), &b, &[0, 1]), Ordering::Greater);
        assert_eq!(compared(&partition([Some(2), None]), &b, &[1, 0]), Ordering::Less);
    }
}
