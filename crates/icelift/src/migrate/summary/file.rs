//! `WITH (report = 'migration.html')`: the page as a file, behind the last batch.
//!
//! What must hold: a file that cannot be written is known before the migration begins where that can be known; from then on
//! nothing that happens to the report changes what the migration did or how it ends. It is written when the statement ends,
//! well or not; not if it is stopped from outside, which waits for nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use uuid::Uuid;

use super::MigrationSummary;
use super::gather::summary_of;
use crate::catalog::TableName;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::migrate::event::MigrationEvent;
use crate::migrate::job::JobId;
use crate::migrate::prepare::Prepared;
use crate::migrate::report::BatchReport;
use crate::sql::{ReportFile, ReportFormat};

/// A report that is to be written.
pub(in crate::migrate) struct Due {
    engine: Engine,
    target: TableName,
    job: JobId,
    file: ReportFile,
    options: BTreeMap<String, String>,
}

impl Due {
    /// What the statement asks for, if it does.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub async fn of(engine: &Engine, prepared: &Prepared) -> Result<Option<Self>> {
        let options = &prepared.statement.options;
        let Some(file) = options.report.clone() else { return Ok(None) };
        probe(&file.path).await?;
        let (target, job) = (prepared.target_name.clone(), prepared.job);
        Ok(Some(Self { engine: engine.clone(), target, job, file, options: options.told() }))
    }

    /// The same reports; behind the last one, or before the error that ends them, the file is written.
    pub fn behind(self, reports: BoxStream<'static, Result<BatchReport>>) -> BoxStream<'static, Result<BatchReport>> {
        let passed_on = stream::unfold((reports, Some(self)), |(mut reports, mut due)| async move {
            let next = reports.next().await;
            if !matches!(next, Some(Ok(_)))
                && let Some(due) = due.take()
            {
                due.settle().await;
            }
            next.map(|report| (report, (reports, due)))
        });
        passed_on.boxed()
    }

    async fn settle(self) {
        let file = self.file.path.display();
        match self.write().await {
            Ok(()) => {
                let (target, message) = (self.target.plain(), format!("the report is in {file}"));
                self.engine.events.send(MigrationEvent::Noticed { target, message });
            }
            Err(error) => {
                let (error, table) = (error.with_causes(), self.target.plain());
                tracing::warn!(%table, %file, error, "the report could not be written; the migration is not affected");
            }
        }
    }

    async fn write(&self) -> Result<()> {
        let catalog = self.engine.catalogs.get(&self.target.catalog);
        let catalog = catalog.ok_or_else(|| Error::new(ErrorKind::NotFound, "the catalog was detached"))?;
        let table = catalog.load_table(&self.target.ident).await?;
        let summary = summary_of(&self.engine, &table, self.job).await?;
        let summary = MigrationSummary { options: self.options.clone(), ..summary };
        summary.save(&self.file.path, self.file.format).await
    }
}

impl MigrationSummary {
    /// Writes the summary to a local file, which is there whole or not at all.
    ///
    /// # Errors
    /// [`ErrorKind::Write`] for a file that cannot be written, and those of [`to_json`](Self::to_json).
    pub async fn save(&self, path: &Path, format: ReportFormat) -> Result<()> {
        let text = self.text(format)?;
        let part = beside(path);
        let written = async {
            tokio::fs::write(&part, text).await?;
            tokio::fs::rename(&part, path).await
        };
        if let Err(source) = written.await {
            // It is not there unless the disk is full or the rename failed.
            let _ = tokio::fs::remove_file(&part).await;
            return Err(unwritable(ErrorKind::Write, path).source(source));
        }
        Ok(())
    }
}

/// Fails where the file could not be written now. Leaves nothing behind, also if the process is killed later.
async fn probe(path: &Path) -> Result<()> {
    if tokio::fs::metadata(path).await.is_ok_and(|found| !found.is_file()) {
        return Err(unwritable(ErrorKind::Config, path).hint("there is something of that name that is no file"));
    }
    let part = beside(path);
    let hint = "its folder must exist and be writable; nothing was migrated";
    let probed = async {
        tokio::fs::write(&part, b"").await?;
        tokio::fs::remove_file(&part).await
    };
    probed.await.map_err(|source: std::io::Error| unwritable(ErrorKind::Config, path).hint(hint).source(source))
}

fn unwritable(kind: ErrorKind, path: &Path) -> Error {
    Error::new(kind, format!("the report `{}` cannot be written", path.display()))
}

/// A name that nobody else has, in the same folder, so that the file appears at once and whole.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.part", Uuid::new_v4()))
}
