//! [`Store`] behind the `iceberg` crate's `Storage` trait, for metadata, manifests and manifest lists.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use iceberg::io::{FileMetadata, FileRead, FileWrite, InputFile, OutputFile, Storage, StorageConfig, StorageFactory};
use serde::{Deserialize, Serialize};

use super::{Store, Upload};

/// Deletions under way at once.
const DELETIONS: usize = 16;

/// Hands out the one store of a catalog.
///
/// The trait wants serialisation; a store is never sent anywhere, so nothing of it, and no credential, is written.
#[derive(Debug, Clone, Serialize, Deserialize, Default)]
pub(super) struct Factory {
    #[serde(skip)]
    store: Option<Store>,
}

impl Factory {
    pub fn new(store: Store) -> Self {
        Self { store: Some(store) }
    }
}

#[typetag::serde(name = "icelift-factory")]
impl StorageFactory for Factory {
    fn build(&self, _config: &StorageConfig) -> iceberg::Result<Arc<dyn Storage>> {
        Ok(Arc::new(IcebergStorage { store: self.store.clone() }))
    }
}

#[derive(Clone, Serialize, Deserialize, Default)]
struct IcebergStorage {
    #[serde(skip)]
    store: Option<Store>,
}

impl fmt::Debug for IcebergStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IcebergStorage")
    }
}

impl IcebergStorage {
    fn store(&self) -> iceberg::Result<&Store> {
        self.store.as_ref().ok_or_else(|| {
            iceberg::Error::new(iceberg::ErrorKind::FeatureUnsupported, "a store does not survive serialisation")
        })
    }
}

/// Keeps our error, with its kind, as the source of iceberg's.
fn foreign(error: crate::Error) -> iceberg::Error {
    let kind = match error.kind() {
        crate::ErrorKind::NotFound => iceberg::ErrorKind::DataInvalid,
        _ => iceberg::ErrorKind::Unexpected,
    };
    iceberg::Error::new(kind, error.to_string()).with_source(error)
}

/// Our error inside of iceberg's, if it is one of ours that came through.
pub(crate) fn own_error(error: &iceberg::Error) -> Option<&crate::Error> {
    let first = std::error::Error::source(error);
    std::iter::successors(first, |error| (*error).source()).find_map(|error| error.downcast_ref())
}

#[async_trait]
#[typetag::serde(name = "icelift-storage")]
impl Storage for IcebergStorage {
    async fn exists(&self, path: &str) -> iceberg::Result<bool> {
        self.store()?.exists(path).await.map_err(foreign)
    }

    async fn metadata(&self, path: &str) -> iceberg::Result<FileMetadata> {
        let size = self.store()?.size_bytes(path).await.map_err(foreign)?;
        Ok(FileMetadata { size })
    }

    async fn read(&self, path: &str) -> iceberg::Result<Bytes> {
        self.store()?.read(path).await.map_err(foreign)
    }

    async fn reader(&self, path: &str) -> iceberg::Result<Box<dyn FileRead>> {
        Ok(Box::new(Reader { store: self.store()?.clone(), location: path.to_string() }))
    }

    async fn write(&self, path: &str, bytes: Bytes) -> iceberg::Result<()> {
        self.store()?.write(path, bytes).await.map_err(foreign)
    }

    async fn writer(&self, path: &str) -> iceberg::Result<Box<dyn FileWrite>> {
        let upload = self.store()?.upload(path).map_err(foreign)?;
        Ok(Box::new(Writer { upload: Some(upload) }))
    }

    async fn delete(&self, path: &str) -> iceberg::Result<()> {
        self.store()?.delete(path).await.map_err(foreign)
    }

    async fn delete_prefix(&self, path: &str) -> iceberg::Result<()> {
        self.store()?.delete_prefix(path).await.map_err(foreign)
    }

    async fn delete_stream(&self, paths: BoxStream<'static, String>) -> iceberg::Result<()> {
        let deletions = paths.map(|path| async move { self.delete(&path).await });
        deletions.buffer_unordered(DELETIONS).try_collect().await
    }

    fn new_input(&self, path: &str) -> iceberg::Result<InputFile> {
        Ok(InputFile::new(Arc::new(self.clone()), path.to_string()))
    }

    fn new_output(&self, path: &str) -> iceberg::Result<OutputFile> {
        Ok(OutputFile::new(Arc::new(self.clone()), path.to_string()))
    }
}

struct Reader {
    store: Store,
    location: String,
}

#[async_trait]
impl FileRead for Reader {
    async fn read(&self, range: Range<u64>) -> iceberg::Result<Bytes> {
        self.store.read_range(&self.location, range).await.map_err(foreign)
    }
}

struct Writer {
    upload: Option<Upload>,
}

#[async_trait]
impl FileWrite for Writer {
    async fn write(&mut self, bytes: Bytes) -> iceberg::Result<()> {
        match &mut self.upload {
            Some(upload) => upload.write(bytes).await.map_err(foreign),
            None => Err(closed()),
        }
    }

    async fn close(&mut self) -> iceberg::Result<()> {
        match self.upload.take() {
            Some(upload) => upload.finish().await.map(|_| ()).map_err(foreign),
            None => Err(closed()),
        }
    }
}

fn closed() -> iceberg::Error {
    iceberg::Error::new(iceberg::ErrorKind::PreconditionFailed, "the file is closed already")
}
