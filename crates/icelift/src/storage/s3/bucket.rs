//! One bucket as an [`ObjectStore`].
//!
//! `object_store` speaks S3 for it, except for deletions: those are single requests, as S3's request for many keys
//! wants checksum headers that R2 does not know and is limited differently by every server. Deletions cost nothing.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3;
use object_store::client::{HttpRequest, HttpRequestBody, HttpResponse};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;

use super::Failure;
use super::service::Service;

/// Deletions under way at once.
const DELETIONS: usize = 16;
/// What a key must not hold literally in a signed URL.
pub(super) const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// One bucket.
#[derive(Debug)]
pub(in crate::storage) struct Bucket {
    pub(super) objects: AmazonS3,
    pub(super) service: Arc<Service>,
    /// Without a slash at its end.
    pub(super) url: String,
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.objects.fmt(f)
    }
}

/// Deletes one object; that it is gone already is no error.
async fn delete(service: Arc<Service>, url: String) -> Result<()> {
    match send(&service, Method::DELETE, &url).await {
        Err(error) if !Failure::find(&error).is_some_and(|failure| failure.is_object_missing()) => Err(error),
        _ => Ok(()),
    }
}

/// Sends a request without a body.
pub(super) async fn send(service: &Service, method: Method, url: &str) -> Result<HttpResponse> {
    let mut request = HttpRequest::new(HttpRequestBody::empty());
    *request.method_mut() = method;
    *request.uri_mut() = url.parse().map_err(generic)?;
    service.send(request).await.map_err(generic)
}

/// An error that `object_store` only carries.
pub(super) fn generic(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> object_store::Error {
    object_store::Error::Generic { store: "S3", source: source.into() }
}

/// A key as it stands in the path of a signed URL.
pub(super) fn encoded(key: &str) -> String {
    utf8_percent_encode(key, ENCODED).to_string()
}

#[async_trait]
impl ObjectStore for Bucket {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.objects.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.objects.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.objects.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (service, url) = (Arc::clone(&self.service), self.url.clone());
        let deletions = locations.map_ok(move |location| {
            let deletion = delete(Arc::clone(&service), format!("{url}/{}", encoded(location.as_ref())));
            async move { deletion.await.map(|()| location) }
        });
        deletions.try_buffered(DELETIONS).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}
