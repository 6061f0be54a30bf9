//! Installed things that all clones share: folders below the user's cache folder.
//!
//! Each is named by a hash of what it is made from, so that a change makes a new one. A marker file is written last: an
//! interrupted installation is started over.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::run::{Failure, Outcome};

const MARKER: &str = "complete";

/// One folder of the cache, locked against other clones that would install the same at the same moment.
pub(crate) struct Installation {
    folder: PathBuf,
    _lock: File,
}

impl Installation {
    /// The folder `<kind>-<hash of sources>`; waits while another process installs it.
    pub(crate) fn of(kind: &str, sources: &[&[u8]]) -> Outcome<Self> {
        let cache = folder()?;
        let name = format!("{kind}-{:016x}", fnv1a(sources.iter().copied().flatten()));
        let lock = lock(&cache.join(format!("{name}.lock")))?;
        Ok(Self { folder: cache.join(name), _lock: lock })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.folder.join(MARKER).exists()
    }

    /// Removes what an interrupted installation has left.
    pub(crate) fn clear(&self) -> Outcome {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder)
                .map_err(|error| Failure::message(format!("cannot remove {}: {error}", self.folder.display())))?;
        }
        Ok(())
    }

    pub(crate) fn complete(&self) -> Outcome {
        fs::write(self.folder.join(MARKER), "")
            .map_err(|error| Failure::message(format!("cannot write the marker: {error}")))
    }
}

/// Reads one of the files that an installation is made from.
pub(crate) fn source(root: &Path, name: &str) -> Outcome<Vec<u8>> {
    fs::read(root.join(name)).map_err(|error| Failure::message(format!("cannot read {name}: {error}")))
}

fn lock(path: &Path) -> Outcome<File> {
    let locked = File::create(path).and_then(|file| file.lock().map(|()| file));
    locked.map_err(|error| Failure::message(format!("cannot lock {}: {error}", path.display())))
}

fn folder() -> Outcome<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(cache) => PathBuf::from(cache),
        None => match std::env::var_os("HOME") {
            Some(home) => Path::new(&home).join(".cache"),
            None => {
                return Err(Failure::message(
                    "neither XDG_CACHE_HOME nor HOME is set; what the tests install needs a place",
                ));
            }
        },
    };
    let folder = base.join("icelift");
    fs::create_dir_all(&folder)
        .map_err(|error| Failure::message(format!("cannot create {}: {error}", folder.display())))?;
    Ok(folder)
}

/// FNV-1a: stable between versions of Rust, which the standard hasher does not promise.
fn fnv1a<'a>(bytes: impl Iterator<Item = &'a u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
