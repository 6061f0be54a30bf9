//! Requests and dollars, as they were planned and as they came.

use super::figures::{bytes, count, counted, dollars, duration};
use super::markup::Markup;
use crate::migrate::summary::{MigrationSummary, TrafficSummary};

/// How to read a figure off, and how to write it.
type Measure = (&'static str, fn(&TrafficSummary) -> Option<f64>, fn(f64) -> String);

const MEASURES: [Measure; 7] = [
    ("Bytes read from the source", |it| Some(it.read_bytes as f64), |value| bytes(value as u64)),
    ("Requests to the source's store", |it| Some(it.source_requests as f64), |value| count(value as u64)),
    ("Writes and lists of the target's store", |it| Some(it.target_puts as f64), |value| count(value as u64)),
    ("Reads of the target's store", |it| Some(it.target_gets as f64), |value| count(value as u64)),
    ("Calls of catalogs", |it| it.catalog_calls.map(|calls| calls as f64), |value| count(value as u64)),
    ("Dollars", |it| it.dollars, dollars),
    ("Time of the batches together", |it| it.seconds, duration),
];

pub(super) fn costs(summary: &MigrationSummary) -> Markup {
    let costs = &summary.costs;
    let mut page = Markup::default();
    page.add("<section><h2>Requests and dollars</h2>\n<p class=\"lead\">", &[]);
    let changed = if costs.prices_changed { ", some of them replaced" } else { "" };
    page.add(
        "By the list prices of {}{}, as if it were the first traffic of its month. ",
        &[&costs.prices_of, &changed],
    );
    match costs.plan {
        Some(_) => page.add("The plan is that of <code>EXPLAIN MIGRATE</code>.", &[]),
        None => page.add("Without the source there is no plan to compare with.", &[]),
    };
    page.add("</p>\n<div class=\"scroll\"><table><thead><tr><th scope=\"col\">What</th><th scope=\"col\" class=\"n\">Plan, all batches</th><th scope=\"col\" class=\"n\">Plan, those that are done</th><th scope=\"col\" class=\"n\">Actual</th><th scope=\"col\" class=\"n\">Actual to plan</th></tr></thead><tbody>\n", &[]);
    for (name, of, shown) in MEASURES {
        let value = |traffic: Option<&TrafficSummary>| traffic.and_then(of);
        let (plan, of_done) = (value(costs.plan.as_ref()), value(costs.plan_of_done.as_ref()));
        let actual = of(&costs.actual);
        let or_dash = |value: Option<f64>| value.map_or_else(|| "–".to_string(), shown);
        let share = of_done.zip(actual).filter(|(plan, _)| *plan > 0.0);
        let share = share.map_or_else(|| "–".to_string(), |(plan, actual)| format!("{:.0} %", actual / plan * 100.0));
        page.add(
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
            &[&name, &or_dash(plan), &or_dash(of_done), &or_dash(actual), &share],
        );
    }
    page.add("</tbody></table></div>\n<p class=\"small\">", &[]);
    page.add("A batch counts what it asks for until its files were read again: its commit and the calls of catalogs are in the plan alone.", &[]);
    if costs.not_recorded > 0 {
        let missing = counted(costs.not_recorded, "batch", "batches");
        page.add(" Of {} it is not recorded what they took.", &[&missing]);
    }
    if costs.bandwidth_bytes_per_second.is_none() && costs.plan.is_some() {
        page.add(" Without a bandwidth no time is planned.", &[]);
    }
    if let Some(amount) = costs.storage_dollars_per_month.filter(|amount| *amount > 0.0) {
        page.add(" Keeping what was written costs {} a month.", &[&dollars(amount)]);
    }
    page.add("</p></section>\n", &[]);
    page
}
