//! Data files that may be in no snapshot yet, read whole: what the stage `verify` reads.
//!
//! What must hold: every row of every file comes out once, whatever manifests say or do not say of it; nothing is pruned and
//! no deletes apply.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::memory_pool::MemoryPool;
use futures::stream::BoxStream;
use iceberg::spec::DataFile;

use super::files::{self, PlannedFile};
use super::reader::{self, ScanContext};
use super::splits::{self, Split};
use crate::catalog::Table;
use crate::error::{Result, Stage};

/// Rows in a batch.
const BATCH_ROWS: usize = 4096;

/// A part of a data file, to be read on one core. The footer of the file is read once for all of them.
pub(crate) struct Piece {
    /// The file's place in the list.
    pub file: usize,
    context: Arc<ScanContext>,
    split: Split,
}

/// Cuts data files of the table's default partition spec at their row groups.
///
/// # Errors
/// Files that cannot be read, such as encrypted ones.
pub(crate) fn pieces(table: &Table, columns: &SchemaRef, files: &[DataFile], stage: Stage) -> Result<Vec<Piece>> {
    let context = Arc::new(ScanContext::new(table, columns, None, BATCH_ROWS)?.of_stage(stage));
    let mut pieces = Vec::new();
    for (index, file) in files.iter().enumerate() {
        files::check_format(file)?;
        let spec = Arc::clone(table.metadata.default_partition_spec());
        let planned = Arc::new(PlannedFile { file: file.clone(), spec, deletes: Vec::new() });
        let piece = |split| Piece { file: index, context: Arc::clone(&context), split };
        pieces.extend(splits::split(&planned).into_iter().map(piece));
    }
    Ok(pieces)
}

impl Piece {
    /// Reads the footer of the file: whether it is there, and holds as many rows as it was described with.
    pub async fn open(&self) -> Result<()> {
        reader::open(&self.context, &self.split).await
    }

    /// The rows of the piece. The pool counts what is held of the file.
    pub fn read(self, pool: &Arc<dyn MemoryPool>) -> BoxStream<'static, Result<RecordBatch>> {
        reader::read(self.context, vec![self.split], None, pool)
    }
}
