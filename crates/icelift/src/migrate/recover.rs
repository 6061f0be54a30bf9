//! What earlier drivers left: whole files to adopt, and others to remove.
//!
//! Files are adopted behind a claim that has landed. They are removed when their batch is done, whichever driver finds them:
//! what no snapshot refers to then, none will. Whether a snapshot refers to a file is read from the table, not concluded.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use iceberg::spec::{Operation, SnapshotRef, TableMetadata};

use super::attempt::{Attempt, Listing, written_by};
use super::driver::Job;
use super::job::{BatchId, Birth, JobId};
use super::register::Register;
use crate::catalog::Table;
use crate::error::{Error, Result, Stage};
use crate::pipeline::sink::data_folder;
use crate::storage::{Held, Locations};

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

/// All objects that drivers wrote for the migration since its birth, whatever became of them.
async fn left(table: &Table, job: JobId, birth: Birth) -> Result<Vec<String>> {
    let mut locations = left_in(table, &format!("{}/metadata/", table.metadata.location()), job, birth).await?;
    locations.extend(left_in(table, &format!("{}/", data_folder(&table.metadata)), job, birth).await?);
    locations.retain(|location| written_by(location).is_some_and(|writer| (writer.job, writer.birth) == (job, birth)));
    Ok(locations)
}

async fn left_in(table: &Table, folder: &str, job: JobId, birth: Birth) -> Result<Vec<String>> {
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

/// Removes what attempts left whose batches are done. To be called when this driver has no batch under way.
pub(super) async fn tidy(job: &Job) -> Result<()> {
    let table = job.load_target().await?;
    let place = |error: Error| error.place(Stage::Sink, &table.name);
    let Some(register) = Register::of(&table.metadata, job.id)? else { return Ok(()) };
    if register.birth != job.register.birth {
        return Ok(());
    }
    let done = (0..).zip(&job.plan).filter(|(number, _)| register.done.contains(*number));
    let done: HashSet<_> = done.map(|(_, batch)| BatchId::new(&batch.key)).collect();
    job.reach("cleanup.before_delete").await?;
    let left = left(&table, job.id, job.register.birth).await.map_err(place)?;
    let is_over = |location: &String| match Attempt::of(location) {
        // Of a later epoch the register, as it was read, knows nothing: a driver of a further pin may be writing the batch anew.
        Some(attempt) => attempt.epoch <= register.epoch && done.contains(&attempt.batch),
        // Manifests are never adopted, and behind the fence of a later epoch no commit with them lands.
        None => written_by(location).is_some_and(|writer| writer.epoch < register.epoch),
    };
    // Data files first: as long as the listing is there, the files are known to belong together.
    let mut doomed: Vec<_> = left.into_iter().filter(is_over).collect();
    doomed.sort_by_key(|location| location.ends_with(".json"));
    remove_unreferenced(&table, doomed).await.map_err(place)?;
    job.reach("cleanup.after_delete").await
}

/// Deletes those of the objects that no snapshot of the table, and no register, refers to. Compared by their paths: a table
/// that has come to be called `s3a://…` keeps its files, and what is referred to in another store is kept as well.
async fn remove_unreferenced(table: &Table, mut locations: Vec<String>) -> Result<()> {
    if locations.is_empty() {
        return Ok(());
    }
    let mut known = Locations::default();
    known.extend(referenced(table).await?);
    locations.retain(|location| known.find(location) == Held::No);
    let deletions = locations.into_iter().map(|location| {
        let store = table.store.clone();
        async move { store.delete(&location).await }
    });
    stream::iter(deletions).buffered(READ_CONCURRENCY).try_for_each(|()| async { Ok(()) }).await
}

/// Every manifest list, manifest, data and delete file that a snapshot of the table names, and every file of its registers.
pub(super) async fn referenced(table: &Table) -> Result<HashSet<String>> {
    let mut found = HashSet::new();
    let contained = contained(&table.metadata);
    found.extend(table.metadata.snapshots().map(|snapshot| snapshot.manifest_list().to_string()));
    let lists: Vec<_> = table
        .metadata
        .snapshots()
        .filter(|snapshot| !contained.contains(&snapshot.snapshot_id()))
        .cloned()
        .map(|snapshot| {
            let table = table.clone();
            async move { table.manifest_list(&snapshot).await }
        })
        .collect();
    let mut lists = stream::iter(lists).buffered(READ_CONCURRENCY);
    let mut manifests = HashMap::new();
    while let Some(list) = lists.try_next().await? {
        for manifest in list.consume_entries() {
            manifests.entry(manifest.manifest_path.clone()).or_insert(manifest);
        }
    }
    let entries: Vec<_> = manifests
        .values()
        .cloned()
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
    found.extend(manifests.keys().cloned());
    for (_, register) in Register::all(&table.metadata)? {
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
