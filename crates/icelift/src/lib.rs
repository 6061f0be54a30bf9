//! Moves Apache Iceberg tables between catalogs with plain SQL.
//!
//! An [`Engine`] is a DataFusion session in which Iceberg catalogs are attached by name. A migration is a statement:
//!
//! ```
//! # async fn doc() -> icelift::Result<()> {
//! use icelift::Engine;
//!
//! # let folder = tempfile::tempdir().expect("a folder");
//! # let warehouse = |name: &str| folder.path().join(name).display().to_string();
//! let engine = Engine::builder().build().await?;
//! engine.run(&format!("ATTACH '{}' AS glue (TYPE local)", warehouse("glue"))).await?;
//! engine.run(&format!("ATTACH '{}' AS r2 (TYPE local)", warehouse("r2"))).await?;
//! engine.run("CREATE SCHEMA glue.default").await?;
//! engine.run("CREATE SCHEMA r2.default").await?;
//! engine.run("CREATE TABLE glue.default.t PARTITIONED BY (year) AS SELECT DATE '2019-05-01' AS date, 2019 AS year").await?;
//!
//! engine.run("CREATE TABLE r2.default.t PARTITIONED BY (year, quarter) AS
//!             SELECT *, quarter(date) AS quarter FROM glue.default.t WHERE false").await?;
//! let answer = engine.run("INSERT INTO r2.default.t
//!                          SELECT *, quarter(date) AS quarter FROM glue.default.t WHERE year = 2019").await?;
//! let batches = answer.collect().await?;
//! assert_eq!(batches[0].num_rows(), 1);
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().expect("a runtime").block_on(doc()).expect("the example runs");
//! ```
//!
//! # Layout
//! - `engine`: attach catalogs, run statements
//! - `doctor`: what may be wrong with a catalog
//! - `options`: what ATTACH says, taken one by one
//! - `catalog`: what ATTACH creates
//! - `storage`: bytes, counted
//! - `sql`: from text to a statement
//! - `pipeline`: the path of the rows, `scan → select → shuffle → sink → snapshot → verify`
//! - `inspect`: metadata tables
//! - `migrate`: many batches, each exactly once
//! - `procedures`: what CALL runs
//!
//! The library prints nothing and reads neither the environment nor the home folder. It logs through `tracing`.

mod byte_count;
mod catalog;
mod doctor;
mod engine;
mod error;
mod inspect;
mod migrate;
mod options;
mod pipeline;
mod procedures;
mod retry_after;
#[cfg(test)]
mod scripted_server;
mod secrets;
mod server_clock;
mod sql;
#[doc(hidden)]
pub mod stages;
mod storage;
mod thousands;
pub mod vocabulary;

pub use byte_count::byte_count;
pub use catalog::AttachedCatalog;
pub use doctor::{Finding, Health};
pub use engine::{ColumnDescription, Engine, EngineBuilder, RowStream, SnapshotDescription, TableDescription};
pub use error::{Error, ErrorKind, Result, Stage};
pub use migrate::{
    BatchPlace, BatchSummary, BatchVerdict, CatalogSummary, CostSummary, FindingSummary, MigrationState,
    MigrationSummary, PinSummary, SideSummary, SourceSummary, TargetSummary, TrafficSummary,
};
pub use migrate::{BatchReport, BatchState, Migration, MigrationEvent, MigrationReport, Verdict};
#[doc(hidden)]
pub use migrate::{FAILPOINTS, FailAction, Failpoints};
pub use sql::{Attach, Effect, ReportFormat, script, variables};
pub use storage::{MeterReading, ScanProgress};
pub use thousands::thousands;
