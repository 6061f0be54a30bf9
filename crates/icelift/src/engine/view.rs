//! The session as one statement sees it: every table at one version.

use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::datasource::provider_as_source;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{DdlStatement, LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as DataFusionStatement;
use datafusion::sql::sqlparser::ast;

use super::names::{table_name, unknown_catalog};
use super::time_travel;
use super::{Engine, RowStream};
use crate::catalog::{IcebergTable, StatementCatalogs, TableName};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::select::{self, Assignment};
use crate::sql::{self, Insert};

/// The session with the attached catalogs, pinned for one statement.
pub(crate) struct View<'a> {
    engine: &'a Engine,
    context: SessionContext,
    catalogs: Arc<StatementCatalogs>,
}

impl<'a> View<'a> {
    pub async fn new(engine: &'a Engine, with_names: bool) -> Self {
        let state = engine.session.state();
        let catalogs = Arc::new(StatementCatalogs::new(&state, &engine.catalogs, with_names).await);
        let state = SessionStateBuilder::new_from_existing(state).with_catalog_list(Arc::clone(&catalogs) as _).build();
        Self { engine, context: SessionContext::new_with_state(state), catalogs }
    }

    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    pub fn state(&self) -> SessionState {
        self.context.state()
    }

    /// Names the catalog that is missing, where DataFusion would only say that the table is.
    pub fn check(&self, references: &[TableReference]) -> Result<()> {
        time_travel::check(references, &self.engine.catalogs, &self.state())?;
        let known = self.engine.session.catalog_names();
        let missing = references
            .iter()
            .filter_map(TableReference::catalog)
            .find(|catalog| self.engine.catalogs.get(catalog).is_none() && !known.iter().any(|name| name == catalog));
        missing.map_or(Ok(()), |catalog| Err(unknown_catalog(&[catalog.to_string()])))
    }

    pub async fn table(&self, name: &TableName) -> Result<Arc<IcebergTable>> {
        self.catalogs.table(&name.catalog, &name.ident).await
    }

    /// Shows this version of a table, to be called before the statement names it.
    pub fn show(&self, table: IcebergTable) -> Result<()> {
        self.catalogs.show(table)
    }

    /// The logical plan of a query.
    pub async fn plan(&self, query: &ast::Query) -> Result<LogicalPlan> {
        let statement = ast::Statement::Query(Box::new(query.clone()));
        let statement = DataFusionStatement::Statement(Box::new(statement));
        self.check(&self.state().resolve_table_references(&statement)?)?;
        Ok(self.state().statement_to_plan(statement).await?)
    }

    /// The plan of an INSERT.
    pub async fn insert(&self, insert: &Insert) -> Result<LogicalPlan> {
        if insert.overwrite.is_some() {
            return Err(Error::new(ErrorKind::Unsupported, "EXPLAIN takes no INSERT OVERWRITE")
                .hint("EXPLAIN its query, or INSERT INTO with it"));
        }
        let name = table_name(&insert.target)?;
        if self.engine.catalogs.get(&name.catalog).is_none() {
            return Err(unknown_catalog(&insert.target));
        }
        let target = self.table(&name).await?;
        let assignment = match &insert.columns {
            Some(columns) => Assignment::Columns(columns),
            None if insert.by_name => Assignment::Name,
            None => Assignment::Position,
        };
        let query = match assignment {
            Assignment::Name => self.plan(&insert.source).await?,
            _ => self.plan(&sql::with_distinct_names(insert.source.as_ref().clone())).await?,
        };
        write_plan(query, assignment, target)
    }

    /// Runs a plan.
    pub async fn execute(&self, plan: LogicalPlan) -> Result<RowStream> {
        // Settings, prepared statements and views outlive the statement: they belong to the session itself.
        let lasting = matches!(&plan, LogicalPlan::Statement(_) | LogicalPlan::Ddl(_));
        let context = if lasting { &self.engine.session } else { &self.context };
        if let LogicalPlan::Ddl(DdlStatement::CreateView(view)) = &plan {
            refuse_pinned(&view.input)?;
        }
        let frame = context.execute_logical_plan(plan).await?;
        let task = Arc::new(frame.task_ctx());
        let plan = self.engine.interrupts.begin().guard(frame.create_physical_plan().await?)?;
        let rows = execute_stream(plan, task)?;
        Ok(RowStream::new(rows, self.engine.cleanup.clone()))
    }
}

/// A view keeps its plan, and with it the one version of each table that its own statement saw.
fn refuse_pinned(plan: &LogicalPlan) -> Result<()> {
    use datafusion::common::tree_node::TreeNode;
    use datafusion::datasource::source_as_provider;
    let pinned = plan.exists(|node| {
        let LogicalPlan::TableScan(scan) = node else { return Ok(false) };
        Ok(time_travel::goes_stale(source_as_provider(&scan.source)?.as_ref()))
    })?;
    if !pinned {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsupported, "a view of an Iceberg table would go stale and is not in this version")
        .hint(
            "FOR VERSION AS OF <snapshot id> makes a view of what never changes, CREATE TABLE … AS copies the rows, a \
             WITH clause names a query for one statement",
        ))
}

/// The plan that writes a query's rows into a table.
pub(crate) fn write_plan(
    query: LogicalPlan,
    assignment: Assignment<'_>,
    target: Arc<IcebergTable>,
) -> Result<LogicalPlan> {
    let place = |error: Error| error.place(Stage::Select, &target.table.name);
    let schema = datafusion::catalog::TableProvider::schema(target.as_ref());
    let rows = select::assign(query, assignment, &schema, target.table.metadata.current_schema()).map_err(place)?;
    let ident = &target.table.name.ident;
    let name =
        TableReference::full(target.table.name.catalog.as_str(), ident.namespace.to_string(), ident.name.as_str());
    let source = provider_as_source(Arc::clone(&target) as _);
    Ok(LogicalPlanBuilder::insert_into(rows, name, source, InsertOp::Append)?.build()?)
}
