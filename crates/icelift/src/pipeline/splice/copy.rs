//! Brings the chunks of a row group, one after the other, as a new file wants them. What must hold: every chunk comes out as its
//! bytes are in the source, or not at all.

use std::ops::Range;
use std::sync::Arc;

use datafusion::execution::memory_pool::MemoryReservation;
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use xxhash_rust::xxh3::Xxh3;

use super::chunk::Chunk;
use super::fetch::{Fetching, Requests};
use super::plan::{Part, SplicedRowGroup};
use super::{codec, constant};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::storage::WINDOW_BYTES;

/// Bytes of a request, how many of them are under way or wait, and what may be kept of a row group until it is wanted; less where
/// the memory pool refuses the first.
const FOOTPRINTS: [(u64, usize, u64); 4] =
    [(WINDOW_BYTES, 4, 128 << 20), (WINDOW_BYTES, 4, 64 << 20), (8 << 20, 2, 64 << 20), (4 << 20, 2, 64 << 20)];

/// A row group being copied.
pub(crate) struct RowGroupCopy {
    row_group: Arc<SplicedRowGroup>,
    bytes: Fetching,
    /// The next leaf of the new file.
    next_leaf: usize,
    hash: Option<Xxh3>,
    held: MemoryReservation,
    /// What fetching holds.
    fetching_bytes: usize,
}

impl RowGroupCopy {
    /// Begins to fetch. With `digest`, one is taken of what goes into the new file.
    pub fn new(row_group: Arc<SplicedRowGroup>, digest: bool, held: MemoryReservation) -> Self {
        let wanted: Vec<_> = row_group.leaves().map(|leaf| byte_range(row_group.chunk(leaf))).collect();
        let planned = FOOTPRINTS.map(|(window_bytes, ahead, kept_bytes)| {
            let requests = Requests::new(&wanted, window_bytes, kept_bytes);
            (usize::try_from(requests.memory_bytes(ahead)).unwrap_or(usize::MAX), requests, ahead)
        });
        let [largest, large, small, smallest] = planned;
        // To keep more saves requests, which cost nothing where the files are local.
        let first = (!row_group.store.is_local()).then_some(largest);
        let granted = first.into_iter().chain([large, small]).find(|(bytes, ..)| held.try_resize(*bytes).is_ok());
        let (fetching_bytes, requests, ahead) = granted.unwrap_or(smallest);
        // Less makes no progress, so the pool is told and not asked.
        held.resize(fetching_bytes);
        let bytes = Fetching::new(row_group.store.clone(), row_group.location.clone(), wanted, requests, ahead);
        Self { row_group, bytes, next_leaf: 0, hash: digest.then(Xxh3::new), held, fetching_bytes }
    }

    /// The next chunk of the new file, `None` behind the last.
    ///
    /// # Errors
    /// What the source's store answers; pages that cannot be compressed anew.
    pub async fn next(&mut self) -> Result<Option<Chunk>> {
        let row_group = Arc::clone(&self.row_group);
        let Some(part) = row_group.part(self.next_leaf) else {
            row_group.store.passed().pass(0, row_group.rows as u64);
            return Ok(None);
        };
        let failed = |source: ParquetError| {
            let message = format!("the row group {} cannot be copied", row_group.index);
            Error::new(ErrorKind::Read, message).stage(Stage::Sink).subject(&row_group.location).source(source)
        };
        let (leaf, rows) = (row_group.layout.schema.column(self.next_leaf), row_group.rows);
        let chunk = match part {
            Part::Constant(value) => {
                constant::chunk(value, &leaf, rows, row_group.layout.page_index).map_err(failed)?
            }
            Part::Copied(from) => {
                let found = row_group.chunk(*from);
                let range = byte_range(found);
                let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
                self.held.resize(self.fetching_bytes.saturating_add(length));
                let bytes = self.bytes.take(range).await;
                let bytes = bytes.map_err(|error| error.stage(Stage::Scan).subject(&row_group.location))?;
                row_group.store.passed().pass(length as u64, 0);
                let close = described(&row_group, *from, &leaf).map_err(failed)?;
                match row_group.codec {
                    Some(codec) if !codec::is_same(codec, found.compression()) => {
                        codec::recompressed(Chunk::new(bytes, close), codec, rows).map_err(failed)?
                    }
                    _ => Chunk::new(bytes, close),
                }
            }
        };
        if let Some(hash) = &mut self.hash {
            add_to(hash, self.next_leaf, &chunk);
        }
        self.next_leaf += 1;
        Ok(Some(chunk))
    }

    /// The digest of all that came out.
    pub fn digest(&self) -> u128 {
        self.hash.as_ref().map_or(0, Xxh3::digest128)
    }
}

/// Which leaf it is goes into the digest, and how long it is.
fn add_to(hash: &mut Xxh3, leaf: usize, chunk: &Chunk) {
    hash.update(&(leaf as u64).to_le_bytes());
    hash.update(&(chunk.close.metadata.compressed_size()).to_le_bytes());
    chunk.bytes.hash_into(hash);
}

/// Where a chunk lies. That it is a range, the plan has seen.
fn byte_range(chunk: &ColumnChunkMetaData) -> Range<u64> {
    let (start, length) = chunk.byte_range();
    start..start + length
}

/// The chunk as a footer describes it, at its place in the source and under the new file's leaf.
fn described(
    row_group: &SplicedRowGroup,
    leaf: usize,
    new: &parquet::schema::types::ColumnDescPtr,
) -> parquet::errors::Result<ColumnCloseResult> {
    let found = row_group.chunk(leaf);
    let mut builder = ColumnChunkMetaData::builder(Arc::clone(new))
        .set_compression(found.compression())
        .set_encodings_mask(*found.encodings_mask())
        .set_total_compressed_size(found.compressed_size())
        .set_total_uncompressed_size(found.uncompressed_size())
        .set_num_values(found.num_values())
        .set_data_page_offset(found.data_page_offset())
        .set_dictionary_page_offset(found.dictionary_page_offset())
        .set_unencoded_byte_array_data_bytes(found.unencoded_byte_array_data_bytes())
        .set_repetition_level_histogram(found.repetition_level_histogram().cloned())
        .set_definition_level_histogram(found.definition_level_histogram().cloned());
    if let Some(statistics) = found.statistics() {
        builder = builder.set_statistics(statistics.clone());
    }
    if let Some(encodings) = found.page_encoding_stats() {
        builder = builder.set_page_encoding_stats(encodings.clone());
    }
    let (mut column_index, mut offset_index) = (None, None);
    if row_group.layout.page_index {
        let metadata: &ParquetMetaData = &row_group.metadata;
        offset_index = metadata.offset_index().map(|all| all[row_group.index][leaf].clone());
        column_index = metadata.column_index().map(|all| all[row_group.index][leaf].clone());
        column_index = column_index.filter(|it| !matches!(it, ColumnIndexMetaData::NONE));
    }
    let (bytes_written, rows_written) = (byte_range(found).end - byte_range(found).start, row_group.rows as u64);
    let metadata = builder.build()?;
    Ok(ColumnCloseResult { bytes_written, rows_written, metadata, bloom_filter: None, column_index, offset_index })
}
