//! `SUMMARIZE`: each column of a query in figures, in one pass over its rows and in bounded memory.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type, Schema};
use arrow::util::display::array_value_to_string;
use datafusion::common::{Column, ScalarValue};
use datafusion::functions_aggregate::expr_fn::{approx_distinct, approx_percentile_cont, avg, count, max, min, stddev};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit};
use datafusion::sql::sqlparser::ast;

use super::{Engine, RowStream, View};
use crate::error::{Error, ErrorKind, Result};

/// The figures of a column, in the order in which they are computed.
const FIGURES: [&str; 9] = ["count", "distinct", "min", "max", "avg", "std", "q25", "q50", "q75"];

/// Each column of the query as a row.
pub(super) async fn summarize(engine: &Engine, query: &ast::Query) -> Result<RowStream> {
    let view = View::new(engine, false).await;
    let plan = view.plan(query).await?;
    let columns: Vec<_> = plan
        .schema()
        .iter()
        .map(|(qualifier, field)| (Column::from((qualifier, field)), field.name().clone(), plain(field.data_type())))
        .collect();
    let figures = columns.iter().enumerate().flat_map(|(index, (column, _, data_type))| {
        let figures = figures(&Expr::Column(column.clone()), data_type);
        FIGURES.into_iter().zip(figures).map(move |(name, figure)| figure.alias(format!("{index} {name}")))
    });
    let all = count(lit(1_i64)).alias("all");
    let aggregated: Vec<_> = std::iter::once(all).chain(figures).collect();
    let plan = LogicalPlanBuilder::from(plan).aggregate(Vec::<Expr>::new(), aggregated)?.build()?;
    let rows = view.execute(plan).await?;
    let schema = rows.schema();
    let answer = concat_batches(&schema, &rows.collect().await?).map_err(wrong)?;
    Ok(RowStream::of_batch(transposed(&answer, &columns).map_err(wrong)?))
}

/// The type without what its fields are marked with, which is not for people.
fn plain(data_type: &DataType) -> DataType {
    let bare = |field: &FieldRef| Arc::new(Field::new(field.name(), plain(field.data_type()), field.is_nullable()));
    match data_type {
        DataType::List(element) => DataType::new_list(plain(element.data_type()), element.is_nullable()),
        DataType::Map(entries, sorted) => DataType::Map(bare(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(bare).collect()),
        other => other.clone(),
    }
}

/// What is computed of a column; NULL where it has no such figure.
fn figures(column: &Expr, data_type: &DataType) -> [Expr; 9] {
    let nothing = || min(lit(ScalarValue::Utf8(None)));
    let ordered = !data_type.is_nested() && *data_type != DataType::Boolean && *data_type != DataType::Null;
    let text = || datafusion::logical_expr::cast(column.clone(), DataType::Utf8);
    let number = || datafusion::logical_expr::cast(column.clone(), DataType::Float64);
    // Floats and decimals are not hashed by every version.
    let hashed = match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => column.clone(),
        other if other.is_integer() || other.is_temporal() => column.clone(),
        _ => text(),
    };
    let quantile = |share: f64| approx_percentile_cont(number().sort(true, false), lit(share), None);
    let numeric = data_type.is_numeric();
    [
        count(column.clone()),
        if data_type.is_nested() { nothing() } else { approx_distinct(hashed) },
        if ordered { min(column.clone()) } else { nothing() },
        if ordered { max(column.clone()) } else { nothing() },
        if numeric { avg(number()) } else { nothing() },
        if numeric { stddev(number()) } else { nothing() },
        if numeric { quantile(0.25) } else { nothing() },
        if numeric { quantile(0.5) } else { nothing() },
        if numeric { quantile(0.75) } else { nothing() },
    ]
}

/// The one row of figures as a row for each column.
fn transposed(
    row: &RecordBatch,
    columns: &[(Column, String, DataType)],
) -> std::result::Result<RecordBatch, arrow::error::ArrowError> {
    let figure = |index: usize, name: &str| {
        let place = FIGURES.iter().position(|known| *known == name).unwrap_or_default();
        row.column(1 + index * FIGURES.len() + place)
    };
    let each = || 0..columns.len();
    let integer = |index: usize, name: &str| -> Option<i64> {
        let found = cast(figure(index, name), &DataType::Int64).ok()?;
        found.is_valid(0).then(|| found.as_primitive::<Int64Type>().value(0))
    };
    let float = |name: &'static str| -> Float64Array {
        each()
            .map(|index| {
                let found = cast(figure(index, name), &DataType::Float64).ok()?;
                found.is_valid(0).then(|| found.as_primitive::<Float64Type>().value(0))
            })
            .collect()
    };
    let text = |name: &'static str| -> StringArray {
        each()
            .map(|index| {
                let found = figure(index, name);
                found.is_valid(0).then(|| array_value_to_string(found, 0).unwrap_or_default())
            })
            .collect()
    };
    let all = row.column(0).as_primitive::<Int64Type>().value(0);
    let nulls = each().map(|index| {
        let nulls = all - integer(index, "count").unwrap_or_default();
        (all > 0).then(|| (nulls as f64 * 10_000.0 / all as f64).round() / 100.0)
    });
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("column_name", Arc::new(StringArray::from_iter_values(columns.iter().map(|(_, name, _)| name)))),
        ("column_type", Arc::new(StringArray::from_iter_values(columns.iter().map(|(_, _, it)| it.to_string())))),
        ("min", Arc::new(text("min"))),
        ("max", Arc::new(text("max"))),
        ("approx_unique", Arc::new(each().map(|index| integer(index, "distinct")).collect::<Int64Array>())),
        ("avg", Arc::new(float("avg"))),
        ("std", Arc::new(float("std"))),
        ("q25", Arc::new(float("q25"))),
        ("q50", Arc::new(float("q50"))),
        ("q75", Arc::new(float("q75"))),
        ("count", Arc::new(Int64Array::from(vec![all; columns.len()]))),
        ("null_percentage", Arc::new(nulls.collect::<Float64Array>())),
    ];
    let field = |(name, values): &(&str, ArrayRef)| Field::new(*name, values.data_type().clone(), true);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns.into_iter().map(|(_, values)| values).collect())
}

fn wrong(source: arrow::error::ArrowError) -> Error {
    Error::new(ErrorKind::Execution, "the figures make no answer").source(source)
}
