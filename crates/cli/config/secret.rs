//! Which options are secrets, how they are hidden, and where they come from: text, a file, a command.
//!
//! What must hold: an option that is not known to be harmless is hidden; what a file or a command said is in no message.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use icelift::{Attach, Error, ErrorKind};

use super::layer::{Catalog, Value};
use crate::exit::Problem;

/// How long a command may take that prints a secret: somebody may have to confirm it.
const PATIENCE: Duration = Duration::from_secs(120);
/// No secret is larger.
const SECRET_BYTES: usize = 64 << 10;
/// What is shown in the place of a secret.
pub const MASK: &str = "***";

/// Endings of options that hold secrets.
const SECRET: [&str; 7] =
    ["token", "credential", "secret-access-key", "session-token", "password", "secret", "s3.sse.key"];
/// Options that hold none, or only what AWS and Cloudflare show themselves.
const HARMLESS: [&str; 25] = [
    "type",
    "warehouse",
    "uri",
    "prefix",
    "catalog-name",
    "oauth2-server-uri",
    "rest.authorization-url",
    "scope",
    "audience",
    "resource",
    "ssl.cabundle",
    "rest-page-size",
    "r2.token-id",
    "glue.id",
    "glue.endpoint",
    "glue.skip-archive",
    "glue.skip-name-validation",
    "s3.endpoint",
    "s3.path-style-access",
    "s3.force-virtual-addressing",
    "s3.sse.type",
    "s3.requester-pays-enabled",
    "s3.max-connections",
    "s3.connect-timeout",
    "s3.request-timeout",
];
const HARMLESS_STARTS: [&str; 4] = ["s3.multipart.", "s3.retry.", "rest.client.", "client.assume-role."];
const HARMLESS_ENDS: [&str; 5] = [".region", ".profile-name", ".access-key-id", ".role-arn", ".role-session-name"];

/// How an option gets its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Text,
    File,
    Command,
}

/// Whether an option holds a secret.
pub fn is_secret(option: &str) -> bool {
    let last = option.rsplit('.').next().unwrap_or(option);
    SECRET.iter().any(|secret| last == *secret || option == *secret) || option.starts_with("header.")
}

/// Cuts `token-command` into `token` and how it is got.
pub fn way(option: &str) -> (&str, Way) {
    for (ending, way) in [("-command", Way::Command), ("-file", Way::File)] {
        if let Some(target) = option.strip_suffix(ending).filter(|target| is_secret(target)) {
            return (target, way);
        }
    }
    (option, Way::Text)
}

/// The option that `option` gives a value.
pub fn target(option: &str) -> &str {
    way(option).0
}

/// The value of an option as anybody may see it.
pub fn shown(option: &str, value: &str) -> String {
    match way(option) {
        (_, Way::File) => value.to_owned(),
        (_, Way::Command) => {
            // Arguments may be secrets, and so may variables before the program.
            let program = value.split_whitespace().next().unwrap_or_default();
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
            if program.chars().all(plain) { format!("{program} …") } else { MASK.to_owned() }
        }
        _ if is_harmless(option) && !value.contains('@') => {
            value.split_once('?').map_or(value.to_owned(), |(address, _)| format!("{address}?{MASK}"))
        }
        _ => MASK.to_owned(),
    }
}

fn is_harmless(option: &str) -> bool {
    HARMLESS.contains(&option)
        || HARMLESS_STARTS.iter().any(|start| option.starts_with(start)) && !option.ends_with("external-id")
        || HARMLESS_ENDS.iter().any(|end| option.ends_with(end))
}

impl Catalog {
    /// What ATTACH would say, with the secrets that files and commands have.
    pub async fn attach(&self) -> Result<Attach, Problem> {
        let mut options = BTreeMap::new();
        for (name, value) in &self.options {
            let (target, way) = way(name);
            if let Some(variable) = &value.missing {
                let error = icelift::variables::not_set(variable);
                return Err(Problem { place: Some(value.place.clone()), error });
            }
            let text = match way {
                Way::Text => value.text.clone(),
                Way::File => of_file(value).map_err(|error| self.problem(name, value, error))?,
                Way::Command => of_command(&value.text).await.map_err(|error| self.problem(name, value, error))?,
            };
            // The engine expands options as ATTACH has them: what a variable brought must come through it unchanged.
            options.insert(target.to_owned(), text.replace("${", "$${"));
        }
        let warehouse = options.remove("warehouse");
        Ok(Attach { name: self.name.clone(), warehouse, options, if_not_exists: false })
    }

    fn problem(&self, option: &str, value: &Value, error: Error) -> Problem {
        let hint = format!("`{option}` of `catalog.{}` names it", self.name);
        Problem { place: Some(value.place.clone()), error: error.hint(hint) }
    }
}

fn of_file(value: &Value) -> Result<String, Error> {
    let read = std::fs::read_to_string(&value.text)
        .map_err(|source| Error::new(ErrorKind::Config, "the file of a secret cannot be read").source(source))?;
    plain(read.as_bytes(), "the file of a secret")
}

/// Runs a command of the shell. What it says on stderr goes there; what it prints is nobody's to see.
async fn of_command(command: &str) -> Result<String, Error> {
    let error = |what: String| Error::new(ErrorKind::Config, format!("the command that prints a secret {what}"));
    let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let mut process = tokio::process::Command::new(shell);
    process.arg(flag).arg(command).stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
    let ended = tokio::time::timeout(PATIENCE, process.output()).await;
    let ended = ended.map_err(|_| error(format!("did not end within {} s", PATIENCE.as_secs())))?;
    let ended = ended.map_err(|source| error("cannot be run".to_owned()).source(source))?;
    if !ended.status.success() {
        return Err(error(format!("failed: {}", ended.status)));
    }
    plain(&ended.stdout, "what the command printed")
}

fn plain(bytes: &[u8], what: &str) -> Result<String, Error> {
    let error = |found: &str| Error::new(ErrorKind::Config, format!("{what} {found}"));
    if bytes.len() > SECRET_BYTES {
        return Err(error("is too long for a secret"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| error("is no text"))?.trim_end_matches(['\n', '\r']);
    if text.is_empty() { Err(error("is empty")) } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Place;

    #[test]
    fn secrets_are_hidden_and_so_is_what_is_not_known() {
        for option in ["token", "credential", "s3.secret-access-key", "client.session-token", "header.x-api-key"] {
            assert!(is_secret(option), "{option}");
            assert_eq!(shown(option, "hunter2"), MASK, "{option}");
        }
        assert_eq!(shown("some.other", "hunter2"), MASK);
        assert_eq!(shown("client.assume-role.external-id", "hunter2"), MASK);
        assert_eq!(shown("uri", "https://me:hunter2@host"), MASK);
        assert_eq!(shown("uri", "https://host/x?key=hunter2"), "https://host/x?***");
        assert_eq!(shown("s3.region", "auto"), "auto");
        assert_eq!(shown("token-command", "pass show hunter2"), "pass …");
        assert_eq!(shown("token-command", "A=hunter2 pass"), MASK);
        assert_eq!(shown("token-file", "secrets/r2"), "secrets/r2");
    }

    #[test]
    fn only_secrets_have_ways() {
        assert_eq!(way("token-command"), ("token", Way::Command));
        assert_eq!(way("s3.secret-access-key-file"), ("s3.secret-access-key", Way::File));
        assert_eq!(way("uri-file"), ("uri-file", Way::Text));
    }

    #[tokio::test]
    #[cfg(unix)]
    async fn files_and_commands_have_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "a${b}\n").unwrap();
        let place = Place::from("icelift.toml".to_owned());
        let mut catalog = Catalog::new("r2".to_owned(), place.clone());
        let mut set = |name: &str, text: &str| catalog.options.insert(name.to_owned(), Value::new(text, place.clone()));
        set("warehouse", "w");
        set("token-command", "printf 'two words\\n'");
        set("s3.secret-access-key-file", file.to_str().unwrap());
        let attach = catalog.attach().await.unwrap();
        assert_eq!(attach.options["token"], "two words");
        assert_eq!(attach.options["s3.secret-access-key"], "a$${b}");
        assert_eq!((attach.warehouse.as_deref(), attach.options.len()), (Some("w"), 2));
    }

    #[tokio::test]
    #[cfg(unix)]
    async fn commands_that_fail_say_nothing_of_what_they_printed() {
        for command in ["echo hunter2; exit 3", "true", "no-such-program-hunter2 2>/dev/null", "printf '\\377hunter2'"]
        {
            let place = Place::from("icelift.toml".to_owned());
            let mut catalog = Catalog::new("r2".to_owned(), place.clone());
            catalog.options.insert("token-command".to_owned(), Value::new(command, place));
            let problem = catalog.attach().await.unwrap_err();
            let said = format!("{} {:?} {:?}", problem.error, problem.error, problem.place);
            assert_eq!(problem.error.kind(), ErrorKind::Config);
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}
