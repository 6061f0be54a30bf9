//! `icelift.toml`: catalogs to attach and settings.
//!
//! ```toml
//! [catalog.r2]
//! type = "r2"
//! warehouse = "${R2_WAREHOUSE}"
//! token = "${R2_CATALOG_API_TOKEN}"
//! s3.region = "auto"
//!
//! [settings]
//! memory_limit = "4GB"
//! threads = 8
//! format = "table"
//! bandwidth = "120MB"
//!
//! [prices]
//! aws_nat_per_gb = 0.045
//! ```
//!
//! Values may be secrets: every error names file, line and key, and none shows a value or a line of the file.

use std::collections::BTreeMap;
use std::path::Path;

use clap::ValueEnum;
use icelift::{Attach, Error, ErrorKind};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::args::{self, Format};
use crate::exit::{Place, Problem};

type Key<'t> = Spanned<std::borrow::Cow<'t, str>>;
type Value<'t> = Spanned<DeValue<'t>>;

#[derive(Debug, Default)]
pub struct Config {
    pub catalogs: Vec<Attach>,
    pub settings: Settings,
    /// List prices that are replaced, in US dollars, by name.
    pub prices: Vec<(String, f64)>,
}

/// What the command line may overrule.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub memory_limit: Option<usize>,
    pub threads: Option<usize>,
    pub format: Option<Format>,
    /// Bytes that go between source and target in a second.
    pub bandwidth: Option<usize>,
}

impl Config {
    /// Reads a configuration file; `${NAME}` stands for what `environment` holds.
    pub fn read(file: &Path, environment: &BTreeMap<String, String>) -> Result<Self, Problem> {
        let label = file.display().to_string();
        match std::fs::read_to_string(file) {
            Ok(text) => Reader { label: &label, text: &text, environment }.config(),
            Err(error) => Err(Problem {
                place: Some(label.into()),
                error: Error::new(ErrorKind::Config, "the configuration file cannot be read").source(error),
            }),
        }
    }
}

struct Reader<'a> {
    label: &'a str,
    text: &'a str,
    environment: &'a BTreeMap<String, String>,
}

impl<'a> Reader<'a> {
    fn config(&self) -> Result<Config, Problem> {
        let document = DeTable::parse(self.text).map_err(|error| {
            // Not the error itself: it prints the line of the file, and with it a token.
            let start = error.span().map(|span| span.start).unwrap_or_default();
            self.problem(start, error.message())
        })?;
        let mut config = Config::default();
        for (key, value) in document.get_ref() {
            match key.get_ref().as_ref() {
                "catalog" => config.catalogs = self.catalogs(key, value)?,
                "settings" => config.settings = self.settings(key, value)?,
                "prices" => config.prices = self.prices(key, value)?,
                other => return Err(self.unknown(key, other, "`catalog`, `settings` and `prices`")),
            }
        }
        Ok(config)
    }

    fn catalogs(&self, key: &Key, value: &Value<'a>) -> Result<Vec<Attach>, Problem> {
        self.table("catalog", key, value)?.iter().map(|(name, value)| self.catalog(name, value)).collect()
    }

    fn catalog(&self, key: &Key, value: &Value<'a>) -> Result<Attach, Problem> {
        let name = key.get_ref().to_string();
        let path = format!("catalog.{name}");
        let mut options = BTreeMap::new();
        self.flatten(self.table(&path, key, value)?, "", &mut options)?;
        if !options.contains_key("type") {
            let hint = "add `type = \"local\"`, or another kind of catalog that ATTACH knows";
            return Err(self.problem_with_hint(key, format!("`{path}` has no `type`"), hint));
        }
        let warehouse = options.remove("warehouse");
        Ok(Attach { name, warehouse, options, if_not_exists: false })
    }

    /// Options have lower case names, as those of ATTACH.
    ///
    /// TOML reads `s3.region = "auto"` as a table in a table; the catalog knows it as one property.
    fn flatten(
        &self,
        table: &DeTable<'a>,
        prefix: &str,
        options: &mut BTreeMap<String, String>,
    ) -> Result<(), Problem> {
        for (key, value) in table {
            let name = format!("{prefix}{}", key.get_ref().to_ascii_lowercase());
            if let DeValue::Table(inner) = value.get_ref() {
                self.flatten(inner, &format!("{name}."), options)?;
                continue;
            }
            // The engine expands options as ATTACH has them: what a variable brought must come through it unchanged.
            let text = self.text_of(&name, value)?.replace("${", "$${");
            if options.insert(name.clone(), text).is_some() {
                return Err(self.problem(key.span().start, format!("`{name}` is given twice")));
            }
        }
        Ok(())
    }

    /// Whether there are such prices is for the engine to say.
    fn prices(&self, key: &Key, value: &Value<'a>) -> Result<Vec<(String, f64)>, Problem> {
        let prices = self.table("prices", key, value)?.iter().map(|(key, value)| {
            let name = key.get_ref().to_string();
            let wrong = || self.problem(value.span().start, format!("`prices.{name}`: expected a number of dollars"));
            let amount = self.text_of(&name, value)?.parse().map_err(|_| wrong())?;
            Ok((name, amount))
        });
        prices.collect()
    }

    fn settings(&self, key: &Key, value: &Value<'a>) -> Result<Settings, Problem> {
        let mut settings = Settings::default();
        for (key, value) in self.table("settings", key, value)? {
            let name = key.get_ref().as_ref();
            let wrong = |why: String| self.problem(value.span().start, format!("`settings.{name}`: {why}"));
            let text = || self.text_of(name, value);
            match name {
                "memory_limit" => settings.memory_limit = Some(args::bytes(&text()?).map_err(wrong)?),
                "threads" => settings.threads = Some(args::threads(&text()?).map_err(wrong)?),
                "format" => {
                    let known = |_| wrong(format!("expected one of {}", Format::names().join(", ")));
                    settings.format = Some(Format::from_str(&text()?, false).map_err(known)?);
                }
                "bandwidth" => settings.bandwidth = Some(args::bytes(&text()?).map_err(wrong)?),
                other => {
                    return Err(self.unknown(key, other, "`memory_limit`, `threads`, `format` and `bandwidth`"));
                }
            }
        }
        Ok(settings)
    }

    fn table<'v>(&self, path: &str, key: &Key, value: &'v Value<'a>) -> Result<&'v DeTable<'a>, Problem> {
        let missing = || self.problem_with_hint(key, format!("`{path}` is not a table"), format!("write `[{path}]`"));
        value.get_ref().as_table().ok_or_else(missing)
    }

    fn text_of(&self, name: &str, value: &Value<'a>) -> Result<String, Problem> {
        let at = value.span().start;
        match value.get_ref() {
            DeValue::String(text) => icelift::variables::expand(text, self.environment)
                .map_err(|error| Problem { place: Some(self.place(at)), error }),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Ok(number.to_string()),
                Err(_) => Err(self.problem(at, format!("`{name}` is too large a number"))),
            },
            DeValue::Float(number) => Ok(number.as_str().to_owned()),
            DeValue::Boolean(truth) => Ok(truth.to_string()),
            other => {
                let found = other.type_str();
                Err(self.problem(at, format!("`{name}` is of type {found}; expected a string, number or boolean")))
            }
        }
    }

    fn unknown(&self, key: &Key, name: &str, allowed: &str) -> Problem {
        self.problem_with_hint(key, format!("unknown key `{name}`"), format!("the keys here are {allowed}"))
    }

    fn problem_with_hint(&self, key: &Key, message: String, hint: impl Into<String>) -> Problem {
        let Problem { place, error } = self.problem(key.span().start, message);
        Problem { place, error: error.hint(hint) }
    }

    fn problem(&self, at: usize, message: impl Into<String>) -> Problem {
        Problem { place: Some(self.place(at)), error: Error::new(ErrorKind::Config, message) }
    }

    fn place(&self, at: usize) -> Place {
        let before = self.text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        Place { label: self.label.to_owned(), line: Some(before + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, Problem> {
        let environment = BTreeMap::from([("TOKEN".to_owned(), "s3cret".to_owned())]);
        Reader { label: "icelift.toml", text, environment: &environment }.config()
    }

    #[test]
    fn properties_are_flattened_and_variables_expanded() {
        let text = "[catalog.r2]\ntype = 'r2'\nwarehouse = 'w'\ntoken = '${TOKEN}'\ns3.region = 'auto'\n\
                    's3.path-style' = true\npage = 0x10\n[settings]\nmemory_limit = '2KB'\nthreads = 3\nformat = 'csv'\nbandwidth = '1MB'\n[prices]\naws_get_per_thousand = 0.5\nr2_class_a_free = 0";
        let config = read(text).unwrap();
        let options = [("page", "16"), ("s3.path-style", "true"), ("s3.region", "auto"), ("token", "s3cret")];
        let mut options = BTreeMap::from(options.map(|(key, value)| (key.to_owned(), value.to_owned())));
        options.insert("type".to_owned(), "r2".to_owned());
        assert_eq!(config.catalogs[0].options, options);
        assert_eq!(config.catalogs[0].warehouse.as_deref(), Some("w"));
        let prices = [("aws_get_per_thousand", 0.5), ("r2_class_a_free", 0.0)];
        assert_eq!(config.prices, prices.map(|(name, dollars)| (name.to_owned(), dollars)));
        let (format, bandwidth) = (Some(Format::Csv), Some(1_000_000));
        let settings = Settings { memory_limit: Some(2000), threads: Some(3), format, bandwidth };
        assert_eq!(config.settings, settings);
    }

    #[test]
    fn a_value_with_a_dollar_comes_through_the_engine_unchanged() {
        let environment = BTreeMap::from([("TOKEN".to_owned(), "a${b}$${c".to_owned())]);
        let text = "[catalog.r2]\ntype = 'r2'\ntoken = '${TOKEN}$${d}'";
        let config = Reader { label: "icelift.toml", text, environment: &environment }.config().unwrap();
        let seen = icelift::variables::expand(&config.catalogs[0].options["token"], &environment).unwrap();
        assert_eq!(seen, "a${b}$${c${d}");
    }

    #[test]
    fn errors_name_the_line_and_no_value() {
        let cases = [
            ("[catalog.a]\ntype = 'local'\n[catalogs]", 3, "unknown key `catalogs`"),
            ("[settings]\nformat = 's3cret'", 2, "expected one of box, table"),
            ("[settings]\nthreads = 's3cret'", 2, "expected a number"),
            ("[settings]\nmemory = 's3cret'", 2, "unknown key `memory`"),
            ("[prices]\naws_nat_per_gb = 's3cret'", 2, "expected a number of dollars"),
            ("\n[catalog.a]\ntoken = 's3cret'", 2, "has no `type`"),
            ("[catalog.a]\ntype = 'local'\ntoken = ['s3cret']", 3, "of type array"),
            ("[catalog.a]\ntype = 'local'\ntoken = 's3cret", 3, "invalid"),
            ("[catalog.a]\ntype = 'local'\ntoken = s3cret", 3, "must be quoted"),
            ("[catalog.a]\ntype = 'local'\na.b = 's3cret'\n'a.b' = 's3cret'", 4, "given twice"),
            ("catalog = 's3cret'", 1, "is not a table"),
            ("[catalog.a]\ntype = 'local'\ntoken = 's3cret ${MISSING}'", 3, "MISSING"),
        ];
        for (text, line, message) in cases {
            let problem = read(text).unwrap_err();
            let said = format!("{} {:?}", problem.error, problem.error);
            let place = problem.place.map(|place| place.to_string());
            assert_eq!(place, Some(format!("icelift.toml:{line}")), "{text}: {said}");
            assert_eq!(problem.error.kind(), ErrorKind::Config, "{text}");
            assert!(said.contains(message), "{text}: {said}");
            assert!(!said.contains("s3cret"), "{text}: {said}");
        }
    }
}
