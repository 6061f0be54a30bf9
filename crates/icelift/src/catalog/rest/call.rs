//! One call of the REST protocol: which operation, about what, and what may be done when its answer is lost.

use std::fmt;

use iceberg::TableIdent;
use reqwest::Method;

/// The operations of the specification that are used, by its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::catalog) enum Operation {
    GetConfig,
    ListNamespaces,
    CreateNamespace,
    DropNamespace,
    ListTables,
    ListViews,
    LoadTable,
    LoadCredentials,
    /// With `stage-create`: changes nothing that anybody sees.
    StageTable,
    CreateTable,
    RegisterTable,
    DropTable,
    RenameTable,
    UpdateTable,
}

impl Operation {
    /// The specification's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::GetConfig => "getConfig",
            Self::ListNamespaces => "listNamespaces",
            Self::CreateNamespace => "createNamespace",
            Self::DropNamespace => "dropNamespace",
            Self::ListTables => "listTables",
            Self::ListViews => "listViews",
            Self::LoadTable => "loadTable",
            Self::LoadCredentials => "loadCredentials",
            Self::StageTable | Self::CreateTable => "createTable",
            Self::RegisterTable => "registerTable",
            Self::DropTable => "dropTable",
            Self::RenameTable => "renameTable",
            Self::UpdateTable => "updateTable",
        }
    }

    pub fn method(self) -> Method {
        match self {
            Self::GetConfig | Self::ListNamespaces | Self::ListTables | Self::ListViews => Method::GET,
            Self::LoadTable | Self::LoadCredentials => Method::GET,
            Self::DropNamespace | Self::DropTable => Method::DELETE,
            Self::CreateNamespace | Self::StageTable | Self::CreateTable | Self::UpdateTable => Method::POST,
            Self::RegisterTable | Self::RenameTable => Method::POST,
        }
    }

    pub fn is_read(self) -> bool {
        self.method() == Method::GET
    }

    /// Whether doing it twice is like doing it once, so that a call without an answer may simply be sent again.
    ///
    /// Reads are. A staged table exists for nobody, and a second staging replaces the first. A namespace is dropped only
    /// when it is empty. Dropping a table is not: somebody may have created it anew between the two. Creations,
    /// renames and commits are not.
    pub fn is_idempotent(self) -> bool {
        self.is_read() || matches!(self, Self::DropNamespace | Self::StageTable)
    }
}

/// A call that is about to be made.
#[derive(Debug, Clone)]
pub(in crate::catalog) struct Call {
    pub operation: Operation,
    /// What it is about, for messages: `` `ns.t` ``. Empty for the catalog itself.
    pub about: String,
    /// The table, where there is one: rates are counted by table.
    pub table: Option<TableIdent>,
    /// Path and query below the catalog's address.
    pub path: String,
    pub body: Option<Vec<u8>>,
    /// Whether a second copy of it must fail if the first one was carried out; see `commit.rs`.
    pub is_fenced: bool,
}

impl Call {
    pub fn new(operation: Operation, path: String) -> Self {
        Self { operation, about: String::new(), table: None, path, body: None, is_fenced: false }
    }

    pub fn about(mut self, what: impl fmt::Display) -> Self {
        self.about = format!("`{what}`");
        self
    }

    pub fn table(mut self, table: &TableIdent) -> Self {
        self.table = Some(table.clone());
        self.about(format_args!("{}.{}", table.namespace, table.name))
    }

    pub fn body(mut self, body: Vec<u8>) -> Self {
        self.body = Some(body);
        self
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation.name())?;
        if self.about.is_empty() { Ok(()) } else { write!(f, " of {}", self.about) }
    }
}
