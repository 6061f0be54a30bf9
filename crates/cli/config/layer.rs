//! One place that tells of settings and catalogs, and what becomes of several of them.
//!
//! Values may be secrets: none of them is in a `Debug` output.

use std::collections::BTreeMap;
use std::fmt;

use super::secret;
use super::settings::Settings;
use crate::exit::Place;

/// What one place says.
#[derive(Debug, Default)]
pub struct Layer {
    pub catalogs: Vec<Catalog>,
    pub settings: Settings,
    /// List prices that are replaced, in US dollars, by name.
    pub prices: BTreeMap<String, Value>,
}

/// A value, and where it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct Value {
    pub text: String,
    pub place: Place,
    /// The variables that it was put together from.
    pub variables: Vec<String>,
    /// One of them that is not set: there is no text then.
    pub missing: Option<String>,
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Value").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Value {
    pub fn new(text: impl Into<String>, place: Place) -> Self {
        Self { text: text.into(), place, variables: Vec::new(), missing: None }
    }
}

/// A catalog that is to be attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    pub name: String,
    /// Where it was first named.
    pub place: Place,
    /// Those of ATTACH and `warehouse`, by names in lower case.
    pub options: BTreeMap<String, Value>,
    /// All of it is told in PyIceberg's ways.
    pub is_foreign: bool,
    /// Why it is not attached, where it cannot be.
    pub left_out: Option<String>,
}

impl Catalog {
    pub fn new(name: String, place: Place) -> Self {
        Self { name, place, options: BTreeMap::new(), is_foreign: false, left_out: None }
    }

    pub fn text(&self, option: &str) -> Option<&str> {
        self.options.get(option).map(|value| value.text.as_str())
    }

    /// Takes over what a higher place says of the same catalog. One of another type has nothing to do with this one.
    fn add(&mut self, higher: Catalog) {
        let is_another = match (self.text("type"), higher.text("type")) {
            (Some(lower), Some(higher)) => !lower.eq_ignore_ascii_case(higher),
            _ => false,
        };
        if is_another {
            *self = higher;
            return;
        }
        // A token takes the place of the command that would print one, and the other way round.
        let renewed: Vec<_> = higher.options.keys().map(|name| secret::target(name).to_owned()).collect();
        self.options.retain(|name, _| !renewed.iter().any(|renewed| renewed == secret::target(name)));
        self.options.extend(higher.options);
        self.is_foreign &= higher.is_foreign;
    }
}

impl Layer {
    /// Puts a place above this one.
    pub fn add(&mut self, higher: Layer) {
        for catalog in higher.catalogs {
            match self.catalogs.iter_mut().find(|known| known.name == catalog.name) {
                Some(known) => known.add(catalog),
                None => self.catalogs.push(catalog),
            }
        }
        self.settings.add(higher.settings);
        self.prices.extend(higher.prices);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(label: &str, options: &[(&str, &str)]) -> Catalog {
        let place = Place::from(label.to_owned());
        let mut catalog = Catalog::new("r2".to_owned(), place.clone());
        let options = options.iter().map(|(name, text)| ((*name).to_owned(), Value::new(*text, place.clone())));
        catalog.options.extend(options);
        catalog
    }

    fn merged(lower: &[(&str, &str)], higher: &[(&str, &str)]) -> Vec<String> {
        let mut layer = Layer { catalogs: vec![catalog("lower", lower)], ..Layer::default() };
        layer.add(Layer { catalogs: vec![catalog("higher", higher)], ..Layer::default() });
        let told = |(name, value): (&String, &Value)| format!("{name}={} {}", value.text, value.place);
        layer.catalogs[0].options.iter().map(told).collect()
    }

    #[test]
    fn options_are_merged_one_by_one() {
        let lower = [("type", "r2"), ("token", "a"), ("uri", "u")];
        let found = merged(&lower, &[("type", "R2"), ("token", "b")]);
        assert_eq!(found, ["token=b higher", "type=R2 higher", "uri=u lower"]);
        assert_eq!(merged(&lower, &[("token-command", "c")])[0], "token-command=c higher");
        assert_eq!(merged(&[("token-file", "f")], &[("token", "b")]), ["token=b higher"]);
    }

    #[test]
    fn another_type_is_another_catalog() {
        let found = merged(&[("type", "r2"), ("token", "a")], &[("type", "local"), ("warehouse", "w")]);
        assert_eq!(found, ["type=local higher", "warehouse=w higher"]);
    }
}
