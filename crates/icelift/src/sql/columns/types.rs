//! One type, from tokens: `map<string, struct<a: int NOT NULL, b: decimal(10, 2)>>`.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::tokenizer::{Token, Word};

use super::{Column, ColumnType, attributes};
use crate::error::Result;
use crate::sql::cursor::Cursor;
use crate::sql::tokens::sql_error;

/// Deeper nesting is a mistake, and must not exhaust the stack.
const MAX_DEPTH: usize = 50;

/// What an error offers.
const ALLOWED: &str = "boolean, int, long, float, double, decimal(p, s), date, time, timestamp, timestamptz, timestamp_ns, \
                       timestamptz_ns, string, uuid, fixed(n), binary, struct<…>, list<…>, map<…, …>";

/// Reads a type.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<ColumnType> {
    let mut reader = Reader { cursor, depth: 0, closed: 0 };
    let data_type = reader.data_type()?;
    if reader.closed > 0 {
        let next = reader.cursor.peek();
        return Err(sql_error(format!("one `>` too many before `{}`", next.token), next.span.start));
    }
    Ok(data_type)
}

struct Reader<'r, 't> {
    cursor: &'r mut Cursor<'t>,
    depth: usize,
    /// How many `>` of the `>>` just read belong to types further out: the tokenizer takes them for one sign.
    closed: usize,
}

impl Reader<'_, '_> {
    fn data_type(&mut self) -> Result<ColumnType> {
        let place = self.cursor.place();
        if self.depth >= MAX_DEPTH {
            return Err(sql_error("the type is nested too deeply", place));
        }
        let name = match &self.cursor.peek().token {
            Token::Word(Word { quote_style: None, value, .. }) => value.to_ascii_lowercase(),
            _ => return Err(self.cursor.expected("a type").hint(format!("the types are {ALLOWED}"))),
        };
        self.cursor.step();
        match name.as_str() {
            "struct" | "list" | "array" | "map" => {
                self.depth += 1;
                let nested = self.nested(&name)?;
                self.depth -= 1;
                Ok(nested)
            }
            _ => match self.primitive(&name)? {
                Some(primitive) => Ok(primitive),
                None => {
                    Err(sql_error(format!("unknown type `{name}`"), place).hint(format!("the types are {ALLOWED}")))
                }
            },
        }
    }

    fn primitive(&mut self, name: &str) -> Result<Option<ColumnType>> {
        Ok(Some(match name {
            "boolean" | "bool" => ColumnType::Boolean,
            "int" | "integer" | "smallint" | "tinyint" => ColumnType::Int,
            "long" | "bigint" => ColumnType::Long,
            "float" | "real" => ColumnType::Float,
            "double" => {
                self.cursor.words(&["PRECISION"]);
                ColumnType::Double
            }
            "decimal" | "dec" | "numeric" => self.decimal()?,
            "date" => ColumnType::Date,
            "time" => ColumnType::Time,
            "timestamp" => self.timestamp()?,
            "timestamptz" | "timestamp_ltz" => ColumnType::TimestampTz,
            "timestamp_ntz" => ColumnType::Timestamp,
            "timestamp_ns" => ColumnType::TimestampNs,
            "timestamptz_ns" => ColumnType::TimestampTzNs,
            "string" | "text" => ColumnType::String,
            "varchar" | "char" | "character" => {
                self.cursor.words(&["VARYING"]);
                self.length()?;
                ColumnType::String
            }
            "uuid" => ColumnType::Uuid,
            "fixed" => {
                let place = self.cursor.place();
                let length =
                    self.length()?.ok_or_else(|| sql_error("fixed needs a length, as in fixed(16),", place))?;
                ColumnType::Fixed(u64::from(length))
            }
            "binary" | "varbinary" | "bytea" => ColumnType::Binary,
            _ => return Ok(None),
        }))
    }

    /// Reads `[(n)]`.
    fn length(&mut self) -> Result<Option<u32>> {
        if !self.cursor.symbol(&Token::LParen) {
            return Ok(None);
        }
        let length = self.cursor.number("a length of 1 or more")?;
        self.cursor.expect_symbol(&Token::RParen, "after the length")?;
        Ok(Some(length))
    }

    fn decimal(&mut self) -> Result<ColumnType> {
        let place = self.cursor.place();
        // Spark, DataFusion and Trino each have another default.
        if !self.cursor.symbol(&Token::LParen) {
            return Err(sql_error("decimal needs precision and scale, as in decimal(10, 2),", place));
        }
        let precision = self.cursor.number("a precision from 1 to 38")?;
        let scale = if self.cursor.symbol(&Token::Comma) { self.scale()? } else { 0 };
        self.cursor.expect_symbol(&Token::RParen, "after precision and scale")?;
        if precision > 38 || scale > precision {
            let message = "decimal needs a precision from 1 to 38 and a scale from 0 to the precision;";
            return Err(sql_error(format!("{message} found decimal({precision}, {scale})"), place));
        }
        Ok(ColumnType::Decimal { precision, scale })
    }

    fn scale(&mut self) -> Result<u32> {
        if matches!(&self.cursor.peek().token, Token::Number(digits, false) if digits == "0") {
            self.cursor.step();
            return Ok(0);
        }
        self.cursor.number("a scale")
    }

    /// Reads `[(6 | 9)] [WITH | WITHOUT TIME ZONE]`.
    fn timestamp(&mut self) -> Result<ColumnType> {
        let place = self.cursor.place();
        let nanoseconds = match self.length()? {
            None | Some(6) => false,
            Some(9) => true,
            Some(other) => {
                let message = format!("timestamps have a precision of 6 or 9, found timestamp({other})");
                return Err(sql_error(message, place));
            }
        };
        let zoned = self.cursor.words(&["WITH", "TIME", "ZONE"]);
        if !zoned {
            self.cursor.words(&["WITHOUT", "TIME", "ZONE"]);
        }
        Ok(match (zoned, nanoseconds) {
            (false, false) => ColumnType::Timestamp,
            (false, true) => ColumnType::TimestampNs,
            (true, false) => ColumnType::TimestampTz,
            (true, true) => ColumnType::TimestampTzNs,
        })
    }

    fn nested(&mut self, name: &str) -> Result<ColumnType> {
        self.cursor.expect_symbol(&Token::Lt, &format!("after {name}"))?;
        let nested = match name {
            "struct" => ColumnType::Struct(self.fields()?),
            "map" => {
                let key = Box::new(self.data_type()?);
                self.open(&Token::Comma, "after the type of the keys")?;
                let value = Box::new(self.data_type()?);
                ColumnType::Map { key, value, value_required: self.required() }
            }
            _ => {
                let element = Box::new(self.data_type()?);
                ColumnType::List { element, element_required: self.required() }
            }
        };
        self.close(name)?;
        Ok(nested)
    }

    /// Reads `NOT NULL` after a type that is still open.
    fn required(&mut self) -> bool {
        self.closed == 0 && self.cursor.words(&["NOT", "NULL"])
    }

    fn fields(&mut self) -> Result<Vec<Column>> {
        let mut fields = Vec::new();
        let mut seen = BTreeSet::new();
        loop {
            let place = self.cursor.place();
            let name = self.cursor.identifier("the name of a field")?;
            if !seen.insert(name.clone()) {
                return Err(sql_error(format!("field `{name}` is given twice, again"), place));
            }
            self.cursor.symbol(&Token::Colon);
            let data_type = self.data_type()?;
            let (required, comment) = if self.closed > 0 { (false, None) } else { attributes(self.cursor)? };
            fields.push(Column { name, data_type, required, comment });
            if self.closed > 0 || !self.cursor.symbol(&Token::Comma) {
                return Ok(fields);
            }
        }
    }

    /// Reads a sign inside a type that is still open.
    fn open(&mut self, symbol: &Token, place: &str) -> Result<()> {
        if self.closed > 0 {
            return Err(self.cursor.expected(&format!("`{symbol}` {place} before `>>`")));
        }
        self.cursor.expect_symbol(symbol, place)
    }

    /// Reads the `>` of a nested type.
    fn close(&mut self, name: &str) -> Result<()> {
        if self.closed > 0 {
            self.closed -= 1;
        } else if self.cursor.symbol(&Token::ShiftRight) {
            self.closed = 1;
        } else {
            self.cursor.expect_symbol(&Token::Gt, &format!("after the types of the {name}"))?;
        }
        Ok(())
    }
}
