//! `icelift report`: the page of a migration, made from what its target tells.
//!
//! What must hold: nothing of any catalog is changed; a file is there whole or not at all.

use std::io::Write;
use std::path::Path;

use icelift::{Error, ErrorKind, MigrationSummary, ReportFormat};

use crate::args::{self, Format};
use crate::exit::Stop;
use crate::run;
use crate::script::Script;
use crate::session::Setup;
use crate::ui;
use crate::work::Workers;

/// Runs the scripts, which attach what is needed, and writes the report.
pub async fn run(mut setup: Setup, workers: Workers, scripts: Vec<Script>, wanted: args::Report) -> Result<(), Stop> {
    // Before the subcommand `-o` means the same.
    let output = wanted.output.or(setup.output.take());
    let format = format(setup.asked_format, output.as_deref())?;
    let quiet = setup.quiet;
    let mut shell = run::session(setup, workers, scripts).await?;
    shell.failures.end()?;
    let (engine, table) = (shell.runner.engine.clone(), wanted.table.clone());
    let summaries = shell.runner.on_workers(async move { Ok(engine.migration_summaries(&table).await?) }).await?;
    let summary = chosen(summaries, &wanted.table, wanted.job.as_deref())?;
    match output {
        None => std::io::stdout().lock().write_all(summary.text(format)?.as_bytes()).map_err(Stop::output),
        Some(path) => {
            summary.save(&path, format).await?;
            if !quiet {
                ui::say(&format!("the report is in {}", path.display()));
            }
            Ok(())
        }
    }
}

/// `--format` decides, then the name of the file; a page unless they say otherwise.
fn format(asked: Option<Format>, output: Option<&Path>) -> Result<ReportFormat, Stop> {
    let named = output.filter(|path| path.extension().and_then(|it| it.to_str()).is_some());
    match (asked, named) {
        (Some(Format::Html), _) | (None, None) => Ok(ReportFormat::Html),
        (Some(Format::Json), _) => Ok(ReportFormat::Json),
        (Some(_), _) => Err(wrong("a report is html or json").into()),
        (None, Some(path)) => ReportFormat::of(path)
            .ok_or_else(|| wrong("the name of a report ends with .html or .json, or --format tells which").into()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_said_or_named() {
        let kind = |asked, output: Option<&str>| format(asked, output.map(Path::new)).ok();
        assert_eq!(kind(None, None), Some(ReportFormat::Html));
        assert_eq!(kind(None, Some("a.JSON")), Some(ReportFormat::Json));
        assert_eq!(kind(Some(Format::Json), Some("a.html")), Some(ReportFormat::Json));
        assert_eq!(kind(Some(Format::Html), Some("a.txt")), Some(ReportFormat::Html));
        assert_eq!([kind(None, Some("a.txt")), kind(Some(Format::Csv), None)], [None, None]);
    }
}
