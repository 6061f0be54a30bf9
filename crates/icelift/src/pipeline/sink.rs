//! The physical sink: rows → Parquet files → one commit.
//!
//! In: any number of streams of the target's columns. Out: one row, the number of rows written, after the commit. What
//! must hold: as many rows are committed as came in, or nothing is; files of a statement that fails or is cancelled are
//! removed.
//!
//! The unit of work is the row group. Each lane encodes row groups on its own core; finished ones go to the open file of
//! their partition, whichever lane they come from. So files come out near their target size, not one per core.

mod coming;
mod copying;
mod delivery;
mod encode;
mod files;
mod fingerprints;
mod lane;
mod metrics;
mod paths;
mod pending;
mod run;
mod settings;
mod splicing;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema as ArrowSchema, SchemaRef};
use datafusion::common::Result as DataFusionResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PlanProperties,
};
use futures::stream;

pub(crate) use self::delivery::{Delivery, Written};
pub(crate) use self::paths::{data_folder, partition_folder};
pub(crate) use self::settings::SinkSettings;
pub(crate) use self::splicing::SpliceRule;
use crate::catalog::{Catalog, Table};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::snapshot;
use crate::pipeline::splice::{Report, Splice};

/// Plans writing `input`, whose columns are those of the target, into the table.
pub(crate) fn plan(target: SinkTarget, input: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let (given, expected) = (input.schema().fields().len(), target.schema.fields().len());
    if given != expected {
        let error = Error::new(ErrorKind::Internal, format!("{given} columns for a table of {expected}"));
        return Err(error.place(Stage::Sink, &target.table.name));
    }
    Ok(Arc::new(IcebergSink::over(Arc::new(target), input)))
}

/// Where rows go. The tasks of a sink share it.
#[derive(Debug)]
pub(crate) struct SinkTarget {
    catalog: Arc<dyn Catalog>,
    table: Table,
    schema: SchemaRef,
    settings: SinkSettings,
    lanes: usize,
    delivery: Option<Arc<Delivery>>,
}

impl SinkTarget {
    /// A table whose columns are those of `schema`. As many `lanes` encode. With a `delivery` the files are handed
    /// over, otherwise the sink commits.
    ///
    /// # Errors
    /// Properties of the table that do not say how to write or commit.
    pub fn new(
        catalog: &Arc<dyn Catalog>,
        table: &Table,
        schema: &SchemaRef,
        lanes: usize,
        delivery: Option<Arc<Delivery>>,
    ) -> Result<Self> {
        let place = |error: Error| error.place(Stage::Sink, &table.name);
        let settings = SinkSettings::new(&table.metadata).map_err(place)?;
        snapshot::check(&table.metadata).map_err(place)?;
        let (catalog, table, schema) = (Arc::clone(catalog), table.clone(), Arc::clone(schema));
        Ok(Self { catalog, table, schema, settings, lanes, delivery })
    }
}

/// The plan node of a sink.
#[derive(Debug)]
pub(crate) struct IcebergSink {
    target: Arc<SinkTarget>,
    /// Without the row groups that are copied.
    input: Arc<dyn ExecutionPlan>,
    splice: Option<Arc<Splice>>,
    properties: Arc<PlanProperties>,
}

impl IcebergSink {
    fn over(target: Arc<SinkTarget>, input: Arc<dyn ExecutionPlan>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(count_schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Self { target, input, splice: None, properties: Arc::new(properties) }
    }

    /// Decides which row groups are copied. Reads their files' footers. `None` if none can be.
    pub async fn splice_report(&self) -> Result<Option<Report>> {
        let Some(splice) = &self.splice else { return Ok(None) };
        splice.decide_all().await?;
        Ok(Some(splice.report()))
    }
}

/// What an INSERT answers.
pub(crate) fn count_schema() -> SchemaRef {
    Arc::new(ArrowSchema::new(vec![Field::new("count", DataType::UInt64, false)]))
}

impl DisplayAs for IcebergSink {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SinkTarget { table, settings, lanes, .. } = self.target.as_ref();
        let spec = table.metadata.default_partition_spec();
        let partitions: Vec<_> = spec.fields().iter().map(|field| field.name.clone()).collect();
        write!(
            f,
            "IcebergSink: table={}, partitions=[{}], lanes={lanes}, target_file_bytes={}, row_group_bytes={}, codec={}",
            table.name,
            partitions.join(", "),
            settings.target_file_bytes,
            settings.row_group_bytes,
            settings.codec
        )?;
        match &self.splice {
            Some(_) => f.write_str(", copies row groups"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for IcebergSink {
    fn name(&self) -> &str {
        "IcebergSink"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.len()) {
            (Some(input), 0) => {
                let splice = self.splice.clone();
                Ok(Arc::new(Self { splice, ..Self::over(Arc::clone(&self.target), input) }))
            }
            _ => Err(Error::new(ErrorKind::Internal, "a sink has one input").into()),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DataFusionResult<SendableRecordBatchStream> {
        if partition != 0 {
            return Err(Error::new(ErrorKind::Internal, "a sink has one output").into());
        }
        let inputs = (0..self.input.output_partitioning().partition_count())
            .map(|input| self.input.execute(input, Arc::clone(&context)))
            .collect::<DataFusionResult<Vec<_>>>()?;
        let expected = self.input.partition_statistics(None)?.total_byte_size;
        let expected_bytes = expected.get_value().copied().unwrap_or(0);
        let (target, splice) = (Arc::clone(&self.target), self.splice.clone());
        let count = async move {
            let place = |error: Error| error.place(Stage::Sink, &target.table.name);
            let rows = run::run(Arc::clone(&target), inputs, splice, expected_bytes, &context).await.map_err(place)?;
            Ok(RecordBatch::try_new(count_schema(), vec![Arc::new(UInt64Array::from(vec![rows]))])?)
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(count_schema(), stream::once(count))))
    }
}
