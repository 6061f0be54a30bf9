//! The catalogs of a session, by name.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use tokio_util::task::TaskTracker;

use super::glue::GlueCatalog;
use super::local::LocalCatalog;
use super::rest::Rest;
use super::{AwsSource, Catalog, r2};
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::options::Options;
use crate::sql::Attach;
use crate::storage::{Store, UploadSettings};

/// The names that DataFusion keeps for itself.
const RESERVED: [&str; 2] = ["datafusion", "information_schema"];

/// What a person sees of an attached catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttachedCatalog {
    /// The name in SQL.
    pub name: String,
    /// `local`, `glue`, `rest`, `r2` or `basin`.
    pub kind: String,
    /// Where its tables are.
    pub warehouse: String,
}

#[derive(Debug, Clone)]
struct Entry {
    described: AttachedCatalog,
    catalog: Arc<dyn Catalog>,
}

/// The attached catalogs of a session. Cheap to clone; all clones share the entries.
#[derive(Debug, Clone, Default)]
pub(crate) struct Catalogs(Arc<RwLock<BTreeMap<String, Entry>>>);

impl Catalogs {
    pub fn get(&self, name: &str) -> Option<Arc<dyn Catalog>> {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(name).map(|entry| Arc::clone(&entry.catalog))
    }

    pub fn describe(&self) -> Vec<AttachedCatalog> {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        entries.values().map(|entry| entry.described.clone()).collect()
    }

    /// The `TYPE` of a catalog; empty if none of this name is attached.
    pub fn kind(&self, name: &str) -> String {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(name).map(|entry| entry.described.kind.clone()).unwrap_or_default()
    }

    /// Opens and adds a catalog. No table of it is touched.
    pub async fn attach(&self, attach: Attach, aws: &AwsSource, cleanup: &TaskTracker) -> Result<()> {
        let name = attach.name.clone();
        if RESERVED.contains(&name.as_str()) {
            return Err(Error::new(ErrorKind::Config, format!("`{name}` is DataFusion's own catalog"))
                .stage(Stage::Catalog)
                .hint("choose another name after AS"));
        }
        if self.get(&name).is_some() {
            return if attach.if_not_exists { Ok(()) } else { Err(attached_already(&name)) };
        }
        let option = |key: &str| attach.options.get(key).cloned();
        let described = AttachedCatalog {
            name: name.clone(),
            kind: option("type").unwrap_or_default().to_ascii_lowercase(),
            warehouse: attach.warehouse.clone().or_else(|| option("warehouse")).unwrap_or_default(),
        };
        let catalog = open(attach, aws, cleanup).await?;
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if entries.contains_key(&name) {
            return Err(attached_already(&name));
        }
        entries.insert(name, Entry { described, catalog });
        Ok(())
    }

    /// Forgets a catalog; its tables stay where they are. False if it was not attached.
    pub fn detach(&self, name: &str) -> bool {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(name).is_some()
    }
}

/// Opens the catalog that `attach` describes.
async fn open(attach: Attach, aws: &AwsSource, cleanup: &TaskTracker) -> Result<Arc<dyn Catalog>> {
    let Attach { name, warehouse, mut options, .. } = attach;
    let warehouse = warehouse.or_else(|| options.remove("warehouse"));
    let kind = options.remove("type").ok_or_else(|| {
        Error::new(ErrorKind::Config, format!("the catalog `{name}` has no type"))
            .stage(Stage::Catalog)
            .hint(format!("ATTACH '<warehouse>' AS {name} (TYPE r2, …); the types are local, glue, rest and r2"))
    })?;
    match kind.to_ascii_lowercase().as_str() {
        "local" => {
            let warehouse = warehouse.ok_or_else(|| {
                Error::new(ErrorKind::Config, format!("the local catalog `{name}` has no warehouse folder"))
                    .stage(Stage::Catalog)
                    .hint("ATTACH '<folder>' AS name (TYPE local)")
            })?;
            let mut options = Options::new(&name, options);
            let store = Store::local(UploadSettings::take(&mut options)?, cleanup.clone());
            Ok(Arc::new(LocalCatalog::open(&warehouse, options, store).await?))
        }
        "glue" => {
            let options = Options::new(&name, options);
            Ok(Arc::new(GlueCatalog::open(warehouse, options, aws, cleanup.clone()).await?))
        }
        "rest" => Ok(Arc::new(Rest::open(warehouse, Options::new(&name, options), cleanup).await?)),
        "r2" | "basin" => Ok(Arc::new(r2::open(warehouse, Options::new(&name, options), cleanup).await?)),
        "s3tables" => {
            Err(Error::new(ErrorKind::Unsupported, format!("catalogs of type `{kind}` are not in this version"))
                .stage(Stage::Catalog)
                .subject(format!("`{name}`"))
                .hint("TYPE local, glue, rest and r2 are"))
        }
        _ => Err(Error::new(ErrorKind::Config, format!("`{kind}` is no catalog type"))
            .stage(Stage::Catalog)
            .subject(format!("`{name}`"))
            .hint("the types are local, glue, rest and r2")),
    }
}

fn attached_already(name: &str) -> Error {
    Error::new(ErrorKind::AlreadyExists, format!("a catalog `{name}` is attached already"))
        .stage(Stage::Catalog)
        .hint(format!("DETACH {name} first, or ATTACH IF NOT EXISTS"))
}
