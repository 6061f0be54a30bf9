//! What the drivers of a migration wrote and nothing refers to, and its removal.
//!
//! What must hold: nothing goes that a snapshot, a register or the log of metadata files refers to now, or that a commit may
//! refer to later.
//!
//! A migration that is not finished is fenced before anything goes: an empty snapshot brings an epoch, an owner and a round of
//! their own. Commits on their way fail then, because the branch has moved; a driver that is alive finds another owner in the
//! register, and is refused; and who claims the migration later adopts only what is listed for its own round.
//!
//! A migration that is finished needs no fence. Let T be the version of the table in which it is, with the epoch E, and f a
//! file of an epoch up to E that nothing in T refers to.
//! - A commit that was built before T does not land behind it. It is that of a batch, which its base does not call done and T
//!   does, or a claim of an epoch up to E, which its base does not have and T does. Either way another commit came between,
//!   and that one moved the branch and the catalog's pointer, one of which the first commit requires to stand still. A claim
//!   of the epoch E + 1 may be on its way; its files have that epoch, and stay.
//! - A commit that is built on T or later does not name f. In this round every batch is done, so that a further commit of one
//!   is refused, whoever sends it; and a driver of a later round adopts nothing of this one.
//!
//! Files of another birth of the migration are none of this table's: it may share its place with one that was renamed.
//!
//! A file of details has no epoch in its name: it is named by what is in it. The one that the next commit may write is spared.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use uuid::Uuid;

use super::attempt::written_by;
use super::claim::claim;
use super::job::{Birth, JobId};
use super::recover::referenced;
use super::register::{Older, Pin, Register};
use crate::catalog::{Catalog, Table};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::sink::data_folder;
use crate::storage::{Held, Locations, Stored, is_within};

/// Metadata files that are read at once.
const READ_CONCURRENCY: usize = 8;
const METADATA_FILE: &str = ".metadata.json";

/// Fences that are tried while a driver commits.
const FENCES: usize = 8;

/// How far the drivers of a migration are gone.
#[derive(Debug, Clone, Copy)]
struct Gone {
    birth: Birth,
    /// The last epoch whose files nobody will refer to any more.
    until: u64,
    /// Whether that holds behind a fence only, which has this epoch.
    needs_fence: bool,
}

impl Gone {
    fn of(register: &Register) -> Self {
        let needs_fence = !register.is_finished();
        Self { birth: register.birth, until: register.epoch + u64::from(needs_fence), needs_fence }
    }
}

type Migrations = BTreeMap<JobId, Gone>;

/// What the migration, or every one of the table, has left behind: what [`remove`] would remove.
///
/// # Errors
/// A migration that the table does not know, and metadata that cannot be read.
pub(crate) async fn list(table: &Table, job: Option<JobId>) -> Result<Vec<Stored>> {
    Ok(sorted(find(table, &migrations(table, job)?).await?))
}

fn sorted(found: Vec<(JobId, Stored)>) -> Vec<Stored> {
    let mut found: Vec<Stored> = found.into_iter().map(|(_, stored)| stored).collect();
    found.sort();
    found
}

/// Removes what the migration, or every one of the table, has left behind. Returns what that was.
///
/// # Errors
/// Those of [`list`] and of a fence, with nothing removed, and those of removals.
pub(crate) async fn remove(
    catalog: &Arc<dyn Catalog>,
    mut table: Table,
    job: Option<JobId>,
    concurrency: usize,
) -> Result<Vec<Stored>> {
    let mut migrations = migrations(&table, job)?;
    let mut found = find(&table, &migrations).await?;
    let with_files: HashSet<JobId> = found.iter().map(|(job, _)| *job).collect();
    migrations.retain(|job, _| with_files.contains(job));
    if migrations.values().any(|gone| gone.needs_fence) {
        for (job, gone) in migrations.iter_mut().filter(|(_, gone)| gone.needs_fence) {
            table = fence(catalog, table, *job, gone).await?;
        }
        // Commits may have landed until then.
        found = find(&table, &migrations).await?;
    }
    let found = sorted(found);
    remove_all(&table, &found, concurrency).await?;
    Ok(found)
}

/// Removes objects, and aborts uploads.
///
/// # Errors
/// The first that cannot be removed, by name. Others may be gone by then.
pub(crate) async fn remove_all(table: &Table, doomed: &[Stored], concurrency: usize) -> Result<()> {
    let removals: Vec<_> = doomed.iter().map(|stored| table.store.remove(stored)).collect();
    stream::iter(removals).buffer_unordered(concurrency).try_for_each(|()| async { Ok(()) }).await
}

/// The migration that wrote an object, of whatever kind, by its name.
pub(crate) fn job_of(location: &str) -> Option<JobId> {
    let (_, rest) = location.rsplit('/').next()?.split_once("icelift-")?;
    rest.split('-').next()?.parse().ok()
}

/// The migrations that the table knows.
pub(crate) fn jobs(table: &Table) -> Result<HashSet<JobId>> {
    Ok(Register::all(&table.metadata)?.into_iter().map(|(job, _)| job).collect())
}

/// Whether an object is a file of details of batches, by its name.
fn is_details(location: &str, birth: Birth) -> bool {
    let name = location.rsplit('/').next().unwrap_or_default();
    name.contains(&format!("-{birth}-batches-"))
}

/// Everything that the table refers to: files of all snapshots, the log of metadata files, statistics, and the files of its
/// registers with those that their next commits may name.
pub(crate) async fn known(table: &Table) -> Result<Locations> {
    let mut known = Locations::default();
    known.extend(referenced(table).await?);
    let metadata = &table.metadata;
    known.extend(metadata.metadata_log().iter().map(|log| &log.metadata_file));
    known.extend(&table.metadata_location);
    known.extend(metadata.statistics_iter().map(|file| &file.statistics_path));
    known.extend(metadata.partition_statistics_iter().map(|file| &file.statistics_path));
    // Tables that other catalogs wrote into a folder have it.
    known.insert(&format!("{}/metadata/version-hint.text", metadata.location()));
    for (job, register) in Register::all(metadata)? {
        known.extend(Older::due(&register, metadata, job)?.map(|older| older.location));
    }
    Ok(known)
}

/// The error for a path that the table refers to in another store than the one that was looked at.
pub(crate) fn elsewhere(table: &Table, location: &str, prefix: &impl std::fmt::Display) -> Error {
    let message = format!("the table refers to the same path at `{prefix}`, so it cannot be told whether it is needed");
    Error::new(ErrorKind::Unsupported, message)
        .place(Stage::Catalog, &table.name)
        .subject(location)
        .hint("name a folder that only has files of one place: location => '…'; nothing was removed")
}

fn migrations(table: &Table, job: Option<JobId>) -> Result<Migrations> {
    let registers = Register::all(&table.metadata).map_err(|error| error.place(Stage::Catalog, &table.name))?;
    let all: Migrations = registers.iter().map(|(job, register)| (*job, Gone::of(register))).collect();
    let Some(job) = job else { return Ok(all) };
    let names: Vec<String> = all.keys().map(|job| format!("`{job}`")).collect();
    let gone = all.get(&job).copied().ok_or_else(|| {
        let hint =
            if names.is_empty() { "the table has none".to_string() } else { format!("it has {}", names.join(", ")) };
        Error::new(ErrorKind::NotFound, format!("the table knows no migration `{job}`"))
            .place(Stage::Catalog, &table.name)
            .hint(format!("{hint}; without job => '…' files of all origins are found by their age"))
    })?;
    Ok(Migrations::from([(job, gone)]))
}

/// What is left of the migrations.
async fn find(table: &Table, migrations: &Migrations) -> Result<Vec<(JobId, Stored)>> {
    let place = |error: Error| error.place(Stage::Catalog, &table.name);
    let is_gone = |stored: &Stored| {
        let of_job = job_of(&stored.location).and_then(|job| migrations.get(&job));
        of_job.is_some_and(|gone| match written_by(&stored.location) {
            Some(writer) => writer.birth == gone.birth && writer.epoch <= gone.until,
            None => is_details(&stored.location, gone.birth),
        })
    };
    let is_metadata = |stored: &Stored| stored.location.ends_with(METADATA_FILE);
    let (root, data) = (table.metadata.location(), data_folder(&table.metadata));
    let (store, wanted) = (&table.store, |stored: &Stored| is_gone(stored) || is_metadata(stored));
    let mut found = store.list_objects(root, wanted).await.map_err(place)?;
    found.extend(store.list_uploads(root).await.map_err(place)?.into_iter().filter(is_gone));
    if !is_within(&data, root) {
        found.extend(store.list_objects(&data, is_gone).await.map_err(place)?);
        found.extend(store.list_uploads(&data).await.map_err(place)?.into_iter().filter(is_gone));
    }
    let known = known(table).await.map_err(place)?;
    let (mut orphans, mut metadata_files) = (Vec::new(), Vec::new());
    for stored in found {
        match known.find(&stored.location) {
            Held::No if is_metadata(&stored) => metadata_files.push(stored),
            _ if is_metadata(&stored) => {}
            Held::Elsewhere(prefix) => return Err(elsewhere(table, &stored.location, prefix)),
            // An object that is needed says nothing of an upload that would replace it.
            Held::Here if stored.upload.is_none() => {}
            Held::Here | Held::No => orphans.extend(job_of(&stored.location).map(|job| (job, stored))),
        }
    }
    orphans.extend(lost_metadata(table, migrations, metadata_files).await);
    Ok(orphans)
}

/// Those of the metadata files that a driver wrote for a commit that never was. Where the catalog keeps a pointer to a
/// metadata file, the driver writes the next one and then moves the pointer from the one before, of which the log tells that
/// another one took its place. What the log does not tell of is not found here.
async fn lost_metadata(table: &Table, migrations: &Migrations, files: Vec<Stored>) -> Vec<(JobId, Stored)> {
    let metadata = &table.metadata;
    let mut log = Locations::default();
    log.extend(metadata.metadata_log().iter().map(|log| &log.metadata_file));
    let is_current = |location: &str| table.metadata_location.as_deref() == Some(location);
    let oldest = metadata.metadata_log().first().map(|log| &log.metadata_file).or(table.metadata_location.as_ref());
    let Some(oldest) = oldest.and_then(|oldest| version(oldest)) else { return Vec::new() };
    let younger = files.into_iter().filter(|file| version(&file.location).is_some_and(|it| it > oldest));
    let reads = younger.map(|file| async move {
        let read = Table::read(table.name.clone(), file.location.clone(), table.store.clone()).await;
        (file, read)
    });
    let read: Vec<_> = stream::iter(reads).buffered(READ_CONCURRENCY).collect().await;
    let lost = read.into_iter().filter_map(|(file, read)| {
        let found =
            read.inspect_err(|error| tracing::debug!(%file, %error, "a metadata file is not looked at")).ok()?;
        let snapshot = found.metadata.current_snapshot()?;
        let says = |key: &str| snapshot.summary().additional_properties.get(key);
        let job: JobId = says("icelift.job")?.parse().ok()?;
        let epoch: u64 = says("icelift.epoch")?.parse().ok()?;
        let gone = migrations.get(&job)?;
        let before = &found.metadata.metadata_log().last()?.metadata_file;
        let is_passed = log.find(before) == Held::Here || gone.needs_fence && is_current(before);
        let is_lost = found.metadata.uuid() == metadata.uuid()
            && is_passed
            && epoch <= gone.until
            && metadata.snapshot_by_id(snapshot.snapshot_id()).is_none();
        is_lost.then_some((job, file))
    });
    lost.collect()
}

/// The number that the name of a metadata file begins with.
fn version(location: &str) -> Option<u64> {
    location.rsplit('/').next()?.split_once('-')?.0.parse().ok()
}

/// Takes the migration over, so that no driver before goes on and none behind adopts. Returns the table behind the fence.
async fn fence(catalog: &Arc<dyn Catalog>, mut table: Table, job: JobId, gone: &mut Gone) -> Result<Table> {
    let name = table.name.clone();
    for _ in 0..FENCES {
        let Some(register) = Register::of(&table.metadata, job)? else { break };
        *gone = Gone::of(&register);
        if !gone.needs_fence {
            return Ok(table);
        }
        let pin = Pin { round: register.pin.round + 1, ..register.pin };
        let next = Register { epoch: gone.until, owner: Uuid::new_v4(), pin, ..register.clone() };
        let claimed = claim(catalog, table, job, Some(register), next).await;
        table = catalog.load_table(&name.ident).await?;
        match claimed {
            // A driver has committed or claimed meanwhile.
            Err(error) if error.kind() == ErrorKind::Fenced => {}
            Err(error) => return Err(error),
            Ok(_) => {
                gone.needs_fence = false;
                return Ok(table);
            }
        }
    }
    Err(Error::new(ErrorKind::CommitConflict, format!("the migration `{job}` could not be taken over"))
        .place(Stage::Snapshot, &name)
        .hint("a driver is at work; stop it, or wait until it has finished"))
}

/// Names of files, for tests of what becomes of such files.
#[cfg(test)]
pub(crate) mod tests_of_names {
    use super::{Register, Table};
    use crate::migrate::attempt::Attempt;

    /// The name that a file would have from a driver of another epoch.
    pub(crate) fn with_epoch(location: &str, epoch: u64) -> String {
        let attempt = Attempt::of(location).unwrap();
        location.replace(&attempt.to_string(), &Attempt { epoch, id: uuid::Uuid::new_v4(), ..attempt }.to_string())
    }

    /// The name of a file of details of the table's one migration.
    pub(crate) fn details_name(table: &Table) -> String {
        let registers = Register::all(&table.metadata).unwrap();
        format!("icelift-{}-{}-batches-0123.json", registers[0].0, registers[0].1.birth)
    }
}
