//! Reads one snapshot of a table on every core.
//!
//! In: a table, a projection, filters. Out: record batches of the table's schema, one stream per partition of the plan.
//! What must hold: every live row whose file, row group and page may match the filters comes out exactly once; deleted
//! rows never do; columns are found by field id, whatever the file calls them.

mod added;
mod bounds;
mod decode;
mod deletes;
mod fetch;
mod files;
mod passing;
mod planned;
mod ranges;
mod reader;
mod reshape;
mod rows;
mod splits;
mod whole;
mod written;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, Result as DataFusionResult, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures::StreamExt;

pub(crate) use self::added::added_files;
pub(crate) use self::bounds::Filter as RowFilter;
use self::bounds::Filter;
pub(crate) use self::decode::footer_prefetch_bytes;
pub(crate) use self::files::PlannedFile;
use self::files::PlannedFiles;
pub(crate) use self::ranges::source_range;
pub(crate) use self::reader::{OpenFile, ScanContext};
pub(crate) use self::reshape::field_id;
use self::splits::Split;
pub(crate) use self::whole::{Place, TakesRowGroups, WholeFile};
pub(crate) use self::written::{Piece, pieces};
use crate::catalog::Table;
use crate::error::Result;
use crate::sql::Version;

/// What is scanned: the current snapshot of a table, or some of its data files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub table: &'a Table,
    /// The columns of the table's current schema.
    pub schema: &'a SchemaRef,
    /// The data files to read, if they were planned before; else the manifests are read.
    pub planned: Option<&'a [Arc<PlannedFile>]>,
    /// What the statement says of the version, for EXPLAIN.
    pub version: Option<&'a Version>,
}

impl Source<'_> {
    fn filter(&self, state: &dyn Session, filters: &[Expr]) -> Result<Option<Filter>> {
        let Some(filter) = conjunction(filters.iter().cloned()) else { return Ok(None) };
        let df_schema = DFSchema::try_from(Arc::clone(self.schema))?;
        let predicate = state.create_physical_expr(filter, &df_schema)?;
        Ok(Filter::new(predicate, self.schema, self.table.metadata.current_schema()))
    }

    async fn files(&self, filter: Option<&Filter>) -> Result<PlannedFiles> {
        match self.planned {
            Some(files) => Ok(PlannedFiles::of(files, filter)),
            None => files::plan(self.table, filter).await,
        }
    }
}

/// What tells of a file whether it may hold rows for which all `filters` hold; `None` if no file tells.
pub(crate) fn row_filter(source: Source<'_>, state: &dyn Session, filters: &[Expr]) -> Result<Option<RowFilter>> {
    source.filter(state, filters)
}

/// The live data files that may hold rows for which all `filters` hold, in the order of the manifests. Reads manifests, no
/// data.
///
/// # Errors
/// Unreadable manifests, file formats and delete files that are not supported.
pub(crate) async fn live_files(
    source: Source<'_>,
    state: &dyn Session,
    filters: &[Expr],
) -> Result<Vec<Arc<PlannedFile>>> {
    let filter = source.filter(state, filters)?;
    Ok(source.files(filter.as_ref()).await?.files)
}

/// Plans the scan of the table's current snapshot. Reads manifests, no data.
///
/// # Errors
/// Unreadable manifests, file formats and delete files that are not supported.
pub(crate) async fn plan(
    source: Source<'_>,
    state: &dyn Session,
    projection: Option<&Vec<usize>>,
    filters: &[Expr],
    limit: Option<usize>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let Source { table, schema, .. } = source;
    let filter = source.filter(state, filters)?;
    let files = source.files(filter.as_ref()).await?;
    let statistics = files.statistics(table, schema, filter.is_none());
    let splits = splits::pack(&files, state.config().target_partitions());
    let columns: Vec<usize> = projection.cloned().unwrap_or_else(|| (0..schema.fields().len()).collect());
    let statistics = statistics.project(Some(&columns));
    let projected: SchemaRef = Arc::new(schema.project(&columns)?);
    let context = Arc::new(ScanContext::new(table, &projected, filter, state.config().batch_size())?);
    // An exact filter is applied above; only without one may the scan itself stop early.
    let limit = limit.filter(|_| filters.is_empty());
    let version = source.version.map(|version| format!(" {version}")).unwrap_or_default();
    let name = format!("{}{version}", table.name);
    Ok(Arc::new(IcebergScan::new(name, projected, context, files, splits, statistics, limit)))
}

/// The plan node of a scan.
#[derive(Debug)]
pub(crate) struct IcebergScan {
    table: String,
    context: Arc<ScanContext>,
    summary: String,
    partitions: Vec<Vec<Split>>,
    statistics: Statistics,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl IcebergScan {
    fn new(
        table: String,
        schema: SchemaRef,
        context: Arc<ScanContext>,
        files: PlannedFiles,
        partitions: Vec<Vec<Split>>,
        statistics: Statistics,
        limit: Option<usize>,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(partitions.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let metrics = ExecutionPlanMetricsSet::new();
        let (properties, summary) = (Arc::new(properties), files.summary());
        Self { table, context, summary, partitions, statistics, limit, properties, metrics }
    }

    /// What all files have in common.
    pub fn context(&self) -> &Arc<ScanContext> {
        &self.context
    }

    /// The files, each once, in the order in which they are read.
    pub fn files(&self) -> Vec<Arc<OpenFile>> {
        let mut files: Vec<_> = self.partitions.iter().flatten().map(|split| Arc::clone(&split.file)).collect();
        files.dedup_by(|a, b| Arc::ptr_eq(a, b));
        files
    }

    /// Whether it ends before all rows are read.
    pub fn is_limited(&self) -> bool {
        self.limit.is_some()
    }

    /// The same scan without the row groups that `taker` takes.
    pub fn without(&self, taker: Arc<dyn TakesRowGroups>) -> Self {
        Self {
            table: self.table.clone(),
            context: Arc::new(self.context.with_pages().without(taker)),
            summary: self.summary.clone(),
            partitions: self.partitions.clone(),
            statistics: Statistics::new_unknown(&self.schema()),
            limit: self.limit,
            properties: Arc::clone(&self.properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

impl DisplayAs for IcebergScan {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<_> = self.schema().fields().iter().map(|field| field.name().clone()).collect();
        write!(f, "IcebergScan: table={}, columns=[{}], {}", self.table, columns.join(", "), self.summary)?;
        if let Some(filter) = self.context.filter() {
            write!(f, ", pruned by {filter}")?;
        }
        if let Some(limit) = self.limit {
            write!(f, ", limit={limit}")?;
        }
        Ok(())
    }
}

impl ExecutionPlan for IcebergScan {
    fn name(&self) -> &str {
        "IcebergScan"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DataFusionResult<SendableRecordBatchStream> {
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let splits = self.partitions.get(partition).cloned().unwrap_or_default();
        self.context.table.store.passed().plan(splits.iter().map(|split| split.size_bytes).sum());
        let rows = reader::read(Arc::clone(&self.context), splits, self.limit, context.memory_pool());
        let rows = rows.map(move |batch| {
            if let Ok(batch) = &batch {
                metrics.record_output(batch.num_rows());
            }
            batch.map_err(Into::into)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn partition_statistics(&self, partition: Option<usize>) -> DataFusionResult<Statistics> {
        Ok(match partition {
            None if self.limit.is_none() => self.statistics.clone(),
            _ => Statistics::new_unknown(&self.schema()),
        })
    }
}
