//! The answer to a statement.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use tokio_util::task::TaskTracker;

use crate::error::{Error, Result};

/// The rows of an answer, as they are computed. Dropping the stream cancels the statement.
pub struct RowStream {
    schema: SchemaRef,
    rows: BoxStream<'static, Result<RecordBatch>>,
}

impl std::fmt::Debug for RowStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowStream").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl RowStream {
    /// The answer of a statement that has none.
    pub(super) fn empty() -> Self {
        Self { schema: Arc::new(Schema::empty()), rows: futures::stream::empty().boxed() }
    }

    /// The rows of a plan. An error is passed on after the clean-up that it causes.
    pub(super) fn new(rows: SendableRecordBatchStream, cleanup: TaskTracker) -> Self {
        Self::of(rows.schema(), rows.map_err(Error::from).boxed(), cleanup)
    }

    /// Rows that are no plan's. An error is passed on after the clean-up that it causes.
    pub(crate) fn of(schema: SchemaRef, rows: BoxStream<'static, Result<RecordBatch>>, cleanup: TaskTracker) -> Self {
        let rows = rows.then(move |row| {
            let cleanup = cleanup.clone();
            async move {
                if row.is_err() {
                    settle(&cleanup).await;
                }
                row
            }
        });
        Self { schema, rows: rows.boxed() }
    }

    /// Rows that are there already.
    pub(crate) fn of_batch(rows: RecordBatch) -> Self {
        Self { schema: rows.schema(), rows: futures::stream::iter([Ok(rows)]).boxed() }
    }

    /// The same rows, and one more batch of the same columns.
    pub(super) fn followed_by(self, rows: RecordBatch) -> Self {
        Self { schema: self.schema, rows: self.rows.chain(futures::stream::iter([Ok(rows)])).boxed() }
    }

    /// The columns of the answer.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Runs the statement to its end and returns all rows.
    ///
    /// # Errors
    /// Those of the running statement.
    pub async fn collect(self) -> Result<Vec<RecordBatch>> {
        self.rows.try_collect().await
    }
}

/// Waits for the clean-up tasks that exist now.
pub(super) async fn settle(cleanup: &TaskTracker) {
    cleanup.close();
    cleanup.wait().await;
    cleanup.reopen();
}

impl Stream for RowStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.rows.as_mut().poll_next(context)
    }
}
