//! The fingerprints of a level, taken and compared together.

use std::fmt;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use iceberg::spec::NestedFieldRef;
use serde::{Deserialize, Serialize};

use super::{ContentHasher, Fingerprint, PortableFingerprint, PortableHasher};
use crate::error::Result;

/// What is known of some rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Prints {
    /// Of all columns.
    pub content: Fingerprint,
    /// Rows that were copied undecoded: they are in `content` as digests of their bytes, not as rows.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub copied_rows: u64,
    /// Of the columns that source and target have in common, where the level asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portable: Option<PortableFingerprint>,
}

/// That of all columns. Where rows were copied undecoded it is not one of rows, and has another name.
impl fmt::Display for Prints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.copied_rows {
            0 => self.content.fmt(f),
            copied => write!(f, "bytes1:{}:{copied}:{:032x}", self.content.rows, self.content.sum),
        }
    }
}

/// For numbers that are not stored unless there is something to tell.
pub(crate) fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Prints {
    /// Those of a row group that was copied, with a digest of its bytes.
    pub fn copied(rows: u64, digest: u128) -> Self {
        Self { content: Fingerprint { rows, sum: digest }, copied_rows: rows, portable: None }
    }

    /// Adds other rows. What is not known of both parts is not known of the whole.
    pub fn merge(&mut self, other: Self) {
        let is_empty = self.content.rows == 0;
        self.content.merge(other.content);
        self.copied_rows += other.copied_rows;
        self.portable = match (self.portable, other.portable) {
            (Some(mut all), Some(part)) => {
                all.merge(part);
                Some(all)
            }
            (None, part) if is_empty => part,
            (all, None) if other.content.rows == 0 => all,
            _ => None,
        };
    }
}

/// Columns that go into the portable fingerprint.
#[derive(Debug, Clone)]
pub(crate) struct PortableColumns {
    /// Which of the target's columns.
    pub indices: Vec<usize>,
    pub fields: Vec<NestedFieldRef>,
}

/// Takes the fingerprints of rows as they pass.
pub(crate) struct Hashers {
    content: ContentHasher,
    portable: Option<(Vec<usize>, PortableHasher)>,
}

impl Hashers {
    /// For batches with `columns`.
    ///
    /// # Errors
    /// Types that have no fingerprint.
    pub fn new(columns: &SchemaRef, portable: Option<&PortableColumns>) -> Result<Self> {
        let portable = match portable {
            Some(columns) => Some((columns.indices.clone(), PortableHasher::new(&columns.fields)?)),
            None => None,
        };
        Ok(Self { content: ContentHasher::new(columns)?, portable })
    }

    /// The fingerprints of a batch.
    pub fn hash(&mut self, rows: &RecordBatch) -> Result<Prints> {
        self.content.add(rows)?;
        let portable = match &mut self.portable {
            Some((indices, hasher)) => {
                hasher.add(&rows.project(indices)?)?;
                Some(hasher.take())
            }
            None => None,
        };
        Ok(Prints { content: self.content.take(), copied_rows: 0, portable })
    }
}
