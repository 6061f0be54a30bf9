//! Makes the summary: the register and its details, the snapshots of the target, and the plan where there still is one.

use std::collections::{BTreeMap, BTreeSet};

use super::order::by_name;
use super::planned::{Plan, plan};
use super::redact::redacted;
use super::{
    BatchPlace, BatchSummary, BatchVerdict, CatalogSummary, CostSummary, FindingSummary, MigrationState,
    MigrationSummary, PinSummary, SideSummary, SourceSummary, TargetSummary, TrafficSummary, VERSION, unix_ms_now,
};
use crate::catalog::Table;
use crate::engine::names::{table_name, unknown_catalog};
use crate::engine::{Engine, describe};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::migrate::explain::PlannedPart;
use crate::migrate::job::JobId;
use crate::migrate::price::{PRICES_OF, Prices, Route, Traffic};
use crate::migrate::register::{Detail, MIXED_SCHEMAS, Register, Took};
use crate::pipeline::verify::Level;
use crate::sql;

impl Engine {
    /// What a table of an attached catalog tells of the migrations into it; none if it is no target. Changes nothing. The plan
    /// is in it where the catalog of the source is attached under its name and still has the snapshot.
    ///
    /// # Errors
    /// A name that is none, a table that cannot be loaded, a register or details that cannot be read.
    pub async fn migration_summaries(&self, target: &str) -> Result<Vec<MigrationSummary>> {
        let words = sql::parse_name(target)?;
        let name = table_name(&words)?;
        let catalog = self.catalogs.get(&name.catalog).ok_or_else(|| unknown_catalog(&words))?;
        let table = catalog.load_table(&name.ident).await?;
        let registers = Register::all(&table.metadata).map_err(|error| error.place(Stage::Catalog, &name))?;
        let mut summaries = Vec::new();
        for (job, register) in registers {
            summaries.push(summary(self, &table, job, &register).await?);
        }
        Ok(summaries)
    }
}

/// The summary of one migration.
///
/// # Errors
/// A table without a record of it.
pub(super) async fn summary_of(engine: &Engine, table: &Table, job: JobId) -> Result<MigrationSummary> {
    let register = Register::of(&table.metadata, job)?.ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "the table has no record of the migration").place(Stage::Catalog, &table.name)
    })?;
    summary(engine, table, job, &register).await
}

async fn summary(engine: &Engine, table: &Table, job: JobId, register: &Register) -> Result<MigrationSummary> {
    let details = register.entries(table).await?;
    let level = details.values().filter_map(|detail| detail.verify).max().unwrap_or_default();
    let mut notes = Vec::new();
    let planned = match plan(engine, &table.name, job, register, level).await {
        Ok(plan) => Some(plan),
        Err(error) => {
            let mut note = format!("There is no plan, and of the source only what was read: {error}.");
            let catalog = catalog_of(&register.source);
            if engine.catalogs.get(catalog).is_none() {
                note.push_str(&format!(" With the source attached as `{catalog}` the page has both."));
            }
            notes.push(note);
            None
        }
    };
    let (source, target) = (engine.catalogs.kind(catalog_of(&register.source)), &table.name.catalog);
    let is_known = !source.is_empty();
    let bill = Bill {
        prices: &engine.assumptions.prices,
        route: is_known.then(|| Route::between(&source, &engine.catalogs.kind(target))),
    };
    let facts = Facts { table, register, details: &details, plan: planned.as_ref(), bill: &bill };
    let batches = facts.batches();
    notes.extend(facts.notes(&batches));
    let findings = planned.iter().flat_map(|plan| &plan.findings).map(|finding| FindingSummary {
        level: finding.level.to_string(),
        subject: finding.subject.clone(),
        message: finding.message.clone(),
    });
    Ok(MigrationSummary {
        version: VERSION,
        icelift: env!("CARGO_PKG_VERSION").to_string(),
        made_unix_ms: unix_ms_now(),
        state: match register {
            register if register.is_finished() => MigrationState::Finished,
            register if register.is_rolled_back() => MigrationState::RolledBack,
            _ => MigrationState::Running,
        },
        job: job.to_string(),
        statement: register.statement.to_string(),
        options: BTreeMap::new(),
        source: SourceSummary {
            name: register.source.clone(),
            uuid: register.source_uuid.to_string(),
            catalog: attached(engine, catalog_of(&register.source)),
        },
        target: target_summary(engine, table),
        pin: PinSummary { round: register.pin.round, snapshot: register.pin.snapshot, schema: register.pin.schema },
        batch_count: u64::from(register.batches),
        done_count: register.done.count(),
        costs: facts.costs(engine, &batches),
        batches,
        findings: findings.collect(),
        notes,
    })
}

/// The first part of a table's name.
fn catalog_of(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

fn attached(engine: &Engine, name: &str) -> Option<CatalogSummary> {
    let found = engine.catalogs.describe().into_iter().find(|catalog| catalog.name == name)?;
    Some(CatalogSummary { kind: found.kind, warehouse: redacted(&found.warehouse) })
}

fn target_summary(engine: &Engine, table: &Table) -> TargetSummary {
    let described = describe(table);
    let own = |key: &str| key.starts_with("icelift.");
    let properties = described.properties.into_iter().filter(|(key, _)| !own(key));
    TargetSummary {
        name: described.name,
        uuid: described.uuid,
        catalog: attached(engine, &table.name.catalog),
        location: redacted(&described.location),
        format_version: described.format_version,
        snapshot: described.snapshot.map(|snapshot| snapshot.id),
        partitioned_by: described.partitioned_by,
        sorted_by: described.sorted_by,
        properties: properties.map(|(key, value)| (key, redacted(&value))).collect(),
    }
}

/// What traffic costs, each part what it adds to those before.
struct Bill<'a> {
    prices: &'a Prices,
    /// None where it is not known who charges for the source.
    route: Option<Route>,
}

impl Bill<'_> {
    fn all(&self, traffic: &Traffic) -> Option<f64> {
        self.route.map(|route| micro(self.prices.cost(route, traffic).once().0))
    }

    fn added(&self, sum: &mut Traffic, traffic: Traffic) -> Option<f64> {
        let cost = |traffic: &Traffic| self.route.map(|route| self.prices.cost(route, traffic).once().0);
        let before = cost(sum);
        *sum = *sum + traffic;
        cost(sum).zip(before).map(|(behind, before)| micro(behind - before))
    }
}

/// To a millionth, which is what one request costs.
fn micro(dollars: f64) -> f64 {
    (dollars * 1e6).round() / 1e6
}

/// Everything that a summary is made of.
struct Facts<'a> {
    table: &'a Table,
    register: &'a Register,
    details: &'a BTreeMap<String, Detail>,
    plan: Option<&'a Plan>,
    bill: &'a Bill<'a>,
}

impl Facts<'_> {
    fn batches(&self) -> Vec<BatchSummary> {
        let there = self.details.values().filter(|detail| !detail.rolled_back).count();
        let all_are_done = self.register.counts_all(there);
        let mut sum = self.plan.map(|plan| plan.whole.before).unwrap_or_default();
        let mut actual_sum = Traffic::default();
        let mut batch = |key: &str, part: Option<&PlannedPart>| {
            let detail = self.details.get(key);
            let plan = part.map(|part| planned_traffic(part, self.bill.added(&mut sum, part.traffic)));
            let took = detail.and_then(|detail| detail.took);
            let actual = took.map(|took| actual_traffic(&took, self.bill.added(&mut actual_sum, took.traffic)));
            let source = part.map(|part| SideSummary {
                rows: part.rows.count,
                exact: part.rows.exact,
                bytes: part.bytes,
                files: part.files,
            });
            let place = self.place(detail, all_are_done);
            self.batch((key, place), detail, source, (plan, actual))
        };
        let mut batches = Vec::new();
        let mut planned = BTreeSet::new();
        for part in self.plan.iter().flat_map(|plan| &plan.whole.batches) {
            planned.insert(part.key.as_str());
            batches.push(batch(&part.key, Some(part)));
        }
        let mut others: Vec<&str> =
            self.details.keys().map(String::as_str).filter(|key| !planned.contains(key)).collect();
        others.sort_by(|a, b| by_name(a, b));
        batches.extend(others.into_iter().map(|key| batch(key, None)));
        batches
    }

    fn place(&self, detail: Option<&Detail>, all_are_done: bool) -> BatchPlace {
        match detail {
            None => BatchPlace::Pending,
            Some(detail) if detail.rolled_back => BatchPlace::RolledBack,
            Some(detail) if all_are_done || detail.pin == self.register.pin.snapshot => BatchPlace::Done,
            Some(_) => BatchPlace::Earlier,
        }
    }

    fn batch(
        &self,
        (key, state): (&str, BatchPlace),
        detail: Option<&Detail>,
        source: Option<SideSummary>,
        (plan, actual): (Option<TrafficSummary>, Option<TrafficSummary>),
    ) -> BatchSummary {
        let there = detail.filter(|detail| !detail.rolled_back);
        let has_print = there.filter(|detail| detail.schema != MIXED_SCHEMAS);
        let committed = there.and_then(|detail| self.table.metadata.snapshot_by_id(detail.snapshot));
        let committed = committed.and_then(|snapshot| u64::try_from(snapshot.timestamp_ms()).ok());
        let ended = there.and_then(|detail| detail.unix_ms).or(committed);
        let took = there.and_then(|detail| detail.took).map(|took| took.milliseconds);
        BatchSummary {
            batch: key.to_string(),
            state,
            source,
            target: there.map(|detail| SideSummary {
                rows: detail.print.rows,
                exact: true,
                bytes: detail.bytes,
                files: detail.files,
            }),
            plan,
            actual: actual.filter(|_| there.is_some()),
            verdict: there.map_or(BatchVerdict::Absent, verdict),
            fingerprint: has_print.map(|detail| detail.print.to_string()),
            portable_fingerprint: has_print.and_then(|detail| detail.portable).map(|print| print.to_string()),
            copied_rows: there.map_or(0, |detail| detail.copied_rows),
            begun_unix_ms: ended.zip(took).map(|(ended, took)| ended.saturating_sub(took)),
            ended_unix_ms: ended,
            source_snapshot: there.and_then(|detail| detail.pin),
            snapshot: there.map(|detail| detail.snapshot),
            attempt: there.filter(|detail| !detail.attempt.is_nil()).map(|detail| detail.attempt.to_string()),
        }
    }

    fn costs(&self, engine: &Engine, batches: &[BatchSummary]) -> CostSummary {
        let parts = |is_done: bool| {
            let keys: BTreeSet<&str> =
                batches.iter().filter(|it| it.actual.is_some()).map(|it| it.batch.as_str()).collect();
            let parts = self.plan.iter().flat_map(|plan| &plan.whole.batches);
            let wanted: Vec<_> = parts.filter(|part| !is_done || keys.contains(part.key.as_str())).collect();
            let before = self.plan.filter(|_| !is_done).map(|plan| plan.whole.before).unwrap_or_default();
            let traffic = wanted.iter().fold(before, |sum, part| sum + part.traffic);
            let seconds = wanted.iter().map(|part| part.seconds).sum::<Option<f64>>();
            self.plan.map(|_| TrafficSummary { seconds, ..traffic_summary(&traffic, self.bill.all(&traffic)) })
        };
        let there = || self.details.values().filter(|detail| !detail.rolled_back);
        let took = || there().filter_map(|detail| detail.took);
        let all = took().fold(Took::default(), Took::and);
        let stored: u64 = there().map(|detail| detail.bytes).sum();
        let stored = Traffic { stored_bytes: stored, ..Traffic::default() };
        let storage = self.bill.route.map(|route| micro(self.bill.prices.cost(route, &stored).storage_per_month.0));
        CostSummary {
            prices_of: PRICES_OF.to_string(),
            prices_changed: *self.bill.prices != Prices::default(),
            bandwidth_bytes_per_second: engine.assumptions.bandwidth_bytes_per_second,
            plan: parts(false),
            plan_of_done: parts(true),
            actual: actual_traffic(&all, self.bill.all(&all.traffic)),
            not_recorded: (there().count() - took().count()) as u64,
            storage_dollars_per_month: storage,
        }
    }

    fn notes(&self, batches: &[BatchSummary]) -> Vec<String> {
        let mut notes = Vec::new();
        let there = || batches.iter().filter(|batch| batch.target.is_some());
        let timeless = there().filter(|batch| batch.ended_unix_ms.is_none()).count();
        if timeless > 0 {
            notes.push(format!("Of {timeless} batches no time is known: their snapshots have expired."));
        }
        if self.bill.route.is_none() {
            notes.push(
                "Without the source's catalog nobody knows who charges for reading it: no dollars are told.".into(),
            );
        }
        let named = batches.iter().filter(|batch| batch.target.is_none()).count() as u64;
        let left = u64::from(self.register.batches).saturating_sub(self.register.done.count());
        if left > named && self.plan.is_none() {
            notes.push(format!("{left} batches are pending; without the source their names are not known."));
        }
        notes
    }
}

fn verdict(detail: &Detail) -> BatchVerdict {
    match detail.verify {
        Some(Level::Portable) if detail.portable.is_some() => BatchVerdict::VerifiedPortable,
        Some(Level::Portable | Level::Content) => BatchVerdict::Verified,
        Some(Level::Metadata) => BatchVerdict::Counted,
        None => BatchVerdict::NotRecorded,
    }
}

fn traffic_summary(traffic: &Traffic, dollars: Option<f64>) -> TrafficSummary {
    TrafficSummary {
        read_bytes: traffic.read_bytes,
        source_requests: traffic.source_gets,
        target_puts: traffic.target_puts,
        target_gets: traffic.target_gets,
        catalog_calls: Some(traffic.source_calls + traffic.target_calls),
        dollars,
        seconds: None,
    }
}

fn planned_traffic(part: &PlannedPart, dollars: Option<f64>) -> TrafficSummary {
    TrafficSummary { seconds: part.seconds, ..traffic_summary(&part.traffic, dollars) }
}

/// Up to its commit a batch calls no catalog, and what comes behind is not in its record.
fn actual_traffic(took: &Took, dollars: Option<f64>) -> TrafficSummary {
    let seconds = Some(took.milliseconds as f64 / 1e3);
    TrafficSummary { seconds, catalog_calls: None, ..traffic_summary(&took.traffic, dollars) }
}
