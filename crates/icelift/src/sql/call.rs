//! `CALL`: Spark's procedures.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::{Cursor, string_value};
use super::tokens::sql_error;
use crate::error::Result;

/// `CALL catalog.system.procedure(…)`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub catalog: String,
    /// In lower case.
    pub procedure: String,
    pub arguments: Arguments,
}

/// Either all of one sort or all of the other. No arguments are `Positional`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Arguments {
    Positional(Vec<Value>),
    /// Names are in lower case and differ.
    Named(Vec<(String, Value)>),
}

/// What an argument says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    String(String),
    /// As it is written.
    Number(String),
    Boolean(bool),
    Null,
    /// What `TIMESTAMP '…'` says.
    Timestamp(String),
    /// Keys as they are written, which differ. Numbers and truth values are texts here.
    Map(Vec<(String, String)>),
    /// Of values that are neither maps nor arrays.
    Array(Vec<Value>),
}

const VALUES: &str = "a value: a string, a number, true, false, NULL, TIMESTAMP '…', map(…) or array(…)";

/// Reads `CALL …`.
pub(super) fn call(cursor: &mut Cursor<'_>) -> Result<Call> {
    cursor.expect_words(&["CALL"], "first")?;
    let place = cursor.place();
    let name = cursor.name("the name of a procedure")?;
    let (catalog, procedure) = match name.as_slice() {
        [catalog, system, procedure] if system.eq_ignore_ascii_case("system") => (catalog.clone(), procedure),
        _ => {
            let name = name.join(".");
            return Err(sql_error(format!("expected catalog.system.procedure, found `{name}`"), place));
        }
    };
    let procedure = procedure.to_ascii_lowercase();
    let arguments = arguments(cursor)?;
    cursor.end()?;
    Ok(Call { catalog, procedure, arguments })
}

/// Reads `(value, …)` or `(name => value, …)`.
pub(super) fn arguments(cursor: &mut Cursor<'_>) -> Result<Arguments> {
    let (mut positional, mut named) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    list(cursor, "after the procedure", "an argument", |cursor| {
        let place = cursor.place();
        let name = argument_name(cursor)?;
        let mixed = if name.is_some() { !positional.is_empty() } else { !named.is_empty() };
        if mixed {
            return Err(sql_error("arguments have all a name or none has; one of the other sort begins", place));
        }
        let value = value(cursor)?;
        match name {
            None => positional.push(value),
            Some(name) if !seen.insert(name.clone()) => {
                return Err(sql_error(format!("argument `{name}` is given twice, again"), place));
            }
            Some(name) => named.push((name, value)),
        }
        Ok(())
    })?;
    Ok(if named.is_empty() { Arguments::Positional(positional) } else { Arguments::Named(named) })
}

/// Reads `name =>`, if it comes next: before the arrow every word is a name.
fn argument_name(cursor: &mut Cursor<'_>) -> Result<Option<String>> {
    let Token::Word(word) = &cursor.peek().token else { return Ok(None) };
    let name = word.value.to_ascii_lowercase();
    match cursor.peek_nth(1).token {
        Token::RArrow => {}
        Token::Eq | Token::Assignment => {
            cursor.step();
            return Err(cursor.expected("`=>` after the name of an argument"));
        }
        _ => return Ok(None),
    }
    cursor.step();
    cursor.step();
    Ok(Some(name))
}

fn value(cursor: &mut Cursor<'_>) -> Result<Value> {
    if cursor.peek_nth(1).token == Token::LParen {
        if cursor.words(&["MAP"]) {
            return map(cursor);
        }
        if cursor.words(&["ARRAY"]) {
            let mut elements = Vec::new();
            list(cursor, "after array", "an element", |cursor| {
                elements.push(scalar(cursor).ok_or_else(|| cursor.expected(ELEMENTS))?);
                Ok(())
            })?;
            return Ok(Value::Array(elements));
        }
    }
    scalar(cursor).ok_or_else(|| cursor.expected(VALUES))
}

const ELEMENTS: &str = "an element: a string, a number, true, false, NULL or TIMESTAMP '…'";

/// Reads a value that has no parts, if one comes next.
pub(super) fn scalar(cursor: &mut Cursor<'_>) -> Option<Value> {
    if let Some(number) = cursor.signed_number() {
        return Some(Value::Number(number));
    }
    if cursor.words(&["NULL"]) {
        return Some(Value::Null);
    }
    for (word, truth) in [("TRUE", true), ("FALSE", false)] {
        if cursor.words(&[word]) {
            return Some(Value::Boolean(truth));
        }
    }
    let timestamp = cursor.sees(&["TIMESTAMP"]);
    let text = string_value(&cursor.peek_nth(usize::from(timestamp)).token)?.to_string();
    cursor.step();
    if timestamp {
        cursor.step();
        return Some(Value::Timestamp(text));
    }
    Some(Value::String(text))
}

/// Reads `('key', 'value', …)`.
fn map(cursor: &mut Cursor<'_>) -> Result<Value> {
    let mut entries: Vec<(String, String)> = Vec::new();
    let mut seen = BTreeSet::new();
    list(cursor, "after map", "an entry", |cursor| {
        let place = cursor.place();
        let key = cursor.string("a key between single quotes")?;
        if !seen.insert(key.clone()) {
            return Err(sql_error(format!("key `{key}` is given twice, again"), place));
        }
        cursor.expect_symbol(&Token::Comma, "and a value after the key")?;
        let place = cursor.clone();
        let value = match scalar(cursor) {
            Some(Value::String(text) | Value::Number(text)) => text,
            Some(Value::Boolean(truth)) => truth.to_string(),
            _ => return Err(place.expected("the value of the key: a string, a number, true or false")),
        };
        entries.push((key, value));
        Ok(())
    })?;
    Ok(Value::Map(entries))
}

/// Reads a list in parentheses, which may be empty.
fn list<'t>(
    cursor: &mut Cursor<'t>,
    place: &str,
    what: &str,
    mut next: impl FnMut(&mut Cursor<'t>) -> Result<()>,
) -> Result<()> {
    cursor.expect_symbol(&Token::LParen, place)?;
    if cursor.symbol(&Token::RParen) {
        return Ok(());
    }
    loop {
        next(cursor)?;
        if cursor.symbol(&Token::RParen) {
            return Ok(());
        }
        if !cursor.symbol(&Token::Comma) {
            return Err(cursor.expected(&format!("`,` or `)` after {what}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Statement, parse};

    fn called(text: &str) -> Call {
        match parse(text) {
            Ok(Statement::Call(call)) => call,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn string(text: &str) -> Value {
        Value::String(text.to_string())
    }

    #[test]
    fn named_arguments() {
        let call = called(
            "call R2.SYSTEM.Rewrite_Data_Files(Table => 'default.t', \"WHERE\" => 'id = 3', where2 => $$a$$,
             options => MAP('min-input-files', 2, 'rewrite-all', 'true', 'x', False), -- none
             versions=>array(1, -2, '3', NULL), older_than => Timestamp '2024-05-01 00:00:00', dry_run => TRUE,
             retain_last => -1.5, all => null, empty => array());",
        );
        assert_eq!((call.catalog.as_str(), call.procedure.as_str()), ("r2", "rewrite_data_files"));
        let number = |digits: &str| Value::Number(digits.to_string());
        let entries = [("min-input-files", "2"), ("rewrite-all", "true"), ("x", "false")];
        let expected = [
            ("table", string("default.t")),
            ("where", string("id = 3")),
            ("where2", string("a")),
            ("options", Value::Map(entries.map(|(key, value)| (key.to_string(), value.to_string())).to_vec())),
            ("versions", Value::Array(vec![number("1"), number("-2"), string("3"), Value::Null])),
            ("older_than", Value::Timestamp("2024-05-01 00:00:00".to_string())),
            ("dry_run", Value::Boolean(true)),
            ("retain_last", number("-1.5")),
            ("all", Value::Null),
            ("empty", Value::Array(Vec::new())),
        ];
        let expected = expected.map(|(name, value)| (name.to_string(), value)).to_vec();
        assert_eq!(call.arguments, Arguments::Named(expected));
        let named = vec![("where".to_string(), string("a"))];
        assert_eq!(called("CALL c.system.p(where => 'a')").arguments, Arguments::Named(named));
    }

    #[test]
    fn positional_arguments() {
        let call = called("CALL \"My\".\"System\".p('t', 5, map())");
        assert_eq!(call.catalog, "My");
        let number = Value::Number("5".to_string());
        assert_eq!(call.arguments, Arguments::Positional(vec![string("t"), number, Value::Map(Vec::new())]));
        assert_eq!(called("CALL c.system.p()").arguments, Arguments::Positional(Vec::new()));
    }

    #[test]
    fn mistakes() {
        for (text, message) in [
            ("CALL", "expected the name of a procedure, found the end of the statement at line 1, column 5"),
            ("CALL p()", "expected catalog.system.procedure, found `p` at line 1, column 6"),
            ("CALL system.p()", "expected catalog.system.procedure, found `system.p` at line 1, column 6"),
            ("CALL c.default.p()", "expected catalog.system.procedure, found `c.default.p` at line 1, column 6"),
            (
                "CALL c.system.p",
                "expected `(` after the procedure, found the end of the statement at line 1, column 16",
            ),
            ("CALL c.system.p() x", "expected the end of the statement, found `x` at line 1, column 19"),
            ("CALL c.system.p('a' 'b')", "expected `,` or `)` after an argument, found a string at line 1, column 21"),
            (
                "CALL c.system.p('a', table => 'b')",
                "arguments have all a name or none has; one of the other sort begins at line 1, column 22",
            ),
            (
                "CALL c.system.p(table => 'a', 5)",
                "arguments have all a name or none has; one of the other sort begins at line 1, column 31",
            ),
            (
                "CALL c.system.p(table => 'a',\n TABLE => 'b')",
                "argument `table` is given twice, again at line 2, column 2",
            ),
            (
                "CALL c.system.p(table = 't')",
                "expected `=>` after the name of an argument, found `=` at line 1, column 23",
            ),
            (
                "CALL c.system.p(table => t)",
                "expected a value: a string, a number, true, false, NULL, TIMESTAMP '…', map(…) or array(…), found `t` \
                 at line 1, column 26",
            ),
            (
                "CALL c.system.p('a',)",
                "expected a value: a string, a number, true, false, NULL, TIMESTAMP '…', map(…) or array(…), found `)` \
                 at line 1, column 21",
            ),
            ("CALL c.system.p(map('a'))", "expected `,` and a value after the key, found `)` at line 1, column 24"),
            ("CALL c.system.p(map(a, 'b'))", "expected a key between single quotes, found `a` at line 1, column 21"),
            ("CALL c.system.p(map('a', 1, 'a', 2))", "key `a` is given twice, again at line 1, column 29"),
            (
                "CALL c.system.p(map('a', NULL))",
                "expected the value of the key: a string, a number, true or false, found `NULL` at line 1, column 26",
            ),
            (
                "CALL c.system.p(array(array(1)))",
                "expected an element: a string, a number, true, false, NULL or TIMESTAMP '…', found `array` at line 1, \
                 column 23",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), message);
        }
    }
}
