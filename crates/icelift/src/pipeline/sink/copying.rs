//! The tasks of a running sink that copy row groups. A few are under way at once however few cores there are: they wait for
//! source and target, not for a core.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError};

use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool};
use futures::{TryStreamExt, stream};
use tokio::sync::{Mutex, Notify, mpsc};
use tokio::task::JoinSet;

use super::SinkTarget;
use super::files::{COMPLETED_AT_ONCE, Files, RowGroup};
use super::fingerprints::SharedPrints;
use super::paths;
use super::run::Task;
use crate::error::Result;
use crate::pipeline::splice::{RowGroupCopy, Splice, SplicedRowGroup};
use crate::pipeline::verify::Prints;

/// Row groups under way, unless there are more lanes.
const AT_ONCE: usize = 4;

/// Where the tasks note what they have copied.
#[derive(Clone)]
pub(super) struct Copied {
    pub rows_in: Arc<AtomicU64>,
    pub prints: SharedPrints,
}

type Queue = mpsc::UnboundedReceiver<Arc<SplicedRowGroup>>;

/// Begins to copy. `nothing_waits` is told when the last row group is on its way.
pub(super) fn spawn(
    tasks: &mut JoinSet<Result<Task>>,
    target: &Arc<SinkTarget>,
    files: &Arc<Files>,
    splice: &Arc<Splice>,
    copied: Copied,
    nothing_waits: Arc<Notify>,
    pool: &Arc<dyn MemoryPool>,
) {
    let (sender, queue): (_, Queue) = mpsc::unbounded_channel();
    tasks.spawn(decide(Arc::clone(splice), Arc::clone(files), sender));
    let queue = Arc::new(Mutex::new(queue));
    let (over, partitions) = mpsc::unbounded_channel();
    tasks.spawn(complete(Arc::clone(files), partitions));
    for lane in 0..target.lanes.max(AT_ONCE) {
        let held = MemoryConsumer::new(format!("IcebergSink copy {lane}")).register(pool);
        let (target, files, queue, copied) =
            (Arc::clone(target), Arc::clone(files), Arc::clone(&queue), copied.clone());
        let (nothing_waits, over) = (Arc::clone(&nothing_waits), over.clone());
        tasks.spawn(async move {
            loop {
                let next = queue.lock().await.recv().await;
                let Some(row_group) = next else {
                    nothing_waits.notify_one();
                    return Ok(Task::Copying);
                };
                let digest = target.delivery.is_some();
                let copy = RowGroupCopy::new(Arc::clone(&row_group), digest, held.new_empty());
                let digest =
                    files.append(&row_group.key, RowGroup::Copied(Box::new(copy), Arc::clone(&row_group))).await?;
                copied.note(&target, &row_group, digest);
                let key = &row_group.key.bytes;
                files.coming().arrived(key);
                if files.coming().is_over(key) {
                    // Without a receiver the sink has failed.
                    let _ = over.send(Arc::clone(key));
                }
            }
        });
    }
}

/// Completes the files of partitions into which nothing more comes. Whoever copies does not wait for that.
async fn complete(files: Arc<Files>, over: mpsc::UnboundedReceiver<Arc<[u8]>>) -> Result<Task> {
    let over = stream::unfold(over, |mut over| async move { over.recv().await.map(|key| (Ok(key), over)) });
    let files = &files;
    over.try_for_each_concurrent(COMPLETED_AT_ONCE, |key| async move { files.close_partition(&key).await }).await?;
    Ok(Task::Copying)
}

/// Tells which row groups are copied, before those who copy want to know: so it is known early which files are complete. They are
/// kept anyway, for the scan that reads the others.
async fn decide(
    splice: Arc<Splice>,
    files: Arc<Files>,
    queue: mpsc::UnboundedSender<Arc<SplicedRowGroup>>,
) -> Result<Task> {
    let mut row_groups = Box::pin(splice.row_groups());
    while let Some(row_group) = row_groups.try_next().await? {
        files.coming().expect(&row_group.key.bytes);
        // Without a receiver the sink has failed; its own error is the one to report.
        if queue.send(row_group).is_err() {
            return Ok(Task::Copying);
        }
    }
    drop(queue);
    files.coming().end_deciding();
    files.close_over().await.map(|()| Task::Copying)
}

impl Copied {
    fn note(&self, target: &SinkTarget, row_group: &SplicedRowGroup, digest: u128) {
        let rows = row_group.rows as u64;
        self.rows_in.fetch_add(rows, Relaxed);
        let Some(delivery) = &target.delivery else { return };
        delivery.count(row_group.rows);
        let metadata = &target.table.metadata;
        let (spec, schema) = (metadata.default_partition_spec(), metadata.current_schema());
        let folder = paths::partition_folder(spec, schema, &row_group.key.values);
        let mut all = self.prints.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(folder).or_default().merge(Prints::copied(rows, digest));
    }
}
