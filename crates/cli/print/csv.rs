//! `--format csv` and `tsv`: a header, quotes where RFC 4180 asks for them, NULL as an empty field.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::csv::WriterBuilder;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::{Encode, texts};

pub struct Lines {
    schema: SchemaRef,
    delimiter: u8,
    is_first: bool,
}

impl Lines {
    pub fn new(schema: SchemaRef, delimiter: u8) -> Self {
        Self { schema, delimiter, is_first: true }
    }
}

impl Encode for Lines {
    fn rows(&mut self, batch: &RecordBatch, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        let mut writer = WriterBuilder::new().with_header(self.is_first).with_delimiter(self.delimiter).build(text);
        self.is_first = false;
        writer.write(&flat(batch)?)
    }

    fn end(&mut self, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        match self.is_first {
            true => self.rows(&RecordBatch::new_empty(self.schema.clone()), text),
            false => Ok(()),
        }
    }
}

/// Lists, structs and maps as text: arrow's writer refuses them.
fn flat(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let mut fields = Vec::with_capacity(batch.num_columns());
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        if field.data_type().is_nested() {
            fields.push(Arc::new(Field::new(field.name(), DataType::Utf8, true)));
            columns.push(Arc::new(texts(column, None)?) as ArrayRef);
        } else {
            fields.push(field.clone());
            columns.push(column.clone());
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}
