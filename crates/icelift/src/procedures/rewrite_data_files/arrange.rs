//! In which order rows are written: `strategy` and `sort_order`.
//!
//! NULL comes first in ascending and last in descending order unless the text says otherwise, as in Spark and Iceberg, not as
//! in DataFusion.

use datafusion::common::DFSchema;
use datafusion::execution::SessionState;
use datafusion::logical_expr::expr::{ScalarFunction, Sort};
use datafusion::logical_expr::{Expr, ScalarUDF};
use datafusion::sql::sqlparser::ast::{
    self, Expr as SqlExpr, FunctionArg, FunctionArgExpr, FunctionArguments, OrderByExpr,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use iceberg::spec::{NullOrder, SortDirection, SortField, TableMetadata, Transform};

use crate::catalog::quoted;
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::select::Zorder;

/// What a call says of the order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish<'a> {
    pub strategy: Option<&'a str>,
    pub sort_order: Option<&'a str>,
}

/// The expressions by which rows are sorted; `None` to leave them in the order of their files.
///
/// # Errors
/// A strategy that there is none of, a sort order that cannot be read, names what is no column, or is missing.
pub(super) fn arranged(
    wish: Wish<'_>,
    metadata: &TableMetadata,
    columns: &DFSchema,
    state: &SessionState,
) -> Result<Option<Vec<Sort>>> {
    let sorts = match wish.strategy.map(str::to_ascii_lowercase).as_deref() {
        None => wish.sort_order.is_some(),
        Some("sort") => true,
        Some("binpack") if wish.sort_order.is_none() => false,
        Some("binpack") => {
            return Err(Error::new(ErrorKind::Sql, "the strategy `binpack` takes no `sort_order`")
                .hint("strategy => 'sort' sorts, and `sort_order` alone does, too"));
        }
        Some(other) => {
            let message = format!("there is no strategy `{other}`, expected `binpack` or `sort`");
            return Err(Error::new(ErrorKind::Sql, message));
        }
    };
    match wish.sort_order {
        _ if !sorts => Ok(None),
        Some(text) => {
            let order = parse(text)?.into_iter().map(|term| sort(term, columns, state));
            order.collect::<Result<_>>().map(Some)
        }
        None => table_order(metadata, columns, state).map(Some),
    }
}

/// The terms of a sort order, as after ORDER BY.
fn parse(text: &str) -> Result<Vec<OrderByExpr>> {
    let wrong = || {
        Error::new(ErrorKind::Sql, format!("the sort order `{text}` cannot be read"))
            .hint("it reads as after ORDER BY: 'a DESC NULLS LAST, b', or 'zorder(a, b)'")
    };
    let terms = Parser::new(&GenericDialect {}).try_with_sql(text).and_then(|mut parser| {
        let terms = parser.parse_comma_separated(Parser::parse_order_by_expr)?;
        parser.expect_token(&Token::EOF)?;
        Ok(terms)
    });
    let terms = terms.map_err(|source| wrong().source(source))?;
    if terms.iter().any(|term| term.with_fill.is_some()) {
        return Err(wrong());
    }
    if terms.len() > 1 && terms.iter().any(|term| zorder_arguments(&term.expr).is_some()) {
        return Err(Error::new(ErrorKind::Sql, format!("`zorder` stands alone, found the sort order `{text}`")));
    }
    Ok(terms)
}

fn sort(term: OrderByExpr, columns: &DFSchema, state: &SessionState) -> Result<Sort> {
    let expr = match zorder_arguments(&term.expr) {
        None => resolved(&term.expr.to_string(), columns, state)?,
        Some(arguments) => {
            let arguments = arguments.iter().map(|argument| resolved(argument, columns, state));
            let function = ScalarUDF::from(Zorder::default());
            Expr::ScalarFunction(ScalarFunction::new_udf(function.into(), arguments.collect::<Result<_>>()?))
        }
    };
    let ascending = term.options.asc.unwrap_or(true);
    Ok(Sort::new(expr, ascending, term.options.nulls_first.unwrap_or(ascending)))
}

/// What stands between the parentheses of `zorder(…)`, if it is that.
fn zorder_arguments(expr: &SqlExpr) -> Option<Vec<String>> {
    let SqlExpr::Function(function) = expr else { return None };
    if !function.name.to_string().eq_ignore_ascii_case("zorder") {
        return None;
    }
    let FunctionArguments::List(ast::FunctionArgumentList { args, .. }) = &function.args else {
        return Some(Vec::new());
    };
    let text = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => expr.to_string(),
        other => other.to_string(),
    };
    Some(args.iter().map(text).collect())
}

/// The expression that a text means over the columns of the table.
///
/// # Errors
/// A text that is no expression, a name that is no column, functions whose result is another one each time.
pub(super) fn resolved(text: &str, columns: &DFSchema, state: &SessionState) -> Result<Expr> {
    let expr = state.create_logical_expr(text, columns).map_err(|source| {
        let names: Vec<_> = columns.fields().iter().map(|field| field.name().as_str()).collect();
        Error::new(ErrorKind::Sql, format!("`{text}` cannot be resolved"))
            .hint(format!("the columns are {}; names with capitals stand in double quotes", names.join(", ")))
            .source(Error::from(source))
    })?;
    if expr.is_volatile() {
        return Err(Error::new(ErrorKind::Sql, format!("`{text}` has another value each time")));
    }
    Ok(expr)
}

/// The order that the table asks its writers for.
fn table_order(metadata: &TableMetadata, columns: &DFSchema, state: &SessionState) -> Result<Vec<Sort>> {
    let fields = &metadata.default_sort_order().fields;
    if fields.is_empty() {
        return Err(Error::new(ErrorKind::Sql, "the table has no sort order, and the call says none")
            .hint("say one: sort_order => 'a DESC NULLS LAST, b'"));
    }
    let terms = fields.iter().filter(|field| field.transform != Transform::Void).map(|field| {
        let expr = resolved(&term(field, metadata)?, columns, state)?;
        let ascending = field.direction == SortDirection::Ascending;
        Ok(Sort::new(expr, ascending, field.null_order == NullOrder::First))
    });
    terms.collect()
}

/// A field of a sort order as SQL says it.
fn term(field: &SortField, metadata: &TableMetadata) -> Result<String> {
    let name = metadata.current_schema().as_struct().field_by_id(field.source_id).map(|column| quoted(&column.name));
    let name = name.ok_or_else(|| {
        let message = format!("the table's sort order names field {}, no top-level column", field.source_id);
        Error::new(ErrorKind::Unsupported, message).hint("say one: sort_order => 'a DESC NULLS LAST, b'")
    })?;
    Ok(match field.transform {
        Transform::Identity => name,
        Transform::Year => format!("years({name})"),
        Transform::Month => format!("months({name})"),
        Transform::Day => format!("days({name})"),
        Transform::Hour => format!("hours({name})"),
        Transform::Bucket(count) => format!("bucket({count}, {name})"),
        Transform::Truncate(width) => format!("truncate({width}, {name})"),
        other => {
            let message = format!("the table's sort order has the transform `{other}`, which is not known");
            return Err(
                Error::new(ErrorKind::Unsupported, message).hint("say an order: sort_order => 'a DESC NULLS LAST, b'")
            );
        }
    })
}
