//! The binary as somebody runs it who has nothing but an environment: no home, no profile, no metadata service.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use tempfile::TempDir;

/// A folder to work in, and an environment.
pub(crate) struct Terminal {
    folder: TempDir,
    environment: Vec<(String, String)>,
    logs: bool,
}

/// What a run has said and how it ended.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

/// What the one message of a run must be like.
pub(crate) struct Expected<'a> {
    pub(crate) code: i32,
    /// Words that the message must say, in any order and case.
    pub(crate) words: &'a [&'a str],
    /// Words that it must not.
    pub(crate) secrets: &'a [&'a str],
    pub(crate) within: Duration,
}

impl Terminal {
    pub(crate) fn new() -> Result<Self, Failed> {
        Ok(Self { folder: tempfile::tempdir()?, environment: Vec::new(), logs: false })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.environment.push((name.to_owned(), value.into()));
    }

    /// From here on everything is logged that can be.
    pub(crate) fn log(&mut self) {
        self.logs = true;
    }

    /// The binary with its environment.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_icelift"));
        let ours = std::env::vars_os().map(|(name, _)| name);
        let foreign = ours.filter(|name| {
            let name = name.to_string_lossy();
            name.starts_with("AWS_")
                || name.starts_with("XDG_")
                || name.starts_with("ICELIFT_")
                || name.starts_with("PYICEBERG_")
                || name == "RUST_LOG"
        });
        for name in foreign {
            command.env_remove(name);
        }
        command.current_dir(self.folder()).env("HOME", self.folder()).env("TMPDIR", self.folder());
        command.env("AWS_EC2_METADATA_DISABLED", "true").env("NO_COLOR", "1");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if self.logs {
            command.args(["--log", "trace"]);
        }
        command
    }

    /// Runs the statements as one script.
    pub(crate) fn run(&self, statements: &[&str]) -> Result<Said, Failed> {
        let script = self.folder().join("script.sql");
        std::fs::write(&script, format!("{};\n", statements.join(";\n")))?;
        let started = Instant::now();
        let output = self.command().args(["--format", "csv", "-f"]).arg("script.sql").output()?;
        std::fs::remove_file(script)?;
        Ok(Said::new(&output, started.elapsed()))
    }

    /// Runs what must succeed, and returns its output.
    pub(crate) fn succeeds(&self, statements: &[&str]) -> Result<String, Failed> {
        let said = self.run(statements)?;
        match said.code {
            Some(0) => Ok(said.stdout),
            code => Err(format!("ended with {code:?}, expected 0:\n{}", said.stderr).into()),
        }
    }

    /// Runs what must fail, and be told in one message.
    pub(crate) fn fails(&self, statements: &[&str], expected: &Expected<'_>) -> Result<(), Failed> {
        self.run(statements)?.is_one_message(expected)
    }
}

impl Said {
    pub(crate) fn new(output: &Output, took: Duration) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr), took }
    }

    pub(crate) fn is_one_message(&self, expected: &Expected<'_>) -> Result<(), Failed> {
        let told = &self.stderr;
        let problem = |text: String| Err(Failed::from(format!("{text}; stderr:\n{told}")));
        if self.code != Some(expected.code) {
            return problem(format!("exit code {:?}, expected {}", self.code, expected.code));
        }
        let messages = told.lines().filter(|line| line.starts_with("error: ") || line.contains(": error: "));
        if messages.count() != 1 {
            return problem("expected exactly one message".to_owned());
        }
        let lower = told.to_lowercase();
        if let Some(word) = expected.words.iter().find(|word| !lower.contains(&word.to_lowercase())) {
            return problem(format!("the message does not say `{word}`"));
        }
        if let Some(secret) = expected.secrets.iter().find(|secret| told.contains(**secret)) {
            return problem(format!("the message says the secret `{secret}`"));
        }
        if !lower.contains("hint: ") {
            return problem("the message does not say what to do".to_owned());
        }
        if self.took > expected.within {
            return problem(format!("it took {:.1} s", self.took.as_secs_f64()));
        }
        Ok(())
    }
}
