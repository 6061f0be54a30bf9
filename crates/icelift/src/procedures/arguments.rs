//! Arguments of a CALL, bound to what its procedure declares.
//!
//! What must hold: what is bound has a declared name and the declared type, and what is required is there; a message about
//! an argument says which ones there are.

use std::collections::BTreeMap;
use std::fmt;

use arrow::compute::kernels::cast_utils::string_to_datetime;
use chrono::{DateTime, Utc};

use super::Procedure;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::{Arguments, Value};

/// What a procedure takes under one name.
pub(super) struct Parameter {
    /// In lower case.
    pub name: &'static str,
    pub kind: Kind,
    /// What holds without it, in words; `None` if it must be given.
    pub default: Option<&'static str>,
    /// Goes on with "it is …".
    pub about: &'static str,
}

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    String,
    /// A whole number.
    Integer,
    Boolean,
    Timestamp,
    /// An array of whole numbers.
    Integers,
    /// A map of strings to strings.
    Map,
    /// An array of strings.
    Strings,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Timestamp => "timestamp",
            Self::Integers => "array of integers",
            Self::Map => "map",
            Self::Strings => "array of strings",
        })
    }
}

/// The arguments of one CALL, by the names of their parameters. NULL says the same as no argument.
pub(super) struct Bound {
    procedure: &'static str,
    given: BTreeMap<&'static str, Given>,
}

#[derive(Debug, PartialEq)]
enum Given {
    String(String),
    Integer(i64),
    Boolean(bool),
    Timestamp(DateTime<Utc>),
    Integers(Vec<i64>),
    Map(Vec<(String, String)>),
    Strings(Vec<String>),
}

impl Bound {
    /// Binds the arguments.
    ///
    /// # Errors
    /// An unknown name, a wrong type, a required argument that is missing, too many arguments.
    pub fn new(procedure: &Procedure, arguments: &Arguments) -> Result<Self> {
        let name = procedure.name;
        let wrong = |message: String, hint: String| Error::new(ErrorKind::Sql, message).hint(hint);
        let about = |parameter: &Parameter| format!("`{}` is {}", parameter.name, parameter.about);
        let mut given = BTreeMap::new();
        for (parameter, value) in pairs(procedure, arguments).map_err(|message| wrong(message, signature(procedure)))? {
            let value = match value {
                Value::Null => continue,
                value => bind(parameter.kind, value).ok_or_else(|| {
                    let (expected, found) = (expected(parameter.kind), described(value));
                    let message =
                        format!("the argument `{}` of `{name}` takes {expected}, found {found}", parameter.name);
                    wrong(message, format!("{}; {}", about(parameter), signature(procedure)))
                })?,
            };
            given.insert(parameter.name, value);
        }
        let is_missing = |parameter: &&Parameter| parameter.default.is_none() && !given.contains_key(parameter.name);
        if let Some(missing) = procedure.parameters.iter().find(is_missing) {
            let hint = format!("{}; {}", about(missing), signature(procedure));
            return Err(wrong(format!("the argument `{}` of `{name}` is missing", missing.name), hint));
        }
        Ok(Self { procedure: name, given })
    }

    pub fn is_given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    pub fn string(&self, name: &str) -> Option<&str> {
        match self.given.get(name) {
            Some(Given::String(value)) => Some(value),
            _ => None,
        }
    }

    /// A string that is declared as required.
    pub fn required_string(&self, name: &str) -> Result<&str> {
        self.string(name).ok_or_else(|| self.undeclared("string", name))
    }

    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.given.get(name) {
            Some(Given::Integer(value)) => Some(*value),
            _ => None,
        }
    }

    /// An integer that is declared as required.
    pub fn required_integer(&self, name: &str) -> Result<i64> {
        self.integer(name).ok_or_else(|| self.undeclared("integer", name))
    }

    /// A timestamp that is declared as required.
    pub fn required_timestamp(&self, name: &str) -> Result<DateTime<Utc>> {
        self.timestamp(name).ok_or_else(|| self.undeclared("timestamp", name))
    }

    fn undeclared(&self, kind: &str, name: &str) -> Error {
        Error::new(ErrorKind::Internal, format!("`{}` declares no {kind} `{name}` as required", self.procedure))
    }

    /// An integer that counts something: from 1 on.
    pub fn count(&self, name: &str) -> Result<Option<usize>> {
        match self.integer(name) {
            None => Ok(None),
            Some(number) if number >= 1 => Ok(Some(usize::try_from(number).unwrap_or(usize::MAX))),
            Some(number) => Err(Error::new(ErrorKind::Sql, format!("`{name}` is {number}, expected 1 or more"))),
        }
    }

    /// The numbers of an array, none without it.
    pub fn integers(&self, name: &str) -> &[i64] {
        match self.given.get(name) {
            Some(Given::Integers(numbers)) => numbers,
            _ => &[],
        }
    }

    /// The entries of a map, none without it.
    pub fn map(&self, name: &str) -> &[(String, String)] {
        match self.given.get(name) {
            Some(Given::Map(entries)) => entries,
            _ => &[],
        }
    }

    /// The strings of an array; `None` without it.
    pub fn strings(&self, name: &str) -> Option<&[String]> {
        match self.given.get(name) {
            Some(Given::Strings(strings)) => Some(strings),
            _ => None,
        }
    }

    pub fn boolean(&self, name: &str) -> Option<bool> {
        match self.given.get(name) {
            Some(Given::Boolean(value)) => Some(*value),
            _ => None,
        }
    }

    pub fn timestamp(&self, name: &str) -> Option<DateTime<Utc>> {
        match self.given.get(name) {
            Some(Given::Timestamp(value)) => Some(*value),
            _ => None,
        }
    }
}

/// Each argument with its parameter, or what is wrong.
fn pairs<'a>(procedure: &'a Procedure, arguments: &'a Arguments) -> Result<Vec<(&'a Parameter, &'a Value)>, String> {
    let (name, parameters) = (procedure.name, procedure.parameters);
    match arguments {
        Arguments::Positional(values) if values.len() > parameters.len() => {
            Err(format!("`{name}` takes {} arguments at most, found {}", parameters.len(), values.len()))
        }
        Arguments::Positional(values) => Ok(parameters.iter().zip(values).collect()),
        Arguments::Named(named) => {
            let pair = |(argument, value): &'a (String, Value)| {
                let found = parameters.iter().find(|parameter| parameter.name == argument);
                let found = found.ok_or_else(|| format!("`{name}` takes no argument `{argument}`"))?;
                Ok((found, value))
            };
            named.iter().map(pair).collect()
        }
    }
}

/// The value as one of the type; `None` if it is none.
fn bind(kind: Kind, value: &Value) -> Option<Given> {
    Some(match (kind, value) {
        (Kind::String, Value::String(text)) => Given::String(text.clone()),
        (Kind::Integer, Value::Number(number)) => Given::Integer(number.parse().ok()?),
        (Kind::Boolean, Value::Boolean(truth)) => Given::Boolean(*truth),
        // Without a zone it is in UTC.
        (Kind::Timestamp, Value::Timestamp(text)) => Given::Timestamp(string_to_datetime(&Utc, text.trim()).ok()?),
        (Kind::Integers, Value::Array(elements)) => {
            let number = |element: &Value| match element {
                Value::Number(number) => number.parse().ok(),
                _ => None,
            };
            Given::Integers(elements.iter().map(number).collect::<Option<_>>()?)
        }
        (Kind::Map, Value::Map(entries)) => Given::Map(entries.clone()),
        (Kind::Strings, Value::Array(elements)) => {
            let text = |element: &Value| match element {
                Value::String(text) => Some(text.clone()),
                _ => None,
            };
            Given::Strings(elements.iter().map(text).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::String => "a string",
        Kind::Integer => "a whole number",
        Kind::Boolean => "true or false",
        Kind::Timestamp => "TIMESTAMP 'YYYY-MM-DD hh:mm:ss'",
        Kind::Integers => "array(1, 2, …) of whole numbers",
        Kind::Map => "map('key', 'value', …)",
        Kind::Strings => "array('…', …) of strings",
    }
}

fn described(value: &Value) -> String {
    match value {
        // What a string says stays out of messages: it may be a secret.
        Value::String(_) => "a string".to_string(),
        Value::Number(number) => format!("`{number}`"),
        Value::Boolean(truth) => format!("`{truth}`"),
        Value::Null => "NULL".to_string(),
        Value::Timestamp(text) => format!("TIMESTAMP `{text}`"),
        Value::Map(_) => "a map".to_string(),
        Value::Array(_) => "an array".to_string(),
    }
}

/// All arguments with their types, in their order.
fn signature(procedure: &Procedure) -> String {
    let shown = procedure.parameters.iter().map(|parameter| {
        let required = if parameter.default.is_none() { ", required" } else { "" };
        format!("{} ({}{required})", parameter.name, parameter.kind)
    });
    format!("its arguments are {}", shown.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procedures::remove_orphan_files::PROCEDURE;
    use crate::sql::{Statement, parse};

    fn bound(arguments: &str) -> Result<Bound> {
        match parse(&format!("CALL c.system.remove_orphan_files({arguments})")) {
            Ok(Statement::Call(call)) => Bound::new(&PROCEDURE, &call.arguments),
            other => panic!("{arguments}: {other:?}"),
        }
    }

    #[test]
    fn by_name_and_by_position() {
        let named = bound(
            "TABLE => 'n.t', Older_Than => TIMESTAMP '2024-05-01 10:00:00', dry_run => false, max_concurrent_deletes => 4,
             location => NULL",
        )
        .unwrap_or_else(|error| panic!("{error}"));
        let positional = bound("'n.t', TIMESTAMP '2024-05-01T12:00:00+02:00', NULL, false, 4").unwrap();
        for bound in [named, positional] {
            assert_eq!(bound.required_string("table").unwrap(), "n.t");
            let time = DateTime::parse_from_rfc3339("2024-05-01T10:00:00Z").unwrap().to_utc();
            assert_eq!(bound.timestamp("older_than"), Some(time));
            assert_eq!((bound.string("location"), bound.string("job")), (None, None));
            assert_eq!((bound.boolean("dry_run"), bound.integer("max_concurrent_deletes")), (Some(false), Some(4)));
        }
        assert_eq!(
            bound("'t', TIMESTAMP '2024-05-01'").unwrap().timestamp("older_than").unwrap().timestamp(),
            1714521600
        );
    }

    #[test]
    fn mistakes_name_what_there_is() {
        let name = "remove_orphan_files";
        for (arguments, message) in [
            ("", format!("the argument `table` of `{name}` is missing")),
            ("dry_run => true", format!("the argument `table` of `{name}` is missing")),
            ("table => NULL", format!("the argument `table` of `{name}` is missing")),
            ("table => 't', dryrun => true", format!("`{name}` takes no argument `dryrun`")),
            ("table => 5", format!("the argument `table` of `{name}` takes a string, found `5`")),
            ("'t', '2024-05-01'", {
                format!("the argument `older_than` of `{name}` takes TIMESTAMP 'YYYY-MM-DD hh:mm:ss', found a string")
            }),
            ("'t', TIMESTAMP 'today'", {
                let found = "found TIMESTAMP `today`";
                format!("the argument `older_than` of `{name}` takes TIMESTAMP 'YYYY-MM-DD hh:mm:ss', {found}")
            }),
            ("table => 't', dry_run => 'no'", {
                format!("the argument `dry_run` of `{name}` takes true or false, found a string")
            }),
            ("table => 't', max_concurrent_deletes => 1.5", {
                format!("the argument `max_concurrent_deletes` of `{name}` takes a whole number, found `1.5`")
            }),
            ("table => map('a', 1)", format!("the argument `table` of `{name}` takes a string, found a map")),
            ("1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13", format!("`{name}` takes 12 arguments at most, found 13")),
        ] {
            let error = bound(arguments).err().unwrap_or_else(|| panic!("{arguments} is taken"));
            assert_eq!((error.kind(), error.to_string()), (ErrorKind::Sql, message));
            let advice = error.advice().unwrap();
            assert!(
                advice.ends_with(
                    "its arguments are table (string, required), older_than (timestamp), location (string), \
                 dry_run (boolean), max_concurrent_deletes (integer), file_list_view (string), equal_schemes (map), \
                 equal_authorities (map), prefix_mismatch_mode (string), prefix_listing (boolean), \
                 stream_results (boolean), job (string)"
                ),
                "{advice}"
            );
        }
    }
}
