//! What the line editor asks while somebody types: whether it is whole, what comes next, how it looks.

use std::borrow::Cow;
use std::cell::Cell;

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper, Result};

use super::complete::{self, Session};
use super::highlight::coloured;
use super::names::Names;
use crate::script;

pub type Editor = rustyline::Editor<Typed, FileHistory>;

/// What is known of what is being typed.
pub struct Typed {
    /// Whether it is statements, and not the answer to a question.
    is_sql: bool,
    /// The editor does not say what Ctrl-C cleared.
    was_empty: Cell<bool>,
    in_colour: bool,
    names: Names,
    functions: Vec<String>,
    variables: Vec<String>,
    paths: FilenameCompleter,
}

impl Typed {
    pub fn new(names: Names, in_colour: bool) -> Self {
        let functions = names.functions();
        let (variables, paths) = (Vec::new(), FilenameCompleter::new());
        Self { is_sql: true, was_empty: Cell::new(true), in_colour, names, functions, variables, paths }
    }

    /// Something else is typed now; without variables, the answer to a question.
    pub fn begin(&mut self, variables: Option<Vec<String>>) {
        self.is_sql = variables.is_some();
        self.variables = variables.unwrap_or_default();
        self.was_empty.set(true);
    }

    /// Whether nothing was typed when the line was left.
    pub fn was_empty(&self) -> bool {
        self.was_empty.get()
    }

    pub fn names(&self) -> &Names {
        &self.names
    }
}

impl Highlighter for Typed {
    fn highlight<'l>(&self, line: &'l str, _position: usize) -> Cow<'l, str> {
        match self.in_colour && self.is_sql {
            true => Cow::Owned(coloured(line)),
            false => Cow::Borrowed(line),
        }
    }

    fn highlight_char(&self, _line: &str, _position: usize, kind: CmdKind) -> bool {
        self.in_colour && self.is_sql && kind != CmdKind::MoveCursor
    }
}

impl Validator for Typed {
    fn validate(&self, context: &mut ValidationContext<'_>) -> Result<ValidationResult> {
        let text = context.input();
        let word = text.trim().to_ascii_lowercase();
        let ends = !self.is_sql || word.is_empty() || ["quit", "exit", "help"].contains(&word.as_str());
        Ok(match ends || script::is_complete(text) {
            true => ValidationResult::Valid(None),
            false => ValidationResult::Incomplete,
        })
    }
}

impl Hinter for Typed {
    type Hint = String;

    fn hint(&self, line: &str, _position: usize, _context: &Context<'_>) -> Option<String> {
        // Asked after each key, in colour and without.
        self.was_empty.set(line.is_empty());
        None
    }
}

impl Completer for Typed {
    type Candidate = Pair;

    fn complete(&self, line: &str, position: usize, _context: &Context<'_>) -> Result<(usize, Vec<Pair>)> {
        let text = line.get(..position).unwrap_or(line);
        if !self.is_sql {
            return Ok((position, Vec::new()));
        }
        let session = Session { names: &self.names, functions: &self.functions, variables: &self.variables };
        let offer = complete::offer(text, &session);
        if offer.is_path {
            // Quotes of an earlier line are not the path's.
            let begin = text.rfind('\n').map_or(0, |at| at + 1);
            let own = line.get(begin..).unwrap_or_default();
            let (from, found) = self.paths.complete_path(own, position - begin)?;
            return Ok((begin + from, found));
        }
        let pair = |word: String| Pair { display: word.trim_end().to_owned(), replacement: word };
        Ok((offer.from, offer.words.into_iter().map(pair).collect()))
    }
}

impl Helper for Typed {}
