//! Files as one sees them who takes row groups whole: which of them may match, where each column of the scan lies, and what
//! the statistics tell of it.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::Array;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use async_trait::async_trait;
use datafusion::common::ScalarValue;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::basic::Type as PhysicalType;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::schema::types::TypePtr;

use super::decode::Parquet;
use super::reader::{self, OpenFile, ScanContext};
use super::reshape::{Origin, Reshape};
use super::rows;
use crate::error::{Error, Result};
use crate::pipeline::splice::{Domain, Nulls};
use crate::storage::Store;

/// Takes row groups whole, so that a scan leaves them out.
#[async_trait]
pub(crate) trait TakesRowGroups: Debug + Send + Sync {
    /// The row groups of a file that are taken. The answer never changes.
    async fn taken(&self, file: &OpenFile) -> Result<Vec<usize>>;
}

/// A file of a scan, opened.
pub(crate) struct WholeFile<'a> {
    context: &'a ScanContext,
    file: &'a OpenFile,
    parquet: &'a Parquet,
    reshape: Reshape,
}

impl<'a> WholeFile<'a> {
    /// Reads the footer, unless it is known, with an index of the pages as far as the file has one.
    ///
    /// # Errors
    /// A file that cannot be read, or not as the table's schema says.
    pub async fn open(context: &'a ScanContext, file: &'a OpenFile) -> Result<Self> {
        let place = |error: Error| error.subject(file.location()).place(context.stage(), &context.table.name);
        let parquet = file.parquet(context).await.map_err(place)?;
        let reshape = reader::reshape(context, file, parquet).map_err(place)?;
        parquet.check_plain(&reshape.roots).map_err(place)?;
        Ok(Self { context, file, parquet, reshape })
    }

    pub fn metadata(&self) -> &ParquetMetaData {
        self.parquet.metadata.metadata()
    }

    pub fn shared_metadata(&self) -> Arc<ParquetMetaData> {
        Arc::clone(self.parquet.metadata.metadata())
    }

    pub fn row_group(&self, index: usize) -> &RowGroupMetaData {
        self.metadata().row_group(index)
    }

    /// The row groups in which a row may match the filters of the scan, as far as statistics tell.
    pub fn row_groups(&self) -> Vec<usize> {
        let all: Vec<usize> =
            (0..self.metadata().num_row_groups()).filter(|it| self.row_group(*it).num_rows() > 0).collect();
        match self.context.filter() {
            Some(filter) => rows::select(filter, &self.parquet.metadata, &self.parquet.fields, all).0,
            None => all,
        }
    }

    /// Where a column of the scan is.
    pub fn place(&self, column: usize) -> Place<'_> {
        match self.reshape.origin(column) {
            Origin::Constant(_) => Place::Constant,
            Origin::Same(root) => Place::Chunks { root: &self.roots()[root], leaves: self.leaves(root) },
            Origin::Converted(_) => Place::Converted,
        }
    }

    fn roots(&self) -> &[TypePtr] {
        self.parquet.metadata.parquet_schema().root_schema().get_fields()
    }

    fn leaves(&self, root: usize) -> Range<usize> {
        let descriptor = self.parquet.metadata.parquet_schema();
        let of_root = |leaf: &usize| descriptor.get_column_root_idx(*leaf) == root;
        let first = (0..descriptor.num_columns()).find(of_root).unwrap_or_default();
        first..first + (first..descriptor.num_columns()).take_while(of_root).count()
    }

    /// A column of the scan.
    pub fn field(&self, column: usize) -> &Field {
        self.context.schema.field(column)
    }

    /// Whether the file tells where the pages of the chunk are.
    pub fn has_page_index(&self, row_group: usize, leaf: usize) -> bool {
        let index = self.metadata().offset_index().and_then(|all| all.get(row_group)?.get(leaf));
        index.is_some_and(|pages| !pages.page_locations().is_empty())
    }

    /// What the statistics of a row group tell of a column of the scan.
    pub fn domain(&self, column: usize, row_group: usize) -> Domain {
        let data_type = self.context.schema.field(column).data_type();
        match self.reshape.origin(column) {
            Origin::Constant(value) => Domain::constant(value),
            Origin::Same(root) | Origin::Converted(root) => {
                self.statistics(root, row_group, data_type).unwrap_or_else(|| Domain::unknown(data_type))
            }
        }
    }

    fn statistics(&self, root: usize, row_group: usize, data_type: &DataType) -> Option<Domain> {
        let row_group = self.row_group(row_group);
        let leaves = self.leaves(root);
        if leaves.len() != 1 || !self.roots()[root].is_primitive() {
            return None;
        }
        let chunk = row_group.column(leaves.start);
        let known = chunk.statistics()?;
        let nulls = match known.null_count_opt() {
            _ if chunk.column_descr().max_def_level() == 0 => Nulls::None,
            Some(0) => Nulls::None,
            Some(count) if i64::try_from(count).ok() == Some(row_group.num_rows()) => Nulls::All,
            _ => Nulls::Some,
        };
        let bounds = is_ordered(data_type, chunk).then(|| self.bounds(root, row_group, data_type)).flatten();
        Some(Domain { data_type: data_type.clone(), bounds, nulls })
    }

    fn bounds(&self, root: usize, row_group: &RowGroupMetaData, to: &DataType) -> Option<(ScalarValue, ScalarValue)> {
        let (schema, descriptor) = (self.parquet.metadata.schema(), self.parquet.metadata.parquet_schema());
        let converter = StatisticsConverter::try_new(schema.field(root).name(), schema, descriptor).ok()?;
        // Found by its name, which may be there twice.
        (converter.parquet_column_index()? == self.leaves(root).start).then_some(())?;
        let one = |array: arrow::array::ArrayRef| {
            let array = cast(&array, to).ok()?;
            if array.is_null(0) { None } else { ScalarValue::try_from_array(&array, 0).ok() }
        };
        let lower = one(converter.row_group_mins([row_group]).ok()?)?;
        let upper = one(converter.row_group_maxes([row_group]).ok()?)?;
        (lower <= upper).then_some((lower, upper))
    }

    /// Where the bytes come from.
    pub fn store(&self) -> &Store {
        &self.context.table.store
    }

    pub fn location(&self) -> &str {
        self.file.location()
    }

    /// NaN values of a column of the scan in the whole file, as far as its manifest tells.
    pub fn nans(&self, field_id: i32) -> Option<u64> {
        self.file.planned().file.nan_value_counts().get(&field_id).copied()
    }
}

/// Where a column of a scan is in a file.
pub(crate) enum Place<'a> {
    /// In these leaves, which are read as they are.
    Chunks { root: &'a TypePtr, leaves: Range<usize> },
    /// Nowhere: all rows have one value.
    Constant,
    /// In leaves whose values are converted when they are read.
    Converted,
}

/// Whether all writers agree on the order of the values, and on what a bound is.
fn is_ordered(data_type: &DataType, chunk: &ColumnChunkMetaData) -> bool {
    let is_bytes = matches!(chunk.column_type(), PhysicalType::BYTE_ARRAY | PhysicalType::FIXED_LEN_BYTE_ARRAY);
    let is_old = chunk.statistics().is_none_or(|statistics| statistics.is_min_max_deprecated());
    match data_type {
        DataType::FixedSizeBinary(_) | DataType::LargeBinary => false,
        _ if data_type.is_floating() || data_type.is_nested() => false,
        _ => chunk.column_type() != PhysicalType::INT96 && !(is_bytes && is_old),
    }
}
