//! Tables at a version, as DataFusion plans them.
//!
//! The name of such a table says the version ([`Reference`]), so that DataFusion asks the catalog for it. In the plan the
//! table has its own name again: columns are found by it, with or without schema and catalog.

use datafusion::catalog::TableProvider;
use datafusion::common::{Result as DataFusionResult, TableReference};
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::sql::sqlparser::ast::TableFactor;

use crate::catalog::{Catalogs, IcebergTable};
use crate::error::{Error, ErrorKind, Result};
use crate::inspect::Inspected;
use crate::sql::{Reference, Version};

/// Plans tables whose names say a version.
#[derive(Debug)]
pub(super) struct TimeTravel;

impl RelationPlanner for TimeTravel {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> DataFusionResult<RelationPlanning> {
        let TableFactor::Table { name, alias, args: None, .. } = &relation else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let reference = context.object_name_to_table_reference(name.clone())?;
        let decoded = Reference::decode(reference.table());
        if decoded.version.is_none() {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        }
        let source = context.context_provider().get_table_source(reference.clone())?;
        let plan = LogicalPlanBuilder::scan(named(&reference, &decoded.table), source, None)?.build()?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias.clone()))))
    }
}

/// The reference with another table.
fn named(reference: &TableReference, table: &str) -> TableReference {
    match (reference.catalog(), reference.schema()) {
        (Some(catalog), Some(schema)) => TableReference::full(catalog, schema, table),
        (None, Some(schema)) => TableReference::partial(schema, table),
        _ => TableReference::bare(table),
    }
}

/// Fails where a version is asked for of a table that is not of an attached catalog.
pub(super) fn check(references: &[TableReference], catalogs: &Catalogs, state: &SessionState) -> Result<()> {
    let default = &state.config_options().catalog.default_catalog;
    for reference in references {
        let Reference { table, version: Some(version) } = Reference::decode(reference.table()) else { continue };
        if catalogs.get(reference.catalog().unwrap_or(default)).is_none() {
            let name = named(reference, &table);
            let message =
                format!("`{name}` is no table of an attached catalog and has no versions; `{version}` asks for one");
            return Err(Error::new(ErrorKind::Sql, message)
                .hint("name an Iceberg table as catalog.schema.table FOR VERSION AS OF …"));
        }
    }
    Ok(())
}

/// Whether a plan that outlives its statement would show a version that is the newest no more. A snapshot never changes.
pub(super) fn goes_stale(table: &dyn TableProvider) -> bool {
    let stays = |version: &Version| matches!(version, Version::Snapshot(_));
    match table.as_any().downcast_ref::<IcebergTable>() {
        None => table.as_any().is::<Inspected>(),
        Some(IcebergTable { version: Some(Version::Added { after, up_to: Some(up_to) }), .. }) => {
            !stays(after) || !stays(up_to)
        }
        Some(IcebergTable { version, .. }) => !version.as_ref().is_some_and(stays),
    }
}
