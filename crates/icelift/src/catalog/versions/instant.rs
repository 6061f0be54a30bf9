//! The point in time that an expression says.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;

use crate::error::{Error, ErrorKind, Result};

/// Seconds since 1970 beyond which a number is taken for milliseconds by mistake: the year 5138.
const SECONDS_MAX: i64 = 100_000_000_000;

const HINT: &str = "write '2019-12-31', '2019-12-31 23:59:59', '2019-12-31T23:59:59+01:00', TIMESTAMP '…', seconds since \
                    1970 or an expression of constants; without a zone the time is UTC";

/// Microseconds since 1970 in UTC.
///
/// # Errors
/// An expression that is not constant, or no point in time.
pub(super) fn microseconds(expression: &str, state: &SessionState) -> Result<i64> {
    let wrong = |what: &str| Error::new(ErrorKind::Sql, format!("`{expression}` {what}")).hint(HINT);
    let schema = DFSchema::empty();
    let value = constant(expression, &schema, state).map_err(|source| {
        let message = "is no constant that TIMESTAMP AS OF could take";
        wrong(message).source(source)
    })?;
    let Expr::Literal(value, _) = value else { return Err(wrong("is no constant")) };
    if value.is_null() {
        return Err(wrong("is NULL"));
    }
    if let Some(seconds) = seconds(&value) {
        if seconds.abs() >= SECONDS_MAX {
            return Err(wrong("is a number of seconds since 1970 that is too large; are they milliseconds?"));
        }
        return Ok(seconds * 1_000_000);
    }
    if !is_instant(&value.data_type()) {
        return Err(wrong("is no point in time"));
    }
    match value.cast_to(&DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()))) {
        Ok(ScalarValue::TimestampMicrosecond(Some(microseconds), _)) => Ok(microseconds),
        Ok(_) => Err(wrong("is no point in time")),
        Err(source) => Err(wrong("is no point in time").source(source)),
    }
}

fn constant(expression: &str, schema: &DFSchema, state: &SessionState) -> Result<Expr> {
    let expression = state.create_logical_expr(expression, schema)?;
    let context = SimplifyContext::default()
        .with_schema(Arc::new(schema.clone()))
        .with_config_options(Arc::clone(state.config_options()))
        .with_current_time();
    let simplifier = ExprSimplifier::new(context);
    let coerced = simplifier.coerce(expression, schema)?;
    Ok(simplifier.simplify(coerced)?)
}

/// A whole number is seconds, as in Spark.
fn seconds(value: &ScalarValue) -> Option<i64> {
    if !value.data_type().is_integer() {
        return None;
    }
    match value.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(seconds)) => Some(seconds.unwrap_or(i64::MAX)),
        _ => Some(i64::MAX),
    }
}

fn is_instant(found: &DataType) -> bool {
    use DataType::{Date32, Date64, LargeUtf8, Timestamp, Utf8, Utf8View};
    matches!(found, Timestamp(..) | Date32 | Date64 | Utf8 | LargeUtf8 | Utf8View)
}
