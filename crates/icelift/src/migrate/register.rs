//! What the target knows of a migration: one table property, changed only in commits that move the main branch.
//!
//! What must hold:
//! - the register says of a batch that it is done if and only if the commit that said so brought its rows;
//! - it stays small: batches that are done are ranges of their numbers, the details of the last few stand in the property,
//!   older ones in files that are never changed;
//! - it does not depend on snapshots: they expire, and a table that is set back keeps its properties. So the register also
//!   says which snapshot it came with, and [`Register::check_lineage`] looks for it.

mod done;
mod lineage;
mod older;
mod took;

use std::collections::{BTreeSet, HashMap};

use iceberg::spec::TableMetadata;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use self::done::{Detail, Done, MIXED_SCHEMAS};
pub(crate) use self::older::{Older, hex};
pub(crate) use self::took::Took;
use super::job::{Birth, JobId};
use super::run::Migration;
use crate::error::{Error, ErrorKind, Result, Stage};

/// What the names of registers begin with.
const PROPERTY_PREFIX: &str = "icelift.migration.";
/// The only version there is.
const VERSION: u32 = 1;

/// The register of one migration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Register {
    pub version: u32,
    /// The source's full name when the migration began, for people.
    pub source: String,
    pub source_uuid: Uuid,
    /// What the statement says, in its own words.
    pub statement: Words,
    /// Which of the source's snapshots is copied.
    pub pin: Pin,
    /// Hash of the batches of this pin, in their order.
    pub plan: String,
    pub batches: u32,
    pub birth: Birth,
    /// Counts the drivers; a commit of an older one is refused.
    pub epoch: u64,
    /// The driver of this epoch: two that begin at once have the same number and not the same token.
    pub owner: Uuid,
    /// The last commit of the migration.
    pub last: Mark,
    /// The name of the listing that the run of that commit removes last of all: while it is there, that run has not cleaned
    /// up behind itself. `None` if it had nothing to list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closing: Option<String>,
    /// A batch was rolled back: the numbers in `done` are those of no plan. The next one counts anew, in a round of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recount: bool,
    #[serde(flatten)]
    pub done: Done,
}

/// The parts of a statement that decide which rows arrive.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Words {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// The batch field; `None` for a table that is copied whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_by: Option<String>,
}

impl Words {
    /// The migration of one table into another, both named as in SQL, in these words.
    pub fn of(&self, source: String, target: String) -> Migration {
        let mut migration = Migration::new(source, target);
        if let Some(columns) = &self.select {
            migration = migration.select(columns);
        }
        if let Some(condition) = &self.filter {
            migration = migration.filter(condition);
        }
        match &self.batch_by {
            Some(field) => migration.batch_by(field),
            None => migration,
        }
    }
}

/// As the statement says it.
impl std::fmt::Display for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SELECT {}", self.select.as_deref().unwrap_or("*"))?;
        if let Some(filter) = &self.filter {
            write!(f, " WHERE {filter}")?;
        }
        match &self.batch_by {
            Some(field) => write!(f, " BATCH BY {field}"),
            None => f.write_str(" in one batch"),
        }
    }
}

/// A version of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pin {
    /// Counts the pins of a migration from 1.
    pub round: u32,
    /// `None` for a source without rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<i64>,
    pub schema: i32,
}

/// A snapshot of the target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// 0 for a register that came with the table itself.
    pub snapshot: i64,
    pub sequence: i64,
}

impl Register {
    /// The first register of a migration: nothing is done.
    pub fn new(source: String, source_uuid: Uuid, statement: Words, pin: Pin, owner: Uuid) -> Self {
        Self {
            version: VERSION,
            source,
            source_uuid,
            statement,
            pin,
            plan: String::new(),
            batches: 0,
            birth: Birth::new(),
            epoch: 1,
            owner,
            last: Mark::default(),
            closing: None,
            recount: false,
            done: Done::default(),
        }
    }

    /// The register of a migration in a table's properties.
    ///
    /// # Errors
    /// One that cannot be read, or that a later version of icelift wrote.
    pub fn of(metadata: &TableMetadata, job: JobId) -> Result<Option<Self>> {
        let key = property(job);
        metadata.properties().get(&key).map(|json| parse(&key, json)).transpose()
    }

    /// All registers of a table.
    pub fn all(metadata: &TableMetadata) -> Result<Vec<(JobId, Self)>> {
        let mut found = Vec::new();
        for (key, json) in metadata.properties() {
            if let Some(job) = key.strip_prefix(PROPERTY_PREFIX).and_then(|job| job.parse().ok()) {
                found.push((job, parse(key, json)?));
            }
        }
        found.sort_by_key(|(job, _)| *job);
        Ok(found)
    }

    /// As a property of the table.
    pub fn properties(&self, job: JobId) -> Result<HashMap<String, String>> {
        let json = serde_json::to_string(self).map_err(|source| {
            Error::new(ErrorKind::Internal, "the register cannot be written").stage(Stage::Snapshot).source(source)
        })?;
        Ok(HashMap::from([(property(job), json)]))
    }

    /// Whether every batch is done.
    pub fn is_finished(&self) -> bool {
        !self.recount && self.done.count() == u64::from(self.batches)
    }

    /// Whether all of so many batches of which there are details are counted as done. Which of those of earlier pins are, only
    /// their plan tells, unless all are.
    pub fn counts_all(&self, details: usize) -> bool {
        self.is_finished() || self.done.count() >= details as u64
    }

    /// Whether every batch was rolled back, and none has come since.
    pub fn is_rolled_back(&self) -> bool {
        self.recount && self.done.is_empty()
    }

    /// What is left of the batches in `details`, which are all there are, without those in `gone`.
    pub fn without(&self, gone: &BTreeSet<&str>, details: &[Detail]) -> Done {
        let all = self.counts_all(details.len());
        let left = details.iter().filter(|detail| !gone.contains(detail.key.as_str()));
        let counted = left.clone().filter(|detail| all || detail.pin == self.pin.snapshot);
        if left.count() == 0 { Done::default() } else { self.done.without(gone, counted) }
    }

    /// The numbers of the batches that are not done.
    pub fn pending(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.batches).filter(|number| !self.done.contains(*number))
    }

    /// The same with the mark of the commit that carries it.
    pub fn marked(mut self, base: &TableMetadata, snapshot: i64) -> Self {
        self.last = Mark { snapshot, sequence: base.next_sequence_number() };
        self
    }
}

/// The name of the property.
pub(crate) fn property(job: JobId) -> String {
    format!("{PROPERTY_PREFIX}{job}")
}

fn parse(key: &str, json: &str) -> Result<Register> {
    let unreadable = |message: String| {
        Error::new(ErrorKind::Drift, message)
            .stage(Stage::Snapshot)
            .hint("continue with the version of icelift that began the migration")
    };
    let value: serde_json::Value = serde_json::from_str(json)
        .map_err(|source| unreadable(format!("the table property `{key}` is no register")).source(source))?;
    match value.get("version").and_then(serde_json::Value::as_u64) {
        Some(version) if version == u64::from(VERSION) => serde_json::from_value(value)
            .map_err(|source| unreadable(format!("the table property `{key}` is no register")).source(source)),
        found => {
            let found = found.map_or("none".to_string(), |version| version.to_string());
            Err(unreadable(format!("the register `{key}` has the version {found}, expected {VERSION}")))
        }
    }
}

#[cfg(test)]
mod tests;
