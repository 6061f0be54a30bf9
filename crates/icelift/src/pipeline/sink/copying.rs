//! The tasks of a running sink that copy row groups. A few are under way at once however few cores there are: they wait for
//! source and target, not for a core.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError};

use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool};
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinSet;

use super::SinkTarget;
use super::files::{Files, RowGroup};
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

type Queue = Arc<Mutex<BoxStream<'static, Result<Arc<SplicedRowGroup>>>>>;

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
    let queue: Queue = Arc::new(Mutex::new(splice.row_groups().boxed()));
    for lane in 0..target.lanes.max(AT_ONCE) {
        let held = MemoryConsumer::new(format!("IcebergSink copy {lane}")).register(pool);
        let (target, files, queue, copied) =
            (Arc::clone(target), Arc::clone(files), Arc::clone(&queue), copied.clone());
        let nothing_waits = Arc::clone(&nothing_waits);
        tasks.spawn(async move {
            loop {
                let next = queue.lock().await.next().await;
                let Some(row_group) = next.transpose()? else {
                    nothing_waits.notify_one();
                    return Ok(Task::Copying);
                };
                let digest = target.delivery.is_some();
                let copy = RowGroupCopy::new(Arc::clone(&row_group), digest, held.new_empty());
                let digest =
                    files.append(&row_group.key, RowGroup::Copied(Box::new(copy), Arc::clone(&row_group))).await?;
                copied.note(&target, &row_group, digest);
            }
        });
    }
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
