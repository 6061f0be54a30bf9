//! `icelift report`: the page of a migration, made from what its target tells.
//!
//! What must hold: nothing of any catalog is changed; a file is there whole or not at all.

use std::io::Write;
use std::path::{Path, PathBuf};

use icelift::{Error, ErrorKind, MigrationSummary};

use crate::args::{self, Format};
use crate::exit::Stop;
use crate::run;
use crate::script::Script;
use crate::session::Setup;
use crate::ui;
use crate::work::Workers;

/// What a report is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Html,
    Json,
}

/// Runs the scripts, which attach what is needed, and writes the report.
pub async fn run(mut setup: Setup, workers: Workers, scripts: Vec<Script>, wanted: args::Report) -> Result<(), Stop> {
    // Before the subcommand `-o` means the same.
    let output = wanted.output.or(setup.output.take());
    let kind = kind(setup.asked_format, output.as_deref())?;
    let quiet = setup.quiet;
    let mut shell = run::session(setup, workers, scripts).await?;
    shell.failures.end()?;
    let (engine, table) = (shell.runner.engine.clone(), wanted.table.clone());
    let summaries = shell.runner.on_workers(async move { Ok(engine.migration_summaries(&table).await?) }).await?;
    let summary = chosen(summaries, &wanted.table, wanted.job.as_deref())?;
    let text = match kind {
        Kind::Html => summary.to_html(),
        Kind::Json => summary.to_json()?,
    };
    match output {
        None => std::io::stdout().lock().write_all(text.as_bytes()).map_err(Stop::output),
        Some(path) => {
            write(&path, &text)?;
            if !quiet {
                ui::say(&format!("the report is in {}", path.display()));
            }
            Ok(())
        }
    }
}

/// `--format` decides, then the name of the file; a page unless they say otherwise.
fn kind(format: Option<Format>, output: Option<&Path>) -> Result<Kind, Stop> {
    let extension = output.and_then(Path::extension).and_then(|it| it.to_str()).map(str::to_ascii_lowercase);
    match (format, extension.as_deref()) {
        (Some(Format::Html), _) | (None, Some("html" | "htm") | None) => Ok(Kind::Html),
        (Some(Format::Json), _) | (None, Some("json")) => Ok(Kind::Json),
        (Some(_), _) => Err(wrong("a report is html or json").into()),
        (None, Some(_)) => Err(wrong("the name of a report ends with .html or .json, or --format tells which").into()),
    }
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, message)
}

/// The one migration, or the one that is asked for.
fn chosen(summaries: Vec<MigrationSummary>, table: &str, job: Option<&str>) -> Result<MigrationSummary, Stop> {
    let listed = |summaries: &[MigrationSummary]| {
        let each =
            summaries.iter().map(|summary| format!("{} ({}: {})", summary.job, summary.source.name, summary.statement));
        each.collect::<Vec<_>>().join(", ")
    };
    if summaries.is_empty() {
        let message = format!("the table `{table}` has no record of a migration");
        return Err(Error::new(ErrorKind::NotFound, message)
            .hint("SHOW MIGRATIONS lists the tables that have one")
            .into());
    }
    let jobs = listed(&summaries);
    let mut found: Vec<_> = summaries.into_iter().filter(|summary| job.is_none_or(|job| summary.job == job)).collect();
    match (found.len(), job) {
        (1, _) => found.pop().ok_or_else(|| wrong("no migration").into()),
        (_, None) => {
            let message = format!("{} migrations went into `{table}`", found.len());
            Err(wrong(message).hint(format!("choose one with --job: {jobs}")).into())
        }
        (_, Some(job)) => {
            let message = format!("the table `{table}` has no record of the migration `{job}`");
            Err(wrong(message).hint(format!("there are {jobs}")).into())
        }
    }
}

/// Beside it first, so that nobody finds half a page.
fn write(path: &Path, text: &str) -> Result<(), Stop> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part: PathBuf = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let written = std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, path));
    written.map_err(|source| {
        let _ = std::fs::remove_file(&part);
        let message = format!("the report `{}` cannot be written", path.display());
        Error::new(ErrorKind::Write, message).source(source).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_said_or_named() {
        let kind = |format, output: Option<&str>| kind(format, output.map(Path::new)).ok();
        assert_eq!(kind(None, None), Some(Kind::Html));
        assert_eq!(kind(None, Some("a.JSON")), Some(Kind::Json));
        assert_eq!(kind(Some(Format::Json), Some("a.html")), Some(Kind::Json));
        assert_eq!(kind(Some(Format::Html), Some("a.txt")), Some(Kind::Html));
        assert_eq!([kind(None, Some("a.txt")), kind(Some(Format::Csv), None)], [None, None]);
    }
}
