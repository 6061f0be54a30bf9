//! SQL by which another engine computes the fingerprint `cfp1` of a table.
//!
//! The only defence against a mistake in our own reader, which would see both sides wrong in the same way. What must hold:
//! the query gives the text that `portable.rs` computes for the same rows, or there is an error that names the column.

mod duckdb;
mod spark;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use iceberg::spec::{NestedFieldRef, PrimitiveType, StructType, Type};

use crate::error::{Error, ErrorKind, Result};

/// Whose SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    DuckDb,
    Spark,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DuckDb => "duckdb",
            Self::Spark => "spark",
        })
    }
}

impl FromStr for Dialect {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = [Self::DuckDb, Self::Spark].into_iter().find(|known| known.to_string() == text.to_lowercase());
        found.ok_or_else(|| {
            let message = format!("there is no SQL for `{text}`");
            Error::new(ErrorKind::Sql, message).hint("EMIT SQL FOR duckdb, or FOR spark")
        })
    }
}

/// A query whose one value is the fingerprint of the rows of `table` for which `filter` holds, both as the engine spells
/// them. `columns` are those of the fingerprint, in its order.
///
/// # Errors
/// A type that the engine cannot do; no columns.
pub(crate) fn emit(dialect: Dialect, table: &str, columns: &[NestedFieldRef], filter: Option<&str>) -> Result<String> {
    if columns.is_empty() {
        return Err(Error::new(ErrorKind::Unsupported, "there is no fingerprint of rows without columns"));
    }
    let words = dialect.words();
    let texts = columns.iter().map(|column| {
        let value = Value { words, sql: words.quoted(&column.name), depth: 0 };
        value.text(&column.field_type).map_err(|type_name| {
            let message = format!("the column `{}` holds {type_name}, which SQL of {dialect} cannot tell", column.name);
            Error::new(ErrorKind::Unsupported, message).hint("VERIFY without EMIT reads it; or leave out the column")
        })
    });
    let texts = texts.collect::<Result<Vec<_>>>()?.join(",\n    ");
    // On a line of its own: it may end with a comment.
    let filter = filter.map(|filter| format!("\n  WHERE {filter}")).unwrap_or_default();
    let row = format!("concat_ws(',',\n    {texts})");
    Ok((words.query)(&row, table, &filter))
}

impl Dialect {
    fn words(self) -> &'static Words {
        match self {
            Self::DuckDb => &duckdb::WORDS,
            Self::Spark => &spark::WORDS,
        }
    }
}

/// What an engine calls things.
struct Words {
    quote: char,
    /// The text of a value that is not NULL, and NULL for NULL; `None` for a type that the engine does not have.
    text: fn(&str, &PrimitiveType) -> Option<String>,
    /// The field of a struct.
    field: fn(&str, &str) -> String,
    /// A struct of `key` and `text`, in this order.
    pair: fn(&str, &str) -> String,
    /// A list with an expression for each of its elements, which it calls by a name.
    each: fn(&str, &str, &str) -> String,
    list_length: &'static str,
    map_length: &'static str,
    sort: &'static str,
    join: &'static str,
    /// The whole query: the text of a row, the table, the filter.
    query: fn(&str, &str, &str) -> String,
}

impl Words {
    fn quoted(&self, name: &str) -> String {
        let quote = self.quote;
        format!("{quote}{}{quote}", name.replace(quote, &format!("{quote}{quote}")))
    }
}

/// An expression, `depth` lambdas deep.
struct Value {
    words: &'static Words,
    sql: String,
    depth: usize,
}

impl Value {
    fn with(&self, sql: String) -> Self {
        Self { words: self.words, sql, depth: self.depth }
    }

    /// The expression of its canonical text. The error is the type that cannot be told.
    fn text(&self, of: &Type) -> Result<String, PrimitiveType> {
        let (words, sql) = (self.words, &self.sql);
        let text = match of {
            Type::Primitive(primitive) => {
                let text = (words.text)(sql, primitive).ok_or_else(|| primitive.clone())?;
                return Ok(format!("coalesce({text}, 'N')"));
            }
            Type::Struct(of) => self.text_of_struct(of)?,
            Type::List(of) => {
                let (name, element) = self.lambda();
                let texts = self.each(sql, &name, &element.text(&of.element_field.field_type)?);
                format!("concat('[', {}({sql}), ';', {}({texts}, ','), ']')", words.list_length, words.join)
            }
            Type::Map(of) => {
                let (name, entry) = self.lambda();
                let key = entry.with(entry.field("key")).text(&of.key_field.field_type)?;
                let value = entry.with(entry.field("value")).text(&of.value_field.field_type)?;
                // Sorted by the texts of the keys alone: `1=` would come behind `10=`.
                let pair = (words.pair)(&key, &format!("concat({key}, '=', {value})"));
                let sorted = format!("{}({})", words.sort, self.each(&format!("map_entries({sql})"), &name, &pair));
                let texts = self.each(&sorted, &name, &entry.field("text"));
                format!("concat('<', {}({sql}), ';', {}({texts}, ','), '>')", words.map_length, words.join)
            }
        };
        Ok(format!("CASE WHEN {sql} IS NULL THEN 'N' ELSE {text} END"))
    }

    fn text_of_struct(&self, of: &StructType) -> Result<String, PrimitiveType> {
        let texts = of.fields().iter().map(|field| self.with(self.field(&field.name)).text(&field.field_type));
        let texts = texts.collect::<Result<Vec<_>, _>>()?.join(", ");
        Ok(format!("concat('{{', concat_ws(',', {texts}), '}}')"))
    }

    fn field(&self, name: &str) -> String {
        (self.words.field)(&self.sql, name)
    }

    /// The parameter of a lambda inside of this expression.
    fn lambda(&self) -> (String, Self) {
        let name = format!("e{}", self.depth + 1);
        (name.clone(), Self { words: self.words, sql: name, depth: self.depth + 1 })
    }

    fn each(&self, list: &str, parameter: &str, body: &str) -> String {
        (self.words.each)(list, parameter, body)
    }
}
