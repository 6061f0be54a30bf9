//! What R2 Data Catalog takes and refuses, from its published limits and compatibility pages.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use iceberg::{NamespaceIdent, TableIdent};

use super::PRODUCT;
use super::limits::Limits;
use crate::catalog::rest::call::{Call, Operation};
use crate::catalog::rest::rules::Rules;
use crate::error::{Error, ErrorKind, Result, Stage};

/// First levels that belong to the product.
const RESERVED: [&str; 3] = ["system", "examples", "information_schema"];
const LEVELS: usize = 5;
/// The properties below `write.metadata` that are taken; all others are refused with 409, as a lost race would be.
const METADATA_PROPERTIES: [&str; 3] = [
    "write.metadata.compression-codec",
    "write.metadata.delete-after-commit.enabled",
    "write.metadata.previous-versions-max",
];
/// Beginnings of properties that are refused, or that would send later writers to the bucket that a table came from, or that
/// belong to a product's own machinery.
const LEFT_OUT: [&str; 6] = [
    "write.data.path",
    "write.object-storage.path",
    "write.folder-storage.path",
    "encryption.",
    "vacuum_",
    "cloudflare-data-catalog.",
];

/// The rules of one R2 Data Catalog, with the calls of the last minute.
#[derive(Debug, Default)]
pub(super) struct R2Rules {
    limits: Mutex<Limits>,
}

impl Rules for R2Rules {
    fn product(&self) -> &'static str {
        PRODUCT
    }

    fn admit(&self, call: &Call) -> Duration {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner).reserve(call, Instant::now())
    }

    fn check_new_namespace(&self, namespace: &NamespaceIdent, properties: &HashMap<String, String>) -> Result<()> {
        let levels = namespace.as_ref();
        if levels.len() > LEVELS {
            let found = levels.len();
            return Err(refused(format!("`{namespace}` has {found} levels, the {PRODUCT} has at most {LEVELS}"))
                .hint("choose a name with fewer dots"));
        }
        if let Some(level) = levels.iter().find(|level| level.contains('.')) {
            return Err(
                refused(format!("the {PRODUCT} takes no `.` in a name, found `{level}`")).hint("choose another name")
            );
        }
        if levels.first().is_some_and(|first| RESERVED.contains(&first.to_ascii_lowercase().as_str())) {
            return Err(refused(format!(
                "`{namespace}` is reserved, the {PRODUCT} uses {} itself",
                RESERVED.join(", ")
            ))
            .hint("choose another name"));
        }
        if let Some(key) = properties.keys().find(|key| **key != key.to_lowercase()) {
            return Err(refused(format!("the {PRODUCT} takes property names in lower case only, found `{key}`"))
                .hint("write it in lower case"));
        }
        Ok(())
    }

    fn check_new_table(&self, table: &TableIdent, location: Option<&str>) -> Result<()> {
        self.check_new_namespace(&table.namespace, &HashMap::new())?;
        if location.is_some() {
            return Err(refused(format!("the {PRODUCT} chooses the location of a table itself"))
                .hint("leave LOCATION out of CREATE TABLE"));
        }
        Ok(())
    }

    fn takes_property(&self, key: &str) -> bool {
        takes_property(key)
    }

    fn hint(&self, operation: Operation, status: u16) -> Option<&'static str> {
        match (status, operation) {
            (401, _) => Some("check TOKEN: it is an API token of the account, with R2's `Admin Read & Write`"),
            (403, Operation::GetConfig) => {
                Some("check the warehouse, `<account>_<bucket>`, and that the token has R2's `Admin Read & Write`")
            }
            (403, Operation::ListTables) => {
                Some("the namespace may not exist: R2 says 403 of those, too; otherwise the token lacks a right")
            }
            (403, _) => Some("the token lacks a right: it needs R2's `Admin Read & Write` for this bucket"),
            (429, _) => Some("another writer uses the catalog's limit of writes a minute; run the statement again"),
            _ => None,
        }
    }
}

/// Whether the product takes a table property of this name.
pub(in crate::catalog) fn takes_property(key: &str) -> bool {
    let is_left_out = LEFT_OUT.iter().any(|beginning| key.starts_with(beginning)) || key == "gc.enabled";
    let is_metadata = key.starts_with("write.metadata") && !METADATA_PROPERTIES.contains(&key);
    !is_left_out && !is_metadata
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::Sql, message).stage(Stage::Catalog)
}
