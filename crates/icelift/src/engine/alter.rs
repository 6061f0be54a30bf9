//! `ALTER TABLE`: one change of a table's metadata, committed.
//!
//! What must hold: a change is planned on the table as it is, and planned anew on what others made of it meanwhile; ids of
//! columns and partition fields are never given twice; what the change would break is said before anything is sent.

mod columns;
mod order;
mod partition;
mod path;
mod properties;
mod uses;

use async_trait::async_trait;
use iceberg::spec::{Schema, TableMetadata, TableMetadataBuildResult, TableMetadataBuilder};

use super::names::{table_name, unknown_catalog};
use super::{Engine, RowStream};
use crate::catalog::{CommitOutcome, Table, TableName, is_same_schema};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::snapshot::{self, Alteration};
use crate::sql::{AlterTable, TableChange};

/// Runs `ALTER TABLE`.
pub(super) async fn run(engine: &Engine, statement: &AlterTable) -> Result<RowStream> {
    let name = table_name(&statement.table)?;
    let catalog = engine.catalogs.get(&name.catalog).ok_or_else(|| unknown_catalog(&statement.table))?;
    if let TableChange::RenameTable(to) = &statement.change {
        let to = renamed(&name, to)?;
        return catalog.rename_table(&name.ident, &to.ident).await.map(|()| RowStream::empty());
    }
    let change = Change { change: statement.change.clone(), catalog_kind: engine.catalogs.kind(&name.catalog) };
    let table = catalog.load_table(&name.ident).await?;
    match snapshot::alter(&catalog, table, &change).await {
        CommitOutcome::Landed => Ok(RowStream::empty()),
        CommitOutcome::NotLanded(error) | CommitOutcome::Unknown(error) => Err(error),
    }
}

/// The new name: a full one, or one in the same schema.
fn renamed(table: &TableName, to: &[String]) -> Result<TableName> {
    let to = match to {
        [name] => TableName {
            catalog: table.catalog.clone(),
            ident: iceberg::TableIdent::new(table.ident.namespace.clone(), name.clone()),
        },
        full => table_name(full)?,
    };
    if to.catalog != table.catalog {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("{table} cannot be renamed into another catalog, {to}"),
        )
        .hint("MIGRATE TABLE moves a table from catalog to catalog"));
    }
    if to == *table {
        return Err(Error::new(ErrorKind::AlreadyExists, format!("the table is called {to} already")));
    }
    Ok(to)
}

/// A change as the statement says it.
#[derive(Debug)]
struct Change {
    change: TableChange,
    /// The `TYPE` of the catalog.
    catalog_kind: String,
}

#[async_trait]
impl Alteration for Change {
    async fn on(&self, base: &Table) -> Result<Option<TableMetadataBuildResult>> {
        let metadata = base.metadata.as_ref();
        let builder = metadata.clone().into_builder(None);
        let changed = match &self.change {
            TableChange::AddPartitionField(_)
            | TableChange::DropPartitionField(_)
            | TableChange::ReplacePartitionField { .. } => partition::change(builder, metadata, &self.change)?,
            TableChange::WriteOrder { fields, distribution } => {
                order::change(builder, metadata, fields.as_deref(), *distribution)?
            }
            TableChange::SetProperties(_) | TableChange::UnsetProperties { .. } => {
                properties::change(builder, metadata, &self.change, &self.catalog_kind)?
            }
            TableChange::RenameTable(_) => builder,
            _ => match columns::changed(metadata, &self.change)? {
                Some(schema) => {
                    uses::check_dropped(base, &schema).await?;
                    with_schema(builder, metadata, schema)?
                }
                None => builder,
            },
        };
        let built = TableMetadataBuilder::build(changed).map_err(refused)?;
        Ok(Some(built).filter(|built| !built.changes.is_empty()))
    }
}

/// Makes the schema the current one. One that the table has had is named by its id: Java's server adds none twice.
fn with_schema(
    builder: TableMetadataBuilder,
    metadata: &TableMetadata,
    schema: Schema,
) -> Result<TableMetadataBuilder> {
    let set = match metadata.schemas_iter().find(|known| is_same_schema(known, &schema)) {
        Some(known) => builder.set_current_schema(known.schema_id()),
        None => builder.add_current_schema(schema),
    };
    set.map_err(refused)
}

/// The error for what the specification does not allow and no check here has named.
fn refused(source: iceberg::Error) -> Error {
    Error::new(ErrorKind::Sql, format!("the change is not valid: {}", source.message()))
        .stage(Stage::Catalog)
        .source(source)
}

#[cfg(test)]
mod tests;
