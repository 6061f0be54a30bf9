//! What is said of the commands, on the terminal and in the reference.

use super::{COMMANDS, Command, Group};

/// The keys of the line editor.
pub const KEYS: [(&str, &str); 7] = [
    ("Enter", "runs what ends with `;`, otherwise begins a line"),
    ("Tab", "completes keywords, names, arguments, options and paths"),
    ("Ctrl-R", "looks in the history for what is typed next"),
    ("Up, Down", "go through lines, then through the history"),
    ("Ctrl-C", "clears what is typed, or stops what runs; twice at an empty prompt it ends the shell"),
    ("Ctrl-D", "ends the shell at an empty prompt"),
    ("Ctrl-L", "clears the screen"),
];

/// The help, for a terminal.
pub fn all() -> String {
    let mut text =
        String::from("A statement ends with `;` and may span lines. Commands stand on a line of their own:\n");
    for group in Group::ALL {
        text.push_str(&format!("\n{}\n", group.title()));
        for command in of(group) {
            text.push_str(&format!("  {:<38} {}\n", head(command), short(command.about)));
        }
    }
    text.push_str("\nKeys\n");
    for (key, about) in KEYS {
        text.push_str(&format!("  {key:<38} {about}\n"));
    }
    text.push_str("\n`\\? COMMAND` tells more of one. docs/reference/sql.md has the statements.");
    text
}

/// What there is to say of one.
pub fn one(command: &Command) -> String {
    let others: Vec<_> = command.names.iter().skip(1).copied().collect();
    let others = if others.is_empty() { String::new() } else { format!("\n  also {}", others.join(", ")) };
    format!("{}\n  {}{others}", head(command), command.about)
}

fn of(group: Group) -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter().filter(move |command| command.group == group)
}

fn head(command: &Command) -> String {
    let name = command.names.first().copied().unwrap_or_default();
    format!("{name} {}", command.arguments).trim_end().to_owned()
}

/// Up to where the details begin.
fn short(about: &str) -> &str {
    about.split(';').next().unwrap_or(about)
}

/// The tables of the reference.
#[cfg(test)]
fn reference() -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    let mut text = String::new();
    for group in Group::ALL {
        text.push_str(&format!("### {}\n\n| command | does | also |\n|---|---|---|\n", group.title()));
        for command in of(group) {
            let others: Vec<_> = command.names.iter().skip(1).map(|name| format!("`{name}`")).collect();
            let row = format!("| `{}` | {} | {} |\n", cell(&head(command)), cell(command.about), others.join(", "));
            text.push_str(&row);
        }
        text.push('\n');
    }
    text.push_str("### Keys\n\n| key | does |\n|---|---|\n");
    for (key, about) in KEYS {
        text.push_str(&format!("| {key} | {} |\n", cell(about)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_is_made_of_the_table() {
        let page = include_str!("../../../docs/reference/shell.md");
        let tables = reference();
        if let Some(file) = std::env::var_os("ICELIFT_SHELL_REFERENCE") {
            std::fs::write(file, &tables).unwrap();
        }
        assert!(page.contains(&tables), "docs/reference/shell.md wants these tables:\n{tables}");
    }

    #[test]
    fn the_help_tells_of_each_command() {
        let help = all();
        for command in COMMANDS {
            assert!(help.contains(&format!("  {}", head(command))), "{command:?}");
            assert!(!command.about.ends_with('.') && one(command).contains(command.about), "{command:?}");
        }
    }
}
