//! Source beside target: pictures, and the table of all batches.

use super::bars::{Bars, NAMED_MAX, Series};
use super::figures::{bytes, count, counted, dollars, duration, short};
use super::groups::{Group, groups, read_side};
use super::markup::Markup;
use crate::migrate::summary::{BatchPlace, BatchSummary, BatchVerdict, MigrationSummary, SideSummary};

/// Tables of more lines are folded.
const OPEN_MAX: usize = 60;

const LEGEND: &str =
    "<ul class=\"legend\"><li><i class=\"source\"></i>source</li><li><i class=\"target\"></i>target</li></ul>\n";

fn shown_bytes(value: f64) -> String {
    bytes(value as u64)
}

fn shown_rate(value: f64) -> String {
    format!("{}/s", short(value))
}

fn shown_byte_rate(value: f64) -> String {
    format!("{}/s", bytes(value as u64))
}

/// Rows and bytes of both sides.
pub(super) fn sides(summary: &MigrationSummary, all: &Group) -> Markup {
    let mut section = Markup::default();
    let groups = groups(&summary.batches, NAMED_MAX);
    if groups.is_empty() {
        return section;
    }
    let labels: Vec<String> = groups.iter().map(|group| group.label.clone()).collect();
    let has_plan = summary.costs.plan.is_some();
    section.add("<section><h2>Source beside target</h2>\n<p class=\"lead\">", &[]);
    section.add(
        match has_plan {
            true => "The source as its own metadata has it at the pinned snapshot; the target as it was committed.",
            false => "The source as it was read; the target as it was committed.",
        },
        &[],
    );
    if summary.batches.len() > groups.len() {
        let size = groups.first().map_or(0, |group| group.batches);
        section.add(" Each pair of bars stands for {}.", &[&counted(size, "batch", "batches")]);
    }
    if summary.batches.iter().any(|batch| batch.source.is_some_and(|side| !side.exact)) {
        section.add(" Batches share files of the source: of its rows and bytes that is an estimate.", &[]);
    }
    section.add("</p>\n", &[]).add(LEGEND, &[]);
    let series = |of: fn(&SideSummary) -> u64| {
        let values = |side: fn(&Group) -> &SideSummary| groups.iter().map(|it| of(side(it)) as f64).collect();
        [
            Series { name: "source", class: "source", values: values(|group| &group.source) },
            Series { name: "target", class: "target", values: values(|group| &group.target) },
        ]
    };
    let (rows, sizes) = (series(|side| side.rows), series(|side| side.bytes));
    section.add("<h3>Rows</h3>\n", &[]);
    section.join(&Bars { title: "Rows of source and target", labels: &labels, series: &rows, format: short }.draw());
    section.add("<h3>Bytes</h3>\n", &[]);
    let title = "Bytes of source and target";
    section.join(&Bars { title, labels: &labels, series: &sizes, format: shown_bytes }.draw());
    sides_table(&mut section, &groups, all);
    section.add("</section>\n", &[]);
    section
}

fn sides_table(page: &mut Markup, groups: &[Group], all: &Group) {
    page.add("<details><summary>The same as a table</summary><div class=\"scroll\"><table><thead><tr><th scope=\"col\">Batches</th><th scope=\"col\" class=\"n\">Number</th><th scope=\"col\" class=\"n\">Source rows</th><th scope=\"col\" class=\"n\">Target rows</th><th scope=\"col\" class=\"n\">Source bytes</th><th scope=\"col\" class=\"n\">Target bytes</th></tr></thead><tbody>\n", &[]);
    let line = |page: &mut Markup, group: &Group, label: &str| {
        page.add(
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
            &[
                &label,
                &count(group.batches),
                &count(group.source.rows),
                &count(group.target.rows),
                &bytes(group.source.bytes),
                &bytes(group.target.bytes),
            ],
        );
    };
    groups.iter().for_each(|group| line(page, group, &group.label));
    page.add("</tbody><tfoot>", &[]);
    line(page, all, "all");
    page.add("</tfoot></table></div></details>\n", &[]);
}

/// How fast the batches went.
pub(super) fn rates(summary: &MigrationSummary) -> Markup {
    let mut section = Markup::default();
    let timed: Vec<BatchSummary> =
        summary.batches.iter().filter(|it| it.actual.is_some() && it.target.is_some()).cloned().collect();
    let groups = groups(&timed, NAMED_MAX);
    if groups.is_empty() {
        return section;
    }
    let labels: Vec<String> = groups.iter().map(|group| group.label.clone()).collect();
    section.add("<section><h2>Throughput</h2>\n<p class=\"lead\">Of each batch alone, by its own time; batches that run beside each other share the machine.</p>\n", &[]);
    let rows = [Series {
        name: "rows per second",
        class: "target",
        values: groups.iter().map(Group::rows_per_second).collect(),
    }];
    let sizes = [Series {
        name: "bytes read per second",
        class: "source",
        values: groups.iter().map(Group::bytes_per_second).collect(),
    }];
    section.add("<h3>Rows per second</h3>\n", &[]);
    let title = "Rows per second";
    section.join(&Bars { title, labels: &labels, series: &rows, format: shown_rate }.draw());
    section.add("<h3>Bytes read per second</h3>\n", &[]);
    let title = "Bytes read per second";
    section.join(&Bars { title, labels: &labels, series: &sizes, format: shown_byte_rate }.draw());
    section.add("<details><summary>The same as a table</summary><div class=\"scroll\"><table><thead><tr><th scope=\"col\">Batches</th><th scope=\"col\" class=\"n\">Rows</th><th scope=\"col\" class=\"n\">Time</th><th scope=\"col\" class=\"n\">Rows per second</th><th scope=\"col\" class=\"n\">Read per second</th></tr></thead><tbody>\n", &[]);
    for group in &groups {
        section.add(
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
            &[
                &group.label,
                &count(group.timed_rows),
                &duration(group.seconds),
                &count(group.rows_per_second() as u64),
                &shown_byte_rate(group.bytes_per_second()),
            ],
        );
    }
    section.add("</tbody></table></div></details></section>\n", &[]);
    section
}

/// All batches, one a line.
pub(super) fn batches(summary: &MigrationSummary) -> Markup {
    let mut section = Markup::default();
    let number = summary.batches.len();
    if number == 0 {
        return section;
    }
    section.add("<section><h2>All batches</h2>\n", &[]);
    section.add(if number > OPEN_MAX { "<details>" } else { "<details open>" }, &[]);
    section.add("<summary>{}</summary>", &[&counted(number as u64, "batch", "batches")]);
    section.add("<div class=\"scroll\"><table><thead><tr><th scope=\"col\">Batch</th><th scope=\"col\">State</th><th scope=\"col\" class=\"n\">Source rows</th><th scope=\"col\" class=\"n\">Target rows</th><th scope=\"col\" class=\"n\">Read</th><th scope=\"col\" class=\"n\">Written</th><th scope=\"col\" class=\"n\">Files</th><th scope=\"col\" class=\"n\">Time</th><th scope=\"col\" class=\"n\">Dollars</th><th scope=\"col\">Rows are</th></tr></thead><tbody>\n", &[]);
    summary.batches.iter().for_each(|batch| line(&mut section, batch));
    section.add("</tbody></table></div></details></section>\n", &[]);
    section
}

fn line(page: &mut Markup, batch: &BatchSummary) {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_string());
    let source = batch.source.map(|side| match side.exact {
        true => count(side.rows),
        false => format!("≈ {}", count(side.rows)),
    });
    let class = if differs(batch) { "n differs" } else { "n" };
    page.add(
        "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"n\">{}</td><td class=\"{}\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>\n",
        &[
            &batch.batch,
            &place(batch.state),
            &or_dash(source),
            &class,
            &or_dash(batch.target.map(|side| count(side.rows))),
            &or_dash(batch.actual.map(|it| it.read_bytes).or(read_side(batch).map(|it| it.bytes)).map(bytes)),
            &or_dash(batch.target.map(|side| bytes(side.bytes))),
            &or_dash(batch.target.map(|side| count(side.files))),
            &or_dash(batch.actual.and_then(|it| it.seconds).map(duration)),
            &or_dash(batch.actual.and_then(|it| it.dollars).map(dollars)),
            &verdict(batch.verdict),
        ],
    );
}

/// Whether both sides are known exactly and have not as many rows.
fn differs(batch: &BatchSummary) -> bool {
    let source = batch.source.filter(|side| side.exact && batch.state == BatchPlace::Done);
    source.zip(batch.target).is_some_and(|(source, target)| source.rows != target.rows)
}

fn place(place: BatchPlace) -> &'static str {
    match place {
        BatchPlace::Done => "done",
        BatchPlace::Earlier => "of an earlier round",
        BatchPlace::Pending => "pending",
        BatchPlace::RolledBack => "rolled back",
    }
}

pub(super) fn verdict(verdict: BatchVerdict) -> &'static str {
    match verdict {
        BatchVerdict::VerifiedPortable => "verified, portable",
        BatchVerdict::Verified => "verified",
        BatchVerdict::Counted => "counted",
        BatchVerdict::NotRecorded => "not recorded",
        BatchVerdict::Absent => "–",
    }
}
