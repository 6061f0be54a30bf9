//! How the memory of the process is divided.
//!
//! One number limits all of it. Operators, open files, and what is read and not yet decoded come out of a pool, which says no,
//! so that operators spill and files close early. The reserve is for what nobody asks for: the program, the rows between two
//! operators, what the allocator keeps. What must hold: the process stays below its limit, and a limit below which that
//! cannot be is refused before anything runs.

use std::num::NonZeroUsize;

use crate::error::{Error, ErrorKind, Result};

const MIB: usize = 1 << 20;

/// The program itself, its threads, the metadata of tables, footers.
const PROGRAM_BYTES: usize = 64 * MIB;
/// For each stream: batches between operators, a page and its values, the last rows that a writer took before it asked.
const STREAM_BYTES: usize = 24 * MIB;
/// The least that a stream can work with: a sort keeps 10 MiB for its merge, a file a part.
const STREAM_POOL_BYTES: usize = 16 * MIB;
/// One part of so many is what the allocator keeps of memory that was given back.
const SLACK: usize = 8;

/// The division of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Division {
    pub pool_bytes: usize,
    pub streams: usize,
}

impl Division {
    /// Divides the limit among `streams`; without a number among all cores, or as many as it is enough for.
    ///
    /// # Errors
    /// It is too small.
    pub fn new(limit_bytes: usize, streams: Option<usize>) -> Result<Self> {
        let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let mut wanted = streams.unwrap_or_else(cores);
        while limit_bytes < smallest_bytes(wanted) {
            if streams.is_some() || wanted == 1 {
                return Err(too_small(limit_bytes, wanted));
            }
            wanted -= 1;
        }
        let reserve = PROGRAM_BYTES + wanted * STREAM_BYTES + limit_bytes / SLACK;
        Ok(Self { pool_bytes: limit_bytes - reserve, streams: wanted })
    }
}

/// The smallest limit for so many streams.
fn smallest_bytes(streams: usize) -> usize {
    let used = PROGRAM_BYTES + streams.saturating_mul(STREAM_BYTES + STREAM_POOL_BYTES);
    // In whole MiB, because people will type it.
    used.div_ceil(SLACK - 1).saturating_mul(SLACK).next_multiple_of(MIB)
}

fn too_small(limit_bytes: usize, streams: usize) -> Error {
    let smallest = smallest_bytes(streams) / MIB;
    let found = limit_bytes / MIB;
    let each = if streams == 1 { "one stream needs" } else { &format!("{streams} streams need") };
    let fewer = if streams == 1 { "" } else { ", or fewer threads" };
    Error::new(ErrorKind::Config, format!("the memory limit is {found} MiB, and {each} at least {smallest} MiB"))
        .hint(format!("give it {smallest} MiB or more{fewer}"))
}

#[cfg(test)]
mod tests {
    use super::{Division, MIB, smallest_bytes};
    use crate::error::ErrorKind;

    #[test]
    fn the_pool_is_what_the_reserve_leaves() {
        let division = Division::new(1024 * MIB, Some(2)).unwrap();
        assert_eq!(division, Division { pool_bytes: (1024 - 64 - 48 - 128) * MIB, streams: 2 });
        let division = Division::new(64 << 30, Some(16)).unwrap();
        assert_eq!(division.pool_bytes, (56 << 30) - (64 + 16 * 24) * MIB);
    }

    #[test]
    fn a_limit_that_is_too_small_is_refused_and_the_smallest_works() {
        for streams in [1, 2, 16, 1024] {
            let smallest = smallest_bytes(streams);
            let division = Division::new(smallest, Some(streams)).unwrap();
            assert!(division.pool_bytes >= streams * 16 * MIB, "{division:?}");
            let error = Division::new(smallest - 1, Some(streams)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.advice().unwrap().contains(&format!("{} MiB", smallest / MIB)), "{error}");
        }
        let error = Division::new(MIB, Some(2)).unwrap_err();
        assert_eq!(error.to_string(), "the memory limit is 1 MiB, and 2 streams need at least 165 MiB");
        assert_eq!(error.advice(), Some("give it 165 MiB or more, or fewer threads"));
    }

    #[test]
    fn where_nobody_says_how_many_streams_there_are_as_many_as_fit() {
        assert_eq!(Division::new(smallest_bytes(1), None).unwrap().streams, 1);
        let cores = std::thread::available_parallelism().unwrap().get();
        assert_eq!(Division::new(smallest_bytes(cores), None).unwrap().streams, cores);
        assert_eq!(Division::new(64 << 40, None).unwrap().streams, cores);
        let error = Division::new(smallest_bytes(1) - 1, None).unwrap_err();
        assert!(error.to_string().contains("one stream needs at least"), "{error}");
    }
}
