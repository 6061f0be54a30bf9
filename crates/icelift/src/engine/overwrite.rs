//! `INSERT OVERWRITE`: new rows in the place of others, in one snapshot.
//!
//! Which others: those of the partitions into which rows come; those for which a condition holds; those with the values of a
//! `PARTITION (…)` clause.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use iceberg::spec::{DataFile, Transform};

use super::names::{table_name, unknown_catalog};
use super::replacing::{self, Isolation, NoNewRows, Replaced, Replacement, Unclaimed};
use super::view::{View, write_plan};
use super::{Engine, RowStream, predicate, rows};
use crate::catalog::IcebergTable;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::select::Assignment;
use crate::pipeline::values::PartitionValues;
use crate::sql::{self, Insert, Overwrite};

/// Runs the statement. What it wrote and did not commit is removed before an error is passed on.
pub(super) async fn run(engine: &Engine, insert: &Insert, overwrite: &Overwrite) -> Result<RowStream> {
    let written = overwritten(engine, insert, overwrite).await;
    if written.is_err() {
        rows::settle(&engine.cleanup).await;
    }
    written
}

/// Finds the table, plans query and condition; writes nothing.
pub(super) async fn check(engine: &Engine, insert: &Insert, overwrite: &Overwrite) -> Result<()> {
    let prepared = Prepared::new(engine, insert, overwrite).await?;
    let plan = write_plan(prepared.query, assignment(insert, prepared.columns.as_ref()), prepared.table)?;
    prepared.view.state().create_physical_plan(&plan).await?;
    Ok(())
}

/// What a statement is about to do: nothing is written yet.
struct Prepared<'a> {
    view: View<'a>,
    table: Arc<IcebergTable>,
    isolation: Isolation,
    query: LogicalPlan,
    columns: Option<Vec<String>>,
    /// Of the rows that are replaced; without one they are those of the partitions into which rows come.
    condition: Option<Expr>,
}

impl<'a> Prepared<'a> {
    async fn new(engine: &'a Engine, insert: &Insert, overwrite: &Overwrite) -> Result<Self> {
        let name = table_name(&insert.target)?;
        if engine.catalogs.get(&name.catalog).is_none() {
            return Err(unknown_catalog(&insert.target));
        }
        let view = View::new(engine, false).await;
        let table = view.table(&name).await?;
        let place = |error: Error| error.place(Stage::Select, &name);
        let isolation = Isolation::of(&table.table.metadata).map_err(place)?;
        let (query, columns) = query(&view, insert, overwrite, &table).await.map_err(place)?;
        let condition = match overwrite {
            Overwrite::Partitions => None,
            Overwrite::Where(rows) | Overwrite::Partition { rows, .. } => {
                let plan = view.plan(rows).await?;
                Some(predicate::of_query(&plan, &table, &view.state()).map_err(place)?)
            }
        };
        Ok(Self { view, table, isolation, query, columns, condition })
    }
}

fn assignment<'c>(insert: &Insert, columns: Option<&'c Vec<String>>) -> Assignment<'c> {
    match columns {
        Some(columns) => Assignment::Columns(columns),
        None if insert.by_name => Assignment::Name,
        None => Assignment::Position,
    }
}

async fn overwritten(engine: &Engine, insert: &Insert, overwrite: &Overwrite) -> Result<RowStream> {
    let prepared = Prepared::new(engine, insert, overwrite).await?;
    let Prepared { view, table, isolation, query, columns, condition } = prepared;
    let mut unclaimed = Unclaimed::new(&table.table.store);
    let assignment = assignment(insert, columns.as_ref());
    let (new, count) = replacing::deliver(&view, &table, query, assignment, &mut unclaimed).await?;
    let (replacement, replaced) = match &condition {
        None => {
            let place = |error: Error| error.place(Stage::Select, &table.table.name);
            partitions(&view, &table, &new).await.map_err(place)?
        }
        Some(condition) => {
            let filter = table.row_filter(&view.state(), std::slice::from_ref(condition))?;
            let replacement = replacing::replace(&view, &table, Some(condition), &mut unclaimed).await?;
            (replacement, Replaced::Matching(filter))
        }
    };
    let Replacement { removed, mut written, .. } = replacement;
    written.extend(new);
    let conflicts = NoNewRows { planned: table.table.clone(), replaced };
    let conflicts = Some(conflicts).filter(|_| isolation == Isolation::Serializable);
    replacing::commit(&table, removed, written, conflicts, unclaimed).await?;
    replacing::answer(count)
}

/// The new rows, and the columns that they are for.
async fn query(
    view: &View<'_>,
    insert: &Insert,
    overwrite: &Overwrite,
    table: &IcebergTable,
) -> Result<(LogicalPlan, Option<Vec<String>>)> {
    let source = match insert.by_name {
        true => insert.source.as_ref().clone(),
        false => sql::with_distinct_names(insert.source.as_ref().clone()),
    };
    let query = view.plan(&source).await?;
    let Overwrite::Partition { columns, values, .. } = overwrite else { return Ok((query, insert.columns.clone())) };
    check_partition(columns, table)?;
    if insert.by_name {
        let names = query.schema().fields().iter().map(|field| field.name().clone()).collect();
        return Ok((with_values(view, query, values).await?, Some(with_names(names, columns))));
    }
    let given = insert.columns.clone().unwrap_or_else(|| {
        let fields = table.table.metadata.current_schema().as_struct().fields();
        fields.iter().map(|field| field.name.clone()).filter(|name| !columns.contains(name)).collect()
    });
    Ok((with_values(view, query, values).await?, Some(with_names(given, columns))))
}

fn with_names(mut names: Vec<String>, more: &[String]) -> Vec<String> {
    names.extend_from_slice(more);
    names
}

/// The query with the values of the PARTITION clause behind its own columns.
async fn with_values(
    view: &View<'_>,
    query: LogicalPlan,
    values: &datafusion::sql::sqlparser::ast::Query,
) -> Result<LogicalPlan> {
    let LogicalPlan::Projection(values) = view.plan(values).await? else {
        return Err(Error::new(ErrorKind::Internal, "the values of PARTITION were lost"));
    };
    let own = query
        .schema()
        .iter()
        .map(|(qualifier, field)| Expr::Column(datafusion::common::Column::from((qualifier, field))));
    let all: Vec<Expr> = own.chain(values.expr.iter().cloned()).collect();
    Ok(LogicalPlanBuilder::from(query).project(all)?.build()?)
}

/// A PARTITION clause names columns by whose own values the table is partitioned.
fn check_partition(columns: &[String], table: &IcebergTable) -> Result<()> {
    let metadata = &table.table.metadata;
    let spec = metadata.default_partition_spec();
    let identity = spec.fields().iter().filter(|field| field.transform == Transform::Identity);
    let known: Vec<_> =
        identity.filter_map(|field| metadata.current_schema().name_by_field_id(field.source_id)).collect();
    let Some(unknown) = columns.iter().find(|column| !known.contains(&column.as_str())) else { return Ok(()) };
    let known = if known.is_empty() { "none".to_string() } else { known.join(", ") };
    Err(Error::new(ErrorKind::Sql, format!("the table is not partitioned by the values of `{unknown}`"))
        .hint(format!("PARTITION takes {known}; INSERT OVERWRITE … WHERE takes any condition")))
}

/// Replaces the partitions that have new rows; without partitions all rows.
async fn partitions(view: &View<'_>, table: &Arc<IcebergTable>, new: &[DataFile]) -> Result<(Replacement, Replaced)> {
    let live = table.live_files(&view.state(), &[]).await?;
    let spec = table.table.metadata.default_partition_spec();
    if spec.is_unpartitioned() {
        return Ok((Replacement { removed: live, written: Vec::new(), rows: 0 }, Replaced::All));
    }
    if let Some(older) = live.iter().find(|file| file.spec.spec_id() != spec.spec_id()) {
        let message = "files of an older partition spec may have rows of the partitions that are replaced";
        return Err(Error::new(ErrorKind::Unsupported, message).subject(older.file.file_path()).hint(
            "INSERT OVERWRITE … WHERE names the rows themselves; CALL … system.rewrite_data_files writes files anew in today's partitions",
        ));
    }
    replacing::check_names(spec)?;
    let values: HashSet<_> = new.iter().map(PartitionValues::of).collect();
    let removed = live.into_iter().filter(|file| values.contains(&PartitionValues::of(&file.file))).collect();
    let replaced = Replaced::Partitions { spec_id: spec.spec_id(), values };
    Ok((Replacement { removed, written: Vec::new(), rows: 0 }, replaced))
}
