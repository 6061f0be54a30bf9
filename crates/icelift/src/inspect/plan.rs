//! The plan node of a metadata table.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::Result as DataFusionResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::limit::LimitStream;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures::StreamExt;

use super::pieces::{Piece, Rows, Wanted};
use crate::catalog::Table;
use crate::error::{Error, Result, Stage};

/// Reads the rows of a metadata table, one stream for each group of pieces.
#[derive(Debug)]
pub(super) struct MetadataScan {
    label: String,
    table: Table,
    rows: Arc<Rows>,
    columns: Vec<usize>,
    streams: Vec<Vec<Piece>>,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl MetadataScan {
    /// # Errors
    /// A column that the table does not have.
    pub fn new(
        label: String,
        table: Table,
        rows: Arc<Rows>,
        schema: &SchemaRef,
        columns: Vec<usize>,
        streams: Vec<Vec<Piece>>,
        limit: Option<usize>,
    ) -> Result<Self> {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::new(schema.project(&columns)?)),
            Partitioning::UnknownPartitioning(streams.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let (properties, metrics) = (Arc::new(properties), ExecutionPlanMetricsSet::new());
        Ok(Self { label, table, rows, columns, streams, limit, properties, metrics })
    }
}

impl DisplayAs for MetadataScan {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schema = self.schema();
        let columns: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(f, "MetadataScan: table={}, columns=[{}]", self.label, columns.join(", "))?;
        let count = |is: fn(&Piece) -> bool| self.streams.iter().flatten().filter(|piece| is(piece)).count();
        for (count, what) in [
            (count(|piece| matches!(piece, Piece::List(_))), "manifest_lists"),
            (count(|piece| matches!(piece, Piece::Manifest(_))), "manifests"),
        ] {
            if count > 0 {
                write!(f, ", {what}={count}")?;
            }
        }
        self.limit.map_or(Ok(()), |limit| write!(f, ", limit={limit}"))
    }
}

impl ExecutionPlan for MetadataScan {
    fn name(&self) -> &str {
        "MetadataScan"
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
        let pieces = self.streams.get(partition).cloned().unwrap_or_default();
        let batch_rows = context.session_config().batch_size();
        let wanted = Wanted { columns: self.columns.clone(), schema: self.schema(), batch_rows };
        let (name, metrics) = (self.table.name.clone(), BaselineMetrics::new(&self.metrics, partition));
        let place = move |error: Error| error.place(Stage::Scan, &name);
        let counted = metrics.clone();
        let rows = self.rows.read(&self.table, pieces, wanted).map(move |batch| {
            if let Ok(batch) = &batch {
                counted.record_output(batch.num_rows());
            }
            batch.map_err(|error| place(error).into())
        });
        let rows: SendableRecordBatchStream = Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows));
        Ok(match self.limit {
            Some(limit) => Box::pin(LimitStream::new(rows, 0, Some(limit), metrics)),
            None => rows,
        })
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
