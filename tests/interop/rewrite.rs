//! `rewrite_data_files` and `rewrite_manifests` over the tables of others, which others read again.
//!
//! The source tables are written a second time for this, as each trial changes its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arrow::ipc::writer::FileWriter;
use icelift::{Attach, Engine, Failpoints};
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::python::{agree, ask};
use super::{SOURCES, run_all, with_target};
use crate::support;

static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();

/// All files, whatever the format, and no delete is left that bears on nothing.
const REWRITE: &str = "options => map('rewrite-all', 'true', 'remove-dangling-deletes', 'true', 'new-row-ids', 'true')";

pub(super) fn trials() -> Vec<Trial> {
    let mut trials: Vec<_> =
        SOURCES.lines().map(|name| Trial::test(format!("interop::rewrite::{name}"), move || rewrite(name))).collect();
    trials.push(Trial::test("interop::rewrite_meanwhile::position_deletes", || deleted(Deletion::Positions)));
    trials.push(Trial::test("interop::rewrite_meanwhile::copy_on_write", || deleted(Deletion::Rows)));
    trials.push(Trial::test("interop::rewrite_meanwhile::appends", appended));
    trials.push(Trial::test("interop::rewrite_meanwhile::deletes_elsewhere", deleted_elsewhere));
    trials.push(Trial::test("interop::rewrite_result::output_spec", output_spec));
    trials.push(Trial::test("interop::rewrite_result::metadata", metadata));
    trials
}

/// Removes the tables.
pub(super) fn clean_up() {
    if let Some(Ok(folder)) = FOLDER.get() {
        let _ = std::fs::remove_dir_all(folder);
    }
}

fn folder() -> Result<&'static Path, Failed> {
    let write = || {
        let folder =
            tempfile::Builder::new().prefix("icelift-rewrite-").tempdir().map_err(|error| error.to_string())?;
        let written = ask(json!({"do": "write_sources", "folder": folder.path()}));
        written.map_err(|failed| failed.message().unwrap_or("failed").to_owned())?;
        Ok(folder.keep())
    };
    FOLDER.get_or_init(write).as_deref().map_err(Failed::from)
}

async fn call(engine: &Engine, procedure: &str, table: &str, more: &str) -> Result<Vec<i64>, Failed> {
    let rows =
        support::rows(engine, &format!("CALL r2.system.{procedure}(table => 'default.{table}', {more})")).await?;
    let cells = rows.concat();
    cells.iter().map(|cell| cell.parse().map_err(|_| format!("`{cell}` is no number").into())).collect()
}

/// What was read before is read after, by us and by others, and a second call finds nothing to do.
fn rewrite(source: &'static str) -> Result<(), Failed> {
    let folder = folder()?;
    support::block_on(async {
        let scratch = tempfile::tempdir()?;
        let engine = support::engine(&[("r2", folder)]).await?;
        let count = format!("SELECT count(*) FROM r2.default.{source}");
        let before = support::rows(&engine, &count).await?;
        // Twice: rows never come twice.
        for _ in 0..2 {
            let done = call(&engine, "rewrite_data_files", source, REWRITE).await?;
            if (done[0] > 0) != (done[2] > 0) || done[3] != 0 {
                return Err(format!("the answer is {done:?}").into());
            }
        }
        call(&engine, "rewrite_manifests", source, "use_caching => false").await?;
        let again = call(&engine, "rewrite_data_files", source, "strategy => 'binpack'").await;
        // A table of format 3 has nothing to do either, so that there is nothing to refuse.
        let again = again?;
        if again != [0; 5] {
            return Err(format!("a further call has done {again:?}").into());
        }
        let after = support::rows(&engine, &count).await?;
        if before != after {
            return Err(format!("{before:?} rows before, {after:?} after").into());
        }
        let (schema, batches) = support::run(&engine, &format!("SELECT * FROM r2.default.{source}")).await?;
        let file = scratch.path().join("rows.arrow");
        let mut writer = FileWriter::try_new(File::create(&file)?, &schema)?;
        for batch in &batches {
            writer.write(batch)?;
        }
        writer.finish()?;
        agree(json!({"do": "compare_arrow", "folder": folder, "source": source, "file": &file}))
    })?;
    agree(json!({"do": "check_sources", "folder": folder, "names": [source]}))
}

/// What another writer answers to what it is asked to do between plan and commit; nothing before it was asked.
type Meanwhile = Arc<OnceLock<Result<Value, String>>>;

/// An engine in which another writer is asked for something once, when a rewrite is about to commit.
async fn interrupted(folder: &Path, request: Value) -> Result<(Engine, Meanwhile), Failed> {
    let meanwhile = Meanwhile::default();
    let answered = Arc::clone(&meanwhile);
    let told = move |name: &str| {
        if name == "rewrite.before_commit" {
            let answer = || ask(request.clone()).map_err(|failed| failed.message().unwrap_or("failed").to_owned());
            answered.get_or_init(answer);
        }
    };
    let attach = Attach {
        name: "r2".to_owned(),
        warehouse: Some(folder.display().to_string()),
        options: [("type".to_owned(), "local".to_owned())].into_iter().collect(),
        if_not_exists: false,
    };
    let failpoints = Failpoints::parse("", told).map_err(|error| support::told(&error))?;
    let built = Engine::builder().failpoints(failpoints).attach(attach).build().await;
    Ok((built.map_err(|error| support::told(&error))?, meanwhile))
}

fn expect_done(meanwhile: &Meanwhile) -> Result<(), Failed> {
    match meanwhile.get() {
        Some(Ok(_)) => Ok(()),
        Some(Err(failed)) => Err(format!("the other writer failed: {failed}").into()),
        None => Err("the other writer was not asked".into()),
    }
}

/// Twenty rows of each of two years, in two files each.
async fn filled(folder: &Path) -> Result<(), Failed> {
    let engine = support::engine(&[("r2", folder)]).await?;
    let columns = "(id BIGINT, name STRING, year INT) PARTITIONED BY (year)";
    let insert = |from: i64| {
        format!(
            "INSERT INTO r2.default.t SELECT value AS id, 'n' || value AS name, CAST(2019 + value % 2 AS INT) AS year
             FROM generate_series({from}, {})",
            from + 19
        )
    };
    let create = format!("CREATE TABLE r2.default.t {columns}");
    run_all(&engine, &["CREATE SCHEMA r2.default".to_owned(), create, insert(0), insert(20)]).await
}

const ALL: &str = "options => map('rewrite-all', 'true')";
const SUMS: &str = "SELECT count(*), count(DISTINCT id), sum(id) FROM r2.default.t";

#[derive(Clone, Copy)]
enum Deletion {
    /// PyIceberg's tests write position deletes by hand.
    Positions,
    /// PyIceberg writes the files again.
    Rows,
}

/// Rows that somebody deletes between plan and commit stay deleted: the call fails, and leaves nothing.
fn deleted(deletion: Deletion) -> Result<(), Failed> {
    let target = tempfile::tempdir()?;
    let folder = target.path().to_owned();
    support::block_on(async {
        filled(&folder).await?;
        let request = match deletion {
            Deletion::Positions => {
                json!({"do": "delete_positions", "folder": &folder, "table": "t", "year": 2019, "positions": [0, 3]})
            }
            Deletion::Rows => json!({"do": "delete_rows", "folder": &folder, "table": "t", "condition": "id < 4"}),
        };
        let (engine, meanwhile) = interrupted(&folder, request).await?;
        let parquet = |folder: &Path| -> Result<usize, Failed> {
            let files = support::files_below(&folder.join("default/t/data"))?;
            Ok(files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "parquet")).count())
        };
        let before = parquet(&folder)?;
        let refused = match call(&engine, "rewrite_data_files", "t", ALL).await {
            Ok(done) => return Err(format!("the call has done {done:?}").into()),
            Err(failed) => failed.message().unwrap_or_default().to_owned(),
        };
        expect_done(&meanwhile)?;
        let expected = match deletion {
            Deletion::Positions => "were deleted by another writer while the statement ran",
            Deletion::Rows => "files that are to be replaced are not in the table any more",
        };
        if !refused.contains(expected) || !refused.contains("nothing was changed") {
            return Err(format!("the call says: {refused}").into());
        }
        // What the other writer wrote, and nothing of ours.
        let (after, written) = (
            parquet(&folder)?,
            match deletion {
                Deletion::Positions => 1,
                Deletion::Rows => 2,
            },
        );
        if after > before + written {
            return Err(format!("{before} files before, {after} after").into());
        }
        let left = match deletion {
            // The first file of 2019 has the even ids from 0 on.
            Deletion::Positions => ["38", "38", "774"],
            Deletion::Rows => ["36", "36", "774"],
        };
        expect_sums(&engine, left).await?;
        // Run again, as the hint says.
        call(&engine, "rewrite_data_files", "t", ALL).await?;
        expect_sums(&engine, left).await?;
        left[0].parse::<u64>().map_err(Failed::from)
    })
    .and_then(|rows| expect_of_others(target.path(), rows))
}

async fn expect_sums(engine: &Engine, expected: [&str; 3]) -> Result<(), Failed> {
    let found = support::rows(engine, SUMS).await?;
    if found == [expected] { Ok(()) } else { Err(format!("found {found:?}, expected {expected:?}").into()) }
}

/// What others append meanwhile is in the table, and so is what was rewritten, once.
fn appended() -> Result<(), Failed> {
    let target = tempfile::tempdir()?;
    let folder = target.path().to_owned();
    support::block_on(async {
        filled(&folder).await?;
        let request = json!({"do": "append_by_pyiceberg", "target": &folder, "table": "t"});
        let (engine, meanwhile) = interrupted(&folder, request).await?;
        let done = call(&engine, "rewrite_data_files", "t", ALL).await?;
        expect_done(&meanwhile)?;
        if done[..2] != [4, 2] {
            return Err(format!("the answer is {done:?}").into());
        }
        // The other writer has appended all rows once more.
        expect_sums(&engine, ["80", "40", "1560"]).await
    })?;
    expect_of_others(target.path(), 80)
}

/// Deletes in a partition that is not rewritten are no obstacle.
fn deleted_elsewhere() -> Result<(), Failed> {
    let target = tempfile::tempdir()?;
    let folder = target.path().to_owned();
    support::block_on(async {
        filled(&folder).await?;
        let request =
            json!({"do": "delete_positions", "folder": &folder, "table": "t", "year": 2019, "positions": [0, 3]});
        let (engine, meanwhile) = interrupted(&folder, request).await?;
        let done = call(&engine, "rewrite_data_files", "t", &format!("\"where\" => 'year = 2020', {ALL}")).await?;
        expect_done(&meanwhile)?;
        if done[..2] != [2, 1] {
            return Err(format!("the answer is {done:?}").into());
        }
        expect_sums(&engine, ["38", "38", "774"]).await
    })
}

/// Files of an earlier partition spec are rewritten into the spec that is asked for, and others find them there.
fn output_spec() -> Result<(), Failed> {
    let target = tempfile::tempdir()?;
    let folder = target.path();
    support::block_on(async {
        let engine = with_target(folder).await?;
        let create = "CREATE TABLE r2.default.t PARTITIONED BY (year) AS
             SELECT value AS id, 'n' || value AS name, CAST(2019 + value % 2 AS INT) AS year FROM generate_series(0, 39)";
        run_all(&engine, &[create.to_owned()]).await?;
        let specs = ask(json!({"do": "partition_by_bucket", "folder": folder, "table": "t", "column": "id"}))?;
        if specs != json!([0, 1]) {
            return Err(format!("the specs are {specs}").into());
        }
        let insert = "INSERT INTO r2.default.t SELECT id + 40, name, year FROM r2.default.t";
        run_all(&engine, &[insert.to_owned()]).await?;
        for (spec, more) in [(1, ""), (0, ", 'output-spec-id', '0'")] {
            let more = format!("options => map('rewrite-all', 'true'{more})");
            let done = call(&engine, "rewrite_data_files", "t", &more).await?;
            let live = ask(json!({"do": "live_files", "folder": folder, "table": "t"}))?;
            let specs: Vec<_> = live["data"].as_array().into_iter().flatten().map(|file| file[0].clone()).collect();
            if specs.is_empty() || specs.iter().any(|found| *found != json!(spec)) || done[1] as usize != specs.len() {
                return Err(format!("the files are {live}, the answer is {done:?}").into());
            }
            let rows = support::rows(&engine, SUMS).await?;
            if rows != [["80", "80", "3160"]] {
                return Err(format!("the rows are {rows:?}").into());
            }
        }
        Ok(())
    })?;
    expect_of_others(folder, 80)
}

fn expect_of_others(folder: &Path, rows: u64) -> Result<(), Failed> {
    let found = ask(json!({"do": "counts_of_others", "folder": folder, "table": "t"}))?;
    if found == json!([rows, rows]) { Ok(()) } else { Err(format!("others read {found} rows, expected {rows}").into()) }
}

/// Everything that the metadata says of the new files is true, and nothing lies around.
fn metadata() -> Result<(), Failed> {
    let target = tempfile::tempdir()?;
    let folder = target.path();
    support::block_on(async {
        filled(folder).await?;
        let engine = support::engine(&[("r2", folder)]).await?;
        let done = call(&engine, "rewrite_data_files", "t", ALL).await?;
        if done[..2] == [4, 2] { Ok(()) } else { Err(format!("the answer is {done:?}").into()) }
    })?;
    agree(json!({"do": "check_metadata", "target": folder, "table": "t", "snapshots": 3, "operation": "replace"}))?;
    // As old as the snapshot that they were made from.
    let live = ask(json!({"do": "live_files", "folder": folder, "table": "t"}))?;
    if live != json!({"data": [[0, 2, 20], [0, 2, 20]], "deletes": 0}) {
        return Err(format!("the files are {live}").into());
    }
    support::block_on(async {
        let engine = support::engine(&[("r2", folder)]).await?;
        let done = call(&engine, "rewrite_manifests", "t", "use_caching => true").await?;
        // Manifests that list only what went do not count.
        if done == [0, 0] { Ok(()) } else { Err(format!("the answer is {done:?}").into()) }
    })?;
    expect_of_others(folder, 40)
}
