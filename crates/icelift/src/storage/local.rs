//! Paths of a local store, bringing what was written to the disk, and files that were begun and never finished.
//!
//! What must hold: a file that a commit names survives a power cut, and so do its entry in its folder and the entries
//! of all folders above that were created for it.

use std::collections::HashSet;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::buffers::Buffers;
use crate::error::{Error, ErrorKind, Result};

/// Folders beyond this number are forgotten, and synced again when they are met again.
const KNOWN_MAX: usize = 10_000;

/// The path of a location in a local store.
pub(super) fn path(location: &str) -> Result<&str> {
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

/// Whether a name is that of a file in which `object_store` collects what it is still to write: it neither lists nor deletes
/// such files.
pub(super) fn is_staged(location: &str) -> bool {
    let name = location.rsplit('/').next().unwrap_or_default();
    let number = name.split_once('#').map_or("", |(_, number)| number);
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The files of that sort below a folder, by their paths from there, and when they were last written to.
pub(super) async fn staged(location: &str) -> Result<Vec<(String, DateTime<Utc>)>> {
    let folder = PathBuf::from(path(location)?);
    let found = tokio::task::spawn_blocking(move || {
        let mut found = Vec::new();
        find_staged(&folder, "", &mut found).map(|()| found)
    });
    let failed = || Error::new(ErrorKind::Read, "the folder cannot be listed").subject(location);
    found.await.map_err(|source| failed().source(source))?.map_err(|source| failed().source(source))
}

/// Does not follow links, which may lead in a circle.
fn find_staged(folder: &Path, below: &str, found: &mut Vec<(String, DateTime<Utc>)>) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        // A name that is no text is none of ours.
        let Ok(name) = entry.file_name().into_string() else { continue };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            find_staged(&entry.path(), &format!("{below}{name}/"), found)?;
        } else if kind.is_file() && is_staged(&name) {
            match entry.metadata().and_then(|metadata| metadata.modified()) {
                // Renamed meanwhile: it has become what it was to be.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                written => found.push((format!("{below}{name}"), written?.into())),
            }
        }
    }
    Ok(())
}

/// Deletes a file; that it is gone already is no error.
pub(super) async fn remove(location: &str) -> Result<()> {
    match tokio::fs::remove_file(path(location)?).await {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::new(ErrorKind::Write, "the file cannot be deleted")
                .subject(location)
                .hint("check the rights on the warehouse")
                .source(source))
        }
        _ => Ok(()),
    }
}

/// Syncs files, with the folders above them, and reads long ranges.
#[derive(Debug, Default)]
pub(super) struct Disk {
    buffers: Buffers,
    /// Folders whose own entries, up to the root, are on the disk.
    known: Mutex<HashSet<PathBuf>>,
}

impl Disk {
    /// Reads a long range of an open file.
    pub async fn read(&self, location: &str, file: File, range: Range<u64>) -> Result<Bytes> {
        let buffers = self.buffers.clone();
        let read = tokio::task::spawn_blocking(move || buffers.read(file, range)).await;
        let failed = || Error::new(ErrorKind::Read, "the file cannot be read").subject(location);
        read.map_err(|source| failed().source(source))?.map_err(|source| failed().source(source))
    }

    /// Brings a finished file to the disk.
    pub async fn sync(&self, location: &str) -> Result<()> {
        let file = PathBuf::from(path(location)?);
        let missing: Vec<PathBuf> = self.unknown_folders(&file);
        let synced = tokio::task::spawn_blocking(move || sync_all(&file, &missing).map(|()| missing)).await;
        let failed = || Error::new(ErrorKind::Write, "the file cannot be synced").subject(location);
        let missing = synced
            .map_err(|source| failed().source(source))?
            .map_err(|source| failed().hint("check the disk of the warehouse folder").source(source))?;
        // Only now: whoever finds a folder here relies on all above it.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() + missing.len() > KNOWN_MAX {
            known.clear();
        }
        known.extend(missing);
        Ok(())
    }

    /// The folder of the file, which has a new entry, and those above it up to the first one that is known.
    fn unknown_folders(&self, file: &Path) -> Vec<PathBuf> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut folders = Vec::new();
        for folder in file.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()) {
            let is_known = known.contains(folder);
            folders.push(folder.to_path_buf());
            if is_known {
                break;
            }
        }
        folders
    }
}

fn sync_all(file: &Path, folders: &[PathBuf]) -> std::io::Result<()> {
    std::fs::File::open(file)?.sync_all()?;
    // Elsewhere folders cannot be opened; their entries are written through.
    if cfg!(unix) {
        for (index, folder) in folders.iter().enumerate() {
            match std::fs::File::open(folder).and_then(|folder| folder.sync_all()) {
                // A folder that may be passed but not read was not created by us.
                Err(error) if index > 0 && error.kind() == std::io::ErrorKind::PermissionDenied => break,
                synced => synced?,
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn new_folders_are_synced_once_and_the_file_s_own_each_time() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("t/year=2019");
        std::fs::create_dir_all(&folder).unwrap();
        let disk = Disk::default();
        let file = |name: &str| {
            let path = folder.join(name);
            std::fs::write(&path, "x").unwrap();
            path
        };
        let first = file("a");
        let all = first.ancestors().skip(1).count();
        assert_eq!(disk.unknown_folders(&first).len(), all, "up to the root");
        disk.sync(&first.display().to_string()).await.unwrap();
        let second = file("b");
        assert_eq!(disk.unknown_folders(&second), std::slice::from_ref(&folder));
        disk.sync(&format!("file://{}", second.display())).await.unwrap();
        let other = root.path().join("t/year=2020/c");
        let expected = [root.path().join("t/year=2020"), root.path().join("t")];
        assert_eq!(disk.unknown_folders(&other), expected);
    }

    #[tokio::test]
    async fn a_file_that_is_gone_is_no_success() {
        let root = tempfile::tempdir().unwrap();
        let error = Disk::default().sync(&root.path().join("a").display().to_string()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Write);
    }
}
