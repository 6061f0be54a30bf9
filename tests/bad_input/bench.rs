//! A place to break things: two local catalogs in a temporary folder, and the binary to run over them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use libtest_mimic::Failed;
use tempfile::TempDir;

use crate::support;

/// The source has enough rows that the target's files are open when the last one is read.
const SETUP: [&str; 5] = [
    "CREATE SCHEMA glue.default",
    "CREATE SCHEMA r2.default",
    "CREATE TABLE glue.default.s PARTITIONED BY (bucket(3, id)) AS SELECT value AS id, CAST(value AS VARCHAR) AS name, \
     DATE '2019-01-01' AS d FROM generate_series(0, 99999)",
    "CREATE TABLE r2.default.t (id BIGINT NOT NULL, name STRING, d DATE) PARTITIONED BY (bucket(3, id))",
    "CREATE TABLE r2.default.small (n INT)",
];

pub(super) struct Bench(TempDir);

impl Bench {
    pub(super) fn new() -> Result<Self, Failed> {
        let bench = Self(tempfile::tempdir()?);
        let mut command = bench.command();
        for sql in SETUP {
            command.args(["-c", sql]);
        }
        checked(&command.output()?, SETUP[0])?;
        Ok(bench)
    }

    pub(super) fn folder(&self) -> &Path {
        self.0.path()
    }

    /// The binary with both catalogs attached, in an environment without a home that could hold a configuration.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_icelift"));
        self.prepare(&mut command);
        command.args(self.attach());
        command
    }

    /// The arguments that attach both catalogs.
    pub(super) fn attach(&self) -> Vec<String> {
        let attach = |name| format!("ATTACH '{}' AS {name} (TYPE local)", self.folder().join(name).display());
        vec!["-c".to_owned(), attach("glue"), "-c".to_owned(), attach("r2")]
    }

    pub(super) fn prepare(&self, command: &mut Command) {
        command
            .current_dir(self.folder())
            .env("HOME", self.folder())
            .env_remove("XDG_CONFIG_HOME")
            .env("NO_COLOR", "1");
    }

    pub(super) fn fails(&self, sql: &str, words: &[&str]) -> Result<(), Failed> {
        Self::check_failure(&self.command().args(["-c", sql]).output()?, words)
            .map_err(|failed| format!("{sql}\n{}", failed.message().unwrap_or_default()).into())
    }

    /// Runs one statement and returns what it prints.
    pub(super) fn succeeds(&self, sql: &str) -> Result<String, Failed> {
        let output = self.command().args(["--format", "csv", "-c", sql]).output()?;
        checked(&output, sql)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// One message, on stderr, that holds all words in any case; an exit code of ours; no panic.
    pub(super) fn check_failure(output: &Output, words: &[&str]) -> Result<(), Failed> {
        let told = String::from_utf8_lossy(&output.stderr);
        let problem = |text: String| Err(Failed::from(format!("{text}; stderr:\n{told}")));
        match output.status.code() {
            Some(1..=4) => {}
            Some(code) => return problem(format!("exit code {code}, expected 1 to 4")),
            None => return problem(format!("ended by {}", output.status)),
        }
        if told.contains("panicked at") {
            return problem("it panicked".to_owned());
        }
        let messages = told.lines().filter(|line| line.starts_with("error: ") || line.contains(": error: "));
        if messages.count() != 1 {
            return problem("expected exactly one message that starts with `error: `".to_owned());
        }
        let lower = told.to_lowercase();
        match words.iter().find(|word| !lower.contains(&word.to_lowercase())) {
            Some(word) => problem(format!("the message does not say `{word}`")),
            None => Ok(()),
        }
    }

    /// Every file below both catalogs with its content. SQLite may touch its own file without changing a table.
    pub(super) fn files(&self) -> Result<BTreeMap<PathBuf, Vec<u8>>, Failed> {
        let mut found = BTreeMap::new();
        for catalog in ["glue", "r2"] {
            for path in support::files_below(&self.folder().join(catalog))? {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if !name.starts_with("catalog.db") {
                    let bytes = std::fs::read(&path)?;
                    found.insert(path, bytes);
                }
            }
        }
        Ok(found)
    }

    pub(super) fn same_files(&self, before: &BTreeMap<PathBuf, Vec<u8>>) -> Result<(), Failed> {
        let after = self.files()?;
        let gone =
            before.keys().filter(|path| !after.contains_key(*path)).map(|path| format!("gone: {}", path.display()));
        let new =
            after.keys().filter(|path| !before.contains_key(*path)).map(|path| format!("new: {}", path.display()));
        let changed = before.iter().filter(|(path, bytes)| after.get(*path).is_some_and(|now| now != *bytes));
        let changed = changed.map(|(path, _)| format!("changed: {}", path.display()));
        let found: Vec<_> = gone.chain(new).chain(changed).collect();
        if found.is_empty() { Ok(()) } else { Err(found.join("\n").into()) }
    }

    /// The Parquet files below both catalogs.
    pub(super) fn data_files(&self) -> Result<Vec<PathBuf>, Failed> {
        let files = self.files()?.into_keys();
        Ok(files.filter(|path| path.extension().is_some_and(|extension| extension == "parquet")).collect())
    }

    /// The one file below the folder of a table that `wanted` picks, the last by name if there are several.
    pub(super) fn file_of(&self, table: &str, wanted: impl Fn(&str) -> bool) -> Result<PathBuf, Failed> {
        let mut files: Vec<_> = self
            .files()?
            .into_keys()
            .filter(|path| {
                let in_table = path.components().any(|part| part.as_os_str() == table);
                in_table && wanted(&path.file_name().unwrap_or_default().to_string_lossy())
            })
            .collect();
        files.pop().ok_or_else(|| format!("no such file of table {table}").into())
    }
}

fn checked(output: &Output, sql: &str) -> Result<(), Failed> {
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{sql}\n{}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}
