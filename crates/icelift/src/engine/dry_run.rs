//! What a statement would do, up to where it would do it: parsed, resolved and planned, and not run.
//!
//! What must hold: no table, schema or file of an attached catalog is written. Statements that change the session alone are
//! done, for those behind them need what they do; a table of DataFusion's own is made without its rows.

use datafusion::logical_expr::{CreateMemoryTable, DdlStatement, EmptyRelation, LogicalPlan};
use datafusion::sql::parser::Statement as DataFusionStatement;

use super::names::{namespace_name, table_name, unknown_catalog};
use super::view::View;
use super::{Engine, create, delete, overwrite};
use crate::error::Result;
use crate::sql::{self, Statement};
use crate::{migrate, procedures};

impl Engine {
    /// Parses a statement, finds what it names and plans it; of what it says only changes of the session are done.
    ///
    /// # Errors
    /// Those of [`run`](Self::run) that come before anything is done.
    pub async fn plan(&self, sql: &str) -> Result<()> {
        let parsed = sql::parse(sql);
        if self.concerns_datafusion(sql) {
            return self.plan_query(sql::parse_for_datafusion(sql)?).await;
        }
        match parsed? {
            Statement::Attach(attach) => self.attach(attach).await,
            Statement::Detach { name, .. } => self.detach(&name),
            Statement::CreateSchema { name, .. } | Statement::DropSchema { name, .. } => {
                let (catalog, _) = namespace_name(&name)?;
                self.catalogs.get(&catalog).map(|_| ()).ok_or_else(|| unknown_catalog(&name))
            }
            Statement::CreateTable(table) => create::check(self, &table).await,
            Statement::DropTable { name, if_exists, .. } => {
                let table = table_name(&name)?;
                let catalog = self.catalogs.get(&table.catalog).ok_or_else(|| unknown_catalog(&name))?;
                if if_exists { Ok(()) } else { catalog.load_table(&table.ident).await.map(drop) }
            }
            Statement::Delete(statement) => delete::check(self, &statement).await,
            Statement::Insert(insert) => {
                if let Some(replaced) = &insert.overwrite {
                    return overwrite::check(self, &insert, replaced).await;
                }
                let view = View::new(self, false).await;
                let plan = view.insert(&insert).await?;
                view.state().create_physical_plan(&plan).await?;
                Ok(())
            }
            Statement::Migrate(statement) | Statement::ExplainMigrate(statement) => {
                migrate::explained(self, &statement).await.map(drop)
            }
            // Nothing is compared before the first row is asked for.
            Statement::Verify(statement) => migrate::verify::answer(self, &statement).await.map(drop),
            Statement::Call(call) => procedures::check(self, &call),
            Statement::Query(statement) => self.plan_query(*statement).await,
            // What is left reads metadata alone, or is known by its words.
            _ => Ok(()),
        }
    }

    /// What a statement would create in an attached catalog, as it names it.
    pub fn creates(&self, sql: &str) -> Option<String> {
        let name = match sql::parse(sql).ok()? {
            Statement::CreateSchema { name, .. } => name,
            Statement::CreateTable(table) => table.name,
            Statement::Migrate(statement) => statement.target,
            _ => return None,
        };
        Some(name.join("."))
    }

    async fn plan_query(&self, statement: DataFusionStatement) -> Result<()> {
        let (view, plan) = self.planned(statement).await?;
        match plan {
            LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(table)) => {
                let rows = EmptyRelation { produce_one_row: false, schema: table.input.schema().clone() };
                let input = LogicalPlan::EmptyRelation(rows).into();
                let empty = LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(CreateMemoryTable { input, ..table }));
                view.execute(empty).await?.collect().await?;
            }
            plan @ (LogicalPlan::Statement(_) | LogicalPlan::Ddl(_)) => {
                view.execute(plan).await?.collect().await?;
            }
            plan => {
                view.state().create_physical_plan(&plan).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Engine, ErrorKind};

    #[tokio::test]
    async fn what_is_planned_is_not_done() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::builder().build().await.unwrap();
        let plan = async |sql: &str| engine.plan(sql).await.map_err(|error| (error.kind(), error.to_string()));
        plan(&format!("ATTACH '{}' AS w (TYPE local)", folder.path().display())).await.unwrap();
        for sql in ["CREATE SCHEMA w.s", "CREATE TABLE w.s.t AS SELECT 1 AS a"] {
            plan(sql).await.unwrap();
            engine.run(sql).await.unwrap().collect().await.unwrap();
        }
        for sql in [
            "INSERT INTO w.s.t SELECT 2",
            "DELETE FROM w.s.t WHERE a = 1",
            "TRUNCATE TABLE w.s.t",
            "INSERT OVERWRITE w.s.t SELECT 2",
            "INSERT OVERWRITE w.s.t WHERE a = 1 SELECT 2",
            "DROP TABLE w.s.t",
            "DROP TABLE IF EXISTS w.s.none",
            "CREATE TABLE w.s.u PARTITIONED BY (a) AS SELECT a FROM w.s.t",
            "MIGRATE TABLE w.s.t TO w.s.v",
            "VERIFY TABLE w.s.t AGAINST w.s.t",
            "CALL w.system.remove_orphan_files(table => 's.t')",
            "SHOW CATALOGS",
            "CREATE TABLE mine AS SELECT 7 AS b FROM w.s.t",
            "SELECT a, b FROM w.s.t, mine",
            "EXPLAIN SELECT * FROM w.s.t",
            "DROP TABLE mine",
        ] {
            plan(sql).await.unwrap();
        }
        for (sql, kind) in [
            ("SELECT b FROM w.s.t", ErrorKind::Sql),
            ("SELECT * FROM w.s.none", ErrorKind::NotFound),
            ("INSERT INTO w.s.t SELECT 'x'", ErrorKind::SchemaMismatch),
            ("DELETE FROM w.s.none", ErrorKind::NotFound),
            ("DELETE FROM w.s.t WHERE b = 1", ErrorKind::Sql),
            ("INSERT OVERWRITE w.s.t SELECT 'x'", ErrorKind::SchemaMismatch),
            ("INSERT OVERWRITE w.s.t WHERE random() < 1 SELECT 2", ErrorKind::Unsupported),
            ("DROP TABLE w.s.none", ErrorKind::NotFound),
            ("MIGRATE TABLE w.s.none TO w.s.v", ErrorKind::NotFound),
            ("CALL w.system.remove_orphan_files()", ErrorKind::Sql),
            ("CREATE SCHEMA nowhere.s", ErrorKind::NotFound),
            ("SELEC 1", ErrorKind::Sql),
        ] {
            assert_eq!(plan(sql).await.map_err(|(kind, _)| kind), Err(kind), "{sql}");
        }
        let tables = engine.tables("w", "s").await.unwrap();
        assert_eq!(tables, [("t".to_owned(), "iceberg".to_owned())]);
        assert_eq!(engine.describe("w.s.t").await.unwrap().snapshot.unwrap().rows, Some(1));
    }
}
