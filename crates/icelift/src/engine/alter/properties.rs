//! The part of `ALTER TABLE` that sets properties.
//!
//! What must hold: the register of migrations stays as its migrations wrote it; no property says of the table what its
//! metadata says; icelift itself can still write with what is set.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use iceberg::spec::{FormatVersion, TableMetadata, TableMetadataBuilder, TableProperties};

use super::refused;
use crate::catalog::takes_property;
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::sink::SinkSettings;
use crate::pipeline::snapshot;
use crate::sql::TableChange;

/// What migrations write of themselves.
const REGISTER: &str = "icelift.";
const FORMAT_VERSION: &str = "format-version";

/// Sets or removes properties.
pub(super) fn change(
    builder: TableMetadataBuilder,
    metadata: &TableMetadata,
    change: &TableChange,
    catalog_kind: &str,
) -> Result<TableMetadataBuilder> {
    let builder = match change {
        TableChange::SetProperties(set) => set_all(builder, metadata, set, catalog_kind)?,
        TableChange::UnsetProperties { keys, if_exists } => unset(builder, metadata, keys, *if_exists)?,
        _ => return Ok(builder),
    };
    let after = builder.clone().build().map_err(refused)?.metadata;
    snapshot::check(&after)?;
    SinkSettings::new(&after)?;
    Ok(builder)
}

fn set_all(
    mut builder: TableMetadataBuilder,
    metadata: &TableMetadata,
    set: &BTreeMap<String, String>,
    catalog_kind: &str,
) -> Result<TableMetadataBuilder> {
    let mut new = HashMap::new();
    for (key, value) in set {
        if key == FORMAT_VERSION {
            builder = upgraded(builder, metadata.format_version(), value)?;
            continue;
        }
        check_key(key)?;
        if !takes_property(catalog_kind, key) {
            let message = format!("the catalog does not take the table property `{key}`");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        if metadata.properties().get(key) != Some(value) {
            new.insert(key.clone(), value.clone());
        }
    }
    builder.set_properties(new).map_err(refused)
}

fn unset(
    builder: TableMetadataBuilder,
    metadata: &TableMetadata,
    keys: &BTreeSet<String>,
    if_exists: bool,
) -> Result<TableMetadataBuilder> {
    for key in keys {
        check_key(key)?;
        if !if_exists && !metadata.properties().contains_key(key) {
            return Err(Error::new(ErrorKind::NotFound, format!("the table has no property `{key}`"))
                .hint("UNSET TBLPROPERTIES IF EXISTS passes over what is not there"));
        }
    }
    let there: Vec<_> = keys.iter().filter(|key| metadata.properties().contains_key(*key)).cloned().collect();
    builder.remove_properties(&there).map_err(refused)
}

/// Refuses what is no user's to set.
fn check_key(key: &str) -> Result<()> {
    if key.starts_with(REGISTER) {
        let message = format!("`{key}` belongs to icelift's migrations, which would take it for their own word");
        return Err(Error::new(ErrorKind::Sql, message).hint("SHOW MIGRATION shows what it says"));
    }
    if key == "location" || key == "provider" {
        return Err(Error::new(ErrorKind::Unsupported, format!("`{key}` is no property that can be changed")));
    }
    if TableProperties::RESERVED_PROPERTIES.contains(&key) {
        let message = format!("`{key}` is reserved: the table's metadata says it, no property does");
        return Err(Error::new(ErrorKind::Sql, message));
    }
    Ok(())
}

fn upgraded(builder: TableMetadataBuilder, from: FormatVersion, wanted: &str) -> Result<TableMetadataBuilder> {
    let to = match wanted {
        "1" => FormatVersion::V1,
        "2" => FormatVersion::V2,
        "3" => FormatVersion::V3,
        other => {
            let message = format!("`{FORMAT_VERSION}` is `{other}`, tables can be written as 1, 2 or 3");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
    };
    if to < from {
        let message = format!("the table has format version {}, and cannot go back to {wanted}", from as u8);
        return Err(Error::new(ErrorKind::Unsupported, message).hint("CREATE TABLE … AS SELECT writes it anew"));
    }
    builder.upgrade_format_version(to).map_err(refused)
}
