//! Bytes: object stores as the rest of the library and the `iceberg` crate see them.
//!
//! A [`Store`] belongs to one catalog. What must hold:
//! - an upload consists of parts of one size, only the last may be smaller (R2 refuses anything else at completion);
//! - an upload that is not finished is aborted, however it ends;
//! - every request and byte passes the [`Meter`].

mod iceberg_storage;
mod meter;
mod s3;
mod upload;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use iceberg::io::{FileIO, FileIOBuilder};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload};
use tokio_util::task::TaskTracker;

pub use meter::MeterReading;
pub(crate) use meter::{Meter, MeteredStore};
pub(crate) use s3::{S3Credentials, S3Settings};
pub(crate) use upload::Upload;

use self::s3::Buckets;

use crate::error::{Error, ErrorKind, Result};

/// How a store cuts and sends uploads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UploadSettings {
    /// Size of every part of a multipart upload but the last, in bytes.
    pub part_bytes: usize,
    /// Parts of one upload that are in flight at once.
    pub part_concurrency: usize,
}

impl Default for UploadSettings {
    fn default() -> Self {
        Self { part_bytes: 16 << 20, part_concurrency: 4 }
    }
}

/// The object store of one catalog. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    meter: Arc<Meter>,
    uploads: UploadSettings,
    cleanup: TaskTracker,
}

/// Where the objects are.
#[derive(Debug)]
enum Place {
    Local(Arc<dyn ObjectStore>),
    S3(Buckets),
}

impl Store {
    /// The file system of this machine. `cleanup` counts the clean-up tasks of uploads that are dropped.
    pub fn local(uploads: UploadSettings, cleanup: TaskTracker) -> Self {
        let meter = Arc::new(Meter::default());
        let objects = Arc::new(MeteredStore::new(Arc::new(LocalFileSystem::new()), Arc::clone(&meter)));
        Self(Arc::new(Inner { place: Place::Local(objects), meter, uploads, cleanup }))
    }

    /// S3, or what speaks its protocol.
    pub fn s3(settings: S3Settings, credentials: S3Credentials, cleanup: TaskTracker) -> Self {
        let (meter, uploads) = (Arc::new(Meter::default()), settings.uploads);
        let buckets = Buckets::new(settings, credentials, Arc::clone(&meter));
        Self(Arc::new(Inner { place: Place::S3(buckets), meter, uploads, cleanup }))
    }

    /// The same store with other credentials and the same meter: a table whose catalog vends keys for it alone.
    /// A local store has no credentials and stays as it is.
    pub fn with_credentials(&self, settings: S3Settings, credentials: S3Credentials) -> Self {
        if matches!(self.0.place, Place::Local(_)) {
            return self.clone();
        }
        let (meter, uploads) = (Arc::clone(&self.0.meter), settings.uploads);
        let buckets = Buckets::new(settings, credentials, Arc::clone(&meter));
        Self(Arc::new(Inner { place: Place::S3(buckets), meter, uploads, cleanup: self.0.cleanup.clone() }))
    }

    /// Requests and bytes so far.
    pub fn meter(&self) -> MeterReading {
        self.0.meter.read()
    }

    /// Counts the tasks that clean up after dropped statements.
    pub fn cleanup(&self) -> &TaskTracker {
        &self.0.cleanup
    }

    /// The store as the `iceberg` crate wants it.
    pub fn file_io(&self) -> FileIO {
        FileIOBuilder::new(Arc::new(iceberg_storage::Factory::new(self.clone()))).build()
    }

    /// The store that holds `location` and the key inside of it.
    fn resolve(&self, location: &str) -> Result<(Arc<dyn ObjectStore>, Path)> {
        let invalid =
            |source| Error::new(ErrorKind::Read, "the location is no valid path").subject(location).source(source);
        match &self.0.place {
            Place::Local(objects) => {
                let key = Path::parse(local_path(location)?).map_err(invalid)?;
                Ok((Arc::clone(objects), key))
            }
            Place::S3(buckets) => {
                let (bucket, key) = s3::split(location)?;
                Ok((buckets.get(bucket)?, Path::parse(key).map_err(invalid)?))
            }
        }
    }

    /// Brings a finished local file to the disk, as a commit may only name files that survive a power cut.
    async fn sync(&self, location: &str) -> Result<()> {
        if matches!(self.0.place, Place::S3(_)) {
            return Ok(());
        }
        let path = local_path(location)?;
        let synced = async { tokio::fs::File::open(path).await?.sync_all().await };
        synced.await.map_err(|source| {
            Error::new(ErrorKind::Write, "the file cannot be synced").subject(location).source(source)
        })
    }

    /// The object's size in bytes.
    pub async fn size_bytes(&self, location: &str) -> Result<u64> {
        let (objects, path) = self.resolve(location)?;
        Ok(objects.head(&path).await.map_err(|source| read_error(location, source))?.size)
    }

    /// Whether the object exists.
    pub async fn exists(&self, location: &str) -> Result<bool> {
        let (objects, path) = self.resolve(location)?;
        match objects.head(&path).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(source) => Err(read_error(location, source)),
        }
    }

    /// The whole object.
    pub async fn read(&self, location: &str) -> Result<Bytes> {
        let (objects, path) = self.resolve(location)?;
        let found = async { objects.get(&path).await?.bytes().await };
        found.await.map_err(|source| read_error(location, source))
    }

    /// One range of the object; a shorter answer is an error.
    pub async fn read_range(&self, location: &str, range: Range<u64>) -> Result<Bytes> {
        let (objects, path) = self.resolve(location)?;
        let options = GetOptions { range: Some(GetRange::Bounded(range.clone())), ..Default::default() };
        let found = async { objects.get_opts(&path, options).await?.bytes().await };
        let bytes = found.await.map_err(|source| read_error(location, source))?;
        check_length(location, &range, &bytes)?;
        Ok(bytes)
    }

    /// Several ranges of the object, neighbouring ones in one request.
    pub async fn read_ranges(&self, location: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let (objects, path) = self.resolve(location)?;
        let found = objects.get_ranges(&path, ranges).await.map_err(|source| read_error(location, source))?;
        for (range, bytes) in ranges.iter().zip(&found) {
            check_length(location, range, bytes)?;
        }
        Ok(found)
    }

    /// Writes a small object in one request.
    pub async fn write(&self, location: &str, bytes: Bytes) -> Result<()> {
        let (objects, path) = self.resolve(location)?;
        objects.put(&path, PutPayload::from(bytes)).await.map_err(|source| write_error(location, source))?;
        self.sync(location).await
    }

    /// Starts to write an object of unknown size.
    pub fn upload(&self, location: &str) -> Result<Upload> {
        let (objects, path) = self.resolve(location)?;
        Ok(Upload::new(self.clone(), objects, path, location.to_string()))
    }

    /// Deletes the object; that it is gone already is no error.
    pub async fn delete(&self, location: &str) -> Result<()> {
        let (objects, path) = self.resolve(location)?;
        match objects.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(write_error(location, source)),
        }
    }

    /// Deletes all objects below `location`.
    pub async fn delete_prefix(&self, location: &str) -> Result<()> {
        let (objects, path) = self.resolve(location)?;
        let keys = objects.list(Some(&path)).map_ok(|object| object.location).boxed();
        let deleted = objects.delete_stream(keys).try_for_each(|_| async { Ok(()) });
        deleted.await.map_err(|source| write_error(location, source))
    }
}

/// A short answer would otherwise surface as a decoding error far away.
fn check_length(location: &str, range: &Range<u64>, bytes: &Bytes) -> Result<()> {
    let expected = range.end - range.start;
    if bytes.len() as u64 == expected {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Read,
        format!("the object ends early: {} of {expected} bytes at offset {}", bytes.len(), range.start),
    )
    .subject(location)
    .hint("the object was truncated or replaced after its metadata was written; compare its size with the manifest"))
}

/// The path of a location in a local store.
fn local_path(location: &str) -> Result<&str> {
    match location.split_once(':') {
        Some(("file", rest)) => Ok(rest.strip_prefix("//").unwrap_or(rest)),
        Some((scheme, rest)) if rest.starts_with("//") => Err(Error::new(
            ErrorKind::Unsupported,
            format!("a `local` catalog reads `file:` locations, found `{scheme}://…`"),
        )
        .subject(location)),
        _ => Ok(location),
    }
}

fn read_error(location: &str, source: object_store::Error) -> Error {
    match source {
        object_store::Error::NotFound { .. } => Error::new(ErrorKind::NotFound, "the object does not exist")
            .subject(location)
            .hint("it was removed after the metadata that names it was written; an older snapshot may be complete")
            .source(source),
        _ => Error::new(ErrorKind::Read, "the object cannot be read")
            .subject(location)
            .hint("it may be damaged or shorter than its metadata says; restore it, or read an older snapshot")
            .source(source),
    }
}

fn write_error(location: &str, source: object_store::Error) -> Error {
    Error::new(ErrorKind::Write, "the object cannot be written")
        .subject(location)
        .hint("check the space left and the rights on the warehouse")
        .source(source)
}
