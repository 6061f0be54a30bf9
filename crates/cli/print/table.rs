//! `--format table`: boxes, numbers on the right.
//!
//! The width of a column is known once its values are, so rows are kept back for a page; a longer result comes as
//! several tables, and none of its rows is left out.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::util::pretty::pretty_format_batches_with_schema;

use super::{Encode, texts};

const PAGE_ROWS: usize = 4096;

pub struct Pages {
    schema: SchemaRef,
    kept: Vec<RecordBatch>,
    kept_rows: usize,
    is_first: bool,
}

impl Pages {
    pub fn new(schema: SchemaRef) -> Self {
        Self { schema, kept: Vec::new(), kept_rows: 0, is_first: true }
    }

    fn page(&mut self, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        let page = concat_batches(&self.schema, &self.kept)?;
        self.kept.clear();
        self.kept_rows = 0;
        self.is_first = false;
        let cells = cells(&page)?;
        let table = pretty_format_batches_with_schema(cells.schema(), &[cells])?;
        text.extend_from_slice(format!("{table}\n").as_bytes());
        Ok(())
    }
}

impl Encode for Pages {
    fn rows(&mut self, batch: &RecordBatch, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        let mut from = 0;
        while from < batch.num_rows() {
            let rows = (PAGE_ROWS - self.kept_rows).min(batch.num_rows() - from);
            self.kept.push(batch.slice(from, rows));
            self.kept_rows += rows;
            from += rows;
            if self.kept_rows == PAGE_ROWS {
                self.page(text)?;
            }
        }
        Ok(())
    }

    fn end(&mut self, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        match self.is_first || self.kept_rows > 0 {
            true => self.page(text),
            false => Ok(()),
        }
    }
}

/// The page as text: arrow aligns everything on the left, so numbers get their blanks here.
fn cells(page: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let mut fields = Vec::with_capacity(page.num_columns());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(page.num_columns());
    for (field, column) in page.schema().fields().iter().zip(page.columns()) {
        let mut name = field.name().clone();
        let mut values = texts(column, Some("NULL"))?;
        if is_number(field.data_type()) {
            (name, values) = on_the_right(&name, &values);
        }
        fields.push(Field::new(name, DataType::Utf8, true));
        columns.push(Arc::new(values));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

fn on_the_right(name: &str, values: &StringArray) -> (String, StringArray) {
    let width = |text: &str| text.chars().count();
    let widest = values.iter().flatten().map(width).chain([width(name)]).max().unwrap_or_default();
    let padded = values.iter().map(|value| value.map(|value| format!("{value:>widest$}"))).collect();
    (format!("{name:>widest$}"), padded)
}

fn is_number(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_number(values),
        other => other.is_numeric(),
    }
}
