//! Begins or takes over a migration: the target is there and has its columns, and a claim in it has landed.

use std::sync::Arc;

use super::claim::{claim, taken_over};
use super::prepare::{Prepared, Target};
use super::register::Register;
use super::target;
use crate::catalog::{CommitOutcome, CommitRequest, NewTable, Table};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::snapshot;

/// The target and what it knows, after commits that have landed.
///
/// # Errors
/// [`ErrorKind::Fenced`] if another driver is faster, and what the catalog refuses.
pub(super) async fn begin(engine: &Engine, prepared: &Prepared, next: Register) -> Result<(Table, Register)> {
    let (catalog, ident) = (&prepared.target_catalog, &prepared.target_name.ident);
    let table = match &prepared.target {
        Target::Exists { table, evolution: Some(evolution) } => {
            evolution.commit(catalog, table, prepared.job.author(next.epoch)).await?
        }
        Target::Exists { table, .. } => table.as_ref().clone(),
        Target::New(new) => match created(engine, prepared, new).await {
            Ok(table) => table,
            Err(error) => return Err(lost_race(prepared, error).await),
        },
    };
    engine.failpoints.reach("claim.before_commit").await?;
    let (owner, epoch) = (next.owner, next.epoch);
    claim(catalog, table, prepared.job, prepared.register.clone(), next).await?;
    engine.failpoints.reach("claim.after_commit").await?;
    let table = catalog.load_table(ident).await?;
    match Register::of(&table.metadata, prepared.job)? {
        None => Err(target::register_lost(&table.name)),
        Some(register) if (register.owner, register.epoch) != (owner, epoch) => Err(taken_over()),
        Some(register) => Ok((table, register)),
    }
}

/// Why the target was not created: another driver of the same migration may have been faster.
async fn lost_race(prepared: &Prepared, error: Error) -> Error {
    if error.kind() != ErrorKind::AlreadyExists {
        return error;
    }
    let table = prepared.target_catalog.load_table(&prepared.target_name.ident).await;
    let register = table.and_then(|table| Register::of(&table.metadata, prepared.job));
    if let Ok(Some(_)) = register {
        return taken_over().source(error);
    }
    Error::new(ErrorKind::CommitConflict, "the table was created by somebody else at the same moment")
        .place(Stage::Catalog, &prepared.target_name)
        .hint("let the other process finish, if it is a migration")
        .source(error)
}

/// Creates the table, without a register: were the register in it, a request that comes late could bring it back.
async fn created(engine: &Engine, prepared: &Prepared, new: &NewTable) -> Result<Table> {
    let (catalog, ident) = (&prepared.target_catalog, &prepared.target_name.ident);
    engine.failpoints.reach("create.before_commit").await?;
    let mut staged = catalog.stage_table(new.clone()).await?;
    if let Some(request) = staged.staged.take() {
        let author = Some(prepared.job.author(0));
        staged.staged = Some(Arc::new(CommitRequest { author, ..request.as_ref().clone() }));
    }
    match snapshot::create(catalog, &staged).await {
        CommitOutcome::Landed => {}
        CommitOutcome::NotLanded(error) | CommitOutcome::Unknown(error) => return Err(error),
    }
    engine.failpoints.reach("create.after_commit").await?;
    catalog.load_table(ident).await
}
