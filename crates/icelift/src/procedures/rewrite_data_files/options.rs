//! The options of `rewrite_data_files`: Spark's names, defaults and limits, and one of ours.
//!
//! What must hold: an option that is not known, or a value that makes no sense, is an error before anything is read.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use iceberg::spec::TableMetadata;

use crate::error::{Error, ErrorKind, Result};

/// The size of files where neither the option nor the table says one: Spark's.
const TARGET_FILE_BYTES: u64 = 512 << 20;
const TARGET_PROPERTY: &str = "write.target-file-size-bytes";

/// What `options` takes under one key.
pub(super) struct Choice {
    pub key: &'static str,
    /// What holds without it, in words.
    pub default: &'static str,
    /// Goes on with "it is …".
    pub about: &'static str,
}

macro_rules! choices {
    ($($key:literal, $default:literal, $about:literal;)*) => {
        /// All options, by key.
        pub(super) const CHOICES: &[Choice] =
            &[$(Choice { key: $key, default: $default, about: $about }),*];
    };
}

choices! {
    "compression-factor", "1.0", "accepted and without effect: sizes are measured, not estimated";
    "delete-file-threshold", "none", "the number of deletes that bear on a file from which on it is rewritten whatever its size";
    "delete-ratio-threshold", "0.3", "the part of a file's rows, above 0 and up to 1, from which on it is rewritten; deletes of that file alone count";
    "max-concurrent-file-group-rewrites", "5", "how many groups of small files are rewritten together";
    "max-file-group-size-bytes", "107374182400", "the size of a group, which is what is rewritten at once";
    "max-file-size-bytes", "180 % of the target", "the size above which a file is rewritten";
    "max-files-to-rewrite", "all", "how many files are rewritten at most";
    "min-file-size-bytes", "75 % of the target", "the size below which a file is rewritten";
    "min-input-files", "5", "the number of files from which on a group is rewritten that has less than a full file in it";
    "new-row-ids", "false", "`true` to rewrite a table of format 3 although its rows get new row ids";
    "output-spec-id", "the table's default", "the id of the partition spec of the files that are written";
    "partial-progress.enabled", "false", "`true` to commit in several steps: what fails leaves the others committed";
    "partial-progress.max-commits", "10", "the number of these steps";
    "partial-progress.max-failed-commits", "as many as there may be", "the number of steps that may fail before the call does";
    "remove-dangling-deletes", "false", "`true` to take out deletes that bear on no file any more";
    "rewrite-all", "false", "`true` to rewrite all files";
    "rewrite-job-order", "none", "which groups come first: `bytes-asc`, `bytes-desc`, `files-asc`, `files-desc` or `none`";
    "shuffle-partitions-per-file", "1", "accepted and without effect: nothing is shuffled";
    "target-file-size-bytes", "`write.target-file-size-bytes` of the table, else 536870912", "the size of the files that are written";
    "use-starting-sequence-number", "true", "`false` to have the files count as written now, which equality deletes that are under way do not bear on";
}

/// Which groups come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobOrder {
    None,
    BytesAscending,
    BytesDescending,
    FilesAscending,
    FilesDescending,
}

/// Commits in several steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PartialProgress {
    pub commits_max: usize,
    pub failed_commits_max: usize,
}

/// What a call asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Options {
    pub target_file_bytes: u64,
    pub file_bytes: RangeInclusive<u64>,
    pub group_bytes_max: u64,
    pub input_files_min: usize,
    pub files_max: usize,
    pub rewrites_all: bool,
    pub delete_count_min: usize,
    pub delete_ratio_min: f64,
    pub groups_at_once: usize,
    pub job_order: JobOrder,
    pub partial_progress: Option<PartialProgress>,
    pub removes_dangling_deletes: bool,
    pub keeps_sequence: bool,
    pub takes_new_row_ids: bool,
    pub spec_id: i32,
}

impl Options {
    /// Reads the options of a call on a table.
    ///
    /// # Errors
    /// A key that is not known, with those that are; a value out of its range, with the range.
    pub fn new(entries: &[(String, String)], metadata: &TableMetadata) -> Result<Self> {
        let given = Given::new(entries)?;
        let target_file_bytes = match given.number("target-file-size-bytes", 1)? {
            Some(bytes) => bytes,
            None => target_of(metadata)?,
        };
        let part = |percent: u64| (u128::from(target_file_bytes) * u128::from(percent) / 100) as u64;
        let min_bytes = given.number("min-file-size-bytes", 0)?.unwrap_or_else(|| part(75));
        let max_bytes = given.number("max-file-size-bytes", 1)?.unwrap_or_else(|| part(180));
        if min_bytes >= target_file_bytes || max_bytes <= target_file_bytes {
            let message = format!("files of {target_file_bytes} bytes are not between {min_bytes} and {max_bytes}");
            return Err(wrong(message)
                .hint("`target-file-size-bytes` lies above `min-file-size-bytes` and below `max-file-size-bytes`"));
        }
        given.decimal("compression-factor", f64::MIN_POSITIVE..=f64::MAX, "a number above 0")?;
        given.number("shuffle-partitions-per-file", 1)?;
        Ok(Self {
            target_file_bytes,
            file_bytes: min_bytes..=max_bytes,
            group_bytes_max: given.number("max-file-group-size-bytes", 1)?.unwrap_or(100 << 30),
            input_files_min: given.count("min-input-files", 1)?.unwrap_or(5),
            files_max: given.count("max-files-to-rewrite", 1)?.unwrap_or(usize::MAX),
            rewrites_all: given.truth("rewrite-all")?.unwrap_or(false),
            delete_count_min: given.count("delete-file-threshold", 1)?.unwrap_or(usize::MAX),
            delete_ratio_min: given
                .decimal("delete-ratio-threshold", f64::MIN_POSITIVE..=1.0, "a number above 0 and up to 1")?
                .unwrap_or(0.3),
            groups_at_once: given.count("max-concurrent-file-group-rewrites", 1)?.unwrap_or(5),
            job_order: given.job_order()?,
            partial_progress: given.partial_progress()?,
            removes_dangling_deletes: given.truth("remove-dangling-deletes")?.unwrap_or(false),
            keeps_sequence: given.truth("use-starting-sequence-number")?.unwrap_or(true),
            takes_new_row_ids: given.truth("new-row-ids")?.unwrap_or(false),
            spec_id: given.spec_id(metadata)?,
        })
    }

    /// The largest file that is not cut: half way to what would be too large.
    pub fn whole_file_bytes_max(&self) -> u64 {
        self.target_file_bytes + (self.file_bytes.end() - self.target_file_bytes) / 2
    }
}

fn target_of(metadata: &TableMetadata) -> Result<u64> {
    let Some(value) = metadata.properties().get(TARGET_PROPERTY) else { return Ok(TARGET_FILE_BYTES) };
    value.parse().ok().filter(|bytes| *bytes > 0).ok_or_else(|| {
        let message = format!("the table property `{TARGET_PROPERTY}` is `{value}`, it takes a number above 0");
        Error::new(ErrorKind::Config, message)
    })
}

/// The entries by key.
struct Given<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Given<'a> {
    fn new(entries: &'a [(String, String)]) -> Result<Self> {
        let unknown = entries.iter().find(|(key, _)| CHOICES.iter().all(|choice| choice.key != key));
        if let Some((key, _)) = unknown {
            let keys: Vec<_> = CHOICES.iter().map(|choice| choice.key).collect();
            return Err(wrong(format!("`rewrite_data_files` has no option `{key}`"))
                .hint(format!("its options are {}", keys.join(", "))));
        }
        Ok(Self(entries.iter().map(|(key, value)| (key.as_str(), value.trim())).collect()))
    }

    fn parsed<T: FromStr>(&self, key: &str, is_fit: impl Fn(&T) -> bool, expected: &str) -> Result<Option<T>> {
        let Some(value) = self.0.get(key) else { return Ok(None) };
        let parsed = value.parse().ok().filter(is_fit);
        parsed.map(Some).ok_or_else(|| out_of_range(key, value, expected))
    }

    fn number(&self, key: &str, least: u64) -> Result<Option<u64>> {
        self.parsed(key, |number| *number >= least, &format!("a whole number from {least} on"))
    }

    fn count(&self, key: &str, least: u64) -> Result<Option<usize>> {
        Ok(self.number(key, least)?.map(|number| usize::try_from(number).unwrap_or(usize::MAX)))
    }

    fn decimal(&self, key: &str, range: RangeInclusive<f64>, expected: &str) -> Result<Option<f64>> {
        self.parsed(key, |number| range.contains(number), expected)
    }

    fn truth(&self, key: &str) -> Result<Option<bool>> {
        match self.0.get(key) {
            None => Ok(None),
            Some(value) if value.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(value) if value.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(value) => Err(out_of_range(key, value, "`true` or `false`")),
        }
    }

    fn job_order(&self) -> Result<JobOrder> {
        let key = "rewrite-job-order";
        let Some(value) = self.0.get(key) else { return Ok(JobOrder::None) };
        Ok(match value.to_ascii_lowercase().as_str() {
            "none" => JobOrder::None,
            "bytes-asc" => JobOrder::BytesAscending,
            "bytes-desc" => JobOrder::BytesDescending,
            "files-asc" => JobOrder::FilesAscending,
            "files-desc" => JobOrder::FilesDescending,
            _ => {
                return Err(out_of_range(key, value, "`bytes-asc`, `bytes-desc`, `files-asc`, `files-desc` or `none`"));
            }
        })
    }

    fn partial_progress(&self) -> Result<Option<PartialProgress>> {
        let commits_max = self.count("partial-progress.max-commits", 1)?.unwrap_or(10);
        let failed_commits_max = self.count("partial-progress.max-failed-commits", 0)?.unwrap_or(commits_max);
        let is_enabled = self.truth("partial-progress.enabled")?.unwrap_or(false);
        Ok(is_enabled.then_some(PartialProgress { commits_max, failed_commits_max }))
    }

    fn spec_id(&self, metadata: &TableMetadata) -> Result<i32> {
        let key = "output-spec-id";
        let Some(value) = self.0.get(key) else { return Ok(metadata.default_partition_spec_id()) };
        let mut known: Vec<_> = metadata.partition_specs_iter().map(|spec| spec.spec_id()).collect();
        known.sort_unstable();
        let found = value.parse().ok().filter(|id| known.contains(id));
        found.ok_or_else(|| {
            let known: Vec<_> = known.iter().map(ToString::to_string).collect();
            out_of_range(key, value, format!("the id of a partition spec of the table: {}", known.join(", ")))
        })
    }
}

fn out_of_range(key: &str, value: &str, expected: impl Display) -> Error {
    let error = wrong(format!("the option `{key}` is `{value}`, it takes {expected}"));
    match CHOICES.iter().find(|choice| choice.key == key) {
        Some(choice) => error.hint(format!("`{key}` is {}; without it: {}", choice.about, choice.default)),
        None => error,
    }
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::Sql, message)
}
