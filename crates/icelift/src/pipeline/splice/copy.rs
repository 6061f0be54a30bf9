//! Brings the chunks of a row group, one after the other, as a new file wants them.
//!
//! Bytes are fetched ahead in requests of some MiB, whatever the chunks: neighbours come with one request, and what a new file
//! does not want is not asked for. What must hold: every chunk comes out as its bytes are in the source, or not at all.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::execution::memory_pool::MemoryReservation;
use futures::{StreamExt, stream};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use xxhash_rust::xxh3::Xxh3;

use super::chunk::Chunk;
use super::plan::{Part, SplicedRowGroup};
use super::{codec, constant};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::storage::Store;

/// Bytes of a request, and how many of them are under way or wait; smaller where the memory pool refuses the first.
const WINDOWS: [(u64, usize); 3] = [(16 << 20, 4), (8 << 20, 2), (4 << 20, 2)];

/// A row group being copied.
pub(crate) struct RowGroupCopy {
    row_group: Arc<SplicedRowGroup>,
    bytes: Windows,
    /// The next leaf of the new file.
    next_leaf: usize,
    hash: Option<Xxh3>,
    held: MemoryReservation,
    window_bytes: usize,
}

impl RowGroupCopy {
    /// Begins to fetch. With `digest`, one is taken of what goes into the new file.
    pub fn new(row_group: Arc<SplicedRowGroup>, digest: bool, held: MemoryReservation) -> Self {
        let (window, ahead) = WINDOWS[..WINDOWS.len() - 1]
            .iter()
            .copied()
            .find(|(window, ahead)| held.try_resize(*window as usize * ahead).is_ok())
            .unwrap_or(WINDOWS[WINDOWS.len() - 1]);
        let window_bytes = window as usize * ahead;
        // Less makes no progress, so the pool is told and not asked.
        held.resize(window_bytes);
        let wanted = row_group.leaves().map(|leaf| byte_range(row_group.chunk(leaf)));
        let requests = requests(wanted, window);
        let bytes = Windows::fetch(row_group.store.clone(), row_group.location.clone(), requests, ahead);
        Self { row_group, bytes, next_leaf: 0, hash: digest.then(Xxh3::new), held, window_bytes }
    }

    /// The next chunk of the new file, `None` behind the last.
    ///
    /// # Errors
    /// What the source's store answers; pages that cannot be compressed anew.
    pub async fn next(&mut self) -> Result<Option<Chunk>> {
        let row_group = Arc::clone(&self.row_group);
        let Some(part) = row_group.part(self.next_leaf) else { return Ok(None) };
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
                let length = byte_range(found).end - byte_range(found).start;
                self.held.resize(self.window_bytes + usize::try_from(length).unwrap_or(usize::MAX));
                let bytes = self.bytes.take(length).await;
                let bytes = bytes.map_err(|error| error.stage(Stage::Scan).subject(&row_group.location))?;
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

/// Requests of at most `window` bytes for ranges in their order; such that touch come together.
fn requests(ranges: impl Iterator<Item = Range<u64>>, window: u64) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match runs.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => runs.push(range),
        }
    }
    let cut = |run: Range<u64>| {
        let starts = (run.start..run.end).step_by(window as usize);
        starts.map(move |start| start..(start + window).min(run.end))
    };
    runs.into_iter().flat_map(cut).collect()
}

/// Bytes that are fetched ahead, in their order.
struct Windows {
    coming: mpsc::Receiver<Result<Bytes>>,
    here: VecDeque<Bytes>,
    _fetching: AbortOnDropHandle<()>,
}

impl Windows {
    fn fetch(store: Store, location: String, requests: Vec<Range<u64>>, ahead: usize) -> Self {
        // One waits in the channel, one at its end, the others are under way.
        let under_way = ahead.saturating_sub(2).max(1);
        let (sender, coming) = mpsc::channel(1);
        let fetching = tokio::spawn(async move {
            let read = |range| {
                let (store, location) = (store.clone(), location.clone());
                async move { store.read_range(&location, range).await }
            };
            let mut windows = stream::iter(requests).map(read).buffered(under_way);
            while let Some(window) = windows.next().await {
                if sender.send(window).await.is_err() {
                    return;
                }
            }
        });
        Self { coming, here: VecDeque::new(), _fetching: AbortOnDropHandle::new(fetching) }
    }

    /// The next bytes, without a copy.
    async fn take(&mut self, mut length: u64) -> Result<Vec<Bytes>> {
        let mut taken = Vec::new();
        while length > 0 {
            let Some(front) = self.here.front_mut() else {
                let window = self.coming.recv().await;
                let ended = || Error::new(ErrorKind::Internal, "fewer bytes were asked for than are copied");
                self.here.push_back(window.ok_or_else(ended)??);
                continue;
            };
            let part = front.split_to(front.len().min(usize::try_from(length).unwrap_or(usize::MAX)));
            if front.is_empty() {
                self.here.pop_front();
            }
            length -= part.len() as u64;
            taken.push(part);
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::requests;

    #[test]
    fn neighbours_come_with_one_request_and_gaps_are_not_fetched() {
        let all = |ranges: &[std::ops::Range<u64>]| requests(ranges.iter().cloned(), 10);
        assert_eq!(all(&[4..6, 6..9, 20..22]), [4..9, 20..22]);
        assert_eq!(all(&[0..4, 4..25]), [0..10, 10..20, 20..25]);
        assert_eq!(all(&[10..12, 4..6]), [10..12, 4..6]);
        assert_eq!(all(&[]), [] as [std::ops::Range<u64>; 0]);
    }
}
