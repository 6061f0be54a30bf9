//! What the shell keeps of what was typed, and what the configuration file's errors say.

use std::io::Write;
use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};

use super::hunt::Hunt;
use super::places::files;
use super::{planted, trial};
use crate::bad_clouds::terminal::{Said, Terminal};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial("the_history_has_none", the_history_has_none),
        trial("the_configuration_shows_none", the_configuration_shows_none),
        trial("config_doctor_and_init_show_none", config_doctor_and_init_show_none),
    ]
}

/// Types each line of its input into its argument, which sees a terminal, whenever a prompt has come to rest.
const TYPIST: &str = r#"
import os, pty, re, select, signal, sys
signal.alarm(60)
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])
whole = True
for line in sys.stdin:
    shown = b""
    while select.select([terminal], [], [], 0.3)[0] or whole and not re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", shown).rstrip(b"\r").endswith(b"> "):
        shown += os.read(terminal, 65536)
    # There is no prompt before the further lines of a statement.
    whole = line.rstrip().endswith((";", "\\q"))
    os.write(terminal, line.rstrip("\n").encode() + b"\r")
try:
    while os.read(terminal, 65536):
        pass
except OSError:
    pass
"#;

/// What is typed is seen on the terminal, so only what stays is searched.
fn the_history_has_none() -> Result<(), Failed> {
    let secret = planted("typed");
    let mut hunt = Hunt::new();
    hunt.plant(&secret);
    let terminal = Terminal::new()?;
    let python = std::env::var_os("ICELIFT_PYTHON").ok_or("ICELIFT_PYTHON is not set: run `cargo xtask test`")?;
    let shell = terminal.command();
    let mut command = Command::new(python);
    command.env("TERM", "xterm").args(["-c", TYPIST]).arg(shell.get_program()).current_dir(terminal.folder());
    for (name, value) in shell.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let typed = [
        "SELECT 'kept' AS said;".to_owned(),
        format!(
            "ATTACH 'w' AS a (TYPE rest, URI 'http://127.0.0.1:1', TOKEN '{secret}', \"rest.client.max-retries\" 0);"
        ),
        format!("attach 'w' as b (TYPE rest,\nTOKEN '{secret}'\n);"),
        format!("EXPLAIN ATTACH 'w' AS a (TOKEN '{secret}';"),
        "SELECT 'kept too';".to_owned(),
        "\\q".to_owned(),
    ];
    let mut input = child.stdin.take().ok_or("no stdin")?;
    for line in typed {
        writeln!(input, "{line}")?;
    }
    drop(input);
    child.wait()?;
    let places = files(&terminal, &[])?;
    let kept = |(_, bytes): &(String, Vec<u8>)| String::from_utf8_lossy(bytes).contains("kept too");
    if !places.iter().any(kept) {
        let names: Vec<_> = places.iter().map(|(name, _)| name).collect();
        return Err(format!("no history among {names:?}").into());
    }
    hunt.none(&places)
}

/// Whatever is wrong with it.
fn the_configuration_shows_none() -> Result<(), Failed> {
    let secret = planted("configured");
    let mut hunt = Hunt::new();
    hunt.plant(&secret);
    let rest = "type = 'rest'\nuri = 'http://127.0.0.1:1'\nrest.client.max-retries = 0\n";
    for text in [
        format!("[catalog.a]\n{rest}token = '{secret}'\n"),
        format!("[catalog.a]\n{rest}tokken = '{secret}'\n"),
        format!("[catalog.a]\n{rest}token = '{secret}\n"),
        format!("[catalog.a]\n{rest}token = {secret}\n"),
        format!("[catalog.a]\n{rest}token = ['{secret}']\n"),
        format!("[catalog.a]\n{rest}token = '${{PLANTED}}'\n"),
        format!("[catalog.a]\n{rest}token = '${{NO_SUCH}}{secret}'\n"),
        format!("[catalog.a]\ntype = 'rest'\nuri = '{secret}'\n"),
        format!("[settings]\nthreads = '{secret}'\n"),
        format!("[settings]\nmemory_limit = '{secret}'\n"),
        format!("token = '{secret}'\n"),
    ] {
        let mut terminal = Terminal::new()?;
        terminal.log();
        terminal.set("PLANTED", secret.as_str());
        std::fs::write(terminal.folder().join("icelift.toml"), &text)?;
        let said = terminal.run(&["SELECT 1"])?;
        let Said { code: Some(1..=2), stderr, stdout, .. } = said else {
            return Err(format!("{text}\nended with {:?}: {}", said.code, said.stderr).into());
        };
        hunt.none(&[("stdout".to_owned(), stdout.into()), ("stderr".to_owned(), stderr.into())])
            .map_err(|failed| format!("{text}\n{}", failed.message().unwrap_or_default()))?;
    }
    Ok(())
}

/// What shows the configuration, tries it or writes one.
fn config_doctor_and_init_show_none() -> Result<(), Failed> {
    let secrets = ["written", "variable", "file", "command", "header", "address"].map(planted);
    let [written, variable, file, command, header, address] = &secrets;
    let mut hunt = Hunt::new();
    secrets.iter().for_each(|secret| hunt.plant(secret));
    let mut terminal = Terminal::new()?;
    terminal.log();
    terminal.set("PLANTED", variable.as_str());
    terminal.set("PYICEBERG_CATALOG__P__CREDENTIAL", variable.as_str());
    terminal.set("PYICEBERG_CATALOG__P__URI", format!("http://me:{address}@127.0.0.1:1"));
    terminal.set("PYICEBERG_CATALOG__P__SOME_OTHER", written.as_str());
    let rest = "type = 'rest'\nuri = 'http://127.0.0.1:1'\nrest.client.max-retries = 0\n";
    let toml = format!(
        "[catalog.a]\n{rest}token = '{written}'\nheader.x-key = '{header}'\nwarehouse = '{written}'\n\
         [catalog.b]\n{rest}token = '${{PLANTED}}'\n[catalog.c]\n{rest}token-file = 'key'\n\
         [catalog.d]\n{rest}token-command = \"echo '{command}'\"\n[catalog.e]\ntype = 'rest'\nuri = 'http://u:{address}@127.0.0.1:1'\n"
    );
    std::fs::write(terminal.folder().join("icelift.toml"), toml)?;
    std::fs::write(terminal.folder().join("key"), file)?;
    for args in [
        &["config"][..],
        &["config", "--format", "json"],
        &["doctor"],
        &["doctor", "--write"],
        &["init", "--folder", "new"],
    ] {
        let output = terminal.command().args(args).output()?;
        if output.stdout.is_empty() && args[0] != "init" {
            return Err(format!("{args:?} says nothing: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        hunt.none(&[("stdout".to_owned(), output.stdout), ("stderr".to_owned(), output.stderr)])
            .map_err(|failed| format!("{args:?}\n{}", failed.message().unwrap_or_default()))?;
    }
    hunt.none(&files(&terminal, &["icelift.toml", "key"])?)
}
