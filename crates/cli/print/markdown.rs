//! `--format markdown`: a table of GitHub's Markdown, numbers on the right.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use super::{Encode, is_number, texts};

pub struct Lines {
    schema: SchemaRef,
    begun: bool,
}

impl Lines {
    pub fn new(schema: SchemaRef) -> Self {
        Self { schema, begun: false }
    }

    fn head(&mut self, text: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let fields = self.schema.fields();
        let names: Vec<_> = fields.iter().map(|field| cell(field.name())).collect();
        let rules: Vec<_> = fields.iter().map(|it| if is_number(it.data_type()) { "---:" } else { "---" }).collect();
        text.extend_from_slice(format!("| {} |\n|{}|\n", names.join(" | "), rules.join("|")).as_bytes());
    }
}

impl Encode for Lines {
    fn rows(&mut self, batch: &RecordBatch, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        self.head(text);
        let columns = batch.columns().iter().map(|column| texts(column, Some("NULL")));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let cells: Vec<_> = columns.iter().map(|column| cell(column.value(row))).collect();
            text.extend_from_slice(format!("| {} |\n", cells.join(" | ")).as_bytes());
        }
        Ok(())
    }

    fn end(&mut self, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        self.head(text);
        Ok(())
    }
}

/// Signs that would end a cell or begin markup are escaped.
fn cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for ch in text.chars() {
        match ch {
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '<' | '>' => cell.extend(['\\', ch]),
            '\n' => cell.push_str("<br>"),
            '\r' => {}
            other => cell.push(other),
        }
    }
    cell
}
