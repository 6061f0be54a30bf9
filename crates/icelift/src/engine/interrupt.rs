//! Statements that stop when they are asked to.
//!
//! Dropping a stream stops its statement where an operator waits. Some operators do not wait for long: a join looks at all pairs
//! of a batch, or gives out batch after batch, before it lets anybody else run. So joins give way after each batch, and their
//! conditions fail once the engine is asked to stop.

use std::any::Any;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::common::Result as DataFusionResult;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder, SortMergeJoinExec,
};

use crate::error::{Error, ErrorKind};

/// How often the engine was asked to stop what runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupts(Arc<AtomicU64>);

impl Interrupts {
    /// Asks all statements that run now to stop.
    pub fn interrupt(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// A statement that begins now.
    pub fn begin(&self) -> Running {
        Running { interrupts: self.clone(), begun_at: self.0.load(Ordering::Relaxed) }
    }
}

/// A statement, and the number of interrupts before it.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    interrupts: Interrupts,
    begun_at: u64,
}

impl Running {
    fn is_interrupted(&self) -> bool {
        self.interrupts.0.load(Ordering::Relaxed) != self.begun_at
    }

    /// The same plan with joins that give way.
    pub fn guard(&self, plan: Arc<dyn ExecutionPlan>) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let guarded = plan.transform_up(|node| match self.join(&node)? {
            Some(join) => Ok(Transformed::yes(Arc::new(CooperativeExec::new(join)) as Arc<dyn ExecutionPlan>)),
            None => Ok(Transformed::no(node)),
        });
        guarded.data()
    }

    /// The node with a condition that can be interrupted, if it is a join.
    fn join(&self, node: &Arc<dyn ExecutionPlan>) -> DataFusionResult<Option<Arc<dyn ExecutionPlan>>> {
        let any = node.as_any();
        if let Some(join) = any.downcast_ref::<NestedLoopJoinExec>() {
            let filter = join.filter().map(|filter| self.condition(filter));
            return Ok(Some(Arc::new(NestedLoopJoinExecBuilder::from(join).with_filter(filter).build()?)));
        }
        if let Some(join) = any.downcast_ref::<HashJoinExec>() {
            let Some(filter) = join.filter() else { return Ok(Some(Arc::clone(node))) };
            return Ok(Some(join.builder().with_filter(Some(self.condition(filter))).build_exec()?));
        }
        let other = any.is::<CrossJoinExec>() || any.is::<SortMergeJoinExec>();
        Ok(other.then(|| Arc::clone(node)))
    }

    fn condition(&self, filter: &JoinFilter) -> JoinFilter {
        let condition = Condition { inner: Arc::clone(filter.expression()), running: self.clone() };
        JoinFilter::new(Arc::new(condition), filter.column_indices().to_vec(), Arc::clone(filter.schema()))
    }
}

/// A condition that fails once its statement is interrupted.
#[derive(Debug, Clone)]
struct Condition {
    inner: Arc<dyn PhysicalExpr>,
    running: Running,
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for Condition {}

impl Hash for Condition {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner, f)
    }
}

impl PhysicalExpr for Condition {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn data_type(&self, schema: &Schema) -> DataFusionResult<DataType> {
        self.inner.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> DataFusionResult<bool> {
        self.inner.nullable(schema)
    }

    fn return_field(&self, schema: &Schema) -> DataFusionResult<FieldRef> {
        self.inner.return_field(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> DataFusionResult<ColumnarValue> {
        if self.running.is_interrupted() {
            return Err(Error::new(ErrorKind::Stopped, "the statement was interrupted").into());
        }
        self.inner.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> DataFusionResult<Arc<dyn PhysicalExpr>> {
        match (children.pop(), children.len()) {
            (Some(inner), 0) => Ok(Arc::new(Self { inner, running: self.running.clone() })),
            _ => Err(Error::new(ErrorKind::Internal, "a condition has one child").into()),
        }
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use futures::StreamExt;

    use crate::Engine;

    /// Pairs of which none matches: no row comes out, and nothing is read meanwhile.
    const UNMATCHED: &str =
        "SELECT count(*) FROM generate_series(1, 2000000) a(x) JOIN generate_series(1, 2000000) b(y)
                             ON a.x * b.y = -1";
    /// Each row of one side meets all of the other.
    const FANNING_OUT: &str = "SELECT sum(x + y) FROM (SELECT value % 2 AS k, value AS x FROM generate_series(1, 2000000)) a
                               JOIN (SELECT value % 2 AS k, value AS y FROM generate_series(1, 2000000)) b ON a.k = b.k";
    const FILTERED: &str =
        "SELECT sum(x + y) FROM (SELECT value % 2 AS k, value AS x FROM generate_series(1, 2000000)) a
                            JOIN (SELECT value % 2 AS k, value AS y FROM generate_series(1, 2000000)) b
                            ON a.k = b.k AND a.x + b.y = -1";

    /// A join that runs on the only thread there is ends soon after it was asked to.
    #[test]
    fn joins_end_when_they_are_asked_to() {
        for sql in [UNMATCHED, FANNING_OUT, FILTERED] {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let engine = runtime.block_on(Engine::builder().parallelism(1).build()).unwrap();
            let statement = engine.clone();
            let task = runtime.spawn(async move { statement.run(sql).await.unwrap().next().await.is_some() });
            std::thread::sleep(Duration::from_millis(1500));
            assert!(!task.is_finished(), "{sql}");
            let asked = Instant::now();
            engine.interrupt();
            task.abort();
            while !task.is_finished() && asked.elapsed() < Duration::from_secs(20) {
                std::thread::sleep(Duration::from_millis(5));
            }
            assert!(asked.elapsed() < Duration::from_secs(1), "{:?}: {sql}", asked.elapsed());
        }
    }

    #[tokio::test]
    async fn a_statement_after_an_interrupt_runs() {
        let engine = Engine::builder().build().await.unwrap();
        engine.interrupt();
        let sql = "SELECT count(*) AS n FROM generate_series(1, 10) a(x) JOIN generate_series(1, 10) b(y) ON x < y";
        let rows = engine.run(sql).await.unwrap().collect().await.unwrap();
        let counts = rows[0].column(0).as_any().downcast_ref::<arrow::array::Int64Array>().unwrap();
        assert_eq!(counts.value(0), 45);
    }
}
