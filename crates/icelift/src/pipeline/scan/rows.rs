//! Prunes row groups and pages by their own statistics.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, UInt64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Fields};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, ScalarValue};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, RowSelection, RowSelector};

use super::bounds::{Filter, field_of};
use super::reshape::field_id;

/// A file's columns, for looking up statistics by the table's names.
struct FileColumns<'a> {
    filter: &'a Filter,
    metadata: &'a ArrowReaderMetadata,
    fields: &'a Fields,
}

impl FileColumns<'_> {
    /// The statistics of a column and the type that the table gives it. `None` for columns that the file lacks, and for
    /// types whose order writers disagree on.
    fn converter(&self, column: &Column) -> Option<(StatisticsConverter<'_>, DataType)> {
        let target = self.filter.schema.field_with_name(&column.name).ok()?.data_type();
        let unordered = target.is_floating() || target.is_nested();
        if unordered || matches!(target, DataType::FixedSizeBinary(_) | DataType::LargeBinary) {
            return None;
        }
        let id = field_of(&self.filter.iceberg_schema, column)?.id;
        let field = self.fields.iter().find(|field| field_id(field) == Some(id))?;
        let converter =
            StatisticsConverter::try_new(field.name(), self.metadata.schema(), self.metadata.parquet_schema()).ok()?;
        converter.parquet_column_index()?;
        Some((converter.with_missing_null_counts_as_zero(false), target.clone()))
    }
}

/// Of `row_groups` those that may hold matching rows, and within them the pages that may.
pub(super) fn select(
    filter: &Filter,
    metadata: &ArrowReaderMetadata,
    fields: &Fields,
    row_groups: Vec<usize>,
) -> (Vec<usize>, Option<RowSelection>) {
    let columns = FileColumns { filter, metadata, fields };
    let may_match = filter.may_match(&RowGroups { columns: &columns, row_groups: &row_groups });
    let kept = row_groups.iter().zip(may_match).filter(|(_, may_match)| *may_match).map(|(index, _)| *index);
    let kept: Vec<usize> = kept.collect();
    let selections = filter.single_columns.iter().filter_map(|(name, predicate)| {
        let column = Column::from_name(name);
        let (converter, target) = columns.converter(&column)?;
        let pages = Pages { metadata, converter, target };
        kept.iter().try_fold(Vec::new(), |mut selectors, row_group| {
            selectors.extend(pages.select(*row_group, predicate)?);
            Some(selectors)
        })
    });
    let selection = selections.map(RowSelection::from).reduce(|a, b| a.intersection(&b));
    (kept, selection)
}

/// Statistics of the columns of some row groups.
struct RowGroups<'a> {
    columns: &'a FileColumns<'a>,
    row_groups: &'a [usize],
}

impl RowGroups<'_> {
    fn typed(&self, column: &Column, largest: bool) -> Option<ArrayRef> {
        let (converter, target) = self.columns.converter(column)?;
        let all = self.columns.metadata.metadata().row_groups();
        let row_groups = self.row_groups.iter().map(|index| &all[*index]);
        let found = if largest { converter.row_group_maxes(row_groups) } else { converter.row_group_mins(row_groups) };
        cast(&found.ok()?, &target).ok()
    }
}

impl PruningStatistics for RowGroups<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.typed(column, false)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.typed(column, true)
    }

    fn num_containers(&self) -> usize {
        self.row_groups.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let (converter, _) = self.columns.converter(column)?;
        let all = self.columns.metadata.metadata().row_groups();
        let counts = converter.row_group_null_counts(self.row_groups.iter().map(|index| &all[*index])).ok()?;
        Some(Arc::new(counts))
    }

    fn row_counts(&self, _column: &Column) -> Option<ArrayRef> {
        let all = self.columns.metadata.metadata().row_groups();
        let rows = self.row_groups.iter().map(|index| u64::try_from(all[*index].num_rows()).ok());
        Some(Arc::new(rows.collect::<UInt64Array>()))
    }

    fn contained(&self, _: &Column, _: &std::collections::HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

/// The pages of one column.
struct Pages<'a> {
    metadata: &'a ArrowReaderMetadata,
    converter: StatisticsConverter<'a>,
    target: DataType,
}

impl Pages<'_> {
    /// The rows of a row group whose pages may match; `None` if the file has no page index for the column.
    fn select(
        &self,
        row_group: usize,
        predicate: &datafusion::physical_optimizer::pruning::PruningPredicate,
    ) -> Option<Vec<RowSelector>> {
        let metadata = self.metadata.metadata();
        let (column_index, offset_index) = (metadata.column_index()?, metadata.offset_index()?);
        let leaf = self.converter.parquet_column_index()?;
        let locations = offset_index.get(row_group)?.get(leaf)?.page_locations();
        column_index.get(row_group)?.get(leaf)?;
        let one = [row_group];
        let statistics = PageStatistics {
            mins: cast(&self.converter.data_page_mins(column_index, offset_index, &one).ok()?, &self.target).ok()?,
            maxes: cast(&self.converter.data_page_maxes(column_index, offset_index, &one).ok()?, &self.target).ok()?,
            nulls: Arc::new(self.converter.data_page_null_counts(column_index, offset_index, &one).ok()?),
        };
        if statistics.mins.len() != locations.len() {
            return None;
        }
        let may_match = predicate.prune(&statistics).ok()?;
        let rows = usize::try_from(metadata.row_group(row_group).num_rows()).ok()?;
        let starts = locations.iter().map(|page| page.first_row_index as usize);
        let ends = starts.clone().skip(1).chain([rows]);
        let selectors = starts.zip(ends).zip(may_match).map(|((start, end), may_match)| {
            let rows = end.saturating_sub(start);
            if may_match { RowSelector::select(rows) } else { RowSelector::skip(rows) }
        });
        Some(selectors.collect())
    }
}

struct PageStatistics {
    mins: ArrayRef,
    maxes: ArrayRef,
    nulls: ArrayRef,
}

impl PruningStatistics for PageStatistics {
    fn min_values(&self, _column: &Column) -> Option<ArrayRef> {
        Some(Arc::clone(&self.mins))
    }

    fn max_values(&self, _column: &Column) -> Option<ArrayRef> {
        Some(Arc::clone(&self.maxes))
    }

    fn num_containers(&self) -> usize {
        self.mins.len()
    }

    fn null_counts(&self, _column: &Column) -> Option<ArrayRef> {
        Some(Arc::clone(&self.nulls))
    }

    fn row_counts(&self, _column: &Column) -> Option<ArrayRef> {
        None
    }

    fn contained(&self, _: &Column, _: &std::collections::HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
