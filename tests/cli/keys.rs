//! Somebody at a terminal: keys that are typed into the shell, and the screen that is read.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::process::Folder;

/// What is typed and looked for, step by step.
pub struct Keys<'a> {
    folder: &'a Folder,
    size: (u16, u16),
    args: Vec<String>,
    steps: Vec<Value>,
}

/// How long anything may take that is waited for, in seconds: machines that test are busy.
const LONG: f64 = 60.0;

pub const CTRL_C: &str = "\x03";
pub const CTRL_D: &str = "\x04";
pub const CTRL_R: &str = "\x12";
pub const TAB: &str = "\t";
pub const UP: &str = "\x1b[A";

impl<'a> Keys<'a> {
    pub fn new(folder: &'a Folder, args: &[&str]) -> Self {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Self { folder, size: (80, 24), args, steps: Vec::new() }
    }

    pub fn size(mut self, columns: u16, rows: u16) -> Self {
        self.size = (columns, rows);
        self
    }

    pub fn keys(self, text: &str) -> Self {
        self.step(json!(["type", text]))
    }

    /// A line, once there is a prompt for it.
    pub fn line(self, text: &str) -> Self {
        self.prompt().keys(&format!("{text}\r"))
    }

    /// Waits for an empty prompt at the end of the screen.
    pub fn prompt(self) -> Self {
        self.wait(r"icelift> *\Z")
    }

    /// Waits until the screen shows what a regular expression of Python says.
    pub fn wait(self, regex: &str) -> Self {
        self.step(json!(["wait", regex, LONG]))
    }

    /// Waits until the shell has computed for so many seconds.
    pub fn busy(self, seconds: f64) -> Self {
        self.step(json!(["busy", seconds]))
    }

    /// Answers with the screen.
    pub fn screen(self) -> Self {
        self.step(json!(["screen"]))
    }

    /// Answers with all that was written.
    pub fn raw(self) -> Self {
        self.step(json!(["raw"]))
    }

    /// Plays it all, then waits for the end: the answers, the last of which is the exit code.
    pub fn play(self) -> Vec<Value> {
        let python = std::env::var_os("ICELIFT_PYTHON");
        assert!(python.is_some(), "ICELIFT_PYTHON is not set: run `cargo xtask test`");
        let mut command = Command::new(python.unwrap());
        self.folder.prepare(&mut command);
        let typist = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/typist.py");
        command.arg(typist).args([self.size.0.to_string(), self.size.1.to_string()]);
        command.arg(env!("CARGO_BIN_EXE_icelift")).args(&self.args);
        command.env("LC_ALL", "C.UTF-8");
        if !self.folder.sets("TERM") {
            command.env("TERM", "xterm");
        }
        let steps = self.steps.into_iter().chain([json!(["end", LONG])]);
        let steps: String = steps.map(|step| format!("{step}\n")).collect();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), steps.as_bytes());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answers = String::from_utf8(output.stdout).unwrap();
        answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn step(mut self, step: Value) -> Self {
        self.steps.push(step);
        self
    }
}
