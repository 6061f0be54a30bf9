//! Assigns the columns of a query to the columns of a table.
//!
//! In: a query's plan. Out: a plan whose columns are those of the table, by name, order and type. What must hold: a value
//! is stored as it is or the statement fails before a row is read; only a CAST that the user wrote may lose anything.

mod assign;
pub(crate) mod quarter;
pub(crate) mod transforms;
pub(crate) mod types;
mod zorder;

use std::collections::HashSet;

use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast, lit};
use iceberg::spec::Schema;

pub(crate) use self::assign::assignable;
use self::assign::{constant_fits, same_shape};
pub(crate) use self::zorder::Zorder;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::values::default_scalar;

/// How the user said which column goes where.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Assignment<'a> {
    /// The nth of the query to the nth of the table.
    Position,
    /// The nth of the query to the nth of the list; the others get their default.
    Columns(&'a [String]),
    /// To the column of the same name; the others get their default.
    Name,
}

/// The query as the table wants its rows.
///
/// # Errors
/// A wrong number of columns, an unknown or repeated one, a required one without a value, a type that would lose data.
pub(crate) fn assign(
    query: LogicalPlan,
    assignment: Assignment<'_>,
    columns: &SchemaRef,
    schema: &Schema,
) -> Result<LogicalPlan> {
    let sources = sources(&query, assignment, columns)?;
    let mut exprs = Vec::with_capacity(columns.fields().len());
    for (target, source) in columns.fields().iter().zip(sources) {
        let expr = match source {
            Some(source) => stored(&query, source, target)?,
            None => default(target, schema)?,
        };
        exprs.push(expr.alias(target.name()));
    }
    Ok(LogicalPlanBuilder::from(query).project(exprs)?.build()?)
}

fn mismatch(message: String) -> Error {
    Error::new(ErrorKind::SchemaMismatch, message).stage(Stage::Select)
}

/// For each column of the table the query's column that goes there.
fn sources(query: &LogicalPlan, assignment: Assignment<'_>, columns: &SchemaRef) -> Result<Vec<Option<usize>>> {
    let given = query.schema().fields();
    let targets: Vec<&str> = match assignment {
        Assignment::Position => columns.fields().iter().map(|field| field.name().as_str()).collect(),
        Assignment::Columns(list) => list.iter().map(String::as_str).collect(),
        Assignment::Name => given.iter().map(|field| field.name().as_str()).collect(),
    };
    if targets.len() != given.len() {
        let names = |names: Vec<&str>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let message = format!(
            "{} columns are expected and {} are given: expected {}; given {}",
            targets.len(),
            given.len(),
            names(targets),
            names(given.iter().map(|field| field.name().as_str()).collect())
        );
        return Err(mismatch(message).hint("name the columns in the order of the table, or use INSERT INTO … BY NAME"));
    }
    let mut seen = HashSet::new();
    for target in &targets {
        if columns.field_with_name(target).is_err() {
            let known: Vec<_> = columns.fields().iter().map(|field| format!("`{}`", field.name())).collect();
            return Err(mismatch(format!("the table has no column `{target}`"))
                .hint(format!("its columns are {}", known.join(", "))));
        }
        if !seen.insert(*target) {
            return Err(mismatch(format!("the column `{target}` is given twice")));
        }
    }
    let place = |field: &str| targets.iter().position(|target| *target == field);
    Ok(columns.fields().iter().map(|field| place(field.name())).collect())
}

/// The query's column as the table's type.
fn stored(query: &LogicalPlan, source: usize, target: &Field) -> Result<Expr> {
    let (qualifier, field) = query.schema().qualified_field(source);
    let expr = Expr::Column(Column::from((qualifier, field)));
    let (from, to) = (expr.get_type(query.schema())?, target.data_type());
    if same_shape(&from, to) {
        return Ok(expr);
    }
    if assignable(&from, to) || constants(query, source).is_some_and(|all| all.iter().all(|it| constant_fits(it, to))) {
        return Ok(cast(expr, to.clone()));
    }
    let message = format!("{} cannot be stored in the column `{}` of type {} without loss", from, target.name(), to);
    let hint = format!("say what you want to happen: CAST({} AS {})", field.name(), sql_type(to));
    Err(mismatch(message).hint(hint))
}

/// The values of a column that the statement itself spells out; `None` if it is computed.
fn constants(query: &LogicalPlan, column: usize) -> Option<Vec<ScalarValue>> {
    match query {
        LogicalPlan::Values(values) => values.values.iter().map(|row| literal(row.get(column)?)).collect(),
        LogicalPlan::Projection(projection) => match projection.expr.get(column)?.clone().unalias() {
            Expr::Column(inner) => {
                let index = projection.input.schema().maybe_index_of_column(&inner)?;
                constants(&projection.input, index)
            }
            expr => Some(vec![literal(&expr)?]),
        },
        LogicalPlan::SubqueryAlias(alias) => constants(&alias.input, column),
        _ => None,
    }
}

fn literal(expr: &Expr) -> Option<ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value.clone()),
        Expr::Negative(inner) => literal(inner)?.arithmetic_negate().ok(),
        Expr::Cast(inner) => literal(&inner.expr)?.cast_to(&inner.data_type).ok(),
        Expr::Alias(inner) => literal(&inner.expr),
        _ => None,
    }
}

/// The value of a column that the statement does not name.
fn default(target: &Field, schema: &Schema) -> Result<Expr> {
    let field = schema.as_struct().fields().iter().find(|field| field.name == *target.name());
    let default = field.and_then(|field| default_scalar(field.write_default.as_ref()?, &field.field_type));
    match default {
        Some(default) => Ok(lit(default.cast_to(target.data_type())?)),
        None if target.is_nullable() => Ok(lit(ScalarValue::try_from(target.data_type())?)),
        None => Err(mismatch(format!("the required column `{}` is given no value", target.name()))),
    }
}

/// The type as one would write it in a CAST.
fn sql_type(data_type: &DataType) -> String {
    match data_type {
        DataType::Int32 => "INT".to_string(),
        DataType::Int64 => "BIGINT".to_string(),
        DataType::Float32 => "REAL".to_string(),
        DataType::Float64 => "DOUBLE".to_string(),
        DataType::Utf8 => "VARCHAR".to_string(),
        DataType::Boolean => "BOOLEAN".to_string(),
        DataType::Date32 => "DATE".to_string(),
        DataType::Timestamp(_, None) => "TIMESTAMP(6)".to_string(),
        DataType::Timestamp(_, Some(_)) => "TIMESTAMPTZ".to_string(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        other => other.to_string(),
    }
}
