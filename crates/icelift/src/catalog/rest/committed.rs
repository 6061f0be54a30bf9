//! The table that a commit's answer tells, for the commit behind it.
//!
//! What must hold: from the moment when a commit is sent until its answer is there, nothing is known. What is told afterwards may
//! have been changed by others; a commit that is built on it says so in its requirements.

use std::sync::{Mutex, MutexGuard, PoisonError};

use iceberg::TableIdent;
use iceberg::spec::{TableMetadata, TableMetadataRef};
use serde::Deserialize;

use super::wire::TableReply;
use crate::catalog::Table;

/// Of the last table that was committed to: metadata of many snapshots are large.
#[derive(Debug, Default)]
pub(super) struct Committed(Mutex<Option<Version>>);

#[derive(Debug)]
struct Version {
    ident: TableIdent,
    metadata: TableMetadataRef,
    metadata_location: Option<String>,
}

impl Committed {
    fn last(&self) -> MutexGuard<'_, Option<Version>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A commit to the table is sent.
    pub fn forget(&self, ident: &TableIdent) {
        self.last().take_if(|last| last.ident == *ident);
    }

    /// This is what a commit to the table was answered. Metadata that cannot be read are told by whoever loads the table.
    pub fn keep(&self, ident: &TableIdent, reply: TableReply) {
        let version = TableMetadata::deserialize(&reply.metadata).ok().map(|metadata| Version {
            ident: ident.clone(),
            metadata: metadata.into(),
            metadata_location: reply.metadata_location,
        });
        *self.last() = version;
    }

    /// The table that `known` was, with the metadata of the last commit.
    pub fn table(&self, known: &Table) -> Option<Table> {
        let last = self.last();
        let is_it = |last: &&Version| last.ident == known.name.ident && last.metadata.uuid() == known.metadata.uuid();
        last.as_ref().filter(is_it).map(|last| Table {
            metadata: last.metadata.clone(),
            metadata_location: last.metadata_location.clone(),
            staged: None,
            ..known.clone()
        })
    }
}
