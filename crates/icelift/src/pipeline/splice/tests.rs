//! What is copied is what would be encoded: the same statements with and without, and what comes out compared.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{concat_batches, max, min};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::execution::memory_pool::UnboundedMemoryPool;
use iceberg::spec::DataFile;
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::copied_row_groups;
use crate::pipeline::verify::{Level, Wanted, read_back};
use crate::pipeline::warehouse::{Warehouse, files};

/// Row groups of some KiB, so that few rows make several; none is too small to be copied.
const SMALL: &str = "'write.parquet.row-group-size-bytes' = '4096', 'write.parquet.page-row-limit' = '100'";

struct Outcome {
    files: Vec<DataFile>,
    /// Copied and all.
    row_groups: (usize, usize),
}

/// Runs the query into a new table with these clauses, once copying and once not, and compares what is in it.
async fn both(warehouse: &Warehouse, columns: &str, clauses: &str, query: &str) -> Outcome {
    for (name, mode) in [("encoded", "off"), ("copied", "auto")] {
        let script = format!(
            "SET icelift.splice = '{mode}'; CREATE TABLE r2.default.{name} ({columns}) {clauses};
             INSERT INTO r2.default.{name} {query}"
        );
        warehouse.run(&script).await;
    }
    for (some, other) in [("copied", "encoded"), ("encoded", "copied")] {
        let missing = format!(
            "SELECT count(*) FROM (SELECT * FROM r2.default.{some} EXCEPT ALL SELECT * FROM r2.default.{other})"
        );
        let missing = warehouse.run(&missing).await;
        assert_eq!(missing[0].column(0).as_primitive::<Int64Type>().value(0), 0, "rows of {some} only");
    }
    let files = files(&warehouse.table_named("copied").await).await;
    check_metrics(&files);
    let row_groups = files.iter().map(row_groups).fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    warehouse.run("DROP TABLE r2.default.copied PURGE; DROP TABLE r2.default.encoded PURGE").await;
    Outcome { files, row_groups }
}

fn opened(file: &DataFile) -> std::fs::File {
    std::fs::File::open(file.file_path().trim_start_matches("file://")).unwrap()
}

fn row_groups(file: &DataFile) -> (usize, usize) {
    let reader = SerializedFileReader::new(opened(file)).unwrap();
    let copied = copied_row_groups(reader.metadata().file_metadata());
    (copied.len(), reader.metadata().num_row_groups())
}

/// What manifests say of each file, against what is in it.
fn check_metrics(files: &[DataFile]) {
    for file in files {
        let rows = ParquetRecordBatchReaderBuilder::try_new(opened(file)).unwrap().build().unwrap();
        let rows: Vec<_> = rows.collect::<Result<_, _>>().unwrap();
        let rows = concat_batches(&rows[0].schema(), &rows).unwrap();
        assert_eq!(file.record_count(), rows.num_rows() as u64);
        for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
            let id: i32 = field.metadata()[PARQUET_FIELD_ID_META_KEY].parse().unwrap();
            if column.data_type().is_nested() {
                continue;
            }
            assert_eq!(file.value_counts()[&id], rows.num_rows() as u64, "{field}");
            assert_eq!(file.null_value_counts()[&id], column.null_count() as u64, "{field}");
            if *column.data_type() == DataType::Int64 {
                let column = column.as_primitive::<Int64Type>();
                let bounds = [&file.lower_bounds()[&id], &file.upper_bounds()[&id]].map(ToString::to_string);
                assert_eq!(bounds, [min(column), max(column)].map(|it| it.unwrap().to_string()), "{field}");
            }
        }
    }
}

async fn days(clauses: &str, rows: usize) -> Warehouse {
    let warehouse = Warehouse::new().await;
    let script = format!(
        "CREATE TABLE r2.default.days (date DATE, year INT, serial STRING, x DOUBLE, n BIGINT)
         {clauses} TBLPROPERTIES ({SMALL}); SET datafusion.execution.target_partitions = 1;
         SET datafusion.execution.batch_size = 200;
         INSERT INTO r2.default.days SELECT CAST(CAST(17897 + value / 40 AS INT) AS DATE),
           CAST(date_part('year', CAST(CAST(17897 + value / 40 AS INT) AS DATE)) AS INT),
           'serial ' || value, CASE WHEN value % 5 > 0 THEN value / 3.0 END, value FROM generate_series(0, {rows} - 1)"
    );
    warehouse.run(&script).await;
    warehouse
}

const COLUMNS: &str = "date DATE, year INT, serial STRING, x DOUBLE, n BIGINT";

#[tokio::test]
async fn years_become_quarters_and_only_row_groups_at_their_ends_are_encoded() {
    let warehouse = days("PARTITIONED BY (year)", 365 * 2 * 40).await;
    let clauses = format!("PARTITIONED BY (year, quarter) TBLPROPERTIES ({SMALL})");
    let columns = format!("{COLUMNS}, quarter STRING");
    let query = "SELECT *, quarter(date) AS quarter FROM r2.default.days";
    let Outcome { row_groups: (copied, all), files } = both(&warehouse, &columns, &clauses, query).await;
    assert_eq!(files.len(), 8);
    assert!(copied * 10 >= all * 8, "{copied} of {all}");
}

#[tokio::test]
async fn a_filter_that_all_rows_pass_is_no_hindrance() {
    let warehouse = days("", 4000).await;
    let clauses = format!("TBLPROPERTIES ({SMALL})");
    let query = |condition: &str| format!("SELECT * FROM r2.default.days WHERE {condition}");
    let all = both(&warehouse, COLUMNS, &clauses, &query("n >= 0 AND year IN (2019, 2020)")).await.row_groups;
    assert_eq!(all.0, all.1);
    let some = both(&warehouse, COLUMNS, &clauses, &query("n >= 2100")).await.row_groups;
    assert!(some.0 > 0 && some.0 < some.1, "{some:?}");
    // Statistics tell nothing of NaN, so nothing is proved of a float.
    assert_eq!(both(&warehouse, COLUMNS, &clauses, &query("x IS NULL OR x > -1.0")).await.row_groups.0, 0);
}

#[tokio::test]
async fn columns_are_renamed_reordered_left_out_and_added() {
    let warehouse = days("", 4000).await;
    let clauses = format!("TBLPROPERTIES ({SMALL})");
    let columns = "n BIGINT, day DATE, nothing STRING, one INT, list ARRAY<INT>, truth BOOLEAN, x DOUBLE, price DECIMAL(9, 2), again BIGINT";
    let query = "SELECT n, date AS day, NULL AS nothing, 1 AS one, NULL AS list, true AS truth, x, -1.50 AS price, n AS again FROM r2.default.days";
    let Outcome { row_groups: (copied, all), .. } = both(&warehouse, columns, &clauses, query).await;
    assert!(all > 1);
    assert_eq!(copied, all);
}

#[tokio::test]
async fn pages_are_compressed_as_the_table_wants() {
    let warehouse = days("", 4000).await;
    for codec in ["zstd", "gzip", "lz4", "uncompressed", "snappy"] {
        let clauses = format!("TBLPROPERTIES ({SMALL}, 'write.parquet.compression-codec' = '{codec}')");
        let outcome = both(&warehouse, COLUMNS, &clauses, "SELECT * FROM r2.default.days").await;
        assert_eq!(outcome.row_groups.0, outcome.row_groups.1, "{codec}");
    }
    let clauses = format!("TBLPROPERTIES ({SMALL}, 'write.parquet.compression-codec' = 'brotli')");
    assert_eq!(both(&warehouse, COLUMNS, &clauses, "SELECT * FROM r2.default.days").await.row_groups.0, 0);
}

#[tokio::test]
async fn nested_columns_are_copied_as_they_are() {
    let warehouse = Warehouse::new().await;
    let columns = "id BIGINT, tags ARRAY<STRING>, point STRUCT<a: INT, b: STRING>, counts MAP<STRING, BIGINT>";
    warehouse
        .run(&format!(
            "SET datafusion.execution.batch_size = 200; CREATE TABLE r2.default.nested ({columns}) TBLPROPERTIES ({SMALL});
        INSERT INTO r2.default.nested SELECT value, CASE WHEN value % 3 > 0 THEN make_array('t' || value, NULL) END,
        CASE WHEN value % 7 > 0 THEN named_struct('a', CAST(value AS INT), 'b', 'b' || value) END,
        CASE WHEN value % 2 > 0 THEN map(['k' || value], [value]) END FROM generate_series(1, 3000)"
        ))
        .await;
    // Maps have no order that EXCEPT could use.
    let clauses = format!("TBLPROPERTIES ({SMALL})");
    let columns = "id BIGINT, tags ARRAY<STRING>, point STRUCT<a: INT, b: STRING>";
    let query = "SELECT id, tags, point FROM r2.default.nested";
    let outcome = both(&warehouse, columns, &clauses, query).await;
    assert!(outcome.row_groups.0 > 0);
    assert_eq!(outcome.row_groups.0, outcome.row_groups.1);
    warehouse
        .run(&format!(
            "CREATE TABLE r2.default.t (id BIGINT, counts MAP<STRING, BIGINT>) TBLPROPERTIES ({SMALL});
        INSERT INTO r2.default.t SELECT id, counts FROM r2.default.nested"
        ))
        .await;
    let text = "SELECT id, CAST(map_keys(counts) AS STRING) FROM r2.default.";
    let (from, to) = (
        warehouse.run(&format!("{text}nested ORDER BY id")).await,
        warehouse.run(&format!("{text}t ORDER BY id")).await,
    );
    let whole = |batches: &[RecordBatch]| concat_batches(&batches[0].schema(), batches).unwrap();
    assert_eq!(whole(&from).columns(), whole(&to).columns());
}

#[tokio::test]
async fn explain_tells_what_is_copied_and_why_the_rest_is_not() {
    let warehouse = days("", 4000).await;
    warehouse.run(&format!("CREATE TABLE r2.default.t ({COLUMNS}) TBLPROPERTIES ({SMALL})")).await;
    let explained =
        warehouse.run("EXPLAIN INSERT INTO r2.default.t SELECT * FROM r2.default.days WHERE n >= 2100").await;
    let last = explained.last().unwrap();
    assert_eq!(last.column(0).as_string::<i32>().value(0), "splice");
    let text = last.column(1).as_string::<i32>().value(0);
    assert!(
        text.starts_with("copied: ") && text.contains(": may hold rows that the query leaves out; sorting"),
        "{text}"
    );
    assert!(warehouse.run("SELECT * FROM r2.default.t").await.iter().all(|batch| batch.num_rows() == 0));
}

#[tokio::test]
async fn a_migration_is_verified_by_bytes_and_a_changed_byte_is_seen() {
    let warehouse = days("PARTITIONED BY (year)", 4000).await;
    warehouse.run(&format!("MIGRATE TABLE r2.default.days TO r2.default.t TBLPROPERTIES ({SMALL})")).await;
    let table = warehouse.table().await;
    let all = files(&table).await;
    assert!(all.iter().all(|file| row_groups(file).0 == row_groups(file).1));
    let checks = warehouse.run("VERIFY TABLE r2.default.t").await;
    let text = |batch: &RecordBatch, column: usize| batch.column(column).as_string::<i32>().value(0).to_string();
    let content: Vec<_> = checks.iter().filter(|check| text(check, 2) == "content").collect();
    assert_eq!(content.len(), all.len());
    assert!(content.iter().all(|check| text(check, 3).starts_with("bytes1:") && text(check, 5) == "same"));

    let path = all[0].file_path().trim_start_matches("file://");
    let mut bytes = std::fs::read(path).unwrap();
    bytes[2000] ^= 1;
    std::fs::write(path, bytes).unwrap();
    let wanted = Wanted { level: Level::Content, pool: Arc::new(UnboundedMemoryPool::default()), portable: None };
    let untouched = read_back(&table, all[1..].to_vec(), 2, wanted.clone()).await.unwrap();
    assert!(untouched.iter().all(|file| file.copied_rows == file.rows));
    // The page may no longer be one that can be read; if it is, the digest is another.
    if let Ok(read) = read_back(&table, all[..1].to_vec(), 2, wanted).await {
        let recorded = text(content[0], 3);
        assert_ne!(read[0].prints().to_string(), recorded);
    }
}
