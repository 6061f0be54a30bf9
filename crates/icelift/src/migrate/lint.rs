//! What a target will not be as its source is, from the metadata of both.
//!
//! Nothing is said of what stays the same. What must hold: whatever of the source is refused, lost or changed on the way has
//! a line, and a line names what it is about.

mod columns;
mod growth;
mod properties;

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;

use iceberg::spec::{
    FormatVersion, MAIN_BRANCH, PartitionSpec, Schema, SortDirection, SortField, TableMetadata, Transform,
};

pub(crate) use self::growth::growth;
pub(crate) use self::properties::carried_properties;
use crate::pipeline::scan::PlannedFile;

/// Names that a line lists before it stops.
const NAMES_MAX: usize = 10;

/// What becomes of a part of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// With this the migration does not run.
    Refused,
    /// The target will not have it.
    Lost,
    /// The target will have it in another form.
    Changed,
    /// It takes more time or money than it must.
    Costly,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "refused",
            Self::Lost => "lost",
            Self::Changed => "changed",
            Self::Costly => "costly",
        })
    }
}

/// One difference between source and target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub level: Level,
    /// A column, a property, or the part of the table.
    pub subject: String,
    pub message: String,
}

impl Finding {
    pub(super) fn new(level: Level, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { level, subject: subject.into(), message: message.into() }
    }
}

/// The two tables of a migration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sides<'a> {
    pub source: &'a TableMetadata,
    /// The table as it is, or as it will be created.
    pub target: &'a TableMetadata,
    /// The type of the target's catalog: `r2`, `glue`, …
    pub target_kind: &'a str,
    /// Views beside the source, as far as its catalog was asked.
    pub views: &'a [String],
}

/// What is known of the source's live files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FilesSummary {
    pub data_files: u64,
    /// Of these, those with rows that are deleted.
    pub with_deletes: u64,
    /// Of these, those whose rows are deleted by what they hold.
    pub with_equality_deletes: u64,
    pub delete_files: u64,
}

impl FilesSummary {
    /// A file that several batches share is one file.
    pub fn of<'a>(files: impl Iterator<Item = &'a Arc<PlannedFile>>) -> Self {
        let mut seen = HashSet::new();
        let files: Vec<_> = files.filter(|planned| seen.insert(planned.file.file_path())).collect();
        let count = |counts: fn(&PlannedFile) -> bool| files.iter().filter(|planned| counts(planned)).count() as u64;
        let deletes: BTreeSet<&str> = files.iter().flat_map(|planned| planned.delete_files()).collect();
        Self {
            data_files: files.len() as u64,
            with_deletes: count(PlannedFile::has_deletes),
            with_equality_deletes: count(PlannedFile::has_equality_deletes),
            delete_files: deletes.len() as u64,
        }
    }
}

/// All differences, the worst first.
pub(crate) fn lint(sides: Sides<'_>, files: FilesSummary) -> Vec<Finding> {
    let mut findings = columns::lint(sides.source.current_schema(), sides.target);
    findings.extend(formats(sides));
    findings.extend(layout(sides));
    findings.extend(deletes(files));
    findings.extend(history(sides.source));
    findings.extend(properties::lint(sides));
    if !sides.views.is_empty() {
        let message = format!("{} stay where they are; only tables are migrated", listed(sides.views.iter()));
        findings.push(Finding::new(Level::Lost, "views", message));
    }
    // A stable sort: findings of one level stay in the order in which a table is read.
    findings.sort_by_key(|finding| finding.level);
    findings
}

/// Names in backquotes; of many the first ones.
fn listed<T: AsRef<str>>(names: impl Iterator<Item = T>) -> String {
    let names: Vec<_> = names.map(|name| format!("`{}`", name.as_ref())).collect();
    match names.len().checked_sub(NAMES_MAX) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..NAMES_MAX].join(", ")),
    }
}

fn formats(Sides { source, target, .. }: Sides<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if source.encryption_keys_iter().next().is_some() {
        let message = "encrypted tables cannot be read; decrypt it with the engine that wrote it";
        findings.push(Finding::new(Level::Refused, "encryption", message));
    }
    let (before, after) = (source.format_version(), target.format_version());
    if before != after {
        let message = format!("{} becomes {}", before as u8, after as u8);
        findings.push(Finding::new(Level::Changed, "format version", message));
    }
    if before == FormatVersion::V3 {
        let message = "rows get new row ids and sequence numbers";
        findings.push(Finding::new(Level::Changed, "row lineage", message));
    }
    findings
}

/// How rows are laid out: partitions and order.
fn layout(Sides { source, target, .. }: Sides<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let before = spec(source.default_partition_spec(), source.current_schema());
    let after = spec(target.default_partition_spec(), target.current_schema());
    if before != after {
        findings.push(Finding::new(Level::Changed, "partitions", format!("{before} becomes {after}")));
    }
    if source.partition_specs_iter().len() > 1 {
        let message = format!("{} specs become one, that of the target", source.partition_specs_iter().len());
        findings.push(Finding::new(Level::Changed, "partition specs", message));
    }
    findings.extend(order(source, target));
    findings
}

/// The order that a table declares. Files are written in that of the rows as they come, and say so.
fn order(source: &TableMetadata, target: &TableMetadata) -> Option<Finding> {
    let (wanted, found) = (sort_fields(source), sort_fields(target));
    if wanted.is_empty() {
        return None;
    }
    let by = |fields: &[String]| fields.join(", ");
    let (level, declared) = match found.as_slice() {
        [] => (Level::Lost, "none".to_string()),
        found if *found == wanted => (Level::Changed, "the same".to_string()),
        found => (Level::Lost, by(found)),
    };
    let message = format!("the source declares {}, the target {declared}; files are written as rows come", by(&wanted));
    Some(Finding::new(level, "sort order", message))
}

/// As in "`date` descending, nulls last".
fn sort_fields(table: &TableMetadata) -> Vec<String> {
    let schema = table.current_schema();
    let field = |field: &SortField| {
        let column = schema.name_by_field_id(field.source_id).unwrap_or("?");
        let value = match field.transform {
            Transform::Identity => format!("`{column}`"),
            transform => format!("{transform} of `{column}`"),
        };
        let direction = match field.direction {
            SortDirection::Ascending => "ascending",
            SortDirection::Descending => "descending",
        };
        format!("{value} {direction}, nulls {}", field.null_order)
    };
    table.default_sort_order().fields.iter().map(field).collect()
}

fn spec(spec: &PartitionSpec, schema: &Schema) -> String {
    let fields = spec.fields().iter().map(|field| {
        let column = schema.name_by_field_id(field.source_id).unwrap_or("?");
        format!("{} of `{column}`", field.transform)
    });
    let fields: Vec<_> = fields.collect();
    if fields.is_empty() { "no partitions".to_string() } else { fields.join(", ") }
}

fn deletes(files: FilesSummary) -> Vec<Finding> {
    let FilesSummary { data_files, with_deletes, with_equality_deletes, delete_files } = files;
    if with_deletes == 0 {
        return Vec::new();
    }
    let message = format!(
        "{with_deletes} of {data_files} data files have deleted rows, {with_equality_deletes} of them by equality; \
         these rows are left out, the {delete_files} delete files are not needed any more"
    );
    vec![Finding::new(Level::Changed, "deletes", message)]
}

/// What a table remembers of its past.
fn history(source: &TableMetadata) -> Vec<Finding> {
    let mut findings = Vec::new();
    let snapshots = source.snapshots().len();
    if snapshots > 1 {
        let message = format!("the earlier snapshots, {} in all, stay with the source", snapshots - 1);
        findings.push(Finding::new(Level::Lost, "history", message));
    }
    let references = references(source);
    if !references.is_empty() {
        let message = format!("{} stay with the source; only `{MAIN_BRANCH}` is migrated", listed(references.iter()));
        findings.push(Finding::new(Level::Lost, "branches and tags", message));
    }
    let statistics = source.statistics_iter().len() + source.partition_statistics_iter().len();
    if statistics > 0 {
        let message = format!(
            "the files, {statistics} in all, stay with the source; compute them anew where an engine uses them"
        );
        findings.push(Finding::new(Level::Lost, "statistics", message));
    }
    findings
}

/// Branches and tags beside the main branch. The `iceberg` crate gives them out in JSON only.
fn references(source: &TableMetadata) -> Vec<String> {
    let json = serde_json::to_value(source).unwrap_or_default();
    let names = json.get("refs").and_then(serde_json::Value::as_object).into_iter().flatten();
    let mut names: Vec<_> = names.map(|(name, _)| name.clone()).filter(|name| name != MAIN_BRANCH).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests;
