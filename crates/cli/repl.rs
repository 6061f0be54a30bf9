//! The shell: reads statements from the keyboard until Ctrl-D.

mod history;

use icelift::{script, variables};
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use crate::exit::Stop;
use crate::run::{Done, Runner};
use crate::session::Setup;
use crate::signals::{Signal, Signals};
use crate::ui;
use history::History;

const PROMPT: &str = "icelift> ";
const CONTINUED: &str = "      -> ";
const HELP: &str = "\
A statement ends with `;` and may span lines.
Ctrl-C  clears the line, or stops the running statement
Ctrl-D, \\q, quit or exit  ends the shell";

const UNKNOWN: &str = "error: no such command\nhint: \\? shows what there is";

/// What a line without a statement asks for.
enum Request {
    Quit,
    Said(&'static str),
}

/// Runs the shell; an error in a statement is said and does not end it.
pub async fn run(mut setup: Setup) -> Result<(), Stop> {
    let signals = Signals::listen()?;
    let engine = setup.engine().await?;
    let mut runner = Runner::new(&setup, engine, signals);
    let mut keyboard = Keyboard::open(&setup)?;
    let mut pending = String::new();
    loop {
        let line = match keyboard.read(if pending.is_empty() { PROMPT } else { CONTINUED }).await? {
            Line::Text(line) => line,
            Line::Cleared => {
                pending.clear();
                continue;
            }
            Line::End => return Ok(()),
        };
        if pending.is_empty() {
            match request(line.trim()) {
                None if line.trim().is_empty() => continue,
                Some(Request::Quit) => return Ok(()),
                Some(Request::Said(text)) => {
                    ui::say(text);
                    continue;
                }
                None => {}
            }
        }
        pending.push_str(&line);
        if script::is_complete(&pending) {
            keyboard.remember(&pending);
            let text = std::mem::take(&mut pending);
            statements(&mut runner, &setup, &text).await?;
        } else {
            pending.push('\n');
        }
    }
}

fn request(line: &str) -> Option<Request> {
    match line {
        "\\q" | "quit" | "exit" | "quit;" | "exit;" => Some(Request::Quit),
        "\\?" | "\\h" | "help" | "help;" => Some(Request::Said(HELP)),
        other => other.starts_with('\\').then_some(Request::Said(UNKNOWN)),
    }
}

/// Runs what was typed up to the first error; only what ends the shell comes back as an error.
async fn statements(runner: &mut Runner, setup: &Setup, text: &str) -> Result<(), Stop> {
    runner.forget_signals()?;
    match all(runner, setup, text).await {
        Ok(()) => Ok(()),
        Err(ends @ (Stop::PipeClosed | Stop::Signalled { signal: Signal::Terminate, .. })) => Err(ends),
        Err(stop) => {
            ui::say_why(&stop);
            Ok(())
        }
    }
}

async fn all(runner: &mut Runner, setup: &Setup, text: &str) -> Result<(), Stop> {
    for piece in script::split(text)? {
        let sql = variables::substitute(&piece.sql, &setup.variables)?;
        let done: Done = runner.show(&sql).await?;
        if setup.is_watched() {
            ui::say(&done.to_string());
        }
    }
    Ok(())
}

enum Line {
    Text(String),
    Cleared,
    End,
}

/// The line editor. It blocks, so it works on a thread of its own and is handed to and fro.
struct Keyboard {
    editor: Option<DefaultEditor>,
    history: History,
}

impl Keyboard {
    fn open(setup: &Setup) -> Result<Self, Stop> {
        let mut editor = DefaultEditor::new().map_err(unreadable)?;
        let history = History::open(&setup.environment, &mut editor);
        Ok(Self { editor: Some(editor), history })
    }

    /// Reads a line, unless SIGTERM comes first.
    async fn read(&mut self, prompt: &'static str) -> Result<Line, Stop> {
        let mut signals = Signals::listen()?;
        let mut editor = match self.editor.take() {
            Some(editor) => editor,
            None => return Ok(Line::End),
        };
        let reading = tokio::task::spawn_blocking(move || {
            let line = editor.readline(prompt);
            (editor, line)
        });
        let (editor, line) = tokio::select! {
            read = reading => read.map_err(|error| unreadable(ReadlineError::Io(error.into())))?,
            signal = signals.terminated() => return Err(Stop::Signalled { place: None, signal, resume: None }),
        };
        self.editor = Some(editor);
        match line {
            Ok(line) => Ok(Line::Text(line)),
            Err(ReadlineError::Interrupted) => Ok(Line::Cleared),
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(error) => Err(unreadable(error)),
        }
    }

    fn remember(&mut self, statements: &str) {
        if let Some(editor) = &mut self.editor {
            self.history.add(editor, statements);
        }
    }
}

fn unreadable(error: ReadlineError) -> Stop {
    icelift::Error::new(icelift::ErrorKind::Read, "the keyboard cannot be read").source(error).into()
}
