//! `icelift config`: each setting, what it is, and where it was said. Secrets are hidden.
//!
//! What must hold: no secret that the configuration has is in what is shown, also where a harmless option repeats it. No
//! command is run for it.

use std::path::PathBuf;

use super::secret::{self, MASK};
use super::settings::NAMES;
use super::{Catalog, Config, Value};
use crate::memory;

/// Secrets that are shorter are in every other word.
const REPEATED_BYTES: usize = 4;

/// The rows: name, value, source.
pub fn show(config: &Config, env_files: &[PathBuf], of_env_files: &dyn Fn(&str) -> bool) -> Vec<[Option<String>; 3]> {
    let source = |value: &Value| {
        let named = |name: &String| match of_env_files(name) {
            true => format!("${{{name}}} of {}", listed(env_files)),
            false => format!("${{{name}}}"),
        };
        let variables: Vec<_> = value.variables.iter().map(named).collect();
        let place = match value.place.line.is_none() && of_env_files(&value.place.label) {
            true => format!("{} of {}", value.place, listed(env_files)),
            false => value.place.to_string(),
        };
        if variables.is_empty() { place } else { format!("{place}, {}", variables.join(", ")) }
    };
    let mut rows = Vec::new();
    for name in NAMES {
        let (value, source) = match config.settings.told(name) {
            Some(value) => (Some(value.text.clone()), source(value)),
            None => (default(name), "default".to_owned()),
        };
        rows.push([Some(format!("settings.{name}")), value, Some(source)]);
    }
    for (name, value) in &config.prices {
        rows.push([Some(format!("prices.{name}")), Some(value.text.clone()), Some(source(value))]);
    }
    for catalog in &config.catalogs {
        if let Some(why) = &catalog.left_out {
            let name = Some(format!("catalog.{}", catalog.name));
            rows.push([name, Some(format!("not attached: {why}")), Some(catalog.place.to_string())]);
        }
        for (option, value) in &catalog.options {
            let name = Some(format!("catalog.{}.{option}", catalog.name));
            let shown = match &value.missing {
                Some(variable) => format!("not attached: {}", icelift::variables::not_set(variable)),
                None => secret::shown(option, &value.text),
            };
            rows.push([name, Some(shown), Some(source(value))]);
        }
    }
    let secrets = secrets(&config.catalogs);
    for text in rows.iter_mut().flatten().flatten() {
        for secret in &secrets {
            *text = text.replace(secret, MASK);
        }
    }
    rows
}

fn secrets(catalogs: &[Catalog]) -> Vec<String> {
    let options = catalogs.iter().flat_map(|catalog| &catalog.options);
    let secrets = options.filter(|(name, _)| secret::is_secret(name)).map(|(_, value)| value.text.clone());
    let mut secrets: Vec<_> = secrets.filter(|secret| secret.len() >= REPEATED_BYTES).collect();
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
}

fn listed(files: &[PathBuf]) -> String {
    let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
    files.join(" or ")
}

/// What holds where nobody says anything.
fn default(name: &str) -> Option<String> {
    match name {
        "memory_limit" => memory::default_limit_bytes().map(|bytes| bytes.to_string()),
        "threads" => std::thread::available_parallelism().ok().map(|count| count.to_string()),
        "format" => Some("table, box in the shell".to_owned()),
        _ => None,
    }
}
