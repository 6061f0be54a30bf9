//! How the memory of the process is divided.
//!
//! One number limits all of it. Operators, open files, and what is read and not yet decoded come out of a pool, which says no,
//! so that operators spill and row groups close early. The reserve is for what nobody asks for: the program, rows between two
//! operators, the first bytes of writers, what the allocator keeps. What must hold: the process stays below its limit, and a
//! limit below which that cannot be is refused before anything runs.

use std::num::NonZeroUsize;

use crate::error::{Error, ErrorKind, Result};

const MIB: usize = 1 << 20;

/// The program itself, its threads, the metadata of tables, footers, and what the allocator keeps in any case.
const PROGRAM_BYTES: usize = 160 * MIB;
/// For each stream: batches between operators, the 8 MiB that a lane of the sink has in any case, the part that a file
/// collects, and memory that was given back a moment ago.
const STREAM_BYTES: usize = 64 * MIB;
/// What the pool has at least for each stream: to decode a page and a dictionary of each of twenty columns.
const STREAM_POOL_BYTES: usize = 64 * MIB;
/// One part of so many is what the allocator keeps in pieces that are of no use.
const SLACK: usize = 8;

/// The division of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Division {
    pub pool_bytes: usize,
    pub streams: usize,
}

impl Division {
    /// Divides the limit among `streams`, all cores unless given, or among as many of them as it is enough for.
    ///
    /// # Errors
    /// It is not enough for one.
    pub fn new(limit_bytes: usize, streams: Option<usize>) -> Result<Self> {
        let wanted = streams.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZeroUsize::get));
        let enough_for = (1..=wanted).rev().find(|streams| smallest_bytes(*streams) <= limit_bytes);
        let streams = enough_for.ok_or_else(|| too_small(limit_bytes))?;
        let reserve = PROGRAM_BYTES + streams * STREAM_BYTES + limit_bytes / SLACK;
        Ok(Self { pool_bytes: limit_bytes - reserve, streams })
    }
}

/// The smallest limit for so many streams.
fn smallest_bytes(streams: usize) -> usize {
    let used = PROGRAM_BYTES + streams.saturating_mul(STREAM_BYTES + STREAM_POOL_BYTES);
    // In whole MiB, because people will type it.
    used.div_ceil(SLACK - 1).saturating_mul(SLACK).next_multiple_of(MIB)
}

fn too_small(limit_bytes: usize) -> Error {
    let (smallest, found) = (smallest_bytes(1) / MIB, limit_bytes / MIB);
    Error::new(ErrorKind::Config, format!("the memory limit is {found} MiB, the smallest is {smallest} MiB"))
        .hint(format!("give it {smallest} MiB or more"))
}

#[cfg(test)]
mod tests {
    use super::{Division, MIB, smallest_bytes};
    use crate::error::ErrorKind;

    #[test]
    fn the_pool_is_what_the_reserve_leaves() {
        let division = Division::new(1024 * MIB, Some(2)).unwrap();
        assert_eq!(division, Division { pool_bytes: (1024 - 160 - 128 - 128) * MIB, streams: 2 });
        let division = Division::new(64 << 30, Some(16)).unwrap();
        assert_eq!(division, Division { pool_bytes: (56 << 30) - (160 + 16 * 64) * MIB, streams: 16 });
    }

    #[test]
    fn there_are_no_more_streams_than_the_limit_is_enough_for() {
        for streams in [1, 2, 16, 1024] {
            let smallest = smallest_bytes(streams);
            let division = Division::new(smallest, Some(streams)).unwrap();
            assert_eq!(division.streams, streams);
            assert!(division.pool_bytes >= streams * 64 * MIB, "{division:?}");
            assert_eq!(Division::new(smallest, Some(streams + 1)).unwrap().streams, streams);
        }
        assert_eq!(Division::new(smallest_bytes(1), None).unwrap().streams, 1);
        let cores = std::thread::available_parallelism().unwrap().get();
        assert_eq!(Division::new(64 << 40, None).unwrap().streams, cores);
    }

    #[test]
    fn a_limit_that_is_too_small_is_refused_and_the_smallest_is_named() {
        let error = Division::new(330 * MIB - 1, Some(2)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.to_string(), "the memory limit is 329 MiB, the smallest is 330 MiB");
        assert_eq!(error.advice(), Some("give it 330 MiB or more"));
        assert!(Division::new(330 * MIB, Some(2)).is_ok());
    }
}
