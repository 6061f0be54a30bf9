//! Settings of a session, and where each was said.

use std::collections::BTreeMap;

use clap::ValueEnum;

use super::layer::Value;
use crate::args::{self, Format};

/// The names of all settings. A variable of the environment is called `ICELIFT_` and one of them in upper case.
pub const NAMES: [&str; 4] = ["memory_limit", "threads", "format", "bandwidth"];

/// What may be said in `[settings]`, in the environment and on the command line.
#[derive(Debug, Default)]
pub struct Settings {
    pub memory_limit: Option<usize>,
    pub threads: Option<usize>,
    pub format: Option<Format>,
    /// Bytes that go between source and target in a second.
    pub bandwidth: Option<usize>,
    told: BTreeMap<String, Value>,
}

impl Settings {
    /// Takes a setting over; false if there is none of this name, an error if its value makes no sense.
    pub fn set(&mut self, name: &str, value: Value) -> Result<bool, String> {
        let text = value.text.as_str();
        match name {
            "memory_limit" => self.memory_limit = Some(args::bytes(text)?),
            "threads" => self.threads = Some(args::threads(text)?),
            "format" => {
                let unknown = |_| format!("expected one of {}", Format::names().join(", "));
                self.format = Some(Format::from_str(text, false).map_err(unknown)?);
            }
            "bandwidth" => self.bandwidth = Some(args::bytes(text)?),
            _ => return Ok(false),
        }
        self.told.insert(name.to_owned(), value);
        Ok(true)
    }

    /// What was said of a setting, and where.
    pub fn told(&self, name: &str) -> Option<&Value> {
        self.told.get(name)
    }

    /// Puts those of a higher place above these.
    pub fn add(&mut self, higher: Settings) {
        self.memory_limit = higher.memory_limit.or(self.memory_limit);
        self.threads = higher.threads.or(self.threads);
        self.format = higher.format.or(self.format);
        self.bandwidth = higher.bandwidth.or(self.bandwidth);
        self.told.extend(higher.told);
    }
}
