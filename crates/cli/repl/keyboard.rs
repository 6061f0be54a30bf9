//! The line editor. It blocks, so it works on a thread of its own and is handed to and fro.

use icelift::{Error, ErrorKind};
use rustyline::error::ReadlineError;
use rustyline::{ColorMode, CompletionType, Config};

use super::history::History;
use super::names::Names;
use super::typed::{Editor, Typed};
use crate::exit::Stop;
use crate::guard;
use crate::session::Setup;
use crate::signals::Signals;
use crate::ui;

/// What was typed.
pub enum Line {
    /// Statements or a command, whole.
    Text(String),
    /// By Ctrl-C.
    Cleared {
        was_empty: bool,
    },
    End,
}

pub struct Keyboard {
    editor: Option<Editor>,
    history: History,
}

impl Keyboard {
    pub fn open(setup: &Setup, names: Names) -> Result<Self, Stop> {
        let colour = setup.environment.get("NO_COLOR").is_none_or(String::is_empty);
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .history_ignore_dups(true)
            .map_err(unreadable)?
            .max_history_size(10_000)
            .map_err(unreadable)?
            .color_mode(if colour { ColorMode::Enabled } else { ColorMode::Disabled })
            .build();
        let mut editor = Editor::with_config(config).map_err(unreadable)?;
        editor.set_helper(Some(Typed::new(names, colour && can_colour(setup))));
        let history = History::open(&setup.environment, &mut editor);
        Ok(Self { editor: Some(editor), history })
    }

    /// Reads statements or a command, unless SIGTERM comes first.
    pub async fn read(&mut self, prompt: &str, variables: Vec<String>) -> Result<Line, Stop> {
        self.ask(prompt, Some(variables)).await
    }

    /// Asks before something is changed or deleted.
    pub async fn agrees(&mut self, sql: &str) -> Result<bool, Stop> {
        let question = guard::question(sql);
        let (said, prompt) = question.rsplit_once('\n').unwrap_or(("", &question));
        ui::say(said);
        match self.ask(prompt, None).await? {
            Line::Text(answer) => Ok(guard::is_yes(&answer)),
            Line::Cleared { .. } | Line::End => Ok(false),
        }
    }

    /// Keeps what was typed for this shell and later ones.
    pub fn remember(&mut self, text: &str) {
        if let Some(editor) = &mut self.editor {
            self.history.add(editor, text);
        }
    }

    /// To be called behind a statement that may have changed names.
    pub fn forget_names(&self) {
        if let Some(typed) = self.editor.as_ref().and_then(|editor| editor.helper()) {
            typed.names().forget();
        }
    }

    async fn ask(&mut self, prompt: &str, variables: Option<Vec<String>>) -> Result<Line, Stop> {
        let mut signals = Signals::listen()?;
        let Some(mut editor) = self.editor.take() else { return Ok(Line::End) };
        if let Some(typed) = editor.helper_mut() {
            typed.begin(variables);
        }
        let prompt = prompt.to_owned();
        let reading = tokio::task::spawn_blocking(move || {
            let line = editor.readline(&prompt);
            (editor, line)
        });
        let (editor, line) = tokio::select! {
            read = reading => read.map_err(|error| unreadable(ReadlineError::Io(error.into())))?,
            signal = signals.terminated() => return Err(Stop::Signalled { place: None, signal, resume: None }),
        };
        let was_empty = editor.helper().is_none_or(Typed::was_empty);
        self.editor = Some(editor);
        match line {
            Ok(line) => Ok(Line::Text(line)),
            Err(ReadlineError::Interrupted) => Ok(Line::Cleared { was_empty }),
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(error) => Err(unreadable(error)),
        }
    }
}

fn can_colour(setup: &Setup) -> bool {
    setup.environment.get("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}

fn unreadable(error: ReadlineError) -> Stop {
    Error::new(ErrorKind::Read, "the keyboard cannot be read").source(error).into()
}
