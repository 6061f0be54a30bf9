//! What is found of the tables that a catalog has: their files, what was left behind, who else rewrites them.

use std::collections::BTreeMap;

use iceberg::TableIdent;
use iceberg::spec::Operation;

use super::{Finding, Health};
use crate::catalog::{Catalog, Table, TableKind, is_r2};
use crate::error::Error;

/// Of more schemas and tables only these are looked at.
const SCHEMAS: usize = 50;
const TABLES: usize = 20;

/// What was listed.
pub(super) struct Listing {
    schemas: usize,
    /// Of the first schemas.
    tables: Vec<TableIdent>,
}

/// Lists the first schemas of a catalog and their tables.
pub(super) async fn list(catalog: &dyn Catalog) -> Result<Listing, Error> {
    let namespaces = catalog.list_namespaces().await?;
    let mut tables = Vec::new();
    for namespace in namespaces.iter().take(SCHEMAS) {
        let listed = catalog.list_tables(namespace).await?.into_iter();
        let own = listed.filter(|table| matches!(table.kind, TableKind::Iceberg));
        tables.extend(own.map(|table| TableIdent::new(namespace.clone(), table.name)));
    }
    Ok(Listing { schemas: namespaces.len(), tables })
}

impl Listing {
    pub fn finding(&self) -> Finding {
        let looked = if self.schemas > SCHEMAS { format!(" in the first {SCHEMAS}") } else { String::new() };
        let found = format!("{} schemas, {} Iceberg tables{looked}", self.schemas, self.tables.len());
        Finding::new("list", Health::Ok, found)
    }
}

/// Looks at the first tables.
pub(super) async fn examine(catalog: &dyn Catalog, name: &str, kind: &str, listing: &Listing) -> Vec<Finding> {
    let mut tables = Vec::new();
    let mut findings = Vec::new();
    for ident in listing.tables.iter().take(TABLES) {
        match catalog.load_table(ident).await {
            Ok(table) => tables.push(table),
            Err(error) => {
                findings.push(Finding::failed("load", &error));
                break;
            }
        }
    }
    let about = match listing.tables.len() {
        all if all > TABLES => format!("the first {TABLES} tables"),
        1 => "1 table".to_string(),
        all => format!("{all} tables"),
    };
    if tables.is_empty() {
        let nothing = |check| Finding::new(check, Health::Skipped, "there is no table to look at");
        findings.extend(["objects", "storage classes", "unfinished uploads"].map(nothing));
        return findings;
    }
    findings.push(objects(&tables).await);
    findings.push(classes(&tables, &about).await);
    findings.push(uploads(&tables, name, &about).await);
    if is_r2(kind) {
        findings.push(maintenance(&tables, &about));
    }
    findings
}

/// Whether an object of a table can be read: listing is the catalog's, reading is the store's.
async fn objects(tables: &[Table]) -> Finding {
    let Some(table) = tables.first() else {
        return Finding::new("objects", Health::Skipped, "there is no table to look at");
    };
    let read = async {
        let file = table.metadata_file()?;
        table.store.read_range(file, 0..1).await
    };
    match read.await {
        Ok(_) => Finding::new("objects", Health::Ok, format!("the metadata file of {} can be read", table.name)),
        Err(error) => Finding::failed("objects", &error),
    }
}

async fn classes(tables: &[Table], about: &str) -> Finding {
    let check = "storage classes";
    let mut all: BTreeMap<String, u64> = BTreeMap::new();
    for table in tables {
        match table.store.storage_classes(table.metadata.location()).await {
            Ok(None) => return Finding::new(check, Health::Skipped, "the files are on this machine"),
            Ok(Some(found)) => found.into_iter().for_each(|(class, count)| *all.entry(class).or_default() += count),
            Err(error) => return Finding::failed(check, &error),
        }
    }
    judged(&all, about)
}

fn judged(classes: &BTreeMap<String, u64>, about: &str) -> Finding {
    let check = "storage classes";
    let listed: Vec<_> = classes.iter().map(|(class, count)| format!("{count} {class}")).collect();
    let found = format!("{} (up to 1000 objects of each of {about})", listed.join(", "));
    let has = |wanted: &[&str]| classes.keys().any(|class| wanted.contains(&class.as_str()));
    if has(&["GLACIER", "DEEP_ARCHIVE"]) {
        return Finding::new(check, Health::Fail, found)
            .advice("restore archived objects before they are read: S3 refuses to give them");
    }
    if has(&["STANDARD_IA", "ONEZONE_IA", "GLACIER_IR", "InfrequentAccess"]) {
        return Finding::new(check, Health::Warn, found)
            .advice("reading costs a retrieval fee for each GB; EXPLAIN MIGRATE leaves it out");
    }
    match classes.is_empty() {
        true => Finding::new(check, Health::Skipped, "there are no objects to look at"),
        false => Finding::new(check, Health::Ok, found),
    }
}

async fn uploads(tables: &[Table], name: &str, about: &str) -> Finding {
    let check = "unfinished uploads";
    let (mut count, mut oldest, mut holder) = (0, None, None);
    for table in tables {
        match table.store.unfinished_uploads(table.metadata.location()).await {
            Ok(None) => return Finding::new(check, Health::Skipped, "the files are on this machine"),
            Ok(Some(found)) => {
                count += found.len();
                let begun = found.iter().filter_map(|upload| upload.written).min();
                oldest = oldest.into_iter().chain(begun).min();
                if !found.is_empty() {
                    holder.get_or_insert(&table.name.ident);
                }
            }
            Err(error) => return Finding::failed(check, &error),
        }
    }
    let Some(holder) = holder else { return Finding::new(check, Health::Ok, format!("none in {about}")) };
    let since = oldest.map(|time| format!(", the oldest from {}", time.format("%Y-%m-%d %H:%M"))).unwrap_or_default();
    Finding::new(check, Health::Warn, format!("{count} in {about}{since}")).advice(format!(
        "they cost what objects cost: CALL {name}.system.remove_orphan_files(table => '{holder}'), once nothing writes"
    ))
}

/// Cloudflare's switch is not in the catalog's protocol; what compaction leaves is.
fn maintenance(tables: &[Table], about: &str) -> Finding {
    let check = "managed maintenance";
    let advice = "switch compaction and snapshot expiry off while you migrate and verify: dashboard, or `wrangler r2 bucket catalog`";
    let rewrites = |table: &&Table| {
        table.metadata.snapshots().any(|snapshot| {
            let summary = snapshot.summary();
            let is_ours = summary.additional_properties.keys().any(|key| key.starts_with("icelift."));
            summary.operation == Operation::Replace && !is_ours
        })
    };
    match tables.iter().find(rewrites) {
        Some(table) => {
            let found = format!("something rewrites files: {} has snapshots of a compaction", table.name);
            Finding::new(check, Health::Warn, found).advice(advice)
        }
        None => {
            let found =
                format!("no snapshot of a compaction in {about}; whether it is switched on, the catalog does not tell");
            Finding::new(check, Health::Skipped, found).advice(advice)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archived_objects_are_a_failure_and_cold_ones_a_warning() {
        let health = |classes: &[&str]| {
            let counted = classes.iter().map(|class| ((*class).to_string(), 1)).collect();
            judged(&counted, "1 table").health
        };
        assert_eq!(health(&["STANDARD"]), Health::Ok);
        assert_eq!(health(&["STANDARD", "STANDARD_IA"]), Health::Warn);
        assert_eq!(health(&["GLACIER_IR"]), Health::Warn);
        assert_eq!(health(&["STANDARD", "DEEP_ARCHIVE", "STANDARD_IA"]), Health::Fail);
        assert_eq!(health(&[]), Health::Skipped);
    }
}
