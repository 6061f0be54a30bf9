//! One server as a process, which ends with the test process, however that ends.
//!
//! Each server stops when its standard input closes: the kernel closes it even if this process is killed. Dropping also waits,
//! and kills who does not listen.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use tempfile::TempDir;

/// On a busy machine a server takes ten times as long as on an idle one.
const START_MAX: Duration = Duration::from_secs(120);
const END_MAX: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// How much of a server's log goes into the message of a failure.
const LOG_LINES: usize = 30;

pub(crate) struct Process {
    name: &'static str,
    child: Child,
    input: Option<ChildStdin>,
    log: PathBuf,
    /// The server's data and log; goes last.
    _folder: TempDir,
}

impl Process {
    /// Starts a server that keeps its files in `folder`, and waits until `ready` finds in its log what it looks for.
    pub(crate) fn start<T>(
        name: &'static str,
        mut command: Command,
        folder: TempDir,
        ready: impl Fn(&str) -> Option<T>,
    ) -> Result<(Self, T), Failed> {
        let log = folder.path().join("server.log");
        let file = File::create(&log)?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .map_err(|error| format!("{name} does not start: {error}"))?;
        let input = child.stdin.take();
        let mut process = Self { name, child, input, log, _folder: folder };
        let found = process.wait_for(ready)?;
        Ok((process, found))
    }

    fn wait_for<T>(&mut self, ready: impl Fn(&str) -> Option<T>) -> Result<T, Failed> {
        let start = Instant::now();
        loop {
            if let Some(found) = ready(&self.log()) {
                return Ok(found);
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(self.failed(&format!("ended with {status}")));
            }
            if start.elapsed() > START_MAX {
                return Err(self.failed(&format!("is not ready after {} s", START_MAX.as_secs())));
            }
            std::thread::sleep(POLL);
        }
    }

    fn failed(&self, what: &str) -> Failed {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
        format!("{} {what}; the end of its log:\n{last}", self.name).into()
    }

    fn log(&self) -> String {
        std::fs::read(&self.log).map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Closes its standard input and says whether it ends by itself.
    pub(crate) fn ends_with_input(&mut self) -> bool {
        drop(self.input.take());
        let start = Instant::now();
        while start.elapsed() < END_MAX {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            std::thread::sleep(POLL);
        }
        false
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.ends_with_input() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
