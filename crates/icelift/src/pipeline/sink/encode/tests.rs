//! What is encoded here against what the library writes and reads.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array, new_empty_array};
use arrow::array::{Date32Array, Float32Array, Float64Array, Int32Array, Int64Array, LargeBinaryArray, StringArray};
use arrow::compute::{concat, is_null, take};
use arrow::datatypes::{DataType, Field, Schema};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::{ArrowSchemaConverter, ArrowWriter};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::{prop_assert, prop_assert_eq, proptest};

use super::bounds::{Bound, Bounds};
use super::column::ColumnEncoder;
use crate::pipeline::splice::PageCompressor;

/// Values of a column by their numbers: few of them come often, and the order of some types has its corners.
fn pool(data_type: &DataType) -> ArrayRef {
    let numbers = || (0..200_i64).map(|at| at * 0x0123_4567_89AB % 1000 - 500);
    match data_type {
        DataType::Int32 => Arc::new(Int32Array::from_iter_values(numbers().map(|at| at as i32 * 4_000_000))),
        DataType::Date32 => Arc::new(Date32Array::from_iter_values(numbers().map(|at| at as i32))),
        DataType::Int64 => Arc::new(Int64Array::from_iter_values(numbers().chain([i64::MIN, i64::MAX]))),
        DataType::Float32 => {
            let corners = [0.0, -0.0, f32::NAN, f32::INFINITY, f32::MIN_POSITIVE];
            Arc::new(Float32Array::from_iter_values(corners.into_iter().chain(numbers().map(|at| at as f32 / 3.0))))
        }
        DataType::Float64 => {
            let corners = [0.0, -0.0, f64::NAN, -f64::NAN, f64::NEG_INFINITY];
            Arc::new(Float64Array::from_iter_values(corners.into_iter().chain(numbers().map(|at| at as f64 / 3.0))))
        }
        DataType::Utf8 => {
            let long = |at: i64| "ä\u{10FFFF}z".repeat(at.unsigned_abs() as usize % 40);
            Arc::new(StringArray::from_iter_values(numbers().map(|at| format!("{}{}", long(at), at % 90))))
        }
        _ => {
            let bytes = |at: i64| vec![0xFF_u8; at.unsigned_abs() as usize % 90];
            Arc::new(LargeBinaryArray::from_iter_values(
                numbers().map(|at| [bytes(at), at.to_be_bytes()[6..].to_vec()].concat()),
            ))
        }
    }
}

const TYPES: [DataType; 7] = [
    DataType::Int32,
    DataType::Date32,
    DataType::Int64,
    DataType::Float32,
    DataType::Float64,
    DataType::Utf8,
    DataType::LargeBinary,
];

/// Rows as they come: each batch with values of the pool, or NULL.
fn batches(data_type: DataType) -> impl Strategy<Value = Vec<ArrayRef>> {
    let pool = pool(&data_type);
    let length = pool.len() as u32;
    let value = prop_oneof![
        3 => (0..length).prop_map(Some),
        2 => (0..length.min(5)).prop_map(Some),
        1 => Just(None),
    ];
    let run = (value, prop_oneof![4 => Just(1_usize), 1 => 1_usize..200]);
    let batch = vec(run, 1..120).prop_map(|runs| {
        let rows = runs.into_iter().flat_map(|(value, length)| std::iter::repeat_n(value, length));
        UInt32Array::from_iter(rows)
    });
    // A slice of a batch begins anywhere in its buffers.
    let batch = (batch, any::<u8>()).prop_map(move |(rows, skipped)| {
        let taken = take(&pool, &rows, None).unwrap();
        let skipped = (skipped as usize).min(taken.len() - 1);
        taken.slice(skipped, taken.len() - skipped)
    });
    vec(batch, 1..8)
}

fn columns() -> impl Strategy<Value = (Vec<ArrayRef>, bool)> {
    let rows = (0..TYPES.len()).prop_flat_map(|at| batches(TYPES[at].clone()));
    (rows, any::<bool>()).prop_map(|(batches, required)| match required {
        false => (batches, true),
        true => {
            let kept = |array: &ArrayRef| {
                let rows =
                    UInt32Array::from_iter_values((0..array.len() as u32).filter(|row| array.is_valid(*row as usize)));
                take(array, &rows, None).unwrap()
            };
            (batches.iter().map(kept).collect(), false)
        }
    })
}

fn limits() -> impl Strategy<Value = WriterProperties> {
    let codec = prop_oneof![
        Just(Compression::UNCOMPRESSED),
        Just(Compression::SNAPPY),
        Just(Compression::ZSTD(ZstdLevel::default())),
    ];
    let dictionary = prop_oneof![Just(1_usize), 1_usize..2000, Just(1 << 20)];
    let cut = prop_oneof![Just(None), (1_usize..70).prop_map(Some)];
    (1_usize..1500, 1_usize..5000, dictionary, codec, cut).prop_map(|(rows, bytes, dictionary, codec, cut)| {
        WriterProperties::builder()
            .set_data_page_row_count_limit(rows)
            .set_data_page_size_limit(bytes)
            .set_dictionary_page_size_limit(dictionary)
            .set_compression(codec)
            .set_statistics_truncate_length(cut)
            .set_column_index_truncate_length(cut)
            .build()
    })
}

fn schema(data_type: &DataType, nullable: bool) -> Arc<Schema> {
    Arc::new(Schema::new(vec![Field::new("c", data_type.clone(), nullable)]))
}

fn written_here(batches: &[ArrayRef], schema: &Schema, properties: &WriterPropertiesPtr) -> Bytes {
    let root = ArrowSchemaConverter::new().convert(schema).unwrap();
    let mut compressor = PageCompressor::new(properties.compression(root.column(0).path()));
    let mut column = ColumnEncoder::new(schema.field(0).data_type(), &root.column(0), properties).unwrap();
    for batch in batches {
        column.write(batch, &mut compressor).unwrap();
    }
    let chunk = column.finish(&mut compressor).unwrap();
    let mut file = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut file, root.root_schema_ptr(), Arc::clone(properties)).unwrap();
    let mut row_group = writer.next_row_group().unwrap();
    row_group.append_column(&chunk.bytes, chunk.close).unwrap();
    row_group.close().unwrap();
    writer.close().unwrap();
    file.into()
}

fn written_by_library(batches: &[ArrayRef], schema: &Arc<Schema>, properties: &WriterPropertiesPtr) -> Bytes {
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, Arc::clone(schema), Some(properties.as_ref().clone())).unwrap();
    for batch in batches {
        writer.write(&RecordBatch::try_new(Arc::clone(schema), vec![Arc::clone(batch)]).unwrap()).unwrap();
    }
    writer.close().unwrap();
    file.into()
}

fn read(file: Bytes, schema: &Arc<Schema>) -> (Arc<ParquetMetaData>, ArrayRef) {
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options.with_schema(Arc::clone(schema)));
    let builder = builder.unwrap();
    let metadata = Arc::clone(builder.metadata());
    let batches: Vec<_> = builder.build().unwrap().map(|batch| Arc::clone(batch.unwrap().column(0))).collect();
    let arrays: Vec<_> = batches.iter().map(AsRef::as_ref).collect();
    let whole = match arrays.as_slice() {
        [] => new_empty_array(schema.field(0).data_type()),
        arrays => concat(arrays).unwrap(),
    };
    (metadata, whole)
}

/// The bounds of rows as a scan of them finds them.
fn bounds_of(rows: &ArrayRef) -> Option<Bounds> {
    let data = rows.to_data();
    let bound = |row: usize| -> Option<Bound> {
        let bytes = |start: usize, end: usize| Bound::Bytes(data.buffers()[1][start..end].to_vec());
        let at = row + data.offset();
        Some(match rows.data_type() {
            DataType::Int32 | DataType::Date32 => Bound::Int32(data.buffers()[0].typed_data::<i32>()[at]),
            DataType::Int64 => Bound::Int64(data.buffers()[0].typed_data::<i64>()[at]),
            DataType::Float32 => {
                Bound::Float(Some(data.buffers()[0].typed_data::<f32>()[at]).filter(|value| !value.is_nan())?)
            }
            DataType::Float64 => {
                Bound::Double(Some(data.buffers()[0].typed_data::<f64>()[at]).filter(|value| !value.is_nan())?)
            }
            DataType::Utf8 => {
                let offsets = data.buffers()[0].typed_data::<i32>();
                bytes(offsets[at] as usize, offsets[at + 1] as usize)
            }
            _ => {
                let offsets = data.buffers()[0].typed_data::<i64>();
                bytes(offsets[at] as usize, offsets[at + 1] as usize)
            }
        })
    };
    let all: Vec<_> = (0..rows.len()).filter(|row| rows.is_valid(*row)).filter_map(bound).collect();
    let order = |a: &&Bound, b: &&Bound| a.partial_cmp(b).unwrap();
    Some(Bounds { lower: all.iter().min_by(order)?.clone(), upper: all.iter().max_by(order)?.clone() })
}

/// The bounds of pages and how many NULLs they have, as the index says it.
fn indexed(index: &ColumnIndexMetaData) -> Vec<(Option<(Bound, Bound)>, i64)> {
    macro_rules! pages {
        ($index:expr, $bound:expr) => {
            (0..$index.num_pages() as usize)
                .map(|page| {
                    let bounds = $index.min_value(page).zip($index.max_value(page));
                    (bounds.map(|(lower, upper)| ($bound(lower), $bound(upper))), $index.null_count(page).unwrap())
                })
                .collect()
        };
    }
    match index {
        ColumnIndexMetaData::INT32(index) => pages!(index, |value: &i32| Bound::Int32(*value)),
        ColumnIndexMetaData::INT64(index) => pages!(index, |value: &i64| Bound::Int64(*value)),
        ColumnIndexMetaData::FLOAT(index) => pages!(index, |value: &f32| Bound::Float(*value)),
        ColumnIndexMetaData::DOUBLE(index) => pages!(index, |value: &f64| Bound::Double(*value)),
        ColumnIndexMetaData::BYTE_ARRAY(index) => pages!(index, |value: &[u8]| Bound::Bytes(value.to_vec())),
        _ => Vec::new(),
    }
}

proptest! {
    /// The library reads the rows that came in, and the footer says of the chunk what it says where the library has written it.
    #[test]
    fn rows_come_back_and_are_described_as_the_library_does_it((batches, nullable) in columns(), limits in limits()) {
        let (schema, limits) = (schema(batches[0].data_type(), nullable), Arc::new(limits));
        let rows = concat(&batches.iter().map(AsRef::as_ref).collect::<Vec<_>>()).unwrap();
        if rows.is_empty() {
            return Ok(());
        }
        let (ours, read_back) = read(written_here(&batches, &schema, &limits), &schema);
        prop_assert_eq!(is_null(&read_back).unwrap(), is_null(&rows).unwrap());
        prop_assert_eq!(&read_back.to_data(), &rows.to_data());
        let (theirs, _) = read(written_by_library(&batches, &schema, &limits), &schema);
        let (ours, theirs) = (ours.row_group(0).column(0).clone(), theirs.row_group(0).column(0).clone());
        prop_assert_eq!(format!("{:?}", ours.statistics()), format!("{:?}", theirs.statistics()));
        prop_assert_eq!(ours.num_values(), theirs.num_values());
        prop_assert_eq!(ours.unencoded_byte_array_data_bytes(), theirs.unencoded_byte_array_data_bytes());
        prop_assert_eq!(ours.definition_level_histogram(), theirs.definition_level_histogram());
        prop_assert_eq!(ours.compression(), theirs.compression());
        prop_assert!(ours.encodings().any(|it| it == Encoding::RLE));
    }

    /// The index of pages tells of each page what its rows are, and is in the order that it says.
    #[test]
    fn pages_are_what_their_index_says((batches, nullable) in columns(), limits in limits()) {
        let (schema, limits) = (schema(batches[0].data_type(), nullable), Arc::new(limits));
        let (metadata, rows) = read(written_here(&batches, &schema, &limits), &schema);
        if rows.is_empty() {
            return Ok(());
        }
        let pages = metadata.offset_index().unwrap()[0][0].page_locations();
        let mut ends = pages.iter().map(|page| page.first_row_index as usize).skip(1).chain([rows.len()]);
        let pages: Vec<_> = pages.iter().map(|page| page.first_row_index as usize..ends.next().unwrap()).collect();
        prop_assert!(pages.iter().all(|page| page.len() <= limits.data_page_row_count_limit()));
        let index = indexed(&metadata.column_index().unwrap()[0][0]);
        if index.is_empty() {
            let no_bounds = |page: &std::ops::Range<usize>| {
                let rows = rows.slice(page.start, page.len());
                rows.null_count() < rows.len() && bounds_of(&rows).is_none()
            };
            prop_assert!(pages.iter().any(no_bounds), "no index, and no page of NaN");
            return Ok(());
        }
        prop_assert_eq!(index.len(), pages.len());
        for (page, (found, nulls)) in pages.iter().zip(index) {
            let rows = rows.slice(page.start, page.len());
            prop_assert_eq!(nulls as usize, rows.null_count());
            let truth = bounds_of(&rows);
            match (found, truth, limits.column_index_truncate_length()) {
                (Some((lower, upper)), Some(truth), None) => prop_assert_eq!((lower, upper), (truth.lower, truth.upper)),
                (Some((lower, upper)), Some(truth), Some(_)) => {
                    prop_assert!(lower <= truth.lower && upper >= truth.upper);
                }
                (found, truth, _) => prop_assert!(found.is_none() && truth.is_none()),
            }
        }
    }
}

#[test]
fn another_type_than_announced_is_an_error() {
    let (schema, limits) = (schema(&DataType::Int64, true), Arc::new(WriterProperties::default()));
    let root = ArrowSchemaConverter::new().convert(&schema).unwrap();
    let mut column = ColumnEncoder::new(&DataType::Int64, &root.column(0), &limits).unwrap();
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
    let error = column.write(&texts, &mut PageCompressor::new(Compression::SNAPPY)).unwrap_err();
    assert!(error.to_string().contains("Utf8 came for a column of Int64"), "{error}");
}
