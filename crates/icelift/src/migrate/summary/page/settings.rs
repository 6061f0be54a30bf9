//! What the two tables are like, and what did not come along.

use std::collections::BTreeMap;

use super::markup::Markup;
use crate::migrate::summary::{CatalogSummary, MigrationSummary};

pub(super) fn findings(summary: &MigrationSummary) -> Markup {
    let mut page = Markup::default();
    if summary.findings.is_empty() {
        return page;
    }
    page.add("<section><h2>What is not as it is in the source</h2>\n<p class=\"lead\">Differences between source and target, as <code>EXPLAIN MIGRATE</code> finds them.</p>\n<div class=\"scroll\"><table><thead><tr><th scope=\"col\">Sort</th><th scope=\"col\">Of</th><th scope=\"col\">What</th></tr></thead><tbody>\n", &[]);
    for finding in &summary.findings {
        let class = match finding.level.as_str() {
            "refused" => "bad",
            "lost" => "warn",
            _ => "plain",
        };
        page.add(
            "<tr><td><span class=\"badge {}\">{}</span></td><td><code>{}</code></td><td>{}</td></tr>\n",
            &[&class, &finding.level, &finding.subject, &finding.message],
        );
    }
    page.add("</tbody></table></div></section>\n", &[]);
    page
}

pub(super) fn settings(summary: &MigrationSummary) -> Markup {
    let (source, target) = (&summary.source, &summary.target);
    let mut page = Markup::default();
    page.add("<section><h2>Settings</h2>\n<p class=\"lead\">Values that may be secrets are hidden.</p>\n<div class=\"columns\">\n<div><h3>Source</h3><table class=\"facts-table\"><tbody>\n", &[]);
    fact(&mut page, "table", &source.name);
    catalog(&mut page, source.catalog.as_ref());
    fact(&mut page, "uuid", &source.uuid);
    let snapshot = summary.pin.snapshot.map_or_else(|| "none".to_string(), |id| id.to_string());
    fact(&mut page, "snapshot copied", &snapshot);
    fact(&mut page, "schema", &summary.pin.schema.to_string());
    page.add("</tbody></table></div>\n<div><h3>Target</h3><table class=\"facts-table\"><tbody>\n", &[]);
    fact(&mut page, "table", &target.name);
    catalog(&mut page, target.catalog.as_ref());
    fact(&mut page, "location", &target.location);
    fact(&mut page, "uuid", &target.uuid);
    fact(&mut page, "format version", &target.format_version.to_string());
    fact(&mut page, "partitioned by", &listed(&target.partitioned_by));
    fact(&mut page, "sorted by", &listed(&target.sorted_by));
    if let Some(snapshot) = target.snapshot {
        fact(&mut page, "snapshot now", &snapshot.to_string());
    }
    page.add("</tbody></table></div>\n</div>\n", &[]);
    facts(&mut page, "Options of the last run", &summary.options);
    facts(&mut page, "Properties of the target", &target.properties);
    page.add("</section>\n", &[]);
    page
}

/// A table of its own, if there is anything in it.
fn facts(page: &mut Markup, title: &str, all: &BTreeMap<String, String>) {
    if all.is_empty() {
        return;
    }
    page.add("<h3>{}</h3><table class=\"facts-table\"><tbody>\n", &[&title]);
    all.iter().for_each(|(key, value)| fact(page, key, value));
    page.add("</tbody></table>\n", &[]);
}

fn catalog(page: &mut Markup, catalog: Option<&CatalogSummary>) {
    match catalog {
        Some(catalog) => {
            fact(page, "catalog type", &catalog.kind);
            fact(page, "warehouse", &catalog.warehouse);
        }
        None => fact(page, "catalog", "not attached where this page was made"),
    }
}

fn listed(fields: &[String]) -> String {
    if fields.is_empty() { "nothing".to_string() } else { fields.join(", ") }
}

fn fact(page: &mut Markup, name: &str, value: &str) {
    page.add("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", &[&name, &value]);
}
