//! Runs the binary in a folder of its own, with an environment of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use tempfile::TempDir;

/// Where a case works; nothing of the user's home or configuration is seen.
pub struct Folder {
    place: TempDir,
    variables: Vec<(String, String)>,
}

/// What a finished process left.
#[derive(Debug)]
pub struct Ran {
    /// The negative number of the signal that ended it, if one did.
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
        Self { place: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    pub fn path(&self) -> &Path {
        self.place.path()
    }

    /// Sets a variable of the environment, from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Whether a case has set a variable.
    pub fn sets(&self, name: &str) -> bool {
        self.variables.iter().any(|(known, _)| known == name)
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
        Ran { code: code(output.status), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    pub fn start(&self, args: &[&str]) -> Running {
        let mut child = self.command(args).stdin(Stdio::null()).spawn().unwrap();
        let stdout = child.stdout.take().map(BufReader::new);
        Running { child, stdout }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_icelift"));
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.prepare(&mut command);
        command
    }

    /// Gives a command the folder and its environment.
    pub fn prepare(&self, command: &mut Command) {
        command.current_dir(self.path());
        for name in ["XDG_STATE_HOME", "XDG_CONFIG_HOME", "RUST_LOG", "NO_COLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        let ours = ["ICELIFT_", "PYICEBERG_"];
        for (name, _) in std::env::vars_os() {
            if ours.iter().any(|start| name.to_string_lossy().starts_with(start)) {
                command.env_remove(name);
            }
        }
        command.env("HOME", self.path()).env("TMPDIR", self.path()).env("ICELIFT_TEST_FOLDER", self.path());
        command.env("GLUE_WAREHOUSE", self.path().join("kept/glue")).env("R2_WAREHOUSE", self.path().join("kept/r2"));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
    }
}

fn code(status: ExitStatus) -> i32 {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    let signal: Option<i32> = None;
    status.code().unwrap_or_else(|| -signal.unwrap_or(1))
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
        Ran { code: code(self.child.wait().unwrap()), stdout, stderr }
    }
}

impl Drop for Running {
    /// A case that failed leaves no process behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
