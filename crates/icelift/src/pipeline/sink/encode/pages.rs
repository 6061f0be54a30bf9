//! The finished pages of a chunk, and what its description says of them.

use bytes::Bytes;
use parquet::basic::{BoundaryOrder, Encoding, EncodingMask, LogicalType, PageType};
use parquet::column::page::{CompressedPage, Page, PageWriteSpec, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::Result;
use parquet::file::metadata::{
    ColumnChunkMetaData, ColumnIndexBuilder, LevelHistogram, OffsetIndexBuilder, PageEncodingStats,
};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::bounds::{Bounds, statistics};
use super::values::{Dictionary, EncodedValues};
use crate::pipeline::splice::{Chunk, PageCompressor, no_values};

/// The pages of a chunk so far.
pub(super) struct Pages {
    leaf: ColumnDescPtr,
    dictionary: Option<Bytes>,
    data: Vec<Written>,
    data_bytes: usize,
    uncompressed_bytes: usize,
    columns: ColumnIndexBuilder,
    order: Order,
    bounds: Option<Bounds>,
    nulls: usize,
    statistics_bytes: Option<usize>,
    index_bytes: Option<usize>,
}

struct Written {
    bytes: Bytes,
    rows: usize,
    is_dictionary: bool,
    unencoded_bytes: Option<usize>,
}

/// Whether the bounds of the pages rise or fall.
struct Order {
    last: Option<Bounds>,
    is_ascending: bool,
    is_descending: bool,
}

impl Order {
    fn add(&mut self, bounds: &Bounds) {
        if let Some(last) = self.last.replace(bounds.clone()) {
            self.is_ascending &= last.lower <= bounds.lower && last.upper <= bounds.upper;
            self.is_descending &= last.lower >= bounds.lower && last.upper >= bounds.upper;
        }
    }

    fn boundary_order(&self) -> BoundaryOrder {
        match (self.is_ascending, self.is_descending) {
            (true, _) => BoundaryOrder::ASCENDING,
            (false, true) => BoundaryOrder::DESCENDING,
            (false, false) => BoundaryOrder::UNORDERED,
        }
    }
}

impl Pages {
    pub fn new(leaf: &ColumnDescPtr, properties: &WriterProperties) -> Self {
        Self {
            leaf: leaf.clone(),
            dictionary: None,
            data: Vec::new(),
            data_bytes: 0,
            uncompressed_bytes: 0,
            columns: ColumnIndexBuilder::new(leaf.physical_type()),
            order: Order { last: None, is_ascending: true, is_descending: true },
            bounds: None,
            nulls: 0,
            statistics_bytes: properties.statistics_truncate_length(),
            index_bytes: properties.column_index_truncate_length(),
        }
    }

    /// Bytes of all that is finished.
    pub fn bytes(&self) -> usize {
        self.data_bytes + self.dictionary.as_ref().map_or(0, Bytes::len)
    }

    /// Adds a page of so many rows: levels, then values.
    pub fn add(
        &mut self,
        page: &[u8],
        rows: usize,
        nulls: usize,
        values: EncodedValues,
        compressor: &mut PageCompressor,
    ) -> Result<()> {
        let EncodedValues { is_dictionary, bounds, unencoded_bytes } = values;
        let encoding = if is_dictionary { Encoding::RLE_DICTIONARY } else { Encoding::PLAIN };
        let compressed = Page::DataPage {
            buf: compressor.compressed(page)?.into(),
            num_values: u32::try_from(rows)?,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let bytes = self.written(compressed, page.len())?;
        self.data_bytes += bytes.len();
        self.data.push(Written { bytes, rows, is_dictionary, unencoded_bytes });
        self.index(rows, nulls, bounds.as_ref())?;
        self.nulls += nulls;
        match (&mut self.bounds, bounds) {
            (Some(known), Some(new)) => known.widen(&new),
            (known, new) => *known = known.take().or(new),
        }
        Ok(())
    }

    /// Adds the page that others refer to.
    pub fn add_dictionary(&mut self, dictionary: &Dictionary, compressor: &mut PageCompressor) -> Result<()> {
        let page = Page::DictionaryPage {
            buf: compressor.compressed(&dictionary.plain)?.into(),
            num_values: u32::try_from(dictionary.entries)?,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        self.dictionary = Some(self.written(page, dictionary.plain.len())?);
        Ok(())
    }

    /// The page behind its header.
    fn written(&mut self, page: Page, uncompressed_bytes: usize) -> Result<Bytes> {
        let mut written = TrackedWrite::new(Vec::with_capacity(page.buffer().len() + 64));
        let page = CompressedPage::new(page, uncompressed_bytes);
        let PageWriteSpec { uncompressed_size, .. } = SerializedPageWriter::new(&mut written).write_page(page)?;
        self.uncompressed_bytes += uncompressed_size;
        Ok(written.into_inner()?.into())
    }

    /// What the index of pages says of the next one.
    fn index(&mut self, rows: usize, nulls: usize, bounds: Option<&Bounds>) -> Result<()> {
        let nulls_signed = i64::try_from(nulls)?;
        match bounds {
            _ if nulls == rows => self.columns.append(true, Vec::new(), Vec::new(), nulls_signed),
            Some(bounds) => {
                let (cut, _) = bounds.truncated(self.index_bytes, self.is_text());
                self.columns.append(false, cut.lower.plain(), cut.upper.plain(), nulls_signed);
                self.order.add(bounds);
            }
            // A page of NaN has no bounds, and there is no index with a page left out.
            None => self.columns.to_invalid(),
        }
        self.columns.append_histograms(&None, &histogram(&self.leaf, rows, nulls)?);
        Ok(())
    }

    fn is_text(&self) -> bool {
        matches!(self.leaf.logical_type_ref(), Some(LogicalType::String))
    }

    /// The chunk of all pages.
    pub fn finish(mut self, compressor: &PageCompressor) -> Result<Chunk> {
        let start = self.dictionary.as_ref().map_or(0, Bytes::len);
        let nulls = self.nulls as u64;
        let rows = self.data.iter().map(|page| page.rows).sum();
        let unencoded_bytes: Option<usize> = self.data.iter().map(|page| page.unencoded_bytes).sum();
        let statistics = self.bounds.take().and_then(|bounds| {
            let (cut, exact) = bounds.truncated(self.statistics_bytes, self.is_text());
            statistics(cut, exact, nulls)
        });
        let encodings = self.encodings();
        let mask = encodings.iter().map(|stats| &stats.encoding).chain([&Encoding::PLAIN, &Encoding::RLE]);
        let total_bytes = self.bytes();
        let metadata = ColumnChunkMetaData::builder(self.leaf.clone())
            .set_compression(compressor.codec())
            .set_encodings_mask(EncodingMask::new_from_encodings(mask))
            .set_page_encoding_stats(encodings)
            .set_total_compressed_size(i64::try_from(total_bytes)?)
            .set_total_uncompressed_size(i64::try_from(self.uncompressed_bytes)?)
            .set_num_values(i64::try_from(rows)?)
            .set_data_page_offset(i64::try_from(start)?)
            .set_dictionary_page_offset(self.dictionary.as_ref().map(|_| 0))
            .set_statistics(statistics.unwrap_or_else(|| no_values(&self.leaf, self.nulls)))
            .set_unencoded_byte_array_data_bytes(unencoded_bytes.map(i64::try_from).transpose()?)
            .set_definition_level_histogram(histogram(&self.leaf, rows, self.nulls)?)
            .build()?;
        self.columns.set_boundary_order(self.order.boundary_order());
        let column_index = self.columns.valid().then(|| self.columns.build()).transpose()?;
        let mut offsets = OffsetIndexBuilder::new();
        let mut offset = start;
        for page in &self.data {
            offsets.append_row_count(i64::try_from(page.rows)?);
            offsets.append_offset_and_size(i64::try_from(offset)?, i32::try_from(page.bytes.len())?);
            offsets.append_unencoded_byte_array_data_bytes(page.unencoded_bytes.map(i64::try_from).transpose()?);
            offset += page.bytes.len();
        }
        let close = ColumnCloseResult {
            bytes_written: total_bytes as u64,
            rows_written: rows as u64,
            metadata,
            bloom_filter: None,
            column_index,
            offset_index: Some(offsets.build()),
        };
        let pieces = self.dictionary.into_iter().chain(self.data.into_iter().map(|page| page.bytes));
        Ok(Chunk::new(pieces.collect(), close))
    }

    /// How many pages there are of each kind.
    fn encodings(&self) -> Vec<PageEncodingStats> {
        let count = |page_type, encoding, count| PageEncodingStats { page_type, encoding, count };
        let referring = self.data.iter().filter(|page| page.is_dictionary).count();
        let all = [
            count(PageType::DICTIONARY_PAGE, Encoding::PLAIN, i32::from(self.dictionary.is_some())),
            count(PageType::DATA_PAGE, Encoding::RLE_DICTIONARY, referring as i32),
            count(PageType::DATA_PAGE, Encoding::PLAIN, (self.data.len() - referring) as i32),
        ];
        all.into_iter().filter(|stats| stats.count > 0).collect()
    }
}

/// How many values are NULL and how many are not, where a column can be NULL.
fn histogram(leaf: &ColumnDescPtr, rows: usize, nulls: usize) -> Result<Option<LevelHistogram>> {
    let counts = [nulls, rows - nulls].map(i64::try_from);
    Ok(match leaf.max_def_level() {
        0 => None,
        _ => Some(LevelHistogram::from(counts.into_iter().collect::<Result<Vec<_>, _>>()?)),
    })
}
