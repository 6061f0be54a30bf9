//! Commits data files: one snapshot, all or nothing.
//!
//! In: the data files of a statement. Out: landed, not landed, or unknown. What must hold: a commit that lost a race is
//! built again on what won it, a commit whose answer was lost is settled by reading the table, and nothing is removed
//! while it is not known.

mod alteration;
mod change;
mod companion;
mod difference;
mod lineage;
mod merge;
mod metadata;
mod precondition;
mod regroup;
mod removal;
mod settle;
mod summary;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use iceberg::spec::{DataFile, TableMetadata};
use uuid::Uuid;

#[cfg(test)]
pub(crate) use self::alteration::metadata_request;
pub(crate) use self::alteration::{Alteration, alter};
use self::change::ChangeBuilder;
pub(crate) use self::change::REPLACED_MANIFESTS;
use self::companion::Alone;
pub(crate) use self::companion::{Cargo, Companion};
pub(crate) use self::difference::{Difference, Live, LiveFile, live};
use self::merge::Merging;
pub(crate) use self::metadata::{MetadataChange, change_metadata};
pub(crate) use self::precondition::{Precondition, SameDeletes};
pub(crate) use self::regroup::{Regroup, Regrouped};
pub(crate) use self::removal::DeleteId;
pub(crate) use self::settle::Shown;
use self::settle::{Sign, Unsettled};
use crate::catalog::{Author, Catalog, CommitOutcome, Table};
use crate::error::{Error, ErrorKind, Result, Stage};

/// How often and how long a commit that lost a race is tried again: Iceberg's own properties and defaults.
struct Retries {
    count: usize,
    min_wait: Duration,
    max_wait: Duration,
    total: Duration,
}

impl Retries {
    /// Reads the properties of the table.
    ///
    /// # Errors
    /// A property that is not a number, by name.
    fn new(metadata: &TableMetadata) -> Result<Self> {
        let number = |key: &str, default: u64| number(metadata, key, default);
        // Read where the answer to a commit is lost; a mistake in it is told before.
        number(settle::TOTAL_TIMEOUT, 0)?;
        Ok(Self {
            count: number("commit.retry.num-retries", 4)? as usize,
            min_wait: Duration::from_millis(number("commit.retry.min-wait-ms", 100)?),
            max_wait: Duration::from_millis(number("commit.retry.max-wait-ms", 60_000)?),
            total: Duration::from_millis(number("commit.retry.total-timeout-ms", 1_800_000)?),
        })
    }

    /// The waits before each further attempt.
    fn waits(&self) -> impl Iterator<Item = Duration> + use<> {
        ExponentialBuilder::default()
            .with_min_delay(self.min_wait)
            .with_max_delay(self.max_wait)
            .with_max_times(self.count)
            .with_total_delay(Some(self.total))
            .with_jitter()
            .build()
    }

    /// The defaults.
    fn standard() -> Self {
        let (min_wait, max_wait) = (Duration::from_millis(100), Duration::from_secs(60));
        Self { count: 4, min_wait, max_wait, total: Duration::from_secs(1_800) }
    }
}

/// A property that is a number.
fn number(metadata: &TableMetadata, key: &str, default: u64) -> Result<u64> {
    match metadata.properties().get(key) {
        None => Ok(default),
        Some(value) => value.parse().map_err(|_| {
            Error::new(ErrorKind::Config, format!("the table property `{key}` is `{value}`, it takes a number"))
        }),
    }
}

/// Fails if the table's properties do not say how to commit, before anything is written.
pub(crate) fn check(metadata: &TableMetadata) -> Result<()> {
    Retries::new(metadata)?;
    Merging::new(metadata).map(drop)
}

/// Appends the files to the table's main branch in one snapshot.
///
/// `planned` is the table as the rows were written for it: its schema, default partition spec and format version must still
/// be those of the table when the commit is made.
pub(crate) async fn append(catalog: &Arc<dyn Catalog>, planned: &Table, files: Vec<DataFile>) -> CommitOutcome {
    commit(catalog, planned, planned.clone(), Change { files, ..Change::default() }).await
}

/// What a snapshot does to the rows of its table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Rows come or go: an `append`, a `delete` or an `overwrite`, as its files tell.
    #[default]
    Rows,
    /// The same rows stand in other files: a `replace`.
    Layout,
}

/// What one snapshot changes.
#[derive(Debug)]
pub(crate) struct Change {
    pub effect: Effect,
    /// Data files to add. With none, and none to remove, the snapshot only moves the branch.
    pub files: Vec<DataFile>,
    /// The partition spec of the files that are added; the table's default unless set.
    pub spec_id: Option<i32>,
    /// The data sequence number of the files that are added, if it is not to be that of the commit: deletes with a higher
    /// one apply to them.
    pub data_sequence: Option<i64>,
    /// Locations of data files to take out. All of them must be in the table.
    pub remove: HashSet<String>,
    /// Deletes to take out. All of them must be in the table.
    pub remove_deletes: HashSet<DeleteId>,
    /// Whether the schema and the default spec must be those of the base when the commit is applied, too, and not only when it is
    /// built: the base may be old.
    pub holds_layout: bool,
    /// How the manifests are written anew, if they are.
    pub regroup: Option<Regroup>,
    /// What must hold in each base, beside that what is removed is there.
    pub preconditions: Vec<Arc<dyn Precondition>>,
    pub companion: Arc<dyn Companion>,
    /// What the names of the manifests say before the commit's own id, so that one can tell whose they are.
    pub file_prefix: String,
    /// Who is to be told by the names of metadata files.
    pub author: Option<Author>,
}

impl Default for Change {
    fn default() -> Self {
        Self {
            effect: Effect::Rows,
            files: Vec::new(),
            spec_id: None,
            data_sequence: None,
            remove: HashSet::new(),
            remove_deletes: HashSet::new(),
            holds_layout: false,
            regroup: None,
            preconditions: Vec::new(),
            companion: Arc::new(Alone),
            file_prefix: String::new(),
            author: None,
        }
    }
}

impl Change {
    fn removes_any(&self) -> bool {
        !self.remove.is_empty() || !self.remove_deletes.is_empty()
    }
}

/// Makes the change to the table's main branch in one snapshot, first built on `base`.
///
/// For `planned` the same holds as for [`append`], unless the change names a spec of its own. An error of a precondition or of
/// the companion ends the commit as not landed; one of the kind [`ErrorKind::CommitConflict`] has it tried again.
pub(crate) async fn commit(
    catalog: &Arc<dyn Catalog>,
    planned: &Table,
    mut base: Table,
    change: Change,
) -> CommitOutcome {
    let retries = match Retries::new(&planned.metadata) {
        Ok(retries) => retries,
        Err(error) => return CommitOutcome::NotLanded(error.place(Stage::Snapshot, &planned.name)),
    };
    let mut waits = retries.waits();
    let mut change = ChangeBuilder::new(Uuid::new_v4(), change);
    loop {
        let conflict = match attempt(catalog, planned, &base, &mut change).await {
            CommitOutcome::NotLanded(error) if error.kind() == ErrorKind::CommitConflict => error,
            CommitOutcome::NotLanded(error) => return change.cleaned_up(&base.store, error).await,
            CommitOutcome::Landed => return change.landed(&base.store).await,
            unknown => return unknown,
        };
        // Staged changes were made to what is no longer there.
        let Some(wait) = waits.next().filter(|_| planned.staged.is_none()) else {
            return change.cleaned_up(&base.store, conflict).await;
        };
        tracing::info!(table = %planned.name, ?wait, "the commit lost a race and is built again");
        tokio::time::sleep(wait).await;
        base = match catalog.load_table(&planned.name.ident).await {
            Ok(table) => table,
            Err(error) => return change.cleaned_up(&base.store, error).await,
        };
        // Built again on itself it would be refused for good, and its files removed.
        if change.is_in(&base.metadata) {
            return change.landed(&base.store).await;
        }
    }
}

/// Builds the commit on `base` and sends it; settles an unknown outcome by reading the table.
async fn attempt(
    catalog: &Arc<dyn Catalog>,
    planned: &Table,
    base: &Table,
    change: &mut ChangeBuilder,
) -> CommitOutcome {
    if let Err(error) = check_unchanged(planned, base, change.spec_id()) {
        return CommitOutcome::NotLanded(error);
    }
    let (request, snapshot_id) = match change.request(base).await {
        Ok(built) => built,
        Err(error) => return CommitOutcome::NotLanded(error.place(Stage::Snapshot, &base.name)),
    };
    settle::commit(catalog, &Unsettled { base, request, sign: Sign::Snapshot(snapshot_id) }).await
}

/// Sends the changes of a staged table that has no rows.
pub(crate) async fn create(catalog: &Arc<dyn Catalog>, table: &Table) -> CommitOutcome {
    let request = table.staged.as_deref().cloned().unwrap_or_default();
    settle::commit(catalog, &Unsettled { base: table, request, sign: Sign::Table }).await
}

/// The files fit one schema and one spec only, and their manifest one format.
fn check_unchanged(planned: &Table, base: &Table, spec_id: Option<i32>) -> Result<()> {
    let (before, now) = (&planned.metadata, &base.metadata);
    let has_spec = match spec_id {
        Some(spec_id) => now.partition_spec_by_id(spec_id).is_some(),
        None => before.default_partition_spec_id() == now.default_partition_spec_id(),
    };
    let what = if before.uuid() != now.uuid() {
        "the table was dropped and created again"
    } else if before.current_schema_id() != now.current_schema_id() {
        "the table's schema was changed"
    } else if !has_spec {
        "the table's partition spec was changed"
    } else if before.format_version() != now.format_version() {
        "the table's format version was changed"
    } else {
        return Ok(());
    };
    let kind = if before.uuid() == now.uuid() { ErrorKind::Write } else { ErrorKind::Drift };
    Err(Error::new(kind, format!("{what} while the statement ran"))
        .place(Stage::Snapshot, &base.name)
        .hint("run the statement again"))
}

#[cfg(test)]
mod tests;
