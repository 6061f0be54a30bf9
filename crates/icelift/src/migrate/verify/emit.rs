//! `EMIT SQL FOR duckdb | spark`: the query by which another engine computes the portable fingerprint itself.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

use super::sides::Sides;
use crate::engine::RowStream;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::verify::{Dialect, Level, emit};
use crate::sql::BatchValue;

/// One row for each side: its name and the query.
///
/// # Errors
/// One batch alone, which another engine would have to be told how to find; types that it cannot do.
pub(super) fn answer(sides: &Sides, dialect: Dialect, batch: Option<&BatchValue>) -> Result<RowStream> {
    if batch.is_some() {
        return Err(Error::new(ErrorKind::Unsupported, "EMIT SQL is about the whole table, not about one BATCH")
            .stage(Stage::Verify)
            .hint("add the condition to the query that is printed"));
    }
    let fields = sides.compared_fields(Level::Portable);
    let mut names = vec![("target", sides.target.table.name.plain(), None)];
    if let Some(source) = &sides.source {
        names.insert(0, ("source", source.table.name.plain(), sides.source_filter()));
    }
    let query = |(_, name, filter): &(&str, String, Option<&str>)| emit(dialect, name, &fields, *filter);
    let queries = names.iter().map(query).collect::<Result<Vec<_>>>()?;
    let schema = Arc::new(Schema::new(vec![
        Field::new("side", DataType::Utf8, false),
        Field::new("sql", DataType::Utf8, false),
    ]));
    let side: ArrayRef = Arc::new(StringArray::from_iter_values(names.iter().map(|(side, ..)| *side)));
    let sql: ArrayRef = Arc::new(StringArray::from(queries));
    Ok(RowStream::of_batch(RecordBatch::try_new(schema, vec![side, sql])?))
}
