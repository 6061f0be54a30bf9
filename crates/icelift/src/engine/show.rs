//! What `SHOW CATALOGS | SCHEMAS | TABLES FROM | CREATE TABLE`, `DESCRIBE EXTENDED` and `SUMMARIZE` answer.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use iceberg::NamespaceIdent;

use super::describe::{create_statement, describe};
use super::names::{namespace_name, unknown_catalog};
use super::summarize::summarize;
use super::{Engine, RowStream, TableDescription};
use crate::catalog::{Catalog, TableKind};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Show;

/// Answers one of these statements.
pub(super) async fn answer(engine: &Engine, show: &Show) -> Result<RowStream> {
    match show {
        Show::Catalogs => {
            let catalogs = engine.catalogs();
            let column = |of: &dyn Fn(usize) -> String| (0..catalogs.len()).map(of).collect::<Vec<_>>();
            texts(&[
                ("catalog", column(&|at| catalogs[at].name.clone())),
                ("type", column(&|at| catalogs[at].kind.clone())),
                ("warehouse", column(&|at| catalogs[at].warehouse.clone())),
            ])
        }
        Show::Schemas { from } => schemas(engine, from.as_deref()).await,
        Show::Tables { from } => tables(engine, from).await,
        Show::Create(name) => {
            let table = engine.load(name).await?;
            texts(&[("table", vec![table.name.plain()]), ("statement", vec![create_statement(&table)])])
        }
        Show::Extended(name) => extended(&describe(&engine.load(name).await?)),
        Show::Summary(query) => summarize(engine, query).await,
    }
}

async fn schemas(engine: &Engine, from: Option<&str>) -> Result<RowStream> {
    let names = match from {
        Some(name) => vec![name.to_string()],
        None => engine.catalogs().into_iter().map(|catalog| catalog.name).collect(),
    };
    let (mut catalogs, mut schemas) = (Vec::new(), Vec::new());
    for name in names {
        let mut found = engine.namespaces(&name).await?;
        found.sort();
        catalogs.extend(std::iter::repeat_n(name, found.len()));
        schemas.extend(found);
    }
    texts(&[("catalog", catalogs), ("schema", schemas)])
}

async fn tables(engine: &Engine, from: &[String]) -> Result<RowStream> {
    let catalog = from.first().map_or("", String::as_str);
    let namespaces = match from {
        [_] => engine.namespaces(catalog).await?,
        _ => vec![namespace_name(from)?.1.to_string()],
    };
    let mut rows = Vec::new();
    for namespace in namespaces {
        let listed = engine.tables(catalog, &namespace).await;
        let listed = match listed {
            // Dropped meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound && from.len() == 1 => Vec::new(),
            listed => listed?,
        };
        rows.extend(listed.into_iter().map(|(name, kind)| (namespace.clone(), name, kind)));
    }
    rows.sort();
    texts(&[
        ("catalog", vec![catalog.to_string(); rows.len()]),
        ("schema", rows.iter().map(|(schema, _, _)| schema.clone()).collect()),
        ("table", rows.iter().map(|(_, name, _)| name.clone()).collect()),
        ("type", rows.iter().map(|(_, _, kind)| kind.clone()).collect()),
    ])
}

impl Engine {
    /// The schemas of an attached catalog, nested ones with their full names.
    ///
    /// # Errors
    /// A catalog that is not attached or cannot be listed.
    pub async fn namespaces(&self, catalog: &str) -> Result<Vec<String>> {
        let listed = self.named(catalog)?.list_namespaces().await?;
        Ok(listed.iter().map(ToString::to_string).collect())
    }

    /// What a schema holds: names, and what they stand for (`iceberg`, `view`, or another format).
    ///
    /// # Errors
    /// A catalog that is not attached, a schema that it has not, and what cannot be listed.
    pub async fn tables(&self, catalog: &str, namespace: &str) -> Result<Vec<(String, String)>> {
        let ident = NamespaceIdent::from_strs(namespace.split('.'))
            .map_err(|source| Error::new(ErrorKind::Sql, format!("`{namespace}` is no schema")).source(source))?;
        let listed = self.named(catalog)?.list_tables(&ident).await?;
        let kind = |kind: TableKind| match kind {
            TableKind::Iceberg => "iceberg".to_string(),
            TableKind::View => "view".to_string(),
            TableKind::Foreign(format) => format.to_ascii_lowercase(),
        };
        Ok(listed.into_iter().map(|table| (table.name, kind(table.kind))).collect())
    }

    fn named(&self, catalog: &str) -> Result<Arc<dyn Catalog>> {
        self.catalogs.get(catalog).ok_or_else(|| unknown_catalog(&[catalog.to_string()]))
    }
}

/// Spark's columns: those of the table, then everything else.
fn extended(table: &TableDescription) -> Result<RowStream> {
    let mut rows: Vec<(String, String, String)> = Vec::new();
    for column in &table.columns {
        let required = if column.required { " NOT NULL" } else { "" };
        let data_type = format!("{}{required}", column.data_type);
        rows.push((column.name.clone(), data_type, column.comment.clone().unwrap_or_default()));
    }
    let mut figure = |name: &str, value: String| rows.push((name.to_string(), value, String::new()));
    figure("# table", table.name.clone());
    figure("partitioned by", table.partitioned_by.join(", "));
    figure("sorted by", table.sorted_by.join(", "));
    figure("format version", table.format_version.to_string());
    figure("location", table.location.clone());
    figure("uuid", table.uuid.clone());
    if let Some(snapshot) = &table.snapshot {
        let known = |number: Option<u64>| number.map_or_else(|| "unknown".to_string(), |number| number.to_string());
        figure("snapshot", snapshot.id.to_string());
        figure("operation", snapshot.operation.clone());
        figure("rows", known(snapshot.rows));
        figure("data files", known(snapshot.data_files));
        figure("delete files", known(snapshot.delete_files));
        figure("bytes", known(snapshot.bytes));
    }
    figure("snapshots", table.snapshots.to_string());
    for (key, value) in &table.properties {
        figure(key, value.clone());
    }
    texts(&[
        ("col_name", rows.iter().map(|row| row.0.clone()).collect()),
        ("data_type", rows.iter().map(|row| row.1.clone()).collect()),
        ("comment", rows.iter().map(|row| row.2.clone()).collect()),
    ])
}

fn texts(columns: &[(&str, Vec<String>)]) -> Result<RowStream> {
    let schema =
        Schema::new(columns.iter().map(|(name, _)| Field::new(*name, DataType::Utf8, false)).collect::<Vec<_>>());
    let values =
        columns.iter().map(|(_, values)| Arc::new(StringArray::from_iter_values(values)) as ArrayRef).collect();
    let batch = RecordBatch::try_new(Arc::new(schema), values)
        .map_err(|source| Error::new(ErrorKind::Internal, "the answer makes no table").source(source))?;
    Ok(RowStream::of_batch(batch))
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;

    use crate::Engine;

    async fn run(engine: &Engine, sql: &str) -> Vec<arrow::array::RecordBatch> {
        engine.run(sql).await.unwrap().collect().await.unwrap()
    }

    #[tokio::test]
    async fn what_is_shown_creates_the_same_table() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::builder().build().await.unwrap();
        run(&engine, &format!("ATTACH '{}' AS w (TYPE local)", folder.path().display())).await;
        run(&engine, "CREATE SCHEMA w.s").await;
        let columns = "a BIGINT NOT NULL COMMENT 'it''s', \"B b\" STRUCT<x: INT, \"Y\": ARRAY<STRING>>, m MAP<STRING, DOUBLE>,
            d DATE, ts TIMESTAMP, tz TIMESTAMPTZ, n DECIMAL(38, 9), u UUID, f FIXED(3), o BOOLEAN, t TIME, y BINARY, r FLOAT";
        let create = format!(
            "CREATE TABLE w.s.t ({columns}) PARTITIONED BY (bucket(4, a), truncate(3, n), months(d), hours(ts), o)
             TBLPROPERTIES ('write.target-file-size-bytes' = '1000000', 'my.password' = 'hunter2')"
        );
        run(&engine, &create).await;
        let shown = run(&engine, "SHOW CREATE TABLE w.s.t").await;
        let statement = shown[0].column(1).as_string::<i32>().value(0).to_owned();
        let described = engine.describe("w.s.t").await.unwrap();
        assert!(!statement.contains("hunter2") && !format!("{described:?}").contains("hunter2"), "{statement}");
        run(&engine, "DROP TABLE w.s.t").await;
        run(&engine, &statement).await;
        let again = engine.describe("w.s.t").await.unwrap();
        assert_eq!(again.columns, described.columns);
        assert_eq!(again.partitioned_by, described.partitioned_by);
        assert_eq!(again.partitioned_by.len(), 5);
        let secret = ("my.password".to_owned(), "***".to_owned());
        let kept: Vec<_> = described.properties.into_iter().filter(|pair| *pair != secret).collect();
        assert_eq!(again.properties, kept);
    }

    #[tokio::test]
    async fn a_description_has_the_current_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::builder().build().await.unwrap();
        run(&engine, &format!("ATTACH '{}' AS w (TYPE local)", folder.path().display())).await;
        run(&engine, "CREATE SCHEMA w.s").await;
        run(&engine, "CREATE TABLE w.s.t AS SELECT 1 AS a UNION ALL SELECT 2").await;
        let snapshot = engine.describe("w.s.t").await.unwrap().snapshot.unwrap();
        assert_eq!((snapshot.operation.as_str(), snapshot.rows, snapshot.data_files), ("append", Some(2), Some(1)));
        assert!(snapshot.bytes.unwrap() > 0);
        let told = run(&engine, "DESCRIBE EXTENDED w.s.t").await;
        assert!(told[0].column(0).as_string::<i32>().iter().flatten().any(|name| name == "snapshot"));
    }
}
