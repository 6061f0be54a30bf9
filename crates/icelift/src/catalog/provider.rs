//! The attached catalogs as DataFusion sees them during one statement.
//!
//! A statement gets its own view, so that it sees one version of each table however often it names it, and the next
//! statement sees fresh metadata. Nothing is loaded before a statement names it; a broken table breaks only the statement
//! that names it.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{FieldRef, Schema as ArrowSchema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, Session, TableProvider};
use datafusion::common::Result as DataFusionResult;
use datafusion::datasource::TableType;
use datafusion::execution::SessionState;
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::spec::{PrimitiveType, Schema};
use iceberg::{NamespaceIdent, TableIdent};
use tokio::sync::OnceCell;

use super::{Catalog, Catalogs, Table, TableKind};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::inspect::{Inspected, MetadataTable};
use crate::pipeline::scan::{self, PlannedFile, RowFilter};
use crate::pipeline::select::types::UUID_MARK;
use crate::pipeline::sink::{self, Delivery, SinkTarget};
use crate::sql::{Reference, Version};
use crate::storage::Meter;

/// DataFusion's own catalogs and the attached ones, pinned for one statement.
#[derive(Debug)]
pub(crate) struct StatementCatalogs {
    own: Arc<dyn CatalogProviderList>,
    attached: BTreeMap<String, Arc<PinnedCatalog>>,
}

impl StatementCatalogs {
    /// A fresh view. `with_names` lists all namespaces and tables beforehand, for statements that read the information
    /// schema: DataFusion asks for names synchronously.
    pub async fn new(session: &SessionState, catalogs: &Catalogs, with_names: bool) -> Self {
        let (own, session) = (Arc::clone(session.catalog_list()), Arc::new(session.clone()));
        let mut attached = BTreeMap::new();
        for described in catalogs.describe() {
            let Some(catalog) = catalogs.get(&described.name) else { continue };
            let names = if with_names { list_all(&described.name, catalog.as_ref()).await } else { BTreeMap::new() };
            let session = Arc::clone(&session);
            let pinned = PinnedCatalog { catalog, session, listed: with_names, names, schemas: Mutex::default() };
            attached.insert(described.name, Arc::new(pinned));
        }
        Self { own, attached }
    }

    /// The table as this statement sees it.
    pub async fn table(&self, catalog: &str, ident: &TableIdent) -> Result<Arc<IcebergTable>> {
        let pinned = self.attached.get(catalog).ok_or_else(|| not_attached(catalog))?;
        pinned.pinned_schema(&ident.namespace.to_string()).load(&ident.name).await
    }

    /// Shows this version of a table to the statement, which has not named it yet.
    pub fn show(&self, table: IcebergTable) -> Result<()> {
        let name = &table.table.name;
        let pinned = self.attached.get(&name.catalog).ok_or_else(|| not_attached(&name.catalog))?;
        pinned.pinned_schema(&name.ident.namespace.to_string()).show(table)
    }
}

pub(crate) fn not_attached(catalog: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("no catalog `{catalog}` is attached"))
        .stage(Stage::Catalog)
        .hint(format!("ATTACH '<warehouse>' AS {catalog} (TYPE …)"))
}

/// The names of a namespace and what they stand for.
type Listing = BTreeMap<String, TableKind>;

/// All names of a catalog; what cannot be listed is left out with a warning.
async fn list_all(name: &str, catalog: &dyn Catalog) -> BTreeMap<String, Listing> {
    let namespaces = catalog.list_namespaces().await.unwrap_or_else(|error| {
        tracing::warn!(catalog = name, %error, "the namespaces could not be listed");
        Vec::new()
    });
    let mut names = BTreeMap::new();
    for namespace in namespaces {
        match catalog.list_tables(&namespace).await {
            Ok(tables) => {
                let listing = tables.into_iter().map(|table| (table.name, table.kind)).collect();
                names.insert(namespace.to_string(), listing);
            }
            Err(error) => tracing::warn!(catalog = name, %namespace, %error, "the tables could not be listed"),
        }
    }
    names
}

impl CatalogProviderList for StatementCatalogs {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn register_catalog(&self, name: String, catalog: Arc<dyn CatalogProvider>) -> Option<Arc<dyn CatalogProvider>> {
        self.own.register_catalog(name, catalog)
    }

    fn catalog_names(&self) -> Vec<String> {
        self.own.catalog_names().into_iter().chain(self.attached.keys().cloned()).collect()
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        match self.attached.get(name) {
            Some(pinned) => Some(Arc::clone(pinned) as _),
            None => self.own.catalog(name),
        }
    }
}

#[derive(Debug)]
struct PinnedCatalog {
    catalog: Arc<dyn Catalog>,
    /// Evaluates the points in time of versions.
    session: Arc<SessionState>,
    listed: bool,
    names: BTreeMap<String, Listing>,
    schemas: Mutex<HashMap<String, Arc<PinnedSchema>>>,
}

impl PinnedCatalog {
    fn pinned_schema(&self, name: &str) -> Arc<PinnedSchema> {
        let mut schemas = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        let schema = schemas.entry(name.to_string()).or_insert_with(|| {
            Arc::new(PinnedSchema {
                catalog: Arc::clone(&self.catalog),
                session: Arc::clone(&self.session),
                namespace: name.to_string(),
                listed: self.listed,
                names: self.names.get(name).cloned().unwrap_or_default(),
                tables: Mutex::default(),
            })
        });
        Arc::clone(schema)
    }
}

impl CatalogProvider for PinnedCatalog {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn schema_names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        Some(self.pinned_schema(name))
    }
}

type Slot = Arc<OnceCell<Arc<IcebergTable>>>;

#[derive(Debug)]
struct PinnedSchema {
    catalog: Arc<dyn Catalog>,
    session: Arc<SessionState>,
    namespace: String,
    listed: bool,
    names: Listing,
    tables: Mutex<HashMap<String, Slot>>,
}

impl PinnedSchema {
    fn show(&self, table: IcebergTable) -> Result<()> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = Arc::clone(tables.entry(table.table.name.ident.name.clone()).or_default());
        let named = |_| Error::new(ErrorKind::Internal, "the statement has seen another version of the table");
        slot.set(Arc::new(table)).map_err(named)
    }

    async fn load(&self, name: &str) -> Result<Arc<IcebergTable>> {
        let slot = {
            let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(tables.entry(name.to_string()).or_default())
        };
        let load = || async {
            let namespace = NamespaceIdent::from_strs(self.namespace.split('.')).map_err(|source| {
                Error::new(ErrorKind::Sql, format!("`{}` is no namespace", self.namespace)).source(source)
            })?;
            let table = self.catalog.load_table(&TableIdent::new(namespace, name.to_string())).await?;
            Ok::<_, Error>(Arc::new(IcebergTable::new(Arc::clone(&self.catalog), table)?))
        };
        slot.get_or_try_init(load).await.cloned()
    }
}

impl PinnedSchema {
    /// What a name stands for that says more than a table: a version of it, or one of its metadata tables.
    async fn look_into(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let Reference { table: named, version } = Reference::decode(name);
        if let Some((base, metadata)) = MetadataTable::of(&named) {
            match self.load(base).await {
                Ok(base) => {
                    let table = Inspected::new(&base.table, metadata, version.as_ref(), &self.session)?;
                    return Ok(Some(Arc::new(table)));
                }
                // A table may have such a name.
                Err(error) if error.kind() == ErrorKind::NotFound && error.at().is_none() => {
                    self.load(&named).await.map_err(|_| error)?;
                }
                Err(error) => return Err(error),
            }
        }
        let Some(version) = version else { return Ok(None) };
        let table = self.load(&named).await?;
        let catalog = Arc::clone(&self.catalog);
        let found = match &version {
            Version::Added { after, up_to } => {
                let added = table.table.added(after, up_to.as_deref(), &self.session)?;
                let files = scan::added_files(&added.table, &added.snapshots).await;
                let files = files.map_err(|error| error.place(Stage::Scan, &table.table.name))?;
                IcebergTable::new(catalog, added.table)?.reading_only(&files)
            }
            version => IcebergTable::new(catalog, table.table.as_of(version, &self.session)?)?,
        };
        Ok(Some(Arc::new(IcebergTable { version: Some(version), ..found })))
    }
}

#[async_trait]
impl SchemaProvider for PinnedSchema {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn table_names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    async fn table(&self, name: &str) -> DataFusionResult<Option<Arc<dyn TableProvider>>> {
        if let Some(found) = self.look_into(name).await? {
            return Ok(Some(found));
        }
        // Views and tables of other formats have no columns to show.
        if self.listed && self.names.get(name).is_some_and(|kind| *kind != TableKind::Iceberg) {
            return Ok(None);
        }
        match self.load(name).await {
            Ok(table) => Ok(Some(table)),
            // The information schema asks for every table; one that is broken must not take the others with it.
            Err(error) if self.listed => {
                tracing::warn!(table = name, %error, "the table is left out");
                Ok(None)
            }
            Err(error) if name.contains('$') && error.kind() == ErrorKind::NotFound => {
                Err(Error::new(ErrorKind::NotFound, format!("{error}"))
                    .hint(MetadataTable::all_told())
                    .source(error)
                    .into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The default would load the table.
    async fn table_type(&self, name: &str) -> DataFusionResult<Option<TableType>> {
        Ok(Some(match self.names.get(name) {
            Some(TableKind::View) => TableType::View,
            _ => TableType::Base,
        }))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }
}

/// One version of an Iceberg table as DataFusion sees it.
#[derive(Debug, Clone)]
pub(crate) struct IcebergTable {
    catalog: Arc<dyn Catalog>,
    pub table: Table,
    schema: SchemaRef,
    /// The data files to read; those of the manifests unless set.
    planned: Option<Arc<[Arc<PlannedFile>]>>,
    /// Who commits what is written; the statement itself unless set.
    delivery: Option<Arc<Delivery>>,
    /// The version that the statement asked for; the newest unless set.
    pub version: Option<Version>,
}

impl IcebergTable {
    pub fn new(catalog: Arc<dyn Catalog>, table: Table) -> Result<Self> {
        let schema = schema_to_arrow_schema(table.metadata.current_schema()).map_err(|source| {
            Error::new(
                ErrorKind::Unsupported,
                format!("the schema has a type that is not supported: {}", source.message()),
            )
            .place(Stage::Catalog, &table.name)
            .source(source)
        })?;
        let fields = schema.fields().iter().map(|field| marked(field, table.metadata.current_schema()));
        let schema = ArrowSchema::new(fields.collect::<Vec<_>>());
        Ok(Self { catalog, table, schema: Arc::new(schema), planned: None, delivery: None, version: None })
    }

    /// The same table of which only these data files are read, which were planned for this snapshot: no manifest is read
    /// again.
    pub fn reading_only(&self, files: &[Arc<PlannedFile>]) -> Self {
        Self { planned: Some(Arc::from(files)), ..self.clone() }
    }

    /// The same table whose written files are handed over and not committed.
    pub fn delivering(&self, delivery: Arc<Delivery>) -> Self {
        Self { delivery: Some(delivery), ..self.clone() }
    }

    /// The same table; `account` counts what is asked for its objects.
    pub fn on_account(&self, account: &Arc<Meter>) -> Self {
        Self { table: self.table.on_account(account), ..self.clone() }
    }

    pub fn catalog(&self) -> &Arc<dyn Catalog> {
        &self.catalog
    }

    /// The live data files that may hold rows for which all `filters` hold.
    pub async fn live_files(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<Arc<PlannedFile>>> {
        let files = scan::live_files(self.source(), state, filters).await;
        files.map_err(|error| error.place(Stage::Scan, &self.table.name))
    }

    /// What tells of a file whether it may hold rows for which all `filters` hold; `None` if no file tells.
    pub fn row_filter(&self, state: &dyn Session, filters: &[Expr]) -> Result<Option<RowFilter>> {
        scan::row_filter(self.source(), state, filters)
    }

    fn source(&self) -> scan::Source<'_> {
        let (planned, version) = (self.planned.as_deref(), self.version.as_ref());
        scan::Source { table: &self.table, schema: &self.schema, planned, version }
    }
}

/// Arrow has no UUID type; without a mark, `CREATE TABLE … AS SELECT` would make plain bytes of one.
fn marked(field: &FieldRef, schema: &Schema) -> FieldRef {
    let uuid = schema
        .field_by_name(field.name())
        .is_some_and(|field| field.field_type.as_primitive_type() == Some(&PrimitiveType::Uuid));
    if !uuid {
        return Arc::clone(field);
    }
    let mut metadata = field.metadata().clone();
    metadata.insert(UUID_MARK.to_string(), "uuid".to_string());
    Arc::new(field.as_ref().clone().with_metadata(metadata))
}

#[async_trait]
impl TableProvider for IcebergTable {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Filters prune files, row groups and pages; DataFusion still applies them to the rows.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let plan = scan::plan(self.source(), state, projection, filters, limit);
        Ok(plan.await.map_err(|error| error.place(Stage::Scan, &self.table.name))?)
    }

    async fn insert_into(
        &self,
        state: &dyn Session,
        input: Arc<dyn ExecutionPlan>,
        op: InsertOp,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        if op != InsertOp::Append {
            return Err(Error::new(ErrorKind::Unsupported, "only INSERT INTO is in this version").into());
        }
        let lanes = state.config().target_partitions();
        let target = SinkTarget::new(&self.catalog, &self.table, &self.schema, lanes, self.delivery.clone())?;
        Ok(sink::plan(target, input)?)
    }
}
