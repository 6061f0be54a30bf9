//! Encoded bytes between the Parquet writer, which holds its end for a whole row group, and the upload, which takes them
//! column by column: a row group is never in memory a second time as a whole.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

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
}

impl Pending {
    /// Takes the blocks that are full.
    pub fn take_full(&self) -> Vec<Bytes> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).full)
    }

    /// Takes everything.
    pub fn take(&self) -> Vec<Bytes> {
        let Blocks { mut full, mut last } = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        // It may wait in an upload for long, with hundreds of its kind.
        last.shrink_to_fit();
        full.push(last.into());
        full
    }
}

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = bytes.len().min(BLOCK_BYTES - blocks.last.len());
        blocks.last.extend_from_slice(&bytes[..taken]);
        if blocks.last.len() == BLOCK_BYTES {
            let full = std::mem::take(&mut blocks.last);
            blocks.full.push(full.into());
        }
        Ok(taken)
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
}
