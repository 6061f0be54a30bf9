//! `VERIFY TABLE`: is the target what the source was when it was copied?
//!
//! What must hold: `same` is said only of what was compared, and of rows only if they were read from the target. A batch that
//! a migration has recorded is compared with its record, so the source is not read; where there is no record, or it does not
//! agree, both sides are read.

mod counts;
mod drill;
mod emit;
mod prints;
mod rows;
mod sides;

use std::sync::Arc;

use futures::stream::BoxStream;
use futures::{StreamExt, stream};

use self::counts::counts;
use self::drill::drill;
use self::rows::{COLUMNS, Check, Verdict};
pub(crate) use self::sides::is_batch;
use self::sides::{BatchPair, Sides};
use crate::engine::{Engine, RowStream};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::verify::Level;
use crate::sql::Verify;

/// Runs the statement: one row for each check, as it is made. Differences end it with an error.
pub(crate) async fn answer(engine: &Engine, statement: &Verify) -> Result<RowStream> {
    let level = statement.level.unwrap_or_default();
    let sides = Sides::new(engine, statement).await?;
    if let Some(dialect) = statement.emit {
        return emit::answer(&sides, dialect, statement.batch.as_ref());
    }
    let target = sides.target.table.name.clone();
    let pairs = sides.pairs(statement.batch.as_ref())?;
    if level != Level::Metadata {
        let files = pairs.iter().filter_map(|pair| pair.target.as_ref());
        sides.target.table.store.passed().foresee(files.map(|batch| batch.bytes).sum());
    }
    let sides = Arc::new(sides);
    let missing = sides.missing_columns();
    let checks = stream::iter(missing.into_iter().map(Ok)).chain(stream::iter(pairs).flat_map(move |pair| {
        let sides = Arc::clone(&sides);
        stream::once(async move { check(&sides, pair, level).await }).flat_map(|checks| match checks {
            Ok(checks) => stream::iter(checks.into_iter().map(Ok).collect::<Vec<_>>()),
            Err(error) => stream::iter(vec![Err(error)]),
        })
    }));
    let counted = Counted { different: 0, unchecked: 0, failed: false };
    let ended = checks.map(Some).chain(stream::once(async { None })).scan(counted, move |counted, next| {
        let row = match next {
            _ if counted.failed => return std::future::ready(None),
            Some(Ok(check)) => {
                counted.add(&check);
                check.row().map(Some)
            }
            Some(Err(error)) => Err(error),
            None => counted.end().map_err(|error| error.place(Stage::Verify, &target)).map(|()| None),
        };
        counted.failed = row.is_err();
        std::future::ready(Some(row.transpose()))
    });
    let rows: BoxStream<'static, _> = ended.filter_map(std::future::ready).boxed();
    Ok(RowStream::of(Arc::clone(&COLUMNS), rows, engine.cleanup.clone()))
}

struct Counted {
    different: usize,
    unchecked: usize,
    failed: bool,
}

impl Counted {
    fn add(&mut self, check: &Check) {
        match check.verdict {
            Verdict::Same | Verdict::Ignored => {}
            Verdict::Different => self.different += 1,
            Verdict::NotVerified => self.unchecked += 1,
        }
    }

    /// Nothing that was not verified may look as if it had been.
    fn end(&self) -> Result<()> {
        let message = match (self.different, self.unchecked) {
            (0, 0) => return Ok(()),
            (0, unchecked) => format!("{unchecked} checks could not be made"),
            (different, 0) => format!("{different} checks found a difference"),
            (different, unchecked) => format!("{different} checks found a difference, {unchecked} could not be made"),
        };
        Err(Error::new(ErrorKind::Difference, message).hint("the rows above say where and why"))
    }
}

/// All checks of one batch.
async fn check(sides: &Sides, pair: BatchPair, level: Level) -> Result<Vec<Check>> {
    let mut checks = vec![counts(sides, &pair, level)];
    if level == Level::Metadata {
        return Ok(checks);
    }
    if pair.source.is_none() && pair.recorded.is_none() || pair.target.is_none() && pair.rows_expected() > 0 {
        return Ok(checks);
    }
    checks.extend(contents(sides, &pair, level).await?);
    Ok(checks)
}

/// Compares what was copied undecoded with the record, by its bytes. `None` where that shows nothing: then rows are compared.
async fn copied_bytes(sides: &Sides, pair: &BatchPair, level: Level) -> Result<Option<Check>> {
    let Some(recorded) = pair.recorded_bytes(sides, level) else { return Ok(None) };
    let Some(found) = prints::of_files(sides, pair).await? else { return Ok(None) };
    let check =
        Check::prints(&pair.key, None, Some(&prints::Print::Bytes(recorded)), Some(&prints::Print::Bytes(found)));
    // Files that somebody has written anew hold the same rows and other bytes.
    Ok((recorded == found).then_some(check))
}

/// Compares with the record alone. With nothing to compare with, nothing is verified.
fn against_record(pair: &BatchPair, recorded: Option<&prints::Print>, found: &prints::Print) -> Check {
    let check = Check::prints(&pair.key, None, recorded, Some(found));
    let verdict = if recorded.is_some() { check.verdict } else { Verdict::NotVerified };
    Check { verdict, ..check }
}

/// Compares the rows, with the record first.
async fn contents(sides: &Sides, pair: &BatchPair, level: Level) -> Result<Vec<Check>> {
    if let Some(check) = copied_bytes(sides, pair, level).await? {
        return Ok(vec![check]);
    }
    let target = prints::of_target(sides, pair, level).await?;
    let all = prints::merged(&target, level);
    let recorded = pair.recorded_print(sides, level);
    if let Some(recorded) = recorded {
        let check = Check::prints(&pair.key, None, Some(&recorded), Some(&all));
        if check.verdict == Verdict::Same {
            return Ok(vec![check]);
        }
    }
    let Some(source) = prints::of_source(sides, pair, level).await? else {
        return Ok(vec![match level {
            // Which columns it was taken of, only the source's schema tells; the other one is of all of them.
            Level::Portable => {
                let all = prints::merged(&prints::of_target(sides, pair, Level::Content).await?, Level::Content);
                against_record(pair, pair.recorded_print(sides, Level::Content).as_ref(), &all)
            }
            Level::Metadata | Level::Content => against_record(pair, recorded.as_ref(), &all),
        }]);
    };
    let mut checks = vec![Check::prints(&pair.key, None, Some(&prints::merged(&source, level)), Some(&all))];
    if checks.iter().all(|check| check.verdict == Verdict::Same) {
        return Ok(checks);
    }
    let partitions: std::collections::BTreeSet<_> = source.keys().chain(target.keys()).cloned().collect();
    let of_partition =
        |partition: String| Check::prints(&pair.key, Some(&partition), source.get(&partition), target.get(&partition));
    let different: Vec<_> =
        partitions.into_iter().map(of_partition).filter(|check| check.verdict != Verdict::Same).collect();
    let folders = different.iter().filter_map(|check| check.partition.clone()).collect();
    checks.extend(different);
    checks.extend(drill(sides, pair, &folders).await?);
    Ok(checks)
}
