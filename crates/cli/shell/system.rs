//! `\e` and `\!`: other programs on the same terminal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use icelift::{Error, ErrorKind};
use tokio::process::Command;

use super::commands::wrong;
use super::{Flow, Shell};
use crate::exit::{Place, Stop};
use crate::ui;

/// What shows long results; `less` leaves what fits on one screen where it is. None where PAGER is set to nothing.
pub fn pager(environment: &BTreeMap<String, String>) -> Option<String> {
    let named = |name: &str| environment.get(name).cloned();
    let pager = named("ICELIFT_PAGER").or_else(|| named("PAGER")).unwrap_or_else(|| "less -SRFX".to_owned());
    (!pager.trim().is_empty()).then_some(pager)
}

impl Shell {
    /// Runs a command of the system, or its shell.
    pub(super) async fn system(&mut self, command: &str) -> Result<(), Stop> {
        let shell = self.environment.get("SHELL").map_or("sh", String::as_str);
        let mut process = match command {
            "" => Command::new(shell),
            command => {
                let mut process = Command::new("sh");
                process.args(["-c", command]);
                process
            }
        };
        let failed = |source| Error::new(ErrorKind::Execution, "the command cannot be run").source(source);
        let status = process.status().await.map_err(failed)?;
        if !status.success() {
            ui::say(&format!("note: the command ended with {status}"));
        }
        Ok(())
    }

    /// Edits a file, or the last statement, and runs what was written.
    pub(super) async fn edit(&mut self, file: Option<&str>, place: Option<&Place>) -> Result<Flow, Stop> {
        let own = std::env::temp_dir().join(format!("icelift-{}.sql", std::process::id()));
        let path = match file {
            Some(file) => PathBuf::from(file),
            None => {
                let text = self.last.as_ref().map(|sql| format!("{sql};\n")).unwrap_or_default();
                std::fs::write(&own, text).map_err(|source| unusable(&own, source))?;
                own.clone()
            }
        };
        let written = self.edited(&path).await;
        if file.is_none() {
            let _ = std::fs::remove_file(&own);
        }
        match written? {
            Some(text) => {
                ui::say(text.trim_end());
                self.run_text(&text, place).await
            }
            None => Ok(Flow::On),
        }
    }

    /// What stands in the file once the editor has ended; nothing if it did not end well.
    async fn edited(&self, path: &Path) -> Result<Option<String>, Stop> {
        let named = |name: &str| self.environment.get(name).filter(|name| !name.trim().is_empty());
        let editor = named("VISUAL").or_else(|| named("EDITOR")).map_or("vi", String::as_str);
        let mut process = Command::new("sh");
        process.args(["-c", &format!("{editor} \"$1\""), "sh"]).arg(path);
        let status = process.status().await.map_err(|_| wrong(format!("the editor `{editor}` cannot be started")))?;
        if !status.success() {
            ui::say(&format!("note: the editor ended with {status}; nothing was run"));
            return Ok(None);
        }
        std::fs::read_to_string(path).map(Some).map_err(|source| unusable(path, source))
    }
}

fn unusable(path: &Path, source: std::io::Error) -> Stop {
    Error::new(ErrorKind::Read, format!("`{}` cannot be used", path.display())).source(source).into()
}
