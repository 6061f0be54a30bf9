//! Files of our own sink, as they are and in ways in which they must not be.

use std::panic::catch_unwind;

use arrow::compute::concat_batches;
use bytes::Bytes;
use datafusion::execution::memory_pool::UnboundedMemoryPool;
use iceberg::spec::{DataContentType, DataFileBuilder, Literal};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::*;
use crate::pipeline::verify::{ContentHasher, PortableHasher};
use crate::pipeline::warehouse::{Warehouse, files};

const CREATE: &str = "CREATE TABLE r2.default.t (id BIGINT, name STRING, x DOUBLE, d DATE, tags ARRAY<STRING>)";
const ROWS: &str =
    "INSERT INTO r2.default.t SELECT value, 'name ' || (value % 7), CASE WHEN value % 3 > 0 THEN value / 4.0 END,
    CAST(CAST(value % 900 AS INT) AS DATE), make_array('t' || (value % 2), NULL) FROM generate_series";

/// A table of so many rows; `clauses` come after its columns.
async fn written(clauses: &str, rows: usize) -> (Warehouse, Table, Vec<DataFile>) {
    let warehouse = Warehouse::new().await;
    warehouse.run(&format!("{CREATE} {clauses}; {ROWS}(1, {rows})")).await;
    let table = warehouse.table().await;
    let files = files(&table).await;
    (warehouse, table, files)
}

fn wanted(level: Level, portable: Option<PortableColumns>) -> Wanted {
    Wanted { level, pool: Arc::new(UnboundedMemoryPool::default()), portable }
}

async fn read(table: &Table, files: &[DataFile], level: Level) -> Result<Vec<Readback>> {
    read_back(table, files.to_vec(), 3, wanted(level, None)).await
}

/// The one file's fingerprint.
async fn content(table: &Table, file: &DataFile) -> Result<Fingerprint> {
    let found = read(table, std::slice::from_ref(file), Level::Content).await?;
    assert_eq!(found.len(), 1);
    Ok(found[0].content.unwrap())
}

fn sum(found: &[Readback]) -> (Fingerprint, PortableFingerprint) {
    let (mut content, mut portable) = (Fingerprint::default(), PortableFingerprint::default());
    for found in found {
        assert_eq!(found.content.unwrap().rows, found.rows);
        assert_eq!(found.portable.unwrap().rows, found.rows);
        content.merge(found.content.unwrap());
        portable.merge(found.portable.unwrap());
    }
    (content, portable)
}

/// What rows on their way have, of the named columns.
async fn passing(warehouse: &Warehouse, table: &Table, query: &str) -> (Fingerprint, PortableFingerprint) {
    let batches = warehouse.run(query).await;
    let mut content = ContentHasher::new(&batches[0].schema()).unwrap();
    let fields = table.metadata.current_schema().as_struct().fields();
    let named = batches[0].schema().fields().clone();
    let fields: Vec<_> =
        named.iter().map(|name| Arc::clone(fields.iter().find(|field| field.name == *name.name()).unwrap())).collect();
    let mut portable = PortableHasher::new(&fields).unwrap();
    for batch in batches {
        content.add(&batch).unwrap();
        portable.add(&batch).unwrap();
    }
    (content.take(), portable.take())
}

/// The description of a file, with other numbers.
fn described(of: &DataFile, rows: u64, size_bytes: u64, partition: &Struct) -> DataFile {
    DataFileBuilder::default()
        .content(DataContentType::Data)
        .file_path(of.file_path().to_string())
        .file_format(of.file_format())
        .partition(partition.clone())
        .partition_spec_id(0)
        .record_count(rows)
        .file_size_in_bytes(size_bytes)
        .split_offsets(of.split_offsets().map(<[i64]>::to_vec))
        .build()
        .unwrap()
}

fn as_is(of: &DataFile) -> DataFile {
    described(of, of.record_count(), of.file_size_in_bytes(), of.partition())
}

fn decoded(file: &Bytes) -> std::result::Result<RecordBatch, String> {
    let batches = || {
        let reader = ParquetRecordBatchReaderBuilder::try_new(file.clone()).map_err(|error| error.to_string())?;
        let schema = Arc::clone(reader.schema());
        let reader = reader.build().map_err(|error| error.to_string())?;
        let batches = reader.collect::<std::result::Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
        concat_batches(&schema, &batches).map_err(|error| error.to_string())
    };
    catch_unwind(batches).unwrap_or_else(|_| Err("the decoder panics".to_string()))
}

fn encoded(rows: &RecordBatch) -> Bytes {
    let properties = WriterProperties::builder().build();
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties)).unwrap();
    writer.write(rows).unwrap();
    writer.into_inner().unwrap().into()
}

#[tokio::test]
async fn what_was_written_is_what_passed() {
    let clauses =
        "PARTITIONED BY (year(d), bucket(2, id)) TBLPROPERTIES ('write.parquet.row-group-size-bytes' = '8192')";
    let (warehouse, table, files) = written(clauses, 20_000).await;
    assert_eq!(files.len(), 6);
    assert!(files.iter().any(|file| file.split_offsets().unwrap().len() > 1));
    let found = read(&table, &files, Level::Portable).await.unwrap();
    assert_eq!(sum(&found), passing(&warehouse, &table, "SELECT * FROM r2.default.t").await);
    for (file, found) in files.iter().zip(&found) {
        assert_eq!((found.location.as_str(), found.rows), (file.file_path(), file.record_count()));
    }
    // Some columns in another order, neither the source of a partition among them.
    let fields = table.metadata.current_schema().as_struct().fields();
    let some = PortableColumns { indices: vec![2, 1], fields: vec![fields[2].clone(), fields[1].clone()] };
    let found = read_back(&table, files, 1, wanted(Level::Portable, Some(some))).await.unwrap();
    assert_eq!(sum(&found).1, passing(&warehouse, &table, "SELECT x, name FROM r2.default.t").await.1);
}

#[tokio::test]
async fn each_level_tells_what_it_knows() {
    let (_warehouse, table, files) = written("", 10).await;
    let found = read(&table, &files, Level::Metadata).await.unwrap();
    let location = files[0].file_path().to_string();
    assert_eq!(found, [Readback { location, rows: 10, copied_rows: 0, content: None, portable: None }]);
    let found = read(&table, &files, Level::Content).await.unwrap();
    assert!(found[0].content.is_some() && found[0].portable.is_none());
    assert_eq!(read(&table, &[], Level::Content).await.unwrap(), []);
}

#[tokio::test]
async fn every_transform_gives_the_partition_that_was_described() {
    for fields in
        ["d", "id", "name", "x", "month(d)", "day(d)", "bucket(3, name)", "truncate(10, id)", "truncate(6, name)"]
    {
        let (_warehouse, table, files) = written(&format!("PARTITIONED BY ({fields})"), 40).await;
        let found = read(&table, &files, Level::Content).await.unwrap();
        assert_eq!(found.iter().map(|found| found.rows).sum::<u64>(), 40, "{fields}");
    }
}

#[tokio::test]
async fn a_row_of_another_partition() {
    let (_warehouse, table, files) = written("PARTITIONED BY (truncate(50, id))", 99).await;
    assert_eq!(files.len(), 2);
    let misplaced = described(&files[0], files[0].record_count(), files[0].file_size_in_bytes(), files[1].partition());
    let error = content(&table, &misplaced).await.unwrap_err();
    assert_eq!((error.kind(), error.at()), (ErrorKind::Read, Some(Stage::Verify)));
    let text = error.to_string();
    let expected = "a row of the partition `id_trunc=0/` lies in a file of the partition `id_trunc=50/`";
    assert!(text.starts_with("verify of `r2.default.t`: `") && text.ends_with(expected), "{text}");
    let nowhere = Struct::from_iter([None::<Literal>]);
    let misplaced = described(&files[0], files[0].record_count(), files[0].file_size_in_bytes(), &nowhere);
    assert!(content(&table, &misplaced).await.is_err());
}

#[tokio::test]
async fn a_file_that_is_gone_or_cut() {
    let (_warehouse, table, files) = written("", 1_000).await;
    let (file, whole) = (&files[0], table.store.read(files[0].file_path()).await.unwrap());
    let expected = content(&table, &as_is(file)).await.unwrap();
    assert_eq!(content(&table, file).await.unwrap(), expected);
    let file_name = file.file_path().rsplit('/').next().unwrap();
    for kept in [0, 1, whole.len() / 2, whole.len() - 1] {
        table.store.write(file.file_path(), whole.slice(..kept)).await.unwrap();
        for level in [Level::Metadata, Level::Content, Level::Portable] {
            // As it was described, and described as it is.
            for cut in [as_is(file), described(file, 1_000, kept as u64, file.partition())] {
                let error = read(&table, &[cut], level).await.unwrap_err();
                assert_eq!((error.kind(), error.at()), (ErrorKind::Read, Some(Stage::Verify)), "{error}");
                assert!(error.to_string().contains(file_name), "{error}");
                assert!(error.to_string().starts_with("verify of `r2.default.t`: "), "{error}");
            }
        }
    }
    // Longer than it was described, with a footer where the description says.
    let longer: Bytes = [whole.as_ref(), b"more"].concat().into();
    table.store.write(file.file_path(), longer).await.unwrap();
    let error = content(&table, file).await.unwrap_err();
    assert!(error.to_string().ends_with(&format!(
        "has {} bytes and was described with {}",
        whole.len() + 4,
        whole.len()
    )));
    table.store.delete(file.file_path()).await.unwrap();
    for level in [Level::Metadata, Level::Content] {
        let error = read(&table, &[as_is(file)], level).await.unwrap_err();
        assert_eq!((error.kind(), error.at()), (ErrorKind::NotFound, Some(Stage::Verify)), "{error}");
        assert!(error.to_string().contains(file_name), "{error}");
    }
}

#[tokio::test]
async fn a_file_with_other_rows() {
    let (_warehouse, table, files) = written("", 1_000).await;
    let file = &files[0];
    let rows = decoded(&table.store.read(file.file_path()).await.unwrap()).unwrap();
    let expected = content(&table, file).await.unwrap();
    let put = async |rows: &RecordBatch| {
        let bytes = encoded(rows);
        table.store.write(file.file_path(), bytes.clone()).await.unwrap();
        described(file, rows.num_rows() as u64, bytes.len() as u64, file.partition())
    };
    // The same rows, written by others in another way.
    let same = put(&rows).await;
    assert_eq!(content(&table, &same).await.unwrap(), expected);
    let fewer = put(&rows.slice(0, 999)).await;
    assert_ne!(content(&table, &fewer).await.unwrap(), expected);
    let hidden = described(file, 1_000, fewer.file_size_in_bytes(), file.partition());
    for level in [Level::Metadata, Level::Content] {
        let error = read(&table, std::slice::from_ref(&hidden), level).await.unwrap_err();
        assert!(error.to_string().ends_with("the file holds 999 rows, its manifest says 1000"), "{error}");
    }
    let doubled = concat_batches(&rows.schema(), [&rows.slice(0, 999), &rows.slice(5, 1)]).unwrap();
    let doubled = put(&doubled).await;
    assert_eq!(doubled.record_count(), 1_000);
    assert_ne!(content(&table, &doubled).await.unwrap(), expected);
}

/// One bit of each byte in turn: that is an error, or another fingerprint, or a bit that no reader looks at.
#[tokio::test]
async fn a_bit_that_is_flipped() {
    for codec in ["uncompressed", "zstd", "snappy"] {
        let clauses = format!("TBLPROPERTIES ('write.parquet.compression-codec' = '{codec}')");
        let (_warehouse, table, files) = written(&clauses, 60).await;
        let file = as_is(&files[0]);
        let whole = table.store.read(file.file_path()).await.unwrap();
        let (expected, rows) = (content(&table, &file).await.unwrap(), decoded(&whole).unwrap());
        let footer = SerializedFileReader::new(whole.clone()).unwrap();
        let chunks = footer.metadata().row_group(0).columns().iter().map(|chunk| chunk.byte_range());
        let (start, end) = chunks.fold((u64::MAX, 0), |(start, end), (at, size)| (start.min(at), end.max(at + size)));
        let (mut seen, mut idle) = (0, 0);
        for at in start as usize..end as usize {
            let mut flipped = whole.to_vec();
            flipped[at] ^= 1 << (at % 8);
            let flipped = Bytes::from(flipped);
            table.store.write(file.file_path(), flipped.clone()).await.unwrap();
            if content(&table, &file).await.is_ok_and(|found| found == expected) {
                assert_eq!(decoded(&flipped).as_ref(), Ok(&rows), "byte {at} of {codec}");
                idle += 1;
            } else {
                seen += 1;
            }
        }
        assert!(seen > 5 * idle, "{codec}: {seen} seen, {idle} without effect");
    }
}
