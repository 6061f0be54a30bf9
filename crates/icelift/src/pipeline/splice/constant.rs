//! A column chunk of one value, however many rows: a dictionary of one entry and a run of references to it.

use bytes::Bytes;
use datafusion::common::ScalarValue;
use parquet::basic::{Compression, Encoding, EncodingMask, Type as PhysicalType};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::{ByteArray, FixedLenByteArray};
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::chunk::Chunk;
use super::hybrid;

/// Whether a leaf can be one value in all rows: any can be NULL, and what is in no group can have a value.
pub(super) fn fits(value: &ScalarValue, leaf: &ColumnDescPtr) -> bool {
    match value.is_null() {
        true => leaf.max_def_level() > 0,
        false => leaf.path().parts().len() == 1 && Plain::new(value, leaf).is_some(),
    }
}

/// The chunk of `rows` times the value in a leaf that it fits. Not compressed: there are a few bytes.
pub(super) fn chunk(value: &ScalarValue, leaf: &ColumnDescPtr, rows: usize, page_index: bool) -> ParquetResult<Chunk> {
    let plain = Plain::new(value, leaf);
    let mut written = TrackedWrite::new(Vec::new());
    let mut pages = SerializedPageWriter::new(&mut written);
    let mut levels = Vec::new();
    if leaf.max_rep_level() > 0 {
        append_level_run(0, leaf.max_rep_level(), rows, &mut levels)?;
    }
    if leaf.max_def_level() > 0 {
        let level = if plain.is_some() { leaf.max_def_level() } else { 0 };
        append_level_run(level, leaf.max_def_level(), rows, &mut levels)?;
    }
    let (dictionary, encoding, values) = match &plain {
        None => (None, Encoding::PLAIN, Vec::new()),
        Some(Plain { bytes: None, .. }) => {
            let bits = if *value == ScalarValue::Boolean(Some(true)) { u8::MAX } else { 0 };
            (None, Encoding::PLAIN, vec![bits; rows.div_ceil(8)])
        }
        // References are one bit wide, and all of them are 0.
        Some(Plain { bytes: Some(bytes), .. }) => {
            let mut references = vec![1];
            hybrid::append_run(0, 1, rows, &mut references);
            (Some(bytes), Encoding::RLE_DICTIONARY, references)
        }
    };
    if let Some(bytes) = dictionary {
        let buf = Bytes::from(bytes.clone());
        let page = Page::DictionaryPage { buf, num_values: 1, encoding: Encoding::PLAIN, is_sorted: false };
        pages.write_page(CompressedPage::new(page, bytes.len()))?;
    }
    let buf = Bytes::from([levels, values].concat());
    let length = buf.len();
    let page = Page::DataPage {
        buf,
        num_values: u32::try_from(rows)?,
        encoding,
        def_level_encoding: Encoding::RLE,
        rep_level_encoding: Encoding::RLE,
        statistics: None,
    };
    let data_page = pages.write_page(CompressedPage::new(page, length))?;
    let bytes = Bytes::from(written.into_inner()?);
    let statistics = plain.as_ref().map_or_else(|| no_values(leaf, rows), |plain| plain.statistics.clone());
    let metadata = ColumnChunkMetaData::builder(leaf.clone())
        .set_compression(Compression::UNCOMPRESSED)
        .set_encodings_mask(EncodingMask::new_from_encodings([encoding, Encoding::PLAIN, Encoding::RLE].iter()))
        .set_total_compressed_size(i64::try_from(bytes.len())?)
        .set_total_uncompressed_size(i64::try_from(bytes.len())?)
        .set_num_values(i64::try_from(rows)?)
        .set_data_page_offset(i64::try_from(data_page.offset)?)
        .set_dictionary_page_offset(dictionary.map(|_| 0))
        .set_statistics(statistics.clone())
        .build()?;
    let (mut column_index, mut offset_index) = (None, None);
    if page_index {
        let mut columns = ColumnIndexBuilder::new(leaf.physical_type());
        let bound = |bytes: Option<&[u8]>| bytes.unwrap_or_default().to_vec();
        let (lower, upper) = (bound(statistics.min_bytes_opt()), bound(statistics.max_bytes_opt()));
        let nulls = i64::try_from(statistics.null_count_opt().unwrap_or(0))?;
        columns.append(plain.is_none(), lower, upper, nulls);
        if plain.is_some() && statistics.min_bytes_opt().is_none() {
            columns.to_invalid();
        }
        column_index = columns.valid().then(|| columns.build()).transpose()?;
        let mut offsets = OffsetIndexBuilder::new();
        offsets.append_row_count(i64::try_from(rows)?);
        offsets.append_offset_and_size(i64::try_from(data_page.offset)?, i32::try_from(data_page.bytes_written)?);
        offset_index = Some(offsets.build());
    }
    let (bytes_written, rows_written) = (bytes.len() as u64, rows as u64);
    let close =
        ColumnCloseResult { bytes_written, rows_written, metadata, bloom_filter: None, column_index, offset_index };
    Ok(Chunk::new(vec![bytes], close))
}

/// A value as Parquet's PLAIN encoding has it, and the statistics of a chunk of it.
struct Plain {
    /// `None` for truth values, which have no dictionary.
    bytes: Option<Vec<u8>>,
    statistics: Statistics,
}

impl Plain {
    fn new(value: &ScalarValue, leaf: &ColumnDescPtr) -> Option<Self> {
        use ScalarValue as V;
        let bytes = |value: &[u8]| {
            let length = u32::try_from(value.len()).ok()?.to_le_bytes();
            let array = ByteArray::from(value.to_vec());
            let statistics = Statistics::byte_array(Some(array.clone()), Some(array), None, Some(0), false);
            Some(Self { bytes: Some([&length, value].concat()), statistics })
        };
        let fixed = |value: &[u8]| {
            (i32::try_from(value.len()).ok() == Some(leaf.type_length())).then_some(())?;
            let array = FixedLenByteArray::from(value.to_vec());
            let statistics = Statistics::fixed_len_byte_array(Some(array.clone()), Some(array), None, Some(0), false);
            Some(Self { bytes: Some(value.to_vec()), statistics })
        };
        let int32 = |value: i32| Self {
            bytes: Some(value.to_le_bytes().to_vec()),
            statistics: Statistics::int32(Some(value), Some(value), None, Some(0), false),
        };
        let int64 = |value: i64| Self {
            bytes: Some(value.to_le_bytes().to_vec()),
            statistics: Statistics::int64(Some(value), Some(value), None, Some(0), false),
        };
        Some(match (leaf.physical_type(), value) {
            (PhysicalType::BOOLEAN, V::Boolean(Some(value))) => {
                Self { bytes: None, statistics: Statistics::boolean(Some(*value), Some(*value), None, Some(0), false) }
            }
            (PhysicalType::INT32, V::Int32(Some(value)) | V::Date32(Some(value))) => int32(*value),
            (PhysicalType::INT32, V::Decimal128(Some(value), ..)) => int32(i32::try_from(*value).ok()?),
            (
                PhysicalType::INT64,
                V::Int64(Some(value))
                | V::Time64Microsecond(Some(value))
                | V::TimestampMicrosecond(Some(value), _)
                | V::TimestampNanosecond(Some(value), _),
            ) => int64(*value),
            (PhysicalType::INT64, V::Decimal128(Some(value), ..)) => int64(i64::try_from(*value).ok()?),
            (PhysicalType::FLOAT, V::Float32(Some(value))) => {
                let bound =
                    |zero| if *value == 0.0 { Some(zero) } else { Some(*value).filter(|value| !value.is_nan()) };
                let statistics = Statistics::float(bound(-0.0), bound(0.0), None, Some(0), false);
                Self { bytes: Some(value.to_le_bytes().to_vec()), statistics }
            }
            (PhysicalType::DOUBLE, V::Float64(Some(value))) => {
                let bound =
                    |zero| if *value == 0.0 { Some(zero) } else { Some(*value).filter(|value| !value.is_nan()) };
                let statistics = Statistics::double(bound(-0.0), bound(0.0), None, Some(0), false);
                Self { bytes: Some(value.to_le_bytes().to_vec()), statistics }
            }
            (PhysicalType::BYTE_ARRAY, V::Utf8(Some(value))) => bytes(value.as_bytes())?,
            (PhysicalType::BYTE_ARRAY, V::LargeBinary(Some(value))) => bytes(value)?,
            (PhysicalType::FIXED_LEN_BYTE_ARRAY, V::FixedSizeBinary(_, Some(value))) => fixed(value)?,
            (PhysicalType::FIXED_LEN_BYTE_ARRAY, V::Decimal128(Some(value), ..)) => {
                let spare = 16_usize.checked_sub(usize::try_from(leaf.type_length()).ok()?)?;
                let (head, tail) = (&value.to_be_bytes()[..spare], &value.to_be_bytes()[spare..]);
                let sign = if *value < 0 { u8::MAX } else { 0 };
                (head.iter().all(|byte| *byte == sign)).then_some(())?;
                fixed(tail)?
            }
            _ => return None,
        })
    }
}

/// The statistics of a chunk of NULLs.
pub(crate) fn no_values(leaf: &ColumnDescPtr, rows: usize) -> Statistics {
    let nulls = Some(rows as u64);
    match leaf.physical_type() {
        PhysicalType::BOOLEAN => Statistics::boolean(None, None, None, nulls, false),
        PhysicalType::INT32 => Statistics::int32(None, None, None, nulls, false),
        PhysicalType::INT64 => Statistics::int64(None, None, None, nulls, false),
        PhysicalType::INT96 => Statistics::int96(None, None, None, nulls, false),
        PhysicalType::FLOAT => Statistics::float(None, None, None, nulls, false),
        PhysicalType::DOUBLE => Statistics::double(None, None, None, nulls, false),
        PhysicalType::BYTE_ARRAY => Statistics::byte_array(None, None, None, nulls, false),
        PhysicalType::FIXED_LEN_BYTE_ARRAY => Statistics::fixed_len_byte_array(None, None, None, nulls, false),
    }
}

/// The same level in all rows of a page.
fn append_level_run(level: i16, max_level: i16, rows: usize, into: &mut Vec<u8>) -> ParquetResult<()> {
    let width = hybrid::width_of(max_level as usize + 1);
    hybrid::append_behind_length(into, |into| hybrid::append_run(level.cast_unsigned().into(), width, rows, into))
}
