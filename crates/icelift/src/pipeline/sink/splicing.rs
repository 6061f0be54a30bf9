//! The rule that makes a sink copy what can be copied.

use std::sync::Arc;

use datafusion::common::Result as DataFusionResult;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;

use super::{IcebergSink, SinkTarget, encode};
use crate::error::Result;
use crate::pipeline::splice::{Settings, Splice, SpliceMode, SpliceTarget};

/// Row groups of less than this part of a row group of the table are small.
const SMALL_PART: usize = 8;
/// Row groups of less than this part are never worth a place of their own.
const SMALLEST_PART: usize = 512;
/// Row groups of more than so many files' bytes are encoded, and so cut.
const LARGEST_FILES: usize = 2;

/// Lets sinks copy row groups. Runs behind all rules that change what is read.
#[derive(Debug)]
pub(crate) struct SpliceRule;

impl PhysicalOptimizerRule for SpliceRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let mode = config.extensions.get::<Settings>().map_or(SpliceMode::Auto, |settings| settings.splice);
        let spliced = plan.transform_down(|node| match node.as_any().downcast_ref::<IcebergSink>() {
            Some(sink) if sink.splice.is_none() => match sink.splicing(mode)? {
                Some(sink) => Ok(Transformed::yes(Arc::new(sink) as Arc<dyn ExecutionPlan>)),
                None => Ok(Transformed::no(node)),
            },
            _ => Ok(Transformed::no(node)),
        });
        spliced.data()
    }

    fn name(&self) -> &str {
        "splice"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

impl IcebergSink {
    /// The sink that copies what can be copied, if anything.
    fn splicing(&self, mode: SpliceMode) -> Result<Option<Self>> {
        let mode = self.target.delivery.as_ref().and_then(|delivery| delivery.splice).unwrap_or(mode);
        // The portable fingerprint is one of values.
        let wants_values = self.target.delivery.as_ref().is_some_and(|delivery| delivery.portable.is_some());
        if mode == SpliceMode::Off || wants_values {
            return Ok(None);
        }
        let Some(splice) = Splice::new(self.target.splice_target(mode)?, &self.input)? else { return Ok(None) };
        let splice = Arc::new(splice);
        let rest = splice.rest(Arc::clone(&self.input))?;
        Ok(Some(Self { splice: Some(splice), ..Self::over(Arc::clone(&self.target), rest) }))
    }
}

impl SinkTarget {
    fn splice_target(&self, mode: SpliceMode) -> Result<SpliceTarget> {
        let settings = &self.settings;
        let keeps_codec = mode == SpliceMode::KeepCodec || !settings.codec_is_set;
        Ok(SpliceTarget {
            metadata: Arc::clone(&self.table.metadata),
            columns: Arc::clone(&self.schema),
            parquet_schema: encode::parquet_schema(&self.schema, self.table.metadata.current_schema())?,
            codec: (!keeps_codec).then_some(settings.codec),
            bloom_filters: settings.bloom_filters.clone(),
            small_bytes: (settings.row_group_bytes / SMALL_PART) as u64,
            min_bytes: (settings.row_group_bytes / SMALLEST_PART) as u64,
            max_bytes: settings.target_file_bytes.saturating_mul(LARGEST_FILES) as u64,
        })
    }
}
