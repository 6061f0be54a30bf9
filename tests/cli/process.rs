//! Runs the binary in a folder of its own, with an environment of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use tempfile::TempDir;

/// Where a case works; nothing of the user's home or configuration is seen.
pub struct Folder(TempDir);

/// What a finished process left.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A process whose stdout is read while it runs.
pub struct Running {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
}

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file.
    pub fn with(self, name: &str, text: &str) -> Self {
        std::fs::write(self.path().join(name), text).unwrap();
        self
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        self.run_with_stdin(args, "")
    }

    pub fn run_with_stdin(&self, args: &[&str], text: &str) -> Ran {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        // It may end without reading.
        let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    pub fn start(&self, args: &[&str]) -> Running {
        let mut child = self.command(args).stdin(Stdio::null()).spawn().unwrap();
        let stdout = child.stdout.take().map(BufReader::new);
        Running { child, stdout }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_icelift"));
        command.args(args).current_dir(self.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for name in ["ICELIFT_LOG", "XDG_STATE_HOME", "ICELIFT_UNSET", "RUST_LOG"] {
            command.env_remove(name);
        }
        command.env("HOME", self.path()).env("TMPDIR", self.path()).env("ICELIFT_TEST_FOLDER", self.path());
        command.env("GLUE_WAREHOUSE", self.path().join("kept/glue")).env("R2_WAREHOUSE", self.path().join("kept/r2"));
        command
    }
}

impl Running {
    pub fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.as_mut().unwrap().read_line(&mut line).unwrap();
        line
    }

    pub fn close_stdout(&mut self) {
        self.stdout = None;
    }

    /// Sends a signal by its name.
    #[cfg(unix)]
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end; the rest of stdout comes with it.
    pub fn wait(mut self) -> Ran {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        if let Some(rest) = &mut self.stdout {
            rest.read_to_string(&mut stdout).unwrap();
        }
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        Ran { code: self.child.wait().unwrap().code().unwrap_or(-1), stdout, stderr }
    }
}

impl Drop for Running {
    /// A case that failed leaves no process behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
