//! What others do between the plan of a statement and its commit.

use super::*;
use crate::engine::predicate;
use crate::pipeline::warehouse::{Warehouse, files};
use crate::sql::{self, Statement};

/// A table by year with 2019: 1, 2; 2020: 3, 4.
async fn warehouse() -> Warehouse {
    let warehouse = Warehouse::new().await;
    warehouse
        .run(
            "CREATE TABLE r2.default.t (id BIGINT, year INT) PARTITIONED BY (year)
             TBLPROPERTIES ('commit.retry.min-wait-ms' = '1');
             INSERT INTO r2.default.t VALUES (1, 2019), (2, 2019), (3, 2020), (4, 2020)",
        )
        .await;
    warehouse
}

/// Plans and writes a DELETE, lets others change the table, and commits.
async fn delete(warehouse: &Warehouse, condition: &str, meanwhile: &str) -> Result<()> {
    let text = format!("DELETE FROM r2.default.t WHERE {condition}");
    let Ok(Statement::Delete(statement)) = sql::parse(&text) else { panic!("{text}") };
    let view = View::new(warehouse.engine(), false).await;
    let name = crate::engine::names::table_name(&statement.table).unwrap();
    let table = view.table(&name).await.unwrap();
    let plan = view.plan(statement.rows.as_ref().unwrap()).await.unwrap();
    let condition = predicate::of_query(&plan, &table, &view.state()).unwrap();
    let mut unclaimed = Unclaimed::new(&table.table.store);
    let replacement = replace(&view, &table, Some(&condition), &mut unclaimed).await.unwrap();
    warehouse.run(meanwhile).await;
    let filter = table.row_filter(&view.state(), std::slice::from_ref(&condition)).unwrap();
    let conflicts = NoNewRows { planned: table.table.clone(), replaced: Replaced::Matching(filter) };
    let isolation = Isolation::of(&table.table.metadata).unwrap();
    let conflicts = Some(conflicts).filter(|_| isolation == Isolation::Serializable);
    commit(&table, replacement.removed, replacement.written, conflicts, unclaimed).await
}

async fn ids(warehouse: &Warehouse) -> Vec<i64> {
    let batches = warehouse.run("SELECT id FROM r2.default.t ORDER BY id").await;
    batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
}

/// Every file in the folder is one of the table's, now or before.
async fn nothing_is_left(warehouse: &Warehouse, before: &std::collections::BTreeSet<String>) {
    let known = files(&warehouse.table().await).await;
    let known: Vec<_> = known.iter().map(|file| file.file_path().rsplit('/').next().unwrap().to_string()).collect();
    let left: Vec<_> =
        warehouse.data_files().into_iter().filter(|name| !known.contains(name) && !before.contains(name)).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn rows_that_came_and_would_have_gone() {
    let warehouse = warehouse().await;
    let before = warehouse.data_files();
    let error = delete(&warehouse, "id % 2 = 1", "INSERT INTO r2.default.t VALUES (5, 2021)").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Drift);
    assert!(error.to_string().contains("another writer added rows"), "{error}");
    assert_eq!(ids(&warehouse).await, [1, 2, 3, 4, 5]);
    nothing_is_left(&warehouse, &before).await;
}

#[tokio::test]
async fn rows_that_came_elsewhere() {
    let warehouse = warehouse().await;
    delete(&warehouse, "id % 2 = 1 AND year < 2020", "INSERT INTO r2.default.t VALUES (5, 2021)").await.unwrap();
    assert_eq!(ids(&warehouse).await, [2, 3, 4, 5]);
}

#[tokio::test]
async fn rows_that_may_come_unseen() {
    let warehouse = warehouse().await;
    warehouse.run("ALTER TABLE r2.default.t SET TBLPROPERTIES ('write.delete.isolation-level' = 'snapshot')").await;
    delete(&warehouse, "id % 2 = 1", "INSERT INTO r2.default.t VALUES (5, 2021)").await.unwrap();
    assert_eq!(ids(&warehouse).await, [2, 4, 5]);
}

#[tokio::test]
async fn files_that_others_have_written_again() {
    let warehouse = warehouse().await;
    let before = warehouse.data_files();
    let error = delete(&warehouse, "id = 1", "DELETE FROM r2.default.t WHERE id = 2").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Drift);
    assert_eq!(ids(&warehouse).await, [1, 3, 4]);
    nothing_is_left(&warehouse, &before).await;
    // Another partition's files are no concern of it.
    delete(&warehouse, "id = 1", "DELETE FROM r2.default.t WHERE id = 3").await.unwrap();
    assert_eq!(ids(&warehouse).await, [4]);
}

/// A new column does not move the branch: the files lack it, and read as those of before do.
#[tokio::test]
async fn another_schema() {
    let warehouse = warehouse().await;
    delete(&warehouse, "id = 1", "ALTER TABLE r2.default.t ADD COLUMN n INT").await.unwrap();
    assert_eq!(ids(&warehouse).await, [2, 3, 4]);
    let batches = warehouse.run("SELECT n FROM r2.default.t WHERE n IS NULL").await;
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 3);
}

/// A statement that is dropped before its commit removes what it has written.
#[tokio::test]
async fn a_dropped_statement() {
    let warehouse = warehouse().await;
    let before = warehouse.data_files();
    let (view, table) = {
        let view = View::new(warehouse.engine(), false).await;
        let name = crate::engine::names::table_name(&["r2", "default", "t"].map(str::to_string)).unwrap();
        let table = view.table(&name).await.unwrap();
        (view, table)
    };
    let mut unclaimed = Unclaimed::new(&table.table.store);
    let condition = datafusion::logical_expr::col("id").eq(datafusion::logical_expr::lit(1_i64));
    let replacement = replace(&view, &table, Some(&condition), &mut unclaimed).await.unwrap();
    assert_eq!((replacement.removed.len(), replacement.written.len(), replacement.rows), (1, 1, 1));
    assert_eq!(warehouse.data_files().len(), before.len() + 1);
    drop(unclaimed);
    warehouse.engine().settle().await;
    assert_eq!(warehouse.data_files(), before);
}

/// What bounds prove needs no data file; what they do not, writes only files that lose rows and keep others.
#[tokio::test]
async fn only_mixed_files_are_written_again() {
    let warehouse = warehouse().await;
    warehouse.run("INSERT INTO r2.default.t VALUES (5, 2020), (6, 2021)").await;
    let view = View::new(warehouse.engine(), false).await;
    let table = view
        .table(&crate::engine::names::table_name(&["r2", "default", "t"].map(str::to_string)).unwrap())
        .await
        .unwrap();
    for (text, removed, written, rows) in [
        ("year = 2020", 2, 0, 3),
        ("year >= 2020 AND id > 0", 3, 0, 4),
        ("id = 6", 1, 0, 1),
        ("id IN (1, 6)", 2, 1, 2),
        ("id % 2 = 1", 3, 2, 3),
        ("id > 100", 0, 0, 0),
        ("year IS NULL OR id % 100 = 77", 0, 0, 0),
    ] {
        let statement = format!("DELETE FROM r2.default.t WHERE {text}");
        let Ok(Statement::Delete(statement)) = sql::parse(&statement) else { panic!("{text}") };
        let plan = view.plan(statement.rows.as_ref().unwrap()).await.unwrap();
        let condition = predicate::of_query(&plan, &table, &view.state()).unwrap();
        let mut unclaimed = Unclaimed::new(&table.table.store);
        let found = replace(&view, &table, Some(&condition), &mut unclaimed).await.unwrap();
        assert_eq!((found.removed.len(), found.written.len(), found.rows), (removed, written, rows), "{text}");
        unclaimed.remove().await;
    }
}
