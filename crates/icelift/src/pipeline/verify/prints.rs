//! The fingerprints of a level, taken and compared together.

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
    /// Of the columns that source and target have in common, where the level asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portable: Option<PortableFingerprint>,
}

impl Prints {
    /// Adds other rows. What is not known of both parts is not known of the whole.
    pub fn merge(&mut self, other: Self) {
        let is_empty = self.content.rows == 0;
        self.content.merge(other.content);
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
        Ok(Prints { content: self.content.take(), portable })
    }
}
