//! Colours for what is typed, and a mark where it cannot be right.

use icelift::script;

use super::words::KEYWORDS;
use crate::script as scripts;

const KEYWORD: &str = "\x1b[1;34m";
const STRING: &str = "\x1b[32m";
const NUMBER: &str = "\x1b[36m";
const COMMENT: &str = "\x1b[2m";
const COMMAND: &str = "\x1b[35m";
const WRONG: &str = "\x1b[4;31m";
const END: &str = "\x1b[0m";

/// Texts that are longer are not looked at for mistakes with each key.
const LONG: usize = 20_000;

/// What a part of the text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Name,
    String,
    Number,
    Comment,
    Space,
    Sign,
}

/// The text in colours; without them it is the same text.
pub fn coloured(text: &str) -> String {
    if text.starts_with(['\\', '.']) && !text.contains('\n') {
        return command(text);
    }
    let wrong = mistake(text);
    let (mut coloured, mut at) = (String::with_capacity(text.len() * 2), 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let (kind, length) = part(rest);
        let part = rest.get(..length).unwrap_or(rest);
        let colour = match kind {
            _ if wrong.is_some_and(|wrong| wrong >= at && wrong < at + part.len() && kind != Kind::Space) => WRONG,
            Kind::Word if KEYWORDS.binary_search(&part.to_ascii_uppercase().as_str()).is_ok() => KEYWORD,
            Kind::String => STRING,
            Kind::Number => NUMBER,
            Kind::Comment => COMMENT,
            Kind::Word | Kind::Name | Kind::Space | Kind::Sign => "",
        };
        match colour {
            "" => coloured.push_str(part),
            colour => coloured.extend([colour, part, END]),
        }
        at += part.len().max(1);
    }
    coloured
}

fn command(text: &str) -> String {
    let (name, _) = crate::meta::split(text);
    let rest = text.get(name.len()..).unwrap_or_default();
    // It may become one.
    let begins = |known: &&str| known.trim_start_matches(['\\', '.']).starts_with(name.trim_start_matches(['\\', '.']));
    let may_be = crate::meta::COMMANDS.iter().flat_map(|command| command.names).any(begins);
    let known = crate::meta::find(name).is_some() || (rest.is_empty() && may_be);
    format!("{}{name}{END}{rest}", if known { COMMAND } else { WRONG })
}

/// The byte where the text cannot be right whatever follows.
fn mistake(text: &str) -> Option<usize> {
    if text.len() > LONG {
        return None;
    }
    let items = scripts::items(text).ok()?;
    let (line, sql) = match items.last()? {
        scripts::Item::Statement { sql, line } => (*line, sql),
        scripts::Item::Command { .. } => return None,
    };
    // Variables are put in later, and would be signs here.
    let error = script::check(sql).err().filter(|_| !sql.contains(':'))?;
    let (in_line, column) = place(&error.to_string())?;
    let begin = text.match_indices('\n').nth(line.checked_sub(2).unwrap_or(usize::MAX)).map_or(0, |(at, _)| at + 1);
    let start = begin + text.get(begin..)?.find(sql.lines().next()?)?;
    let begin = sql.match_indices('\n').nth(in_line.checked_sub(2).unwrap_or(usize::MAX)).map_or(0, |(at, _)| at + 1);
    let found = sql.get(begin..)?;
    let offset = found.char_indices().nth(column.checked_sub(1)?).map(|(at, _)| begin + at)?;
    let wrong = start + offset;
    // What is still being typed may yet become right.
    let rest = text.get(wrong..)?;
    let is_being_typed = rest.chars().all(|ch| ch.is_alphanumeric() || ch == '_' || ch == '.');
    (!is_being_typed).then_some(wrong)
}

/// `… at line 1, column 8`.
fn place(message: &str) -> Option<(usize, usize)> {
    let (_, place) = message.rsplit_once("line ")?;
    let (line, column) = place.split_once(", column ")?;
    let digits: String = column.chars().take_while(char::is_ascii_digit).collect();
    Some((line.parse().ok()?, digits.parse().ok()?))
}

/// The first part of a text, and how many bytes it has.
fn part(text: &str) -> (Kind, usize) {
    let until = |end: &str, from: usize| {
        text.get(from..).and_then(|rest| rest.find(end)).map_or(text.len(), |at| from + at + end.len())
    };
    let while_ = |fits: fn(char) -> bool| text.find(|ch| !fits(ch)).unwrap_or(text.len());
    let Some(first) = text.chars().next() else { return (Kind::Space, 0) };
    match first {
        '\'' => (Kind::String, until("'", 1)),
        '"' => (Kind::Name, until("\"", 1)),
        '-' if text.starts_with("--") => (Kind::Comment, text.find('\n').unwrap_or(text.len())),
        '/' if text.starts_with("/*") => (Kind::Comment, until("*/", 2)),
        ch if ch.is_whitespace() => (Kind::Space, while_(char::is_whitespace)),
        ch if ch.is_ascii_digit() => (Kind::Number, while_(|ch| ch.is_ascii_digit() || ch == '.')),
        ch if ch.is_alphabetic() || ch == '_' => (Kind::Word, while_(|ch| ch.is_alphanumeric() || ch == '_')),
        ch => (Kind::Sign, ch.len_utf8()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        let mut plain = text.to_owned();
        for code in [KEYWORD, STRING, NUMBER, COMMENT, COMMAND, WRONG, END] {
            plain = plain.replace(code, "");
        }
        plain
    }

    #[test]
    fn colours_change_no_letter() {
        for text in ["SELECT 'a', \"B\", 12.5 -- x\n FROM t /* y", "é 'ü", "\\d t", "\\nope t", "", "SELECT ''';"] {
            assert_eq!(plain(&coloured(text)), text);
        }
        assert!(coloured("select 1").starts_with(&format!("{KEYWORD}select{END}")));
        assert!(coloured("\\nope ").starts_with(WRONG) && coloured("\\tim").starts_with(COMMAND));
    }

    #[test]
    fn mistakes_are_marked_and_unfinished_words_are_not() {
        let marked = |text: &str| {
            let text = coloured(text);
            text.split_once(WRONG).and_then(|(_, rest)| rest.split_once(END)).map(|(wrong, _)| wrong.to_owned())
        };
        assert_eq!(marked("SELECT 1 FROM a b c d"), Some("c".to_owned()));
        assert_eq!(marked("SELECT 1;\nSELECT (2 3) "), Some("3".to_owned()));
        assert_eq!(marked("DROP TABLE a, b"), Some(",".to_owned()));
        for text in
            ["SELECT", "SELECT 1 FROM", "SELECT 1 +", "SEL", "SELECT 'a", "SELECT :year", "SELECT a FROM t WHERE b ="]
        {
            assert_eq!(marked(text), None, "{text}");
        }
    }
}
