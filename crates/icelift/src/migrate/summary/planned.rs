//! The plan of a migration that is recorded: what `EXPLAIN MIGRATE` says of its words at its pin.

use crate::catalog::{TableName, quoted};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::migrate::explain::{PlannedWhole, whole};
use crate::migrate::job::JobId;
use crate::migrate::lint::Finding;
use crate::migrate::plan::with_input;
use crate::migrate::register::Register;
use crate::pipeline::verify::Level;
use crate::sql::{self, Statement};

/// What was to be done, and what does not come along.
pub(super) struct Plan {
    pub whole: PlannedWhole,
    pub findings: Vec<Finding>,
}

/// Plans the migration again, over the snapshot that it copies.
///
/// # Errors
/// A source that is not attached or not there any more, or a snapshot of it that has expired.
pub(super) async fn plan(
    engine: &Engine,
    target: &TableName,
    job: JobId,
    register: &Register,
    level: Level,
) -> Result<Plan> {
    let parts = register.source.split('.').map(quoted);
    let mut source = parts.collect::<Vec<_>>().join(".");
    if let Some(snapshot) = register.pin.snapshot {
        source.push_str(&format!(" FOR VERSION AS OF {snapshot}"));
    }
    let migration = register.statement.of(source, target.quoted()).option("verify", level.to_string());
    let statement = match sql::parse(&migration.to_sql())? {
        Statement::Migrate(statement) => statement,
        _ => return Err(Error::new(ErrorKind::Internal, "the words of a migration make another statement")),
    };
    let planned = with_input(engine, &statement, |prepared, input| {
        (prepared.job == job).then(|| Plan { whole: whole(input), findings: input.findings.to_vec() })
    });
    planned.await?.ok_or_else(|| {
        Error::new(ErrorKind::Drift, "the table of that name is not the one that was copied")
            .stage(Stage::Catalog)
            .subject(&register.source)
    })
}
