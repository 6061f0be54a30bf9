//! The tasks of a running sink: inputs split and route, lanes encode, one commit at the end.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError};

use arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use futures::{StreamExt, TryFutureExt};
use iceberg::spec::DataFile;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::SinkTarget;
use super::copying::{self, Copied};
use super::delivery::Written;
use super::encode::Encoder;
use super::files::{self, Files, Leftovers};
use super::fingerprints::{Fingerprints, SharedPrints};
use super::lane::{Lane, Part};
use super::paths;
use crate::catalog::CommitOutcome;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::shuffle::{Lanes, Partitioner};
use crate::pipeline::snapshot;
use crate::pipeline::splice::Splice;

/// Batches that wait in front of a lane.
const LANE_QUEUE_BATCHES: usize = 2;

/// Writes all rows of `inputs` and of the row groups that `splice` copies, and commits them. Returns their number.
pub(super) async fn run(
    target: Arc<SinkTarget>,
    inputs: Vec<SendableRecordBatchStream>,
    splice: Option<Arc<Splice>>,
    expected_bytes: usize,
    context: &TaskContext,
) -> Result<u64> {
    let encoder = Arc::new(Encoder::new(&target)?);
    let pool = Arc::clone(context.memory_pool());
    let file_prefix = match &target.delivery {
        Some(delivery) => delivery.file_prefix.clone(),
        None => paths::file_prefix(Uuid::now_v7()),
    };
    let files = Arc::new(Files::new(Arc::clone(&target), Arc::clone(&encoder), file_prefix, pool));
    let leftovers = Leftovers::new(&files);
    match write(&target, &encoder, &files, inputs, splice, expected_bytes, context).await {
        Ok(Written { files: written, rows, prints }) => {
            if let Some(delivery) = &target.delivery {
                leftovers.keep();
                delivery.put(Written { files: written, rows, prints });
                return Ok(rows);
            }
            if written.is_empty() && target.table.staged.is_none() {
                return Ok(rows);
            }
            leftovers.keep();
            commit(target, written).await?;
            Ok(rows)
        }
        Err(error) => {
            leftovers.remove().await;
            Err(error)
        }
    }
}

async fn write(
    target: &Arc<SinkTarget>,
    encoder: &Arc<Encoder>,
    files: &Arc<Files>,
    inputs: Vec<SendableRecordBatchStream>,
    splice: Option<Arc<Splice>>,
    expected_bytes: usize,
    context: &TaskContext,
) -> Result<Written> {
    let spec = target.table.metadata.default_partition_spec();
    // Only without partitions is it known before the first row what a key will bring.
    let expected = if spec.is_unpartitioned() { expected_bytes } else { 0 };
    let lanes = Arc::new(Lanes::new(target.lanes, expected));
    let rows_in = Arc::new(AtomicU64::new(0));
    let prints: SharedPrints = Arc::default();
    let mut tasks: JoinSet<Result<Task>> = JoinSet::new();
    let mut senders = Vec::new();
    for lane in 0..target.lanes.max(1) {
        let (sender, receiver) = mpsc::channel(LANE_QUEUE_BATCHES);
        let reservation = MemoryConsumer::new(format!("IcebergSink lane {lane}")).register(context.memory_pool());
        let lane = Lane::new(Arc::clone(encoder), Arc::clone(files), reservation);
        tasks.spawn(lane.run(receiver).map_ok(|()| Task::Encoding));
        senders.push(sender);
    }
    for (input, rows) in inputs.into_iter().enumerate() {
        let partitioner = Partitioner::new(spec, target.table.metadata.current_schema(), &target.schema);
        let partitioner = partitioner.map_err(|error| error.stage(Stage::Shuffle))?;
        let fingerprints =
            target.delivery.as_ref().map(|delivery| Fingerprints::new(target, delivery, &prints)).transpose()?;
        let held = MemoryConsumer::new(format!("IcebergSink input {input}")).register(context.memory_pool());
        let (target, lanes, senders) = (Arc::clone(target), Arc::clone(&lanes), senders.clone());
        let route = Route { input, target, partitioner, lanes, senders, fingerprints, held };
        tasks.spawn(route.run(rows, Arc::clone(&rows_in)).map_ok(|()| Task::Encoding));
    }
    drop(senders);
    let encoding = tasks.len();
    let nothing_waits = Arc::new(Notify::new());
    match splice {
        Some(splice) => {
            let copied = Copied { rows_in: Arc::clone(&rows_in), prints: Arc::clone(&prints) };
            let waits = Arc::clone(&nothing_waits);
            copying::spawn(&mut tasks, target, files, &splice, copied, waits, context.memory_pool());
        }
        None => nothing_waits.notify_one(),
    }
    finish(target, files, tasks, encoding, &nothing_waits).await?;
    let written = files.finish().await?;
    let (rows_in, rows_out) = (rows_in.load(Relaxed), written.iter().map(DataFile::record_count).sum::<u64>());
    if rows_in != rows_out {
        return Err(Error::new(ErrorKind::Internal, format!("{rows_in} rows came in, {rows_out} were written")));
    }
    let prints = std::mem::take(&mut *prints.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Written { files: written, rows: rows_in, prints })
}

/// What a task of a sink does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    Encoding,
    Copying,
}

/// Waits for all tasks. Whoever reads next is told when all rows are encoded and no row group waits any more: the last ones that are
/// copied are still on their way then, and who reads next begins with footers.
async fn finish(
    target: &SinkTarget,
    files: &Arc<Files>,
    mut tasks: JoinSet<Result<Task>>,
    mut encoding: usize,
    nothing_waits: &Notify,
) -> Result<()> {
    let (mut waits, mut was_said) = (true, false);
    loop {
        if encoding == 0
            && !waits
            && !std::mem::replace(&mut was_said, true)
            && let Some(delivery) = &target.delivery
        {
            delivery.say_drained();
        }
        let done = tokio::select! {
            biased;
            () = nothing_waits.notified(), if waits => {
                waits = false;
                continue;
            }
            done = tasks.join_next() => done,
        };
        let Some(done) = done else { break };
        let died = |source| Error::new(ErrorKind::Internal, "a task of the sink died").source(source);
        match done.map_err(died).and_then(|result| result) {
            Ok(Task::Encoding) => {
                encoding -= 1;
                if encoding == 0 {
                    files.coming().end_encoding();
                    let files = Arc::clone(files);
                    tasks.spawn(async move { files.close_over().await.map(|()| Task::Copying) });
                }
            }
            Ok(Task::Copying) => {}
            Err(error) => {
                // The files of the others must be closed or dropped before leftovers are counted.
                tasks.shutdown().await;
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Commits in a task of its own: a statement that is cancelled now must still learn whether to remove its files.
async fn commit(target: Arc<SinkTarget>, written: Vec<DataFile>) -> Result<()> {
    let tracker = target.table.store.cleanup().clone();
    let task = tracker.spawn(async move {
        match snapshot::append(&target.catalog, &target.table, written.clone()).await {
            CommitOutcome::Landed => Ok(()),
            CommitOutcome::NotLanded(error) => {
                files::remove(&target.table.store, written.iter().map(DataFile::file_path)).await;
                Err(error)
            }
            CommitOutcome::Unknown(error) => Err(error),
        }
    });
    let died =
        |source| Error::new(ErrorKind::CommitUnknown, "the commit task died").stage(Stage::Snapshot).source(source);
    task.await.map_err(died)?
}

/// One input: splits its batches by key and sends the parts to the lanes.
struct Route {
    input: usize,
    partitioner: Partitioner,
    lanes: Arc<Lanes>,
    senders: Vec<mpsc::Sender<Part>>,
    fingerprints: Option<Fingerprints>,
    target: Arc<SinkTarget>,
    /// For rows on their way to the lanes. The pool is told and not asked: they are there already.
    held: MemoryReservation,
}

impl Route {
    async fn run(mut self, mut batches: SendableRecordBatchStream, rows_in: Arc<AtomicU64>) -> Result<()> {
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(|error| Error::from(error).stage(Stage::Select))?;
            if batch.num_rows() == 0 {
                continue;
            }
            rows_in.fetch_add(batch.num_rows() as u64, Relaxed);
            if let Some(delivery) = &self.target.delivery {
                delivery.count(batch.num_rows());
            }
            let row_bytes = memory_bytes(&batch) / batch.num_rows();
            let parts = self.partitioner.split(batch).map_err(|error| error.stage(Stage::Shuffle))?;
            for (key, rows) in parts {
                if let Some(fingerprints) = &mut self.fingerprints {
                    fingerprints.add(&key, &rows).map_err(|error| error.stage(Stage::Verify))?;
                }
                let bytes = rows.num_rows() * row_bytes;
                let lane = self.lanes.assign(&key.bytes, self.input, bytes);
                self.held.grow(bytes);
                let held = self.held.split(bytes);
                if self.senders[lane].send(Part { key, rows, held }).await.is_err() {
                    // The lane has failed; its own error is the one to report.
                    return Ok(());
                }
            }
        }
        if let Some(fingerprints) = self.fingerprints {
            fingerprints.finish(&self.target);
        }
        Ok(())
    }
}

/// What the rows of a batch take, and not the larger batch that they may be a slice of.
fn memory_bytes(batch: &RecordBatch) -> usize {
    let of_column =
        |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size());
    batch.columns().iter().map(of_column).sum()
}
