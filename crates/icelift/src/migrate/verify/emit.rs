//! `EMIT SQL FOR duckdb | spark`: the query by which another engine computes the portable fingerprint itself.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use futures::StreamExt;

use super::sides::Sides;
use crate::engine::{Engine, RowStream};
use crate::error::Result;
use crate::pipeline::verify::{Dialect, Level, emit};
use crate::sql::EmitDialect;

/// One row for each side: its name and the query.
pub(super) fn answer(engine: &Engine, sides: &Sides, dialect: EmitDialect) -> Result<RowStream> {
    let dialect = match dialect {
        EmitDialect::DuckDb => Dialect::DuckDb,
        EmitDialect::Spark => Dialect::Spark,
    };
    let fields = sides.compared_fields(Level::Portable);
    let mut names = vec![("target", sides.target.table.name.plain())];
    if let Some(source) = &sides.source {
        names.insert(0, ("source", source.table.name.plain()));
    }
    let queries = names.iter().map(|(_, name)| emit(dialect, name, &fields, None)).collect::<Result<Vec<_>>>()?;
    let schema = Arc::new(Schema::new(vec![
        Field::new("side", DataType::Utf8, false),
        Field::new("sql", DataType::Utf8, false),
    ]));
    let side: ArrayRef = Arc::new(StringArray::from_iter_values(names.iter().map(|(side, _)| *side)));
    let sql: ArrayRef = Arc::new(StringArray::from(queries));
    let rows = RecordBatch::try_new(Arc::clone(&schema), vec![side, sql])?;
    let rows = futures::stream::once(async move { Ok(rows) }).boxed();
    Ok(RowStream::of(schema, rows, engine.cleanup.clone()))
}
