//! What was typed in earlier shells, in the user's state folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustyline::DefaultEditor;
use tracing::debug;

/// The history file; without a home folder, or when it cannot be written, the history lasts as long as the shell.
pub struct History {
    file: Option<PathBuf>,
}

impl History {
    /// Fills the editor with what earlier shells left.
    pub fn open(environment: &BTreeMap<String, String>, editor: &mut DefaultEditor) -> Self {
        let file = file(environment).filter(|file| file.parent().is_some_and(is_private_folder));
        if let Some(file) = &file
            && let Err(error) = editor.load_history(file)
        {
            debug!(%error, "no history");
        }
        Self { file }
    }

    /// Keeps what was typed, unless a secret may be in it.
    pub fn add(&mut self, editor: &mut DefaultEditor, statements: &str) {
        if may_hold_secrets(statements) {
            return;
        }
        let added = editor.add_history_entry(statements.trim());
        if let (Ok(true), Some(file)) = (added, &self.file)
            && let Err(error) = editor.append_history(file)
        {
            debug!(%error, "history not written");
        }
    }
}

/// ATTACH carries tokens and keys.
fn may_hold_secrets(statements: &str) -> bool {
    let mut words = statements.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.any(|word| word.eq_ignore_ascii_case("attach"))
}

fn file(environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    let folder = |name: &str| environment.get(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
    let state = folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")))?;
    Some(state.join("icelift/history"))
}

/// Makes the folder, for its owner alone, unless it is there.
fn is_private_folder(folder: &Path) -> bool {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attach_is_never_kept() {
        assert!(may_hold_secrets("/* x */attach 'w' AS r2 (TOKEN 't');"));
        assert!(may_hold_secrets("SELECT 1;\nATTACH\n'w' AS r2;"));
        assert!(!may_hold_secrets("SELECT attached FROM attachments;"));
    }

    #[test]
    fn the_state_folder_is_found() {
        let variables = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect::<BTreeMap<_, _>>()
        };
        let home = ("HOME", "/users/a");
        let found = file(&variables(&[home, ("XDG_STATE_HOME", "/state")]));
        assert_eq!(found, Some("/state/icelift/history".into()));
        let found = file(&variables(&[home, ("XDG_STATE_HOME", "relative")]));
        assert_eq!(found, Some("/users/a/.local/state/icelift/history".into()));
        assert_eq!(file(&variables(&[])), None);
    }
}
