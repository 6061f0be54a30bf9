//! What one product asks of its clients beyond the specification.

use std::collections::HashMap;
use std::fmt::Debug;
use std::time::Duration;

use iceberg::{NamespaceIdent, TableIdent};

use super::call::{Call, Operation};
use crate::error::Result;

/// The rules of a product. The defaults are those of the specification: none.
pub(in crate::catalog) trait Rules: Debug + Send + Sync {
    /// What messages call the catalog.
    fn product(&self) -> &'static str;

    /// Counts a call that is about to be sent, and says how long to wait before.
    fn admit(&self, _call: &Call) -> Duration {
        Duration::ZERO
    }

    /// Refuses names that the product does not take.
    fn check_new_namespace(&self, _namespace: &NamespaceIdent, _properties: &HashMap<String, String>) -> Result<()> {
        Ok(())
    }

    /// Refuses tables that the product does not take.
    fn check_new_table(&self, _table: &TableIdent, _location: Option<&str>) -> Result<()> {
        Ok(())
    }

    /// Whether the product takes the table property. What it does not take is left out with a warning.
    fn takes_property(&self, _key: &str) -> bool {
        true
    }

    /// What to do about an answer with this status, where the product's answers have a meaning of their own.
    fn hint(&self, _operation: Operation, _status: u16) -> Option<&'static str> {
        None
    }
}

/// `TYPE rest`.
#[derive(Debug)]
pub(super) struct Plain;

impl Rules for Plain {
    fn product(&self) -> &'static str {
        "REST catalog"
    }
}

/// The properties that the product takes; the others are named in the log.
pub(super) fn taken_properties(
    rules: &dyn Rules,
    about: &TableIdent,
    properties: HashMap<String, String>,
) -> HashMap<String, String> {
    let (taken, left): (HashMap<_, _>, HashMap<_, _>) =
        properties.into_iter().partition(|(key, _)| rules.takes_property(key));
    for property in left.keys() {
        let product = rules.product();
        tracing::warn!(table = %about, property, product, "the table property is left out, the catalog refuses it");
    }
    taken
}
