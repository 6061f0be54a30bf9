//! Options as the reference lists them, groups, steps that fail, and what is left of a call that does not come to its end.

use std::fmt::Write as _;
use std::sync::Arc;

use iceberg::spec::{DataContentType, DataFile, DataFileBuilder, DataFileFormat, Literal, PartitionSpec, Struct};

use super::groups::{Group, groups};
use super::options::{CHOICES, Options};
use crate::catalog::NewTable;
use crate::pipeline::scan::PlannedFile;
use crate::{Attach, Engine, Failpoints};

const REFERENCE: &str = include_str!("../../../../../docs/reference/procedures.md");

#[test]
fn the_reference_lists_the_options() {
    let mut table = "| option | without it | is |\n|---|---|---|\n".to_string();
    for choice in CHOICES {
        let _ = writeln!(table, "| `{}` | {} | {} |", choice.key, choice.default, choice.about);
    }
    assert!(REFERENCE.contains(&table), "the reference wants this table:\n{table}");
    assert!(CHOICES.is_sorted_by_key(|choice| choice.key));
}

fn options(entries: &[(&str, &str)]) -> Options {
    let entries: Vec<_> = entries.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let metadata = NewTable::of_one_column().metadata("/t".to_string()).unwrap();
    Options::new(&entries, &metadata).unwrap_or_else(|error| panic!("{error}"))
}

fn file(partition: i32, bytes: u64) -> Arc<PlannedFile> {
    let file: DataFile = DataFileBuilder::default()
        .content(DataContentType::Data)
        .file_path(format!("/{partition}/{bytes}"))
        .file_format(DataFileFormat::Parquet)
        .partition(Struct::from_iter([Some(Literal::int(partition))]))
        .record_count(1)
        .file_size_in_bytes(bytes)
        .partition_spec_id(0)
        .build()
        .unwrap();
    Arc::new(PlannedFile::without_deletes(file, Arc::new(PartitionSpec::unpartition_spec())))
}

/// The sizes of the files of each group.
fn sizes(files: &[(i32, u64)], entries: &[(&str, &str)]) -> Vec<Vec<u64>> {
    let files: Vec<_> = files.iter().map(|(partition, bytes)| file(*partition, *bytes)).collect();
    let target = [("target-file-size-bytes", "100")];
    let options = options(&[&target, entries].concat());
    let sizes = |group: Group| group.files.iter().map(|file| file.file.file_size_in_bytes()).collect();
    groups(&files, &options).into_iter().map(sizes).collect()
}

#[test]
fn groups_are_those_of_spark() {
    let five = [(1, 10), (2, 20), (1, 11), (1, 12), (1, 13), (2, 21), (1, 14)];
    assert_eq!(sizes(&five, &[]), [[10, 11, 12, 13, 14]], "five files of a partition are enough");
    assert_eq!(sizes(&five, &[("min-input-files", "2")]), [vec![10, 11, 12, 13, 14], vec![20, 21]]);
    assert_eq!(sizes(&five, &[("min-input-files", "6")]), Vec::<Vec<u64>>::new());
    assert_eq!(
        sizes(&five, &[("min-input-files", "2"), ("rewrite-job-order", "files-asc")]),
        [vec![20, 21], vec![10, 11, 12, 13, 14]]
    );
    assert_eq!(sizes(&five, &[("max-files-to-rewrite", "3")]), [[10, 11, 12]]);
    // Files between 75 and 180 bytes are as they should be; two smaller ones that make up a whole file are not.
    assert_eq!(sizes(&[(1, 75), (1, 180), (1, 100)], &[]), Vec::<Vec<u64>>::new());
    assert_eq!(sizes(&[(1, 74), (1, 27), (1, 100)], &[]), [[74, 27]]);
    assert_eq!(sizes(&[(1, 74), (1, 26)], &[]), Vec::<Vec<u64>>::new());
    assert_eq!(sizes(&[(1, 181)], &[]), [[181]], "one that is too large is cut");
    assert_eq!(sizes(&[(1, 100), (2, 90)], &[("rewrite-all", "true")]), [[100], [90]]);
    let in_two = [("rewrite-all", "true"), ("max-file-group-size-bytes", "150")];
    assert_eq!(
        sizes(&[(1, 100), (1, 50), (1, 1), (1, 200), (1, 3)], &in_two),
        [vec![100, 50], vec![1], vec![200], vec![3]]
    );
}

#[test]
fn files_come_out_of_one_size() {
    let options = options(&[("target-file-size-bytes", "100000"), ("max-file-size-bytes", "180000")]);
    for (bytes, files) in
        [(0, 1), (99_999, 1), (100_000, 1), (109_999, 1), (110_001, 2), (176_000, 2), (329_000, 3), (390_000, 4)]
    {
        assert_eq!(options.file_count(bytes), files, "{bytes} bytes");
    }
}

/// A table of three partitions with two files each, in an engine with these failpoints.
async fn filled(folder: &tempfile::TempDir, failpoints: &str) -> Engine {
    let attach = Attach {
        name: "r2".to_string(),
        warehouse: Some(folder.path().display().to_string()),
        options: [("type".to_string(), "local".to_string())].into_iter().collect(),
        if_not_exists: false,
    };
    let failpoints = Failpoints::parse(failpoints, |_| {}).unwrap();
    let engine = Engine::builder().parallelism(2).failpoints(failpoints).attach(attach).build().await.unwrap();
    if engine.run("CREATE SCHEMA r2.n").await.is_ok() {
        run(&engine, "CREATE TABLE r2.n.t (id BIGINT, p INT) PARTITIONED BY (p)").await;
        for from in [1, 31] {
            let to = from + 29;
            run(
                &engine,
                &format!("INSERT INTO r2.n.t SELECT value, CAST(value % 3 AS INT) FROM generate_series({from}, {to})"),
            )
            .await;
        }
    }
    engine
}

async fn run(engine: &Engine, sql: &str) -> Vec<i64> {
    tried(engine, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// The first row of the answer.
async fn tried(engine: &Engine, sql: &str) -> crate::Result<Vec<i64>> {
    let batches = engine.run(sql).await?.collect().await?;
    let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else { return Ok(Vec::new()) };
    let cell = |column: &arrow::array::ArrayRef| {
        let column = arrow::compute::cast(column, &arrow::datatypes::DataType::Int64).unwrap();
        arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(&column).value(0)
    };
    Ok(batch.columns().iter().map(cell).collect())
}

fn parquet_files(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries
        .map(|path| {
            if path.is_dir() {
                parquet_files(&path)
            } else {
                usize::from(path.extension().is_some_and(|it| it == "parquet"))
            }
        })
        .sum()
}

const CALL: &str = "CALL r2.system.rewrite_data_files('n.t', NULL, NULL, map('min-input-files', 2, \
     'max-concurrent-file-group-rewrites', 1";
const SUMS: &str = "SELECT count(*), sum(id) FROM r2.n.t";

#[tokio::test]
async fn a_call_that_fails_leaves_nothing() {
    for failpoint in ["rewrite.planned:error", "rewrite.written:error:2", "rewrite.before_commit:error"] {
        let folder = tempfile::tempdir().unwrap();
        let engine = filled(&folder, failpoint).await;
        let error = tried(&engine, &format!("{CALL}))")).await.unwrap_err();
        assert!(error.to_string().contains("by a test"), "{error}");
        assert_eq!(parquet_files(folder.path()), 6, "{failpoint}");
        assert_eq!(run(&engine, SUMS).await, [60, 1830]);
        // The failpoint has acted, and the next call comes through.
        assert_eq!(run(&engine, &format!("{CALL}))")).await[..2], [6, 3], "{failpoint}");
        assert_eq!(run(&engine, SUMS).await, [60, 1830]);
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for failpoint in ["rewrite.written:stall:2", "rewrite.before_commit:stall"] {
        let engine = filled(&folder, failpoint).await;
        let call = format!("{CALL}))");
        let stalled = tokio::time::timeout(std::time::Duration::from_secs(3), engine.run(&call)).await;
        assert!(stalled.is_err(), "{failpoint} was not reached");
        engine.settle().await;
        assert_eq!(parquet_files(folder.path()), 6, "{failpoint}");
        assert_eq!(run(&engine, SUMS).await, [60, 1830]);
    }
}

#[tokio::test]
async fn steps_that_fail_leave_the_others() {
    let steps = ", 'partial-progress.enabled', true, 'partial-progress.max-commits', 3";
    for (failpoint, more, expected) in [
        ("rewrite.written:error:2", "", Some([4, 2, 2])),
        ("rewrite.before_commit:error:3", "", Some([4, 2, 2])),
        ("rewrite.before_commit:error:3", ", 'partial-progress.max-failed-commits', 0", None),
        ("", "", Some([6, 3, 0])),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let engine = filled(&folder, failpoint).await;
        let done = tried(&engine, &format!("{CALL}{steps}{more}))")).await;
        match expected {
            Some([rewritten, added, failed]) => {
                let done = done.unwrap_or_else(|error| panic!("{failpoint}: {error}"));
                assert_eq!((done[0], done[1], done[3]), (rewritten, added, failed), "{failpoint}");
            }
            None => assert!(done.unwrap_err().to_string().contains("by a test")),
        }
        engine.settle().await;
        // Six from before, and what is committed.
        let committed = expected.map_or(2, |done| done[1]);
        assert_eq!(parquet_files(folder.path()) as i64, 6 + committed, "{failpoint}");
        assert_eq!(run(&engine, SUMS).await, [60, 1830], "{failpoint}");
    }
}

#[tokio::test]
async fn large_row_groups_are_copied_and_sorted_rows_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let engine = filled(&folder, "").await;
    run(
        &engine,
        "CREATE TABLE r2.n.wide TBLPROPERTIES ('write.parquet.row-group-size-bytes' = '65536',
             'write.target-file-size-bytes' = '262144', 'write.parquet.compression-codec' = 'uncompressed')
         AS SELECT value AS id, sha256(CAST(value AS STRING)) AS bytes FROM generate_series(1, 20000)",
    )
    .await;
    let sums = "SELECT count(*), sum(id) FROM r2.n.wide";
    let call = "CALL r2.system.rewrite_data_files(table => 'n.wide', options => map('rewrite-all', 'true')";
    let done = run(&engine, &format!("{call})")).await;
    assert!(done[0] > 2 && done[1] > 2, "{done:?}");
    assert_eq!(run(&engine, sums).await, [20_000, 200_010_000]);
    let sizes = run(&engine, &format!("{call}, sort_order => 'bytes')")).await;
    assert_eq!(sizes[0], done[1]);
    assert_eq!(run(&engine, sums).await, [20_000, 200_010_000]);
}
