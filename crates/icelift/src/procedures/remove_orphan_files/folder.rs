//! Objects below a folder that the table does not refer to and that are old: as Spark finds them.
//!
//! What must hold: an object is only found if it surely is not the table's, nor another table's that lives in the same
//! folder. Files of migrations that the table knows are left out: a driver may adopt them however old they are, so that they
//! are for the form with `job`.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};

use super::listed;
use crate::catalog::{Catalog, Table, TableName, tables_of};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::migrate::orphans::{elsewhere, job_of, jobs, known_as};
use crate::procedures::Context;
use crate::storage::{Equal, Held, Stored, is_within};

/// Metadata files of other roots that are looked at.
const ROOTS_MAX: usize = 16;
/// Tables that are loaded at once.
const LOAD_CONCURRENCY: usize = 8;

/// What to look for.
pub(super) struct Search {
    /// The table's location unless it is given.
    pub folder: Option<String>,
    /// Only what was written before.
    pub before: DateTime<Utc>,
    /// The table or view that lists the objects, unless the store does.
    pub view: Option<String>,
    pub equal: Equal,
    pub mismatch: Mismatch,
}

/// What becomes of an object whose path the table refers to in another store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mismatch {
    Error,
    Ignore,
    Delete,
}

impl Search {
    fn folder<'a>(&'a self, table: &'a Table) -> &'a str {
        self.folder.as_deref().unwrap_or(table.metadata.location()).trim_end_matches('/')
    }
}

/// The objects and unfinished uploads that the table does not need, by location.
///
/// # Errors
/// A folder that holds more than this table's files, files of which it cannot be told whose they are, and metadata that
/// cannot be read.
pub(super) async fn list(engine: &Engine, table: &Table, search: &Search) -> Result<Vec<Stored>> {
    let place = |error: Error| error.place(Stage::Catalog, &table.name);
    let root = table.metadata.location().trim_end_matches('/');
    let folder = search.folder(table);
    if is_within(root, folder) && !is_within(folder, root) {
        let message = "the folder is above the table's own, where other tables may be";
        return Err(place(Error::new(ErrorKind::Unsupported, message))
            .subject(folder)
            .hint(format!("the table is at `{root}`")));
    }
    let (known, jobs) = (known_as(table, search.equal.clone()).await.map_err(place)?, jobs(table).map_err(place)?);
    let hidden = Hidden::new(table);
    let is_sought = |stored: &Stored| {
        let is_old = stored.written.is_some_and(|written| written < search.before);
        let is_kept = job_of(&stored.location).is_some_and(|job| jobs.contains(&job));
        is_old && !is_kept && !hidden.covers(folder, &stored.location)
    };
    let (mut unsure, mut roots) = (None, BTreeMap::new());
    let wanted = |stored: &Stored| match known.find(&stored.location) {
        Held::Here => false,
        Held::Elsewhere(_) if search.mismatch == Mismatch::Ignore => false,
        held => {
            if let Some(other) = metadata_root(&stored.location).filter(|other| *other != root) {
                roots.entry(other.to_string()).or_insert_with(|| stored.location.clone());
            }
            let is_sought = is_sought(stored);
            if let (Held::Elsewhere(prefix), true, Mismatch::Error) = (held, is_sought, search.mismatch) {
                unsure.get_or_insert_with(|| elsewhere(table, &stored.location, prefix));
            }
            is_sought
        }
    };
    let mut found = match &search.view {
        None => table.store.list_objects(folder, wanted).await.map_err(place)?,
        Some(view) => {
            let is_old = |stored: &Stored| stored.written.is_some_and(|written| written < search.before);
            let is_near = |stored: &Stored| is_old(stored) && is_within(&stored.location, folder);
            let mut found = listed::objects(engine, view, is_near).await.map_err(place)?;
            found.retain(wanted);
            found
        }
    };
    if let Some(unsure) = unsure {
        return Err(unsure);
    }
    check_roots(table, roots).await?;
    if search.view.is_none() {
        found.extend(table.store.list_uploads(folder).await.map_err(place)?.into_iter().filter(is_sought));
    }
    found.sort();
    Ok(found)
}

/// The folder of the table that a metadata file is of, by its place.
fn metadata_root(location: &str) -> Option<&str> {
    location.strip_suffix(".metadata.json")?.rsplit_once('/')?.0.strip_suffix("/metadata")
}

/// Fails if metadata files in the folder are of another table: its data files would look like nobody's.
async fn check_roots(table: &Table, roots: BTreeMap<String, String>) -> Result<()> {
    for (root, location) in roots.into_iter().take(ROOTS_MAX) {
        let read = Table::read(table.name.clone(), location, table.store.clone()).await;
        // The table may have lived there once.
        if read.is_ok_and(|found| found.metadata.uuid() == table.metadata.uuid()) {
            continue;
        }
        return Err(Error::new(ErrorKind::Unsupported, "the folder holds files of another table")
            .place(Stage::Catalog, &table.name)
            .subject(root)
            .hint("name a folder that only has files of this table, such as that of its data: location => '…'"));
    }
    Ok(())
}

/// Fails if another table of the catalog lives in the folder: one that was renamed keeps its place, and a new one may have been
/// made there. A table that cannot be read is passed over with a warning.
pub(super) async fn check_alone(context: &Context<'_>, table: &Table, search: &Search) -> Result<()> {
    let folder = search.folder(table);
    let names = tables_of(context.catalog.as_ref(), context.name, None).await?;
    let others = names.into_iter().filter(|name| *name != table.name);
    let loads: Vec<_> = others.map(|name| location(Arc::clone(&context.catalog), name)).collect();
    let mut loads = stream::iter(loads).buffer_unordered(LOAD_CONCURRENCY);
    while let Some(found) = loads.next().await {
        let Some((name, location)) = found else { continue };
        if is_within(&location, folder) || is_within(folder, &location) {
            return Err(Error::new(ErrorKind::Unsupported, format!("the folder holds files of the table {name}"))
                .place(Stage::Catalog, &table.name)
                .subject(folder)
                .hint("two tables share it, so that only their owners can tell whose a file is; nothing was removed"));
        }
    }
    Ok(())
}

async fn location(catalog: Arc<dyn Catalog>, name: TableName) -> Option<(TableName, String)> {
    match catalog.load_table(&name.ident).await {
        Ok(table) => Some((name, table.metadata.location().to_string())),
        Err(error) => {
            tracing::warn!(table = %name, %error, "it is not known whether the table shares the folder");
            None
        }
    }
}

/// Files and folders that Spark passes over: their names begin with `_` or `.`, unless a partition field's does.
struct Hidden(HashSet<String>);

impl Hidden {
    fn new(table: &Table) -> Self {
        let specs = table.metadata.partition_specs_iter();
        let names = specs.flat_map(|spec| spec.fields().iter().map(|field| format!("{}=", field.name)));
        Self(names.filter(|name| is_hidden(name)).collect())
    }

    fn covers(&self, folder: &str, location: &str) -> bool {
        let below = location.strip_prefix(folder).unwrap_or(location);
        let is_partition = |part: &str| self.0.iter().any(|name| part.starts_with(name.as_str()));
        below.split('/').any(|part| is_hidden(part) && !is_partition(part))
    }
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('_') || name.starts_with('.')
}
