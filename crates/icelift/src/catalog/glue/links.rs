//! Resource links: databases and tables that are somewhere else, often in another account.
//!
//! AWS follows links itself where the caller has rights on both ends, and shows the target under the link's name. What is
//! left to do here is to address the target directly, so that a commit names what it changes.

use aws_sdk_glue::types::{Database, Table as Entry};
use iceberg::{NamespaceIdent, TableIdent};

use super::GlueCatalog;
use super::client::DatabasePlace;
use super::place::{database_name, kind};
use super::table_input::METADATA_LOCATION;
use crate::catalog::ListedTable;
use crate::error::{Error, ErrorKind, Result, Stage};

/// An entry, and where it really is.
pub(super) struct Found {
    pub place: DatabasePlace,
    pub entry: Entry,
    /// Whether the name that was asked for is a link to it.
    pub is_link: bool,
}

impl GlueCatalog {
    /// The database and where it really is.
    pub(super) async fn database(&self, namespace: &NamespaceIdent) -> Result<(DatabasePlace, Database)> {
        let place = self.client.place(database_name(namespace));
        let database = self.client.database(&place).await?.ok_or_else(|| self.namespace_not_found(namespace))?;
        match target_of(&place, &database) {
            Some(target) => {
                let linked = self.client.database(&target).await?;
                let linked = linked.ok_or_else(|| dangling(&place.name, &target, None).subject(&self.name))?;
                Ok((target, linked))
            }
            None => Ok((place, database)),
        }
    }

    /// The entry that a name leads to. None if the table does not exist; an error if its namespace does not.
    pub(super) async fn find(&self, ident: &TableIdent) -> Result<Option<Found>> {
        let place = self.client.place(database_name(&ident.namespace));
        if let Some(entry) = self.client.table(&place, &ident.name).await? {
            return self.followed(place, entry).await.map(Some);
        }
        // Glue does not say which of the two is missing, nor whether the database is a link that it did not follow.
        let (real, _) = self.database(&ident.namespace).await?;
        if real == place {
            return Ok(None);
        }
        match self.client.table(&real, &ident.name).await? {
            Some(entry) => self.followed(real, entry).await.map(Some),
            None => Ok(None),
        }
    }

    /// Where a link leads to. AWS may have followed it already and shown the target under the link's name.
    async fn followed(&self, place: DatabasePlace, entry: Entry) -> Result<Found> {
        let Some(target) = entry.target_table() else { return Ok(Found { place, entry, is_link: false }) };
        let real = DatabasePlace {
            catalog_id: target.catalog_id.clone().or_else(|| place.catalog_id.clone()),
            name: target.database_name.clone().unwrap_or_else(|| place.name.clone()),
        };
        let name = target.name().unwrap_or(&entry.name);
        match self.client.table(&real, name).await? {
            Some(entry) => Ok(Found { place: real, entry, is_link: true }),
            None => {
                let link = format!("{}.{}", place.name, entry.name);
                Err(dangling(&link, &real, Some(name)).subject(&self.name))
            }
        }
    }

    /// An entry as it is listed: a link as what it leads to, or as a link if that cannot be seen.
    pub(super) async fn listed(&self, place: &DatabasePlace, entry: Entry) -> ListedTable {
        let name = entry.name.clone();
        if entry.target_table.is_none() || entry.parameters().is_some_and(|it| it.contains_key(METADATA_LOCATION)) {
            return ListedTable::new(name, kind(&entry));
        }
        let unfollowed = kind(&entry);
        match self.followed(place.clone(), entry).await {
            Ok(found) => ListedTable::new(name, kind(&found.entry)),
            Err(error) => {
                tracing::warn!(catalog = self.name, table = name, %error, "the link cannot be followed");
                ListedTable::new(name, unfollowed)
            }
        }
    }
}

/// The database that a link leads to.
pub(super) fn target_of(place: &DatabasePlace, database: &Database) -> Option<DatabasePlace> {
    let target = database.target_database()?;
    let real = DatabasePlace {
        catalog_id: target.catalog_id.clone().or_else(|| place.catalog_id.clone()),
        name: target.database_name.clone()?,
    };
    // AWS follows links itself where it may, and then shows the target.
    Some(real).filter(|real| real != place)
}

fn dangling(link: &str, target: &DatabasePlace, table: Option<&str>) -> Error {
    let account = target.catalog_id.as_deref().unwrap_or("this account");
    let target = table.map_or_else(|| target.name.clone(), |table| format!("{}.{table}", target.name));
    Error::new(
        ErrorKind::NotFound,
        format!("`{link}` is a resource link to `{target}` of {account}, which is not seen"),
    )
    .stage(Stage::Catalog)
    .hint("it may be dropped, no longer shared, or in another region")
}
