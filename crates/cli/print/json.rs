//! `--format json`: one array of objects for each statement, one object on each line, NULL as `null`; `jsonl`: the objects alone.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::json::WriterBuilder;
use arrow::json::writer::{JsonFormat, LineDelimited};

use super::Encode;

#[derive(Default)]
pub struct Objects {
    any: bool,
}

/// Rows with a comma between them; the brackets span many batches and stand in [`Objects`].
#[derive(Debug, Default)]
struct Separated;

impl JsonFormat for Separated {
    fn start_row<W: Write>(&self, writer: &mut W, is_first_row: bool) -> Result<(), ArrowError> {
        if !is_first_row {
            writer.write_all(b",\n")?;
        }
        Ok(())
    }
}

impl Encode for Objects {
    fn rows(&mut self, batch: &RecordBatch, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        text.extend_from_slice(if self.any { b",\n" } else { b"[\n" });
        self.any = true;
        let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, Separated>(text);
        writer.write(batch)?;
        writer.finish()
    }

    fn end(&mut self, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        text.extend_from_slice(if self.any { b"\n]\n" } else { b"[]\n" });
        Ok(())
    }
}

/// One object on each line and nothing else.
pub struct Lines;

impl Encode for Lines {
    fn rows(&mut self, batch: &RecordBatch, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(text);
        writer.write(batch)?;
        writer.finish()
    }

    fn end(&mut self, _text: &mut Vec<u8>) -> Result<(), ArrowError> {
        Ok(())
    }
}
