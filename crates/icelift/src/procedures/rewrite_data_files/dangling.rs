//! Deletes that bear on no file any more: `remove-dangling-deletes`.
//!
//! What must hold: a delete goes only if in the very base of the commit no live data file is there that it may bear on (spec,
//! "Scan Planning"). A set of its own commits them, behind those of the files, as in Spark.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use iceberg::spec::DataFileFormat;

use crate::catalog::{Catalog, CommitOutcome, Table};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::snapshot::{self, Change, DeleteId, Effect, Live, LiveFile, Precondition, live};
use crate::pipeline::values::PartitionValues;

/// How often others may take the deletes away before the call fails.
const ATTEMPTS: usize = 5;

/// Takes out the deletes of the table that bear on no file. Returns how many.
///
/// # Errors
/// Those of reading manifests and of a commit. The rewritten files are committed then.
pub(super) async fn remove(catalog: &Arc<dyn Catalog>, table: &Table) -> Result<usize> {
    let mut refused = None;
    for _ in 0..ATTEMPTS {
        let table = catalog.load_table(&table.name.ident).await?;
        let remove_deletes = dangling(&table).await?;
        let count = remove_deletes.len();
        if count == 0 {
            return Ok(0);
        }
        let still = StillDangling(remove_deletes.clone());
        let change = Change {
            effect: Effect::Layout,
            remove_deletes,
            preconditions: vec![Arc::new(still)],
            ..Change::default()
        };
        match snapshot::commit(catalog, &table.clone(), table, change).await {
            CommitOutcome::Landed => return Ok(count),
            CommitOutcome::NotLanded(error) if error.kind() == ErrorKind::Drift => refused = Some(error),
            CommitOutcome::NotLanded(error) | CommitOutcome::Unknown(error) => return Err(error),
        }
    }
    Err(refused.unwrap_or_else(|| Error::new(ErrorKind::Internal, "no attempt was made")))
}

/// The base of the commit may be a later one than that which was looked at.
#[derive(Debug)]
struct StillDangling(HashSet<DeleteId>);

#[async_trait]
impl Precondition for StillDangling {
    async fn check(&self, base: &Table) -> Result<()> {
        if self.0.is_subset(&dangling(base).await?) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Drift, "deletes that bore on no file bear on one again")
            .place(Stage::Snapshot, &base.name)
            .hint("another writer has added files; run the call again"))
    }
}

async fn dangling(table: &Table) -> Result<HashSet<DeleteId>> {
    let Live { files, deletes } = live(table).await?;
    let oldest = Oldest::of(&files);
    Ok(deletes.iter().filter(|delete| !oldest.is_hit_by(delete)).map(|delete| DeleteId::of(&delete.file)).collect())
}

/// The lowest data sequence numbers of the live data files.
#[derive(Default)]
struct Oldest<'a> {
    of_all: Option<i64>,
    of_partition: HashMap<(i32, PartitionValues), i64>,
    of_path: HashMap<&'a str, i64>,
}

impl<'a> Oldest<'a> {
    fn of(files: &'a [LiveFile]) -> Self {
        let mut oldest = Self::default();
        for LiveFile { file, spec, sequence } in files {
            let lower = |known: &mut i64| *known = (*known).min(*sequence);
            oldest.of_all = Some(oldest.of_all.unwrap_or(*sequence).min(*sequence));
            lower(oldest.of_partition.entry((spec.spec_id(), PartitionValues::of(file))).or_insert(*sequence));
            lower(oldest.of_path.entry(file.file_path()).or_insert(*sequence));
        }
        oldest
    }

    /// Whether the delete may bear on one of the files.
    fn is_hit_by(&self, delete: &LiveFile) -> bool {
        let LiveFile { file, spec, sequence } = delete;
        let of_partition = || self.of_partition.get(&(spec.spec_id(), PartitionValues::of(file))).copied();
        if delete.compares_keys() {
            let oldest = if spec.is_unpartitioned() { self.of_all } else { of_partition() };
            return oldest.is_some_and(|oldest| oldest < *sequence);
        }
        let oldest = match file.referenced_data_file() {
            Some(path) => self.of_path.get(path.as_str()).copied(),
            // A vector that does not say whose it is cannot be told to be nobody's.
            None if file.file_format() == DataFileFormat::Puffin => return true,
            None => of_partition(),
        };
        oldest.is_some_and(|oldest| oldest <= *sequence)
    }
}

#[cfg(test)]
mod tests {
    use iceberg::spec::{DataContentType, DataFileBuilder, Literal, PartitionSpec, Struct};

    use super::*;

    fn file(path: &str, partition: i32, content: DataContentType, sequence: i64, of: Option<&str>) -> LiveFile {
        // Deletes are of after a promotion.
        let partition = match content {
            DataContentType::Data => Literal::int(partition),
            _ => Literal::long(partition),
        };
        let file = DataFileBuilder::default()
            .content(content)
            .file_path(path.to_string())
            .file_format(DataFileFormat::Parquet)
            .partition(Struct::from_iter([Some(partition)]))
            .record_count(1)
            .file_size_in_bytes(1)
            .partition_spec_id(0)
            .referenced_data_file(of.map(str::to_string))
            .build()
            .unwrap();
        LiveFile { file, spec: PartitionSpec::unpartition_spec().into(), sequence }
    }

    #[test]
    fn deletes_bear_on_files_that_are_old_enough() {
        use DataContentType::{Data, EqualityDeletes, PositionDeletes};
        let files = [file("/a", 1, Data, 5, None), file("/b", 1, Data, 7, None), file("/c", 2, Data, 9, None)];
        let oldest = Oldest::of(&files);
        for (partition, content, sequence, of, expected) in [
            (1, PositionDeletes, 5, None, true),
            (1, PositionDeletes, 4, None, false),
            (2, PositionDeletes, 8, None, false),
            (3, PositionDeletes, 99, None, false),
            (1, PositionDeletes, 7, Some("/b"), true),
            (1, PositionDeletes, 6, Some("/b"), false),
            (1, PositionDeletes, 99, Some("/gone"), false),
            // Equality deletes without a partition bear on all files.
            (7, EqualityDeletes, 6, None, true),
            (7, EqualityDeletes, 5, None, false),
        ] {
            let delete = file("/d", partition, content, sequence, of);
            assert_eq!(oldest.is_hit_by(&delete), expected, "{content:?} {partition} {sequence} {of:?}");
        }
    }
}
