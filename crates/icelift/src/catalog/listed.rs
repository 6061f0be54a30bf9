//! What a catalog lists: its tables by name, and what else stands beside them.

use futures::{StreamExt, TryStreamExt, stream};
use iceberg::{NamespaceIdent, TableIdent};

use super::{Catalog, TableName};
use crate::error::{Error, ErrorKind, Result};

/// Namespaces that are listed at once.
const LIST_CONCURRENCY: usize = 8;

/// A name in a namespace, and what it stands for. Only Iceberg tables can be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedTable {
    pub name: String,
    pub kind: TableKind,
}

/// What a listed name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TableKind {
    Iceberg,
    View,
    /// A table of another format, by its name, as in `Hive`.
    Foreign(String),
}

impl ListedTable {
    pub fn new(name: impl Into<String>, kind: TableKind) -> Self {
        Self { name: name.into(), kind }
    }
}

/// Catalogs that hold nothing but Iceberg tables list their names.
impl From<String> for ListedTable {
    fn from(name: String) -> Self {
        Self::new(name, TableKind::Iceberg)
    }
}

/// The Iceberg tables of a namespace, or of the whole catalog `name`, in the order of their names.
///
/// # Errors
/// A namespace that does not exist, and a catalog that cannot be listed.
pub(crate) async fn tables_of(
    catalog: &dyn Catalog,
    name: &str,
    namespace: Option<NamespaceIdent>,
) -> Result<Vec<TableName>> {
    let is_named = namespace.is_some();
    let namespaces = match namespace {
        Some(namespace) => vec![namespace],
        None => catalog.list_namespaces().await?,
    };
    let list = |namespace: NamespaceIdent| async move {
        let listed = match catalog.list_tables(&namespace).await {
            // Dropped meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound && !is_named => Vec::new(),
            listed => listed?,
        };
        let tables = listed.into_iter().filter(|table| table.kind == TableKind::Iceberg);
        let ident = |table: ListedTable| TableIdent::new(namespace.clone(), table.name);
        Ok::<_, Error>(tables.map(ident).collect::<Vec<_>>())
    };
    let lists: Vec<_> = namespaces.into_iter().map(list).collect();
    let lists: Vec<Vec<TableIdent>> = stream::iter(lists).buffered(LIST_CONCURRENCY).try_collect().await?;
    let mut idents: Vec<TableIdent> = lists.into_iter().flatten().collect();
    idents.sort_by_key(|ident| (ident.namespace.to_string(), ident.name.clone()));
    Ok(idents.into_iter().map(|ident| TableName { catalog: name.to_string(), ident }).collect())
}

impl TableKind {
    /// What to say to somebody who takes `name` for an Iceberg table; None if it is one.
    pub fn refusal(&self, name: &TableName) -> Option<Error> {
        let (message, hint) = match self {
            Self::Iceberg => return None,
            Self::View => (format!("{name} is a view, not an Iceberg table"), "query the tables that the view reads"),
            Self::Foreign(format) => (
                format!("{name} is a {format} table, not an Iceberg table"),
                "convert it with the engine that made it; icelift reads Iceberg tables",
            ),
        };
        Some(Error::new(ErrorKind::Unsupported, message).hint(hint))
    }
}
