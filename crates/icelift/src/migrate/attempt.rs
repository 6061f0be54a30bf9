//! The files of an attempt: their names tell who wrote them, and a listing tells that they are whole.
//!
//! An attempt is one driver's work on one slice of one batch. When all its files are written, it writes a listing of them.
//! What must hold:
//! - nobody deletes a file of another driver's attempt unless its epoch is fenced and no snapshot refers to the file;
//! - from its listing on, an attempt's own driver does not delete its files either: the next driver may have adopted them;
//! - a listing says which driver vouches for its files, and only the next driver adopts them. Any driver in between might
//!   still be about to delete them, however late. Who finds a listing lists the files again under its own name, so that they
//!   can be handed on.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use iceberg::spec::{DataFile, TableMetadata, deserialize_data_file_from_json, serialize_data_file_to_json};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::job::{BatchId, JobId};
use crate::catalog::Table;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::sink::Written;
use crate::pipeline::verify::Fingerprint;

const VERSION: u32 = 1;

/// Which driver works on which slice of which batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Attempt {
    pub job: JobId,
    pub epoch: u64,
    pub batch: BatchId,
    pub slice: u32,
    pub id: Uuid,
}

/// What the names of its files begin with.
impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { job, epoch, batch, slice, id } = self;
        write!(f, "icelift-{job}-{epoch}-{batch}-{slice}-{}", id.simple())
    }
}

impl Attempt {
    /// The attempt that wrote the object, by its name; `None` if no migration did.
    pub fn of(location: &str) -> Option<Self> {
        let mut parts = location.rsplit('/').next()?.strip_prefix("icelift-")?.split('-');
        let attempt = Self {
            job: parts.next()?.parse().ok()?,
            epoch: parts.next()?.parse().ok()?,
            batch: parts.next()?.parse().ok()?,
            slice: parts.next()?.parse().ok()?,
            id: parts.next()?.split('.').next().and_then(|id| Uuid::try_parse(id).ok())?,
        };
        Some(attempt)
    }

    pub fn listing_location(&self, table: &TableMetadata) -> String {
        format!("{}/metadata/{self}.json", table.location())
    }
}

/// What the names of the metadata files of a driver's commits hold.
pub(crate) fn commit_prefix(job: JobId, epoch: u64) -> String {
    format!("icelift-{job}-{epoch}-")
}

/// The migration and the epoch that wrote an object, of whatever kind, by its name; `None` if no migration did.
pub(crate) fn written_by(location: &str) -> Option<(JobId, u64)> {
    let name = location.rsplit('/').next()?;
    let (_, rest) = name.split_once("icelift-")?;
    let mut parts = rest.split('-');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// What an attempt has written, whole.
#[derive(Debug, Clone)]
pub(crate) struct Listing {
    /// The driver that has written the files, or found them and left them where they are.
    pub owner: Uuid,
    /// Hash of the source's files that the slice was read from.
    pub source: String,
    pub files: Vec<DataFile>,
    /// The rows as they came from the source, by the folder of their partition.
    pub prints: BTreeMap<String, Fingerprint>,
}

impl Listing {
    pub fn new(owner: Uuid, source: String, written: Written) -> Self {
        Self { owner, source, files: written.files, prints: written.prints }
    }

    pub fn bytes(&self) -> u64 {
        self.files.iter().map(DataFile::file_size_in_bytes).sum()
    }
}

/// A listing as it is stored. The files fit one table, schema, partition spec and format only.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    version: u32,
    owner: Uuid,
    source: String,
    table: Uuid,
    schema: i32,
    spec: i32,
    format: u8,
    prints: BTreeMap<String, Fingerprint>,
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
            owner: self.owner,
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

    /// Reads a listing; `None` if it is none, or one that fits the table no more.
    ///
    /// # Errors
    /// The target's store cannot be read.
    pub async fn read(table: &Table, location: &str) -> Result<Option<Self>> {
        let metadata = &table.metadata;
        let bytes = table.store.read(location).await.map_err(|error| error.place(Stage::Sink, &table.name))?;
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
        let (owner, source, prints) = (stored.owner, stored.source, stored.prints);
        Ok(files.map(|files| Self { owner, source, files, prints }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_who_wrote_a_file() {
        let attempt = Attempt {
            job: "00000000000000ff".parse().unwrap(),
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
