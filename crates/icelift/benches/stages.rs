//! What the stages of the pipeline cost, one by one: `cargo xtask bench`.
//!
//! A year of drive statistics, some 36,000 rows of about 190 columns, from one local catalog into another. Rows a second are
//! those of the whole machine. `scan` reads the table, `select` adds `quarter`, `shuffle` splits rows in memory by year and
//! quarter, `encode` and `splice` are whole INSERTs that decode and encode all rows, or copy all row groups; `fingerprint` takes
//! those of rows in memory; `commit` is an INSERT of one row.

#![expect(clippy::unwrap_used, reason = "a benchmark that fails has nothing to tell")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use datafusion::datasource::MemTable;
use futures::TryStreamExt;
use icelift::Engine;
use icelift::stages::Stages;
use icelift_testkit::drive_stats::{DriveStats, full_schema, widen};
use tokio::runtime::Runtime;

const DRIVES: usize = 100;
const YEAR: i32 = 2023;
/// As the pipeline has them.
const BATCH_ROWS: usize = 8192;

/// Two catalogs, and a table in the first.
struct Bench {
    runtime: Runtime,
    engine: Engine,
    rows: u64,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let stats = DriveStats::new(7, DRIVES);
        let schema = full_schema();
        let days: Vec<_> = stats.year(YEAR).map(|day| widen(&day, &schema)).collect();
        let year = concat_batches(&schema, &days).unwrap();
        let rows = year.num_rows();
        let cut = |at: usize| year.slice(at, BATCH_ROWS.min(rows - at));
        let batches: Vec<_> = (0..rows).step_by(BATCH_ROWS).map(cut).collect();
        let engine = runtime.block_on(async {
            let engine = Engine::builder().build().await.unwrap();
            let table = MemTable::try_new(schema, vec![batches]).unwrap();
            engine.session().register_table("year", Arc::new(table)).unwrap();
            engine
        });
        let bench = Self { runtime, engine, rows: rows as u64, folder };
        for name in ["glue", "r2"] {
            bench.run(&format!("ATTACH '{}' AS {name} (TYPE local)", bench.folder.path().join(name).display()));
        }
        for sql in [
            "CREATE SCHEMA glue.s",
            "CREATE SCHEMA r2.s",
            "CREATE TABLE glue.s.t PARTITIONED BY (quarter) AS SELECT *, quarter(date) AS quarter FROM year",
            "CREATE TABLE r2.s.t PARTITIONED BY (quarter) AS SELECT * FROM glue.s.t LIMIT 0",
            // The row groups of a year of few drives are small; this makes them worth copying.
            "ALTER TABLE r2.s.t SET TBLPROPERTIES ('write.parquet.row-group-size-bytes' = '1048576')",
            "CREATE TABLE r2.s.one AS SELECT 1 AS a",
        ] {
            bench.run(sql);
        }
        bench
    }

    /// Runs a statement to its end; how long it took.
    fn run(&self, sql: &str) -> Duration {
        let start = Instant::now();
        self.runtime.block_on(async {
            let rows = self.engine.run(sql).await.unwrap();
            rows.try_for_each(|_| async { Ok(()) }).await.unwrap();
        });
        start.elapsed()
    }

    /// Runs a statement and keeps its rows.
    fn rows(&self, sql: &str) -> Vec<RecordBatch> {
        self.runtime.block_on(async { self.engine.run(sql).await.unwrap().try_collect().await.unwrap() })
    }

    /// Runs INSERTs into an empty table.
    fn inserts(&self, splice: &str, times: u64) -> Duration {
        self.run(&format!("SET icelift.splice = '{splice}'"));
        let one = |_| {
            self.run("TRUNCATE TABLE r2.s.t");
            self.run("INSERT INTO r2.s.t SELECT * FROM glue.s.t")
        };
        (0..times).map(one).sum()
    }
}

fn stages(criterion: &mut Criterion) {
    let bench = Bench::new();
    let mut stages = bench.runtime.block_on(Stages::of(&bench.engine, "glue.s.t")).unwrap();
    let in_memory = bench.rows("SELECT * FROM glue.s.t ORDER BY date");
    let mut group = criterion.benchmark_group("stages");
    group.sample_size(10).throughput(Throughput::Elements(bench.rows));
    group.bench_function("scan", |timer| timer.iter(|| bench.run("SELECT * FROM glue.s.t")));
    group.bench_function("select", |timer| timer.iter(|| bench.run("SELECT *, quarter(date) AS q FROM glue.s.t")));
    group.bench_function("shuffle", |timer| {
        timer.iter(|| in_memory.iter().map(|rows| stages.shuffle(rows.clone()).unwrap()).sum::<usize>());
    });
    group.bench_function("encode", |timer| timer.iter_custom(|times| bench.inserts("off", times)));
    group.bench_function("splice", |timer| timer.iter_custom(|times| bench.inserts("auto", times)));
    group.bench_function("fingerprint/content", |timer| {
        timer.iter(|| in_memory.iter().for_each(|rows| stages.content(rows).unwrap()));
    });
    group.bench_function("fingerprint/portable", |timer| {
        timer.iter(|| in_memory.iter().for_each(|rows| stages.portable(rows).unwrap()));
    });
    group.finish();
    criterion.bench_function("commit", |timer| timer.iter(|| bench.run("INSERT INTO r2.s.one SELECT 1")));
}

criterion_group!(benches, stages);
criterion_main!(benches);
