//! The Python environment in which other engines read what we wrote.
//!
//! It lies in the user's cache folder under a name made from the requirements, so that all clones share it and a changed
//! requirement makes a new one. A marker file is written last: an interrupted installation is started over.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::run::{Failure, Outcome, Program};

const REQUIREMENTS: &str = "tests/python/requirements.txt";
const MARKER: &str = "complete";

/// Makes the environment if there is none yet, and returns its interpreter.
pub(crate) fn ensure(root: &Path) -> Outcome<PathBuf> {
    let requirements = fs::read(root.join(REQUIREMENTS))
        .map_err(|error| Failure::message(format!("cannot read {REQUIREMENTS}: {error}")))?;
    let version = Program::new("python3", root).arg("--version").probe().ok_or_else(|| {
        Failure::message(
            "python3 is not on the PATH; install Python 3.10 or newer, the interop tests read tables with it",
        )
    })?;
    let cache = cache_folder()?;
    // The interpreter counts too: an environment made for one version is of no use to another.
    let name = format!("venv-{:016x}", fnv1a(requirements.iter().chain(version.as_bytes())));
    let folder = cache.join(&name);
    let python = folder.join("bin/python");
    let lock = lock(&cache.join(format!("{name}.lock")))?;
    if !folder.join(MARKER).exists() || Program::new(&python, root).arg("--version").probe().is_none() {
        create(root, &folder, &python)?;
    }
    drop(lock);
    Ok(python)
}

fn create(root: &Path, folder: &Path, python: &Path) -> Outcome {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .map_err(|error| Failure::message(format!("cannot remove {}: {error}", folder.display())))?;
    }
    let made = Program::new("python3", root).args(["-m", "venv"]).arg(folder).run();
    if made.is_err() {
        return Err(Failure::message(
            "python3 cannot make a virtual environment; on Debian and Ubuntu install python3-venv",
        ));
    }
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS];
    Program::new(python, root).args(pip).run()?;
    fs::write(folder.join(MARKER), "").map_err(|error| Failure::message(format!("cannot write the marker: {error}")))
}

/// Two clones may start at the same moment; the second waits here until the first has installed.
fn lock(path: &Path) -> Outcome<File> {
    let locked = File::create(path).and_then(|file| file.lock().map(|()| file));
    locked.map_err(|error| Failure::message(format!("cannot lock {}: {error}", path.display())))
}

fn cache_folder() -> Outcome<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(cache) => PathBuf::from(cache),
        None => match std::env::var_os("HOME") {
            Some(home) => Path::new(&home).join(".cache"),
            None => {
                return Err(Failure::message(
                    "neither XDG_CACHE_HOME nor HOME is set; the Python environment needs a place",
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
