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
//! A rollback makes a batch undone, and so a migration unfinished. It begins a round: what is built on it adopts nothing that was
//! listed before, and its own files have the next epoch.
//!
//! Files of another birth of the migration are none of this table's: it may share its place with one that was renamed. Those of
//! a first claim, which has no birth before it lands, tell of the table instead.
//!
//! Of metadata files that this side writes the same holds: a signature in the name tells of migration, table and epoch
//! (`catalog/author.rs`). What the table's log does not list is not needed, and a pointer that has moved on is not moved to it.
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
use crate::catalog::{Catalog, Signature, Table, tables_of};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::sink::data_folder;
use crate::storage::{Equal, Held, Locations, Stored, is_within};

/// Metadata files that are read at once.
const READ_CONCURRENCY: usize = 8;

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
pub(crate) async fn list(catalog: &Arc<dyn Catalog>, table: &Table, job: Option<JobId>) -> Result<Vec<Stored>> {
    Ok(sorted(find(catalog, table, &migrations(table, job)?).await?))
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
    let mut found = find(catalog, &table, &migrations).await?;
    let with_files: HashSet<JobId> = found.iter().map(|(job, _)| *job).collect();
    migrations.retain(|job, _| with_files.contains(job));
    if migrations.values().any(|gone| gone.needs_fence) {
        for (job, gone) in migrations.iter_mut().filter(|(_, gone)| gone.needs_fence) {
            table = fence(catalog, table, *job, gone).await?;
        }
        // Commits may have landed until then.
        found = find(catalog, &table, &migrations).await?;
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
    known_as(table, Equal::default()).await
}

/// The same, compared with other names for stores.
pub(crate) async fn known_as(table: &Table, equal: Equal) -> Result<Locations> {
    let mut known = Locations::compared(equal);
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

/// The schemas of the table that its registers have fingerprints of.
pub(crate) async fn schemas_of_details(table: &Table) -> Result<HashSet<i32>> {
    let mut schemas = HashSet::new();
    for (_, register) in Register::all(&table.metadata)? {
        schemas.extend(register.details(table).await?.values().map(|detail| detail.schema));
    }
    Ok(schemas)
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
async fn find(catalog: &Arc<dyn Catalog>, table: &Table, migrations: &Migrations) -> Result<Vec<(JobId, Stored)>> {
    let place = |error: Error| error.place(Stage::Catalog, &table.name);
    let table_birth = Birth::of_table(table.metadata.uuid());
    let author = |location: &str| {
        let (job, gone) = migrations.get_key_value(&job_of(location)?)?;
        let is_gone = match written_by(location) {
            Some(writer) => [gone.birth, table_birth].contains(&writer.birth) && writer.epoch <= gone.until,
            None => is_details(location, gone.birth),
        };
        is_gone.then_some(*job)
    };
    let author = |stored: &Stored| author(&stored.location).or_else(|| signer(&stored.location, migrations));
    let is_gone = |stored: &Stored| author(stored).is_some();
    let (root, data, store) = (table.metadata.location(), data_folder(&table.metadata), &table.store);
    let mut found = store.list_objects(root, is_gone).await.map_err(place)?;
    found.extend(store.list_uploads(root).await.map_err(place)?.into_iter().filter(is_gone));
    if !is_within(&data, root) {
        found.extend(store.list_objects(&data, is_gone).await.map_err(place)?);
        found.extend(store.list_uploads(&data).await.map_err(place)?.into_iter().filter(is_gone));
    }
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let known = known(table).await.map_err(place)?;
    let (mut orphans, mut creations) = (Vec::new(), Vec::new());
    for stored in found {
        let Some(job) = author(&stored) else { continue };
        match known.find(&stored.location) {
            // Of a migration into a table that was renamed, unless the table was never made.
            Held::No if is_of_other_table(&stored, table) => creations.push((job, stored)),
            Held::Elsewhere(prefix) => return Err(elsewhere(table, &stored.location, prefix)),
            // An object that is needed says nothing of an upload that would replace it.
            Held::Here if stored.upload.is_none() => {}
            Held::Here | Held::No => orphans.push((job, stored)),
        }
    }
    orphans.extend(never_made(catalog, table, creations).await);
    Ok(orphans)
}

/// The migration whose driver wrote a metadata file, or began to, and can commit it no more. Where the catalog keeps a pointer
/// to a metadata file, the driver writes the next one and then moves the pointer from the one before; those that the table
/// lists no more are left, too.
fn signer(location: &str, migrations: &Migrations) -> Option<JobId> {
    let signature = Signature::of(location)?;
    let is_signer = |(job, gone): &(&JobId, &Gone)| job.has_signed(&signature) && signature.epoch <= gone.until;
    migrations.iter().find(is_signer).map(|(job, _)| *job)
}

fn is_of_other_table(stored: &Stored, table: &Table) -> bool {
    Signature::of(&stored.location).is_some_and(|signature| !signature.is_of_table(table.metadata.uuid()))
}

/// Those of the metadata files that were written for a table which never came to be, because the driver died before. They have
/// no snapshot, and no table of the catalog is theirs: not that of this name, nor one that was renamed and kept its place. If
/// that cannot be told, they are not found.
async fn never_made(
    catalog: &Arc<dyn Catalog>,
    table: &Table,
    mut files: Vec<(JobId, Stored)>,
) -> Vec<(JobId, Stored)> {
    files.retain(|(_, file)| Signature::of(&file.location).is_some_and(|it| (it.version, it.epoch) == (0, 0)));
    let (halves, files): (Vec<_>, Vec<_>) = files.into_iter().partition(|(_, file)| file.is_begun());
    if files.is_empty() {
        return halves;
    }
    let tables = match uuids(catalog, table).await {
        Ok(tables) => tables,
        Err(error) => {
            tracing::warn!(table = %table.name, %error, "it is not known whether metadata files belong to another table");
            return halves;
        }
    };
    let reads = files.into_iter().map(|(job, file)| async move {
        let read = Table::read(table.name.clone(), file.location.clone(), table.store.clone()).await;
        (job, file, read)
    });
    let read: Vec<_> = stream::iter(reads).buffered(READ_CONCURRENCY).collect().await;
    let never_made = read.into_iter().filter_map(|(job, file, read)| {
        let found =
            read.inspect_err(|error| tracing::debug!(%file, %error, "a metadata file is not looked at")).ok()?;
        let metadata = &found.metadata;
        (metadata.current_snapshot_id().is_none() && !tables.contains(&metadata.uuid())).then_some((job, file))
    });
    halves.into_iter().chain(never_made).collect()
}

/// The tables of the catalog.
async fn uuids(catalog: &Arc<dyn Catalog>, table: &Table) -> Result<HashSet<Uuid>> {
    let names = tables_of(catalog.as_ref(), &table.name.catalog, None).await?;
    let loads = names.into_iter().map(|name| async move { catalog.find_table(&name.ident).await });
    let loads: Vec<_> = loads.collect();
    let loads = stream::iter(loads).buffered(READ_CONCURRENCY);
    loads.try_filter_map(|found| async move { Ok(found.map(|table| table.metadata.uuid())) }).try_collect().await
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
    use uuid::Uuid;

    use super::{Birth, JobId, Register, Table};
    use crate::migrate::attempt::Attempt;

    /// The name that a file would have from a driver of another epoch.
    pub(crate) fn with_epoch(location: &str, epoch: u64) -> String {
        let attempt = Attempt::of(location).unwrap();
        location.replace(&attempt.to_string(), &Attempt { epoch, id: uuid::Uuid::new_v4(), ..attempt }.to_string())
    }

    /// The table's one migration, and the epoch of its last driver.
    pub(crate) fn last_driver(table: &Table) -> (JobId, u64) {
        let registers = Register::all(&table.metadata).unwrap();
        (registers[0].0, registers[0].1.epoch)
    }

    /// What the files of a table's first claim are named for.
    pub(crate) fn claimed_table(uuid: Uuid) -> String {
        Birth::of_table(uuid).to_string()
    }

    /// The name of a file of details of the table's one migration.
    pub(crate) fn details_name(table: &Table) -> String {
        let registers = Register::all(&table.metadata).unwrap();
        format!("icelift-{}-{}-batches-0123.json", registers[0].0, registers[0].1.birth)
    }
}
