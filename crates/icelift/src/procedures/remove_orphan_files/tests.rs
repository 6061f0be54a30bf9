//! Both forms over local catalogs: what is listed is what is on the disk and not needed, and only that goes.

mod folders;
mod migrations;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use arrow::util::display::{ArrayFormatter, FormatOptions};
use iceberg::TableIdent;

use crate::Engine;
use crate::catalog::Table;
use crate::error::{ErrorKind, Result};
use crate::migrate::orphans::known;
use crate::pipeline::warehouse::{files_below, src_and_dst};
use crate::storage::Held;

/// Two catalogs in a folder: `src`, and `dst` with the namespace `n`.
struct World(tempfile::TempDir);

impl World {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn engine(&self, failpoints: &str) -> Engine {
        src_and_dst(self.0.path(), failpoints).await
    }

    async fn filled(&self) -> Engine {
        let engine = self.engine("").await;
        for sql in [
            "CREATE SCHEMA src.n",
            "CREATE SCHEMA dst.n",
            "CREATE TABLE src.n.t PARTITIONED BY (year) AS
             SELECT value AS id, CAST(2019 + value % 3 AS INT) AS year FROM generate_series(1, 30)",
        ] {
            run(&engine, sql).await.unwrap();
        }
        engine
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.path().join("dst").join(below)
    }

    fn location(&self, below: &str) -> String {
        format!("file://{}", self.path(below).display())
    }

    /// The locations of all files of `dst.n.t`.
    fn files(&self) -> BTreeSet<String> {
        files_below(&self.path("n/t"))
    }

    /// Those of them that the table does not refer to.
    async fn unknown(&self, engine: &Engine) -> BTreeSet<String> {
        let known = known(&table(engine).await).await.unwrap();
        self.files().into_iter().filter(|file| known.find(file) == Held::No).collect()
    }

    /// Writes a file so many days ago.
    fn put(&self, below: &str, age_days: u64) -> String {
        let path = self.path(below);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "x").unwrap();
        age(&path, age_days);
        self.location(below)
    }
}

fn age(path: &Path, days: u64) {
    let time = SystemTime::now() - Duration::from_secs(days * 24 * 3600);
    std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

async fn table(engine: &Engine) -> Table {
    engine.catalogs.get("dst").unwrap().load_table(&TableIdent::from_strs(["n", "t"]).unwrap()).await.unwrap()
}

/// The first column of the answer.
async fn run(engine: &Engine, sql: &str) -> Result<Vec<String>> {
    let batches = engine.run(sql).await?.collect().await?;
    let mut found = Vec::new();
    for batch in batches.iter().filter(|batch| batch.num_columns() > 0) {
        let column = ArrayFormatter::try_new(batch.column(0).as_ref(), &FormatOptions::default())?;
        found.extend((0..batch.num_rows()).map(|row| column.value(row).to_string()));
    }
    Ok(found)
}

async fn call(engine: &Engine, arguments: &str) -> Result<Vec<String>> {
    run(engine, &format!("CALL dst.system.remove_orphan_files(table => 'n.t'{arguments})")).await
}

async fn refused(engine: &Engine, arguments: &str) -> (ErrorKind, String) {
    match call(engine, arguments).await {
        Err(error) => (error.kind(), error.to_string()),
        Ok(rows) => panic!("{arguments}: {rows:?}"),
    }
}
