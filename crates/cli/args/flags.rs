//! The table of flags of `docs/reference/shell.md`, made from the definitions that clap reads.

use clap::{Arg, ArgAction, CommandFactory};

use super::Args;

/// One table for the command itself, and one for each subcommand.
fn reference() -> String {
    let mut command = Args::command();
    command.build();
    let mut text = table("icelift", &command);
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let own: Vec<_> = sub.get_arguments().filter(|arg| is_shown(arg) && !is_inherited(&command, arg)).collect();
        let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
        text.push_str(&format!("`icelift {}`: {}.\n\n", sub.get_name(), cell(&about)));
        if !own.is_empty() {
            text.push_str(&rows(own.into_iter()));
        }
    }
    text
}

fn table(name: &str, command: &clap::Command) -> String {
    format!("`{name}`:\n\n{}", rows(command.get_arguments().filter(|arg| is_shown(arg))))
}

fn rows<'a>(arguments: impl Iterator<Item = &'a Arg>) -> String {
    let mut text = "| flag | does |\n|---|---|\n".to_owned();
    for argument in arguments {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        text.push_str(&format!("| {} | {}{} |\n", name(argument), cell(&help), choices(argument)));
    }
    text + "\n"
}

/// `-f`, `--file FILE`; what has no flag by its place.
fn name(argument: &Arg) -> String {
    let values = argument.get_value_names().unwrap_or_default();
    let takes = matches!(argument.get_action(), ArgAction::Set | ArgAction::Append);
    let value = if takes { values.iter().map(|value| format!(" {value}")).collect() } else { String::new() };
    let short = argument.get_short().map(|short| format!("`-{short}`"));
    let long = argument.get_long().map(|long| format!("`--{long}{value}`"));
    let names: Vec<_> = short.into_iter().chain(long).collect();
    if names.is_empty() { format!("`{}`", value.trim()) } else { names.join(", ") }
}

/// The words that it takes, and the value that it has unless it is given.
fn choices(argument: &Arg) -> String {
    let quoted = |word: &str| format!("`{word}`");
    let is_flag = !matches!(argument.get_action(), ArgAction::Set | ArgAction::Append);
    let words = argument.get_possible_values();
    let words: Vec<_> = words.iter().filter(|_| !is_flag).map(|word| quoted(word.get_name())).collect();
    let defaults = argument.get_default_values().iter().filter(|_| !is_flag);
    let defaults: Vec<_> = defaults.map(|value| quoted(&value.to_string_lossy())).collect();
    let words = if words.is_empty() { String::new() } else { format!(": {}", words.join(", ")) };
    let default = if defaults.is_empty() { String::new() } else { format!("; {} unless set", defaults.join(", ")) };
    words + &default
}

fn is_shown(argument: &Arg) -> bool {
    !argument.is_hide_set()
}

/// A flag that the command itself has said already, and those that every command has.
fn is_inherited(command: &clap::Command, argument: &Arg) -> bool {
    let general = |known: &Arg| known.is_global_set() && known.get_id() == argument.get_id();
    ["help", "version"].contains(&argument.get_id().as_str()) || command.get_arguments().any(general)
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// A flag that the page lacks, or of which it tells something else, fails here. `ICELIFT_FLAGS_REFERENCE` names a file that
/// gets what the page should have.
#[test]
fn the_reference_has_each_flag_with_its_help() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/shell.md")).unwrap();
    let tables = reference();
    if let Some(file) = std::env::var_os("ICELIFT_FLAGS_REFERENCE") {
        std::fs::write(file, &tables).unwrap();
    }
    assert!(page.contains(tables.trim_end()), "docs/reference/shell.md wants these tables:\n{tables}");
}
