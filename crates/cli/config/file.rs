//! `icelift.toml`: catalogs to attach and settings, of one file.
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

use icelift::{Error, ErrorKind};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::layer::{Catalog, Layer, Value as Given};
use super::secret;
use super::settings::Settings;
use crate::exit::{Place, Problem};

type Key<'t> = Spanned<std::borrow::Cow<'t, str>>;
type Value<'t> = Spanned<DeValue<'t>>;

/// Reads a configuration file; `${NAME}` stands for what `environment` holds.
pub fn read(file: &Path, environment: &BTreeMap<String, String>) -> Result<Layer, Problem> {
    let label = file.display().to_string();
    match std::fs::read_to_string(file) {
        Ok(text) => Reader { label: &label, text: &text, environment }.layer(),
        Err(error) => Err(Problem {
            place: Some(label.into()),
            error: Error::new(ErrorKind::Config, "the configuration file cannot be read").source(error),
        }),
    }
}

struct Reader<'a> {
    label: &'a str,
    text: &'a str,
    environment: &'a BTreeMap<String, String>,
}

impl<'a> Reader<'a> {
    fn layer(&self) -> Result<Layer, Problem> {
        let document = DeTable::parse(self.text).map_err(|error| {
            // Not the error itself: it prints the line of the file, and with it a token.
            let start = error.span().map(|span| span.start).unwrap_or_default();
            self.problem(start, error.message())
        })?;
        let mut layer = Layer::default();
        for (key, value) in document.get_ref() {
            match key.get_ref().as_ref() {
                "catalog" => layer.catalogs = self.catalogs(key, value)?,
                "settings" => layer.settings = self.settings(key, value)?,
                "prices" => layer.prices = self.prices(key, value)?,
                other => return Err(self.unknown(key, other, "`catalog`, `settings` and `prices`")),
            }
        }
        Ok(layer)
    }

    fn catalogs(&self, key: &Key, value: &Value<'a>) -> Result<Vec<Catalog>, Problem> {
        self.table("catalog", key, value)?.iter().map(|(name, value)| self.catalog(name, value)).collect()
    }

    fn catalog(&self, key: &Key, value: &Value<'a>) -> Result<Catalog, Problem> {
        let name = key.get_ref().to_string();
        let mut catalog = Catalog::new(name.clone(), self.place(key.span().start));
        self.flatten(self.table(&format!("catalog.{name}"), key, value)?, "", &mut catalog.options)?;
        let options = &catalog.options;
        let twice = options.iter().find(|(name, _)| {
            let target = secret::target(name);
            options.keys().filter(|other| secret::target(other) == target).count() > 1
        });
        match twice {
            Some((name, value)) => {
                let place = Some(value.place.clone());
                let error = Error::new(ErrorKind::Config, format!("`{}` is given in two ways", secret::target(name)));
                Err(Problem { place, error })
            }
            None => Ok(catalog),
        }
    }

    /// Options have lower case names, as those of ATTACH.
    ///
    /// TOML reads `s3.region = "auto"` as a table in a table; the catalog knows it as one property.
    fn flatten(&self, table: &DeTable<'a>, prefix: &str, options: &mut BTreeMap<String, Given>) -> Result<(), Problem> {
        for (key, value) in table {
            let name = format!("{prefix}{}", key.get_ref().to_ascii_lowercase());
            if let DeValue::Table(inner) = value.get_ref() {
                self.flatten(inner, &format!("{name}."), options)?;
                continue;
            }
            let given = self.option(&name, value)?;
            if options.insert(name.clone(), given).is_some() {
                return Err(self.problem(key.span().start, format!("`{name}` is given twice")));
            }
        }
        Ok(())
    }

    /// Whether there are such prices is for the engine to say.
    fn prices(&self, key: &Key, value: &Value<'a>) -> Result<BTreeMap<String, Given>, Problem> {
        let prices = self.table("prices", key, value)?.iter().map(|(key, value)| {
            let name = key.get_ref().to_string();
            let given = self.given(&name, value)?;
            match given.text.parse::<f64>() {
                Ok(_) => Ok((name, given)),
                Err(_) => {
                    Err(self.problem(value.span().start, format!("`prices.{name}`: expected a number of dollars")))
                }
            }
        });
        prices.collect()
    }

    fn settings(&self, key: &Key, value: &Value<'a>) -> Result<Settings, Problem> {
        let mut settings = Settings::default();
        for (key, value) in self.table("settings", key, value)? {
            let name = key.get_ref().as_ref();
            let wrong = |why: String| self.problem(value.span().start, format!("`settings.{name}`: {why}"));
            if !settings.set(name, self.given(name, value)?).map_err(wrong)? {
                return Err(self.unknown(key, name, "`memory_limit`, `threads`, `format` and `bandwidth`"));
            }
        }
        Ok(settings)
    }

    fn table<'v>(&self, path: &str, key: &Key, value: &'v Value<'a>) -> Result<&'v DeTable<'a>, Problem> {
        let missing = || self.problem_with_hint(key, format!("`{path}` is not a table"), format!("write `[{path}]`"));
        value.get_ref().as_table().ok_or_else(missing)
    }

    /// The value of an option of a catalog. That a variable is not set matters to who attaches the catalog, and to nobody else.
    fn option(&self, name: &str, value: &Value<'a>) -> Result<Given, Problem> {
        let written = value.get_ref().as_str().unwrap_or_default();
        let Some(missing) = named(written).into_iter().find(|it| !self.environment.contains_key(it)) else {
            return self.given(name, value);
        };
        let empty = named(written).into_iter().map(|it| (it, String::new())).collect();
        // What is no reference to a variable is an error all the same.
        let given = Reader { environment: &empty, ..*self }.given(name, value)?;
        Ok(Given { text: String::new(), missing: Some(missing), ..given })
    }

    fn given(&self, name: &str, value: &Value<'a>) -> Result<Given, Problem> {
        let place = self.place(value.span().start);
        let written = value.get_ref().as_str().unwrap_or_default();
        Ok(Given { variables: named(written), ..Given::new(self.text_of(name, value)?, place) })
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

/// The variables that a text names, as far as it can be expanded.
fn named(text: &str) -> Vec<String> {
    let names = text.replace("$${", "").split("${").skip(1).map(str::to_owned).collect::<Vec<_>>();
    names.iter().filter_map(|rest| rest.split_once('}')).map(|(name, _)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Format;

    fn read(text: &str) -> Result<Layer, Problem> {
        let environment = BTreeMap::from([("TOKEN".to_owned(), "s3cret".to_owned())]);
        Reader { label: "icelift.toml", text, environment: &environment }.layer()
    }

    #[test]
    fn properties_are_flattened_and_variables_expanded() {
        let text = "[catalog.r2]\ntype = 'r2'\nwarehouse = 'w'\ntoken = '${TOKEN}'\ns3.region = 'auto'\n\
                    's3.path-style' = true\npage = 0x10\n[settings]\nmemory_limit = '2KB'\nthreads = 3\nformat = 'csv'\nbandwidth = '1MB'\n[prices]\naws_get_per_thousand = 0.5\nr2_class_a_free = 0";
        let layer = read(text).unwrap();
        let told = |(name, value): (&String, &Given)| format!("{name}={} {}", value.text, value.place.line.unwrap());
        let options: Vec<_> = layer.catalogs[0].options.iter().map(told).collect();
        let expected =
            ["page=16 7", "s3.path-style=true 6", "s3.region=auto 5", "token=s3cret 4", "type=r2 2", "warehouse=w 3"];
        assert_eq!(options, expected);
        assert_eq!(layer.catalogs[0].options["token"].variables, ["TOKEN"]);
        let prices: Vec<_> = layer.prices.iter().map(told).collect();
        assert_eq!(prices, ["aws_get_per_thousand=0.5 14", "r2_class_a_free=0 15"]);
        let Settings { memory_limit, threads, format, bandwidth, .. } = layer.settings;
        let found = (memory_limit, threads, format, bandwidth);
        assert_eq!(found, (Some(2000), Some(3), Some(Format::Csv), Some(1_000_000)));
    }

    #[tokio::test]
    async fn a_value_with_a_dollar_comes_through_the_engine_unchanged() {
        let environment = BTreeMap::from([("TOKEN".to_owned(), "a${b}$${c".to_owned())]);
        let text = "[catalog.r2]\ntype = 'r2'\ntoken = '${TOKEN}$${d}'";
        let layer = Reader { label: "icelift.toml", text, environment: &environment }.layer().unwrap();
        let attach = layer.catalogs[0].attach().await.unwrap();
        let seen = icelift::variables::expand(&attach.options["token"], &environment).unwrap();
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
            ("[catalog.a]\ntoken = 's3cret'\ntoken-command = 's3cret'", 2, "`token` is given in two ways"),
            ("[catalog.a]\ntype = 'local'\ntoken = ['s3cret']", 3, "of type array"),
            ("[catalog.a]\ntype = 'local'\ntoken = 's3cret", 3, "invalid"),
            ("[catalog.a]\ntype = 'local'\ntoken = s3cret", 3, "must be quoted"),
            ("[catalog.a]\ntype = 'local'\na.b = 's3cret'\n'a.b' = 's3cret'", 4, "given twice"),
            ("catalog = 's3cret'", 1, "is not a table"),
            ("[settings]\nformat = 's3cret ${MISSING}'", 2, "MISSING"),
            ("[catalog.a]\ntype = 'local'\ntoken = 's3cret ${MISSING} ${a b}'", 3, "no name of a variable"),
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
        let layer = read("[catalog.a]\ntype = 'local'\ntoken = 's3cret ${MISSING}'").unwrap();
        assert_eq!(layer.catalogs[0].options["token"].missing.as_deref(), Some("MISSING"));
    }
}
