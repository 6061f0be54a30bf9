//! What icelift's demo, tests and benchmarks share.
//!
//! [`drive_stats`] makes data like Backblaze's Drive Stats, as much as is asked for and always the same.

#![forbid(unsafe_code)]

pub mod drive_stats;
