//! Row groups that were copied, read again from the file that they were copied into.
//!
//! Their bytes have the digest of what was copied if they are the same. That a reader can make something of them is seen by
//! decoding the dictionary and the first page of every column.

use std::sync::Arc;

use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool};
use parquet::column::page::PageReader;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::DataType;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::serialized_reader::SerializedPageReader;

use super::chunk::Chunk;
use super::copy::RowGroupCopy;
use super::layout::Layout;
use super::plan::{Part, SplicedRowGroup};
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::scan::WholeFile;
use crate::pipeline::shuffle::PartitionKey;

/// Values of each column that are decoded.
const DECODED_VALUES: usize = 1024;

/// A row group that was copied into a file.
pub(crate) struct CopiedRowGroup(Arc<SplicedRowGroup>);

impl CopiedRowGroup {
    pub fn new(file: &WholeFile<'_>, index: usize) -> Result<Self> {
        let schema = file.metadata().file_metadata().schema_descr();
        let rows = usize::try_from(file.row_group(index).num_rows()).map_err(|source| {
            Error::new(ErrorKind::Read, "a row group has less than no rows").subject(file.location()).source(source)
        })?;
        Ok(Self(Arc::new(SplicedRowGroup {
            store: file.store().clone(),
            location: file.location().to_string(),
            metadata: file.shared_metadata(),
            index,
            rows,
            bytes: 0,
            key: PartitionKey { bytes: Arc::from([]), values: iceberg::spec::Struct::empty() },
            layout: Arc::new(Layout::new(schema.root_schema_ptr(), false)),
            codec: None,
            parts: (0..schema.num_columns()).map(Part::Copied).collect(),
            nans: Vec::new(),
        })))
    }

    /// The number of its rows and the digest of its bytes, as they are in the store.
    ///
    /// # Errors
    /// A file that cannot be read; a column whose first page cannot be decoded.
    pub async fn digest(&self, pool: &Arc<dyn MemoryPool>) -> Result<(u64, u128)> {
        let row_group = &self.0;
        let held = MemoryConsumer::new(format!("copied row group {}", row_group.index)).register(pool);
        let mut copy = RowGroupCopy::new(Arc::clone(row_group), true, held);
        while let Some(chunk) = copy.next().await? {
            decode_first_page(&chunk, row_group.rows).map_err(|source| {
                let column = chunk.close.metadata.column_path().string();
                let message =
                    format!("the column `{column}` of the copied row group {} cannot be read", row_group.index);
                Error::new(ErrorKind::Read, message)
                    .subject(&row_group.location)
                    .source(source)
                    .hint("the source's own file may be damaged; `SET icelift.splice = 'off'` decodes every row")
            })?;
        }
        Ok((row_group.rows as u64, copy.digest()))
    }
}

/// Decodes the dictionary and some values of the first page.
fn decode_first_page(chunk: &Chunk, rows: usize) -> ParquetResult<()> {
    let (bytes, metadata) = (Arc::new(chunk.bytes.clone()), &chunk.close.metadata);
    let pages: Box<dyn PageReader> = Box::new(SerializedPageReader::new(bytes, metadata, rows, None)?);
    let descriptor = metadata.column_descr_ptr();
    let read = match get_column_reader(descriptor, pages) {
        ColumnReader::BoolColumnReader(reader) => read_some(reader),
        ColumnReader::Int32ColumnReader(reader) => read_some(reader),
        ColumnReader::Int64ColumnReader(reader) => read_some(reader),
        ColumnReader::Int96ColumnReader(reader) => read_some(reader),
        ColumnReader::FloatColumnReader(reader) => read_some(reader),
        ColumnReader::DoubleColumnReader(reader) => read_some(reader),
        ColumnReader::ByteArrayColumnReader(reader) => read_some(reader),
        ColumnReader::FixedLenByteArrayColumnReader(reader) => read_some(reader),
    };
    match read? {
        0 if rows > 0 => Err(ParquetError::General("the first page holds no rows".to_string())),
        _ => Ok(()),
    }
}

fn read_some<T: DataType>(mut reader: ColumnReaderImpl<T>) -> ParquetResult<usize> {
    let (mut values, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
    let (records, ..) =
        reader.read_records(DECODED_VALUES, Some(&mut definitions), Some(&mut repetitions), &mut values)?;
    Ok(records)
}
