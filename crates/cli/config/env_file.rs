//! `.env` files, read only when they are named.
//!
//! What stands in the environment already stays: a file fills gaps. `NAME=value` a line, `export` before it is allowed, `#`
//! begins a comment; in double quotes `\n`, `\t`, `\"`, `\\` and `\$` are escapes, in single quotes nothing is. Nothing is
//! expanded. No error shows a value.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use icelift::{Error, ErrorKind};

use crate::exit::{Place, Problem};

/// The variables of a file in its order.
pub fn read(file: &Path) -> Result<Vec<(String, String)>, Problem> {
    let label = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|source| Problem {
        place: Some(label.clone().into()),
        error: Error::new(ErrorKind::Config, "the file of variables cannot be read").source(source),
    })?;
    let mut variables = Vec::new();
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let wrong = |message: &str| Problem {
            place: Some(Place { label: label.clone(), line: Some(number + 1) }),
            error: Error::new(ErrorKind::Config, message).hint("a line is NAME=value, or NAME=\"value\""),
        };
        variables.extend(variable(line).map_err(wrong)?);
    }
    Ok(variables)
}

/// All variables of some files. Of two lines or files that name one the later counts.
pub fn read_all(files: &[PathBuf]) -> Result<BTreeMap<String, String>, Problem> {
    let mut variables = BTreeMap::new();
    for file in files {
        variables.extend(read(file)?);
    }
    Ok(variables)
}

/// Puts what is missing in the environment there; returns what the files say.
pub fn fill(
    files: &[PathBuf],
    environment: &mut BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Problem> {
    let variables = read_all(files)?;
    for (name, value) in &variables {
        environment.entry(name.clone()).or_insert_with(|| value.clone());
    }
    Ok(variables)
}

/// Begins the process anew with the variables that are missing: AWS's own look-up and programs that are started see them then.
#[cfg(unix)]
pub fn enter(files: &[PathBuf]) -> Result<(), Problem> {
    use std::os::unix::process::CommandExt;
    let mut missing = read_all(files)?;
    missing.retain(|name, _| std::env::var_os(name).is_none());
    if missing.is_empty() {
        return Ok(());
    }
    let failed = |source| {
        let error = Error::new(ErrorKind::Resources, "icelift cannot be started with the variables of the file");
        Problem { place: None, error: error.source(source) }
    };
    let binary = std::env::current_exe().map_err(failed)?;
    Err(failed(std::process::Command::new(binary).args(std::env::args_os().skip(1)).envs(missing).exec()))
}

/// Elsewhere only icelift itself sees them.
#[cfg(not(unix))]
pub fn enter(_: &[PathBuf]) -> Result<(), Problem> {
    Ok(())
}

fn variable(line: &str) -> Result<Option<(String, String)>, &'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=').ok_or("the line has no `=`")?;
    let name = name.trim();
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
    if name.is_empty() || !plain || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("what stands before `=` is no name of a variable");
    }
    let value = value.trim();
    let value = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => quoted(&value[1..], quote)?,
        _ => value.split_once(" #").map_or(value, |(value, _)| value).trim_end().to_owned(),
    };
    if value.contains('\0') { Err("the value has a zero byte") } else { Ok(Some((name.to_owned(), value))) }
}

fn quoted(text: &str, quote: char) -> Result<String, &'static str> {
    let mut value = String::new();
    let mut chars = text.chars();
    while let Some(next) = chars.next() {
        match next {
            end if end == quote => {
                let rest = chars.as_str().trim();
                let is_done = rest.is_empty() || rest.starts_with('#');
                return if is_done { Ok(value) } else { Err("something follows behind the quotes") };
            }
            '\\' if quote == '"' => match chars.next() {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some(escaped @ ('"' | '\\' | '$')) => value.push(escaped),
                Some(other) => value.extend(['\\', other]),
                None => return Err("the quotes are not closed"),
            },
            other => value.push(other),
        }
    }
    Err("the quotes are not closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_everybody_reads_them() {
        let of = |line: &str| variable(line).map(|found| found.map(|(_, value)| value));
        for (line, value) in [
            ("A=b", "b"),
            ("  export A = b c # d", "b c"),
            ("A=b#c", "b#c"),
            ("A='b $C\\n' # d", "b $C\\n"),
            ("A=\"b\\n\\\"c\\$\\x\"", "b\n\"c$\\x"),
            ("A=", ""),
            ("A=b=c", "b=c"),
        ] {
            assert_eq!(of(line), Ok(Some(value.to_owned())), "{line}");
        }
        assert_eq!([of(""), of(" # A=b")], [Ok(None), Ok(None)]);
        for line in ["A", "=b", "1A=b", "A B=c", "A='b", "A=\"b\\", "A='b' c"] {
            assert!(of(line).is_err(), "{line}");
        }
    }

    #[test]
    fn files_fill_gaps() {
        let folder = tempfile::tempdir().unwrap();
        let files = [folder.path().join("a"), folder.path().join("b")];
        std::fs::write(&files[0], "A=1\nB=1\n").unwrap();
        std::fs::write(&files[1], "B=2\nC=2\n").unwrap();
        let mut environment = BTreeMap::from([("A".to_owned(), "0".to_owned())]);
        let told = fill(&files, &mut environment).unwrap();
        assert_eq!(environment.into_values().collect::<Vec<_>>(), ["0", "2", "2"]);
        assert_eq!(told.into_values().collect::<Vec<_>>(), ["1", "2", "2"]);
    }
}
