//! The rules of the repository that a machine can check. A rule that is not checked rots.

use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};

use crate::support::{files_below, root};

const LINES_MAX: usize = 600;
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// The stages of the pipeline, as `ls` prints them.
const STAGES: [&str; 6] = ["scan", "select", "shuffle", "sink", "snapshot", "verify"];

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("tidy::files_are_short", files_are_short),
        Trial::test("tidy::files_are_small", files_are_small),
        Trial::test("tidy::no_mod_rs", no_mod_rs),
        Trial::test("tidy::stages_in_order", stages_in_order),
        Trial::test("tidy::links_lead_somewhere", links_lead_somewhere),
        Trial::test("tidy::scripts_are_run", scripts_are_run),
        Trial::test("tidy::nothing_left_to_do", nothing_left_to_do),
        Trial::test("tidy::no_private_paths", no_private_paths),
        Trial::test("tidy::no_secrets", no_secrets),
        Trial::test("tidy::unsafe_is_forbidden", unsafe_is_forbidden),
        Trial::test("tidy::library_keeps_to_itself", library_keeps_to_itself),
        Trial::test("tidy::slt_files_are_short_and_say_why", slt_files_are_short_and_say_why),
    ]
}

/// Collects what breaks a rule and reports all of it at once.
fn report(broken: Vec<String>) -> Result<(), Failed> {
    if broken.is_empty() { Ok(()) } else { Err(broken.join("\n").into()) }
}

/// The text files of the repository, by path from its root. Files that git ignores are no part of it.
fn texts() -> Result<Vec<(PathBuf, String)>, Failed> {
    let mut found = Vec::new();
    for path in files_below(root())? {
        let short = path.strip_prefix(root())?.to_path_buf();
        let bytes = fs::read(&path)?;
        if let Ok(text) = String::from_utf8(bytes) {
            found.push((short, text));
        }
    }
    Ok(found)
}

fn has_extension(path: &Path, wanted: &[&str]) -> bool {
    path.extension().is_some_and(|extension| wanted.iter().any(|name| extension == *name))
}

/// What a file holds without its inline test module.
fn own_lines(text: &str) -> usize {
    text.lines().take_while(|line| *line != "#[cfg(test)]").count()
}

fn files_are_short() -> Result<(), Failed> {
    let long = texts()?.into_iter().filter(|(path, _)| has_extension(path, &["rs", "py", "md"]));
    let long = long.map(|(path, text)| (path, own_lines(&text))).filter(|(_, lines)| *lines > LINES_MAX);
    report(long.map(|(path, lines)| format!("{}: {lines} lines, at most {LINES_MAX}", path.display())).collect())
}

fn files_are_small() -> Result<(), Failed> {
    let mut broken = Vec::new();
    for path in files_below(root())? {
        let bytes = fs::metadata(&path)?.len();
        if bytes > FILE_BYTES_MAX && !path.ends_with("Cargo.lock") {
            broken.push(format!("{}: {bytes} bytes, at most {FILE_BYTES_MAX}", path.display()));
        }
    }
    report(broken)
}

fn no_mod_rs() -> Result<(), Failed> {
    let found = files_below(root())?.into_iter().filter(|path| path.ends_with("mod.rs"));
    report(found.map(|path| format!("{}: a module is `name.rs` beside `name/`", path.display())).collect())
}

/// `ls`, the enum and the README tell the same story in the same order.
fn stages_in_order() -> Result<(), Failed> {
    let mut broken = Vec::new();
    let listed = files_below(&root().join("crates/icelift/src/pipeline"))?;
    for stage in STAGES {
        if !listed.iter().any(|path| path.ends_with(format!("pipeline/{stage}.rs"))) {
            broken.push(format!("crates/icelift/src/pipeline/{stage}.rs does not exist"));
        }
    }
    if !STAGES.is_sorted() {
        broken.push("the stages do not sort in the order the rows travel".to_owned());
    }
    let code = fs::read_to_string(root().join("crates/icelift/src/error.rs"))?;
    let variants: Vec<String> = enum_variants(&code, "pub enum Stage {").map(str::to_lowercase).collect();
    let variants: Vec<_> = variants.iter().map(String::as_str).filter(|name| *name != "catalog").collect();
    if !variants.starts_with(&STAGES) {
        broken.push(format!("enum Stage lists {variants:?}, expected {STAGES:?}"));
    }
    if let Ok(readme) = fs::read_to_string(root().join("README.md")) {
        let drawn = readme.lines().any(in_order) || in_order(&code_blocks(&readme));
        if !drawn {
            broken.push(format!("README.md draws no line through {STAGES:?}"));
        }
    }
    report(broken)
}

fn enum_variants<'a>(code: &'a str, head: &str) -> impl Iterator<Item = &'a str> {
    let body = code.split_once(head).map_or("", |(_, rest)| rest);
    let lines = body.lines().map(str::trim).take_while(|line| *line != "}");
    lines.filter_map(|line| line.strip_suffix(',')).filter(|name| name.chars().all(char::is_alphanumeric))
}

fn code_blocks(text: &str) -> String {
    text.split("```").skip(1).step_by(2).collect()
}

/// Whether all stages are named in `text`, one after the other.
fn in_order(text: &str) -> bool {
    let mut rest = text;
    STAGES.iter().all(|stage| match rest.find(stage) {
        Some(at) => {
            rest = &rest[at + stage.len()..];
            true
        }
        None => false,
    })
}

/// Links between our pages, and paths in backquotes that look like ours.
fn links_lead_somewhere() -> Result<(), Failed> {
    let mut broken = Vec::new();
    for (path, text) in texts()?.iter().filter(|(path, _)| has_extension(path, &["md"])) {
        let folder = root().join(path.parent().unwrap_or(Path::new("")));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or("");
            let outside = link.contains("://") || link.starts_with("mailto:") || file.is_empty();
            if !outside && !folder.join(file).exists() {
                broken.push(format!("{}: the link {link} leads nowhere", path.display()));
            }
        }
        for word in text.split('`').skip(1).step_by(2).filter(|word| names_a_file(word)) {
            if !root().join(word).exists() && !folder.join(word).exists() {
                broken.push(format!("{}: there is no {word}", path.display()));
            }
        }
    }
    report(broken)
}

/// Whether a word in backquotes is a path into the repository: it starts with one of its folders and holds no placeholder.
fn names_a_file(word: &str) -> bool {
    let starts = ["crates/", "docs/", "sql/", "tests/", "bench/", ".ci/"];
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    starts.iter().any(|folder| word.starts_with(folder)) && word.chars().all(plain)
}

fn scripts_are_run() -> Result<(), Failed> {
    let folder = root().join("sql");
    if !folder.exists() {
        return Ok(());
    }
    let mut tests = String::new();
    for path in files_below(&root().join("tests"))?.iter().filter(|path| has_extension(path, &["rs"])) {
        tests += &fs::read_to_string(path)?;
    }
    let scripts = files_below(&folder)?.into_iter().filter(|path| has_extension(path, &["sql"]));
    let names = scripts.filter_map(|path| Some(path.strip_prefix(root()).ok()?.display().to_string()));
    report(names.filter(|name| !tests.contains(name)).map(|name| format!("no test runs {name}")).collect())
}

/// Words in two halves, so that this file passes its own rules.
fn nothing_left_to_do() -> Result<(), Failed> {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
    report(lines_with(&marks, |_| true)?)
}

fn no_private_paths() -> Result<(), Failed> {
    let homes = [
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
        concat!("/wo", "rk/"),
        concat!("C:", "\\"),
    ];
    report(lines_with(&homes, |path| !path.ends_with("Cargo.lock"))?)
}

fn lines_with(words: &[&str], counts: impl Fn(&Path) -> bool) -> Result<Vec<String>, Failed> {
    let mut found = Vec::new();
    for (path, text) in texts()?.iter().filter(|(path, _)| counts(path)) {
        for (number, line) in text.lines().enumerate() {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                found.push(format!("{}:{}: {word}", path.display(), number + 1));
            }
        }
    }
    Ok(found)
}

/// Anything shaped like a key of AWS, GitHub or Cloudflare, or a private key.
fn no_secrets() -> Result<(), Failed> {
    let mut broken = Vec::new();
    let shapes =
        [(concat!("AK", "IA"), 20), (concat!("AS", "IA"), 20), (concat!("gh", "p_"), 40), (concat!("cf", "at_"), 40)];
    for (path, text) in texts()? {
        for (number, line) in text.lines().enumerate() {
            let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let shaped =
                |word: &str| shapes.iter().any(|(start, length)| word.starts_with(start) && word.len() >= *length);
            if words.into_iter().any(shaped) || line.contains(concat!("PRIVATE ", "KEY-----")) {
                broken.push(format!("{}:{}: looks like a secret", path.display(), number + 1));
            }
        }
    }
    report(broken)
}

/// The workspace forbids it, and every package takes the workspace's lints.
fn unsafe_is_forbidden() -> Result<(), Failed> {
    let mut broken = Vec::new();
    for path in files_below(root())?.into_iter().filter(|path| path.ends_with("Cargo.toml")) {
        let manifest: toml::Table = fs::read_to_string(&path)?.parse()?;
        let inherited = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
        if inherited != Some(true) {
            broken.push(format!("{}: lacks `[lints] workspace = true`", path.display()));
        }
        if let Some(workspace) = manifest.get("workspace") {
            let lint = workspace.get("lints").and_then(|lints| lints.get("rust")?.get("unsafe_code"));
            let level = lint.and_then(|lint| lint.as_str().or_else(|| lint.get("level")?.as_str()));
            if level != Some("forbid") {
                broken.push(format!("{}: unsafe_code is {level:?}, expected forbid", path.display()));
            }
        }
    }
    report(broken)
}

/// The library prints nothing and asks neither environment nor home folder; that is the terminal's part.
fn library_keeps_to_itself() -> Result<(), Failed> {
    let words =
        ["std::env::var", "env::vars", "println!", "eprintln!", "print!(", "dbg!(", "home_dir", "std::process::exit"];
    let mut broken = Vec::new();
    for (path, text) in
        texts()?.iter().filter(|(path, _)| path.starts_with("crates/icelift/src") && has_extension(path, &["rs"]))
    {
        let own = text.lines().take_while(|line| *line != "#[cfg(test)]").enumerate();
        for (number, line) in own.filter(|(_, line)| !line.trim_start().starts_with("//")) {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                broken.push(format!("{}:{}: {word}", path.display(), number + 1));
            }
        }
    }
    report(broken)
}

fn slt_files_are_short_and_say_why() -> Result<(), Failed> {
    let mut broken = Vec::new();
    for path in files_below(&root().join("tests/slt"))? {
        let text = fs::read_to_string(&path)?;
        if text.lines().count() > 150 {
            broken.push(format!("{}: more than 150 lines", path.display()));
        }
        if !text.starts_with("# ") {
            broken.push(format!("{}: does not open with a comment on what it shows", path.display()));
        }
    }
    report(broken)
}
