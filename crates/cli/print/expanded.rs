//! `\x`: a line for each column, for rows that are wider than the screen.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use unicode_width::UnicodeWidthStr;

use super::{Encode, Look, table, texts};

pub struct Records {
    names: Vec<String>,
    name_width: usize,
    look: Look,
    count: u64,
}

impl Records {
    pub fn new(schema: SchemaRef, look: &Look) -> Self {
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let name_width = names.iter().map(|name| name.width()).max().unwrap_or_default();
        Self { names, name_width, look: look.clone(), count: 0 }
    }
}

impl Encode for Records {
    fn rows(&mut self, batch: &RecordBatch, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        let columns = batch.columns().iter().map(|column| texts(column, Some(&self.look.null)));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let blanks = " ".repeat(self.name_width);
        for row in 0..batch.num_rows() {
            self.count += 1;
            let head = format!("-[ {} ]", self.count);
            let rule = "-".repeat((self.name_width + 3).saturating_sub(head.len()).max(1));
            text.extend_from_slice(format!("{head}{rule}\n").as_bytes());
            for (name, values) in self.names.iter().zip(&columns) {
                let value = values.value(row);
                let pad = " ".repeat(self.name_width - name.width());
                let mut lines = value.lines();
                let first = lines.next().unwrap_or_default();
                text.extend_from_slice(format!("{name}{pad} | {}\n", self.shown(first)).as_bytes());
                for line in lines {
                    text.extend_from_slice(format!("{blanks} | {}\n", self.shown(line)).as_bytes());
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        if self.count == 0 {
            text.extend_from_slice(b"(no rows)\n");
        }
        Ok(())
    }
}

impl Records {
    fn shown(&self, line: &str) -> String {
        if self.look.width.is_some() { table::shown(line) } else { line.to_owned() }
    }
}
