//! A statement at work on the engine's threads, followed from the terminal's.
//!
//! The terminal has a thread and a runtime of its own, so that keys, signals and clocks are heard however busy the engine is:
//! an operator that does not give way would otherwise keep a signal from being heard. What must hold: a statement that is not
//! followed any more is stopped, and its streams end on the engine's threads, where its files are removed.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::{Stream, StreamExt};
use icelift::{Engine, Error, ErrorKind};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinHandle};

use crate::exit::Stop;
use crate::signals::Signals;

/// The engine's threads.
#[derive(Clone)]
pub struct Workers(Handle);

/// A statement under way.
pub struct Work {
    engine: Engine,
    schema: Option<oneshot::Receiver<Result<SchemaRef, Error>>>,
    rows: mpsc::Receiver<Result<RecordBatch, Error>>,
    task: JoinHandle<()>,
    has_ended: bool,
}

impl Workers {
    pub fn new(handle: Handle) -> Self {
        Self(handle)
    }

    pub fn handle(&self) -> Handle {
        self.0.clone()
    }

    /// Does something on the engine's threads and waits for it.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Stop>> + Send + 'static,
    ) -> Result<T, Stop> {
        self.0.spawn(work).await.unwrap_or_else(|error| Err(broken(error).into()))
    }

    /// Begins a statement.
    pub fn start(&self, engine: &Engine, sql: &str) -> Work {
        let (schema_sender, schema) = oneshot::channel();
        // One batch waits while the one before is printed.
        let (sender, rows) = mpsc::channel(1);
        let (own, sql) = (engine.clone(), sql.to_owned());
        let task = self.0.spawn(async move {
            let mut rows = match own.run(&sql).await {
                Ok(rows) => rows,
                Err(error) => return drop(schema_sender.send(Err(error))),
            };
            // Nobody listens once the statement is stopped.
            let _ = schema_sender.send(Ok(rows.schema()));
            while let Some(batch) = rows.next().await {
                if sender.send(batch).await.is_err() {
                    return;
                }
            }
        });
        Work { engine: engine.clone(), schema: Some(schema), rows, task, has_ended: false }
    }
}

impl Work {
    /// The columns of the answer, once they are known.
    pub async fn schema(&mut self) -> Result<SchemaRef, Error> {
        match self.schema.take() {
            Some(schema) => match schema.await {
                Ok(schema) => schema,
                Err(_) => Err(self.end().await.err().unwrap_or_else(ended_early)),
            },
            None => Err(ended_early()),
        }
    }

    /// Whether the statement has ended as it should.
    async fn end(&mut self) -> Result<(), Error> {
        std::future::poll_fn(|context| self.poll_end(context)).await
    }

    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.has_ended {
            return Poll::Ready(Ok(()));
        }
        let ended = std::task::ready!(Pin::new(&mut self.task).poll(context));
        self.has_ended = true;
        Poll::Ready(ended.map_err(broken))
    }

    /// Stops the statement and waits until what it left behind is cleaned up, at most for so long and until the next signal.
    /// True if nothing is left of it.
    pub async fn stop(mut self, signals: &mut Signals, at_most: Option<Duration>) -> bool {
        self.engine.interrupt();
        self.task.abort();
        self.rows.close();
        let engine = self.engine.clone();
        let cleaned = async {
            // Cancelled is how it ends.
            let _ = self.end().await;
            engine.settle().await;
        };
        let limit = async {
            match at_most {
                Some(at_most) => tokio::time::sleep(at_most).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = cleaned => true,
            () = limit => false,
            _ = signals.next() => false,
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The rows of the answer. To be asked once the columns are known.
impl Stream for Work {
    type Item = Result<RecordBatch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match std::task::ready!(self.rows.poll_recv(context)) {
            Some(row) => Poll::Ready(Some(row)),
            // No more rows, or no more statement.
            None => self.poll_end(context).map(|ended| ended.err().map(Err)),
        }
    }
}

fn ended_early() -> Error {
    Error::new(ErrorKind::Internal, "the statement ended without an answer")
}

fn broken(error: JoinError) -> Error {
    Error::new(ErrorKind::Internal, "the statement broke off").source(error)
}
