//! The engine: catalogs attached to one DataFusion session, statements run one by one.

mod alter;
mod builder;
mod create;
mod delete;
mod describe;
mod dry_run;
mod effect;
mod interrupt;
mod memory;
pub(crate) mod names;
mod overwrite;
mod predicate;
mod replacing;
mod rows;
pub(crate) mod schema;
mod show;
mod simplify;
mod splicing;
mod statement;
mod summarize;
#[cfg(test)]
mod three_values;
mod time_travel;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::prelude::SessionContext;
use tokio_util::task::TaskTracker;

pub use self::builder::EngineBuilder;
pub(crate) use self::describe::describe;
pub use self::describe::{ColumnDescription, SnapshotDescription, TableDescription};
use self::interrupt::Interrupts;
pub use self::rows::RowStream;
pub(crate) use self::view::{View, write_plan};
use crate::catalog::{AttachedCatalog, AwsSource, Catalogs};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::migrate::{self, Assumptions, Events, Failpoints, Migration, MigrationEvent, MigrationReport};
use crate::sql::{self, Attach, variables};
use crate::storage::{MeterReading, ScanProgress};

/// A DataFusion session with Iceberg catalogs attached to it. Cheap to clone; clones are the same session.
#[derive(Clone)]
pub struct Engine {
    session: SessionContext,
    pub(crate) catalogs: Catalogs,
    variables: Arc<BTreeMap<String, String>>,
    aws: AwsSource,
    pub(crate) cleanup: TaskTracker,
    pub(crate) events: Events,
    pub(crate) failpoints: Failpoints,
    pub(crate) assumptions: Arc<Assumptions>,
    interrupts: Interrupts,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("catalogs", &self.catalogs.describe()).finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts to describe an engine.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// Runs exactly one statement. What it changes is changed when this returns or, for statements with rows to give,
    /// when the stream has ended.
    ///
    /// DDL gives a stream without columns; INSERT gives one row with the column `count`.
    ///
    /// # Errors
    /// Whatever is wrong with the text, the names in it, or the tables; see [`ErrorKind`].
    pub async fn run(&self, sql: &str) -> Result<RowStream> {
        let statement = match sql::parse(sql) {
            Ok(statement) => statement,
            // What is no statement of ours may be one of DataFusion's about a table of its own.
            Err(error) if self.concerns_datafusion(sql) => return self.run_in_datafusion(sql).await.map_err(|_| error),
            Err(error) => return Err(error),
        };
        statement::run(self, sql, statement).await
    }

    /// Moves a table in batches, each of which arrives exactly once. Run again, it continues.
    ///
    /// # Errors
    /// What cannot be done, and [`ErrorKind::Stopped`] where the same migration, run again, goes on.
    pub async fn migrate(&self, migration: Migration) -> Result<MigrationReport> {
        match sql::parse(&migration.to_sql())? {
            sql::Statement::Migrate(statement) => migrate::report(self, &statement).await,
            _ => Err(Error::new(ErrorKind::Sql, "the parts of the migration make another statement")),
        }
    }

    /// What migrations tell from now on, of this engine and its clones. A listener that falls behind by a thousand events
    /// loses the oldest.
    pub fn events(&self) -> tokio::sync::broadcast::Receiver<MigrationEvent> {
        self.events.listen()
    }

    /// Attaches a catalog. `${NAME}` in the warehouse and the options is replaced from the engine's variables.
    ///
    /// # Errors
    /// An unknown variable or option, a name in use, a catalog that cannot be opened.
    pub async fn attach(&self, attach: Attach) -> Result<()> {
        let expand = |text: &str| variables::expand(text, &self.variables);
        let options = attach.options.iter().map(|(key, value)| Ok((key.clone(), expand(value)?)));
        let attach = Attach {
            warehouse: attach.warehouse.as_deref().map(expand).transpose()?,
            options: options.collect::<Result<_>>()?,
            ..attach
        };
        self.catalogs.attach(attach, &self.aws, &self.cleanup).await
    }

    /// Detaches a catalog; its tables stay where they are.
    ///
    /// # Errors
    /// No catalog of this name is attached.
    pub fn detach(&self, name: &str) -> Result<()> {
        if self.catalogs.detach(name) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::NotFound, format!("no catalog `{name}` is attached")).stage(Stage::Catalog))
    }

    /// The attached catalogs, by name.
    pub fn catalogs(&self) -> Vec<AttachedCatalog> {
        self.catalogs.describe()
    }

    /// What a catalog and its store were asked since it was attached.
    pub fn meter(&self, catalog: &str) -> Option<MeterReading> {
        self.catalogs.get(catalog).map(|catalog| catalog.meter())
    }

    /// How far the reading of data files has come, of all statements and catalogs together: a look before a statement and one
    /// meanwhile tell what is left of it. A catalog that is detached takes its figures along.
    pub fn scan_progress(&self) -> ScanProgress {
        let catalogs = self.catalogs.describe().into_iter().filter_map(|catalog| self.catalogs.get(&catalog.name));
        catalogs.map(|catalog| catalog.store().passed().read()).fold(ScanProgress::default(), ScanProgress::and)
    }

    /// The session below, to register tables and functions of one's own. Statements that are run on it directly do not
    /// see the attached catalogs.
    pub fn session(&self) -> SessionContext {
        self.session.clone()
    }

    /// Waits until the files of failed and dropped statements are removed and commits under way are settled.
    pub async fn settle(&self) {
        rows::settle(&self.cleanup).await;
    }

    /// Asks what runs now to stop: operators in the middle of a long step fail instead of ending it. Who calls this drops the
    /// streams of the statements as well.
    pub fn interrupt(&self) {
        self.interrupts.interrupt();
    }
}
