use std::collections::BTreeMap;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, UInt64Type};
use datafusion::common::ScalarValue;
use datafusion::prelude::{SessionContext, col, lit};
use iceberg::TableIdent;
use iceberg::spec::{DataContentType, DataFileBuilder, DataFileFormat, PartitionSpec, Struct, Transform};
use tokio_util::task::TaskTracker;

use super::*;
use crate::catalog::{AwsSource, Catalogs, IcebergTable};
use crate::engine::Engine;
use crate::migrate::batches::{BatchBy, batches};
use crate::migrate::lint::Level;
use crate::migrate::{Migration, MigrationEvent};
use crate::sql::Attach;

const MIB: u64 = 1 << 20;
const GB: u64 = 1_000_000_000;

fn file(name: &str, size_bytes: u64, row_groups: i64) -> Arc<PlannedFile> {
    let file = DataFileBuilder::default()
        .content(DataContentType::Data)
        .file_path(format!("s3://b/{name}"))
        .file_format(DataFileFormat::Parquet)
        .partition(Struct::empty())
        .record_count(1_000)
        .file_size_in_bytes(size_bytes)
        .split_offsets(Some((0..row_groups).map(|number| number * size_bytes as i64 / row_groups).collect()))
        .build()
        .unwrap();
    Arc::new(PlannedFile::without_deletes(file, Arc::new(PartitionSpec::unpartition_spec())))
}

fn batch(year: i32, files: Vec<Arc<PlannedFile>>, exact: bool) -> Batch {
    Batch {
        key: format!("year={year}"),
        value: Some(ScalarValue::Int32(Some(year))),
        predicate: Some(col("year").eq(lit(year))),
        rows: Rows { count: 1_000 * files.len() as u64, exact },
        bytes: files.iter().map(|it| it.file.file_size_in_bytes()).sum(),
        source: String::new(),
        files,
    }
}

fn input<'a>(batches: &'a [Batch], states: &[State], prices: &'a Prices) -> PlanInput<'a> {
    let planned = batches.iter().zip(states);
    let planned =
        planned.map(|(batch, state)| PlannedBatch { batch, state: *state, files: &batch.files, recorded: None });
    PlanInput {
        batches: planned.collect(),
        source_kind: "glue",
        target_kind: "r2",
        source_manifests: 3,
        creates_target: true,
        sizes: Sizes { file_bytes: 256 * MIB, row_group_bytes: 64 * MIB, part_bytes: 16 * MIB },
        partitions_per_batch: 1,
        slice_bytes: 2 << 30,
        rereads_target: true,
        bandwidth_bytes_per_second: None,
        prices,
        findings: &[],
    }
}

/// Each row as text: batch, state, rows, bytes, files, the four counts, dollars, seconds, note.
fn shown(input: &PlanInput<'_>) -> Vec<String> {
    let answer = explain(input).unwrap();
    let text = |column: usize, row| {
        let column = answer.column(column).as_string::<i32>();
        column.is_valid(row).then(|| column.value(row).to_string())
    };
    let number = |column: usize, row| {
        let column = answer.column(column).as_primitive::<UInt64Type>();
        column.is_valid(row).then(|| column.value(row).to_string())
    };
    let float = |column: usize, row| {
        let column = answer.column(column).as_primitive::<Float64Type>();
        column.is_valid(row).then(|| column.value(row).to_string())
    };
    let row = |row| {
        let parts = (0..12).map(|column| match column {
            0 | 1 | 11 => text(column, row),
            9 | 10 => float(column, row),
            _ => number(column, row),
        });
        parts.map(|part| part.unwrap_or("-".to_string())).collect::<Vec<_>>().join(" ")
    };
    (0..answer.num_rows()).map(row).collect()
}

#[test]
fn a_plan_with_every_state() {
    let prices = Prices { aws_egress_free_gb: 0.0, r2_catalog_free: 0.0, r2_class_a_free: 0.0, ..Prices::default() };
    let batches = [
        batch(2018, vec![file("a", GB, 8)], true),
        // 954 MiB: four files of 15 parts each; one footer, one page index, eight row groups in eight pieces each.
        batch(2019, vec![file("b", GB, 8)], true),
        batch(2020, vec![file("c", 100, 1), file("d", 100, 1)], false),
        batch(2021, vec![file("e", GB, 8)], true),
    ];
    let states = [State::Done, State::Pending, State::Pending, State::LeftOut];
    let finding = Finding { level: Level::Lost, subject: "history".to_string(), message: "gone".to_string() };
    let mut input = input(&batches, &states, &prices);
    input.findings = std::slice::from_ref(&finding);
    let expected = [
        "year=2018 done 1000 1000000000 1 66 71 69 1 0.090355 - -",
        // Reads 66 of the file; writes 4 × 17, a listing, a manifest and its list; reads back
        // 4 × (1 + 4 × 4) and the parent's list; commits. 0.09 a GB, 71 writes, a call.
        "year=2019 pending 1000 1000000000 1 66 71 69 1 0.090355 - -",
        // Reads 2 × 2; writes one file, a listing, a manifest and its list.
        "year=2020 pending 2000 200 2 4 4 3 1 0.000029 - rows are an estimate",
        "year=2021 left out 1000 1000000000 1 0 0 0 0 0 0 -",
        "total done 1000 1000000000 1 66 71 69 1 0.090355 - -",
        "total actual 0 0 0 0 0 0 0 0 0 -",
        // Before: a metadata file, a list and 3 manifests; a call to Glue; the target is looked for, staged, created and
        // loaded twice, an empty snapshot with a list of its own claims it.
        "total pending 3000 1000000200 3 75 76 72 9 0.090444 - 2 of 4 batches to do; without a bandwidth no time is told; \
         list prices of 2026-10, some of them changed",
        "note lost - - - - - - - - - history: gone",
    ];
    assert_eq!(shown(&input), expected);
}

#[test]
fn nothing_to_do_costs_nothing() {
    let expected = ["total pending 0 0 0 0 0 0 0 0 - nothing to do; list prices of 2026-10"];
    assert_eq!(shown(&input(&[], &[], &Prices::default())), expected);
}

/// A batch as the register has it, of 7 rows in 3 files of 5 bytes.
fn recorded(year: i32, took: serde_json::Value) -> Detail {
    let mut json = serde_json::json!({
        "key": format!("year={year}"), "pin": 1, "source": "0", "files": 3, "bytes": 5,
        "print": "content1:7:5c8b951210a6e9c503fdeb3fac193c8c", "schema": 0, "attempt": uuid::Uuid::nil(), "snapshot": 2,
    });
    if !took.is_null() {
        json["took"] = took;
    }
    serde_json::from_value(json).unwrap()
}

#[test]
fn what_was_done_stands_beside_what_was_planned() {
    let prices = Prices { aws_egress_free_gb: 0.0, ..Prices::default() };
    let batches = [2018, 2019].map(|year| batch(year, vec![file("a", GB, 8)], true));
    let details = [2018, 2019].map(|year| recorded(year, serde_json::json!([2_540, 1, 2 * GB, 11, 1, 70, 20, 2])));
    let done = |details: &[Detail]| {
        let mut input = input(&batches, &[State::Done; 2], &prices);
        input.batches.iter_mut().zip(details).for_each(|(planned, detail)| planned.recorded = Some(detail));
        shown(&input)
    };
    let nothing = "total pending 0 0 0 0 0 0 0 0 - nothing to do; list prices of 2026-10, some of them changed";
    let expected = [
        "year=2018 done 1000 1000000000 1 66 71 69 1 0.090026 - -",
        "year=2018 actual 7 2000000000 1 11 70 20 3 0.180004 2.5 3 files of 5 bytes written",
        "year=2019 done 1000 1000000000 1 66 71 69 1 0.090026 - -",
        "year=2019 actual 7 2000000000 1 11 70 20 3 0.180004 2.5 3 files of 5 bytes written",
        "total done 2000 2000000000 2 132 142 138 2 0.180053 - -",
        "total actual 14 4000000000 2 22 140 40 6 0.360009 5.1 -",
        nothing,
    ];
    assert_eq!(done(&details), expected);
    // A register of a version that did not count.
    let details = [recorded(2018, serde_json::Value::Null), details[1].clone()];
    let found = done(&details);
    assert_eq!(found[1], "year=2018 actual 7 - - - - - - - - 3 files of 5 bytes written; no more is known");
    assert_eq!(found[5], "total actual 14 - - - - - - - - of some batches no more is known");
    assert_eq!((&found[3][..], &found[6][..]), (expected[3], nothing));
}

#[test]
fn time_is_that_of_the_bytes_or_of_the_catalogs_limits() {
    let prices = Prices::default();
    let batches: Vec<_> = (1..=60).map(|year| batch(year, vec![file("a", GB, 8)], true)).collect();
    let states = [State::Pending; 60];
    let mut input = input(&batches, &states, &prices);
    let seconds = |input: &PlanInput<'_>| {
        let lines = lines(input);
        (lines[0].seconds, lines[60].seconds, lines[60].note.clone().unwrap())
    };
    // What is read comes twice over: from the source, and back from the target.
    input.bandwidth_bytes_per_second = Some(100_000_000);
    let (first, total, note) = seconds(&input);
    assert_eq!((first, total), (Some(20.0), Some(1_200.0)));
    assert!(!note.contains("commits"), "{note}");
    input.rereads_target = false;
    assert_eq!(seconds(&input).0, Some(10.0));
    // A line so fast that R2 is slower: 61 commits, 20 a minute.
    input.bandwidth_bytes_per_second = Some(1_000 * GB);
    let (_, total, note) = seconds(&input);
    assert_eq!(total, Some(183.0));
    assert!(note.contains("the catalog takes 61 commits to one table in no less than 183 seconds"), "{note}");
    input.target_kind = "rest";
    assert_eq!(seconds(&input).1, Some(0.1));
}

#[test]
fn prices_go_down_with_the_amount() {
    let prices = Prices::default();
    let batches: Vec<_> = (1..=4).map(|year| batch(year, vec![file("a", 5_000 * GB, 8)], true)).collect();
    let lines = lines(&input(&batches, &[State::Pending; 4], &prices));
    let egress: Vec<_> = lines.iter().map(|line| line.dollars.unwrap().round()).collect();
    // 100 GB are free, 0.09 a GB up to 10 TB, then 0.085. The last batch's writes are beyond the free million.
    assert_eq!(egress, [441.0, 450.0, 425.0, 427.0, 1_743.0]);
    assert!(lines[4].note.as_deref().unwrap().contains("storage is $299.85 a month"));
}

#[test]
fn slices_partitions_and_new_files_only() {
    let prices = Prices::default();
    let whole = [batch(2019, vec![file("a", 100 * MIB, 1), file("b", 100 * MIB, 1)], true)];
    let mut input = input(&whole, &[State::Pending], &prices);
    input.target_kind = "local";
    let puts = |input: &PlanInput<'_>| lines(input)[0].target_puts.unwrap();
    // One file of 13 parts; a listing, manifest, list, metadata file.
    assert_eq!(puts(&input), 15 + 4);
    input.partitions_per_batch = 4;
    // Four of 4 parts.
    assert_eq!(puts(&input), 4 * 6 + 4);
    input.slice_bytes = 1;
    // Twice four of 2 parts, and two listings.
    assert_eq!(puts(&input), 8 * 4 + 5);
    input.batches[0].files = &whole[0].files[1..];
    assert_eq!(puts(&input), 4 * 4 + 4);
    let line = &lines(&input)[0];
    assert_eq!((line.rows, line.source_bytes, line.files), (Some(1_000), Some(100 * MIB), Some(1)));
    assert_eq!(line.note.as_deref(), Some("rows are an estimate"));
}

#[test]
fn a_batch_that_became_empty_is_a_commit_without_files() {
    let prices = Prices::default();
    let batches = [Batch { rows: Rows { count: 0, exact: true }, ..batch(2019, Vec::new(), true) }];
    let lines = lines(&input(&batches, &[State::Pending], &prices));
    let line = &lines[0];
    assert_eq!((line.source_requests, line.target_puts, line.target_gets), (Some(0), Some(1), Some(1)));
}

fn attach(folder: &tempfile::TempDir, name: &str) -> Attach {
    Attach {
        name: name.to_string(),
        warehouse: Some(folder.path().join(name).display().to_string()),
        options: BTreeMap::from([("type".to_string(), "local".to_string())]),
        if_not_exists: false,
    }
}

async fn load(folder: &tempfile::TempDir, name: &str) -> IcebergTable {
    let catalogs = Catalogs::default();
    catalogs.attach(attach(folder, name), &AwsSource::default(), &TaskTracker::new()).await.unwrap();
    let catalog = catalogs.get(name).unwrap();
    let table = catalog.load_table(&TableIdent::from_strs(["n", "t"]).unwrap()).await.unwrap();
    IcebergTable::new(catalog, table).unwrap()
}

/// The meters of the engine count what the plan foretells.
#[tokio::test]
async fn requests_are_those_that_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::builder().build().await.unwrap();
    for name in ["s", "t"] {
        engine.attach(attach(&folder, name)).await.unwrap();
        engine.run(&format!("CREATE SCHEMA {name}.n")).await.unwrap();
    }
    for statement in [
        "CREATE TABLE s.n.t (id INT, year INT) PARTITIONED BY (year)
           TBLPROPERTIES ('write.parquet.row-group-size-bytes' = '20000')",
        "INSERT INTO s.n.t SELECT CAST(value % 1000 AS INT), 2019 FROM generate_series(1, 60000)",
        "INSERT INTO s.n.t SELECT CAST(value % 1000 AS INT), CAST(2019 + value % 2 AS INT) FROM generate_series(1, 60000)",
        "CREATE TABLE t.n.t (id INT, year INT) PARTITIONED BY (year)",
        // So that there is a parent snapshot, as there is after a claim.
        "INSERT INTO t.n.t VALUES (1, 1)",
    ] {
        engine.run(statement).await.unwrap().collect().await.unwrap();
    }
    let source = load(&folder, "s").await;
    let context = SessionContext::new();
    let by = BatchBy::parse(source.table.metadata.current_schema(), "year", Transform::Identity).unwrap();
    let plan = batches(&source, &context.state(), &[], &by).await.unwrap();
    let prices = Prices::default();
    let foretold = {
        let mut input = input(&plan, &[State::Pending; 2], &prices);
        (input.source_kind, input.target_kind, input.rereads_target) = ("local", "local", false);
        (input.source_manifests, input.sizes) = (2, Sizes::of(&load(&folder, "t").await.table).unwrap());
        lines(&input)
    };
    let row_groups =
        |batch: &Batch| -> usize { batch.files.iter().map(|it| it.file.split_offsets().map_or(0, <[i64]>::len)).sum() };
    assert!(row_groups(&plan[0]) > plan[0].files.len(), "files of several row groups are meant");

    let store = source.catalog().store().clone();
    let before = store.meter();
    let rows = context.read_table(Arc::new(source.reading_only(&plan[0].files))).unwrap();
    rows.filter(plan[0].predicate.clone().unwrap()).unwrap().collect().await.unwrap();
    assert_eq!(Some(store.meter().since(&before).get_requests), foretold[0].source_requests);

    let before = engine.meter("t").unwrap();
    engine.run("INSERT INTO t.n.t SELECT * FROM s.n.t WHERE year = 2020").await.unwrap().collect().await.unwrap();
    let made = engine.meter("t").unwrap().since(&before);
    let listing = 1;
    assert_eq!(Some(made.put_requests + listing), foretold[1].target_puts);
    assert_eq!(Some(made.get_requests), foretold[1].target_gets);
    assert_eq!(Some(made.catalog_calls), foretold[1].catalog_calls);
}

/// Twelve batches of three slices each, and three manifests: each is read once, whatever is cut from their files.
#[tokio::test]
async fn a_run_asks_the_source_as_often_as_foretold() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::builder().build().await.unwrap();
    for name in ["s", "t"] {
        engine.attach(attach(&folder, name)).await.unwrap();
        engine.run(&format!("CREATE SCHEMA {name}.n")).await.unwrap();
    }
    engine.run("CREATE TABLE s.n.t (id INT, year INT) PARTITIONED BY (year)").await.unwrap();
    for _ in 0..3 {
        let insert = "INSERT INTO s.n.t SELECT CAST(value AS INT), CAST(2000 + value % 12 AS INT) FROM generate_series(1, 12000)";
        engine.run(insert).await.unwrap().collect().await.unwrap();
    }
    let statement = "MIGRATE TABLE s.n.t TO t.n.t WITH (slice_bytes = '1KiB')";
    let plan = engine.run(&format!("EXPLAIN {statement}")).await.unwrap().collect().await.unwrap();
    let requests = plan[0].column_by_name("source_requests").unwrap().as_primitive::<UInt64Type>();
    let batches = plan[0].column_by_name("batch").unwrap().as_string::<i32>();
    let total = (0..plan[0].num_rows()).find(|row| batches.value(*row) == "total").unwrap();
    let foretold = requests.value(total);
    let before = engine.meter("s").unwrap();
    engine.run(statement).await.unwrap().collect().await.unwrap();
    let made = engine.meter("s").unwrap().since(&before).get_requests;
    // A metadata file, a list, 3 manifests, 36 files. This engine has written the metadata file itself, and reads it neither at
    // the beginning nor at the end.
    assert_eq!((total, foretold, made), (12, 5 + 36 * 2, foretold - 1));
}

/// After the run the same statement tells what it really took, which is what it foretold.
#[tokio::test]
async fn what_was_foretold_is_what_it_took() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::builder().build().await.unwrap();
    for name in ["s", "t"] {
        engine.attach(attach(&folder, name)).await.unwrap();
        engine.run(&format!("CREATE SCHEMA {name}.n")).await.unwrap();
    }
    let source = "CREATE TABLE s.n.t PARTITIONED BY (year) AS
        SELECT CAST(value AS INT) AS id, CAST(2000 + value % 2 AS INT) AS year FROM generate_series(1, 12000)";
    let statement = "MIGRATE TABLE s.n.t TO t.n.t";
    for sql in [source, statement] {
        engine.run(sql).await.unwrap().collect().await.unwrap();
    }
    let rows = engine.run(&format!("EXPLAIN {statement}")).await.unwrap().collect().await.unwrap();
    let text = |name: &str, row| rows[0].column_by_name(name).unwrap().as_string::<i32>().value(row).to_string();
    let number = |name: &str, row| rows[0].column_by_name(name).unwrap().as_primitive::<UInt64Type>().value(row);
    let states: Vec<_> = (0..7).map(|row| (text("batch", row), text("state", row))).collect();
    let expected = [
        ("year=2000", "done"),
        ("year=2000", "actual"),
        ("year=2001", "done"),
        ("year=2001", "actual"),
        ("total", "done"),
        ("total", "actual"),
        ("total", "pending"),
    ];
    assert_eq!(states, expected.map(|(batch, state)| (batch.to_string(), state.to_string())));
    for row in [0, 2, 4] {
        for name in ["rows", "files", "source_requests"] {
            assert_eq!(number(name, row), number(name, row + 1), "{name} of row {row}");
        }
    }
    // The commit, which is planned, comes behind the record: a manifest, a list, a metadata file.
    assert_eq!(number("target_puts", 0), number("target_puts", 1) + 3);
    let seconds = rows[0].column_by_name("seconds").unwrap().as_primitive::<Float64Type>();
    assert!(seconds.is_valid(1) && seconds.is_null(0));
}

/// A dollar for each write, nothing for all else.
#[tokio::test]
async fn a_run_tells_what_it_has_cost() {
    let folder = tempfile::tempdir().unwrap();
    let builder = Engine::builder().price("other_put_per_thousand", 1_000.0).unwrap();
    let engine = builder.build().await.unwrap();
    for name in ["s", "t"] {
        engine.attach(attach(&folder, name)).await.unwrap();
        engine.run(&format!("CREATE SCHEMA {name}.n")).await.unwrap();
    }
    let source = "CREATE TABLE s.n.t PARTITIONED BY (year) AS SELECT 1 AS id, 2019 AS year UNION ALL SELECT 2, 2020";
    engine.run(source).await.unwrap().collect().await.unwrap();
    let (mut events, before) = (engine.events(), engine.meter("t").unwrap());
    engine.migrate(Migration::new("s.n.t", "t.n.t")).await.unwrap();
    let made = engine.meter("t").unwrap().since(&before);
    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        match event {
            MigrationEvent::Committed { dollars, .. } | MigrationEvent::Ended { dollars, .. } => told.push(dollars),
            _ => {}
        }
    }
    let [first, second, last] = told[..] else { panic!("{told:?}") };
    assert!(0.0 < first && first < second && second <= last, "{told:?}");
    assert_eq!(last, (made.put_requests + made.list_requests) as f64);
}
