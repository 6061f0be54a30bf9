//! Which row groups of a scan are copied into which files, and why the others are not.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::common::ScalarValue;
use datafusion::physical_plan::ExecutionPlan;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use iceberg::spec::TableMetadataRef;
use parquet::basic::Compression;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::schema::types::TypePtr;
use tokio::sync::OnceCell;

use super::evaluate::Evaluated;
use super::layout::Layout;
use super::proof::Proof;
use super::query::Query;
use super::report::{Refusal, Report};
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::scan::{IcebergScan, OpenFile, ScanContext, TakesRowGroups, WholeFile};
use crate::pipeline::shuffle::PartitionKey;
use crate::pipeline::values::PartitionValues;
use crate::storage::Store;

/// Footers that are read ahead of the row groups that are copied.
const FILES_AHEAD: usize = 4;
/// So many small row groups of a partition of the source are copied.
const FEW_SMALL: u64 = 8;
/// Footers that are read at once where nothing is copied.
const FOOTERS_AT_ONCE: usize = 16;

/// What row groups are copied into.
#[derive(Debug, Clone)]
pub(crate) struct SpliceTarget {
    pub metadata: TableMetadataRef,
    /// The columns, as rows for them come.
    pub columns: SchemaRef,
    /// The same as rows are encoded.
    pub parquet_schema: TypePtr,
    /// What pages must be compressed with; as they are if unset.
    pub codec: Option<Compression>,
    /// Columns that the table wants a Bloom filter of.
    pub bloom_filters: Vec<String>,
    /// Row groups with fewer bytes are small: they are encoded where there are many, so that they come together.
    pub small_bytes: u64,
    /// Row groups with fewer bytes are encoded always.
    pub min_bytes: u64,
    /// Row groups with more bytes are encoded, and so cut.
    pub max_bytes: u64,
}

/// What of a scan is copied.
pub(crate) struct Splice {
    pub(super) target: SpliceTarget,
    pub(super) context: ScanContext,
    files: Vec<Arc<OpenFile>>,
    /// Whether a file's small row groups are copied, too.
    keeps_small: Vec<bool>,
    by_location: HashMap<String, usize>,
    /// The row groups of each file that are copied, once they are known.
    decided: Vec<OnceCell<Vec<Arc<SplicedRowGroup>>>>,
    pub(super) outputs: Vec<Evaluated>,
    pub(super) filters: Vec<Evaluated>,
    report: Mutex<Report>,
}

impl fmt::Debug for Splice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Splice").field("files", &self.files.len()).field("target", &self.target).finish_non_exhaustive()
    }
}

/// A row group that is copied.
#[derive(Debug)]
pub(crate) struct SplicedRowGroup {
    pub store: Store,
    pub location: String,
    pub(super) metadata: Arc<ParquetMetaData>,
    pub(super) index: usize,
    pub rows: usize,
    /// Compressed bytes that are copied.
    pub bytes: u64,
    pub key: PartitionKey,
    pub layout: Arc<Layout>,
    pub(super) codec: Option<Compression>,
    /// By leaf of the new file.
    pub(super) parts: Vec<Part>,
    /// NaN values by field id; `None` where they are not known.
    pub nans: Vec<(i32, Option<u64>)>,
}

/// What a leaf of the new file comes from.
#[derive(Debug, Clone)]
pub(super) enum Part {
    /// This leaf of the source.
    Copied(usize),
    Constant(ScalarValue),
}

impl SplicedRowGroup {
    pub(super) fn part(&self, leaf: usize) -> Option<&Part> {
        self.parts.get(leaf)
    }

    pub(super) fn chunk(&self, leaf: usize) -> &ColumnChunkMetaData {
        self.metadata.row_group(self.index).column(leaf)
    }

    /// The leaves of the source that are copied, in the order of the new file.
    pub(super) fn leaves(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().filter_map(|part| match part {
            Part::Copied(leaf) => Some(*leaf),
            Part::Constant(_) => None,
        })
    }
}

impl Splice {
    /// What can be copied of a plan that computes the rows of the target. `None` if it does more than to take the rows of one
    /// scan one by one.
    ///
    /// # Errors
    /// Expressions that do not fit the scan.
    pub fn new(target: SpliceTarget, input: &Arc<dyn ExecutionPlan>) -> Result<Option<Self>> {
        let Some(query) = Query::of(input) else { return Ok(None) };
        let Some(scan) = query.scan.as_any().downcast_ref::<IcebergScan>() else { return Ok(None) };
        let columns = &scan.context().schema;
        let bound = |exprs: &[Arc<dyn datafusion::physical_plan::PhysicalExpr>]| {
            exprs.iter().map(|expr| Evaluated::new(expr, columns)).collect::<Result<Vec<_>>>()
        };
        let (outputs, filters) = (bound(&query.exprs)?, bound(&query.filters)?);
        let files = scan.files();
        let by_location = files.iter().enumerate().map(|(index, file)| (file.location().to_string(), index)).collect();
        let decided = files.iter().map(|_| OnceCell::new()).collect();
        let keeps_small = few_small(&files, target.small_bytes);
        let context = scan.context().with_pages();
        Ok(Some(Self {
            target,
            context,
            files,
            keeps_small,
            by_location,
            decided,
            outputs,
            filters,
            report: Mutex::default(),
        }))
    }

    /// The plan without the row groups that are copied.
    pub fn rest(self: &Arc<Self>, input: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        if let Some(scan) = input.as_any().downcast_ref::<IcebergScan>() {
            return Ok(Arc::new(scan.without(Arc::clone(self) as _)));
        }
        let children = input.children().into_iter().map(|child| self.rest(Arc::clone(child)));
        let children = children.collect::<Result<Vec<_>>>()?;
        Ok(input.with_new_children(children)?)
    }

    /// The row groups that are copied, in the order of the scan. Reads footers ahead.
    pub fn row_groups(self: &Arc<Self>) -> impl Stream<Item = Result<Arc<SplicedRowGroup>>> + Send + use<> {
        let all = Arc::clone(self);
        let decisions = stream::iter(0..self.files.len()).map(move |file| {
            let all = Arc::clone(&all);
            async move { all.decide(file).await.map(<[_]>::to_vec) }
        });
        decisions.buffered(FILES_AHEAD).map_ok(|row_groups| stream::iter(row_groups.into_iter().map(Ok))).try_flatten()
    }

    /// Decides about all files. Reads their footers.
    pub async fn decide_all(&self) -> Result<()> {
        let decisions = stream::iter(0..self.files.len()).map(|file| self.decide(file));
        decisions.buffer_unordered(FOOTERS_AT_ONCE).try_for_each(|_| async { Ok(()) }).await
    }

    /// What has been decided so far.
    pub fn report(&self) -> Report {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn decide(&self, file: usize) -> Result<&[Arc<SplicedRowGroup>]> {
        Ok(self.decided[file].get_or_try_init(|| self.decided_anew(file)).await?)
    }

    async fn decided_anew(&self, index: usize) -> Result<Vec<Arc<SplicedRowGroup>>> {
        let file = &self.files[index];
        let min_bytes = if self.keeps_small[index] { self.target.min_bytes } else { self.target.small_bytes };
        let mut report = Report::default();
        let mut spliced = Vec::new();
        if let Some(refusal) = refusal_of(file, min_bytes) {
            report.refuse_file(refusal, &file.planned().file);
        } else {
            let whole = WholeFile::open(&self.context, file).await?;
            let mut proof = Proof::new(self, &whole, min_bytes)?;
            for index in whole.row_groups() {
                match proof.row_group(index)? {
                    Ok(row_group) => {
                        report.splice(row_group.rows, row_group.bytes);
                        spliced.push(Arc::new(row_group));
                    }
                    Err(refusal) => report.refuse(refusal, whole.row_group(index)),
                }
            }
        }
        self.report.lock().unwrap_or_else(PoisonError::into_inner).merge(report);
        Ok(spliced)
    }
}

/// Why nothing of a file can be copied, as its manifest tells.
fn refusal_of(file: &OpenFile, min_bytes: u64) -> Option<Refusal> {
    let planned = file.planned();
    if planned.has_deletes() {
        return Some(Refusal::Deletes);
    }
    (planned.file.file_size_in_bytes() < min_bytes).then_some(Refusal::Small)
}

/// Whether the small row groups of each file are so few in their partition of the source that to encode them together would
/// gain little. Their number is that of the manifests.
fn few_small(files: &[Arc<OpenFile>], small_bytes: u64) -> Vec<bool> {
    let partition = |file: &OpenFile| {
        let planned = file.planned();
        (planned.spec.spec_id(), PartitionValues::of(&planned.file))
    };
    let mut small = HashMap::new();
    for file in files {
        let data = &file.planned().file;
        let row_groups = data.split_offsets().map_or(1, |offsets| offsets.len().max(1)) as u64;
        if data.file_size_in_bytes() / row_groups < small_bytes {
            *small.entry(partition(file)).or_insert(0) += row_groups;
        }
    }
    files.iter().map(|file| small.get(&partition(file)).is_none_or(|count| *count <= FEW_SMALL)).collect()
}

#[async_trait]
impl TakesRowGroups for Splice {
    async fn taken(&self, file: &OpenFile) -> Result<Vec<usize>> {
        let known = self.by_location.get(file.location());
        let Some(index) = known else {
            return Err(Error::new(ErrorKind::Internal, "a file of the scan is not known").subject(file.location()));
        };
        Ok(self.decide(*index).await?.iter().map(|row_group| row_group.index).collect())
    }
}
