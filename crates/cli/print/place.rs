//! Where results go: stdout, a pager in front of it, a file, a command.
//!
//! What must hold: a write to a full pipe must not keep a signal from being heard, so all writes are tokio's.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use console::Term;
use icelift::{Error, ErrorKind};
use tokio::io::{AsyncWriteExt, Stdout};
use tokio::process::{Child, Command};

use crate::args::Format;
use crate::exit::Stop;

/// Lines of the screen that the prompt and what is said of a statement need.
const LINES_KEPT: usize = 3;

/// What `\o`, `\g` and `--output` name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Stdout,
    File(PathBuf),
    /// The command behind a `|`.
    Command(String),
}

impl Target {
    pub fn of(text: &str) -> Self {
        match text.strip_prefix('|') {
            _ if text.is_empty() => Self::Stdout,
            Some(command) => Self::Command(command.trim().to_owned()),
            None => Self::File(text.into()),
        }
    }

    /// The format that a file's name asks for.
    pub fn format(&self) -> Option<Format> {
        let Self::File(path) = self else { return None };
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        let known = [
            ("csv", Format::Csv),
            ("tsv", Format::Tsv),
            ("json", Format::Json),
            ("jsonl", Format::Jsonl),
            ("ndjson", Format::Jsonl),
            ("md", Format::Markdown),
            ("html", Format::Html),
            ("htm", Format::Html),
            ("parquet", Format::Parquet),
            ("arrow", Format::Arrow),
            ("feather", Format::Arrow),
        ];
        known.into_iter().find(|(name, _)| *name == extension).map(|(_, format)| format)
    }
}

/// Where results go now.
pub struct Place {
    stdout: Stdout,
    /// The command that shows what is longer than the screen.
    pub pager: Option<String>,
    /// What may still fit on the screen.
    held: Vec<u8>,
    showing: Option<Child>,
    left: bool,
    elsewhere: Option<Elsewhere>,
    aside: Option<Elsewhere>,
    #[cfg(test)]
    pub memory: Option<Vec<u8>>,
}

enum Elsewhere {
    File { file: tokio::fs::File, path: PathBuf },
    Command(Child),
}

impl Place {
    pub fn stdout() -> Self {
        Self {
            stdout: tokio::io::stdout(),
            pager: None,
            held: Vec::new(),
            showing: None,
            left: false,
            elsewhere: None,
            aside: None,
            #[cfg(test)]
            memory: None,
        }
    }

    pub fn open(&mut self, target: Target) -> Result<(), Stop> {
        self.elsewhere = match target {
            Target::Stdout => None,
            Target::File(path) => {
                let file = std::fs::File::create(&path).map_err(|source| unwritable(&path, source))?;
                Some(Elsewhere::File { file: file.into(), path })
            }
            Target::Command(command) => Some(Elsewhere::Command(shell(&command)?)),
        };
        Ok(())
    }

    /// Waits for what was sent elsewhere, and goes back to stdout.
    pub async fn close(&mut self) -> Result<(), Stop> {
        match self.elsewhere.take() {
            Some(Elsewhere::File { mut file, path }) => file.flush().await.map_err(|source| unwritable(&path, source)),
            Some(Elsewhere::Command(child)) => ended(child).await,
            None => Ok(()),
        }
    }

    /// Leaves what is open for a while.
    pub fn set_aside(&mut self) {
        self.aside = self.elsewhere.take();
    }

    pub fn take_up(&mut self) {
        self.elsewhere = self.aside.take();
    }

    pub fn is_a_terminal(&self) -> bool {
        self.elsewhere.is_none() && io::stdout().is_terminal()
    }

    /// The columns that there are, on a terminal.
    pub fn width(&self) -> Option<usize> {
        let (_, columns) = Term::stdout().size_checked().filter(|_| self.is_a_terminal())?;
        Some(usize::from(columns).max(20))
    }

    /// Whether who was reading has left the pager.
    pub fn was_left(&self) -> bool {
        self.left
    }

    pub async fn write(&mut self, text: &[u8]) -> Result<(), Stop> {
        #[cfg(test)]
        if let Some(memory) = &mut self.memory {
            memory.extend_from_slice(text);
            return Ok(());
        }
        match &mut self.elsewhere {
            Some(Elsewhere::File { file, path }) => {
                file.write_all(text).await.map_err(|source| unwritable(path, source))
            }
            Some(Elsewhere::Command(child)) => match &mut child.stdin {
                Some(stdin) => stdin.write_all(text).await.map_err(Stop::output),
                None => Ok(()),
            },
            None if self.pager.is_some() => self.page(text).await,
            None => self.stdout.write_all(text).await.map_err(Stop::output),
        }
    }

    async fn page(&mut self, text: &[u8]) -> Result<(), Stop> {
        if self.left {
            return Ok(());
        }
        if self.showing.is_none() {
            self.held.extend_from_slice(text);
            let rows = Term::stdout().size_checked().map_or(24, |(rows, _)| usize::from(rows));
            let lines = self.held.iter().filter(|byte| **byte == b'\n').count();
            if lines + LINES_KEPT <= rows {
                return Ok(());
            }
            self.showing = Some(shell(self.pager.as_deref().unwrap_or("less"))?);
        }
        let held = std::mem::take(&mut self.held);
        let text = if held.is_empty() { text } else { held.as_slice() };
        let Some(stdin) = self.showing.as_mut().and_then(|child| child.stdin.as_mut()) else { return Ok(()) };
        match stdin.write_all(text).await {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.left = true;
                Ok(())
            }
            written => written.map_err(Stop::output),
        }
    }

    /// Brings what was written so far to the reader.
    pub async fn flush(&mut self) -> Result<(), Stop> {
        if !self.held.is_empty() && self.showing.is_none() {
            let held = std::mem::take(&mut self.held);
            self.stdout.write_all(&held).await.map_err(Stop::output)?;
        }
        self.stdout.flush().await.map_err(Stop::output)
    }

    /// Ends an answer: what is shown in a pager is read to its end.
    pub async fn end(&mut self) -> Result<(), Stop> {
        if let Some(child) = self.showing.take() {
            ended(child).await?;
        }
        self.left = false;
        match &mut self.elsewhere {
            Some(Elsewhere::File { file, path }) => file.flush().await.map_err(|source| unwritable(path, source)),
            Some(Elsewhere::Command(_)) => Ok(()),
            None => self.flush().await,
        }
    }
}

/// Starts a command that reads what is printed.
fn shell(command: &str) -> Result<Child, Stop> {
    let started = Command::new("sh").args(["-c", command]).stdin(Stdio::piped()).kill_on_drop(false).spawn();
    started.map_err(|source| Error::new(ErrorKind::Write, "the command cannot be started").source(source).into())
}

async fn ended(mut child: Child) -> Result<(), Stop> {
    drop(child.stdin.take());
    match child.wait().await {
        Ok(_) => Ok(()),
        Err(source) => Err(Error::new(ErrorKind::Write, "the command cannot be waited for").source(source).into()),
    }
}

fn unwritable(path: &Path, source: io::Error) -> Stop {
    let message = format!("`{}` cannot be written", path.display());
    Error::new(ErrorKind::Write, message).source(source).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_and_their_formats() {
        assert_eq!(Target::of(""), Target::Stdout);
        assert_eq!(Target::of("| wc -l"), Target::Command("wc -l".to_owned()));
        let format = |text: &str| Target::of(text).format();
        assert_eq!([format("a/b.PARQUET"), format("x.jsonl")], [Some(Format::Parquet), Some(Format::Jsonl)]);
        assert_eq!([format("x.txt"), format("x"), format("| cat > x.csv")], [None, None, None]);
    }
}
