//! Counts requests and bytes, by the classes that clouds charge for.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};

/// Objects in one page of a listing: S3 and R2 answer 1,000 keys a request.
const LIST_PAGE_OBJECTS: u64 = 1_000;

/// What a store was asked so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MeterReading {
    /// Objects, parts, and starts and ends of multipart uploads written.
    pub put_requests: u64,
    /// Pages listed.
    pub list_requests: u64,
    /// Objects or ranges read.
    pub get_requests: u64,
    /// Objects asked for their size only.
    pub head_requests: u64,
    /// Objects deleted and uploads aborted.
    pub delete_requests: u64,
    /// Bytes that were asked for and found.
    pub read_bytes: u64,
    /// Bytes sent.
    pub written_bytes: u64,
}

/// Counts on behalf of one store.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    put: AtomicU64,
    list: AtomicU64,
    get: AtomicU64,
    head: AtomicU64,
    delete: AtomicU64,
    read_bytes: AtomicU64,
    written_bytes: AtomicU64,
}

impl Meter {
    pub fn read(&self) -> MeterReading {
        MeterReading {
            put_requests: self.put.load(Relaxed),
            list_requests: self.list.load(Relaxed),
            get_requests: self.get.load(Relaxed),
            head_requests: self.head.load(Relaxed),
            delete_requests: self.delete.load(Relaxed),
            read_bytes: self.read_bytes.load(Relaxed),
            written_bytes: self.written_bytes.load(Relaxed),
        }
    }

    fn written(&self, bytes: usize) {
        self.put.fetch_add(1, Relaxed);
        self.written_bytes.fetch_add(bytes as u64, Relaxed);
    }
}

/// An object store whose every request is counted.
#[derive(Debug)]
pub(crate) struct MeteredStore {
    inner: Arc<dyn ObjectStore>,
    meter: Arc<Meter>,
}

impl MeteredStore {
    pub fn new(inner: Arc<dyn ObjectStore>, meter: Arc<Meter>) -> Self {
        Self { inner, meter }
    }
}

impl fmt::Display for MeteredStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for MeteredStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.meter.written(payload.content_length());
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.meter.put.fetch_add(1, Relaxed);
        let inner = self.inner.put_multipart_opts(location, options).await?;
        Ok(Box::new(MeteredUpload { inner, meter: Arc::clone(&self.meter) }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let head = options.head;
        let counter = if head { &self.meter.head } else { &self.meter.get };
        counter.fetch_add(1, Relaxed);
        let found = self.inner.get_opts(location, options).await?;
        if !head {
            self.meter.read_bytes.fetch_add(found.range.end - found.range.start, Relaxed);
        }
        Ok(found)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        // Counted as the requests that the default coalescing would send; a local store reads them in one go.
        let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        self.meter.get.fetch_add(1, Relaxed);
        self.meter.read_bytes.fetch_add(bytes, Relaxed);
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let meter = Arc::clone(&self.meter);
        let counted = locations.inspect(move |_| {
            meter.delete.fetch_add(1, Relaxed);
        });
        self.inner.delete_stream(counted.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let meter = Arc::clone(&self.meter);
        meter.list.fetch_add(1, Relaxed);
        let mut seen = 0;
        let counted = self.inner.list(prefix).inspect(move |_| {
            seen += 1;
            if seen % LIST_PAGE_OBJECTS == 0 {
                meter.list.fetch_add(1, Relaxed);
            }
        });
        counted.boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.meter.list.fetch_add(1, Relaxed);
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.meter.put.fetch_add(1, Relaxed);
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.meter.put.fetch_add(1, Relaxed);
        self.inner.rename_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct MeteredUpload {
    inner: Box<dyn MultipartUpload>,
    meter: Arc<Meter>,
}

#[async_trait]
impl MultipartUpload for MeteredUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.meter.written(data.content_length());
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.meter.put.fetch_add(1, Relaxed);
        self.inner.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.meter.delete.fetch_add(1, Relaxed);
        self.inner.abort().await
    }
}
