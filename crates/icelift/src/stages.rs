//! Doors to stages that no statement runs alone, for `benches/stages.rs`. They are no part of the interface.

use std::sync::Arc;

use arrow::array::RecordBatch;
use iceberg::arrow::schema_to_arrow_schema;

use crate::engine::Engine;
use crate::engine::names::{table_name, unknown_catalog};
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::shuffle::Partitioner;
use crate::pipeline::verify::{ContentHasher, PortableHasher};

/// What the rows of a table go through on their way into its files.
pub struct Stages {
    partitioner: Partitioner,
    content: ContentHasher,
    portable: PortableHasher,
}

impl std::fmt::Debug for Stages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stages").finish_non_exhaustive()
    }
}

impl Stages {
    /// Of the table with this full name.
    ///
    /// # Errors
    /// A table that is not there.
    pub async fn of(engine: &Engine, table: &str) -> Result<Self> {
        let parts: Vec<String> = table.split('.').map(str::to_string).collect();
        let name = table_name(&parts)?;
        let catalog = engine.catalogs.get(&name.catalog).ok_or_else(|| unknown_catalog(&parts))?;
        let metadata = catalog.load_table(&name.ident).await?.metadata;
        let schema = metadata.current_schema();
        let columns = schema_to_arrow_schema(schema)
            .map_err(|source| Error::new(ErrorKind::Unsupported, "the columns cannot be read").source(source))?;
        let columns = Arc::new(columns);
        Ok(Self {
            partitioner: Partitioner::new(metadata.default_partition_spec(), schema, &columns)?,
            content: ContentHasher::new(&columns)?,
            portable: PortableHasher::new(schema.as_struct().fields())?,
        })
    }

    /// Splits rows by partition; the number of pieces.
    ///
    /// # Errors
    /// Columns that are not those of the table.
    pub fn shuffle(&mut self, rows: RecordBatch) -> Result<usize> {
        Ok(self.partitioner.split(rows)?.len())
    }

    /// Takes the fingerprint `content1` of rows.
    ///
    /// # Errors
    /// Columns that are not those of the table.
    pub fn content(&mut self, rows: &RecordBatch) -> Result<()> {
        self.content.add(rows)
    }

    /// Takes the fingerprint `cfp1` of rows.
    ///
    /// # Errors
    /// Columns that are not those of the table.
    pub fn portable(&mut self, rows: &RecordBatch) -> Result<()> {
        self.portable.add(rows)
    }
}
