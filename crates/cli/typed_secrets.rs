//! Warns of secrets on the command line: every user of the machine can read them in the list of processes, and shells keep them.

use crate::args::{Args, Input};
use crate::config::secret;
use crate::ui;

/// Says which argument holds a secret.
pub fn warn(args: &Args) {
    for (name, value) in &args.variables {
        let is_secret = secret::is_secret(&name.to_lowercase().replace('_', "-")) || ends_like_one(name);
        if is_secret && !value.is_empty() {
            let better = "\\getenv reads it from the environment";
            ui::say(&format!("warning: -v {name}=… holds a secret, and a list of processes shows it; {better}"));
        }
    }
    for input in &args.inputs {
        if let Input::Command(sql) = input
            && let Some(option) = written_out(sql)
        {
            let better = format!("write {} '${{NAME}}' and set NAME", option.to_uppercase());
            ui::say(&format!("warning: -c holds a secret (`{option}`), and a list of processes shows it; {better}"));
        }
    }
}

/// `R2_TOKEN`, `db_password`.
fn ends_like_one(name: &str) -> bool {
    let last = name.rsplit('_').next().unwrap_or(name).to_lowercase();
    ["token", "secret", "password", "credential", "credentials"].contains(&last.as_str())
}

/// The first option of an ATTACH whose secret stands in the text itself, and not in a variable.
fn written_out(sql: &str) -> Option<String> {
    let lower = sql.to_lowercase();
    if !lower.split(|c: char| !c.is_alphanumeric()).any(|word| word == "attach") {
        return None;
    }
    // Quotes may stand around names, and `=` before values.
    let is_name = |c: char| c.is_alphanumeric() || "-._".contains(c);
    let mut rest = lower.as_str();
    while let Some(start) = rest.find(is_name) {
        let word = &rest[start..];
        let end = word.find(|c| !is_name(c)).unwrap_or(word.len());
        let (name, behind) = word.split_at(end);
        let value = behind.trim_start_matches(|c: char| c == '"' || c == '=' || c.is_whitespace());
        if secret::is_secret(name)
            // Else it is the end of a text, and no name before one.
            && value.len() < behind.len()
            && let Some(text) = value.strip_prefix('\'')
            && !text.starts_with('\'')
            && !text.split('\'').next().unwrap_or_default().contains("${")
        {
            return Some(name.to_owned());
        }
        rest = behind;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_the_text_is_seen() {
        for sql in [
            "ATTACH 'w' AS r2 (TYPE r2, TOKEN 'hunter2')",
            "SELECT 1; attach 'w' as r2 (type r2, token = 'hunter2')",
            "ATTACH 'w' AS r2 (\"s3.secret-access-key\" 'hunter2')",
            "ATTACH 'w' AS r2 (\"header.authorization\"\n 'hunter2')",
        ] {
            assert!(written_out(sql).is_some(), "{sql}");
        }
        for sql in [
            "ATTACH 'w' AS r2 (TYPE r2, TOKEN '${TOKEN}')",
            "ATTACH 'w' AS r2 (TYPE r2, TOKEN :'token')",
            "ATTACH 'w' AS r2 (TYPE r2, TOKEN '')",
            "ATTACH 'token' AS token (TYPE local)",
            "SELECT token, 'a' FROM t",
        ] {
            assert_eq!(written_out(sql), None, "{sql}");
        }
    }

    #[test]
    fn variables_are_judged_by_their_names() {
        assert!(["token", "R2_TOKEN", "db_password"].iter().all(|name| ends_like_one(name)));
        assert!(["year", "tokens_table", "secretary"].iter().all(|name| !ends_like_one(name)));
    }
}
