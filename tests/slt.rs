//! Runs every `tests/slt/**/*.slt` file as one trial with a session of its own and two fresh local catalogs, `glue` and `r2`,
//! each with the schema `default`. ICELIFT_SLT_COMPLETE=1 writes the answers into the files instead of comparing them.
//!
//! After `control substitution on`, `$__TEST_DIR__` is a temporary folder, as in COPY … TO.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use icelift::Engine;
use libtest_mimic::{Failed, Trial};
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};

use crate::support;

const FOLDERS: [&str; 11] =
    ["alter", "attach", "errors", "migrate", "rewrite", "scan", "select", "shuffle", "sink", "snapshot", "verify"];

pub(crate) fn trials() -> Vec<Trial> {
    let folder = support::root().join("tests/slt");
    let files = support::files_below(&folder).unwrap_or_default();
    let mut trials = vec![Trial::test("slt::every_folder_has_files", move || every_folder_has_files(&folder))];
    for file in files.into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "slt")) {
        let short = file.strip_prefix(support::root().join("tests/slt")).unwrap_or(&file).with_extension("");
        let name = format!("slt::{}", short.display());
        trials.push(Trial::test(name, move || support::block_on(run_file(file))));
    }
    trials
}

/// A wrong path would otherwise find nothing and pass.
fn every_folder_has_files(folder: &Path) -> Result<(), Failed> {
    for name in FOLDERS {
        if support::files_below(&folder.join(name))?.is_empty() {
            return Err(format!("tests/slt/{name} holds no file").into());
        }
    }
    Ok(())
}

async fn run_file(file: PathBuf) -> Result<(), Failed> {
    let (glue, r2) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let engine = Arc::new(support::engine(&[("glue", glue.path()), ("r2", r2.path())]).await?);
    for catalog in ["glue", "r2"] {
        support::run(&engine, &format!("CREATE SCHEMA {catalog}.default")).await?;
    }
    let mut runner = Runner::new(|| {
        let engine = Arc::clone(&engine);
        async move { Ok(Session(engine)) }
    });
    if std::env::var_os("ICELIFT_SLT_COMPLETE").is_some() {
        let validator = sqllogictest::default_validator;
        let normalizer = sqllogictest::default_normalizer;
        let types = sqllogictest::default_column_validator;
        return runner
            .update_test_file(&file, " ", validator, normalizer, types)
            .await
            .map_err(|error| error.to_string().into());
    }
    runner.run_file_async(&file).await.map_err(|error| error.display(false).to_string().into())
}

struct Session(Arc<Engine>);

/// An error with its causes and its advice, so that `statement error` can ask for any of them.
#[derive(Debug)]
struct Told(String);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Told {}

#[async_trait::async_trait]
impl AsyncDB for Session {
    type Error = Told;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Told> {
        let told = |error: icelift::Error| Told(support::told(&error));
        let stream = self.0.run(sql).await.map_err(told)?;
        let schema = stream.schema();
        let batches = stream.collect().await.map_err(told)?;
        let rows = support::texts(&batches).map_err(|error| Told(error.to_string()))?;
        Ok(match changed_rows(&schema, &rows) {
            Some(count) => DBOutput::StatementComplete(count),
            None => DBOutput::Rows { types: vec![DefaultColumnType::Any; schema.fields().len()], rows },
        })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &'static str {
        "icelift"
    }
}

/// How many rows a statement wrote: DataFusion says it in one column `count` of a type that no query has under that name.
fn changed_rows(schema: &Schema, rows: &[Vec<String>]) -> Option<u64> {
    match (schema.fields().as_ref(), rows) {
        ([], _) => Some(0),
        ([count], [row]) if count.name() == "count" && count.data_type() == &DataType::UInt64 => row[0].parse().ok(),
        _ => None,
    }
}
