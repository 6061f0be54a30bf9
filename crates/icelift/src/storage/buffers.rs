//! Memory for what is read from a local disk, used again. The system clears fresh pages before it hands them out, which takes
//! longer than reading into them.

use std::fs::File;
use std::io::{Read, Result, Seek, SeekFrom};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Buffers that are kept for later.
const KEPT: usize = 4;

/// Buffers that nobody uses. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    /// Reads a range of a file, to its end at most. Blocks.
    pub fn read(&self, mut file: File, range: Range<u64>) -> Result<Bytes> {
        let length = usize::try_from(range.end - range.start).map_err(std::io::Error::other)?;
        let mut bytes = self.take(length);
        file.seek(SeekFrom::Start(range.start))?;
        let mut filled = 0;
        while filled < length {
            match file.read(&mut bytes[filled..length]) {
                Ok(0) => break,
                Ok(more) => filled += more,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Bytes::from_owner(Lent { bytes, filled, home: self.clone() }))
    }

    /// A buffer of at least this length.
    fn take(&self, length: usize) -> Vec<u8> {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = free.iter().position(|buffer| buffer.len() >= length);
        fitting.map_or_else(|| vec![0; length], |place| free.swap_remove(place))
    }

    fn put_back(&self, buffer: Vec<u8>) {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() >= KEPT {
            free.remove(0);
        }
        free.push(buffer);
    }
}

/// A buffer in use; it comes back when the last part of it is dropped.
struct Lent {
    bytes: Vec<u8>,
    filled: usize,
    home: Buffers,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.put_back(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{Buffers, KEPT};

    #[test]
    fn memory_is_used_again_and_never_while_somebody_reads_it() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"0123456789").unwrap();
        let buffers = Buffers::default();
        let read = |range| buffers.read(file.reopen().unwrap(), range).unwrap();
        let first = read(2..6);
        let place = first.as_ptr();
        let part = first.slice(1..3);
        drop(first);
        let second = read(6..10);
        assert_eq!((&part[..], &second[..]), (&b"34"[..], &b"6789"[..]));
        assert_ne!(second.as_ptr(), place);
        drop(part);
        let third = read(0..3);
        assert_eq!((&third[..], third.as_ptr()), (&b"012"[..], place));
        assert_eq!(&read(8..20)[..], b"89");
        drop((0..2 * KEPT).map(|_| read(0..9)).collect::<Vec<_>>());
        assert_eq!(buffers.0.lock().unwrap().len(), KEPT);
    }
}
