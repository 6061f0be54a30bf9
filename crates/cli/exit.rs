//! Why the process ends before its work is done, and the exit code that says so.

use std::{fmt, io};

use icelift::{Error, ErrorKind};

use crate::signals::Signal;

/// Why nothing more is run.
#[derive(Debug)]
pub enum Stop {
    Failed(Problem),
    Signalled {
        place: Option<Place>,
        signal: Signal,
        /// How to go on, where the statement can be.
        resume: Option<String>,
    },
    /// Scripts went on behind errors that were said already.
    Summary {
        code: u8,
        text: String,
    },
    /// Nobody reads stdout any more.
    PipeClosed,
}

/// An error, and the place that it concerns.
#[derive(Debug)]
pub struct Problem {
    pub place: Option<Place>,
    pub error: Error,
}

/// A file, and the line of it on which a statement or a setting begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub label: String,
    pub line: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.label),
            None => f.write_str(&self.label),
        }
    }
}

impl From<String> for Place {
    fn from(label: String) -> Self {
        Self { label, line: None }
    }
}

impl Stop {
    /// Names the place, unless a closer one is named already.
    pub fn at(mut self, label: impl FnOnce() -> Place) -> Self {
        match &mut self {
            Stop::Failed(Problem { place, .. }) | Stop::Signalled { place, .. } => {
                place.get_or_insert_with(label);
            }
            Stop::Summary { .. } | Stop::PipeClosed => {}
        }
        self
    }

    /// stdout could not be written.
    pub fn output(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Stop::PipeClosed,
            _ => Error::new(ErrorKind::Write, "stdout could not be written").source(error).into(),
        }
    }
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Stop::Failed(problem)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(Problem { place: None, error })
    }
}

/// The exit code; 128 and more follow the shell: 128 + the number of the signal, 141 being that of SIGPIPE.
pub fn code(stop: &Stop) -> u8 {
    match stop {
        Stop::Failed(problem) => match problem.error.kind() {
            ErrorKind::Config => 2,
            // Run again, the statement goes on; only after CommitUnknown it is to be looked at first.
            ErrorKind::Stopped | ErrorKind::Fenced | ErrorKind::CommitUnknown => 3,
            ErrorKind::Difference => 4,
            _ => 1,
        },
        Stop::Signalled { signal: Signal::Interrupt, .. } => 130,
        Stop::Signalled { signal: Signal::Terminate, .. } => 143,
        Stop::Summary { code, .. } => *code,
        // Not 0: what a script had still to do has not been done.
        Stop::PipeClosed => 141,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_tell_what_to_do() {
        let failed = |kind| code(&Error::new(kind, "no").into());
        assert_eq!([ErrorKind::Config, ErrorKind::Sql, ErrorKind::Drift, ErrorKind::Read].map(failed), [2, 1, 1, 1]);
        assert_eq!([ErrorKind::Stopped, ErrorKind::Fenced, ErrorKind::CommitUnknown].map(failed), [3, 3, 3]);
        assert_eq!(failed(ErrorKind::Difference), 4);
        let signalled = |signal| code(&Stop::Signalled { place: None, signal, resume: None });
        assert_eq!([Signal::Interrupt, Signal::Terminate].map(signalled), [130, 143]);
        assert_eq!(code(&Stop::PipeClosed), 141);
    }
}
