//! Both sides of a verification: what the source should have given, what the target has, and what was recorded of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::datasource::provider_as_source;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use iceberg::spec::NestedFieldRef;

use super::prints::Print;
use super::rows::{Check, Verdict};
use crate::catalog::{IcebergTable, Table, TableName, quoted};
use crate::engine::names::{table_name, unknown_catalog};
use crate::engine::{Engine, View};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::migrate::batches::{self, Batch, BatchBy};
use crate::migrate::copy::restricted;
use crate::migrate::query;
use crate::migrate::register::{Detail, Register};
use crate::migrate::run::Migration;
use crate::pipeline::scan::PlannedFile;
use crate::pipeline::select::{self, Assignment};
use crate::pipeline::verify::{Level, Prints};
use crate::sql::{self, BatchValue, Migrate, Verify};

/// What is compared.
pub(super) struct Sides {
    engine: Engine,
    /// At the snapshot that was copied; None if its catalog is not attached or the snapshot is gone.
    pub source: Option<IcebergTable>,
    pub target: IcebergTable,
    /// Those of the target.
    pub columns: SchemaRef,
    /// How rows of the source become rows of the target.
    statement: Migrate,
    /// Whether the statement keeps all rows, so that the source's own numbers of rows can be compared.
    keeps_all_rows: bool,
    /// Whether the target was migrated from the source.
    is_migrated: bool,
    source_plan: Vec<Batch>,
    target_plan: Vec<Batch>,
    details: BTreeMap<String, Detail>,
    /// The target's columns that are not the source's columns of the same name as they are.
    computed: BTreeSet<String>,
}

/// One batch on both sides.
pub(super) struct BatchPair {
    pub key: String,
    pub source: Option<Batch>,
    pub target: Option<Batch>,
    pub recorded: Option<Detail>,
}

impl BatchPair {
    /// The rows that the target should have, as far as that is known.
    pub fn rows_expected(&self) -> u64 {
        let planned = self.source.as_ref().map_or(0, |batch| batch.rows.count);
        self.recorded.as_ref().map_or(planned, |detail| detail.print.rows)
    }

    /// What was recorded, if it was taken of the columns that are compared.
    pub fn recorded_print(&self, sides: &Sides, level: Level) -> Option<Print> {
        let schema = sides.target.table.metadata.current_schema_id();
        let detail = self.recorded.as_ref().filter(|detail| detail.schema == schema)?;
        match level {
            Level::Portable => detail.portable.filter(|_| sides.knows_copied_columns()).map(Print::Portable),
            // Of rows that were copied there are digests of bytes, which rows that are read do not have.
            Level::Metadata | Level::Content => (detail.copied_rows == 0).then_some(Print::Content(detail.print)),
        }
    }
}

impl BatchPair {
    /// What was recorded, if rows were copied undecoded: then it can be compared with files only.
    pub fn recorded_bytes(&self, sides: &Sides, level: Level) -> Option<Prints> {
        let schema = sides.target.table.metadata.current_schema_id();
        let detail = self.recorded.as_ref().filter(|detail| detail.schema == schema && detail.copied_rows > 0)?;
        (level == Level::Content).then(|| Prints { portable: None, ..detail.prints() })
    }
}

impl Sides {
    /// Reads the metadata of both sides.
    ///
    /// # Errors
    /// Names that are not there; no record in the target where the statement names no source.
    pub async fn new(engine: &Engine, statement: &Verify) -> Result<Self> {
        let target_name = table_name(&statement.target)?;
        let table = load(engine, &target_name, &statement.target).await?;
        let named = match &statement.source {
            Some(words) => Some(load(engine, &table_name(words)?, words).await?),
            None => None,
        };
        match register(&table, named.as_ref(), statement.source.is_some())? {
            Some(register) => Self::migrated(engine, table, named, register).await,
            None => match named {
                Some(source) => Self::foreign(engine, table, source).await,
                None => Err(Error::new(ErrorKind::NotFound, "the table has no record of a migration")
                    .place(Stage::Verify, &table.name)
                    .hint("name what to compare it with: VERIFY TABLE … AGAINST …")),
            },
        }
    }

    /// A target with a record of the migration that filled it.
    async fn migrated(engine: &Engine, table: Table, named: Option<Table>, register: Register) -> Result<Self> {
        let details = register.details(&table).await?;
        let source = match named {
            Some(source) => Some(source),
            None => recorded_source(engine, &register).await,
        };
        // A source that cannot be loaded is named all the same: the statement is not run.
        let name = source.as_ref().map_or_else(|| quoted(&register.source), |source| source.name.quoted());
        let statement = statement(&register.statement.of(name, table.name.quoted()))?;
        let pinned = source.and_then(|source| match register.pin.snapshot {
            Some(snapshot) => source.pinned(snapshot, register.pin.schema).ok(),
            None => Some(source),
        });
        let schemas: BTreeSet<i32> = details.values().map(|detail| detail.schema).collect();
        let table = match (schemas.first(), schemas.len(), table.metadata.current_snapshot_id()) {
            (Some(schema), 1, Some(snapshot)) => table.pinned(snapshot, *schema).unwrap_or(table),
            _ => table,
        };
        Self::planned(engine, table, pinned, statement, details, true).await
    }

    /// A target that nothing is recorded of: the columns that both sides have are compared.
    async fn foreign(engine: &Engine, table: Table, source: Table) -> Result<Self> {
        let target = table.metadata.current_schema();
        let shared = source.metadata.current_schema().as_struct().fields().iter();
        let shared = shared.filter(|field| target.as_struct().fields().iter().any(|it| it.name == field.name));
        let shared: Vec<_> = shared.map(|field| quoted(&field.name)).collect();
        if shared.is_empty() {
            return Err(Error::new(ErrorKind::SchemaMismatch, "the tables have no column in common")
                .place(Stage::Verify, &table.name));
        }
        let migration = Migration::new(source.name.quoted(), table.name.quoted()).select(shared.join(", "));
        Self::planned(engine, table, Some(source), statement(&migration)?, BTreeMap::new(), false).await
    }

    async fn planned(
        engine: &Engine,
        target: Table,
        source: Option<Table>,
        statement: Migrate,
        details: BTreeMap<String, Detail>,
        is_migrated: bool,
    ) -> Result<Self> {
        let provider = |table: Table| {
            let catalog = engine.catalogs.get(&table.name.catalog).ok_or_else(|| unknown_catalog(&[]))?;
            IcebergTable::new(catalog, table)
        };
        let target = provider(target)?;
        let source = source.map(provider).transpose()?;
        let columns = target.schema();
        let by = batch_by(&statement, source.as_ref(), &target);
        let plans = |by| plans(engine, source.as_ref(), &target, &statement, by);
        // Where the metadata of either side does not tell its batches, both are compared as wholes.
        let (by, plans) = match plans(by.clone()).await {
            Err(error) if error.kind() == ErrorKind::Unsupported && by != BatchBy::Whole => {
                (BatchBy::Whole, plans(BatchBy::Whole).await?)
            }
            planned => (by, planned?),
        };
        let Plans { source: source_plan, target: target_plan, computed } = plans;
        let details = if by == BatchBy::Whole { whole(details) } else { details };
        let keeps_all_rows = statement.where_text.is_none();
        Ok(Self {
            computed,
            engine: engine.clone(),
            source,
            target,
            columns,
            statement,
            keeps_all_rows,
            is_migrated,
            source_plan,
            target_plan,
            details,
        })
    }

    /// The batches of either side, by key; of these the one that is asked for.
    ///
    /// # Errors
    /// No side has the batch.
    pub fn pairs(&self, wanted: Option<&BatchValue>) -> Result<Vec<BatchPair>> {
        let (source, target) = (by_key(&self.source_plan), by_key(&self.target_plan));
        let planned = self.source_plan.iter().chain(&self.target_plan).map(|batch| batch.key.as_str());
        let mut seen = HashSet::new();
        let mut keys: Vec<&str> = planned.chain(self.details.keys().map(String::as_str)).collect();
        keys.retain(|key| seen.insert(*key));
        if let Some(wanted) = wanted {
            let known = keys.clone();
            keys.retain(|key| is_batch(key, wanted));
            if keys.is_empty() {
                let known: Vec<_> = known.iter().take(20).map(|key| format!("`{key}`")).collect();
                return Err(Error::new(ErrorKind::NotFound, "neither side has this batch")
                    .place(Stage::Verify, &self.target.table.name)
                    .hint(format!("the batches are {}", known.join(", "))));
            }
        }
        let pair = |key: &str| BatchPair {
            key: key.to_string(),
            source: source.get(key).copied().cloned(),
            target: target.get(key).copied().cloned(),
            recorded: self.details.get(key).cloned(),
        };
        Ok(keys.into_iter().map(pair).collect())
    }

    /// The WHERE of the migration, in its own words.
    pub fn source_filter(&self) -> Option<&str> {
        self.statement.where_text.as_deref()
    }

    pub fn counts_are_comparable(&self) -> bool {
        self.keeps_all_rows
    }

    /// A check for columns that only one side has. Of a migrated table they are its statement's.
    pub fn missing_columns(&self) -> Vec<Check> {
        let Some(source) = self.source.as_ref().filter(|_| !self.is_migrated) else { return Vec::new() };
        let only = |of: &SchemaRef, other: &SchemaRef| {
            let names = of.fields().iter().map(|field| field.name().as_str());
            names.filter(|name| other.field_with_name(name).is_err()).collect::<Vec<_>>().join(", ")
        };
        let (source, target) = (only(&source.schema(), &self.columns), only(&self.columns, &source.schema()));
        if source.is_empty() && target.is_empty() {
            return Vec::new();
        }
        let verdict = if source.is_empty() { Verdict::Ignored } else { Verdict::Different };
        let shown = |names: String| Some(names).filter(|names| !names.is_empty());
        let (source, target) = (shown(source), shown(target));
        vec![Check { batch: "all".to_string(), partition: None, check: "columns", source, target, verdict }]
    }

    /// Whether it is known which of the target's columns are the source's as they are. What a SELECT computes, only the
    /// source's schema tells.
    fn knows_copied_columns(&self) -> bool {
        self.source.is_some() || self.statement.select_text.is_none()
    }

    /// The columns that go into a fingerprint, as indices into those of the target. The portable one takes those that both
    /// sides have, in the order of the source: added columns are no business of another engine.
    pub fn compared_columns(&self, level: Level) -> Vec<usize> {
        let all = || (0..self.columns.fields().len()).collect();
        let Some(source) = &self.source else { return all() };
        if self.is_migrated && level != Level::Portable {
            return all();
        }
        query::copied(&source.schema(), &self.columns, &self.computed)
    }

    /// The same as fields of the target's schema.
    pub fn compared_fields(&self, level: Level) -> Vec<NestedFieldRef> {
        let fields = self.target.table.metadata.current_schema().as_struct().fields();
        self.compared_columns(level).into_iter().filter_map(|index| fields.get(index).cloned()).collect()
    }

    /// A plan of the target's rows of a batch.
    pub fn target_rows(&self, pair: &BatchPair) -> Result<LogicalPlan> {
        let files = pair.target.as_ref().map_or(&[][..], |batch| &batch.files);
        self.target_rows_of(pair, files)
    }

    /// A plan of those rows of a batch that some of the target's files have.
    pub fn target_rows_of(&self, pair: &BatchPair, files: &[Arc<PlannedFile>]) -> Result<LogicalPlan> {
        let files = self.target.reading_only(files);
        let plan = LogicalPlanBuilder::scan("target", provider_as_source(Arc::new(files) as _), None)?;
        match pair.target.as_ref().and_then(|batch| batch.predicate.clone()) {
            Some(predicate) => Ok(plan.filter(predicate)?.build()?),
            None => Ok(plan.build()?),
        }
    }

    /// A plan of the source's rows of a batch, as the target should have them; None if there is no source to read.
    pub async fn source_rows(&self, pair: &BatchPair) -> Result<Option<LogicalPlan>> {
        let Some(source) = &self.source else { return Ok(None) };
        let files = pair.source.as_ref().map_or(&[][..], |batch| &batch.files);
        let view = View::new(&self.engine, false).await;
        view.show(source.reading_only(files))?;
        let query = view.plan(&self.statement.query).await?;
        let query = match pair.source.as_ref().and_then(|batch| batch.predicate.as_ref()) {
            Some(predicate) => restricted(query, predicate)?,
            None => query,
        };
        let schema = self.target.table.metadata.current_schema();
        select::assign(query, Assignment::Name, &self.columns, schema)
            .map(Some)
            .map_err(|error| error.place(Stage::Verify, &self.target.table.name))
    }

    /// Streams that are read at once, and the pool that counts what they hold.
    pub fn resources(&self) -> (usize, Arc<dyn MemoryPool>) {
        let session = self.engine.session();
        (session.state().config().target_partitions(), Arc::clone(&session.runtime_env().memory_pool))
    }

    /// Runs a plan on every core.
    pub async fn run(&self, plan: LogicalPlan) -> Result<Vec<SendableRecordBatchStream>> {
        let frame = self.engine.session().execute_logical_plan(plan).await?;
        Ok(frame.execute_stream_partitioned().await?)
    }
}

async fn load(engine: &Engine, name: &TableName, words: &[String]) -> Result<Table> {
    let catalog = engine.catalogs.get(&name.catalog).ok_or_else(|| unknown_catalog(words))?;
    catalog.load_table(&name.ident).await
}

/// The record of the migration that is meant.
fn register(target: &Table, source: Option<&Table>, is_named: bool) -> Result<Option<Register>> {
    let all = Register::all(&target.metadata)?;
    let uuid = source.map(|source| source.metadata.uuid());
    let mut found: Vec<_> =
        all.into_iter().map(|(_, it)| it).filter(|it| !is_named || Some(it.source_uuid) == uuid).collect();
    match found.len() {
        0 | 1 => Ok(found.pop()),
        several => Err(Error::new(ErrorKind::Unsupported, format!("{several} migrations have filled the table"))
            .place(Stage::Verify, &target.name)
            .hint("VERIFY compares with one; SHOW MIGRATIONS lists them, AGAINST names a source")),
    }
}

/// The source that the record names, if it is attached and still the same table.
async fn recorded_source(engine: &Engine, register: &Register) -> Option<Table> {
    let words: Vec<String> = register.source.split('.').map(str::to_string).collect();
    let name = table_name(&words).ok()?;
    let table = load(engine, &name, &words).await.ok()?;
    (table.metadata.uuid() == register.source_uuid).then_some(table)
}

fn statement(migration: &Migration) -> Result<Migrate> {
    match sql::parse(&migration.to_sql())? {
        sql::Statement::Migrate(statement) => Ok(statement),
        _ => Err(Error::new(ErrorKind::Internal, "the words of a migration make another statement")),
    }
}

/// The batches in which both sides can be compared: those of the statement if the target has the column too.
fn batch_by(statement: &Migrate, source: Option<&IcebergTable>, target: &IcebergTable) -> BatchBy {
    let metadata = |table: &IcebergTable| table.table.metadata.clone();
    let by = match &statement.batch_by {
        Some(field) => BatchBy::parse(metadata(target).current_schema(), &field.column, field.transform).ok(),
        None => source.map(|source| BatchBy::of_source(&metadata(source))),
    };
    let by = by.unwrap_or(BatchBy::Whole);
    match &by {
        BatchBy::Field { column, transform }
            if BatchBy::parse(metadata(target).current_schema(), column, *transform).is_err() =>
        {
            BatchBy::Whole
        }
        _ => by,
    }
}

fn by_key(plan: &[Batch]) -> HashMap<&str, &Batch> {
    plan.iter().map(|batch| (batch.key.as_str(), batch)).collect()
}

/// The record of all batches as one.
fn whole(details: BTreeMap<String, Detail>) -> BTreeMap<String, Detail> {
    let mut all: Option<Detail> = None;
    for detail in details.into_values() {
        match &mut all {
            None => all = Some(Detail { key: "all".to_string(), ..detail }),
            Some(all) => all.merge(&detail),
        }
    }
    all.into_iter().map(|detail| (detail.key.clone(), detail)).collect()
}

/// The batches of both sides.
struct Plans {
    /// Without those that the statement's WHERE leaves out; none if there is no source.
    source: Vec<Batch>,
    target: Vec<Batch>,
    /// The names of the columns that the statement's SELECT computes.
    computed: BTreeSet<String>,
}

async fn plans(
    engine: &Engine,
    source: Option<&IcebergTable>,
    target: &IcebergTable,
    statement: &Migrate,
    by: BatchBy,
) -> Result<Plans> {
    let target = batches::batches(target, &engine.session().state(), &[], &by).await?;
    let Some(source) = source else { return Ok(Plans { source: Vec::new(), target, computed: BTreeSet::new() }) };
    let view = View::new(engine, false).await;
    view.show(source.clone())?;
    let plan = view.plan(&statement.query).await?;
    let batches = batches::batches(source, &view.state(), &query::filters(&plan)?, &by).await?;
    Ok(Plans { source: batches, target, computed: query::computed(&plan) })
}

/// `2019` means `year=2019`; a whole key means itself.
pub(crate) fn is_batch(key: &str, wanted: &BatchValue) -> bool {
    let value = key.split_once('=').map(|(_, value)| value);
    match wanted {
        BatchValue::Null => value == Some("null"),
        BatchValue::Literal(text) => key == text || value.is_some_and(|value| value == text || is_instant(value, text)),
    }
}

/// Whether the key's value is the timestamp as SQL writes it: with a space where the key has a `T`.
fn is_instant(value: &str, text: &str) -> bool {
    value.contains('T') && value.replacen('T', " ", 1) == *text
}
