//! Running other programs: print the command, run it, pass on how it ended.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};

pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// Why a command of ours stops.
pub(crate) enum Failure {
    /// A program ran and said no; it has printed why.
    Status(ExitStatus),
    /// We cannot go on; this is what to tell the user.
    Message { text: String, code: u8 },
}

impl Failure {
    pub(crate) fn message(text: impl Into<String>) -> Self {
        Self::Message { text: text.into(), code: 1 }
    }

    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Message { text: text.into(), code: 2 }
    }

    /// Prints what there is to say and turns it into our own exit code.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Status(status) => ExitCode::from(code_of(status)),
            Self::Message { text, code } => {
                eprintln!("error: {text}");
                ExitCode::from(code)
            }
        }
    }
}

/// A killed program has no code; shells say 128 + the signal, which one cannot tell from 1 by accident.
fn code_of(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(1);
    }
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// A program with its arguments, and the environment that is set for it and printed in front of it.
pub(crate) struct Program {
    command: Command,
    shown: String,
}

impl Program {
    pub(crate) fn new(program: impl AsRef<OsStr>, folder: &Path) -> Self {
        let mut command = Command::new(&program);
        command.current_dir(folder);
        // `cargo run`, which started us, describes our own package in variables; build scripts that look at them would make
        // the cargo we start build most of the dependency tree again.
        for (name, _) in std::env::vars_os() {
            let own = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_"];
            if name.to_str().is_some_and(|name| own.iter().any(|prefix| name.starts_with(prefix))) {
                command.env_remove(name);
            }
        }
        Self { command, shown: quoted(program.as_ref()) }
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.shown += " ";
        self.shown += &quoted(arg.as_ref());
        self.command.arg(arg);
        self
    }

    pub(crate) fn args(self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.shown = format!("{name}={} {}", quoted(value.as_ref()), self.shown);
        self.command.env(name, value);
        self
    }

    /// What it prints is for the user, not for who reads our own output.
    pub(crate) fn onto_stderr(mut self) -> Self {
        self.command.stdout(std::io::stderr());
        self
    }

    /// Runs it in front of the user.
    pub(crate) fn run(mut self) -> Outcome {
        eprintln!("+ {}", self.shown);
        match self.command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Failure::Status(status)),
            Err(error) => Err(Failure::message(format!("cannot run `{}`: {error}", self.shown))),
        }
    }

    /// Runs it silently and returns what it printed on stdout, or None if it is missing or fails.
    pub(crate) fn probe(mut self) -> Option<String> {
        let output = self.command.output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// The cargo that runs us, so that `cargo +nightly xtask` stays on nightly.
pub(crate) fn cargo(root: &Path, args: &[&str]) -> Program {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    Program::new(cargo, root).args(args)
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=+,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
