//! `CREATE TABLE`: from columns, LIKE another table, or AS a query.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::logical_expr::LogicalPlan;
use iceberg::spec::{MAIN_BRANCH, Schema, SortOrder, TableMetadataBuilder, UnboundPartitionSpec};
use iceberg::{TableRequirement, TableUpdate};

use super::names::{table_name, unknown_catalog};
use super::view::{View, write_plan};
use super::{Engine, RowStream, schema};
use crate::catalog::{Catalog, CommitOutcome, CommitRequest, IcebergTable, NewTable, Table, TableName};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::select::{Assignment, types};
use crate::pipeline::shuffle::refuse_uuid_partitions;
use crate::pipeline::snapshot;
use crate::sql::{CreateTable, TableSource};

/// Runs `CREATE TABLE`.
pub(super) async fn run(engine: &Engine, statement: &CreateTable) -> Result<RowStream> {
    let Some(prepared) = Prepared::new(engine, statement).await? else { return Ok(RowStream::empty()) };
    let table = prepared.table().await?;
    let Prepared { view, catalog, query, .. } = prepared;
    match query {
        // The commit that brings the rows creates the table.
        Some(query) => drop(view.execute(fill(&catalog, table, query)?).await?.collect().await?),
        None => created(snapshot::create(&catalog, &table).await)?,
    }
    Ok(RowStream::empty())
}

/// The plan of `CREATE TABLE … AS`, to be explained.
pub(super) async fn plan<'a>(engine: &'a Engine, statement: &CreateTable) -> Result<(View<'a>, LogicalPlan)> {
    let nothing = || Error::new(ErrorKind::Unsupported, "EXPLAIN explains queries, INSERT and CREATE TABLE … AS");
    let prepared = Prepared::new(engine, statement).await?.ok_or_else(nothing)?;
    let table = prepared.explained_table()?;
    let Prepared { view, catalog, query, .. } = prepared;
    Ok((view, fill(&catalog, table, query.ok_or_else(nothing)?)?))
}

/// Finds what the statement names and plans its query, for a statement that is not run.
pub(super) async fn check(engine: &Engine, statement: &CreateTable) -> Result<()> {
    let Some(prepared) = Prepared::new(engine, statement).await? else { return Ok(()) };
    let table = prepared.explained_table()?;
    let Prepared { view, catalog, query, .. } = prepared;
    if let Some(query) = query {
        view.state().create_physical_plan(&fill(&catalog, table, query)?).await?;
    }
    Ok(())
}

/// What a `CREATE TABLE` is about to do: nothing is changed yet.
struct Prepared<'a> {
    view: View<'a>,
    catalog: Arc<dyn Catalog>,
    /// The table that will be replaced.
    existing: Option<Table>,
    name: TableName,
    new: NewTable,
    query: Option<LogicalPlan>,
}

impl<'a> Prepared<'a> {
    /// None if the table exists and that is fine.
    async fn new(engine: &'a Engine, statement: &CreateTable) -> Result<Option<Self>> {
        let name = table_name(&statement.name)?;
        let catalog = engine.catalogs.get(&name.catalog).ok_or_else(|| unknown_catalog(&statement.name))?;
        let checked = catalog.check_new_table(&name.ident, statement.location.as_deref());
        checked.map_err(|error| error.place(Stage::Catalog, &name))?;
        let existing = match statement.or_replace || statement.if_not_exists {
            true => catalog.find_table(&name.ident).await?,
            // Staging tells whether the name is free.
            false => None,
        };
        if existing.is_some() && statement.if_not_exists {
            return Ok(None);
        }
        let view = View::new(engine, false).await;
        let described = describe(&view, statement, &name).await;
        let (new, query) = described.map_err(|it| it.place(Stage::Catalog, &name))?;
        Ok(Some(Self { view, catalog, existing, name, new, query }))
    }

    /// The table as the first commit will make it.
    async fn table(&self) -> Result<Table> {
        match &self.existing {
            Some(table) => replaced(table, self.new.clone()),
            None => self.catalog.stage_table(self.new.clone()).await,
        }
    }

    /// The same without a word to the catalog: there are servers that cannot stage a table, only create it.
    fn explained_table(&self) -> Result<Table> {
        if let Some(table) = &self.existing {
            return replaced(table, self.new.clone());
        }
        let metadata = self.new.clone().metadata("explained:/".to_string())?;
        Ok(Table::staged(self.name.clone(), metadata, self.catalog.store().clone()))
    }
}

/// What the statement creates, and the query that fills it.
async fn describe(
    view: &View<'_>,
    statement: &CreateTable,
    name: &TableName,
) -> Result<(NewTable, Option<LogicalPlan>)> {
    let mut spec = None;
    let mut properties: BTreeMap<String, String> = statement.properties.clone();
    let (schema, query, keep_field_ids) = match &statement.source {
        TableSource::Columns => (schema::schema(statement.columns.as_deref().unwrap_or_default())?, None, false),
        TableSource::Like(like) => {
            let like = view.table(&table_name(like)?).await?;
            let metadata = &like.table.metadata;
            let version = (metadata.format_version() as u8).to_string();
            properties.entry("format-version".to_string()).or_insert(version);
            refuse_uuid_partitions(metadata.default_partition_spec(), metadata.current_schema())?;
            spec = Some(metadata.default_partition_spec().as_ref().clone().into_unbound());
            (metadata.current_schema().as_ref().clone(), None, true)
        }
        TableSource::Query(_) if statement.columns.is_some() => {
            return Err(Error::new(ErrorKind::Unsupported, "a list of columns and AS exclude each other")
                .hint("name and cast the columns in the query: SELECT CAST(a AS INT) AS b"));
        }
        TableSource::Query(query) => {
            let plan = view.plan(query).await?;
            let nanoseconds = statement.properties.get("format-version").is_some_and(|version| version == "3");
            (types::iceberg_schema(plan.schema().as_arrow().fields(), nanoseconds)?, Some(plan), true)
        }
    };
    if !statement.partition_by.is_empty() {
        spec = Some(schema::partition_spec(&statement.partition_by, &schema)?);
    }
    if let Some(comment) = &statement.comment {
        properties.insert("comment".to_string(), comment.clone());
    }
    let new = NewTable {
        ident: name.ident.clone(),
        schema: unnumbered(schema)?,
        partition_spec: spec.map_or_else(|| UnboundPartitionSpec::builder().build(), renumbered),
        properties,
        sort_order: SortOrder::unsorted_order(),
        location: statement.location.clone(),
        keep_field_ids,
    };
    Ok((new, query))
}

/// A new table begins with schema 0.
fn unnumbered(schema: Schema) -> Result<Schema> {
    schema.into_builder().with_schema_id(0).build().map_err(|source| {
        Error::new(ErrorKind::Sql, format!("the schema is not valid: {}", source.message())).source(source)
    })
}

/// A new table counts its partition fields anew.
fn renumbered(spec: UnboundPartitionSpec) -> UnboundPartitionSpec {
    let fields = spec.fields().iter().map(|field| (field.source_id, field.name.clone(), field.transform));
    let added = fields.into_iter().try_fold(UnboundPartitionSpec::builder(), |builder, (source, name, transform)| {
        builder.add_partition_field(source, name, transform)
    });
    // Names and sources come from a valid spec, so nothing can be refused.
    added.map_or(spec, |builder| builder.build())
}

/// The plan that writes the query's rows into the table.
fn fill(catalog: &Arc<dyn Catalog>, table: Table, query: LogicalPlan) -> Result<LogicalPlan> {
    let table = Arc::new(IcebergTable::new(Arc::clone(catalog), table)?);
    write_plan(query, Assignment::Position, table)
}

/// The existing table as it will be: new schema and spec, no rows. History, properties and place stay unless the statement
/// names others, as in Spark.
fn replaced(existing: &Table, new: NewTable) -> Result<Table> {
    let failed = |source: iceberg::Error| {
        Error::new(ErrorKind::Sql, format!("the table cannot be replaced: {}", source.message()))
            .place(Stage::Catalog, &existing.name)
            .source(source)
    };
    let mut properties = new.properties;
    if properties
        .remove("format-version")
        .is_some_and(|it| it != (existing.metadata.format_version() as u8).to_string())
    {
        return Err(Error::new(ErrorKind::Unsupported, "OR REPLACE cannot change the format version")
            .place(Stage::Catalog, &existing.name)
            .hint("DROP TABLE first"));
    }
    let builder = existing.metadata.as_ref().clone().into_builder(None);
    let built = builder
        .remove_ref(MAIN_BRANCH)
        .add_current_schema(new.schema)
        .and_then(|builder| builder.add_default_partition_spec(new.partition_spec))
        .and_then(|builder| builder.set_properties(properties.into_iter().collect()))
        .map(|builder| match new.location {
            Some(location) => builder.set_location(location),
            None => builder,
        })
        .and_then(TableMetadataBuilder::build)
        .map_err(failed)?;
    let now = &existing.metadata;
    let request = CommitRequest {
        create: None,
        requirements: vec![
            TableRequirement::UuidMatch { uuid: now.uuid() },
            TableRequirement::RefSnapshotIdMatch {
                r#ref: MAIN_BRANCH.to_string(),
                snapshot_id: now.current_snapshot_id(),
            },
            // The numbers of the new schema and spec, which manifests name, are those that come next here.
            TableRequirement::CurrentSchemaIdMatch { current_schema_id: now.current_schema_id() },
            TableRequirement::DefaultSpecIdMatch { default_spec_id: now.default_partition_spec_id() },
        ],
        updates: built.changes.into_iter().filter(|it| !matches!(it, TableUpdate::AssignUuid { .. })).collect(),
        author: None,
    };
    Ok(Table { metadata: built.metadata.into(), staged: Some(Arc::new(request)), ..existing.clone() })
}

fn created(outcome: CommitOutcome) -> Result<()> {
    match outcome {
        CommitOutcome::Landed => Ok(()),
        CommitOutcome::NotLanded(error) | CommitOutcome::Unknown(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use iceberg::TableIdent;
    use iceberg::spec::{NestedField, PrimitiveType, TableMetadata, Transform, Type};
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::storage::{Store, UploadSettings};

    fn schema(column: &str) -> Schema {
        let field = NestedField::optional(1, column, Type::Primitive(PrimitiveType::Int));
        Schema::builder().with_fields([field.into()]).build().unwrap()
    }

    fn by(transform: Transform) -> UnboundPartitionSpec {
        UnboundPartitionSpec::builder().add_partition_field(1, "p", transform).unwrap().build()
    }

    fn new_table(column: &str, partition_spec: UnboundPartitionSpec) -> NewTable {
        NewTable {
            ident: TableIdent::from_strs(["n", "t"]).unwrap(),
            schema: schema(column),
            partition_spec,
            properties: BTreeMap::new(),
            sort_order: SortOrder::unsorted_order(),
            location: None,
            keep_field_ids: true,
        }
    }

    fn table(metadata: TableMetadata) -> Table {
        let name = TableName { catalog: "c".into(), ident: TableIdent::from_strs(["n", "t"]).unwrap() };
        Table::staged(name, metadata, Store::local(UploadSettings::default(), TaskTracker::new()))
    }

    #[test]
    fn a_replacement_does_not_land_behind_another_schema_or_spec() {
        let unpartitioned = UnboundPartitionSpec::builder().build();
        let before = new_table("a", unpartitioned).metadata("s3://b/t".to_string()).unwrap();
        let replaced = replaced(&table(before.clone()), new_table("b", by(Transform::Bucket(4)))).unwrap();
        let holds = |now: &TableMetadata| {
            let request = replaced.staged.as_deref().unwrap();
            request.requirements.iter().all(|requirement| requirement.check(Some(now)).is_ok())
        };
        assert!(holds(&before));
        // What another writer may have done meanwhile: the numbers that come next are taken.
        let builder = || before.clone().into_builder(None);
        let with_schema = builder().add_current_schema(schema("c")).unwrap().build().unwrap().metadata;
        assert!(!holds(&with_schema));
        let with_spec = builder().add_default_partition_spec(by(Transform::Identity)).unwrap();
        assert!(!holds(&with_spec.build().unwrap().metadata));
    }
}
