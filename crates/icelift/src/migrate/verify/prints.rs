//! Fingerprints of a batch on either side, partition by partition of the target, taken on every core.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use futures::StreamExt;
use tokio::task::JoinSet;

use super::sides::{BatchPair, Sides};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::shuffle::{PartitionKey, Partitioner};
use crate::pipeline::sink::partition_folder;
use crate::pipeline::verify::{ContentHasher, Fingerprint, Level, PortableFingerprint, PortableHasher};

/// A fingerprint of either kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Print {
    Content(Fingerprint),
    Portable(PortableFingerprint),
}

impl Print {
    fn empty(level: Level) -> Self {
        match level {
            Level::Portable => Self::Portable(PortableFingerprint::default()),
            Level::Metadata | Level::Content => Self::Content(Fingerprint::default()),
        }
    }

    fn merge(&mut self, other: Self) {
        match (self, other) {
            (Self::Content(all), Self::Content(part)) => all.merge(part),
            (Self::Portable(all), Self::Portable(part)) => all.merge(part),
            // One level makes one kind.
            _ => {}
        }
    }
}

impl fmt::Display for Print {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content(print) => print.fmt(f),
            Self::Portable(print) => print.fmt(f),
        }
    }
}

/// By the folder of their partition.
pub(super) type Prints = BTreeMap<String, Print>;

/// The fingerprint of all partitions.
pub(super) fn merged(prints: &Prints, level: Level) -> Print {
    prints.values().fold(Print::empty(level), |mut all, part| {
        all.merge(*part);
        all
    })
}

/// The rows that the target has of a batch.
pub(super) async fn of_target(sides: &Sides, pair: &BatchPair, level: Level) -> Result<Prints> {
    take(sides, sides.target_rows(pair)?, level).await
}

/// The rows that the source has of a batch, as the target should have them; None if the source cannot be read.
pub(super) async fn of_source(sides: &Sides, pair: &BatchPair, level: Level) -> Result<Option<Prints>> {
    match sides.source_rows(pair).await? {
        Some(plan) => take(sides, plan, level).await.map(Some),
        None => Ok(None),
    }
}

async fn take(sides: &Sides, plan: LogicalPlan, level: Level) -> Result<Prints> {
    let mut tasks: JoinSet<Result<Prints>> = JoinSet::new();
    for rows in sides.run(plan).await? {
        let taker = Taker::new(sides, level)?;
        tasks.spawn(taker.run(rows));
    }
    let mut all = Prints::new();
    while let Some(done) = tasks.join_next().await {
        let died = |source| Error::new(ErrorKind::Internal, "a task of the verification died").source(source);
        for (partition, print) in done.map_err(died)?? {
            all.entry(partition).or_insert_with(|| Print::empty(level)).merge(print);
        }
    }
    Ok(all)
}

enum Hasher {
    Content(ContentHasher),
    Portable(PortableHasher),
}

impl Hasher {
    fn hash(&mut self, rows: &RecordBatch) -> Result<Print> {
        match self {
            Self::Content(hasher) => {
                hasher.add(rows)?;
                Ok(Print::Content(hasher.take()))
            }
            Self::Portable(hasher) => {
                hasher.add(rows)?;
                Ok(Print::Portable(hasher.take()))
            }
        }
    }
}

/// Takes the fingerprints of one stream.
struct Taker {
    partitioner: Partitioner,
    hasher: Hasher,
    columns: Vec<usize>,
    by_key: HashMap<Arc<[u8]>, (PartitionKey, Print)>,
    level: Level,
    table: crate::catalog::Table,
}

impl Taker {
    fn new(sides: &Sides, level: Level) -> Result<Self> {
        let table = sides.target.table.clone();
        let schema = table.metadata.current_schema();
        let spec = table.metadata.default_partition_spec();
        let columns = sides.compared_columns(level);
        let hasher = match level {
            Level::Portable => Hasher::Portable(PortableHasher::new(&sides.compared_fields(level))?),
            Level::Metadata | Level::Content => Hasher::Content(ContentHasher::new(&sides.columns.project(&columns)?)?),
        };
        let partitioner = Partitioner::new(spec, schema, &sides.columns)?;
        Ok(Self { partitioner, hasher, columns, by_key: HashMap::new(), level, table })
    }

    async fn run(mut self, mut rows: SendableRecordBatchStream) -> Result<Prints> {
        while let Some(batch) = rows.next().await {
            let batch = batch.map_err(|error| Error::from(error).stage(Stage::Verify))?;
            if batch.num_rows() == 0 {
                continue;
            }
            for (key, rows) in self.partitioner.split(batch)? {
                let print = self.hasher.hash(&rows.project(&self.columns)?)?;
                let new = || (key.clone(), Print::empty(self.level));
                self.by_key.entry(Arc::clone(&key.bytes)).or_insert_with(new).1.merge(print);
            }
        }
        let (spec, schema) = (self.table.metadata.default_partition_spec(), self.table.metadata.current_schema());
        let folder = |(key, print): (PartitionKey, Print)| (partition_folder(spec, schema, &key.values), print);
        Ok(self.by_key.into_values().map(folder).collect())
    }
}
