//! Which rows an `INSERT OVERWRITE` replaces.

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan};

use crate::error::Result;
use crate::sql::cursor::Cursor;
use crate::sql::query;
use crate::sql::tokens::sql_error;

/// Which rows the new ones replace.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Overwrite {
    /// Those of the partitions into which new rows come; all rows of a table without partitions.
    Partitions,
    /// The rows of `SELECT * FROM name WHERE condition`.
    Where(Box<ast::Query>),
    /// `PARTITION (column = value, …)`: the new rows get these values, and replace all rows that have them.
    Partition {
        columns: Vec<String>,
        /// `SELECT value AS column, …`
        values: Box<ast::Query>,
        /// `SELECT * FROM name WHERE column = value AND …`
        rows: Box<ast::Query>,
    },
}

/// Words with which a query begins.
const QUERIES: [&str; 4] = ["SELECT", "WITH", "VALUES", "TABLE"];

/// Reads `WHERE condition`, if it comes next.
pub(super) fn condition(cursor: &mut Cursor<'_>, table: &[String], place: Location) -> Result<Option<Overwrite>> {
    if !cursor.words(&["WHERE"]) {
        return Ok(None);
    }
    let tokens = cursor.take_until(|cursor| QUERIES.iter().any(|word| cursor.sees(&[word])));
    let condition = query::condition(tokens)?;
    Ok(Some(Overwrite::Where(query::of_table(table, place, None, Some(condition))?)))
}

/// Reads `PARTITION (column [= value], …)`, if it comes next.
pub(super) fn partition(cursor: &mut Cursor<'_>, table: &[String], place: Location) -> Result<Option<Overwrite>> {
    if !cursor.words(&["PARTITION"]) {
        return Ok(None);
    }
    cursor.expect_symbol(&Token::LParen, "after PARTITION")?;
    let (mut seen, mut given) = (Vec::new(), Vec::new());
    loop {
        let at = cursor.place();
        let column = cursor.identifier("the name of a column")?;
        if seen.contains(&column) {
            return Err(sql_error(format!("column `{column}` is given twice, again"), at));
        }
        seen.push(column.clone());
        if cursor.symbol(&Token::Eq) {
            given.push((column, query::condition(cursor.take_argument())?));
        }
        if cursor.symbol(&Token::RParen) {
            break;
        }
        if !cursor.symbol(&Token::Comma) {
            return Err(cursor.expected("`=`, `,` or `)` after a column"));
        }
    }
    if given.is_empty() {
        return Ok(Some(Overwrite::Partitions));
    }
    let condition = given.iter().map(|(column, value)| has_value(column, value)).reduce(|left, right| {
        ast::Expr::BinaryOp { left: Box::new(left), op: ast::BinaryOperator::And, right: Box::new(right) }
    });
    let rows = query::of_table(table, place, None, condition)?;
    let items = given.iter().map(|(column, value)| ast::SelectItem::ExprWithAlias {
        expr: value.clone(),
        alias: ast::Ident::with_quote('"', column),
    });
    let values = values(items.collect(), place)?;
    Ok(Some(Overwrite::Partition { columns: given.into_iter().map(|(column, _)| column).collect(), values, rows }))
}

/// `column = value`, or `column IS NULL`.
fn has_value(column: &str, value: &ast::Expr) -> ast::Expr {
    let left = Box::new(ast::Expr::Identifier(ast::Ident::with_quote('"', column)));
    match value {
        ast::Expr::Value(value) if value.value == ast::Value::Null => ast::Expr::IsNull(left),
        value => ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Eq, right: Box::new(value.clone()) },
    }
}

fn values(items: Vec<ast::SelectItem>, place: Location) -> Result<Box<ast::Query>> {
    let span = Span::new(place, place);
    let tokens = [Token::make_keyword("SELECT"), Token::Number("1".to_string(), false), Token::EOF];
    let mut query = query::parse(tokens.into_iter().map(|token| TokenWithSpan::new(token, span)).collect())?;
    if let ast::SetExpr::Select(select) = query.body.as_mut() {
        select.projection = items;
    }
    Ok(query)
}
