//! The Python environment in which other engines read what we wrote, and in which SeaweedFS and Glue's stand-in run.

use std::path::{Path, PathBuf};

use crate::cache::{self, Installation};
use crate::run::{Failure, Outcome, Program};

const REQUIREMENTS: &str = "tests/python/requirements.txt";

/// Makes the environment if there is none yet, and returns its interpreter.
pub(crate) fn ensure(root: &Path) -> Outcome<PathBuf> {
    let requirements = cache::source(root, REQUIREMENTS)?;
    let version = Program::new("python3", root).arg("--version").probe().ok_or_else(|| {
        Failure::message(
            "python3 is not on the PATH; install Python 3.10 or newer, the interop tests read tables with it",
        )
    })?;
    // The interpreter counts too: an environment made for one version is of no use to another.
    let installation = Installation::of("venv", &[&requirements, version.as_bytes()])?;
    let python = installation.folder().join("bin/python");
    if !installation.is_complete() || Program::new(&python, root).arg("--version").probe().is_none() {
        create(root, &installation, &python)?;
    }
    Ok(python)
}

fn create(root: &Path, installation: &Installation, python: &Path) -> Outcome {
    installation.clear()?;
    let made = Program::new("python3", root).args(["-m", "venv"]).arg(installation.folder()).run();
    if made.is_err() {
        return Err(Failure::message(
            "python3 cannot make a virtual environment; on Debian and Ubuntu install python3-venv",
        ));
    }
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS];
    Program::new(python, root).args(pip).run()?;
    installation.complete()
}
