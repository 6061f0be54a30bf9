//! The row of EXPLAIN that tells which row groups a statement copies.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;

use super::RowStream;
use super::view::View;
use crate::error::Result;
use crate::pipeline::sink::IcebergSink;

/// What EXPLAIN answers, and a row `splice` for each sink of the plan. Reads the footers of the source's files.
pub(super) async fn with_reports(view: &View<'_>, plan: &LogicalPlan, rows: RowStream) -> Result<RowStream> {
    let physical = view.state().create_physical_plan(plan).await?;
    let mut reports = Vec::new();
    collect(&physical, &mut reports).await?;
    if reports.is_empty() {
        return Ok(rows);
    }
    let schema = rows.schema();
    let kinds: ArrayRef = Arc::new(StringArray::from(vec!["splice"; reports.len()]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![kinds, Arc::new(StringArray::from(reports))])?;
    Ok(rows.followed_by(batch))
}

async fn collect(plan: &Arc<dyn ExecutionPlan>, reports: &mut Vec<String>) -> Result<()> {
    let mut waiting = vec![plan];
    while let Some(node) = waiting.pop() {
        waiting.extend(node.children());
        if let Some(sink) = node.as_any().downcast_ref::<IcebergSink>() {
            let report = sink.splice_report().await?;
            reports.extend(report.map(|report| report.to_string()));
        }
    }
    Ok(())
}
