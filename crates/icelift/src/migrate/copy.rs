//! Copies one slice of a batch: through the pipeline, into files that no snapshot has yet.

use std::sync::Arc;
use std::time::Duration;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use futures::TryStreamExt;
use iceberg::spec::DataFile;
use tokio::sync::{Notify, mpsc};

use super::account::Account;
use super::attempt::Attempt;
use super::batches::Batch;
use super::driver::Job;
use super::event::MigrationEvent;
use crate::engine::{View, write_plan};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::scan::PlannedFile;
use crate::pipeline::select::Assignment;
use crate::pipeline::sink::{Delivery, Written};

/// Between two words about the progress of a batch.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// Reads those rows of the source's `files` that belong to the batch and writes them as the query says. `drained` is told
/// when all are read and the files are being completed, `completed` gets each file when it is.
///
/// # Errors
/// Those of the pipeline. The files that were written are removed then.
pub(super) async fn copy(
    job: &Job,
    account: &Account,
    batch: &Batch,
    files: &[Arc<PlannedFile>],
    attempt: &Attempt,
    drained: Arc<Notify>,
    completed: Option<mpsc::UnboundedSender<DataFile>>,
) -> Result<Written> {
    let view = View::new(&job.engine, false).await;
    view.show(account.source.reading_only(files))?;
    let query = view.plan(&job.statement.query).await?;
    let query = match &batch.predicate {
        Some(predicate) => restricted(query, predicate)?,
        None => query,
    };
    let delivery = Delivery::new(attempt.to_string()).with(job.portable_columns(), job.statement.options.splice);
    let delivery = Arc::new(delivery.telling(drained, completed));
    let target = Arc::new(account.target.delivering(Arc::clone(&delivery)));
    let plan = write_plan(query, Assignment::Name, target)?;
    let rows = view.execute(plan).await?;
    let written = rows.try_for_each(|_| async { Ok(()) });
    tokio::select! {
        done = written => done?,
        () = tell_progress(job, account, &batch.key, &delivery) => {}
    }
    delivery.take().ok_or_else(|| {
        Error::new(ErrorKind::Internal, "the sink handed nothing over").place(Stage::Sink, &job.target.table.name)
    })
}

/// Tells how many rows and bytes have come, until it is dropped.
async fn tell_progress(job: &Job, account: &Account, batch: &str, delivery: &Delivery) {
    let mut ticks = tokio::time::interval(PROGRESS_INTERVAL);
    loop {
        ticks.tick().await;
        job.engine.events.send(MigrationEvent::Progress {
            target: job.target.table.name.plain(),
            batch: batch.to_string(),
            rows: delivery.rows(),
            bytes: account.traffic().read_bytes,
            dollars: job.spent.dollars(),
        });
    }
}

/// The query over those rows of its table only for which the predicate holds.
pub(super) fn restricted(query: LogicalPlan, predicate: &Expr) -> Result<LogicalPlan> {
    let restricted = query.transform_up(|node| match node {
        LogicalPlan::TableScan(_) => {
            Ok(Transformed::yes(LogicalPlanBuilder::from(node).filter(predicate.clone())?.build()?))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(restricted.data)
}
