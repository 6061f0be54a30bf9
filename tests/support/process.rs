//! The binary as a process that sees nothing of who runs the tests: no home, no configuration, no cloud.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use icelift::Attach;
use libtest_mimic::Failed;
use tempfile::TempDir;

use super::root;

/// The largest figure is kept by the kernel, so that only what comes between the last look and the end is missed.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// A run that is being put together.
pub(crate) struct Binary {
    command: Command,
    home: Arc<TempDir>,
}

/// What a run left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A run under way.
pub(crate) struct Started {
    /// None only while it is waited for.
    child: Option<Child>,
    _home: Arc<TempDir>,
}

impl Binary {
    pub(crate) fn new() -> Result<Self, Failed> {
        let home = Arc::new(tempfile::tempdir()?);
        let mut command = Command::new(env!("CARGO_BIN_EXE_icelift"));
        command.current_dir(root()).args(["--format", "csv", "--quiet"]).env_clear();
        command.env("HOME", home.path()).env("TMPDIR", home.path()).env("AWS_EC2_METADATA_DISABLED", "true");
        Ok(Self { command, home })
    }

    /// A folder that goes with the run.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Keeps that folder for a look after the run.
    pub(crate) fn keep_home(&self) -> Arc<TempDir> {
        Arc::clone(&self.home)
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// A script of the repository.
    pub(crate) fn file(mut self, script: &str) -> Self {
        self.command.args(["-f", script]);
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.command.args(["-v", &format!("{name}={value}")]);
        self
    }

    /// A flag with its value.
    pub(crate) fn flag(mut self, name: &str, value: &str) -> Self {
        self.command.args([name, value]);
        self
    }

    pub(crate) fn sql(mut self, sql: &str) -> Self {
        self.command.args(["-c", sql]);
        self
    }

    /// The catalog by a statement, secrets and all: these are nobody's.
    pub(crate) fn attached(self, attach: &Attach) -> Self {
        let option = |(key, value): (&String, &String)| match key.as_str() {
            "type" => format!("TYPE {value}"),
            key => format!("\"{key}\" '{value}'"),
        };
        let options: Vec<_> = attach.options.iter().map(option).collect();
        let warehouse = attach.warehouse.as_deref().unwrap_or_default();
        self.sql(&format!("ATTACH '{warehouse}' AS {} ({})", attach.name, options.join(", ")))
    }

    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn start(mut self) -> Result<Started, Failed> {
        let child = self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        Ok(Started { child: Some(child), _home: self.home })
    }

    pub(crate) fn run(self) -> Result<Ran, Failed> {
        self.start()?.wait()
    }

    /// What a run prints that must succeed.
    pub(crate) fn stdout(self) -> Result<String, Failed> {
        self.run()?.stdout()
    }
}

impl Started {
    pub(crate) fn wait(mut self) -> Result<Ran, Failed> {
        let output = self.child.take().ok_or("unreachable: waited for twice")?.wait_with_output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().unwrap_or(-1);
        Ok(Ran { code, stdout: text(&output.stdout), stderr: text(&output.stderr) })
    }

    /// Waits, and looks how much memory the process has had at most. What the run says must fit into a pipe.
    pub(crate) fn wait_watched(mut self) -> Result<(Ran, u64), Failed> {
        let child = self.child.as_mut().ok_or("unreachable: waited for twice")?;
        let status = format!("/proc/{}/status", child.id());
        let mut peak_bytes = 0;
        while child.try_wait()?.is_none() {
            // A process that has just ended has no figures any more.
            peak_bytes = peak(&std::fs::read_to_string(&status).unwrap_or_default()).unwrap_or(peak_bytes);
            std::thread::sleep(BETWEEN_LOOKS);
        }
        match peak_bytes {
            0 => {
                Err("the kernel told nothing of the memory of the process: it is not known whether it stayed below"
                    .into())
            }
            _ => Ok((self.wait()?, peak_bytes)),
        }
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) -> Result<(), Failed> {
        let id = self.child.as_ref().map(|child| child.id().to_string()).unwrap_or_default();
        let sent = Command::new("kill").args(["-s", name, &id]).stderr(Stdio::null()).status()?;
        if sent.success() { Ok(()) } else { Err(format!("SIG{name} cannot be sent to {id}").into()) }
    }

    /// What the kernel says of it: `R` and `S` for one that runs, `T` for one that is stopped, `Z` for one that has ended.
    pub(crate) fn state(&self) -> Result<char, Failed> {
        let id = self.child.as_ref().map(|child| child.id()).unwrap_or_default();
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
        let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
        state.ok_or_else(|| format!("no state in `{stat}`").into())
    }
}

/// The largest resident set so far, which the kernel keeps.
fn peak(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

impl Drop for Started {
    /// A trial that failed leaves no process behind.
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Ran {
    pub(crate) fn stdout(self) -> Result<String, Failed> {
        if self.code == 0 { Ok(self.stdout) } else { Err(format!("exit code {}: {}", self.code, self.stderr).into()) }
    }
}
