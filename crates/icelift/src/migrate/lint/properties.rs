//! Table properties that the target does not have, with the reason where there is one, or has otherwise.

use std::collections::BTreeMap;

use iceberg::spec::TableMetadata;

use super::{Finding, Level, Sides};
use crate::catalog::takes_property;

/// Beginnings of properties that belong to the source and nothing else, with the reason.
const OF_THE_SOURCE: [(&str, &str); 9] = [
    ("write.data.path", "it names a place of the source"),
    ("write.metadata.path", "it names a place of the source"),
    ("write.object-storage.path", "it names a place of the source"),
    ("write.folder-storage.path", "it names a place of the source"),
    ("schema.name-mapping.", "files are written anew, with field ids"),
    ("encryption.", "the target's files are not encrypted"),
    ("vacuum_", "it belongs to the source's maintenance"),
    ("cloudflare-data-catalog.", "it belongs to the source's maintenance"),
    ("icelift.", "it tells of an earlier migration"),
];

/// Why a property of this name cannot go along to a catalog of type `kind`. None if it can.
fn obstacle(kind: &str, key: &str) -> Option<&'static str> {
    let of_the_source = OF_THE_SOURCE.iter().find(|(beginning, _)| key.starts_with(beginning)).map(|(_, why)| *why);
    of_the_source.or_else(|| (!takes_property(kind, key)).then_some("the target's catalog refuses it"))
}

/// The properties of the source that a new target in a catalog of type `kind` gets.
pub(crate) fn carried_properties(source: &TableMetadata, kind: &str) -> BTreeMap<String, String> {
    let properties = source.properties().iter().filter(|(key, _)| obstacle(kind, key).is_none());
    properties.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Values are not said: they may be what nobody but the table's owner knows.
pub(super) fn lint(Sides { source, target, target_kind, .. }: Sides<'_>) -> Vec<Finding> {
    let ordered: BTreeMap<_, _> = source.properties().iter().collect();
    let finding = |(key, value): (&String, &String)| {
        let subject = format!("property `{key}`");
        match (obstacle(target_kind, key), target.properties().get(key)) {
            (Some(why), _) => Some(Finding::new(Level::Lost, subject, why)),
            (None, None) => Some(Finding::new(Level::Lost, subject, "the target does not have it")),
            (None, Some(found)) if found != value => {
                Some(Finding::new(Level::Changed, subject, "the target has another value"))
            }
            (None, Some(_)) => None,
        }
    };
    ordered.into_iter().filter_map(finding).collect()
}
