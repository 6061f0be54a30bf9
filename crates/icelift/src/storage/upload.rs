//! One object being written: equal parts, bounded concurrency, no unfinished upload left behind.
//!
//! What must hold:
//! - all parts but the last have one size, decided when the upload begins: R2 refuses anything else at completion;
//! - there are at most 10,000 parts; an object that would need more is an error before it is completed;
//! - memory: one part is collected, and parts in flight are bounded for this upload and by the pace of its store;
//! - an upload is completed once. Where the answer to that is lost, or says that the upload is gone, the object itself
//!   tells whether it was;
//! - an upload that is not finished is aborted, however it ends.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload, PutPayloadMut};
use tokio::task::JoinSet;

use super::s3::Failure;
use super::{Rank, Store, UploadSettings, errors::write_error};
use crate::error::{Error, ErrorKind, Result};

/// S3 and R2 take no more parts for one object.
const MAX_PARTS: u64 = 10_000;

/// Parts grow by whole steps of this size.
const PART_STEP_BYTES: u64 = 1 << 20;
/// S3 and R2 take no larger part: a little below 5 GiB.
const PART_MAX_BYTES: u64 = 4 << 30;

/// How many requests it takes to write an object of `object_bytes` in parts of `part_bytes`.
pub(crate) fn put_requests(part_bytes: u64, object_bytes: u64) -> u64 {
    match object_bytes.div_ceil(part_bytes.max(1)) {
        0 | 1 => 1,
        // The start and the completion.
        parts => parts + 2,
    }
}

/// The size of each part of an object of `expected_bytes`: that of the settings, unless the object, or one that is half
/// as large again, would need too many parts.
pub(super) fn part_bytes(settings: &UploadSettings, expected_bytes: u64) -> usize {
    let needed = expected_bytes.saturating_add(expected_bytes / 2).div_ceil(MAX_PARTS);
    let grown = needed.next_multiple_of(PART_STEP_BYTES).min(PART_MAX_BYTES);
    usize::try_from(grown).unwrap_or(usize::MAX).max(settings.part_bytes)
}

/// Writes one object. Dropping it before [`finish`](Self::finish) aborts the upload.
///
/// Up to one part is buffered; an object of at most one part is sent by a single request.
pub(crate) struct Upload {
    store: Store,
    objects: Arc<dyn ObjectStore>,
    path: Path,
    location: String,
    settings: UploadSettings,
    buffer: PutPayloadMut,
    started: Option<Box<dyn MultipartUpload>>,
    /// Parts of what was begun first go first.
    rank: Rank,
    parts: JoinSet<object_store::Result<()>>,
    part_count: u64,
    written_bytes: u64,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("location", &self.location).field("written_bytes", &self.written_bytes).finish()
    }
}

impl Upload {
    pub(super) fn new(
        store: Store,
        objects: Arc<dyn ObjectStore>,
        path: Path,
        location: String,
        expected_bytes: u64,
    ) -> Self {
        let settings =
            UploadSettings { part_bytes: part_bytes(&store.inner.uploads, expected_bytes), ..store.inner.uploads };
        let rank = store.inner.parts.rank();
        Self {
            store,
            objects,
            path,
            location,
            settings,
            buffer: PutPayloadMut::new(),
            started: None,
            rank,
            parts: JoinSet::new(),
            part_count: 0,
            written_bytes: 0,
        }
    }

    /// Appends bytes; waits while as many parts are in flight as the settings allow.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<()> {
        self.written_bytes += bytes.len() as u64;
        // A part leaves only once more bytes follow it, so that one part alone can go as a single request.
        while self.buffer.content_length() + bytes.len() > self.settings.part_bytes {
            let room = self.settings.part_bytes - self.buffer.content_length();
            self.buffer.push(bytes.split_to(room));
            let part = std::mem::take(&mut self.buffer).freeze();
            self.send(part).await?;
        }
        self.buffer.push(bytes);
        Ok(())
    }

    /// Bytes held in memory: the buffer and the parts in flight.
    pub fn memory_bytes(&self) -> usize {
        self.buffer.content_length() + self.parts.len() * self.settings.part_bytes
    }

    /// Waits until no part is in flight. False if there was none.
    pub async fn settle_parts(&mut self) -> Result<bool> {
        let any = !self.parts.is_empty();
        while !self.parts.is_empty() {
            self.join_part().await?;
        }
        Ok(any)
    }

    async fn send(&mut self, part: PutPayload) -> Result<()> {
        self.part_count += 1;
        if self.part_count > MAX_PARTS {
            return Err(Error::new(ErrorKind::Write, format!("the object needs more than {MAX_PARTS} parts"))
                .subject(&self.location)
                .hint("lower `write.target-file-size-bytes`, or attach with a larger `s3.multipart.part-size-bytes`"));
        }
        while self.parts.len() >= self.settings.part_concurrency {
            self.join_part().await?;
        }
        let started = match &mut self.started {
            Some(started) => started,
            slot => {
                let begun = self.objects.put_multipart(&self.path).await;
                slot.insert(begun.map_err(|source| write_error(&self.location, source))?)
            }
        };
        let (turn, bytes) = (self.store.inner.parts.turn(self.rank).await, part.content_length() as u64);
        let sent = started.put_part(part);
        self.parts.spawn(async move {
            let sent = sent.await;
            if sent.is_ok() {
                turn.arrived(bytes);
            }
            sent
        });
        Ok(())
    }

    async fn join_part(&mut self) -> Result<()> {
        match self.parts.join_next().await {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(source))) => Err(write_error(&self.location, source)),
            Some(Err(source)) => {
                Err(Error::new(ErrorKind::Internal, "a part upload died").subject(&self.location).source(source))
            }
        }
    }

    /// Sends what is left and completes the object. Returns its size in bytes.
    pub async fn finish(mut self) -> Result<u64> {
        let rest = std::mem::take(&mut self.buffer).freeze();
        if self.started.is_none() {
            let put = self.objects.put(&self.path, rest).await;
            put.map_err(|source| write_error(&self.location, source))?;
        } else {
            if rest.content_length() > 0 {
                self.send(rest).await?;
            }
            self.settle_parts().await?;
            if let Some(started) = &mut self.started
                && let Err(source) = started.complete().await
                && !self.has_landed(&source).await
            {
                return Err(write_error(&self.location, source));
            }
            // Completed: nothing is left for `drop` to abort.
            self.started = None;
        }
        self.store.sync(&self.location).await?;
        Ok(self.written_bytes)
    }
}

impl Upload {
    /// Whether the object is there although its completion failed: an answer was lost, or the upload was gone when it
    /// was asked for again. The object must have the size and, if its tag tells, the number of parts of this upload.
    async fn has_landed(&mut self, source: &object_store::Error) -> bool {
        if !Failure::find(source).is_some_and(|failure| failure.is_in_doubt()) {
            return false;
        }
        let Ok(found) = self.objects.head(&self.path).await else { return false };
        let parts = found.e_tag.as_deref().and_then(|tag| tag.trim_matches('"').rsplit_once('-')?.1.parse().ok());
        let landed = found.size == self.written_bytes && parts.is_none_or(|parts: u64| parts == self.part_count);
        if landed {
            tracing::info!(location = self.location, "the answer was lost, the object is complete");
        }
        landed
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(mut started) = self.started.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mut parts = std::mem::take(&mut self.parts);
        let location = std::mem::take(&mut self.location);
        let abort = async move {
            // A part that is still on its way would outlive the abort.
            parts.shutdown().await;
            if let Err(error) = started.abort().await
                && !Failure::find(&error).is_some_and(|failure| failure.is_upload_missing())
            {
                tracing::warn!(location, %error, "an unfinished upload could not be aborted");
            }
        };
        self.store.cleanup().spawn_on(abort, &runtime);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use object_store::memory::InMemory;
    use object_store::path::Path;
    use object_store::{ObjectStore, ObjectStoreExt};
    use tokio_util::task::TaskTracker;

    use super::{MAX_PARTS, Upload, UploadSettings, part_bytes, put_requests};
    use crate::storage::{Meter, MeteredStore, Ranges, Store};

    fn upload(objects: Arc<dyn ObjectStore>, part_bytes: usize, file: &std::path::Path) -> Upload {
        let settings = UploadSettings { part_bytes, part_concurrency: 2 };
        let store = Store::local(settings, TaskTracker::new());
        Upload::new(store, objects, Path::from("x"), file.display().to_string(), 0)
    }

    /// A file to sync, as the memory store has none.
    fn stand_in() -> tempfile::NamedTempFile {
        tempfile::NamedTempFile::new().unwrap()
    }

    #[tokio::test]
    async fn cuts_equal_parts_whatever_the_writes() {
        let meter = Arc::new(Meter::default());
        let objects: Arc<dyn ObjectStore> =
            Arc::new(MeteredStore::new(Arc::new(InMemory::new()), Arc::clone(&meter), Ranges::InOneGo));
        let file = stand_in();
        let mut upload = upload(Arc::clone(&objects), 10, file.path());
        let content: Vec<u8> = (0..45).collect();
        for chunk in [&content[..3], &content[3..30], &content[30..31], &content[31..]] {
            upload.write(Bytes::copy_from_slice(chunk)).await.unwrap();
        }
        assert_eq!(upload.finish().await.unwrap(), 45);
        assert_eq!(objects.get(&Path::from("x")).await.unwrap().bytes().await.unwrap(), content);
        // Start, 4 parts of 10 bytes, 1 of 5, completion.
        assert_eq!(meter.read().put_requests, 7);
        assert_eq!(put_requests(10, 45), 7);
    }

    #[test]
    fn parts_grow_with_what_is_expected() {
        let settings = UploadSettings { part_bytes: 16 << 20, part_concurrency: 4 };
        assert_eq!(part_bytes(&settings, 0), 16 << 20);
        assert_eq!(part_bytes(&settings, 100 << 30), 16 << 20);
        for expected in [200_u64 << 30, 1 << 40, 5 << 40] {
            let part = part_bytes(&settings, expected) as u64;
            assert!(part > 16 << 20 && part.is_multiple_of(1 << 20));
            assert!((expected + expected / 2).div_ceil(part) <= MAX_PARTS);
        }
    }

    #[tokio::test]
    async fn one_part_goes_as_one_request() {
        let meter = Arc::new(Meter::default());
        let objects: Arc<dyn ObjectStore> =
            Arc::new(MeteredStore::new(Arc::new(InMemory::new()), Arc::clone(&meter), Ranges::InOneGo));
        let file = stand_in();
        let mut upload = upload(Arc::clone(&objects), 10, file.path());
        upload.write(Bytes::from_static(b"0123456789")).await.unwrap();
        upload.finish().await.unwrap();
        assert_eq!(meter.read().put_requests, 1);
        assert_eq!(put_requests(10, 10), 1);
    }

    #[tokio::test]
    async fn a_dropped_upload_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let tracker = TaskTracker::new();
        let store = Store::local(UploadSettings { part_bytes: 4, part_concurrency: 2 }, tracker.clone());
        let location = folder.path().join("a.bin").display().to_string();
        let mut upload = store.upload(&location).unwrap();
        upload.write(Bytes::from_static(b"0123456789")).await.unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "the staged file");
        drop(upload);
        tracker.close();
        tracker.wait().await;
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
