//! The fingerprint `cfp1`: SHA-256 of each row's canonical text, summed.
//!
//! In: batches. Out: a [`PortableFingerprint`], the number that DuckDB and Spark get from the SQL of `emit.rs`. What must
//! hold: the text of a value follows from its Iceberg type and from nothing else, and another engine can write it. Every
//! character is defined in `docs/reference/fingerprints.md`. It costs some microseconds a row: `content.rs` is for all rows.

#[cfg(test)]
mod tests;
mod text;

use std::fmt;
use std::str::FromStr;

use arrow::array::RecordBatch;
use iceberg::spec::NestedFieldRef;
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind, Result};

/// What hash of what text is summed. Recorded with every fingerprint.
pub(crate) const VERSION: &str = "cfp1";

/// The rows of a batch, file or table. Empty by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PortableFingerprint {
    pub rows: u64,
    /// The sum of the hashes' first eight bytes as big-endian numbers. 2⁶⁴ rows do not reach its end.
    pub hi: u128,
    /// The same of the next eight.
    pub lo: u128,
}

impl PortableFingerprint {
    /// Adds the rows of `other`.
    pub fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.hi = self.hi.wrapping_add(other.hi);
        self.lo = self.lo.wrapping_add(other.lo);
    }
}

impl fmt::Display for PortableFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION}:{}:{}:{}", self.rows, self.hi, self.lo)
    }
}

impl FromStr for PortableFingerprint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.splitn(4, ':');
        if parts.next() != Some(VERSION) {
            let message = format!("the fingerprint `{text}` is not of the version `{VERSION}`");
            return Err(Error::new(ErrorKind::Unsupported, message).hint("a newer icelift may know it"));
        }
        let rows = parts.next().and_then(|rows| rows.parse().ok());
        let mut sum = || parts.next().and_then(|sum| sum.parse().ok());
        let found = match (rows, sum(), sum()) {
            (Some(rows), Some(hi), Some(lo)) => Some(Self { rows, hi, lo }),
            _ => None,
        };
        // One spelling only.
        found.filter(|found| found.to_string() == text).ok_or_else(|| {
            let message = format!("`{text}` is no fingerprint, expected `{VERSION}:<rows>:<number>:<number>`");
            Error::new(ErrorKind::Read, message)
        })
    }
}

super::fingerprint::stored_as_text!(PortableFingerprint);

/// Computes the fingerprint of rows as they pass. One for each stream of rows; their fingerprints add up.
pub(crate) struct PortableHasher {
    columns: Vec<NestedFieldRef>,
    found: PortableFingerprint,
    text: String,
}

impl PortableHasher {
    /// For batches with these columns, or with such that are promoted to them.
    ///
    /// # Errors
    /// No columns.
    pub fn new(columns: &[NestedFieldRef]) -> Result<Self> {
        if columns.is_empty() {
            return Err(Error::new(ErrorKind::Unsupported, "there is no fingerprint of rows without columns"));
        }
        Ok(Self { columns: columns.to_vec(), found: PortableFingerprint::default(), text: String::new() })
    }

    /// Adds the rows of a batch.
    ///
    /// # Errors
    /// Columns of other types than announced.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let writers = text::writers(&self.columns, batch.columns())?;
        let mut found = PortableFingerprint { rows: batch.num_rows() as u64, ..Default::default() };
        for row in 0..batch.num_rows() {
            self.text.clear();
            text::join(&writers, row, &mut self.text);
            let [hi, lo, ..] = halves(Sha256::digest(&self.text).into());
            found.hi += u128::from(hi);
            found.lo += u128::from(lo);
        }
        self.found.merge(found);
        Ok(())
    }

    /// The fingerprint of the rows since the last call.
    pub fn take(&mut self) -> PortableFingerprint {
        std::mem::take(&mut self.found)
    }
}

fn halves(hash: [u8; 32]) -> [u64; 4] {
    let (words, _) = hash.as_chunks::<8>();
    std::array::from_fn(|index| u64::from_be_bytes(words[index]))
}
