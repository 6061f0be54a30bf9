//! Names in statements: catalog, namespace, table.

use iceberg::{NamespaceIdent, TableIdent};

use super::Engine;
use crate::catalog::{TableName, not_attached};
use crate::error::{Error, ErrorKind, Result};

impl Engine {
    /// Whether the name's first part is an attached catalog.
    pub(crate) fn is_attached(&self, name: &[String]) -> bool {
        name.len() > 1 && name.first().is_some_and(|catalog| self.catalogs.get(catalog).is_some())
    }

    /// Whether the name can only mean one of DataFusion's own tables or schemas.
    pub(crate) fn is_datafusions(&self, name: &[String], parts: usize) -> bool {
        let own = name.first().is_some_and(|catalog| self.session.catalog_names().contains(catalog));
        name.len() < parts || own
    }
}

/// `catalog.namespace.table`; the namespace may have several levels, one a part or joined by dots in quotes.
pub(crate) fn table_name(name: &[String]) -> Result<TableName> {
    let [catalog, namespace @ .., table] = name else { return Err(incomplete(name, "catalog.namespace.table")) };
    let namespace = namespace_ident(namespace).ok_or_else(|| incomplete(name, "catalog.namespace.table"))?;
    Ok(TableName { catalog: catalog.clone(), ident: TableIdent::new(namespace, table.clone()) })
}

/// `catalog.namespace`.
pub(crate) fn namespace_name(name: &[String]) -> Result<(String, NamespaceIdent)> {
    let [catalog, namespace @ ..] = name else { return Err(incomplete(name, "catalog.namespace")) };
    let namespace = namespace_ident(namespace).ok_or_else(|| incomplete(name, "catalog.namespace"))?;
    Ok((catalog.clone(), namespace))
}

fn namespace_ident(parts: &[String]) -> Option<NamespaceIdent> {
    let levels = parts.iter().flat_map(|part| part.split('.')).map(str::to_string).collect::<Vec<_>>();
    let valid = !levels.is_empty() && levels.iter().all(|level| !level.is_empty());
    valid.then(|| NamespaceIdent::from_vec(levels).ok()).flatten()
}

fn incomplete(name: &[String], expected: &str) -> Error {
    let name = name.join(".");
    Error::new(ErrorKind::Sql, format!("`{name}` is no full name, expected {expected}"))
}

/// What to say of a name whose first part is neither attached nor DataFusion's.
pub(crate) fn unknown_catalog(name: &[String]) -> Error {
    not_attached(name.first().map_or("", String::as_str))
}
