//! `--format html`: a table, to be put into a page.

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use super::{Encode, is_number, texts};

pub struct Table {
    schema: SchemaRef,
    begun: bool,
}

impl Table {
    pub fn new(schema: SchemaRef) -> Self {
        Self { schema, begun: false }
    }

    fn head(&mut self, text: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let names = self.schema.fields().iter().map(|field| format!("<th>{}</th>", escaped(field.name())));
        let names: String = names.collect();
        text.extend_from_slice(format!("<table>\n<thead><tr>{names}</tr></thead>\n<tbody>\n").as_bytes());
    }
}

impl Encode for Table {
    fn rows(&mut self, batch: &RecordBatch, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        self.head(text);
        let columns = batch.columns().iter().map(|column| texts(column, None)).collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let cells = self.schema.fields().iter().zip(&columns).map(|(field, values)| {
                let align = if is_number(field.data_type()) { " align=\"right\"" } else { "" };
                match values.is_null(row) {
                    true => format!("<td{align}><i>NULL</i></td>"),
                    false => format!("<td{align}>{}</td>", escaped(values.value(row))),
                }
            });
            text.extend_from_slice(format!("<tr>{}</tr>\n", cells.collect::<String>()).as_bytes());
        }
        Ok(())
    }

    fn end(&mut self, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        self.head(text);
        text.extend_from_slice(b"</tbody>\n</table>\n");
        Ok(())
    }
}

/// Text as it stands in a page.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for ch in text.chars() {
        match ch {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
