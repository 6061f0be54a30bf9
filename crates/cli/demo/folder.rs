//! Where the demo keeps its files, and what it finds there from an earlier run.
//!
//! Nothing is ever removed from a folder that the demo has not marked as its own.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use icelift::{Error, ErrorKind};
use serde::{Deserialize, Serialize};

/// What the fleet is grown from: the same in every run.
pub const SEED: u64 = 2024;

const MARKER: &str = "icelift-demo.json";
const CONFIG: &str = "icelift.toml";
const CATALOGS: [&str; 2] = ["glue", "r2"];

pub struct Folder {
    path: PathBuf,
    is_temporary: bool,
    marker: Marker,
    found: Found,
}

/// Says what is in the folder, so that a second run knows whether it can go on from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Marker {
    icelift: String,
    seed: u64,
    drives: usize,
    sample_loaded: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Sample,
    Replaced,
}

impl Folder {
    /// Makes a temporary folder, or takes the one to keep.
    pub fn open(keep: Option<&Path>, drives: usize) -> Result<Self, Error> {
        let icelift = env!("CARGO_PKG_VERSION").to_owned();
        let marker = Marker { icelift, seed: SEED, drives, sample_loaded: false };
        let path = match keep {
            Some(path) => kept(path).map_err(|error| unusable(path, error))?,
            None => temporary().map_err(|error| unusable(&std::env::temp_dir(), error))?,
        };
        let mut folder = Self { path, is_temporary: keep.is_none(), marker, found: Found::Nothing };
        folder.look()?;
        Ok(folder)
    }

    /// Decides what to do with what is there.
    fn look(&mut self) -> Result<(), Error> {
        let failed = |error| unusable(&self.path, error);
        let is_empty = std::fs::read_dir(&self.path).map_err(failed)?.next().is_none();
        let marker = match std::fs::read(self.path.join(MARKER)) {
            Ok(text) => serde_json::from_slice::<Marker>(&text).ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_empty => return self.mark(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let text = format!("`{}` holds files that are not of an earlier demo", self.path.display());
                return Err(Error::new(ErrorKind::Config, text).hint("give --keep an empty or a new folder"));
            }
            Err(error) => return Err(failed(error)),
        };
        let whole = Marker { sample_loaded: true, ..self.marker.clone() };
        if marker.is_some_and(|marker| marker == whole) {
            self.marker = whole;
            self.found = Found::Sample;
            return Ok(());
        }
        self.found = Found::Replaced;
        for catalog in CATALOGS {
            match std::fs::remove_dir_all(self.path.join(catalog)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                _ => {}
            }
        }
        self.mark()
    }

    fn mark(&self) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(&self.marker).map_err(io::Error::from);
        let written = text.and_then(|text| std::fs::write(self.path.join(MARKER), text + "\n"));
        written.map_err(|error| unusable(&self.path, error))
    }

    pub fn has_sample(&self) -> bool {
        self.found == Found::Sample
    }

    /// Remembers that the source table is whole.
    pub fn sample_loaded(&mut self) -> Result<(), crate::exit::Stop> {
        self.marker.sample_loaded = true;
        Ok(self.mark()?)
    }

    /// The folder of a catalog.
    pub fn warehouse(&self, catalog: &str) -> Result<String, Error> {
        let path = self.path.join(catalog);
        let text = path.to_str().map(str::to_owned);
        text.ok_or_else(|| Error::new(ErrorKind::Config, format!("`{}` is not UTF-8", path.display())))
    }

    /// Leaves a configuration file, so that the shell started in the folder has both catalogs.
    pub fn finish(&self) -> Result<(), Error> {
        if self.is_temporary {
            return Ok(());
        }
        let mut text = String::new();
        for catalog in CATALOGS {
            let warehouse = toml::Value::String(self.warehouse(catalog)?.replace("${", "$${"));
            text.push_str(&format!("[catalog.{catalog}]\ntype = \"local\"\nwarehouse = {warehouse}\n\n"));
        }
        std::fs::write(self.path.join(CONFIG), text.trim_end().to_owned() + "\n")
            .map_err(|error| unusable(&self.path, error))
    }

    /// What a second run should know.
    pub fn found(&self) -> String {
        let path = self.path.display();
        match (self.is_temporary, self.found) {
            (true, _) => format!("Files go to {path} and are removed at the end; --keep FOLDER keeps them."),
            (_, Found::Nothing) => format!("Files go to {path}."),
            (_, Found::Sample) => format!("Found an earlier demo in {path}; going on from it."),
            (_, Found::Replaced) => format!("Found another or an unfinished demo in {path}; replacing it."),
        }
    }

    /// Where everything is.
    pub fn farewell(&self) -> String {
        let path = self.path.display();
        match self.is_temporary {
            true => "\nThe files are removed now. `icelift demo --keep FOLDER` keeps them to look at.".to_owned(),
            false => format!(
                "\nThe source is in {path}/glue, the target in {path}/r2. To look at them again:\n  \
                 cd {path} && icelift -c 'SELECT count(*) FROM {}'",
                super::TARGET
            ),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_temporary
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, folder = %self.path.display(), "not removed");
        }
    }
}

fn kept(path: &Path) -> io::Result<PathBuf> {
    std::fs::create_dir_all(path)?;
    path.canonicalize()
}

/// A new folder for its owner alone; it fails when somebody else had the name first.
fn temporary() -> io::Result<PathBuf> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let path = std::env::temp_dir().join(format!("icelift-demo-{}-{now:x}", std::process::id()));
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&path)?;
    path.canonicalize()
}

fn unusable(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Config, format!("the folder `{}` cannot be used", path.display())).source(error)
}
