//! The page: a pure function of the summary, in the template of `page.html`.
//!
//! What must hold: it needs nothing but itself; beside each picture stands the same as a table; what is the user's gets in as text
//! only (`markup`). It stays readable with ten thousand batches: pictures show groups, and long tables are folded.

mod axis;
mod bars;
mod costs;
mod figures;
mod groups;
mod markup;
mod settings;
mod sides;
mod timeline;
mod verification;

use self::figures::{bytes, count, counted, dollars, duration, short, time};
use self::groups::{Group, together};
use self::markup::Markup;
use super::{BatchVerdict, MigrationState, MigrationSummary};

const TEMPLATE: &str = include_str!("page.html");

/// The page of a summary.
pub(super) fn page(summary: &MigrationSummary) -> String {
    let all = together(&summary.batches);
    let mut title = Markup::default();
    title.add("{} → {}: migration", &[&summary.source.name, &summary.target.name]);
    Markup::fill(
        TEMPLATE,
        &[
            ("title", title),
            ("head", head(summary)),
            ("tiles", tiles(summary, &all)),
            ("notes", notes(summary)),
            ("timeline", timeline(summary)),
            ("sides", sides::sides(summary, &all)),
            ("rates", sides::rates(summary)),
            ("costs", costs::costs(summary)),
            ("verification", verification::verification(summary)),
            ("findings", settings::findings(summary)),
            ("batches", sides::batches(summary)),
            ("settings", settings::settings(summary)),
            ("foot", foot(summary)),
        ],
    )
}

fn head(summary: &MigrationSummary) -> Markup {
    let mut head = Markup::default();
    head.add("<p class=\"kind\">Migration of an Iceberg table</p>\n<h1>{} <span class=\"arrow\" aria-label=\"to\">→</span> {}</h1>\n", &[
        &summary.source.name,
        &summary.target.name,
    ]);
    let (class, state) = match summary.state {
        MigrationState::Finished => ("good", "finished"),
        MigrationState::Running => ("warn", "not finished"),
        MigrationState::RolledBack => ("bad", "rolled back"),
    };
    head.add(
        "<p class=\"facts\"><span class=\"badge {}\">{}</span> &nbsp; <code>{}</code></p>\n",
        &[&class, &state, &summary.statement],
    );
    let snapshot = summary.pin.snapshot.map_or_else(|| "none, the source had no rows".to_string(), |id| id.to_string());
    head.add(
        "<p class=\"facts\">Snapshot of the source <code>{}</code> · round {} · job <code>{}</code></p>\n",
        &[&snapshot, &summary.pin.round, &summary.job],
    );
    head
}

/// The figures that are looked for first.
fn tiles(summary: &MigrationSummary, all: &Group) -> Markup {
    let mut tiles = Markup::default();
    tiles.add("<ul class=\"tiles\">\n", &[]);
    let mut tile = |what: &str, figure: String, more: String| {
        tiles.add(
            "<li><span class=\"what\">{}</span><span class=\"figure\">{}</span><span class=\"more\">{}</span></li>\n",
            &[&what, &figure, &more],
        );
    };
    let share = match summary.batch_count {
        0 => "nothing to copy".to_string(),
        all => format!("{} %", summary.done_count.min(all) * 100 / all),
    };
    tile("Batches", format!("{} of {}", count(summary.done_count), count(summary.batch_count)), share);
    tile("Rows", short(all.target.rows as f64), counted(all.target.rows, "row", "rows"));
    let files = counted(all.target.files, "file", "files");
    tile("Written", bytes(all.target.bytes), format!("in {files}, {} read", bytes(all.timed_bytes)));
    if let Some(elapsed) = elapsed_seconds(summary) {
        tile("Time", duration(elapsed), format!("{} of work, batch by batch", duration(all.seconds)));
        if elapsed > 0.0 && all.timed_rows > 0 {
            let rows = format!("{} rows/s", short(all.timed_rows as f64 / elapsed));
            tile("Throughput", rows, format!("{}/s read", bytes((all.timed_bytes as f64 / elapsed) as u64)));
        }
    }
    if let Some(amount) = summary.costs.actual.dollars {
        let plan = summary.costs.plan_of_done.and_then(|plan| plan.dollars);
        let plan = plan.map(|plan| format!("planned {}", dollars(plan))).unwrap_or_default();
        tile("Cost so far", dollars(amount), plan);
    }
    let there = summary.batches.iter().filter(|batch| batch.target.is_some()).count() as u64;
    let verified = summary.batches.iter().filter(|batch| is_verified(batch.verdict)).count() as u64;
    tile("Verified", format!("{} of {}", count(verified), count(there)), "read again from the target".to_string());
    tiles.add("</ul>\n", &[]);
    tiles
}

fn is_verified(verdict: BatchVerdict) -> bool {
    matches!(verdict, BatchVerdict::Verified | BatchVerdict::VerifiedPortable)
}

/// The time in which at least one batch was under way.
fn elapsed_seconds(summary: &MigrationSummary) -> Option<f64> {
    let intervals = summary.batches.iter().filter_map(|batch| batch.begun_unix_ms.zip(batch.ended_unix_ms));
    let mut intervals: Vec<_> = intervals.collect();
    intervals.sort_unstable();
    let mut until = intervals.first()?.0;
    let mut busy_ms = 0;
    for (begun, ended) in intervals {
        busy_ms += ended.saturating_sub(begun.max(until));
        until = until.max(ended);
    }
    Some(busy_ms as f64 / 1e3)
}

fn notes(summary: &MigrationSummary) -> Markup {
    let mut notes = Markup::default();
    if summary.notes.is_empty() {
        return notes;
    }
    notes.add("<section><h2>What this page lacks</h2>\n", &[]);
    for note in &summary.notes {
        notes.add("<p>{}</p>\n", &[note]);
    }
    notes.add("</section>\n", &[]);
    notes
}

fn timeline(summary: &MigrationSummary) -> Markup {
    let mut section = Markup::default();
    let picture = timeline::timeline(&summary.batches);
    if picture.is_empty() {
        return section;
    }
    section.add("<section><h2>Batches over time</h2>\n<p class=\"lead\">From the first request of a batch until its files were read again; the commit follows. Times are UTC; pauses between runs are cut to a grey mark.</p>\n", &[]);
    if summary.batches.len() > bars::NAMED_MAX {
        section.add("<ul class=\"legend\"><li><i class=\"target\"></i>rows that arrived</li><li><i class=\"rule\"></i>share of all rows that had arrived</li></ul>\n", &[]);
    } else if summary.batches.iter().any(|batch| batch.target.is_some() && !is_verified(batch.verdict)) {
        section.add("<ul class=\"legend\"><li><i class=\"target\"></i>verified</li><li><i class=\"counted\"></i>counted, or not recorded</li></ul>\n", &[]);
    }
    section.join(&picture).add("</section>\n", &[]);
    section
}

fn foot(summary: &MigrationSummary) -> Markup {
    let mut foot = Markup::default();
    foot.add(
        "Made at {} UTC by icelift {} from what the target itself tells: its register, snapshots and files of details. <code>icelift report {}</code> makes it again, on any machine.",
        &[&time(summary.made_unix_ms), &summary.icelift, &summary.target.name],
    );
    foot
}
