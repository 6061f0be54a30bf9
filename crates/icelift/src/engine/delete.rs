//! `DELETE FROM` and `TRUNCATE TABLE`.

use std::sync::Arc;

use datafusion::logical_expr::Expr;

use super::names::{table_name, unknown_catalog};
use super::replacing::{self, Isolation, NoNewRows, Replaced, Unclaimed};
use super::view::View;
use super::{Engine, RowStream, predicate, rows};
use crate::catalog::IcebergTable;
use crate::error::{Result, Stage};
use crate::sql::Delete;

/// Runs the statement. What it wrote and did not commit is removed before an error is passed on.
pub(super) async fn run(engine: &Engine, statement: &Delete) -> Result<RowStream> {
    let deleted = delete(engine, statement).await;
    if deleted.is_err() {
        rows::settle(&engine.cleanup).await;
    }
    deleted
}

/// Finds the table and plans the condition; deletes nothing.
pub(super) async fn check(engine: &Engine, statement: &Delete) -> Result<()> {
    Prepared::new(engine, statement).await.map(drop)
}

/// What a statement is about to do: nothing is written yet.
struct Prepared<'a> {
    view: View<'a>,
    table: Arc<IcebergTable>,
    isolation: Isolation,
    condition: Option<Expr>,
}

impl<'a> Prepared<'a> {
    async fn new(engine: &'a Engine, statement: &Delete) -> Result<Self> {
        let name = table_name(&statement.table)?;
        if engine.catalogs.get(&name.catalog).is_none() {
            return Err(unknown_catalog(&statement.table));
        }
        let view = View::new(engine, false).await;
        let table = view.table(&name).await?;
        let isolation = Isolation::of(&table.table.metadata).map_err(|error| error.place(Stage::Snapshot, &name))?;
        let condition = match &statement.rows {
            Some(query) => {
                let plan = view.plan(query).await?;
                Some(predicate::of_query(&plan, &table, &view.state()).map_err(replacing::about(&name))?)
            }
            None => None,
        };
        Ok(Self { view, table, isolation, condition })
    }
}

async fn delete(engine: &Engine, statement: &Delete) -> Result<RowStream> {
    let Prepared { view, table, isolation, condition } = Prepared::new(engine, statement).await?;
    let replaced = match &condition {
        Some(condition) => Replaced::Matching(table.row_filter(&view.state(), std::slice::from_ref(condition))?),
        None => Replaced::All,
    };
    let mut unclaimed = Unclaimed::new(&table.table.store);
    let replacement = replacing::replace(&view, &table, condition.as_ref(), &mut unclaimed).await?;
    let conflicts = NoNewRows { planned: table.table.clone(), replaced };
    let conflicts = Some(conflicts).filter(|_| isolation == Isolation::Serializable);
    replacing::commit(&table, replacement.removed, replacement.written, conflicts, unclaimed).await?;
    replacing::answer(replacement.rows)
}

#[cfg(test)]
mod tests;
