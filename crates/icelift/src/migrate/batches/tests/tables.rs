//! Batches of tables that were written by SQL, against a count of their rows by SQL.

use std::collections::BTreeMap;

use datafusion::prelude::{SessionContext, col, lit};
use iceberg::TableIdent;
use tokio_util::task::TaskTracker;

use super::*;
use crate::catalog::{AwsSource, Catalogs};
use crate::engine::Engine;
use crate::sql::Attach;

/// A local catalog `c` that statements write to, and its table `c.n.t`.
struct Warehouse {
    folder: tempfile::TempDir,
    engine: Engine,
}

impl Warehouse {
    async fn new(statements: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::builder().build().await.unwrap();
        engine.attach(attach(&folder)).await.unwrap();
        engine.run("CREATE SCHEMA c.n").await.unwrap();
        for statement in statements {
            engine.run(statement).await.unwrap().collect().await.unwrap();
        }
        Self { folder, engine }
    }

    async fn table(&self) -> IcebergTable {
        let catalogs = Catalogs::default();
        catalogs.attach(attach(&self.folder), &AwsSource::default(), &TaskTracker::new()).await.unwrap();
        let catalog = catalogs.get("c").unwrap();
        let table = catalog.load_table(&TableIdent::from_strs(["n", "t"]).unwrap()).await.unwrap();
        IcebergTable::new(catalog, table).unwrap()
    }

    /// The rows of the source for which a batch's predicate holds, read by a query.
    async fn counted(&self, batches: &[Batch]) -> Vec<usize> {
        let (context, table) = (SessionContext::new(), Arc::new(self.table().await));
        let mut counts = Vec::new();
        for batch in batches {
            let frame = context.read_table(Arc::new(table.reading_only(&batch.files))).unwrap();
            let frame = batch.predicate.iter().fold(frame, |frame, it| frame.filter(it.clone()).unwrap());
            counts.push(frame.count().await.unwrap());
        }
        counts
    }
}

fn attach(folder: &tempfile::TempDir) -> Attach {
    Attach {
        name: "c".to_string(),
        warehouse: Some(folder.path().display().to_string()),
        options: BTreeMap::from([("type".to_string(), "local".to_string())]),
        if_not_exists: false,
    }
}

fn by(table: &IcebergTable, column: &str, transform: Transform) -> BatchBy {
    BatchBy::parse(table.table.metadata.current_schema(), column, transform).unwrap()
}

fn keys(batches: &[Batch]) -> Vec<&str> {
    batches.iter().map(|batch| batch.key.as_str()).collect()
}

#[tokio::test]
async fn a_partitioned_table() {
    let warehouse = Warehouse::new(&[
        "CREATE TABLE c.n.t (d DATE, year INT) PARTITIONED BY (year)",
        "INSERT INTO c.n.t VALUES (DATE '2019-05-01', 2019), (DATE '2020-01-01', 2020), (DATE '2019-12-31', 2019)",
        "INSERT INTO c.n.t VALUES (NULL, NULL), (DATE '2013-04-10', 2013)",
    ])
    .await;
    let (table, state) = (warehouse.table().await, SessionContext::new().state());
    let year = BatchBy::of_source(&table.table.metadata);
    assert_eq!(year.to_string(), "year");
    let all = batches(&table, &state, &[], &year).await.unwrap();
    assert_eq!(keys(&all), ["year=2013", "year=2019", "year=2020", "year=null"]);
    assert_eq!(warehouse.counted(&all).await, [1, 2, 1, 1]);
    let rows: Vec<_> = all.iter().map(|batch| (batch.rows.count, batch.rows.exact)).collect();
    assert_eq!(rows, [(1, true), (2, true), (1, true), (1, true)]);

    // The year of the date, from bounds: two files share none, one has no date.
    let of_date = by(&table, "d", Transform::Year);
    let dated = batches(&table, &state, &[], &of_date).await.unwrap();
    assert_eq!(keys(&dated), ["d_year=2013", "d_year=2019", "d_year=2020", "d_year=null"]);
    assert_eq!(warehouse.counted(&dated).await, [1, 2, 1, 1]);

    let whole = batches(&table, &state, &[], &BatchBy::Whole).await.unwrap();
    assert_eq!((keys(&whole), whole[0].rows), (vec!["all"], Rows { count: 5, exact: true }));
    assert_eq!(warehouse.counted(&whole).await, [5]);
}

#[tokio::test]
async fn filters_pick_batches_or_cut_them() {
    let warehouse = Warehouse::new(&[
        "CREATE TABLE c.n.t (d DATE, year INT) PARTITIONED BY (year)",
        "INSERT INTO c.n.t VALUES (DATE '2019-05-01', 2019), (DATE '2020-01-01', 2020), (DATE '2021-12-31', 2021)",
        "INSERT INTO c.n.t VALUES (NULL, NULL)",
    ])
    .await;
    let (table, state) = (warehouse.table().await, SessionContext::new().state());
    let year = by(&table, "year", Transform::Identity);
    let after = [col("year").gt(lit(2019)), col("t.year").not_eq(lit(2021))];
    assert!(selects_batches(&after, &year));
    let all = batches(&table, &state, &[], &year).await.unwrap();
    let picked: Vec<_> = all.iter().map(|batch| selected(batch, &after, &year, &state).unwrap()).collect();
    assert_eq!(picked, [false, true, false, false]);
    let some = batches(&table, &state, &after, &year).await.unwrap();
    assert_eq!((keys(&some), some[0].rows), (vec!["year=2020"], Rows { count: 1, exact: true }));
    assert_eq!(some[0].source, all[1].source);
    assert!(selected(&all[3], &[col("year").is_null()], &year, &state).unwrap());

    // Another column: files are pruned by it, what is left may be cut.
    let early = [col("d").lt_eq(lit(ScalarValue::Date32(Some(18_262))))];
    assert!(!selects_batches(&early, &year));
    let cut = batches(&table, &state, &early, &year).await.unwrap();
    let shown: Vec<_> = cut.iter().map(|batch| (batch.key.as_str(), batch.rows.exact)).collect();
    assert_eq!(shown, [("year=2019", false), ("year=2020", false)]);

    // A range of the batch column itself leaves out what lies outside, also inside of one file.
    let months = by(&table, "d", Transform::Month);
    assert!(!selects_batches(&early, &months));
    let months = batches(&table, &state, &early, &months).await.unwrap();
    assert_eq!(keys(&months), ["d_month=2019-05", "d_month=2020-01"]);
    assert!(!selects_batches(&[lit(1).eq(lit(1))], &BatchBy::Whole) || selects_batches(&[], &BatchBy::Whole));
}

#[tokio::test]
async fn an_unpartitioned_table_by_time_and_by_a_query() {
    let warehouse = Warehouse::new(&[
        "CREATE TABLE c.n.t (ts TIMESTAMP WITH TIME ZONE, s STRUCT<name STRING>)",
        "INSERT INTO c.n.t SELECT arrow_cast(column1, 'Timestamp(Microsecond, Some(\"+00:00\"))'),
           named_struct('name', column2) FROM (VALUES ('2023-12-31T23:59:59.999999Z', 'b'),
             ('2024-01-01T00:00:00Z', 'a'), ('2024-03-01T00:00:00Z', NULL))",
        "INSERT INTO c.n.t SELECT arrow_cast('1969-12-31T23:59:59Z', 'Timestamp(Microsecond, Some(\"+00:00\"))'),
           named_struct('name', 'a')",
    ])
    .await;
    let (table, context) = (warehouse.table().await, SessionContext::new());
    let state = context.state();
    assert_eq!(BatchBy::of_source(&table.table.metadata), BatchBy::Whole);
    let months = by(&table, "ts", Transform::Month);
    let found = batches(&table, &state, &[], &months).await.unwrap();
    let expected = ["ts_month=1969-12", "ts_month=2023-12", "ts_month=2024-01", "ts_month=2024-02", "ts_month=2024-03"];
    assert_eq!(keys(&found), expected);
    assert_eq!(warehouse.counted(&found).await, [1, 1, 1, 0, 1]);

    // A query knows which of them are empty.
    let values = scanned_values(&context, &table, &[], &months).await.unwrap();
    let scanned = batches_from_values(&table, &state, &[], &months, values).await.unwrap();
    assert_eq!(keys(&scanned), [expected[0], expected[1], expected[2], expected[4]]);
    assert_eq!(warehouse.counted(&scanned).await, [1, 1, 1, 1]);

    // Several values in one file, in a field of a struct.
    let name = by(&table, "s.name", Transform::Identity);
    let refused = batches(&table, &state, &[], &name).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(refused.advice().unwrap().starts_with("WITH (scan_batches = true)"));
    let filters = [col("ts").gt(lit(ScalarValue::TimestampMicrosecond(Some(0), Some("+00:00".into()))))];
    let values = scanned_values(&context, &table, &filters, &name).await.unwrap();
    let scanned = batches_from_values(&table, &state, &filters, &name, values).await.unwrap();
    assert_eq!(keys(&scanned), ["s.name=a", "s.name=b", "s.name=null"]);
    assert_eq!(scanned.iter().map(|batch| batch.files.len()).collect::<Vec<_>>(), [1, 1, 1]);
    let all = scanned_values(&context, &table, &[], &name).await.unwrap();
    let all = batches_from_values(&table, &state, &[], &name, all).await.unwrap();
    assert_eq!(warehouse.counted(&all).await, [2, 1, 1]);
}

#[tokio::test]
async fn a_table_without_rows_has_no_batches() {
    let warehouse = Warehouse::new(&["CREATE TABLE c.n.t (year INT) PARTITIONED BY (year)"]).await;
    let (table, state) = (warehouse.table().await, SessionContext::new().state());
    for by in [BatchBy::Whole, by(&table, "year", Transform::Identity)] {
        assert!(batches(&table, &state, &[], &by).await.unwrap().is_empty());
    }
    assert_eq!(warehouse.engine.catalogs().len(), 1);
}
