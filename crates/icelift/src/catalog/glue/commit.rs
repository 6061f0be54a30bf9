//! Commits: a metadata file is written, then the entry is pointed to it.
//!
//! Glue replaces an entry only if the version that the call names is the newest. So a commit that was refused, or whose
//! version has been passed by, cannot land any more, however late a lost call is worked off; and a call that is repeated
//! lands once. What is left open is a lost call to an entry that has not moved: that one is unknown, and nothing is deleted.

use aws_sdk_glue::types::TableInput;
use iceberg::TableIdent;
use iceberg::spec::{MetadataLog, TableMetadata, TableMetadataBuildResult};

use super::GlueCatalog;
use super::client::{DatabasePlace, Unsent};
use super::failure::Reason;
use super::links::Found;
use super::table_input::{self, METADATA_LOCATION};
use crate::catalog::apply::{
    added_snapshots, apply, conflict, delete_expired, is_built_on, name_is_taken, next_location, table_exists,
    write_metadata,
};
use crate::catalog::{CommitOutcome, CommitRequest, Table, TableName};
use crate::error::{Error, ErrorKind, Result, Stage};

/// A commit whose metadata file is written.
struct Written {
    name: TableName,
    place: DatabasePlace,
    /// What the entry will be.
    input: TableInput,
    /// The version of the entry that the commit was built on; none for a new table.
    version: Option<String>,
    metadata: TableMetadata,
    expired: Vec<MetadataLog>,
    location: String,
    /// The snapshots that the commit adds.
    snapshot_ids: Vec<i64>,
}

/// Creates the table that the request describes.
pub(super) async fn create(catalog: &GlueCatalog, ident: &TableIdent, request: CommitRequest) -> CommitOutcome {
    let prepared = async {
        let (place, _) = catalog.database(&ident.namespace).await?;
        let name = catalog.table_name(ident);
        let built = apply(&name, None, &request)?;
        write(catalog, name, place, None, built, &request).await
    };
    match prepared.await {
        Ok(written) => send(catalog, ident, written).await,
        Err(error) => CommitOutcome::NotLanded(error),
    }
}

/// Makes an entry for a table that is there, pointed to its metadata file.
pub(super) async fn register(catalog: &GlueCatalog, ident: &TableIdent, table: &Table) -> Result<()> {
    let (place, _) = catalog.database(&ident.namespace).await?;
    let location = table.metadata_file()?;
    let input = table_input::created(&ident.name, &table.metadata, location).map_err(|source| {
        let message = "the entry cannot be described";
        Error::new(ErrorKind::Internal, message).place(Stage::Catalog, &table.name).source(source)
    })?;
    let Err(Unsent { failure, may_land }) = catalog.client.create_table(&place, input).await else { return Ok(()) };
    let points_there = async {
        let entry = catalog.client.table(&place, &ident.name).await.ok().flatten();
        entry
            .is_some_and(|it| it.parameters().and_then(|it| it.get(METADATA_LOCATION)).is_some_and(|at| at == location))
    };
    match failure.reason {
        // An attempt whose answer was lost may have made it.
        _ if may_land && points_there.await => Ok(()),
        Reason::Exists => Err(name_is_taken(&table.name).source(failure.error)),
        Reason::NotFound => Err(catalog.namespace_not_found(&ident.namespace)),
        _ if may_land => Err(Error::new(ErrorKind::CommitUnknown, "it is not known whether the table was registered")
            .place(Stage::Catalog, &table.name)
            .hint("look whether it is there before you run the statement again")
            .source(failure.error)),
        _ => Err(failure.error.place(Stage::Catalog, &table.name)),
    }
}

/// Applies the request to the table as it is now.
pub(super) async fn update(catalog: &GlueCatalog, ident: &TableIdent, request: CommitRequest) -> CommitOutcome {
    let prepared = async {
        let found = catalog.find(ident).await?.ok_or_else(|| catalog.table_not_found(ident))?;
        let base = catalog.read(ident, &found.entry).await?;
        let built = apply(&base.name, Some(&base), &request)?;
        write(catalog, base.name.clone(), found.place.clone(), Some((&found, &base)), built, &request).await
    };
    match prepared.await {
        Ok(written) => send(catalog, ident, written).await,
        Err(error) => CommitOutcome::NotLanded(error),
    }
}

async fn write(
    catalog: &GlueCatalog,
    name: TableName,
    place: DatabasePlace,
    base: Option<(&Found, &Table)>,
    built: TableMetadataBuildResult,
    request: &CommitRequest,
) -> Result<Written> {
    let TableMetadataBuildResult { metadata, expired_metadata_logs: expired, .. } = built;
    let file = next_location(base.map(|(_, table)| table), &metadata, request.author);
    let location = file.to_string();
    let input = match base {
        Some((found, _)) => table_input::updated(&found.entry, &metadata, &location),
        None => table_input::created(&name.ident.name, &metadata, &location),
    };
    let internal = |message: &str| Error::new(ErrorKind::Internal, message).place(Stage::Snapshot, &name);
    let input = input.map_err(|source| internal("the entry cannot be described").source(source))?;
    let version = match base {
        // Without a version the update would overwrite whatever others committed in the meantime.
        Some((found, _)) => Some(found.entry.version_id.clone().ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "Glue gave the entry no version, so commits cannot be told apart")
                .place(Stage::Snapshot, &name)
                .hint("a `glue.endpoint` that is not AWS must count versions")
        })?),
        None => None,
    };
    write_metadata(&catalog.store, &metadata, &file).await?;
    let snapshot_ids = added_snapshots(request);
    Ok(Written { name, place, input, version, metadata, expired, location, snapshot_ids })
}

async fn send(catalog: &GlueCatalog, ident: &TableIdent, written: Written) -> CommitOutcome {
    let Written { place, input, version, .. } = &written;
    let sent = match version {
        Some(version) => catalog.client.update_table(place, input.clone(), version, catalog.skip_archive).await,
        None => catalog.client.create_table(place, input.clone()).await,
    };
    let outcome = match sent {
        Ok(()) => CommitOutcome::Landed,
        Err(unsent) => settle(catalog, ident, &written, unsent).await,
    };
    match &outcome {
        CommitOutcome::Landed => delete_expired(&catalog.store, &written.metadata, &written.expired).await,
        // Nothing points to the file, and nothing ever will.
        CommitOutcome::NotLanded(_) => {
            if let Err(error) = catalog.store.delete(&written.location).await {
                tracing::warn!(%error, "the metadata file of a commit that did not land is left");
            }
        }
        CommitOutcome::Unknown(_) => {}
    }
    outcome
}

/// Finds out what became of a commit that failed.
async fn settle(catalog: &GlueCatalog, ident: &TableIdent, written: &Written, unsent: Unsent) -> CommitOutcome {
    let Unsent { failure, may_land } = unsent;
    let error = match (failure.reason, &written.version) {
        (Reason::Concurrent, _) => conflict(&written.name).source(failure.error),
        (Reason::Exists, None) => table_exists(&written.name).source(failure.error),
        (Reason::NotFound, Some(_)) => {
            Error::new(ErrorKind::NotFound, "the table was dropped while the commit was made")
                .place(Stage::Snapshot, &written.name)
                .source(failure.error)
        }
        (Reason::NotFound, None) => catalog.namespace_not_found(&ident.namespace),
        _ => failure.error.place(Stage::Snapshot, &written.name),
    };
    if !may_land && !matches!(failure.reason, Reason::Concurrent | Reason::Exists) {
        return CommitOutcome::NotLanded(error);
    }
    // Also where every call was refused: a proxy on the way may have sent one of them twice.
    match (state(catalog, written).await, may_land) {
        (Ok(State::Landed), _) => CommitOutcome::Landed,
        (Ok(State::Passed), true) if written.version.is_none() => CommitOutcome::NotLanded(table_exists(&written.name)),
        (Ok(State::Passed), true) => CommitOutcome::NotLanded(conflict(&written.name)),
        (Ok(State::Passed | State::Open), false) | (Err(_), false) => CommitOutcome::NotLanded(error),
        (Ok(State::Open), true) => CommitOutcome::Unknown(error),
        (Err(unread), true) => {
            tracing::warn!(table = %written.name, error = %unread, "the table could not be read after a lost commit");
            CommitOutcome::Unknown(error)
        }
    }
}

/// What the entry says of a commit.
enum State {
    Landed,
    /// Another writer's version stands where this commit's would have to.
    Passed,
    /// As it was before: a lost call may still change it.
    Open,
}

async fn state(catalog: &GlueCatalog, written: &Written) -> Result<State> {
    let Written { name, place, input, version, location, snapshot_ids, .. } = written;
    // A table that is gone may have been dropped after the commit landed, and one that is to be created may still come.
    let Some(entry) = catalog.client.table(place, &input.name).await? else { return Ok(State::Open) };
    let pointer = entry.parameters().and_then(|it| it.get(METADATA_LOCATION));
    if pointer == Some(location) {
        return Ok(State::Landed);
    }
    // A new table whose name another one has: a lost call would be refused, unless that one is dropped meanwhile.
    let moved = match version {
        Some(version) => entry.version_id.as_ref().is_some_and(|now| now != version),
        None => true,
    };
    if !moved {
        return Ok(State::Open);
    }
    // Others may have committed on top of this commit.
    if let Some(pointer) = pointer {
        let table = Table::read(name.clone(), pointer.clone(), catalog.store.clone()).await?;
        if is_built_on(&table.metadata, location, snapshot_ids) {
            return Ok(State::Landed);
        }
    }
    Ok(State::Passed)
}
