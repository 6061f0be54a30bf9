//! Tables that tests write through an engine and then look at from within.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use iceberg::spec::DataFile;
use iceberg::{TableIdent, TableUpdate};
use tempfile::TempDir;
use tokio_util::task::TaskTracker;

use crate::catalog::{AwsSource, Catalog, Catalogs, CommitOutcome, CommitRequest, Table};
use crate::sql::{Attach, script};
use crate::{Engine, Failpoints, RowStream};

/// The local catalog `r2` with the schema `default`, in a folder that goes with it.
pub(crate) struct Warehouse {
    engine: Engine,
    catalogs: Catalogs,
    folder: TempDir,
}

impl Warehouse {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let attach = Attach {
            name: "r2".to_string(),
            warehouse: Some(folder.path().display().to_string()),
            options: [("type".to_string(), "local".to_string())].into_iter().collect(),
            if_not_exists: false,
        };
        let engine = Engine::builder().parallelism(2).attach(attach.clone()).build().await.unwrap();
        let catalogs = Catalogs::default();
        catalogs.attach(attach, &AwsSource::default(), &TaskTracker::new()).await.unwrap();
        let warehouse = Self { engine, catalogs, folder };
        warehouse.run("CREATE SCHEMA r2.default").await;
        warehouse
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The names of all files of `default.t` below `data`.
    pub fn data_files(&self) -> BTreeSet<String> {
        let mut folders = vec![self.folder.path().join("default/t/data")];
        let mut names = BTreeSet::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    names.insert(path.file_name().unwrap().to_str().unwrap().to_string());
                }
            }
        }
        names
    }

    /// Runs a script and returns the rows of its last statement.
    pub async fn run(&self, text: &str) -> Vec<RecordBatch> {
        let mut rows = Vec::new();
        for piece in script::split(text).unwrap() {
            let answer: RowStream = self.engine.run(&piece.sql).await.unwrap();
            rows = answer.collect().await.unwrap();
        }
        rows
    }

    /// Runs one statement.
    pub async fn try_run(&self, sql: &str) -> crate::Result<Vec<RecordBatch>> {
        self.engine.run(sql).await?.collect().await
    }

    pub fn catalog(&self) -> Arc<dyn Catalog> {
        self.catalogs.get("r2").unwrap()
    }

    /// Sets a property of the table `default.t`.
    pub async fn set_property(&self, key: &str, value: &str) {
        let ident = TableIdent::from_strs(["default", "t"]).unwrap();
        let updates = vec![TableUpdate::SetProperties { updates: [(key.to_string(), value.to_string())].into() }];
        let request = CommitRequest { updates, ..CommitRequest::default() };
        assert!(matches!(self.catalog().commit(&ident, request).await, CommitOutcome::Landed));
    }

    /// The table `default.t` as it is now.
    pub async fn table(&self) -> Table {
        self.table_named("t").await
    }

    /// The names of all manifests and manifest lists of `default.t`.
    pub fn metadata_files(&self) -> BTreeSet<String> {
        let listed = std::fs::read_dir(self.folder.path().join("default/t/metadata")).unwrap();
        let names = listed.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".avro")).collect()
    }

    /// A table of the schema `default` as it is now.
    pub async fn table_named(&self, name: &str) -> Table {
        let ident = TableIdent::from_strs(["default", name]).unwrap();
        self.catalogs.get("r2").unwrap().load_table(&ident).await.unwrap()
    }
}

/// An engine over the local catalogs `src` and `dst` in a folder.
pub(crate) async fn src_and_dst(folder: &Path, failpoints: &str) -> Engine {
    let mut builder = Engine::builder().parallelism(2).failpoints(Failpoints::parse(failpoints, |_| {}).unwrap());
    for name in ["src", "dst"] {
        builder = builder.attach(Attach {
            name: name.to_string(),
            warehouse: Some(folder.join(name).display().to_string()),
            options: [("type".to_string(), "local".to_string())].into_iter().collect(),
            if_not_exists: false,
        });
    }
    builder.build().await.unwrap()
}

/// The locations of all files below a folder.
pub(crate) fn files_below(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.insert(format!("file://{}", path.display()));
        }
    }
    found
}

/// The descriptions of a table's data files, as its sink made them.
pub(crate) async fn files(table: &Table) -> Vec<DataFile> {
    let mut found = Vec::new();
    let list = table.manifest_list(table.metadata.current_snapshot().unwrap()).await.unwrap();
    for manifest in list.consume_entries() {
        let entries = table.manifest(&manifest).await.unwrap().into_parts().0;
        found.extend(entries.iter().map(|entry| entry.data_file().clone()));
    }
    found.sort_by(|a: &DataFile, b| a.file_path().cmp(b.file_path()));
    found
}
