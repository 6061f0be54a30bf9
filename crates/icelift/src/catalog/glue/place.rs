//! Where things are: names that Glue takes, locations of new tables, what an entry is.

use aws_sdk_glue::types::{Database, Table};
use iceberg::NamespaceIdent;

use super::table_input::TABLE_TYPE;
use crate::catalog::{NewTable, TableKind};
use crate::error::{Error, ErrorKind, Result};

const DATABASE_NAME_MAX: usize = 252;
const TABLE_NAME_MAX: usize = 255;

/// The database that a namespace is.
pub(super) fn database_name(namespace: &NamespaceIdent) -> String {
    namespace.as_ref().join(".")
}

/// Refuses names that Athena, Spark or Java could not use, as Iceberg's Java library does.
pub(super) fn check_database_name(name: &str) -> Result<()> {
    check_name("database", name, DATABASE_NAME_MAX)
}

pub(super) fn check_table_name(name: &str) -> Result<()> {
    check_name("table", name, TABLE_NAME_MAX)
}

fn check_name(what: &str, name: &str, length_max: usize) -> Result<()> {
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if (1..=length_max).contains(&name.len()) && name.chars().all(valid) {
        return Ok(());
    }
    let message = format!("`{name}` is no name for a Glue {what}: 1 to {length_max} of a to z, 0 to 9 and _ are");
    Err(Error::new(ErrorKind::Sql, message).hint("the option `glue.skip-name-validation` 'true' lets Glue decide"))
}

/// The rule of Iceberg's Java library: as asked for, else below the database, else below the warehouse.
pub(super) fn table_location(new: &NewTable, database: &Database, warehouse: Option<&str>) -> Result<String> {
    let filled = |location: &str| Some(location.trim_end_matches('/').to_string()).filter(|it| !it.is_empty());
    if let Some(location) = new.location.as_deref().and_then(filled) {
        return Ok(location);
    }
    let table = &new.ident.name;
    if let Some(location) = database.location_uri().and_then(filled) {
        return Ok(format!("{location}/{table}"));
    }
    if let Some(warehouse) = warehouse.and_then(filled) {
        return Ok(format!("{warehouse}/{}.db/{table}", database_name(&new.ident.namespace)));
    }
    let message = format!("the new table has no location: neither does the database `{}` have one", database.name);
    Err(Error::new(ErrorKind::Sql, message).hint("add LOCATION 's3://…', or ATTACH 's3://<bucket>/<prefix>' AS …"))
}

/// What an entry stands for.
pub(super) fn kind(table: &Table) -> TableKind {
    let parameter = |key: &str| table.parameters().and_then(|it| it.get(key)).map(|value| value.to_ascii_lowercase());
    let table_type = parameter(TABLE_TYPE).unwrap_or_default();
    if table_type == "iceberg" {
        return TableKind::Iceberg;
    }
    let is_view = table.table_type().is_some_and(|it| it.to_ascii_uppercase().ends_with("VIEW"));
    if is_view || table.is_multi_dialect_view == Some(true) {
        return TableKind::View;
    }
    let provider = parameter("spark.sql.sources.provider").unwrap_or_default();
    let classification = parameter("classification").unwrap_or_default();
    let hints = [table_type, provider, classification];
    let is = |name: &str| hints.iter().any(|hint| hint == name);
    let format = match () {
        () if is("delta") => "Delta Lake",
        () if is("hudi") => "Hudi",
        () if table.target_table.is_some() => "linked",
        () => "Hive",
    };
    TableKind::Foreign(format.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use aws_sdk_glue::types::{Database, Table};
    use iceberg::TableIdent;
    use iceberg::spec::{Schema, SortOrder, UnboundPartitionSpec};

    use super::{check_database_name, check_table_name, kind, table_location};
    use crate::catalog::{NewTable, TableKind};

    fn new(location: Option<&str>) -> NewTable {
        NewTable {
            ident: TableIdent::from_strs(["db", "t"]).unwrap(),
            schema: Schema::builder().build().unwrap(),
            partition_spec: UnboundPartitionSpec::builder().build(),
            properties: BTreeMap::new(),
            sort_order: SortOrder::unsorted_order(),
            location: location.map(str::to_string),
            keep_field_ids: false,
        }
    }

    fn database(location: Option<&str>) -> Database {
        Database::builder().name("db").set_location_uri(location.map(str::to_string)).build().unwrap()
    }

    #[test]
    fn the_location_is_the_nearest_that_is_set() {
        let location = |new: NewTable, database, warehouse| table_location(&new, &database, warehouse);
        let all = location(new(Some("s3://own/x/")), database(Some("s3://d/")), Some("s3://w"));
        assert_eq!(all.unwrap(), "s3://own/x");
        assert_eq!(location(new(None), database(Some("s3://d/")), Some("s3://w")).unwrap(), "s3://d/t");
        assert_eq!(location(new(None), database(Some("")), Some("s3://w/x/")).unwrap(), "s3://w/x/db.db/t");
        let error = location(new(None), database(None), None).unwrap_err();
        assert_eq!(error.to_string(), "the new table has no location: neither does the database `db` have one");
    }

    #[test]
    fn names_are_those_that_java_takes() {
        for name in ["a", "drive_stats_2", &"x".repeat(252)] {
            check_database_name(name).unwrap();
        }
        for name in ["", "Upper", "a-b", "a.b", "ä", &"x".repeat(253)] {
            check_database_name(name).unwrap_err();
        }
        check_table_name(&"x".repeat(255)).unwrap();
        check_table_name(&"x".repeat(256)).unwrap_err();
    }

    #[test]
    fn entries_are_told_apart() {
        let table = |table_type: &str, parameters: &[(&str, &str)]| {
            let mut builder = Table::builder().name("t").table_type(table_type);
            for (key, value) in parameters {
                builder = builder.parameters(*key, *value);
            }
            kind(&builder.build().unwrap())
        };
        let foreign = |name: &str| TableKind::Foreign(name.to_string());
        assert_eq!(table("EXTERNAL_TABLE", &[("table_type", "ICEBERG")]), TableKind::Iceberg);
        assert_eq!(table("EXTERNAL_TABLE", &[("table_type", "iceberg")]), TableKind::Iceberg);
        assert_eq!(table("VIRTUAL_VIEW", &[("presto_view", "true")]), TableKind::View);
        assert_eq!(table("EXTERNAL_TABLE", &[("classification", "parquet")]), foreign("Hive"));
        assert_eq!(table("EXTERNAL_TABLE", &[("spark.sql.sources.provider", "HUDI")]), foreign("Hudi"));
        assert_eq!(table("EXTERNAL_TABLE", &[("table_type", "DELTA")]), foreign("Delta Lake"));
    }
}
