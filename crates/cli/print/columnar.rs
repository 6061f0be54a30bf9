//! `--format parquet` and `arrow`: one file, written as the rows come.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::FileWriter;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::Encode;

/// Bytes of a row group before it is written.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// What a writer has written and nobody has taken yet.
#[derive(Default, Clone)]
struct Bytes(Arc<Mutex<Vec<u8>>>);

impl Bytes {
    fn take_into(&self, text: &mut Vec<u8>) {
        text.append(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub struct Parquet {
    writer: Option<ArrowWriter<Bytes>>,
    bytes: Bytes,
}

impl Parquet {
    pub fn new(schema: SchemaRef) -> Result<Self, ArrowError> {
        let bytes = Bytes::default();
        let level = ZstdLevel::try_new(3)?;
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
        let writer = ArrowWriter::try_new(bytes.clone(), schema, Some(properties))?;
        Ok(Self { writer: Some(writer), bytes })
    }
}

impl Encode for Parquet {
    fn rows(&mut self, batch: &RecordBatch, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        if let Some(writer) = &mut self.writer {
            writer.write(batch)?;
            if writer.in_progress_size() > ROW_GROUP_BYTES {
                writer.flush()?;
            }
        }
        self.bytes.take_into(text);
        Ok(())
    }

    fn end(&mut self, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        if let Some(writer) = self.writer.take() {
            writer.close()?;
        }
        self.bytes.take_into(text);
        Ok(())
    }
}

pub struct Arrow {
    writer: FileWriter<Bytes>,
    bytes: Bytes,
}

impl Arrow {
    pub fn new(schema: SchemaRef) -> Result<Self, ArrowError> {
        let bytes = Bytes::default();
        Ok(Self { writer: FileWriter::try_new(bytes.clone(), &schema)?, bytes })
    }
}

impl Encode for Arrow {
    fn rows(&mut self, batch: &RecordBatch, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        self.writer.write(batch)?;
        self.bytes.take_into(text);
        Ok(())
    }

    fn end(&mut self, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        self.writer.finish()?;
        self.bytes.take_into(text);
        Ok(())
    }
}
