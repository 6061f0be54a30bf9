//! The terminal's own commands: one table, from which the help, the completion and `docs/reference/shell.md` are made.
//!
//! A command is known by its names with a `\` (psql's habit) or a `.` (DuckDB's and SQLite's) before them.

pub mod arguments;
mod help;

pub use help::{all as help, one as help_of};

/// What a command is, and what is said of it.
#[derive(Debug)]
pub struct Command {
    /// The first is how it is called in the help; with the sign that its habit has.
    pub names: &'static [&'static str],
    /// As the help has them: `[…]` may be left out.
    pub arguments: &'static str,
    pub about: &'static str,
    pub group: Group,
    pub action: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    Look,
    Run,
    Output,
    Script,
    Shell,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Catalogs,
    Schemas,
    Tables,
    Describe,
    ShowCreate,
    Connect,
    Include,
    IncludeRelative,
    Go,
    GoExpanded,
    Watch,
    Edit,
    System,
    Output,
    Mode,
    Expanded,
    Timing,
    Pager,
    Null,
    Set,
    Unset,
    Getenv,
    Echo,
    If,
    Elif,
    Else,
    Endif,
    Help,
    Quit,
}

impl Group {
    pub const ALL: [Group; 5] = [Group::Look, Group::Run, Group::Output, Group::Script, Group::Shell];

    pub fn title(self) -> &'static str {
        match self {
            Group::Look => "What is there",
            Group::Run => "Running",
            Group::Output => "Output",
            Group::Script => "Variables and scripts",
            Group::Shell => "The shell",
        }
    }
}

const fn command(
    names: &'static [&'static str],
    arguments: &'static str,
    about: &'static str,
    group: Group,
    action: Action,
) -> Command {
    Command { names, arguments, about, group, action }
}

/// All commands, in the order of the help.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    command(&["\\l", "\\list", ".databases"], "", "lists the attached catalogs", Group::Look, Action::Catalogs),
    command(&["\\dn"], "[CATALOG]", "lists schemas", Group::Look, Action::Schemas),
    command(&["\\dt", ".tables"], "[CATALOG[.SCHEMA] | PATTERN]", "lists tables; a pattern has `*` and `?` and is of catalog.schema.table", Group::Look, Action::Tables),
    command(&["\\d"], "[TABLE | PATTERN]", "describes a table: columns, partitions, order, properties, snapshot, size; without a table, lists tables", Group::Look, Action::Describe),
    command(&[".schema"], "TABLE", "shows the statement that would create a table", Group::Look, Action::ShowCreate),
    command(&["\\c", "\\connect"], "[CATALOG[.SCHEMA]]", "looks up short names in queries and commands there; `-` ends that", Group::Look, Action::Connect),

    command(&["\\g", "\\go"], "[FILE | '|COMMAND']", "runs the statement before it, or the last one again; its rows go to the file or command", Group::Run, Action::Go),
    command(&["\\gx"], "[FILE | '|COMMAND']", "the same, with a line for each column", Group::Run, Action::GoExpanded),
    command(&["\\watch"], "[SECONDS]", "runs the statement before it, or the last one, again and again until Ctrl-C", Group::Run, Action::Watch),
    command(&["\\e", "\\edit", ".edit"], "[FILE]", "edits the last statement, or the file, in $VISUAL or $EDITOR and runs it", Group::Run, Action::Edit),
    command(&["\\i", "\\include", ".read"], "FILE", "runs a script", Group::Run, Action::Include),
    command(&["\\ir", "\\include_relative"], "FILE", "runs a script, found from the folder of the script that says so", Group::Run, Action::IncludeRelative),
    command(&["\\!", ".shell", ".system"], "[COMMAND]", "runs a command of the system", Group::Run, Action::System),

    command(&["\\o", "\\out", ".output"], "[FILE | '|COMMAND']", "sends rows there; `.csv`, `.tsv`, `.json`, `.jsonl`, `.md`, `.html`, `.parquet` and `.arrow` are written as such; without it, back to the terminal", Group::Output, Action::Output),
    command(&["\\mode", ".mode", "\\f"], "[FORMAT]", "prints rows as `box`, `table`, `csv`, `tsv`, `json`, `jsonl`, `markdown` or `html`; tells which without one", Group::Output, Action::Mode),
    command(&["\\x", ".expanded"], "[on | off | auto]", "prints a line for each column; `auto` does so where rows are too wide", Group::Output, Action::Expanded),
    command(&["\\timing", ".timer"], "[on | off]", "says how long statements take", Group::Output, Action::Timing),
    command(&["\\pager", ".pager"], "[on | off]", "shows what is longer than the screen in $PAGER", Group::Output, Action::Pager),
    command(&["\\null", ".nullvalue"], "[TEXT]", "prints TEXT for NULL in tables", Group::Output, Action::Null),

    command(&["\\set", ".set"], "[NAME [VALUE…]]", "sets what `:NAME` stands for; lists variables without one", Group::Script, Action::Set),
    command(&["\\unset"], "NAME", "forgets a variable", Group::Script, Action::Unset),
    command(&["\\getenv"], "NAME VARIABLE", "sets a variable from the environment; it stays as it is where there is none", Group::Script, Action::Getenv),
    command(&["\\echo", ".print"], "[TEXT…]", "prints text; `-n` first leaves out the end of the line", Group::Script, Action::Echo),
    command(&["\\if"], "CONDITION", "runs what follows if the condition is true: on, true, yes or 1", Group::Script, Action::If),
    command(&["\\elif"], "CONDITION", "otherwise, if this one is", Group::Script, Action::Elif),
    command(&["\\else"], "", "otherwise", Group::Script, Action::Else),
    command(&["\\endif"], "", "ends `\\if`", Group::Script, Action::Endif),

    command(&["\\?", ".help", "\\h", "\\help"], "[COMMAND]", "tells of all commands, or of one", Group::Shell, Action::Help),
    command(&["\\q", "\\quit", ".quit", ".exit"], "", "ends the shell, or the script", Group::Shell, Action::Quit),
];

/// The command of a name; either sign does for each, and psql's `+` asks for nothing more than there is.
pub fn find(name: &str) -> Option<&'static Command> {
    let bare = |name: &str| name.trim_start_matches(['\\', '.']).trim_end_matches('+').to_owned();
    let wanted = bare(name);
    let exact = |command: &&Command| command.names.contains(&name);
    let known = |command: &&Command| command.names.iter().any(|known| bare(known) == wanted);
    COMMANDS.iter().find(exact).or_else(|| COMMANDS.iter().find(known))
}

/// Cuts a line into the name of a command and the rest.
pub fn split(line: &str) -> (&str, &str) {
    // psql has no need for a space behind `\!`.
    if let Some(rest) = line.strip_prefix("\\!") {
        return ("\\!", rest.trim());
    }
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    (name, rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_signs_do() {
        for (name, action) in [
            ("\\d", Action::Describe),
            ("\\d+", Action::Describe),
            (".d", Action::Describe),
            ("\\tables", Action::Tables),
            (".tables", Action::Tables),
            ("\\schema", Action::ShowCreate),
            ("\\?", Action::Help),
            (".mode", Action::Mode),
        ] {
            assert_eq!(find(name).map(|command| command.action), Some(action), "{name}");
        }
        assert!(find("\\nope").is_none() && find("\\").is_none());
        assert_eq!(split("\\!ls -l"), ("\\!", "ls -l"));
        assert_eq!(split("\\set a 1 "), ("\\set", "a 1"));
    }

    #[test]
    fn names_are_given_once() {
        let mut names: Vec<_> = COMMANDS.iter().flat_map(|command| command.names).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
