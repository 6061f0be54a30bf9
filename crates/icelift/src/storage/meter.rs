//! Counts requests and bytes, by the classes that clouds charge for.
//!
//! What must hold: what goes over a network is counted where it is sent, attempt by attempt ([`Meter::count`]); what
//! the local file system is asked is counted above it ([`MeteredStore`]), as the requests that a server would have
//! seen.

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
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, OBJECT_STORE_COALESCE_DEFAULT, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
    UploadPart, coalesce_ranges,
};

/// Objects in one page of a listing: S3 and R2 answer 1,000 keys a request.
const LIST_PAGE_OBJECTS: u64 = 1_000;

/// What clouds charge for differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    Put,
    List,
    Get,
    Head,
    Delete,
}

/// What a catalog and its store were asked so far. Requests to a server count as often as they were sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MeterReading {
    /// Requests to the catalog itself, those for tokens included.
    pub catalog_calls: u64,
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
    /// Bytes of objects that arrived.
    pub read_bytes: u64,
    /// Bytes sent, or begun to be sent.
    pub written_bytes: u64,
}

impl MeterReading {
    /// What was asked since an earlier reading.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            catalog_calls: self.catalog_calls.saturating_sub(earlier.catalog_calls),
            put_requests: self.put_requests.saturating_sub(earlier.put_requests),
            list_requests: self.list_requests.saturating_sub(earlier.list_requests),
            get_requests: self.get_requests.saturating_sub(earlier.get_requests),
            head_requests: self.head_requests.saturating_sub(earlier.head_requests),
            delete_requests: self.delete_requests.saturating_sub(earlier.delete_requests),
            read_bytes: self.read_bytes.saturating_sub(earlier.read_bytes),
            written_bytes: self.written_bytes.saturating_sub(earlier.written_bytes),
        }
    }
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
            catalog_calls: 0,
            put_requests: self.put.load(Relaxed),
            list_requests: self.list.load(Relaxed),
            get_requests: self.get.load(Relaxed),
            head_requests: self.head.load(Relaxed),
            delete_requests: self.delete.load(Relaxed),
            read_bytes: self.read_bytes.load(Relaxed),
            written_bytes: self.written_bytes.load(Relaxed),
        }
    }

    /// One request that sends `sent_bytes`.
    pub(super) fn count(&self, request: Request, sent_bytes: usize) {
        let counter = match request {
            Request::Put => &self.put,
            Request::List => &self.list,
            Request::Get => &self.get,
            Request::Head => &self.head,
            Request::Delete => &self.delete,
        };
        counter.fetch_add(1, Relaxed);
        self.written_bytes.fetch_add(sent_bytes as u64, Relaxed);
    }

    /// Bytes of an object that arrived.
    pub(super) fn received(&self, bytes: usize) {
        self.read_bytes.fetch_add(bytes as u64, Relaxed);
    }
}

/// How a store reads several ranges of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ranges {
    /// As a local one does.
    InOneGo,
    /// With a request for each, or for neighbours with what lies between them.
    OneByOne,
}

/// An object store whose every request is counted.
#[derive(Debug)]
pub(crate) struct MeteredStore {
    inner: Arc<dyn ObjectStore>,
    meter: Arc<Meter>,
    ranges: Ranges,
}

impl MeteredStore {
    pub fn new(inner: Arc<dyn ObjectStore>, meter: Arc<Meter>, ranges: Ranges) -> Self {
        Self { inner, meter, ranges }
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
        self.meter.count(Request::Put, payload.content_length());
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.meter.count(Request::Put, 0);
        let inner = self.inner.put_multipart_opts(location, options).await?;
        Ok(Box::new(MeteredUpload { inner, meter: Arc::clone(&self.meter) }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let head = options.head;
        self.meter.count(if head { Request::Head } else { Request::Get }, 0);
        let found = self.inner.get_opts(location, options).await?;
        if !head {
            self.meter.read_bytes.fetch_add(found.range.end - found.range.start, Relaxed);
        }
        Ok(found)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if self.ranges == Ranges::OneByOne {
            let one = |range| self.get_range(location, range);
            return coalesce_ranges(ranges, one, OBJECT_STORE_COALESCE_DEFAULT).await;
        }
        let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        self.meter.count(Request::Get, 0);
        self.meter.read_bytes.fetch_add(bytes, Relaxed);
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let meter = Arc::clone(&self.meter);
        let counted = locations.inspect(move |_| {
            meter.count(Request::Delete, 0);
        });
        self.inner.delete_stream(counted.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let meter = Arc::clone(&self.meter);
        meter.count(Request::List, 0);
        let mut seen = 0;
        let counted = self.inner.list(prefix).inspect(move |_| {
            // A full page tells whether there is another one: that is asked for only if it is.
            if seen > 0 && seen % LIST_PAGE_OBJECTS == 0 {
                meter.count(Request::List, 0);
            }
            seen += 1;
        });
        counted.boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.meter.count(Request::List, 0);
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.meter.count(Request::Put, 0);
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.meter.count(Request::Put, 0);
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
        self.meter.count(Request::Put, data.content_length());
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.meter.count(Request::Put, 0);
        self.inner.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.meter.count(Request::Delete, 0);
        self.inner.abort().await
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;
    use object_store::memory::InMemory;

    use super::*;

    async fn pages_of(objects: u64) -> u64 {
        let memory = InMemory::new();
        for number in 0..objects {
            memory.put(&Path::from(format!("a/{number}")), PutPayload::new()).await.unwrap();
        }
        let meter = Arc::new(Meter::default());
        let store = MeteredStore::new(Arc::new(memory), Arc::clone(&meter), Ranges::InOneGo);
        let listed: Vec<_> = store.list(Some(&Path::from("a"))).try_collect().await.unwrap();
        assert_eq!(listed.len() as u64, objects);
        meter.read().list_requests
    }

    #[tokio::test]
    async fn a_full_page_is_one_request() {
        assert_eq!(pages_of(0).await, 1);
        assert_eq!(pages_of(1_000).await, 1);
        assert_eq!(pages_of(1_001).await, 2);
        assert_eq!(pages_of(2_000).await, 2);
        assert_eq!(pages_of(2_001).await, 3);
    }
}
