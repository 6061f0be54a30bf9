//! Metadata tables: what a table's metadata says, as rows.
//!
//! `t$files` is one of the tables beside `t`, with the columns that Spark gives them. What must hold: only metadata is read,
//! and of that only what the table is made of; the columns depend on the table as it is today, not on the version that is
//! looked at. In memory are the rows of one manifest for each stream, never those of all.

mod columns;
mod files;
mod history;
mod human;
mod manifests;
mod metrics;
mod partition;
mod partitions;
mod pieces;
mod plan;

use std::any::Any;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result as DataFusionResult;
use datafusion::datasource::TableType;
use datafusion::execution::SessionState;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;

use self::pieces::Rows;
use self::plan::MetadataScan;
use crate::catalog::Table;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::sql::Version;

/// One of the tables that tell of a table's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MetadataTable {
    Snapshots,
    History,
    Refs,
    MetadataLogEntries,
    Manifests,
    AllManifests,
    Files,
    DataFiles,
    DeleteFiles,
    Entries,
    Partitions,
}

impl MetadataTable {
    /// In the order of the reference.
    pub const ALL: [Self; 11] = [
        Self::Snapshots,
        Self::History,
        Self::Refs,
        Self::MetadataLogEntries,
        Self::Manifests,
        Self::AllManifests,
        Self::Files,
        Self::DataFiles,
        Self::DeleteFiles,
        Self::Entries,
        Self::Partitions,
    ];

    /// What stands behind the `$`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Snapshots => "snapshots",
            Self::History => "history",
            Self::Refs => "refs",
            Self::MetadataLogEntries => "metadata_log_entries",
            Self::Manifests => "manifests",
            Self::AllManifests => "all_manifests",
            Self::Files => "files",
            Self::DataFiles => "data_files",
            Self::DeleteFiles => "delete_files",
            Self::Entries => "entries",
            Self::Partitions => "partitions",
        }
    }

    /// The metadata table of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// Takes the name of a metadata table apart: the table and what is told of it.
    pub fn of(name: &str) -> Option<(&str, Self)> {
        let (table, metadata) = name.rsplit_once('$').filter(|(table, _)| !table.is_empty())?;
        Some((table, Self::named(metadata)?))
    }

    /// All names, for an error.
    pub fn all_told() -> String {
        let names: Vec<_> = Self::ALL.iter().map(|table| format!("${}", table.name())).collect();
        format!("the metadata tables of a table are {}", names.join(", "))
    }

    /// Whether it tells of one snapshot, so that another one can be asked for.
    fn is_of_a_snapshot(self) -> bool {
        !matches!(self, Self::Snapshots | Self::History | Self::Refs | Self::MetadataLogEntries | Self::AllManifests)
    }
}

/// A metadata table as DataFusion sees it, for one statement.
#[derive(Debug)]
pub(crate) struct Inspected {
    table: Table,
    metadata: MetadataTable,
    /// What the statement says of the version, for EXPLAIN.
    version: Option<Version>,
    rows: Arc<Rows>,
    schema: SchemaRef,
}

impl Inspected {
    /// # Errors
    /// A version that the table does not have, or that this metadata table cannot show; types that are not supported.
    pub fn new(
        table: &Table,
        metadata: MetadataTable,
        version: Option<&Version>,
        session: &SessionState,
    ) -> Result<Self> {
        let pinned = match version {
            None => table.clone(),
            Some(Version::Added { .. }) => {
                let message = format!("`{}` is a metadata table and has no added rows", metadata.name());
                return Err(Error::new(ErrorKind::Unsupported, message)
                    .place(Stage::Catalog, &table.name)
                    .hint("\"added_snapshot_id\" of $manifests and \"snapshot_id\" of $entries tell what came when"));
            }
            Some(version) if metadata.is_of_a_snapshot() => table.as_of_with_schema_of_today(version, session)?,
            Some(version) => {
                let message = format!("`{}` tells of the whole table, there is none `{version}`", metadata.name());
                return Err(Error::new(ErrorKind::Unsupported, message)
                    .place(Stage::Catalog, &table.name)
                    .hint("leave the version out; WHERE picks rows by their time or snapshot"));
            }
        };
        let rows = Rows::of(metadata, &pinned).map_err(|error| error.place(Stage::Catalog, &table.name))?;
        let schema = rows.schema();
        Ok(Self { table: pinned, metadata, version: version.cloned(), rows: Arc::new(rows), schema })
    }

    /// The name as a statement says it.
    fn label(&self) -> String {
        let version = self.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
        format!("`{}${}`{version}", self.table.name.plain(), self.metadata.name())
    }
}

#[async_trait]
impl TableProvider for Inspected {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let pieces = self.rows.pieces(&self.table, self.metadata).await;
        let pieces = pieces.map_err(|error| error.place(Stage::Scan, &self.table.name))?;
        let columns = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let streams = pieces.dealt(state.config().target_partitions());
        let table = self.table.clone();
        let rows = Arc::clone(&self.rows);
        let plan = MetadataScan::new(self.label(), table, rows, &self.schema, columns, streams, limit)?;
        Ok(Arc::new(plan))
    }
}

#[cfg(test)]
mod tests;
