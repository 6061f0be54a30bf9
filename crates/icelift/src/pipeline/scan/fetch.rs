//! How much of a row group is fetched at once.
//!
//! A row group is fetched whole, as far as its columns are wanted: that takes the fewest requests. Where requests cost nothing, or
//! the memory pool has no room for it, and the file tells where its pages are, it is fetched in slices of rows. What must hold: the
//! slices are the piece, every row once and in order, and the pool knows what they hold.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::execution::memory_pool::MemoryReservation;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::RowSelection;
use parquet::file::metadata::ColumnChunkMetaData;

use super::decode::Parquet;
use super::reader::{OpenFile, ScanContext};
use super::reshape::Reshape;
use crate::error::Result;

/// Into how many slices a row group is cut, tried in turn. More would save little: the dictionaries come with each.
const SLICES: [usize; 4] = [2, 4, 8, 16];

/// What is fetched of a file on a local disk at once, about.
const LOCAL_FETCH_BYTES: usize = 32 << 20;

/// What pages are cut at by most writers, ours among them.
const PAGE_BYTES: usize = 1 << 20;

/// A piece of a file that is to be read.
pub(super) struct Fetch {
    pub context: Arc<ScanContext>,
    pub file: Arc<OpenFile>,
    pub reshape: Reshape,
    pub row_groups: Vec<usize>,
    /// Of the rows of these row groups.
    pub selection: Option<RowSelection>,
    pub held: MemoryReservation,
}

impl Fetch {
    /// The rows. Nothing is fetched before the first look at them, and pieces are opened long before.
    pub fn rows(self) -> BoxStream<'static, Result<RecordBatch>> {
        stream::once(self.begin()).try_flatten().boxed()
    }

    async fn begin(self) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let Self { context, file, reshape, row_groups, selection, held } = self;
        let parquet = file.parquet(&context).await.map_err(|error| error.subject(file.location()))?;
        let Footprint { rows, fetched_bytes, decoded_bytes } = footprint(parquet, &reshape, &row_groups);
        // Nothing smaller can be decoded, so the pool is told and not asked.
        held.grow(decoded_bytes);
        let wanted_bytes = if parquet.is_local() { LOCAL_FETCH_BYTES } else { usize::MAX };
        if fetched_bytes <= wanted_bytes && held.try_grow(fetched_bytes).is_ok() {
            return Ok(accounted(parquet.read(reshape, row_groups, selection, context.batch_rows())?, held));
        }
        let parquet = file.paged(&context).await.map_err(|error| error.subject(file.location()))?.clone();
        if !has_page_index(&parquet) {
            held.grow(fetched_bytes);
            return Ok(accounted(parquet.read(reshape, row_groups, selection, context.batch_rows())?, held));
        }
        let enough = |slices: &usize| fetched_bytes / slices <= wanted_bytes;
        let granted = SLICES.into_iter().filter(enough).find(|slices| held.try_grow(fetched_bytes / slices).is_ok());
        let slices = granted.unwrap_or_else(|| {
            held.grow(fetched_bytes / SLICES[SLICES.len() - 1]);
            SLICES[SLICES.len() - 1]
        });
        let slice_rows = rows.div_ceil(slices).max(context.batch_rows());
        tracing::debug!(file = file.location(), slices, "row groups are fetched in slices");
        let batches = stream::iter(self::slices(&parquet, &row_groups, selection, slice_rows));
        let read = move |slice| parquet.read(reshape.clone(), row_groups.clone(), Some(slice), context.batch_rows());
        Ok(accounted(batches.map(read).try_flatten().boxed(), held))
    }
}

/// What reading a row group takes.
#[derive(Debug, Clone, Copy, Default)]
struct Footprint {
    rows: usize,
    /// Its wanted columns, as they are in the file.
    fetched_bytes: usize,
    /// A page and the dictionary of each wanted column, decoded.
    decoded_bytes: usize,
}

/// What reading the largest of `row_groups` takes.
fn footprint(parquet: &Parquet, reshape: &Reshape, row_groups: &[usize]) -> Footprint {
    let mask = ProjectionMask::roots(parquet.metadata.parquet_schema(), reshape.roots.iter().copied());
    let of_row_group = |row_group: &usize| {
        let row_group = parquet.metadata.metadata().row_group(*row_group);
        let rows = usize::try_from(row_group.num_rows()).unwrap_or(0);
        let leaves = row_group.columns().iter().enumerate().filter(|(leaf, _)| mask.leaf_included(*leaf));
        leaves.fold(Footprint { rows, ..Footprint::default() }, |sum, (_, column)| Footprint {
            fetched_bytes: sum.fetched_bytes + usize::try_from(column.compressed_size()).unwrap_or(0),
            decoded_bytes: sum.decoded_bytes + decoded_bytes(column),
            ..sum
        })
    };
    row_groups.iter().map(of_row_group).max_by_key(|it| it.fetched_bytes + it.decoded_bytes).unwrap_or_default()
}

/// What a column holds while it is decoded: a page, and its dictionary. How large the latter is, the footer tells only as it is
/// in the file; it is taken to compress as the rest does.
fn decoded_bytes(column: &ColumnChunkMetaData) -> usize {
    let (compressed, all) = (column.compressed_size().max(1), column.uncompressed_size().max(0));
    let dictionary = column.dictionary_page_offset().map_or(0, |start| (column.data_page_offset() - start).max(0));
    let dictionary = (i128::from(dictionary) * i128::from(all) / i128::from(compressed)).min(i128::from(all));
    usize::try_from(dictionary).unwrap_or(0) + usize::try_from(all).unwrap_or(0).min(PAGE_BYTES)
}

pub(super) fn has_page_index(parquet: &Parquet) -> bool {
    parquet.metadata.metadata().offset_index().is_some()
}

/// Selections of the slices that hold any row of `selection`.
fn slices(
    parquet: &Parquet,
    row_groups: &[usize],
    selection: Option<RowSelection>,
    slice_rows: usize,
) -> impl Iterator<Item = RowSelection> + use<> {
    let rows = |row_group: &usize| parquet.metadata.metadata().row_group(*row_group).num_rows();
    let total = row_groups.iter().map(rows).sum::<i64>().try_into().unwrap_or(0);
    let cut = move |rows: Range<usize>| {
        let slice = RowSelection::from_consecutive_ranges(std::iter::once(rows), total);
        selection.as_ref().map_or(slice.clone(), |selection| selection.intersection(&slice))
    };
    ranges(total, slice_rows).map(cut).filter(RowSelection::selects_any)
}

fn ranges(total: usize, step: usize) -> impl Iterator<Item = Range<usize>> {
    (0..total).step_by(step.max(1)).map(move |start| start..(start + step).min(total))
}

/// Keeps what is accounted for as long as the batches come.
fn accounted(
    batches: BoxStream<'static, Result<RecordBatch>>,
    held: MemoryReservation,
) -> BoxStream<'static, Result<RecordBatch>> {
    let next = |(mut batches, held): (BoxStream<'static, _>, _)| async move {
        let batch = batches.next().await?;
        Some((batch, (batches, held)))
    };
    stream::unfold((batches, held), next).boxed()
}

#[cfg(test)]
mod tests {
    use super::ranges;

    #[test]
    fn slices_cover_all_rows_once() {
        assert_eq!(ranges(10, 4).collect::<Vec<_>>(), [0..4, 4..8, 8..10]);
        assert_eq!(ranges(8, 4).collect::<Vec<_>>(), [0..4, 4..8]);
        assert_eq!(ranges(3, 100).next(), Some(0..3));
        assert_eq!(ranges(0, 4).count(), 0);
    }
}
