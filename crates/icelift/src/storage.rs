//! Bytes: object stores as the rest of the library and the `iceberg` crate see them.
//!
//! A [`Store`] belongs to one catalog. What must hold:
//! - an upload consists of parts of one size, only the last may be smaller (R2 refuses anything else at completion);
//! - an upload that is not finished is aborted, however it ends;
//! - every request and byte passes the [`Meter`];
//! - long reads, and parts of all uploads together, are under way only as many as the line to the store can use.

mod authorities;
mod buffers;
mod errors;
mod iceberg_storage;
mod local;
mod locations;
mod meter;
mod pace;
mod progress;
mod s3;
mod stored;
mod upload;
mod windows;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use iceberg::io::{FileIO, FileIOBuilder};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResult, GetResultPayload, ObjectStore, ObjectStoreExt, PutPayload};
use tokio_util::task::TaskTracker;

pub(crate) use authorities::Authorities;
pub(crate) use iceberg_storage::own_error;
pub(crate) use locations::{Equal, Held, Locations, is_within, path_of};
pub use meter::MeterReading;
pub(crate) use meter::{Meter, MeteredStore, Ranges};
pub(crate) use pace::Rank;
use progress::Passed;
pub use progress::ScanProgress;
pub(crate) use s3::{S3Credentials, S3Keys, S3Settings, static_credentials, take_static_credentials};
pub(crate) use stored::Stored;
pub(crate) use upload::{Upload, put_requests};
pub(crate) use windows::windows;

use self::errors::{check_length, is_missing, read_error, write_error};
use self::local::Disk;
use self::pace::Pace;
use self::s3::Buckets;
use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;

/// Parts of all uploads to local disks that are written at once. Each of them is held in memory.
const LOCAL_PARTS_AT_ONCE: usize = 32;

/// A read that is as long takes its turn over a network, and memory that is used again from a local disk.
const LONG_BYTES: u64 = 1 << 20;
/// What lies between ranges is read with them if it is no more: the default of `object_store`.
const GAP_BYTES: u64 = 1 << 20;
/// Longer ranges are read in several requests.
pub(crate) const WINDOW_BYTES: u64 = 16 << 20;
/// Of one call, so many requests are made at once.
const WINDOWS_AT_ONCE: usize = 10;

const PART_SIZE: &str = "s3.multipart.part-size-bytes";
const PART_CONCURRENCY: &str = "s3.multipart.num-threads";
/// S3 and R2 refuse smaller parts.
const PART_MIN_BYTES: usize = 5 << 20;

/// How a store cuts and sends uploads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UploadSettings {
    /// Size of every part of a multipart upload but the last, in bytes.
    pub part_bytes: usize,
    /// Parts of one upload that are in flight at once.
    pub part_concurrency: usize,
}

impl UploadSettings {
    /// Takes the options of ATTACH about them.
    pub fn take(options: &mut Options) -> Result<Self> {
        let default = Self::default();
        Ok(Self {
            part_bytes: options.take_number(PART_SIZE, PART_MIN_BYTES)?.unwrap_or(default.part_bytes),
            part_concurrency: options.take_number(PART_CONCURRENCY, 1)?.unwrap_or(default.part_concurrency),
        })
    }
}

impl Default for UploadSettings {
    fn default() -> Self {
        Self { part_bytes: 16 << 20, part_concurrency: 4 }
    }
}

/// The object store of one catalog. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    inner: Arc<Inner>,
    /// Counts what is asked through this clone, besides.
    account: Option<Arc<Meter>>,
}

#[derive(Debug)]
struct Inner {
    place: Place,
    meter: Arc<Meter>,
    passed: Arc<Passed>,
    uploads: UploadSettings,
    /// Parts of all uploads.
    parts: Arc<Pace>,
    reads: Arc<Pace>,
    cleanup: TaskTracker,
}

/// Where the objects are.
#[derive(Debug)]
enum Place {
    Local(Arc<dyn ObjectStore>, Disk),
    S3(Box<Buckets>),
}

impl Store {
    /// The file system of this machine. `cleanup` counts the clean-up tasks of uploads that are dropped.
    pub fn local(uploads: UploadSettings, cleanup: TaskTracker) -> Self {
        let meter = Arc::new(Meter::default());
        let objects =
            Arc::new(MeteredStore::new(Arc::new(LocalFileSystem::new()), Arc::clone(&meter), Ranges::InOneGo));
        Self::new(Place::Local(objects, Disk::default()), meter, uploads, cleanup)
    }

    /// S3, or what speaks its protocol.
    pub fn s3(settings: S3Settings, credentials: S3Credentials, cleanup: TaskTracker) -> Self {
        let (meter, uploads) = (Arc::new(Meter::default()), settings.uploads);
        let buckets = Buckets::new(settings, credentials, Arc::clone(&meter));
        Self::new(Place::S3(Box::new(buckets)), meter, uploads, cleanup)
    }

    fn new(place: Place, meter: Arc<Meter>, uploads: UploadSettings, cleanup: TaskTracker) -> Self {
        let parts = Arc::new(match &place {
            Place::Local(..) => Pace::steady(LOCAL_PARTS_AT_ONCE),
            Place::S3(_) => Pace::default(),
        });
        let (passed, reads) = (Arc::default(), Arc::default());
        let inner = Inner { place, meter, passed, uploads, parts, reads, cleanup };
        Self { inner: Arc::new(inner), account: None }
    }

    /// The same store, of which `account` counts what is asked through it: requests as they are made, and not again where
    /// they are sent again.
    pub fn on_account(&self, account: &Arc<Meter>) -> Self {
        Self { account: Some(Arc::clone(account)), ..self.clone() }
    }

    /// The same store with other credentials and the same meter: a table whose catalog vends keys for it alone.
    /// A local store has no credentials and stays as it is.
    pub fn with_credentials(&self, settings: S3Settings, credentials: S3Credentials) -> Self {
        let Place::S3(buckets) = &self.inner.place else { return self.clone() };
        let uploads = settings.uploads;
        let inner = Inner {
            place: Place::S3(Box::new(buckets.with_credentials(settings, credentials))),
            meter: Arc::clone(&self.inner.meter),
            passed: Arc::clone(&self.inner.passed),
            uploads,
            parts: Arc::clone(&self.inner.parts),
            reads: Arc::clone(&self.inner.reads),
            cleanup: self.inner.cleanup.clone(),
        };
        Self { inner: Arc::new(inner), account: self.account.clone() }
    }

    /// Requests and bytes so far.
    pub fn meter(&self) -> MeterReading {
        self.inner.meter.read()
    }

    /// Whether it is a file system, where a read costs no request.
    pub fn is_local(&self) -> bool {
        matches!(self.inner.place, Place::Local(..))
    }

    /// How far those have come who read data files.
    pub fn passed(&self) -> &Passed {
        &self.inner.passed
    }

    /// Counts the tasks that clean up after dropped statements.
    pub fn cleanup(&self) -> &TaskTracker {
        &self.inner.cleanup
    }

    /// The store as the `iceberg` crate wants it.
    pub fn file_io(&self) -> FileIO {
        FileIOBuilder::new(Arc::new(iceberg_storage::Factory::new(self.clone()))).build()
    }

    /// The store that holds `location` and the key inside of it.
    fn resolve(&self, location: &str) -> Result<(Arc<dyn ObjectStore>, Path)> {
        let (objects, key): (Arc<dyn ObjectStore>, Path) = match &self.inner.place {
            Place::Local(objects, _) => (Arc::clone(objects), local_key(location)?),
            Place::S3(buckets) => {
                let (bucket, key) = s3::object_key(location)?;
                (buckets.get(bucket)?, key)
            }
        };
        Ok((self.accounted(objects), key))
    }

    fn accounted(&self, objects: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        let Some(account) = &self.account else { return objects };
        let ranges = match &self.inner.place {
            Place::Local(..) => Ranges::InOneGo,
            Place::S3(_) => Ranges::OneByOne,
        };
        Arc::new(MeteredStore::new(objects, Arc::clone(account), ranges))
    }

    /// The store that holds the folder `location`, and its key; never all that a store has.
    fn resolve_folder(&self, location: &str) -> Result<(Arc<dyn ObjectStore>, Path)> {
        let (objects, key): (Arc<dyn ObjectStore>, Path) = match &self.inner.place {
            Place::Local(objects, _) => (Arc::clone(objects), local_key(location)?),
            Place::S3(buckets) => {
                let (bucket, key) = s3::folder_key(location)?;
                (buckets.get(bucket)?, key)
            }
        };
        if key.is_root() {
            let message = "a folder is expected, found all that the store has";
            return Err(Error::new(ErrorKind::Unsupported, message).subject(location));
        }
        Ok((self.accounted(objects), key))
    }

    /// Brings a finished local file to the disk, as a commit may only name files that survive a power cut.
    async fn sync(&self, location: &str) -> Result<()> {
        match &self.inner.place {
            Place::Local(_, disk) => disk.sync(location).await,
            Place::S3(_) => Ok(()),
        }
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
            Err(source) if is_missing(&source) => Ok(false),
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
        let failed = |source| read_error(location, source);
        let found = objects.get_opts(&path, options).await.map_err(failed)?;
        let is_long = found.range.end - found.range.start >= LONG_BYTES;
        let bytes = match (&self.inner.place, found) {
            (Place::Local(_, disk), GetResult { payload: GetResultPayload::File(file, _), range, .. }) if is_long => {
                disk.read(location, file, range).await?
            }
            (_, found) => found.bytes().await.map_err(failed)?,
        };
        check_length(location, &range, &bytes)?;
        Ok(bytes)
    }

    /// The rank of one who begins to read now: who began earlier is served first.
    pub fn rank(&self) -> Rank {
        self.inner.reads.rank()
    }

    /// One range of the object. Over a network, a long one is asked for when it is its turn.
    pub async fn read_in_turn(&self, location: &str, range: Range<u64>, rank: Rank) -> Result<Bytes> {
        if self.is_local() || range.end - range.start < LONG_BYTES {
            return self.read_range(location, range).await;
        }
        let turn = self.inner.reads.turn(rank).await;
        let bytes = self.read_range(location, range).await?;
        turn.arrived(bytes.len() as u64);
        Ok(bytes)
    }

    /// Several ranges of the object, in their order: neighbouring ones in one request, long ones in several.
    pub async fn read_ranges(&self, location: &str, ranges: &[Range<u64>], rank: Rank) -> Result<Vec<Bytes>> {
        if let Place::S3(_) = &self.inner.place {
            return self.read_windows(location, ranges, rank).await;
        }
        let (objects, path) = self.resolve(location)?;
        let found = objects.get_ranges(&path, ranges).await.map_err(|source| read_error(location, source))?;
        for (range, bytes) in ranges.iter().zip(&found) {
            check_length(location, range, bytes)?;
        }
        Ok(found)
    }

    async fn read_windows(&self, location: &str, ranges: &[Range<u64>], rank: Rank) -> Result<Vec<Bytes>> {
        let mut sorted = ranges.to_vec();
        sorted.sort_by_key(|range| range.start);
        let read = |window: Range<u64>| async move {
            Ok::<_, Error>((window.start, self.read_in_turn(location, window, rank).await?))
        };
        let windows = stream::iter(windows(&sorted, GAP_BYTES, WINDOW_BYTES)).map(read);
        let found: Vec<_> = windows.buffered(WINDOWS_AT_ONCE).try_collect().await?;
        Ok(ranges.iter().map(|range| windows::slice(&found, range)).collect())
    }

    /// Writes a small object in one request.
    pub async fn write(&self, location: &str, bytes: Bytes) -> Result<()> {
        let (objects, path) = self.resolve(location)?;
        objects.put(&path, PutPayload::from(bytes)).await.map_err(|source| write_error(location, source))?;
        self.sync(location).await
    }

    /// Starts to write an object of unknown size.
    pub fn upload(&self, location: &str) -> Result<Upload> {
        self.upload_sized(location, 0)
    }

    /// Starts to write an object that is expected to have about `expected_bytes`. Its parts, which must be equal and
    /// not too many, are cut accordingly.
    pub fn upload_sized(&self, location: &str, expected_bytes: u64) -> Result<Upload> {
        let (objects, path) = self.resolve(location)?;
        Ok(Upload::new(self.clone(), objects, path, location.to_string(), expected_bytes))
    }

    /// The parts in which an object of about `expected_bytes` is sent.
    pub fn part_bytes(&self, expected_bytes: u64) -> u64 {
        upload::part_bytes(&self.inner.uploads, expected_bytes) as u64
    }

    /// Deletes the object; that it is gone already is no error.
    pub async fn delete(&self, location: &str) -> Result<()> {
        let (objects, path) = self.resolve(location)?;
        match objects.delete(&path).await {
            Ok(()) => Ok(()),
            Err(source) if is_missing(&source) => Ok(()),
            Err(source) => Err(write_error(location, source)),
        }
    }

    /// Deletes all objects below the folder `location`; those whose names only begin like it stay.
    pub async fn delete_prefix(&self, location: &str) -> Result<()> {
        let (objects, path) = self.resolve_folder(location)?;
        let keys = objects.list(Some(&path)).map_ok(|object| object.location).boxed();
        let deleted = objects.delete_stream(keys).try_for_each(|_| async { Ok(()) });
        deleted.await.map_err(|source| write_error(location, source))
    }
}

fn local_key(location: &str) -> Result<Path> {
    Path::parse(local::path(location)?).map_err(|source| {
        Error::new(ErrorKind::Unsupported, "the location is no valid path").subject(location).source(source)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_account_has_what_goes_through_its_store_only() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::local(UploadSettings::default(), TaskTracker::new());
        let account = Arc::new(Meter::default());
        let (ours, location) = (store.on_account(&account), format!("file://{}/a", root.path().display()));
        ours.write(&location, Bytes::from_static(b"12345")).await.unwrap();
        store.read(&location).await.unwrap();
        ours.read_range(&location, 1..3).await.unwrap();
        ours.read_ranges(&location, &[0..1, 4..5], ours.rank()).await.unwrap();
        let (part, all) = (account.read(), store.meter());
        assert_eq!((part.put_requests, part.get_requests, part.read_bytes, part.written_bytes), (1, 2, 4, 5));
        assert_eq!((all.put_requests, all.get_requests, all.read_bytes, all.written_bytes), (1, 3, 9, 5));
    }

    #[tokio::test]
    async fn a_folder_is_deleted_and_nothing_beside_it() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::local(UploadSettings::default(), TaskTracker::new());
        let location = |name: &str| format!("file://{}/{name}", root.path().display());
        for name in ["t/a", "t/b/c", "t2/a"] {
            store.write(&location(name), Bytes::from_static(b"1")).await.unwrap();
        }
        store.delete_prefix(&location("t/")).await.unwrap();
        assert!(!store.exists(&location("t/b/c")).await.unwrap());
        assert!(store.exists(&location("t2/a")).await.unwrap());
        assert_eq!(store.delete_prefix("file:///").await.unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
