//! What earlier drivers left that is whole, and can be adopted behind a claim that has landed; and what the table refers to.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use iceberg::spec::{Operation, SnapshotRef, TableMetadata};

use super::attempt::{Attempt, Listing};
use super::driver::Job;
use super::job::{BatchId, Birth, JobId};
use super::register::Register;
use crate::catalog::Table;
use crate::error::{Error, Result, Stage};
use crate::pipeline::snapshot::REPLACED_MANIFESTS;

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

pub(super) async fn left_in(table: &Table, folder: &str, job: JobId, birth: Birth) -> Result<Vec<String>> {
    table.store.list(folder, &format!("icelift-{job}-{birth}-")).await
}

/// Finds what can be adopted for the batches in `pending`.
pub(super) async fn recover(job: &Job, table: &Table, pending: &HashSet<BatchId>) -> Result<Adoptables> {
    job.reach("recover.before_listing").await?;
    let folder = format!("{}/metadata/", table.metadata.location());
    let listed = left_in(table, &folder, job.id, job.register.birth).await;
    let listed = listed.map_err(|error| error.place(Stage::Sink, &table.name))?;
    let listings = listed.into_iter().filter(|location| location.ends_with(".json"));
    let listings = listings.filter_map(|location| Some((Attempt::of(&location)?, location)));
    let reads: Vec<_> = listings
        .filter(|(attempt, _)| pending.contains(&attempt.batch))
        .map(|(attempt, location)| {
            let table = table.clone();
            async move {
                let listing = Listing::read(&table, &location).await?;
                Ok::<_, Error>(listing.map(|listing| Adoptable { attempt, listing }))
            }
        })
        .collect();
    let mut listings = stream::iter(reads).buffered(READ_CONCURRENCY);
    let mut adoptables = Adoptables::new();
    while let Some(read) = listings.try_next().await? {
        let Some(adoptable) = read else { continue };
        let place = (adoptable.attempt.batch, adoptable.attempt.slice);
        adoptables.entry(place).or_default().push(adoptable);
    }
    Ok(adoptables)
}

/// Every manifest list, manifest, data and delete file that a snapshot of the table names, and every file of its registers.
pub(super) async fn referenced(table: &Table) -> Result<HashSet<String>> {
    let mut found: HashSet<String> =
        table.metadata.snapshots().map(|snapshot| snapshot.manifest_list().to_string()).collect();
    let told = told_by_children(&table.metadata);
    let lists: Vec<_> = table
        .metadata
        .snapshots()
        .filter(|snapshot| told.get(&snapshot.snapshot_id()) != Some(&Told::All))
        .cloned()
        .map(|snapshot| {
            let (table, reads_files) = (table.clone(), !told.contains_key(&snapshot.snapshot_id()));
            async move { Ok::<_, Error>((table.manifest_list(&snapshot).await?, reads_files)) }
        })
        .collect();
    let mut lists = stream::iter(lists).buffered(READ_CONCURRENCY);
    let mut manifests = HashMap::new();
    while let Some((list, reads_files)) = lists.try_next().await? {
        for manifest in list.consume_entries() {
            found.insert(manifest.manifest_path.clone());
            if reads_files {
                manifests.entry(manifest.manifest_path.clone()).or_insert(manifest);
            }
        }
    }
    let entries: Vec<_> = manifests
        .into_values()
        .map(|manifest| {
            let table = table.clone();
            async move {
                let manifest = table.manifest(&manifest).await?;
                let files = manifest.entries().iter().filter(|entry| entry.is_alive());
                Ok::<_, Error>(files.map(|entry| entry.file_path().to_string()).collect::<Vec<_>>())
            }
        })
        .collect();
    let mut entries = stream::iter(entries).buffered(READ_CONCURRENCY);
    while let Some(files) = entries.try_next().await? {
        found.extend(files);
    }
    for (_, register) in Register::all(&table.metadata)? {
        found.extend(register.older_files(table).await?);
    }
    Ok(found)
}

/// What of the things that a snapshot names a later one names, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Its files. Other manifests stand for its own.
    Files,
    All,
}

/// The snapshots of a migration that it has appended to. Without this the lists of a migration with many batches would be
/// read in the square of their number, and its files in each of the manifests that they have come to.
fn told_by_children(metadata: &TableMetadata) -> HashMap<i64, Told> {
    let appends = |snapshot: &SnapshotRef| {
        let summary = snapshot.summary();
        summary.operation == Operation::Append && summary.additional_properties.contains_key("icelift.job")
    };
    let merges = |snapshot: &SnapshotRef| snapshot.summary().additional_properties.contains_key(REPLACED_MANIFESTS);
    let ours: HashSet<i64> = metadata.snapshots().filter(|it| appends(it)).map(|it| it.snapshot_id()).collect();
    let mut told = HashMap::new();
    for child in metadata.snapshots().filter(|it| appends(it)) {
        let Some(parent) = child.parent_snapshot_id().filter(|parent| ours.contains(parent)) else { continue };
        // Of several children one is enough.
        if !merges(child) {
            told.insert(parent, Told::All);
        } else {
            told.entry(parent).or_insert(Told::Files);
        }
    }
    told
}
