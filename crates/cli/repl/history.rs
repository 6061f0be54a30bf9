//! What was typed in earlier shells, in the user's state folder.
//!
//! What must hold: no secret gets in, nothing stands in it twice, and only its owner can read it.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use rustyline::history::{History as _, SearchDirection};
use tracing::debug;

use super::typed::Editor;

/// Words behind or before which secrets stand.
const TELLING: [&str; 7] = ["attach", "token", "secret", "password", "credential", "credentials", "authorization"];

/// The history file; without a home folder, or when it cannot be written, the history lasts as long as the shell.
pub struct History {
    file: Option<PathBuf>,
}

impl History {
    /// Fills the editor with what earlier shells left.
    pub fn open(environment: &BTreeMap<String, String>, editor: &mut Editor) -> Self {
        let file = file(environment).filter(|file| file.parent().is_some_and(is_private_folder));
        if let Some(file) = &file
            && let Err(error) = editor.load_history(file)
        {
            debug!(%error, "no history");
        }
        Self { file }
    }

    /// Keeps what was typed, unless a secret may be in it; what stands there already moves to the end.
    pub fn add(&mut self, editor: &mut Editor, typed: &str) {
        let typed = typed.trim();
        if typed.is_empty() || may_hold_secrets(typed) {
            return;
        }
        if let Some(file) = &self.file {
            // Other shells may have written meanwhile.
            let loaded = editor.clear_history().and_then(|()| editor.load_history(file));
            if let Err(error) = loaded {
                debug!(%error, "no history");
            }
        }
        let entries = without_doubles(&entries(editor), typed);
        let kept = editor
            .clear_history()
            .and_then(|()| entries.iter().try_for_each(|entry| editor.add_history_entry(entry.as_str()).map(|_| ())));
        let saved = kept.and_then(|()| self.file.as_ref().map_or(Ok(()), |file| editor.save_history(file)));
        if let Err(error) = saved {
            debug!(%error, "history not written");
        }
    }
}

fn entries(editor: &Editor) -> Vec<String> {
    let history = editor.history();
    let entry = |index| history.get(index, SearchDirection::Forward).ok().flatten();
    (0..history.len()).filter_map(|index| entry(index).map(|found| found.entry.into_owned())).collect()
}

/// The entries and the new one, each where it stands last.
fn without_doubles(entries: &[String], new: &str) -> Vec<String> {
    let mut seen = HashSet::new();
    let all = entries.iter().map(String::as_str).chain([new]);
    let mut kept: Vec<_> = all.rev().filter(|entry| seen.insert(*entry)).map(str::to_owned).collect();
    kept.reverse();
    kept
}

/// ATTACH carries tokens and keys, and so may variables and options that are called like them.
pub fn may_hold_secrets(typed: &str) -> bool {
    let mut words = typed.split(|c: char| !c.is_alphanumeric());
    words.any(|word| TELLING.iter().any(|telling| word.eq_ignore_ascii_case(telling)))
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
    fn what_may_be_secret_is_never_kept() {
        for typed in [
            "/* x */attach 'w' AS r2 (TOKEN 't');",
            "SELECT 1;\nATTACH\n'w' AS r2;",
            "\\set r2_token abc",
            "SET x.secret = 'a'",
            "\\getenv PASSWORD DB_PASSWORD",
        ] {
            assert!(may_hold_secrets(typed), "{typed}");
        }
        assert!(!may_hold_secrets("SELECT attached FROM attachments;"));
    }

    #[test]
    fn nothing_stands_there_twice() {
        let entries: Vec<String> = ["a", "b", "a", "c"].map(str::to_owned).into();
        assert_eq!(without_doubles(&entries, "b"), ["a", "c", "b"]);
        assert_eq!(without_doubles(&[], "a"), ["a"]);
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
