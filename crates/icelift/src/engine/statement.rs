//! Runs a statement: ours here, all others in DataFusion with the attached catalogs in view.

use std::collections::HashMap;

use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::parser::Statement as DataFusionStatement;

use super::names::{namespace_name, table_name, unknown_catalog};
use super::view::View;
use super::{Engine, RowStream, alter, create, delete, overwrite, show, splicing};
use crate::catalog::{Dropped, ListedTable, Table, TableName};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::migrate;
use crate::procedures;
use crate::sql::{self, Statement};

/// Runs `statement`, which was read from `text`.
pub(super) async fn run(engine: &Engine, text: &str, statement: Statement) -> Result<RowStream> {
    if engine.concerns_datafusion(text) {
        return engine.run_in_datafusion(text).await;
    }
    match statement {
        Statement::Attach(attach) => engine.attach(attach).await.map(|()| RowStream::empty()),
        Statement::Detach { name, if_exists } => match engine.detach(&name) {
            Err(error) if !(if_exists && error.kind() == ErrorKind::NotFound) => Err(error),
            _ => Ok(RowStream::empty()),
        },
        Statement::CreateSchema { name, if_not_exists, properties } => {
            let (catalog, namespace) = namespace_name(&name)?;
            let catalog = engine.catalogs.get(&catalog).ok_or_else(|| unknown_catalog(&name))?;
            let properties: HashMap<_, _> = properties.into_iter().collect();
            match catalog.create_namespace(&namespace, properties).await {
                Err(error) if !(if_not_exists && error.kind() == ErrorKind::AlreadyExists) => Err(error),
                _ => Ok(RowStream::empty()),
            }
        }
        Statement::DropSchema { name, if_exists, cascade } => drop_schema(engine, &name, if_exists, cascade).await,
        Statement::CreateTable(table) => create::run(engine, &table).await,
        Statement::DropTable { name, if_exists, purge } => drop_table(engine, &name, if_exists, purge).await,
        Statement::AlterTable(statement) => alter::run(engine, &statement).await,
        Statement::Delete(statement) => delete::run(engine, &statement).await,
        Statement::Insert(insert) => {
            if let Some(replaced) = &insert.overwrite {
                return overwrite::run(engine, &insert, replaced).await;
            }
            let view = View::new(engine, false).await;
            let plan = view.insert(&insert).await?;
            view.execute(plan).await
        }
        Statement::Migrate(migrate) => migrate::answer(engine, &migrate).await,
        Statement::ExplainMigrate(migrate) => migrate::explained(engine, &migrate).await,
        Statement::Verify(verify) => migrate::verify::answer(engine, &verify).await,
        Statement::ShowMigrations { from } => migrate::migrations(engine, from.as_deref()).await,
        Statement::ShowMigration { target } => migrate::migration(engine, &target).await,
        Statement::RollbackMigration(rollback) => migrate::rolled_back(engine, &rollback).await,
        Statement::Call(call) => procedures::call(engine, &call).await,
        Statement::Show(shown) => show::answer(engine, &shown).await,
        Statement::Explain { analyze, verbose, statement } => {
            let (view, plan) = match *statement {
                Statement::CreateTable(table) => create::plan(engine, &table).await?,
                Statement::Insert(insert) => {
                    let view = View::new(engine, false).await;
                    let plan = view.insert(&insert).await?;
                    (view, plan)
                }
                _ => {
                    let message = "EXPLAIN explains queries, INSERT and CREATE TABLE … AS";
                    return Err(Error::new(ErrorKind::Unsupported, message));
                }
            };
            let explained = LogicalPlanBuilder::from(plan.clone()).explain(verbose, analyze)?.build()?;
            let rows = view.execute(explained).await?;
            if analyze { Ok(rows) } else { splicing::with_reports(&view, &plan, rows).await }
        }
        Statement::Query(statement) => engine.query(*statement).await,
    }
}

impl Engine {
    /// Whether a statement of ours names a table or schema of DataFusion's own, so that DataFusion shall run it.
    pub(super) fn concerns_datafusion(&self, text: &str) -> bool {
        let is_schema =
            |text: &str| matches!(sql::parse(text), Ok(Statement::CreateSchema { .. } | Statement::DropSchema { .. }));
        let parts = if is_schema(text) { 2 } else { 3 };
        sql::target(text).is_some_and(|name| !self.is_attached(&name) && self.is_datafusions(&name, parts))
    }

    pub(super) async fn run_in_datafusion(&self, text: &str) -> Result<RowStream> {
        self.query(sql::parse_for_datafusion(text)?).await
    }

    async fn query(&self, statement: DataFusionStatement) -> Result<RowStream> {
        let (view, plan) = self.planned(statement).await?;
        view.execute(plan).await
    }

    /// What a statement of DataFusion's will do, in the view of it.
    pub(super) async fn planned(&self, statement: DataFusionStatement) -> Result<(View<'_>, LogicalPlan)> {
        let references = self.session.state().resolve_table_references(&statement)?;
        let with_names = references.iter().any(|it| it.schema() == Some("information_schema"));
        let view = View::new(self, with_names).await;
        view.check(&references)?;
        let plan = view.state().statement_to_plan(statement).await?;
        Ok((view, plan))
    }
}

async fn drop_schema(engine: &Engine, name: &[String], if_exists: bool, cascade: bool) -> Result<RowStream> {
    let (catalog_name, namespace) = namespace_name(name)?;
    let catalog = engine.catalogs.get(&catalog_name).ok_or_else(|| unknown_catalog(name))?;
    match catalog.list_tables(&namespace).await {
        Ok(tables) if cascade => {
            let ident = |table: ListedTable| iceberg::TableIdent::new(namespace.clone(), table.name);
            // Nothing is dropped before it is known that everything can be.
            for table in &tables {
                let table_name = TableName { catalog: catalog_name.clone(), ident: ident(table.clone()) };
                table.kind.refusal(&table_name).map_or(Ok(()), Err)?;
            }
            for table in tables {
                catalog.drop_table(&ident(table)).await?;
            }
        }
        Ok(_) => {}
        Err(error) if if_exists && error.kind() == ErrorKind::NotFound => return Ok(RowStream::empty()),
        Err(error) => return Err(error),
    }
    catalog.drop_namespace(&namespace).await.map(|()| RowStream::empty())
}

async fn drop_table(engine: &Engine, name: &[String], if_exists: bool, purge: bool) -> Result<RowStream> {
    let table = table_name(name)?;
    let catalog = engine.catalogs.get(&table.catalog).ok_or_else(|| unknown_catalog(name))?;
    let loaded = if purge { Some(catalog.load_table(&table.ident).await) } else { None };
    let loaded = match loaded.transpose() {
        Ok(loaded) => loaded,
        Err(error) if if_exists && error.kind() == ErrorKind::NotFound => return Ok(RowStream::empty()),
        Err(error) => return Err(error),
    };
    let dropped = match catalog.drop_table(&table.ident).await {
        Ok(dropped) => dropped,
        Err(error) if if_exists && error.kind() == ErrorKind::NotFound => return Ok(RowStream::empty()),
        Err(error) => return Err(error),
    };
    match (loaded, dropped) {
        (Some(loaded), Dropped::ByUs) => loaded.purge().await.map(|()| RowStream::empty()),
        (Some(loaded), Dropped::Gone) => Err(unpurged(&loaded)),
        (None, _) => Ok(RowStream::empty()),
    }
}

/// A table that somebody renamed still has its files.
fn unpurged(table: &Table) -> Error {
    let message = "the answer to the drop was lost: the table is gone, its files were not deleted";
    Error::new(ErrorKind::Write, message)
        .place(Stage::Catalog, &table.name)
        .hint(format!("if it was not renamed, delete what lies below `{}`", table.metadata.location()))
}

#[cfg(test)]
mod tests;
