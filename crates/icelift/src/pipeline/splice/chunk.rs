//! A column chunk on its way into a file: its bytes, and what the footer will say of it.

use std::collections::VecDeque;
use std::io::Read;

use bytes::{Buf, Bytes};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};
use xxhash_rust::xxh3::Xxh3;

/// The bytes of a chunk and its description.
pub(crate) struct Chunk {
    pub bytes: Segments,
    pub close: ColumnCloseResult,
}

impl Chunk {
    pub fn new(pieces: Vec<Bytes>, close: ColumnCloseResult) -> Self {
        let start = close.metadata.byte_range().0;
        Self { bytes: Segments { start, pieces }, close }
    }
}

/// Bytes as they came, in several pieces that are one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Segments {
    /// The place of the first byte, as the description of the chunk has it.
    start: u64,
    pieces: Vec<Bytes>,
}

impl Segments {
    pub fn hash_into(&self, hash: &mut Xxh3) {
        self.pieces.iter().for_each(|piece| hash.update(piece));
    }

    pub fn length(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len() as u64).sum()
    }

    pub fn into_pieces(self) -> Vec<Bytes> {
        self.pieces
    }

    fn from(&self, start: u64) -> ParquetResult<SegmentsReader> {
        let before = start.checked_sub(self.start).and_then(|before| usize::try_from(before).ok());
        let mut before = before.ok_or_else(|| ParquetError::General(format!("{start} is before the chunk")))?;
        let mut pieces: VecDeque<Bytes> = self.pieces.iter().cloned().collect();
        while let Some(front) = pieces.front_mut().filter(|_| before > 0) {
            let skipped = before.min(front.len());
            front.advance(skipped);
            before -= skipped;
            if front.is_empty() {
                pieces.pop_front();
            }
        }
        Ok(SegmentsReader(pieces))
    }
}

/// The place behind the last byte: readers ask no further.
impl Length for Segments {
    fn len(&self) -> u64 {
        self.start + self.length()
    }
}

impl ChunkReader for Segments {
    type T = SegmentsReader;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        self.from(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let mut reader = self.from(start)?;
        if let Some(front) = reader.0.front_mut().filter(|front| front.len() >= length) {
            return Ok(front.split_to(length));
        }
        let mut bytes = vec![0; length];
        reader.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

pub(crate) struct SegmentsReader(VecDeque<Bytes>);

impl Read for SegmentsReader {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let Some(front) = self.0.front_mut() else { return Ok(0) };
        let taken = front.len().min(into.len());
        front.copy_to_slice(&mut into[..taken]);
        if front.is_empty() {
            self.0.pop_front();
        }
        Ok(taken)
    }
}

/// As many bytes as a chunk has, whatever they are: what is read of it takes no time.
pub(crate) struct Hollow(pub u64);

impl Length for Hollow {
    fn len(&self) -> u64 {
        self.0
    }
}

impl ChunkReader for Hollow {
    type T = HollowReader;

    fn get_read(&self, _start: u64) -> ParquetResult<Self::T> {
        Ok(HollowReader)
    }

    fn get_bytes(&self, _start: u64, length: usize) -> ParquetResult<Bytes> {
        Ok(Bytes::from(vec![0; length]))
    }
}

/// Ends when who reads has enough.
pub(crate) struct HollowReader;

impl Read for HollowReader {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        Ok(into.len())
    }
}
