//! What a MIGRATE is about to do, from metadata alone: nothing is changed yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::Fields;
use datafusion::logical_expr::Expr;
use iceberg::spec::FormatVersion;
use uuid::Uuid;

use super::batches::{self, Batch, BatchBy};
use super::evolve::Evolution;
use super::job::JobId;
use super::register::{Detail, Pin, Register, Words};
use super::rounds::{Comparison, Earlier, Mode, Planner};
use super::spent::Spent;
use super::{query, rounds, target, version};
use crate::catalog::{Catalog, IcebergTable, NewTable, Table, TableName};
use crate::engine::names::{table_name, unknown_catalog};
use crate::engine::{Engine, View};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::sql::Migrate;

/// A migration, looked at from all sides.
pub(crate) struct Prepared {
    pub statement: Migrate,
    pub job: JobId,
    /// The source at its pin.
    pub source: IcebergTable,
    /// The names of the target's columns that are not the source's columns of the same name as they are.
    pub computed: BTreeSet<String>,
    /// Counts from here on.
    pub spent: Arc<Spent>,
    pub target_catalog: Arc<dyn Catalog>,
    pub target_name: TableName,
    pub target: Target,
    /// What the target knows of the migration.
    pub register: Option<Register>,
    /// The batches that are done, by key.
    pub details: BTreeMap<String, Detail>,
    /// What it will know at the beginning, but for epoch and owner.
    pub next: Register,
    pub plan: Vec<Batch>,
    /// How the batches of this run come into the target, by number.
    pub modes: BTreeMap<u32, Mode>,
    /// The numbers of the batches to do in this run.
    pub pending: Vec<u32>,
    /// Whether the statement's WHERE only picks batches, and which they are.
    pub picked: Option<BTreeSet<u32>>,
}

/// Where the rows go.
pub(crate) enum Target {
    Exists {
        table: Box<Table>,
        /// What must change before rows can be written.
        evolution: Option<Box<Evolution>>,
    },
    New(Box<NewTable>),
}

impl Prepared {
    /// Reads the metadata of both tables and plans.
    ///
    /// # Errors
    /// Names that are not there, a query that is not row by row, a target that does not fit, a register that says otherwise.
    pub async fn new(engine: &Engine, statement: &Migrate) -> Result<Self> {
        let (source_name, target_name) = (table_name(&statement.source)?, table_name(&statement.target)?);
        if source_name == target_name {
            return Err(Error::new(ErrorKind::Sql, "the source of a migration is its target")
                .place(Stage::Catalog, &target_name));
        }
        let catalog = |name: &TableName, words: &[String]| {
            engine.catalogs.get(&name.catalog).ok_or_else(|| unknown_catalog(words))
        };
        let source_catalog = catalog(&source_name, &statement.source)?;
        let target_catalog = catalog(&target_name, &statement.target)?;
        let spent = Spent::new(engine, (&source_name, &source_catalog), (&target_name, &target_catalog));
        let newest = source_catalog.load_table(&source_name.ident).await?;
        let current = version::of_source(statement, newest, &engine.session().state())?;
        let found = target_catalog.find_table(&target_name.ident).await?;
        let draft = Draft::new(engine, statement, &source_catalog, &current).await?;
        let job = JobId::new(current.metadata.uuid(), &draft.words);
        let register = found.as_ref().map(|table| Register::of(&table.metadata, job)).transpose()?.flatten();
        if let (Some(register), Some(table)) = (&register, &found) {
            register.check_lineage(&table.metadata).map_err(|error| error.place(Stage::Snapshot, &target_name))?;
        }
        let pin = pin(register.as_ref(), &current);
        version::check(statement, register.as_ref(), pin, &current)?;
        let details = match (&register, &found) {
            (Some(register), Some(table)) => register.details(table).await?,
            _ => BTreeMap::new(),
        };
        let mut planned = draft.pinned(engine, &source_catalog, &current, pin).await?;
        planned.plan = rounds::with_vanished(planned.plan, &details);
        let now = IcebergTable::new(Arc::clone(&source_catalog), current.clone())?;
        let view = View::new(engine, false).await;
        let comparison = Comparison { current: &now, details: &details };
        let next = draft.register(&current, register.as_ref(), pin, &planned.plan, &comparison)?;
        if let Some(table) = &found {
            others(table, job, &next, &planned.plan).await?;
            target::check_partitioned(statement, table)?;
        }
        let target = match found {
            Some(table) => existing(statement, &target_catalog, table, &planned.columns)?,
            None => {
                let (source, kind) = (&planned.source.table, engine.catalogs.kind(&target_name.catalog));
                let new = target::new_table(statement, &target_name, &kind, source, &planned.columns)?;
                let checked = target_catalog.check_new_table(&new.ident, new.location.as_deref());
                checked.map_err(|error| error.place(Stage::Catalog, &target_name))?;
                Target::New(Box::new(new))
            }
        };
        let picked = draft.picked(&planned.plan, &view)?;
        let pending = next.pending().filter(|number| picked.as_ref().is_none_or(|picked| picked.contains(number)));
        let pending: Vec<u32> = pending.collect();
        let planner = DraftPlanner { draft: &draft, view: &view };
        let mut earlier = Earlier { plan: &planner, known: BTreeMap::new() };
        let mut modes = BTreeMap::new();
        for number in &pending {
            if let Some(batch) = planned.plan.get(*number as usize) {
                modes.insert(*number, comparison.mode(batch, &mut earlier).await?);
            }
        }
        Ok(Self {
            statement: statement.clone(),
            job,
            source: planned.source,
            computed: planned.computed,
            spent: Arc::new(spent),
            target_catalog,
            target_name,
            target,
            register,
            details,
            next,
            plan: planned.plan,
            modes,
            pending,
            picked,
        })
    }

    /// The target as it is, or as it will be created.
    pub fn target_table(&self) -> Result<Table> {
        match &self.target {
            Target::Exists { table, .. } => Ok(table.as_ref().clone()),
            Target::New(new) => {
                let metadata = new.as_ref().clone().metadata("explained:/".to_string())?;
                Ok(Table::staged(self.target_name.clone(), metadata, self.target_catalog.store().clone()))
            }
        }
    }
}

fn existing(statement: &Migrate, catalog: &Arc<dyn Catalog>, table: Table, columns: &Fields) -> Result<Target> {
    if table.metadata.format_version() == FormatVersion::V1 {
        // Without sequence numbers a commit that comes late fits again when somebody sets the table back.
        return Err(Error::new(
            ErrorKind::Unsupported,
            "MIGRATE needs a target of format version 2 or 3, this one has 1",
        )
        .place(Stage::Catalog, &table.name)
        .hint("set its property `format-version` to 2 with the engine that made it, or migrate into a new table"));
    }
    let target = IcebergTable::new(Arc::clone(catalog), table.clone())?;
    let evolution = Evolution::new(columns, &target)?;
    if let Some(evolution) = &evolution {
        evolution.check(&target, statement.options.merge_schema)?;
    }
    Ok(Target::Exists { table: Box::new(table), evolution: evolution.map(Box::new) })
}

/// What the statement says about the source as it is now.
struct Draft<'a> {
    statement: &'a Migrate,
    by: BatchBy,
    /// The conditions of its WHERE.
    filters: Vec<Expr>,
    /// Whether they only pick batches.
    picks: bool,
    words: Words,
}

impl<'a> Draft<'a> {
    async fn new(engine: &Engine, statement: &'a Migrate, catalog: &Arc<dyn Catalog>, current: &Table) -> Result<Self> {
        let by = match &statement.batch_by {
            None => BatchBy::of_source(&current.metadata),
            Some(field) => BatchBy::parse(current.metadata.current_schema(), &field.column, field.transform)
                .map_err(|error| error.place(Stage::Scan, &current.name))?,
        };
        let view = View::new(engine, false).await;
        view.show(IcebergTable::new(Arc::clone(catalog), current.clone())?)?;
        let plan = view.plan(&statement.query).await?;
        query::check_row_by_row(&plan)?;
        let filters = query::filters(&plan)?;
        let picks = !filters.is_empty() && batches::selects_batches(&filters, &by);
        let words = Words {
            select: statement.select_text.clone().filter(|text| text != "*"),
            filter: statement.where_text.clone().filter(|_| !picks),
            batch_by: (by != BatchBy::Whole).then(|| by.to_string()),
        };
        Ok(Self { statement, by, filters, picks, words })
    }

    /// The source at a pin, and its batches there.
    async fn pinned(&self, engine: &Engine, catalog: &Arc<dyn Catalog>, current: &Table, pin: Pin) -> Result<Planned> {
        let table = match pin.snapshot {
            Some(snapshot) => current.pinned(snapshot, pin.schema)?,
            None => current.clone(),
        };
        let source = IcebergTable::new(Arc::clone(catalog), table)?;
        let view = View::new(engine, false).await;
        view.show(source.clone())?;
        let query = view.plan(&self.statement.query).await?;
        let columns = query.schema().as_arrow().fields().clone();
        let plan = self.batches(&view, &source).await?;
        Ok(Planned { source, columns, computed: query::computed(&query), plan })
    }

    /// The batches of a version of the source. A WHERE that picks batches does not change them, only which are done now.
    async fn batches(&self, view: &View<'_>, source: &IcebergTable) -> Result<Vec<Batch>> {
        let filters: &[Expr] = if self.picks { &[] } else { &self.filters };
        let state = view.state();
        match batches::batches(source, &state, filters, &self.by).await {
            Err(error) if self.statement.options.scan_batches && error.kind() == ErrorKind::Unsupported => {
                let values = batches::scanned_values(view.context(), source, filters, &self.by).await?;
                batches::batches_from_values(source, &state, filters, &self.by, values).await
            }
            planned => planned,
        }
    }

    /// What the target will know at the beginning.
    fn register(
        &self,
        current: &Table,
        register: Option<&Register>,
        pin: Pin,
        plan: &[Batch],
        comparison: &Comparison<'_>,
    ) -> Result<Register> {
        let place = |error: Error| error.place(Stage::Scan, &current.name);
        let hash = batches::plan_hash(plan);
        let count = u32::try_from(plan.len()).map_err(|_| {
            place(Error::new(ErrorKind::Unsupported, format!("{} batches are too many", plan.len())))
                .hint("choose a coarser field: BATCH BY month(ts)")
        })?;
        let mut next = match register {
            Some(register) if register.pin == pin => {
                if (&register.plan, register.batches) == (&hash, count) {
                    return Ok(register.clone());
                }
                let message = "the batches are not those that the migration began with";
                return Err(place(Error::new(ErrorKind::Drift, message))
                    .hint("continue with the version of icelift that began the migration"));
            }
            Some(register) => Register { pin, recount: false, ..register.clone() },
            None => {
                let (name, uuid) = (current.name.plain(), current.metadata.uuid());
                Register::new(name, uuid, self.words.clone(), pin, Uuid::nil())
            }
        };
        (next.plan, next.batches) = (hash, count);
        comparison.carry_over(&mut next.done, plan, pin.snapshot);
        Ok(next)
    }

    fn picked(&self, plan: &[Batch], view: &View<'_>) -> Result<Option<BTreeSet<u32>>> {
        if !self.picks {
            return Ok(None);
        }
        let state = view.state();
        let mut picked = BTreeSet::new();
        for (number, batch) in (0..).zip(plan) {
            if batches::selected(batch, &self.filters, &self.by, &state)? {
                picked.insert(number);
            }
        }
        Ok(Some(picked))
    }
}

struct Planned {
    source: IcebergTable,
    columns: Fields,
    computed: BTreeSet<String>,
    plan: Vec<Batch>,
}

/// The version of the source that is copied: that of a migration that is not finished while it is there, else the newest.
fn pin(register: Option<&Register>, current: &Table) -> Pin {
    let metadata = &current.metadata;
    let newest = (metadata.current_snapshot_id(), metadata.current_schema_id());
    let Some(register) = register else { return Pin { round: 1, snapshot: newest.0, schema: newest.1 } };
    let is_there = register.pin.snapshot.is_none_or(|snapshot| metadata.snapshot_by_id(snapshot).is_some());
    let is_newest = register.pin.snapshot == newest.0;
    if (!register.is_finished() && is_there) || is_newest {
        let pin = register.pin;
        // The batches are counted anew, and nothing that was listed before is adopted: a round of its own.
        return if register.recount { Pin { round: pin.round + 1, ..pin } } else { pin };
    }
    Pin { round: register.pin.round + 1, snapshot: newest.0, schema: newest.1 }
}

struct DraftPlanner<'a> {
    draft: &'a Draft<'a>,
    view: &'a View<'a>,
}

#[async_trait::async_trait]
impl Planner for DraftPlanner<'_> {
    async fn plan(&self, source: &IcebergTable) -> Result<Vec<Batch>> {
        self.draft.batches(self.view, source).await
    }
}

/// Fails where the table has batches of another migration of the same source: their rows would come twice.
async fn others(table: &Table, job: JobId, next: &Register, plan: &[Batch]) -> Result<()> {
    for (other, register) in Register::all(&table.metadata)? {
        if other == job || register.source_uuid != next.source_uuid || register.is_rolled_back() {
            continue;
        }
        let refused = |what: String| {
            let words = |register: &Register| register.statement.to_string();
            Error::new(ErrorKind::Drift, format!("{what} by the migration {}", words(&register)))
                .place(Stage::Catalog, &table.name)
                .hint(format!("use the words of that migration, or another target; found {}", words(next)))
        };
        if register.statement.batch_by != next.statement.batch_by {
            return Err(refused("rows of the same source came in other batches".to_string()));
        }
        let details = register.details(table).await?;
        if let Some(batch) = plan.iter().find(|batch| details.contains_key(&batch.key)) {
            return Err(refused(format!("the batch `{}` was copied", batch.key)));
        }
    }
    Ok(())
}
