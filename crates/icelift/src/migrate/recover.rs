//! What an earlier driver left: whole files to adopt, and others to remove.
//!
//! To be called behind a claim that has landed. No commit of an earlier epoch can land any more, so what no snapshot refers
//! to now it will never refer to. Whether a snapshot refers to a file is read from the table, not concluded.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};

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

/// Finds what can be adopted for the batches in `pending` and removes what cannot.
pub(super) async fn recover(job: &Job, table: &Table, epoch: u64, pending: &HashSet<BatchId>) -> Result<Adoptables> {
    let place = |error: Error| error.place(Stage::Sink, &table.name);
    job.reach("recover.before_listing").await?;
    let left = left(table, job.id, epoch).await.map_err(place)?;
    let (mut adoptables, mut kept) = (Adoptables::new(), HashSet::new());
    let wanted = left.listings.iter().filter(|(attempt, _)| pending.contains(&attempt.batch));
    let reads = wanted.map(|(attempt, location)| async move {
        Ok::<_, Error>(Listing::read(table, location).await?.map(|listing| (*attempt, location.clone(), listing)))
    });
    let mut listings = stream::iter(reads).buffered(READ_CONCURRENCY);
    while let Some(read) = listings.try_next().await? {
        let Some((attempt, location, listing)) = read else { continue };
        kept.insert(location);
        kept.extend(listing.files.iter().map(|file| file.file_path().to_string()));
        adoptables.entry((attempt.batch, attempt.slice)).or_default().push(Adoptable { attempt, listing });
    }
    let doomed: Vec<_> = left.locations.into_iter().filter(|location| !kept.contains(location)).collect();
    job.reach("cleanup.before_delete").await?;
    remove_unreferenced(table, doomed).await.map_err(place)?;
    job.reach("cleanup.after_delete").await?;
    Ok(adoptables)
}

/// Deletes those of the objects that no snapshot of the table refers to. Returns them.
pub(crate) async fn remove_unreferenced(table: &Table, locations: Vec<String>) -> Result<Vec<String>> {
    let unreferenced = unreferenced(table, locations).await?;
    stream::iter(&unreferenced)
        .map(|location| table.store.delete(location))
        .buffer_unordered(READ_CONCURRENCY)
        .try_for_each(|()| async { Ok(()) })
        .await?;
    Ok(unreferenced)
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
    let lists = table.metadata.snapshots().map(|snapshot| async move {
        let list = table.manifest_list(snapshot).await?;
        Ok::<_, Error>((snapshot.manifest_list().to_string(), list))
    });
    let mut lists = stream::iter(lists).buffered(READ_CONCURRENCY);
    let mut manifests = HashMap::new();
    while let Some((location, list)) = lists.try_next().await? {
        found.insert(location);
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
