//! A table at one point in time, and the store that holds it.

mod manifest_list;
mod pinned;

use std::fmt;
use std::sync::Arc;

use iceberg::TableIdent;
use iceberg::io::FileIO;
use iceberg::spec::{
    Manifest, ManifestFile, ManifestList, PrimitiveType, SnapshotRef, TableMetadata, TableMetadataRef,
};

use super::CommitRequest;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::storage::{Meter, Store, own_error};

/// A table's full name, as a person would type it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TableName {
    pub catalog: String,
    pub ident: TableIdent,
}

impl TableName {
    /// The name without quotes.
    pub fn plain(&self) -> String {
        format!("{}.{}.{}", self.catalog, self.ident.namespace, self.ident.name)
    }

    /// The name as a statement says it, whatever its parts are made of.
    pub fn quoted(&self) -> String {
        let levels = self.ident.namespace.iter().map(String::as_str);
        let parts = std::iter::once(self.catalog.as_str()).chain(levels).chain([self.ident.name.as_str()]);
        parts.map(quoted).collect::<Vec<_>>().join(".")
    }
}

/// A name as a statement says it, in quotes.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}.{}.{}`", self.catalog, self.ident.namespace, self.ident.name)
    }
}

/// One version of a table's metadata.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub name: TableName,
    pub metadata: TableMetadataRef,
    /// None for a table that is not created yet.
    pub metadata_location: Option<String>,
    pub store: Store,
    pub file_io: FileIO,
    /// Changes that were made to `metadata` and go into the same commit as the first snapshot (`CREATE TABLE … AS`).
    pub staged: Option<Arc<CommitRequest>>,
}

impl Table {
    /// Reads the metadata file at `metadata_location`.
    pub async fn read(name: TableName, metadata_location: String, store: Store) -> Result<Self> {
        let file_io = store.file_io();
        let metadata = match TableMetadata::read_from(&file_io, &metadata_location).await {
            Ok(metadata) => metadata,
            Err(source) => return Err(unreadable(&store, &name, &metadata_location, source).await),
        };
        Ok(Self::at(name, metadata_location, metadata.into(), store))
    }

    /// The table whose metadata file at `metadata_location` is known.
    pub fn at(name: TableName, metadata_location: String, metadata: TableMetadataRef, store: Store) -> Self {
        let (file_io, metadata_location) = (store.file_io(), Some(metadata_location));
        Self { name, metadata, metadata_location, store, file_io, staged: None }
    }

    /// The table that the first commit to `metadata` will create.
    pub fn staged(name: TableName, metadata: TableMetadata, store: Store) -> Self {
        let (metadata, file_io) = (TableMetadataRef::from(metadata), store.file_io());
        let request = CommitRequest { create: Some(metadata.clone()), ..CommitRequest::default() };
        Self { name, metadata, metadata_location: None, store, file_io, staged: Some(Arc::new(request)) }
    }

    /// The same table; `account` counts what is asked for its objects.
    pub fn on_account(&self, account: &Arc<Meter>) -> Self {
        let store = self.store.on_account(account);
        Self { file_io: store.file_io(), store, ..self.clone() }
    }

    /// The table as it was at one of its snapshots, with the columns of one of its schemas.
    ///
    /// # Errors
    /// A snapshot that the table does not have, because it expired or never was; a schema that it does not have.
    pub fn pinned(&self, snapshot_id: i64, schema_id: i32) -> Result<Self> {
        let (now, place) = (&self.metadata, |error: Error| error.place(Stage::Catalog, &self.name));
        if (now.current_snapshot_id(), now.current_schema_id()) == (Some(snapshot_id), schema_id) {
            return Ok(self.clone());
        }
        if now.snapshot_by_id(snapshot_id).is_none() {
            return Err(place(
                Error::new(ErrorKind::NotFound, format!("the snapshot {snapshot_id} is gone"))
                    .hint("it has expired; keep snapshots for longer than a migration takes"),
            ));
        }
        let pinned = pinned::pinned(now, snapshot_id, schema_id).map_err(|source| {
            let message = format!("the table cannot be read as of snapshot {snapshot_id} with schema {schema_id}");
            place(Error::new(ErrorKind::Unsupported, message).source(source))
        })?;
        Ok(Self { metadata: pinned.into(), ..self.clone() })
    }

    /// The file of this version of the metadata.
    pub fn metadata_file(&self) -> Result<&str> {
        self.metadata_location.as_deref().ok_or_else(|| {
            Error::new(ErrorKind::Internal, "the table is not created yet").place(Stage::Catalog, &self.name)
        })
    }

    /// The manifests of a snapshot.
    pub async fn manifest_list(&self, snapshot: &SnapshotRef) -> Result<ManifestList> {
        if snapshot.encryption_key_id().is_some() {
            return Err(Error::new(ErrorKind::Unsupported, "the table is encrypted"));
        }
        let location = snapshot.manifest_list();
        let bytes = self.store.read(location).await?;
        manifest_list::parse(&bytes, self.metadata.format_version())
            .map_err(|source| metadata_error("the manifest list", location, source))
    }

    /// Deletes every file that the table's metadata names. To be called once the catalog has forgotten the table.
    pub async fn purge(&self) -> Result<()> {
        let failed = |source: iceberg::Error| {
            Error::new(ErrorKind::Write, "the files of the dropped table could not all be deleted")
                .place(Stage::Catalog, &self.name)
                .hint(format!("what is left lies below `{}`", self.metadata.location()))
                .source(source)
        };
        let table = iceberg::table::Table::builder()
            .file_io(self.file_io.clone())
            .metadata(self.metadata.clone())
            .metadata_location(self.metadata_file()?.to_string())
            .identifier(self.name.ident.clone())
            .runtime(iceberg::Runtime::current())
            .build()
            .map_err(failed)?;
        iceberg::drop_table_data(&table).await.map_err(failed)
    }

    /// The entries of one manifest.
    pub async fn manifest(&self, file: &ManifestFile) -> Result<Manifest> {
        let loaded = file.load_manifest(&self.file_io).await;
        loaded.map_err(|source| metadata_error("the manifest", &file.manifest_path, source))
    }
}

fn metadata_error(what: &str, location: &str, source: iceberg::Error) -> Error {
    let own = own_error(&source);
    let kind = own.map_or(ErrorKind::Read, Error::kind);
    let damaged = "the table is damaged or its files were removed; an older snapshot may still be readable";
    let hint = own.and_then(Error::advice).unwrap_or(damaged).to_string();
    Error::new(kind, format!("{what} cannot be read")).subject(location).hint(hint).source(source)
}

/// Says what is wrong with a metadata file that `iceberg` refused: gone, of a later format, or damaged.
async fn unreadable(store: &Store, name: &TableName, location: &str, source: iceberg::Error) -> Error {
    let found = match store.read(location).await {
        Ok(bytes) => serde_json::from_slice::<serde_json::Value>(&bytes).ok(),
        Err(error) => return error.place(Stage::Catalog, name),
    };
    let damaged = || {
        Error::new(ErrorKind::Read, format!("the metadata file `{location}` cannot be parsed"))
            .hint("the file is damaged; the catalog can be pointed to an older one")
    };
    let error = found.as_ref().and_then(unsupported_metadata).unwrap_or_else(damaged);
    error.place(Stage::Catalog, name).source(source)
}

/// What in the metadata is not supported: a later format, or a type. None if that is not what is wrong with it.
pub(super) fn unsupported_metadata(metadata: &serde_json::Value) -> Option<Error> {
    let newest = 3;
    match metadata.get("format-version").and_then(serde_json::Value::as_u64) {
        Some(version) if version > newest => Some(Error::new(
            ErrorKind::Unsupported,
            format!("the table has format version {version}, versions 1 to {newest} are supported"),
        )),
        _ => unknown_type(metadata).map(|unknown| {
            Error::new(ErrorKind::Unsupported, format!("the schema has the type `{unknown}`"))
                .hint("rewrite the table without such columns with the engine that made it")
        }),
    }
}

/// The first type in the schemas that no version of the spec up to 3, or not this library, knows.
fn unknown_type(metadata: &serde_json::Value) -> Option<String> {
    fn of_field(field: &serde_json::Value) -> Option<String> {
        ["type", "element", "key", "value"].iter().filter_map(|part| field.get(part)).find_map(of_type)
    }
    fn of_type(found: &serde_json::Value) -> Option<String> {
        match found {
            serde_json::Value::String(name) => {
                let known = serde_json::from_value::<PrimitiveType>(found.clone()).is_ok();
                let nested = ["struct", "list", "map"].contains(&name.as_str());
                (!known && !nested).then(|| name.clone())
            }
            serde_json::Value::Object(_) => {
                let fields = found.get("fields").and_then(serde_json::Value::as_array);
                of_field(found).or_else(|| fields.into_iter().flatten().find_map(of_field))
            }
            _ => None,
        }
    }
    let schemas = metadata.get("schemas").and_then(serde_json::Value::as_array);
    schemas.into_iter().flatten().chain(metadata.get("schema")).find_map(of_type)
}
