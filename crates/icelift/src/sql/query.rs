//! The query inside one of our statements.

use std::collections::HashSet;

use datafusion::sql::sqlparser::ast::{Expr, Ident, Query, SelectItem, SetExpr};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan};

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
    let query = whole(tokens, "the end of the query", |parser| parser.parse_query())?;
    // The parser takes these for queries, too.
    match query.body.as_ref() {
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
            Err(sql_error("expected a query, found a statement that changes a table", start))
        }
        _ => Ok(query),
    }
}

/// Parses tokens that are the items of a SELECT and nothing else.
pub(super) fn items(tokens: Vec<TokenWithSpan>) -> Result<Vec<SelectItem>> {
    whole(tokens, "the end of the items", |parser| parser.parse_projection())
}

/// Parses tokens that are the condition of a WHERE and nothing else.
pub(super) fn condition(tokens: Vec<TokenWithSpan>) -> Result<Expr> {
    whole(tokens, "the end of the condition", |parser| parser.parse_expr())
}

/// The query of a table's rows: `items`, or all columns, `FROM` the table `WHERE` the filter holds. The table's name
/// stands at `place`.
pub(super) fn of_table(
    table: &[String],
    place: Location,
    items: Option<Vec<SelectItem>>,
    filter: Option<Expr>,
) -> Result<Box<Query>> {
    // DataFusion's names have at most three parts, so that the levels of a namespace are one.
    let parts = match table {
        [catalog, namespace @ .., table] if namespace.len() > 1 => {
            vec![catalog.clone(), namespace.join("."), table.clone()]
        }
        parts => parts.to_vec(),
    };
    let mut tokens = vec![Token::make_keyword("SELECT"), Token::Mul, Token::make_keyword("FROM")];
    for part in parts {
        tokens.extend([Token::make_word(&part, Some('"')), Token::Period]);
    }
    tokens.pop();
    tokens.push(Token::EOF);
    let span = Span::new(place, place);
    let mut query = parse(tokens.into_iter().map(|token| TokenWithSpan::new(token, span)).collect())?;
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.selection = filter;
        if let Some(items) = items {
            select.projection = items;
        }
    }
    Ok(query)
}

/// Parses all of the tokens with the parser that DataFusion uses.
fn whole<T>(
    tokens: Vec<TokenWithSpan>,
    end: &str,
    parse: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>,
) -> Result<T> {
    let mut parser = Parser::new(&GenericDialect {}).with_tokens_with_locations(tokens);
    let parsed = parse(&mut parser).map_err(|error| from_parser(&error))?;
    let found = parser.peek_token_ref();
    match found.token {
        Token::EOF => Ok(parsed),
        _ => parser.expected_ref(end, found).map_err(|error| from_parser(&error)),
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
