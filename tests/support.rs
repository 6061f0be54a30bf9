//! What several test modules need: the repository's place, engines over temporary folders, answers as text.

pub(crate) mod once;
pub(crate) mod process;
pub(crate) mod scripted;
pub(crate) mod servers;

use std::error::Error as _;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use icelift::{Attach, Engine};
use libtest_mimic::Failed;

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder`, sorted, without git's own (in a worktree `.git` is a file) and what builds leave behind.
pub(crate) fn files_below(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(next) = waiting.pop() {
        for entry in std::fs::read_dir(&next)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if [".git", "target", "__pycache__"].contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() { &mut waiting } else { &mut found }.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Runs a future to its end on a runtime of its own, as each trial does.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(future)
}

/// An engine with local catalogs: pairs of name and folder.
pub(crate) async fn engine(catalogs: &[(&str, &Path)]) -> Result<Engine, Failed> {
    let mut builder = Engine::builder();
    for (name, folder) in catalogs {
        builder = builder.attach(Attach {
            name: (*name).to_owned(),
            warehouse: Some(folder.display().to_string()),
            options: [("type".to_owned(), "local".to_owned())].into_iter().collect(),
            if_not_exists: false,
        });
    }
    builder.build().await.map_err(|error| told(&error).into())
}

/// Runs one statement and returns what it answers; a failure names the statement.
pub(crate) async fn run(engine: &Engine, sql: &str) -> Result<(SchemaRef, Vec<RecordBatch>), Failed> {
    let answer = async {
        let stream = engine.run(sql).await?;
        let schema = stream.schema();
        Ok::<_, icelift::Error>((schema, stream.collect().await?))
    };
    may_be_spawned(answer).await.map_err(|error| format!("{sql}\n{}", told(&error)).into())
}

/// Does not compile unless a program can run it by `tokio::spawn`.
fn may_be_spawned<F: Future + Send>(future: F) -> F {
    future
}

/// Runs one statement and returns its rows as text.
pub(crate) async fn rows(engine: &Engine, sql: &str) -> Result<Vec<Vec<String>>, Failed> {
    let (_, batches) = run(engine, sql).await?;
    texts(&batches).map_err(|error| format!("{sql}\n{error}").into())
}

/// The cells of batches as text: NULL, (empty), and otherwise as Arrow shows them, on one line.
pub(crate) fn texts(batches: &[RecordBatch]) -> Result<Vec<Vec<String>>, arrow::error::ArrowError> {
    let options = FormatOptions::default().with_null("NULL").with_display_error(false);
    let mut found = Vec::new();
    for batch in batches {
        let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let cells = columns.iter().map(|column| column.value(row).try_to_string());
            found.push(cells.map(|cell| cell.map(on_one_line)).collect::<Result<Vec<_>, _>>()?);
        }
    }
    Ok(found)
}

fn on_one_line(cell: String) -> String {
    if cell.is_empty() { "(empty)".to_owned() } else { cell.replace('\n', "\\n") }
}

/// The first cells of each row of an answer in CSV: of one to MIGRATE, batch, state and rows.
pub(crate) fn first_cells(answer: &str, count: usize) -> Vec<String> {
    let cells = |line: &str| line.split(',').take(count).collect::<Vec<_>>().join(",");
    answer.lines().skip(1).map(cells).collect()
}

/// An error with its causes and its advice, as the CLI would tell it but on one line.
pub(crate) fn told(error: &icelift::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text += &format!(": {inner}");
        cause = inner.source();
    }
    if let Some(advice) = error.advice() {
        text += &format!(" (hint: {advice})");
    }
    text.replace('\n', " ")
}
