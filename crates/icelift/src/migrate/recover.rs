//! What an earlier driver left: whole files to adopt, and others to remove.
//!
//! To be called behind a claim that has landed. No commit of an earlier epoch can land any more, so what no snapshot refers
//! to now it will never refer to, unless a later driver adopts it. That one adopts only what this driver has listed again, and
//! this driver removes nothing that it has listed: so however late it removes the rest, it is of no use to anybody.
//! Whether a snapshot refers to a file is read from the table, not concluded.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use iceberg::spec::{Operation, SnapshotRef, TableMetadata};
use uuid::Uuid;

use super::attempt::{Attempt, Listing, written_by};
use super::driver::Job;
use super::job::BatchId;
use crate::catalog::Table;
use crate::error::{Error, Result, Stage};
use crate::pipeline::sink::data_folder;

/// Manifests and listings that are read at once.
const READ_CONCURRENCY: usize = 16;

/// A slice that an earlier driver has written whole.
#[derive(Debug)]
pub(super) struct Adoptable {
    pub attempt: Attempt,
    pub listing: Listing,
}

/// The slices that can be adopted, by batch and number.
pub(super) type Adoptables = HashMap<(BatchId, u32), Vec<Adoptable>>;

/// What is there of earlier epochs.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// Listings, data files and metadata files.
    pub locations: Vec<String>,
    pub listings: Vec<(Attempt, String)>,
}

/// All objects that drivers of epochs before `epoch` wrote for the migration, whatever became of them.
pub(crate) async fn left(table: &Table, job: super::job::JobId, epoch: u64) -> Result<Left> {
    let part = format!("icelift-{job}-");
    let metadata = format!("{}/metadata/", table.metadata.location());
    let mut locations = table.store.list(&metadata, &part).await?;
    let data = data_folder(&table.metadata);
    locations.extend(table.store.list(&format!("{data}/"), &part).await?);
    locations.retain(|location| written_by(location).is_some_and(|(of, at)| of == job && at < epoch));
    let listings = locations.iter().filter(|location| location.ends_with(".json"));
    let listings = listings.filter_map(|location| Some((Attempt::of(location)?, location.clone()))).collect();
    Ok(Left { locations, listings })
}

/// What a driver may adopt.
pub(super) struct Heritage {
    /// The driver before it. What others have listed is not safe: who came after them may still be about to remove it.
    pub owner: Uuid,
    /// The driver's own epoch.
    pub epoch: u64,
    /// The batches that are not done, with the hashes of the source files of their slices where those are known.
    pub wanted: HashMap<BatchId, Option<Vec<String>>>,
}

impl Heritage {
    fn fits(&self, attempt: &Attempt, listing: &Listing) -> bool {
        let wanted = match self.wanted.get(&attempt.batch) {
            Some(Some(slices)) => slices.get(attempt.slice as usize) == Some(&listing.source),
            Some(None) => true,
            None => false,
        };
        wanted && listing.owner == self.owner
    }
}

/// Finds what can be adopted, lists it again under the driver's own name, and removes what cannot.
pub(super) async fn recover(job: &Job, heritage: &Heritage) -> Result<Adoptables> {
    let table = &job.target.table;
    let place = |error: Error| error.place(Stage::Sink, &table.name);
    job.reach("recover.before_listing").await?;
    let left = left(table, job.id, heritage.epoch).await.map_err(place)?;
    let referenced = if left.locations.is_empty() { HashSet::new() } else { referenced(table).await.map_err(place)? };
    let wanted = left.listings.iter().filter(|(attempt, _)| heritage.wanted.contains_key(&attempt.batch));
    let reads = wanted.map(|(attempt, location)| async move {
        Ok::<_, Error>(Listing::read(table, location).await?.map(|listing| (*attempt, listing)))
    });
    let read: Vec<_> = stream::iter(reads).buffered(READ_CONCURRENCY).try_collect().await?;
    let is_free = |listing: &Listing| !listing.files.iter().any(|file| referenced.contains(file.file_path()));
    let found = read.into_iter().flatten().filter(|(attempt, listing)| heritage.fits(attempt, listing));
    let found = found.filter(|(_, listing)| is_free(listing)).map(|(attempt, listing)| Adoptable {
        attempt: Attempt { epoch: heritage.epoch, ..attempt },
        listing: Listing { owner: job.owner, ..listing },
    });
    let found: Vec<Adoptable> = found.collect();
    stream::iter(&found)
        .map(|Adoptable { attempt, listing }| listing.write(table, attempt))
        .buffer_unordered(READ_CONCURRENCY)
        .try_for_each(|()| async { Ok(()) })
        .await?;
    job.reach("recover.listed_again").await?;
    let files = found.iter().flat_map(|Adoptable { listing, .. }| &listing.files);
    let kept: HashSet<&str> = files.map(|file| file.file_path()).collect();
    let is_doomed = |location: &String| !referenced.contains(location) && !kept.contains(location.as_str());
    let doomed: Vec<_> = left.locations.into_iter().filter(is_doomed).collect();
    job.reach("cleanup.before_delete").await?;
    remove(table, &doomed).await.map_err(place)?;
    job.reach("cleanup.after_delete").await?;
    let mut adoptables = Adoptables::new();
    for adoptable in found {
        adoptables.entry((adoptable.attempt.batch, adoptable.attempt.slice)).or_default().push(adoptable);
    }
    Ok(adoptables)
}

/// Deletes those of the objects that no snapshot of the table refers to. Returns them.
pub(crate) async fn remove_unreferenced(table: &Table, locations: Vec<String>) -> Result<Vec<String>> {
    let unreferenced = unreferenced(table, locations).await?;
    remove(table, &unreferenced).await?;
    Ok(unreferenced)
}

async fn remove(table: &Table, locations: &[String]) -> Result<()> {
    let removals = stream::iter(locations).map(|location| table.store.delete(location));
    removals.buffer_unordered(READ_CONCURRENCY).try_for_each(|()| async { Ok(()) }).await
}

/// Those of the objects that no snapshot of the table, and no register, refers to.
pub(crate) async fn unreferenced(table: &Table, mut locations: Vec<String>) -> Result<Vec<String>> {
    if locations.is_empty() {
        return Ok(locations);
    }
    let referenced = referenced(table).await?;
    locations.retain(|location| !referenced.contains(location));
    Ok(locations)
}

/// Every manifest list, manifest, data and delete file that a snapshot of the table names, and every file of its registers.
async fn referenced(table: &Table) -> Result<HashSet<String>> {
    let mut found = HashSet::new();
    let contained = contained(&table.metadata);
    found.extend(table.metadata.snapshots().map(|snapshot| snapshot.manifest_list().to_string()));
    let snapshots = table.metadata.snapshots().filter(|snapshot| !contained.contains(&snapshot.snapshot_id()));
    let lists = snapshots.map(|snapshot| table.manifest_list(snapshot));
    let mut lists = stream::iter(lists).buffered(READ_CONCURRENCY);
    let mut manifests = HashMap::new();
    while let Some(list) = lists.try_next().await? {
        for manifest in list.consume_entries() {
            manifests.entry(manifest.manifest_path.clone()).or_insert(manifest);
        }
    }
    let entries = manifests.values().map(|manifest| async move {
        let manifest = table.manifest(manifest).await?;
        let files = manifest.entries().iter().filter(|entry| entry.is_alive());
        Ok::<_, Error>(files.map(|entry| entry.file_path().to_string()).collect::<Vec<_>>())
    });
    let mut entries = stream::iter(entries).buffered(READ_CONCURRENCY);
    while let Some(files) = entries.try_next().await? {
        found.extend(files);
    }
    found.extend(manifests.keys().cloned());
    for (_, register) in super::register::Register::all(&table.metadata)? {
        found.extend(register.older_files(table).await?);
    }
    Ok(found)
}

/// The snapshots that name nothing that a later one does not name: those of a migration that appends to itself. Without this
/// the lists of a migration with many batches would be read in the square of their number.
fn contained(metadata: &TableMetadata) -> HashSet<i64> {
    let appends = |snapshot: &SnapshotRef| {
        let summary = snapshot.summary();
        summary.operation == Operation::Append && summary.additional_properties.contains_key("icelift.job")
    };
    let ours: HashSet<i64> = metadata.snapshots().filter(|it| appends(it)).map(|it| it.snapshot_id()).collect();
    let parents = metadata.snapshots().filter(|it| appends(it)).filter_map(|it| it.parent_snapshot_id());
    parents.filter(|parent| ours.contains(parent)).collect()
}
