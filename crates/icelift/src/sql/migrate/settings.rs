//! `WITH (…)` of `MIGRATE`: options by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use datafusion::sql::sqlparser::tokenizer::Location;

use crate::byte_count::byte_count;
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::splice::SpliceMode;
use crate::pipeline::verify::Level;
use crate::sql::cursor::Cursor;
use crate::sql::options::{self, Given, Keys};
use crate::sql::tokens::{placed, unsupported};

/// What an error offers.
const OPTIONS: &str =
    "verify, merge_schema, on_error, parallel_batches, scan_batches, final, slice_bytes, splice, report";

/// What a later version has.
const LATER: &[&str] = &["memory_limit", "max_bytes_per_second", "max_requests_per_second", "max_dollars"];

/// The names of the options.
pub(crate) fn option_names() -> Vec<&'static str> {
    OPTIONS.split(", ").collect()
}

const PARALLEL_BATCHES_MAX: usize = 64;
const SLICE_BYTES_MIN: u64 = 1 << 10;

/// How a migration runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MigrateOptions {
    pub verify: Level,
    pub merge_schema: bool,
    pub on_error: OnError,
    pub parallel_batches: usize,
    pub scan_batches: bool,
    /// The key is `final`.
    pub final_run: bool,
    pub slice_bytes: Option<u64>,
    /// As the session says unless set.
    pub splice: Option<SpliceMode>,
    /// Where the page of the migration goes.
    pub report: Option<ReportFile>,
}

/// A local file, as a page or as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReportFile {
    pub path: PathBuf,
    pub format: ReportFormat,
}

/// What the report of a migration is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportFormat {
    /// One page that needs nothing else.
    Html,
    /// One object with the same.
    Json,
}

impl ReportFormat {
    /// What the end of a file's name tells, in whatever case; `None` if it tells nothing or something else.
    pub fn of(file: &Path) -> Option<Self> {
        match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "html" | "htm" => Some(Self::Html),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

impl ReportFile {
    /// What an error offers.
    const EXPECTED: &str = "the path of a local file that ends with .html or .json";

    /// The end of the name tells the format.
    fn named(path: &str) -> Option<Self> {
        let path = Some(path).filter(|path| !path.contains("://")).map(PathBuf::from)?;
        let format = ReportFormat::of(&path)?;
        Some(Self { path, format })
    }
}

/// What follows when a batch fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnError {
    Stop,
    Continue,
}

impl Default for MigrateOptions {
    fn default() -> Self {
        Self {
            verify: Level::Content,
            merge_schema: true,
            on_error: OnError::Stop,
            parallel_batches: 1,
            scan_batches: false,
            final_run: false,
            slice_bytes: None,
            splice: None,
            report: None,
        }
    }
}

impl MigrateOptions {
    /// Reads `(key value, key = value, …)`.
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Self> {
        let mut options = Self::default();
        for given in options::list(cursor, Keys::Lowered)? {
            options.take(&given)?;
        }
        Ok(options)
    }

    /// All of them that decide what happens, as one would write them; those that are not set are left out.
    pub fn told(&self) -> BTreeMap<String, String> {
        let Self {
            verify, merge_schema, on_error, parallel_batches, scan_batches, final_run, slice_bytes, splice, ..
        } = self;
        let said = [
            ("verify", Some(verify.to_string())),
            ("merge_schema", Some(merge_schema.to_string())),
            ("on_error", Some(on_error.name().to_string())),
            ("parallel_batches", Some(parallel_batches.to_string())),
            ("scan_batches", Some(scan_batches.to_string())),
            ("final", Some(final_run.to_string())),
            ("slice_bytes", slice_bytes.map(|bytes| bytes.to_string())),
            ("splice", splice.map(|mode| mode.to_string())),
        ];
        said.into_iter().filter_map(|(key, value)| Some((key.to_string(), value?))).collect()
    }

    fn take(&mut self, Given { key, value, place }: &Given) -> Result<()> {
        let expected = |what: &str| config(format!("option `{key}` is `{value}`, expected {what}"), *place);
        match key.as_str() {
            "verify" => self.verify = Level::named(value).ok_or_else(|| expected(Level::NAMES))?,
            "merge_schema" => self.merge_schema = flag(value).ok_or_else(|| expected("true or false"))?,
            "on_error" => self.on_error = OnError::named(value).ok_or_else(|| expected("stop or continue"))?,
            "parallel_batches" => {
                let number = value.parse().ok().filter(|number| (1..=PARALLEL_BATCHES_MAX).contains(number));
                let what = format!("a number from 1 to {PARALLEL_BATCHES_MAX}");
                self.parallel_batches = number.ok_or_else(|| expected(&what))?;
            }
            "scan_batches" => self.scan_batches = flag(value).ok_or_else(|| expected("true or false"))?,
            "final" => self.final_run = flag(value).ok_or_else(|| expected("true or false"))?,
            "slice_bytes" => {
                let count = byte_count(value).filter(|count| *count >= SLICE_BYTES_MIN);
                let what = "1 KiB or more, such as '2GiB', '512MB' or 2147483648";
                self.slice_bytes = Some(count.ok_or_else(|| expected(what))?);
            }
            "splice" => self.splice = Some(value.parse().map_err(|_| expected(SpliceMode::NAMES))?),
            "report" => {
                self.report = Some(ReportFile::named(value).ok_or_else(|| expected(ReportFile::EXPECTED))?);
            }
            later if LATER.contains(&later) => {
                return Err(unsupported(format!("option `{later}` is not supported in this version"), *place));
            }
            unknown => {
                let error = config(format!("unknown option `{unknown}`"), *place);
                return Err(error.hint(format!("the options are {OPTIONS}")));
            }
        }
        Ok(())
    }
}

impl OnError {
    fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Continue => "continue",
        }
    }

    fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "stop" => Some(Self::Stop),
            "continue" => Some(Self::Continue),
            _ => None,
        }
    }
}

fn flag(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn config(message: String, place: Location) -> Error {
    Error::new(ErrorKind::Config, placed(message, place))
}
