//! Details that have left the register: a chain of files, each named by what is in it and never changed.

use std::collections::BTreeMap;

use bytes::Bytes;
use iceberg::spec::TableMetadata;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Detail, Done, Register};
use crate::catalog::Table;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::migrate::job::JobId;

/// Files that a chain has at most: more than any register needs.
const MAX_FILES: usize = 1_000_000;

/// One file of the chain.
#[derive(Debug, Serialize, Deserialize)]
struct Link {
    previous: Option<String>,
    batches: Vec<Detail>,
}

/// A file that takes the oldest details of a register. It belongs to whichever commit names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Older {
    pub location: String,
    bytes: Bytes,
    moved: usize,
}

impl Older {
    /// The file that is due, if one is.
    pub fn due(register: &Register, metadata: &TableMetadata, job: JobId) -> Result<Option<Self>> {
        let Register { birth, done, .. } = register;
        let Some(moved) = done.overflow() else { return Ok(None) };
        let link = Link { previous: done.older.clone(), batches: moved.to_vec() };
        let bytes = serde_json::to_vec(&link).map_err(|source| {
            Error::new(ErrorKind::Internal, "details of batches cannot be written")
                .stage(Stage::Snapshot)
                .source(source)
        })?;
        let hash = hex(&Sha256::digest(&bytes)[..16]);
        let location = format!("{}/metadata/icelift-{job}-{birth}-batches-{hash}.json", metadata.location());
        Ok(Some(Self { location, bytes: bytes.into(), moved: link.batches.len() }))
    }

    pub async fn write(&self, table: &Table) -> Result<()> {
        let written = table.store.write(&self.location, self.bytes.clone()).await;
        written.map_err(|error| error.place(Stage::Snapshot, &table.name))
    }

    /// The register after the move; as it is if it holds other details than those of the file.
    pub fn apply(&self, done: &mut Done) {
        if done.details.len() >= self.moved && done.older.as_deref() != Some(&self.location) {
            done.details.drain(..self.moved);
            done.older = Some(self.location.clone());
        }
    }
}

impl Register {
    /// The last detail of every batch that is there, by key. Reads the chain of files.
    ///
    /// # Errors
    /// A file that is gone or damaged.
    pub async fn details(&self, table: &Table) -> Result<BTreeMap<String, Detail>> {
        let mut details = self.entries(table).await?;
        details.retain(|_, detail| !detail.rolled_back);
        Ok(details)
    }

    /// The same with the word of those that were rolled back.
    pub async fn entries(&self, table: &Table) -> Result<BTreeMap<String, Detail>> {
        let owned = self.done.by_key().into_iter().map(|(key, detail)| (key.to_string(), detail.clone()));
        let mut found: BTreeMap<String, Detail> = owned.collect();
        let mut next = self.done.older.clone();
        for _ in 0..MAX_FILES {
            let Some(location) = next else { return Ok(found) };
            let link = read(table, &location).await?;
            // Later ones are known already and win; within a file the last one does.
            let mut of_file: BTreeMap<String, Detail> =
                link.batches.into_iter().map(|detail| (detail.key.clone(), detail)).collect();
            of_file.append(&mut found);
            found = of_file;
            next = link.previous;
        }
        Err(Error::new(ErrorKind::Drift, "the files with the details of batches go round in a circle")
            .place(Stage::Snapshot, &table.name))
    }

    /// The locations of all files of the chain.
    pub async fn older_files(&self, table: &Table) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let mut next = self.done.older.clone();
        while let Some(location) = next.filter(|_| found.len() < MAX_FILES) {
            next = read(table, &location).await?.previous;
            found.push(location);
        }
        Ok(found)
    }
}

async fn read(table: &Table, location: &str) -> Result<Link> {
    let place = |error: Error| error.place(Stage::Snapshot, &table.name);
    let bytes = table.store.read(location).await.map_err(place)?;
    serde_json::from_slice(&bytes).map_err(|source| {
        place(
            Error::new(ErrorKind::Drift, "the file does not hold the details of batches")
                .subject(location)
                .hint("restore the file; rows are not affected")
                .source(source),
        )
    })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
