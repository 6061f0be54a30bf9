//! The options of ATTACH, taken out one by one; what is left over at the end is a mistake.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::time::Duration;

use datafusion::common::utils::datafusion_strsim::normalized_levenshtein;
use secrecy::SecretString;

use crate::error::{Error, ErrorKind, Result, Stage};

/// How like a name must be to be what was meant.
const LIKE_PERCENT: u32 = 70;

/// What is left of a catalog's options, and the names that were asked for. Values never appear in errors: they may be
/// secrets.
pub(crate) struct Options {
    catalog: String,
    left: BTreeMap<String, String>,
    known: Vec<String>,
}

impl Options {
    pub fn new(catalog: &str, options: BTreeMap<String, String>) -> Self {
        Self { catalog: catalog.to_string(), left: options, known: Vec::new() }
    }

    /// The name that the catalog is attached under.
    pub fn catalog(&self) -> &str {
        &self.catalog
    }

    /// The option's value, if it is given.
    pub fn take(&mut self, key: &str) -> Option<String> {
        self.known.push(key.to_string());
        self.left.remove(key)
    }

    /// The option's value, to be kept from sight.
    pub fn take_secret(&mut self, key: &str) -> Option<SecretString> {
        self.take(key).map(SecretString::from)
    }

    /// The option's value, which must be there.
    pub fn require(&mut self, key: &str, hint: &str) -> Result<String> {
        match self.take(key).filter(|value| !value.is_empty()) {
            Some(value) => Ok(value),
            None => Err(self.error(format!("the option `{key}` is missing")).hint(hint)),
        }
    }

    /// `true` or `false`.
    pub fn take_flag(&mut self, key: &str) -> Result<Option<bool>> {
        match self.take(key).map(|value| value.to_ascii_lowercase()).as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(self.error(format!("the option `{key}` must be true or false"))),
        }
    }

    /// A number of at least `min`.
    pub fn take_number<T: FromStr + PartialOrd + std::fmt::Display>(&mut self, key: &str, min: T) -> Result<Option<T>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        match value.parse::<T>() {
            Ok(number) if number >= min => Ok(Some(number)),
            _ => Err(self.error(format!("the option `{key}` must be a number of at least {min}"))),
        }
    }

    /// A time in milliseconds, above zero.
    pub fn take_millis(&mut self, key: &str) -> Result<Option<Duration>> {
        Ok(self.take_number(key, 1_u64)?.map(Duration::from_millis))
    }

    /// All options whose names begin with `prefix`, without it.
    pub fn take_prefixed(&mut self, prefix: &str) -> BTreeMap<String, String> {
        self.known.push(format!("{prefix}<name>"));
        let (taken, left) = std::mem::take(&mut self.left).into_iter().partition(|(key, _)| key.starts_with(prefix));
        self.left = left;
        let taken: BTreeMap<String, String> = taken;
        taken.into_iter().map(|(key, value)| (key[prefix.len()..].to_string(), value)).collect()
    }

    /// Fails on options that nothing reads, naming those that are.
    pub fn finish(&self) -> Result<()> {
        let Some(unknown) = self.left.keys().next() else { return Ok(()) };
        let known: BTreeSet<_> = std::iter::once("type").chain(self.known.iter().map(String::as_str)).collect();
        let likeness = |name: &&&str| (normalized_levenshtein(unknown, name) * 100.0) as u32;
        let hint = match known.iter().max_by_key(likeness).filter(|name| likeness(name) >= LIKE_PERCENT) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("this type of catalog takes `{}`", Vec::from_iter(known).join("`, `")),
        };
        Err(self.error(format!("the option `{unknown}` is unknown")).hint(hint))
    }

    /// A mistake in the options.
    pub fn error(&self, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Config, message).stage(Stage::Catalog).subject(format!("`{}`", self.catalog))
    }
}
