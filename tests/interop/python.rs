//! The Python process behind the interop trials, and the source tables that it writes.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::support;

/// The source tables: a local catalog and the names of its tables.
pub(super) struct Sources {
    pub(super) folder: PathBuf,
    pub(super) names: Vec<String>,
}

static SOURCES: OnceLock<Result<Sources, String>> = OnceLock::new();
static PYTHON: Mutex<Option<Python>> = Mutex::new(None);

/// Writes the source tables when the first trial asks for them.
pub(super) fn sources() -> Result<&'static Sources, Failed> {
    SOURCES.get_or_init(|| write_sources().map_err(|failed| message(&failed))).as_ref().map_err(Failed::from)
}

fn write_sources() -> Result<Sources, Failed> {
    let folder = tempfile::Builder::new().prefix("icelift-sources-").tempdir()?;
    let names = ask(json!({"do": "write_sources", "folder": folder.path()}))?;
    let names = names.as_array().ok_or("write_sources does not answer with names")?;
    let names = names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
    // From here on `clean_up` removes it.
    Ok(Sources { folder: folder.keep(), names })
}

fn message(failed: &Failed) -> String {
    failed.message().unwrap_or("failed without a message").to_owned()
}

/// Removes the source tables and ends Python; a static is never dropped.
pub(crate) fn clean_up() {
    if let Some(Ok(sources)) = SOURCES.get() {
        // What cannot be removed from a temporary folder is no reason to fail.
        let _ = std::fs::remove_dir_all(&sources.folder);
    }
    *locked() = None;
}

/// Sends one command; the answer is what the Python function returns.
pub(crate) fn ask(request: Value) -> Result<Value, Failed> {
    let mut python = locked();
    if python.is_none() {
        *python = Some(Python::start()?);
    }
    let answer = python.as_mut().ok_or("unreachable: just started")?.ask(&request);
    if answer.is_err() {
        // A reader that crashes takes its process along; the next trial gets a new one.
        *python = None;
    }
    let answer = answer.map_err(|error| format!("Python died over {request}: {error}"))?;
    match answer.get("error").and_then(Value::as_str) {
        Some(error) => Err(format!("{request}\n{error}").into()),
        None => Ok(answer["ok"].clone()),
    }
}

/// Sends one command that answers with the differences it found.
pub(super) fn agree(request: Value) -> Result<(), Failed> {
    match ask(request)?.as_str() {
        Some("") => Ok(()),
        Some(differences) => Err(differences.into()),
        None => Err("the answer is no text".into()),
    }
}

fn locked() -> std::sync::MutexGuard<'static, Option<Python>> {
    PYTHON.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

struct Python {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Python {
    fn start() -> Result<Self, Failed> {
        let python = std::env::var_os("ICELIFT_PYTHON").ok_or(
            "ICELIFT_PYTHON is not set: run `cargo xtask test`, which makes the Python environment of these trials",
        )?;
        let mut child = Command::new(python)
            .arg(support::root().join("tests/python/serve.py"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        Ok(Self { child, requests, answers })
    }

    fn ask(&mut self, request: &Value) -> std::io::Result<Value> {
        let requests = self.requests.as_mut().ok_or(std::io::ErrorKind::BrokenPipe)?;
        writeln!(requests, "{request}")?;
        requests.flush()?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        drop(self.requests.take());
        // It ends by itself when its input does; all that is left is to wait for it.
        let _ = self.child.wait();
    }
}
