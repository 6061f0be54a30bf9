//! Moves a table in batches that arrive exactly once.
//!
//! A batch is one predicate over one pinned snapshot of the source; it is one commit, and the commit also says in the target's
//! properties that the batch is there. So a migration can be stopped anywhere and continued by the same statement, on any
//! machine: the truth is in the target. In the order of a run:
//! - `prepare`: what is to be done, from metadata alone: `query` (what a SELECT may be), `batches`, `job` (which migration a
//!   statement is), `register` (what the target knows of it), `rounds`
//!   (what has changed since), `target`;
//! - `begin` and `claim`: the target is created or widened, and an empty snapshot makes this driver the only one;
//! - `recover`: what an earlier driver left is adopted or removed;
//! - `driver`: for each batch, when it is its turn (`turns`), its `slices`: `copy` through the pipeline, list (`attempt`), `check`;
//!   then `commit`;
//! - `run`: the batches as a stream of rows (`report`), and errors as the user sees them; `event` is what a terminal draws;
//! - `tidy`: what nobody needs is removed, by the run or by the next one;
//! - `plan`, `explain`, `lint` and `price`: what a run would do and cost;
//! - `rollback` takes batches out again;
//! - `summary` is a migration for people, as a page and as JSON;
//! - `show` tells what registers say, `orphans` what is left of drivers, and removes it.
//!
//! `model` is the protocol in small, explored exhaustively by a test; `failpoint` marks its steps in the code.

mod account;
mod attempt;
mod batches;
mod begin;
mod check;
mod claim;
mod commit;
mod copy;
mod driver;
mod event;
mod evolve;
mod explain;
mod failpoint;
mod job;
mod lint;
#[cfg(test)]
mod model;
pub(crate) mod orphans;
mod plan;
mod prepare;
mod price;
mod query;
mod recover;
mod register;
mod report;
mod rollback;
mod rounds;
mod run;
mod show;
mod slices;
mod spent;
mod summary;
mod target;
mod tidy;
mod turns;
pub(crate) mod verify;
mod version;

pub(crate) use self::event::Events;
pub use self::event::MigrationEvent;
pub use self::failpoint::{FAILPOINTS, FailAction, Failpoints};
pub(crate) use self::job::JobId;
pub(crate) use self::plan::{Assumptions, answer as explained};
pub use self::report::{BatchReport, BatchState, MigrationReport, Verdict};
pub(crate) use self::rollback::answer as rolled_back;
pub use self::run::Migration;
pub(crate) use self::run::{answer, report};
pub(crate) use self::show::{migration, migrations};
pub use self::summary::{
    BatchPlace, BatchSummary, BatchVerdict, CatalogSummary, CostSummary, FindingSummary, MigrationState,
    MigrationSummary, PinSummary, SideSummary, SourceSummary, TargetSummary, TrafficSummary,
};
