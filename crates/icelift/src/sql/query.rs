//! The query inside one of our statements.

use std::collections::HashSet;

use datafusion::sql::sqlparser::ast::{Expr, Ident, Query, SelectItem, SetExpr};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::cursor::Cursor;
use super::tokens::{from_parser, sql_error};
use crate::error::Result;

/// Parses tokens that are one query and nothing else, with the parser that DataFusion uses.
pub(super) fn parse(tokens: Vec<TokenWithSpan>) -> Result<Box<Query>> {
    let cursor = Cursor::new(&tokens);
    if cursor.peek().token == Token::EOF {
        return Err(cursor.expected("a query"));
    }
    let start = cursor.place();
    let mut parser = Parser::new(&GenericDialect {}).with_tokens_with_locations(tokens);
    let query = parser.parse_query().map_err(|error| from_parser(&error))?;
    if parser.peek_token_ref().token != Token::EOF {
        let found = parser.peek_token_ref();
        let error = parser.expected_ref::<()>("the end of the query", found);
        return Err(error
            .err()
            .map_or_else(|| sql_error("the query does not end", start), |error| from_parser(&error)));
    }
    // The parser takes these for queries, too.
    match query.body.as_ref() {
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
            Err(sql_error("expected a query, found a statement that changes a table", start))
        }
        _ => Ok(query),
    }
}

/// Gives each unnamed item of the query's outermost SELECT list a name of its own, where names do not matter: DataFusion
/// refuses two columns of one name, as in `SELECT CAST(a AS INT), a`.
pub(crate) fn with_distinct_names(mut query: Query) -> Query {
    if let SetExpr::Select(select) = query.body.as_mut() {
        let wildcard = |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
        let any = select.projection.iter().any(wildcard);
        let mut seen = HashSet::new();
        for (index, item) in select.projection.iter_mut().enumerate() {
            let SelectItem::UnnamedExpr(expr) = item else { continue };
            let plain = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
            let text = expr.to_string().replace('"', "");
            let new = seen.insert(text.rsplit('.').next().unwrap_or_default().to_string()) && !any;
            if plain && new {
                continue;
            }
            let name = if new { text } else { format!("{text} (column {})", index + 1) };
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', name) };
        }
    }
    query
}
