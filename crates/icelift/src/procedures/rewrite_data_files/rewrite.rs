//! Writes the files of some groups anew: through the pipeline, and read again before anybody may commit them.
//!
//! What must hold: what was written has as many rows as came in, of the same fingerprint in each partition, or it is removed;
//! files that nobody takes are removed, however the statement ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::datasource::provider_as_source;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::logical_expr::expr::Sort;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::TryStreamExt;
use iceberg::spec::DataFile;
use uuid::Uuid;

use super::groups::Group;
use crate::catalog::{IcebergTable, Table};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::scan::PlannedFile;
use crate::pipeline::sink::{self, Delivery, SinkTarget, SpliceRule, Written};
use crate::pipeline::verify::{Level, Prints, Wanted, compare, read_back};
use crate::storage::Store;

const ROW_GROUP_PROPERTY: &str = "write.parquet.row-group-size-bytes";
const FILE_PROPERTY: &str = "write.target-file-size-bytes";
/// Iceberg's default, which the sink has too.
const ROW_GROUP_BYTES: u64 = 64 << 20;

/// Groups that go down the pipeline together.
#[derive(Debug)]
pub(super) struct Batch {
    pub groups: Vec<Group>,
    /// How large the files shall be that are written.
    pub file_bytes: u64,
}

impl Batch {
    pub fn files(&self) -> Vec<Arc<PlannedFile>> {
        self.groups.iter().flat_map(|group| group.files.iter().cloned()).collect()
    }

    pub fn bytes(&self) -> u64 {
        self.groups.iter().map(|group| group.bytes).sum()
    }
}

/// What all batches of a call share.
pub(super) struct Rewriting<'a> {
    pub engine: &'a Engine,
    /// The table as it was planned.
    pub source: IcebergTable,
    /// By what rows are sorted, if they are.
    pub order: Option<Vec<Sort>>,
    /// The partition spec of what is written.
    pub spec_id: i32,
}

/// Data files that no snapshot has yet. They are removed unless they are taken.
pub(super) struct Uncommitted {
    store: Store,
    delivery: Arc<Delivery>,
    files: Vec<DataFile>,
}

impl Uncommitted {
    /// From here on they are the caller's.
    pub fn take(&mut self) -> Vec<DataFile> {
        std::mem::take(&mut self.files)
    }

    pub fn count(&self) -> usize {
        self.files.len()
    }
}

impl Drop for Uncommitted {
    fn drop(&mut self) {
        let delivered = self.delivery.take().map(|written| written.files).unwrap_or_default();
        let files: Vec<_> = std::mem::take(&mut self.files).into_iter().chain(delivered).collect();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !files.is_empty() {
            let store = self.store.clone();
            self.store.cleanup().spawn_on(async move { remove(&store, &files).await }, &runtime);
        }
    }
}

/// Removes files that no snapshot names.
pub(super) async fn remove(store: &Store, files: &[DataFile]) {
    for file in files {
        let location = file.file_path();
        if let Err(error) = store.delete(location).await {
            tracing::warn!(location, %error, "an uncommitted data file could not be removed");
        }
    }
}

impl Rewriting<'_> {
    /// The table as the batch is written into it: of the spec that is wanted, with files of the size that is wanted.
    fn target(&self, batch: &Batch) -> Result<Table> {
        let table = &self.source.table;
        let properties = table.metadata.properties();
        let set: Option<u64> = properties.get(ROW_GROUP_PROPERTY).and_then(|bytes| bytes.parse().ok());
        // A file of less than two row groups cannot come near its size.
        let row_group_bytes = set.unwrap_or(ROW_GROUP_BYTES).min((batch.file_bytes / 2).max(1));
        let properties = [(FILE_PROPERTY, batch.file_bytes), (ROW_GROUP_PROPERTY, row_group_bytes)];
        let properties = properties.into_iter().map(|(key, bytes)| (key.to_string(), bytes.to_string())).collect();
        let builder = table.metadata.as_ref().clone().into_builder(None);
        let built = builder.set_properties(properties).and_then(|it| it.set_default_partition_spec(self.spec_id));
        let built = built.and_then(|builder| builder.build()).map_err(|source| {
            let message = format!("the table cannot be written with the partition spec {}", self.spec_id);
            Error::new(ErrorKind::Unsupported, message).place(Stage::Sink, &table.name).source(source)
        })?;
        Ok(Table { metadata: built.metadata.into(), ..table.clone() })
    }

    /// Writes the files of the batch anew, and verifies them.
    ///
    /// # Errors
    /// Those of the pipeline, and [`ErrorKind::Difference`] if what was written is not what was read. Nothing is left then.
    pub async fn write(&self, batch: &Batch) -> Result<Uncommitted> {
        let target = self.target(batch)?;
        let files = batch.files();
        let delivery = Arc::new(Delivery::new(format!("icelift-{}", Uuid::now_v7())));
        let store = target.store.clone();
        let mut uncommitted = Uncommitted { store, delivery: Arc::clone(&delivery), files: Vec::new() };
        self.run(&target, &files, &delivery).await?;
        let Written { files: written, rows, prints } = delivery.take().ok_or_else(|| {
            Error::new(ErrorKind::Internal, "the sink handed nothing over").place(Stage::Sink, &target.name)
        })?;
        uncommitted.files = written;
        self.engine.failpoints.reach("rewrite.written").await?;
        self.check_count(&files, rows)?;
        self.check(&target, &uncommitted.files, &prints).await?;
        Ok(uncommitted)
    }

    async fn run(&self, target: &Table, files: &[Arc<PlannedFile>], delivery: &Arc<Delivery>) -> Result<()> {
        let state = self.engine.session().state();
        let lanes = state.config().target_partitions();
        let input = self.input(files).await?;
        let schema = TableProvider::schema(&self.source);
        let catalog = self.source.catalog();
        let target = SinkTarget::new(catalog, target, &schema, lanes, Some(Arc::clone(delivery)))?;
        // The rules for whole statements would take the order of rows for one that nobody needs.
        let plan = SpliceRule.optimize(sink::plan(target, input)?, state.config_options())?;
        let counts = execute_stream(plan, Arc::new(TaskContext::from(&state)))?;
        Ok(counts.try_for_each(|_| async { Ok(()) }).await?)
    }

    /// The rows of the files that are not deleted, in the order that is wanted.
    async fn input(&self, files: &[Arc<PlannedFile>]) -> Result<Arc<dyn ExecutionPlan>> {
        let state = self.engine.session().state();
        let source = Arc::new(self.source.reading_only(files));
        let plan = LogicalPlanBuilder::scan(self.source.table.name.plain(), provider_as_source(source), None)?;
        let plan = match &self.order {
            Some(order) => plan.sort(order.clone())?,
            None => plan,
        };
        Ok(state.create_physical_plan(&plan.build()?).await?)
    }

    /// As many rows were written as the manifests say, if none was deleted.
    fn check_count(&self, files: &[Arc<PlannedFile>], rows: u64) -> Result<()> {
        let described: u64 = files.iter().map(|file| file.file.record_count()).sum();
        if rows == described || (rows < described && files.iter().any(|file| file.has_deletes())) {
            return Ok(());
        }
        let message = format!("the files have {described} rows, {rows} were written");
        Err(Error::new(ErrorKind::Internal, message).place(Stage::Verify, &self.source.table.name))
    }

    /// Reads the files again and compares, partition by partition.
    async fn check(&self, target: &Table, files: &[DataFile], came: &BTreeMap<String, Prints>) -> Result<()> {
        let session = self.engine.session();
        let parallelism = session.state().config().target_partitions();
        let pool = Arc::clone(&session.runtime_env().memory_pool);
        let wanted = Wanted { level: Level::Content, pool, portable: None };
        let read = read_back(target, files.to_vec(), parallelism, wanted).await?;
        compare(target, files, &read, came).map(drop)
    }
}
