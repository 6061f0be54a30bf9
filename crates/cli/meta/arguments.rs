//! The arguments of a command, with psql's quoting: words, `'strings'` with `''` and `\n`, `"names"` kept as they are, and
//! variables as `:name`, `:'name'`, `:"name"` and `:{?name}`.

use std::collections::BTreeMap;

use icelift::{Error, ErrorKind};

/// Cuts the arguments of a command into words; variables stand for their values.
pub fn words(text: &str, variables: &BTreeMap<String, String>) -> Result<Vec<String>, Error> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (word, after) = word(rest, variables)?;
        words.push(word);
        rest = after.trim_start();
    }
    Ok(words)
}

/// One word: parts that stand together make one.
fn word<'t>(text: &'t str, variables: &BTreeMap<String, String>) -> Result<(String, &'t str), Error> {
    let mut word = String::new();
    let mut rest = text;
    while let Some(ch) = rest.chars().next().filter(|ch| !ch.is_whitespace()) {
        match ch {
            '\'' => rest = string(rest, &mut word)?,
            '"' => {
                let end = rest.get(1..).and_then(|inner| inner.find('"')).ok_or_else(|| open("quoted name"))? + 2;
                word.push_str(rest.get(..end).unwrap_or_default());
                rest = rest.get(end..).unwrap_or_default();
            }
            ':' => rest = variable(rest, variables, &mut word),
            other => {
                word.push(other);
                rest = rest.get(other.len_utf8()..).unwrap_or_default();
            }
        }
    }
    Ok((word, rest))
}

fn string<'t>(text: &'t str, word: &mut String) -> Result<&'t str, Error> {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, ch)) = chars.next() {
        match ch {
            '\'' if chars.peek().is_some_and(|(_, next)| *next == '\'') => {
                chars.next();
                word.push('\'');
            }
            '\'' => return Ok(text.get(at + 1..).unwrap_or_default()),
            '\\' => match chars.next() {
                Some((_, 'n')) => word.push('\n'),
                Some((_, 't')) => word.push('\t'),
                Some((_, other)) => word.push(other),
                None => break,
            },
            other => word.push(other),
        }
    }
    Err(open("string"))
}

/// What a variable stands for; as in psql, one that is not set stands for itself.
fn variable<'t>(text: &'t str, variables: &BTreeMap<String, String>, word: &mut String) -> &'t str {
    let behind = text.get(1..).unwrap_or_default();
    if let Some((name, rest)) = behind.strip_prefix("{?").and_then(|asked| asked.split_once('}')) {
        word.push_str(if variables.contains_key(name) { "TRUE" } else { "FALSE" });
        return rest;
    }
    let quote = behind.chars().next().filter(|ch| matches!(ch, '\'' | '"'));
    let (name, rest) = match quote {
        Some(quote) => behind.get(1..).unwrap_or_default().split_once(quote).unwrap_or(("", behind)),
        None => {
            let end = behind.find(|ch: char| !ch.is_alphanumeric() && ch != '_').unwrap_or(behind.len());
            behind.split_at(end)
        }
    };
    match (variables.get(name), quote) {
        (Some(value), Some(quote)) => {
            word.push_str(&format!("{quote}{}{quote}", value.replace(quote, &format!("{quote}{quote}"))));
            rest
        }
        (Some(value), None) => {
            word.push_str(value);
            rest
        }
        (None, _) => {
            word.push(':');
            behind
        }
    }
}

fn open(what: &str) -> Error {
    Error::new(ErrorKind::Sql, format!("a {what} in the arguments does not end"))
}

/// psql's truths.
pub fn truth(word: &str) -> Result<bool, Error> {
    match word.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" | "t" | "y" => Ok(true),
        "off" | "false" | "no" | "0" | "f" | "n" => Ok(false),
        _ => Err(Error::new(ErrorKind::Sql, format!("`{word}` is neither true nor false"))
            .hint("on, true, yes and 1 are true; off, false, no and 0 are false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_in_psql() {
        let variables = BTreeMap::from([("a".to_owned(), "it's".to_owned()), ("n".to_owned(), "5".to_owned())]);
        let cases: [(&str, &[&str]); 9] = [
            ("a  b\tc", &["a", "b", "c"]),
            ("'a b' 'it''s' 'x\\ny'", &["a b", "it's", "x\ny"]),
            ("r2.\"Odd name\".t", &["r2.\"Odd name\".t"]),
            (":n :'a' :\"n\" x:n", &["5", "'it''s'", "\"5\"", "x5"]),
            (":{?n} :{?none}", &["TRUE", "FALSE"]),
            (":none ::n a:", &[":none", ":5", "a:"]),
            ("a'b c'd", &["ab cd"]),
            ("''", &[""]),
            ("", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(words(text, &variables).unwrap(), expected, "{text}");
        }
        assert!(words("'open", &variables).is_err() && words("\"open", &variables).is_err());
    }

    #[test]
    fn truths() {
        assert!(truth("ON").unwrap() && truth("1").unwrap() && !truth("no").unwrap());
        assert!(truth(":year").is_err());
    }
}
