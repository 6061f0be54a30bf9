//! What a catalog lists: its tables by name, and what else stands beside them.

use super::TableName;
use crate::error::{Error, ErrorKind};

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
