//! Data files that may be in no snapshot yet, read whole: what the stage `verify` reads.
//!
//! What must hold: every row of every file comes out once, whatever manifests say or do not say of it; nothing is pruned and
//! no deletes apply.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::execution::memory_pool::MemoryPool;
use futures::stream::BoxStream;
use iceberg::spec::DataFile;

use super::files::{self, PlannedFile};
use super::reader::{self, OpenFile, ScanContext};
use super::splits::{self, Split};
use super::whole::{TakesRowGroups, WholeFile};
use crate::catalog::Table;
use crate::error::{Result, Stage};
use crate::pipeline::splice::{CopiedRowGroup, copied_row_groups};

/// Rows in a batch.
const BATCH_ROWS: usize = 4096;

/// A part of a data file, to be read on one core. The footer of the file is read once for all of them.
pub(crate) struct Piece {
    /// The file's place in the list.
    pub file: usize,
    context: Arc<ScanContext>,
    split: Split,
}

/// Leaves out the row groups that their file tells to be copied: they are compared by their bytes.
#[derive(Debug)]
struct LeavesCopied(Arc<ScanContext>);

#[async_trait]
impl TakesRowGroups for LeavesCopied {
    async fn taken(&self, file: &OpenFile) -> Result<Vec<usize>> {
        let parquet = file.parquet(&self.0).await?;
        Ok(copied_row_groups(parquet.metadata.metadata().file_metadata()))
    }
}

/// Cuts data files of the table's default partition spec at their row groups.
///
/// # Errors
/// Files that cannot be read, such as encrypted ones.
pub(crate) fn pieces(table: &Table, columns: &SchemaRef, files: &[DataFile], stage: Stage) -> Result<Vec<Piece>> {
    let context = Arc::new(ScanContext::new(table, columns, None, BATCH_ROWS)?.of_stage(stage));
    let context = Arc::new(context.without(Arc::new(LeavesCopied(Arc::clone(&context)))));
    let mut pieces = Vec::new();
    for (index, file) in files.iter().enumerate() {
        files::check_format(file)?;
        let spec = Arc::clone(table.metadata.default_partition_spec());
        let planned = Arc::new(PlannedFile { file: file.clone(), spec, sequence: 0, deletes: Vec::new() });
        let piece = |split| Piece { file: index, context: Arc::clone(&context), split };
        pieces.extend(splits::split(&planned).into_iter().map(piece));
    }
    Ok(pieces)
}

impl Piece {
    /// Bytes of the file that are the piece.
    pub fn size_bytes(&self) -> u64 {
        self.split.size_bytes
    }

    /// Reads the footer of the file: whether it is there, and holds as many rows as it was described with.
    pub async fn open(&self) -> Result<()> {
        reader::open(&self.context, &self.split).await
    }

    /// The row groups of the piece that were copied. [`read`](Self::read) leaves them out.
    pub async fn copied(&self) -> Result<Vec<CopiedRowGroup>> {
        let whole = WholeFile::open(&self.context, &self.split.file).await?;
        let copied = copied_row_groups(whole.metadata().file_metadata());
        let here = reader::row_groups_in(whole.metadata(), &self.split.start_bytes).into_iter();
        here.filter(|index| copied.contains(index)).map(|index| CopiedRowGroup::new(&whole, index)).collect()
    }

    /// The rows of the piece that were not copied. The pool counts what is held of the file.
    pub fn read(self, pool: &Arc<dyn MemoryPool>) -> BoxStream<'static, Result<RecordBatch>> {
        reader::read(self.context, vec![self.split], None, pool)
    }
}
