//! Encoded bytes between the Parquet writer, which holds its end for a whole row group, and the upload, which takes them
//! column by column: a row group is never in memory a second time as a whole.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Bytes come in blocks of this size: few enough to be sent, small enough to be freed with the part that they are in.
const BLOCK_BYTES: usize = 1 << 20;

/// Bytes that the upload has not taken yet. Clones are the same bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Pending(Arc<Mutex<Blocks>>);

#[derive(Debug, Default)]
struct Blocks {
    full: Vec<Bytes>,
    last: Vec<u8>,
    /// Bytes that the writer has written so far.
    written: u64,
    passing: VecDeque<Passing>,
}

/// Bytes that go past the writer, which writes as many in their place.
#[derive(Debug)]
struct Passing {
    /// What the writer has written before them.
    start: u64,
    left: usize,
    pieces: Vec<Bytes>,
}

impl Pending {
    /// Puts these in the place of as many bytes that the writer writes behind its first `start` ones: they are not copied.
    pub fn pass(&self, start: u64, pieces: Vec<Bytes>) {
        let left = pieces.iter().map(Bytes::len).sum();
        self.blocks().passing.push_back(Passing { start, left, pieces });
    }

    fn blocks(&self) -> MutexGuard<'_, Blocks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the blocks that are full.
    pub fn take_full(&self) -> Vec<Bytes> {
        std::mem::take(&mut self.blocks().full)
    }

    /// Takes everything.
    pub fn take(&self) -> Vec<Bytes> {
        let mut blocks = self.blocks();
        blocks.seal();
        std::mem::take(&mut blocks.full)
    }
}

impl Blocks {
    /// Ends the last block.
    fn seal(&mut self) {
        let mut last = std::mem::take(&mut self.last);
        // It may wait in an upload for long, with hundreds of its kind.
        last.shrink_to_fit();
        if !last.is_empty() {
            self.full.push(last.into());
        }
    }

    /// Takes no byte over the end of a block or of what passes.
    fn write(&mut self, bytes: &[u8]) -> usize {
        let taken = match self.passing.front_mut() {
            Some(front) if front.start <= self.written => {
                let taken = bytes.len().min(front.left);
                front.left -= taken;
                let (pieces, is_over) = (std::mem::take(&mut front.pieces), front.left == 0);
                if !pieces.is_empty() {
                    self.seal();
                    self.full.extend(pieces);
                }
                if is_over {
                    self.passing.pop_front();
                }
                taken
            }
            next => {
                let until =
                    next.map_or(usize::MAX, |next| usize::try_from(next.start - self.written).unwrap_or(usize::MAX));
                let taken = bytes.len().min(BLOCK_BYTES - self.last.len()).min(until);
                self.last.extend_from_slice(&bytes[..taken]);
                if self.last.len() == BLOCK_BYTES {
                    self.seal();
                }
                taken
            }
        };
        self.written += taken as u64;
        taken
    }
}

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(self.blocks().write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{BLOCK_BYTES, Pending};

    #[test]
    fn what_is_written_is_taken_once_and_in_order() {
        let pending = Pending::default();
        let mut end = pending.clone();
        end.write_all(b"head").unwrap();
        assert_eq!(pending.take_full().len(), 0);
        end.write_all(&vec![7; 2 * BLOCK_BYTES]).unwrap();
        let full = pending.take_full();
        assert_eq!(full.iter().map(|block| block.len()).collect::<Vec<_>>(), [BLOCK_BYTES; 2]);
        assert_eq!(&full[0][..5], b"head\x07");
        end.write_all(b"tail").unwrap();
        assert_eq!(pending.take().concat(), b"\x07\x07\x07\x07tail");
        assert_eq!(pending.take().concat(), b"");
    }

    #[test]
    fn what_passes_comes_where_the_writer_wrote_and_is_not_copied() {
        let pending = Pending::default();
        let mut end = std::io::BufWriter::new(pending.clone());
        let passed = bytes::Bytes::from(vec![1; 3 * BLOCK_BYTES]);
        end.write_all(b"head").unwrap();
        pending.pass(4, vec![passed.slice(..10), passed.slice(10..)]);
        end.write_all(&vec![0; passed.len()]).unwrap();
        end.write_all(b"between").unwrap();
        pending.pass(4 + passed.len() as u64 + 7, vec![passed.slice(..2)]);
        end.write_all(&[0; 2]).unwrap();
        end.write_all(b"tail").unwrap();
        end.flush().unwrap();
        let taken = pending.take();
        assert_eq!(taken.concat(), [&b"head"[..], &passed, b"between", &[1; 2], b"tail"].concat());
        assert_eq!(taken[1].as_ptr(), passed.as_ptr());
    }
}
