//! The files of an attempt: their names tell who wrote them, and a listing tells that they are whole.
//!
//! An attempt is one driver's work on one slice of one batch. When all its files are written, it writes a listing of them.
//! What must hold:
//! - a file may be deleted once its batch is done and no snapshot refers to it: then nobody can adopt it any more. That its
//!   epoch is fenced is not enough, for the driver that deletes may itself be fenced meanwhile, and the file adopted;
//! - before that, only its own driver deletes a file, and only while it is not listed;
//! - all names hold the birth of the migration: a table that was renamed keeps its files.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use iceberg::spec::{DataFile, TableMetadata, deserialize_data_file_from_json, serialize_data_file_to_json};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::job::{BatchId, Birth, JobId};
use crate::catalog::Table;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::sink::Written;
use crate::pipeline::verify::Prints;

const VERSION: u32 = 1;

/// Which driver works on which slice of which batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Attempt {
    pub job: JobId,
    pub birth: Birth,
    pub epoch: u64,
    pub batch: BatchId,
    pub slice: u32,
    pub id: Uuid,
}

/// What the names of its files begin with.
impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { job, birth, epoch, batch, slice, id } = self;
        write!(f, "icelift-{job}-{birth}-{epoch}-{batch}-{slice}-{}", id.simple())
    }
}

impl Attempt {
    /// The attempt that wrote the object, by its name; `None` if no migration did.
    pub fn of(location: &str) -> Option<Self> {
        let mut parts = location.rsplit('/').next()?.strip_prefix("icelift-")?.split('-');
        let attempt = Self {
            job: parts.next()?.parse().ok()?,
            birth: parts.next()?.parse().ok()?,
            epoch: parts.next()?.parse().ok()?,
            batch: parts.next()?.parse().ok()?,
            slice: parts.next()?.parse().ok()?,
            id: parts.next()?.split('.').next().and_then(|id| Uuid::try_parse(id).ok())?,
        };
        Some(attempt)
    }

    pub fn listing_location(&self, table: &TableMetadata) -> String {
        listing_location(table, &self.to_string())
    }
}

/// Where the listing of the attempt of this name is.
pub(super) fn listing_location(table: &TableMetadata, attempt: &str) -> String {
    format!("{}/metadata/{attempt}.json", table.location())
}

/// What the names of the metadata files of a driver's commits hold.
pub(crate) fn commit_prefix(job: JobId, birth: Birth, epoch: u64) -> String {
    format!("icelift-{job}-{birth}-{epoch}-")
}

/// Who wrote an object, of whatever kind, by its name; `None` if no migration did.
pub(crate) fn written_by(location: &str) -> Option<Writer> {
    let name = location.rsplit('/').next()?;
    let (_, rest) = name.split_once("icelift-")?;
    let mut parts = rest.split('-');
    Some(Writer {
        job: parts.next()?.parse().ok()?,
        birth: parts.next()?.parse().ok()?,
        epoch: parts.next()?.parse().ok()?,
    })
}

/// A driver of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Writer {
    pub job: JobId,
    pub birth: Birth,
    pub epoch: u64,
}

/// What an attempt has written, whole.
#[derive(Debug, Clone)]
pub(crate) struct Listing {
    /// Hash of the source's files that the slice was read from.
    pub source: String,
    pub files: Vec<DataFile>,
    /// The rows as they came from the source, by the folder of their partition.
    pub prints: BTreeMap<String, Prints>,
}

impl Listing {
    pub fn new(source: String, written: Written) -> Self {
        Self { source, files: written.files, prints: written.prints }
    }

    pub fn bytes(&self) -> u64 {
        self.files.iter().map(DataFile::file_size_in_bytes).sum()
    }
}

/// A listing as it is stored. The files fit one table, schema, partition spec and format only.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    version: u32,
    source: String,
    table: Uuid,
    schema: i32,
    spec: i32,
    format: u8,
    prints: BTreeMap<String, Prints>,
    files: Vec<String>,
}

impl Listing {
    /// Writes the listing.
    ///
    /// # Errors
    /// The target's store cannot be written.
    pub async fn write(&self, table: &Table, attempt: &Attempt) -> Result<()> {
        let metadata = &table.metadata;
        let place = |error: Error| error.place(Stage::Sink, &table.name);
        let json = |file: &DataFile| {
            let partition = metadata.default_partition_type();
            serialize_data_file_to_json(file.clone(), partition, metadata.format_version()).map_err(|source| {
                place(Error::new(ErrorKind::Internal, "a data file cannot be listed").subject(file.file_path()))
                    .source(source)
            })
        };
        let stored = Stored {
            version: VERSION,
            source: self.source.clone(),
            table: metadata.uuid(),
            schema: metadata.current_schema_id(),
            spec: metadata.default_partition_spec_id(),
            format: metadata.format_version() as u8,
            prints: self.prints.clone(),
            files: self.files.iter().map(json).collect::<Result<_>>()?,
        };
        let bytes = serde_json::to_vec(&stored)
            .map_err(|source| place(Error::new(ErrorKind::Internal, "a listing cannot be written").source(source)))?;
        let location = attempt.listing_location(metadata);
        table.store.write(&location, Bytes::from(bytes)).await.map_err(place)
    }

    /// Reads a listing; `None` if it is gone, or none, or one that fits the table no more.
    ///
    /// # Errors
    /// The target's store cannot be read.
    pub async fn read(table: &Table, location: &str) -> Result<Option<Self>> {
        let metadata = &table.metadata;
        let bytes = match table.store.read(location).await {
            // Somebody removes what is left, or its driver what it has committed.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|error| error.place(Stage::Sink, &table.name))?,
        };
        let Ok(stored) = serde_json::from_slice::<Stored>(&bytes) else { return Ok(None) };
        let fits = stored.version == VERSION
            && stored.table == metadata.uuid()
            && stored.schema == metadata.current_schema_id()
            && stored.spec == metadata.default_partition_spec_id()
            && stored.format == metadata.format_version() as u8;
        if !fits {
            return Ok(None);
        }
        let (partition, schema) = (metadata.default_partition_type(), metadata.current_schema());
        let file = |json: &String| deserialize_data_file_from_json(json, stored.spec, partition, schema).ok();
        let files: Option<Vec<_>> = stored.files.iter().map(file).collect();
        Ok(files.map(|files| Self { source: stored.source, files, prints: stored.prints }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_who_wrote_a_file() {
        let attempt = Attempt {
            job: "00000000000000ff".parse().unwrap(),
            birth: "00000000000000fe".parse().unwrap(),
            epoch: 3,
            batch: BatchId::new("year=2019"),
            slice: 12,
            id: Uuid::from_u128(7),
        };
        for suffix in ["-00001.parquet", ".json"] {
            let location = format!("s3://b/t/data/year=2019/{attempt}{suffix}");
            assert_eq!(Attempt::of(&location), Some(attempt), "{location}");
        }
        let plain = "s3://b/t/data/icelift-0198d6f0-5f5e-7bb2-8d3c-6d4d6a5a5a5a-00001.parquet";
        assert_eq!(Attempt::of(plain), None);
        assert_eq!(Attempt::of("s3://b/t/metadata/snap-1-1-x.avro"), None);
    }
}
