//! What lies below a folder of a store: objects, and what was begun and never became one.
//!
//! What must hold: who looks for what nobody needs is shown everything that costs, also uploads that no list of objects has
//! and the files in which the local file system collects them.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::path::Path;

use super::errors::{read_error, write_error};
use super::{Place, Store, local, s3};
use crate::error::{ErrorKind, Result};

/// An object, or an upload that is neither completed nor aborted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stored {
    pub location: String,
    /// When it was written or begun; `None` if the server does not tell.
    pub written: Option<DateTime<Utc>>,
    /// The server's name for the upload; `None` for an object.
    pub upload: Option<String>,
}

impl Stored {
    /// Whether it is a file in which the local file system collects what is still to be written.
    pub fn is_begun(&self) -> bool {
        local::is_staged(&self.location)
    }
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.location)?;
        match &self.upload {
            Some(id) => write!(f, " (unfinished upload {id})"),
            None => Ok(()),
        }
    }
}

impl Store {
    /// The locations of all objects below the folder `location` whose names (behind the last `/`) hold `part`.
    pub async fn list(&self, location: &str, part: &str) -> Result<Vec<String>> {
        let is_named = |object: &Stored| object.location.rsplit('/').next().is_some_and(|name| name.contains(part));
        let found = self.list_objects(location, is_named).await?;
        Ok(found.into_iter().map(|object| object.location).collect())
    }

    /// Those of the objects below the folder `location` that are wanted.
    pub async fn list_objects(&self, location: &str, mut wanted: impl FnMut(&Stored) -> bool) -> Result<Vec<Stored>> {
        let (objects, folder) = self.resolve_folder(location)?;
        let base = location.trim_end_matches('/');
        let mut found = Vec::new();
        let mut keep = |object: Stored| {
            if wanted(&object) {
                found.push(object);
            }
        };
        let mut listed = objects.list(Some(&folder));
        while let Some(object) = listed.try_next().await.map_err(|source| read_error(location, source))? {
            if let Some(below) = below(object.location.as_ref(), &folder) {
                let location = format!("{base}/{below}");
                keep(Stored { location, written: Some(object.last_modified), upload: None });
            }
        }
        if let Place::Local(..) = &self.inner.place {
            for (below, written) in local::staged(location).await? {
                keep(Stored { location: format!("{base}/{below}"), written: Some(written), upload: None });
            }
        }
        Ok(found)
    }

    /// The uploads below the folder `location` that are neither completed nor aborted. None, with a warning, where the
    /// server does not show them.
    pub async fn list_uploads(&self, location: &str) -> Result<Vec<Stored>> {
        match self.unfinished_uploads(location).await {
            Ok(uploads) => Ok(uploads.unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::Unsupported) => {
                tracing::warn!(
                    location, %error,
                    "uploads that were never finished are not shown; that takes the right s3:ListBucketMultipartUploads"
                );
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    /// The same, where it matters whether the server shows them. `None`: a file system has no such uploads.
    pub async fn unfinished_uploads(&self, location: &str) -> Result<Option<Vec<Stored>>> {
        let Place::S3(buckets) = &self.inner.place else { return Ok(None) };
        let (bucket, folder) = s3::folder_key(location)?;
        let base = location.trim_end_matches('/');
        let uploads = buckets.get(bucket)?.pending_uploads(&format!("{folder}/")).await;
        let uploads = uploads.map_err(|source| read_error(location, source))?;
        let stored = uploads.into_iter().filter_map(|upload| {
            let location = format!("{base}/{}", below(&upload.key, &folder)?);
            Some(Stored { location, written: upload.begun, upload: Some(upload.id) })
        });
        Ok(Some(stored.collect()))
    }

    /// How many of the first 1000 objects below the folder `location` are in each storage class. `None`: there are no classes.
    pub async fn storage_classes(&self, location: &str) -> Result<Option<BTreeMap<String, u64>>> {
        let Place::S3(buckets) = &self.inner.place else { return Ok(None) };
        let (bucket, folder) = s3::folder_key(location)?;
        let classes = buckets.get(bucket)?.storage_classes(&format!("{folder}/")).await;
        classes.map(Some).map_err(|source| read_error(location, source))
    }

    /// Deletes the object or aborts the upload; that it is gone already is no error.
    pub async fn remove(&self, stored: &Stored) -> Result<()> {
        match (&stored.upload, &self.inner.place) {
            (Some(id), Place::S3(buckets)) => {
                let (bucket, key) = s3::object_key(&stored.location)?;
                let aborted = buckets.get(bucket)?.abort_upload(key.as_ref(), id).await;
                aborted.map_err(|source| write_error(&stored.location, source))
            }
            (_, Place::Local(..)) if local::is_staged(&stored.location) => local::remove(&stored.location).await,
            _ => self.delete(&stored.location).await,
        }
    }
}

fn below<'a>(key: &'a str, folder: &Path) -> Option<&'a str> {
    key.strip_prefix(folder.as_ref())?.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio_util::task::TaskTracker;

    use crate::storage::{Store, UploadSettings};

    #[tokio::test]
    async fn files_that_are_still_written_are_listed_and_removed() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::local(UploadSettings { part_bytes: 4, part_concurrency: 2 }, TaskTracker::new());
        let folder = format!("file://{}/t", root.path().display());
        store.write(&format!("{folder}/data/a#b.parquet"), Bytes::from_static(b"1")).await.unwrap();
        store.write(&format!("file://{}/t2/c", root.path().display()), Bytes::from_static(b"1")).await.unwrap();
        let mut upload = store.upload(&format!("{folder}/data/y=1/d.parquet")).unwrap();
        upload.write(Bytes::from_static(b"0123456789")).await.unwrap();
        let mut found = store.list_objects(&folder, |_| true).await.unwrap();
        found.sort();
        let shown: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(shown, [format!("{folder}/data/a#b.parquet"), format!("{folder}/data/y=1/d.parquet#1")]);
        assert!(found.iter().all(|object| object.written.is_some()));
        assert_eq!(store.list(&folder, "d.par").await.unwrap(), [format!("{folder}/data/y=1/d.parquet#1")]);
        for object in &found {
            store.remove(object).await.unwrap();
            store.remove(object).await.unwrap();
        }
        assert_eq!(store.list_objects(&folder, |_| true).await.unwrap(), []);
        assert_eq!(store.list_uploads(&folder).await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_empty() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::local(UploadSettings::default(), TaskTracker::new());
        let folder = format!("file://{}/t", root.path().display());
        assert_eq!(store.list_objects(&folder, |_| true).await.unwrap(), []);
    }
}
