//! Scripts: statements and the terminal's own commands, each with its line.
//!
//! A command stands on a line of its own, or behind a statement that it ends: `SELECT 1 \g file.csv`.

use std::io::Read;
use std::path::{Path, PathBuf};

use icelift::script::{self, End};
use icelift::{Error, ErrorKind};

use crate::args::Input;
use crate::exit::{Place, Problem, Stop};

/// A text of statements, and what error messages call it.
#[derive(Debug)]
pub struct Script {
    pub label: String,
    text: String,
    is_file: bool,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Statement {
        sql: String,
        line: usize,
    },
    /// A line that begins with `\` or `.`.
    Command {
        /// The statement that stands before it.
        sql: Option<String>,
        text: String,
        line: usize,
    },
}

impl Script {
    /// Reads what `-f` or `-c` names.
    pub fn read(input: Input) -> Result<Self, Problem> {
        let is_file = matches!(input, Input::File(_));
        let (label, text) = match input {
            Input::Command(sql) => return Ok(Self::of("-c", sql)),
            Input::File(file) => (file.display().to_string(), std::fs::read_to_string(&file)),
            Input::Stdin => {
                let mut text = String::new();
                ("stdin".to_owned(), std::io::stdin().lock().read_to_string(&mut text).map(|_| text))
            }
        };
        match text {
            Ok(text) => {
                let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
                Ok(Self { is_file, ..Self::of(label, text) })
            }
            Err(error) => Err(Problem {
                place: Some(label.into()),
                error: Error::new(ErrorKind::Config, "the script cannot be read").source(error),
            }),
        }
    }

    pub fn of(label: impl Into<String>, text: impl Into<String>) -> Self {
        Self { label: label.into(), text: text.into(), is_file: false }
    }

    /// The folder of the file.
    pub fn folder(&self) -> Option<PathBuf> {
        Path::new(&self.label).parent().map(Path::to_path_buf).filter(|_| self.is_file)
    }

    /// What there is to do, and where it stands.
    pub fn items(&self) -> Result<Vec<(Place, Item)>, Stop> {
        let items = items(&self.text).map_err(|error| Stop::from(error).at(|| self.label.clone().into()))?;
        let place = |item: &Item| match item {
            Item::Statement { line, .. } | Item::Command { line, .. } => {
                Place { label: self.label.clone(), line: Some(*line) }
            }
        };
        Ok(items.into_iter().map(|item| (place(&item), item)).collect())
    }
}

/// Cuts a text into statements and commands.
pub fn items(text: &str) -> Result<Vec<Item>, Error> {
    let (mut items, mut at, mut lines) = (Vec::new(), 0, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let first = script::first(rest);
        let statement = first.statement.map(|piece| (lines + piece.line, piece.sql));
        let mut end = first.rest;
        match (first.end, statement) {
            (End::Broken, _) => return Err(broken(rest, lines)),
            (End::Command, statement) => {
                let command = rest.get(end..).unwrap_or_default();
                let command = command.split_inclusive('\n').next().unwrap_or_default();
                let own = lines + newlines(rest.get(..end).unwrap_or_default()) + 1;
                end += command.len();
                let text = command.trim().to_owned();
                let line = statement.as_ref().map_or(own, |(line, _)| *line);
                items.push(Item::Command { sql: statement.map(|(_, sql)| sql), text, line });
            }
            (End::Semicolon | End::Text, Some((line, sql))) => items.push(Item::Statement { sql, line }),
            (End::Semicolon | End::Text, None) => {}
        }
        lines += newlines(rest.get(..end).unwrap_or_default());
        at += end.max(1);
    }
    Ok(items)
}

/// Whether what was typed so far can be run: it ends with a `;` or a command. What no further line could mend can be run too, so
/// that its error is shown.
pub fn is_complete(text: &str) -> bool {
    let mut rest = text;
    let mut any = false;
    loop {
        let first = script::first(rest);
        match first.end {
            End::Broken => return script::is_complete(rest),
            End::Text => return first.statement.is_none() && any,
            End::Semicolon => rest = rest.get(first.rest..).unwrap_or_default(),
            End::Command => {
                let command = rest.get(first.rest..).unwrap_or_default();
                rest = command.split_once('\n').map_or("", |(_, rest)| rest);
            }
        }
        any = true;
    }
}

/// What is wrong with the rest of a text, at the lines of the whole.
fn broken(rest: &str, lines: usize) -> Error {
    let moved = "\n".repeat(lines) + rest;
    let error = script::split(&moved).err();
    error.unwrap_or_else(|| Error::new(ErrorKind::Sql, "the script ends in the middle of a statement"))
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(line: usize, sql: &str) -> Item {
        Item::Statement { sql: sql.to_owned(), line }
    }

    fn command(line: usize, sql: Option<&str>, text: &str) -> Item {
        Item::Command { sql: sql.map(str::to_owned), text: text.to_owned(), line }
    }

    #[test]
    fn statements_and_commands_have_their_lines() {
        let text = "-- a\nSELECT 1; SELECT\n 2;\n\\echo it's; here\n.mode csv\n\nSELECT 3\n\\g out.csv\nSELECT ';' \\gx\n;\nSELECT 4";
        let expected = [
            statement(2, "SELECT 1"),
            statement(2, "SELECT\n 2"),
            command(4, None, "\\echo it's; here"),
            command(5, None, ".mode csv"),
            command(7, Some("SELECT 3"), "\\g out.csv"),
            command(9, Some("SELECT ';'"), "\\gx"),
            statement(11, "SELECT 4"),
        ];
        assert_eq!(items(text).unwrap(), expected);
        assert_eq!(items("").unwrap(), []);
        let error = items("SELECT 1;\n\\echo '\nSELECT 'open;\n").unwrap_err();
        assert_eq!(error.to_string(), "unterminated string that begins at line 3, column 8");
    }

    #[test]
    fn complete_is_what_ends() {
        for text in
            ["SELECT 1;", "\\d", ".tables", "SELECT 1 \\g", "SELECT 1;\n\\x\n", "SELECT 1; -- x\n", "SELECT ._a"]
        {
            assert!(is_complete(text), "{text}");
        }
        for text in ["", "-- x", "SELECT 1", "SELECT 1; SELECT", "SELECT ';", "\\x\nSELECT", "SELECT 1; /* ;"] {
            assert!(!is_complete(text), "{text}");
        }
    }
}
