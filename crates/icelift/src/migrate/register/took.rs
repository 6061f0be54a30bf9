//! What a batch took, from its first request to its commit: beside the plan it tells how good the plan was.

use serde::{Deserialize, Serialize};

use crate::migrate::price::Traffic;

/// What a batch took. In the register it is a list of numbers without names, since there are many of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u64; 8]", into = "[u64; 8]")]
pub(crate) struct Took {
    pub milliseconds: u64,
    /// Of the source.
    pub files: u64,
    /// Without what the target keeps, which the record has anyway.
    pub traffic: Traffic,
}

impl Took {
    /// Both, one after the other.
    pub fn and(self, other: Self) -> Self {
        Self {
            milliseconds: self.milliseconds + other.milliseconds,
            files: self.files + other.files,
            traffic: self.traffic + other.traffic,
        }
    }
}

impl From<Took> for [u64; 8] {
    fn from(Took { milliseconds, files, traffic }: Took) -> Self {
        let Traffic { read_bytes, source_gets, source_calls, target_puts, target_gets, target_calls, .. } = traffic;
        [milliseconds, files, read_bytes, source_gets, source_calls, target_puts, target_gets, target_calls]
    }
}

impl From<[u64; 8]> for Took {
    fn from(numbers: [u64; 8]) -> Self {
        let [milliseconds, files, read_bytes, source_gets, source_calls, target_puts, target_gets, target_calls] =
            numbers;
        let traffic =
            Traffic { read_bytes, source_gets, source_calls, target_puts, target_gets, target_calls, stored_bytes: 0 };
        Self { milliseconds, files, traffic }
    }
}
