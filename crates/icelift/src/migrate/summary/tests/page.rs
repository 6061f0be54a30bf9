//! The page: what is the user's is text, sizes are bounded, and it needs nothing from elsewhere.

use crate::migrate::summary::*;

fn traffic(bytes: u64) -> TrafficSummary {
    TrafficSummary {
        read_bytes: bytes,
        source_requests: 3,
        dollars: Some(0.01),
        seconds: Some(2.0),
        ..TrafficSummary::default()
    }
}

fn batch(number: u64) -> BatchSummary {
    let side = SideSummary { rows: 1_000 + number, exact: true, bytes: 1 << 20, files: 1 };
    let begun = 1_764_226_209_000 + number * 2_000;
    BatchSummary {
        batch: format!("day={number}"),
        state: BatchPlace::Done,
        source: Some(side),
        target: Some(side),
        plan: Some(traffic(1 << 20)),
        actual: Some(traffic(1 << 20)),
        verdict: BatchVerdict::Verified,
        fingerprint: None,
        portable_fingerprint: None,
        copied_rows: 0,
        begun_unix_ms: Some(begun),
        ended_unix_ms: Some(begun + 2_000),
        source_snapshot: Some(1),
        snapshot: Some(2),
        attempt: None,
    }
}

/// A migration whose every text is `text`.
fn summary(batches: u64, text: &str) -> MigrationSummary {
    let catalog = || Some(CatalogSummary { kind: text.to_string(), warehouse: text.to_string() });
    MigrationSummary {
        version: 1,
        icelift: "0.1.0".to_string(),
        made_unix_ms: 1_764_226_209_000,
        state: MigrationState::Finished,
        job: text.to_string(),
        statement: text.to_string(),
        options: [(text.to_string(), text.to_string())].into(),
        source: SourceSummary { name: text.to_string(), uuid: text.to_string(), catalog: catalog() },
        target: TargetSummary {
            name: text.to_string(),
            uuid: text.to_string(),
            catalog: catalog(),
            location: text.to_string(),
            format_version: 2,
            snapshot: Some(2),
            partitioned_by: vec![text.to_string()],
            sorted_by: Vec::new(),
            properties: [(text.to_string(), text.to_string())].into(),
        },
        pin: PinSummary { round: 1, snapshot: Some(1), schema: 0 },
        batch_count: batches,
        done_count: batches,
        batches: (0..batches).map(batch).collect(),
        costs: CostSummary {
            prices_of: text.to_string(),
            prices_changed: true,
            bandwidth_bytes_per_second: None,
            plan: Some(traffic(1 << 20)),
            plan_of_done: Some(traffic(1 << 20)),
            actual: traffic(1 << 19),
            not_recorded: 0,
            storage_dollars_per_month: Some(0.1),
        },
        findings: vec![FindingSummary {
            level: text.to_string(),
            subject: text.to_string(),
            message: text.to_string(),
        }],
        notes: vec![text.to_string()],
    }
}

#[test]
fn nothing_of_the_users_is_markup() {
    let evil = "\"'><script>alert(1)</script>{{head}}&{}";
    for number in [1, 100] {
        let mut summary = summary(number, evil);
        summary.batches.iter_mut().for_each(|batch| batch.batch = evil.to_string());
        let page = summary.to_html();
        assert!(!page.contains("<script") && page.contains("&lt;script&gt;"), "{number}");
        assert!(page.contains("{{head}}&amp;{}"), "{number}: what looks like a place is none");
        // Every quote of the user's is escaped: what is left opens and closes attributes.
        assert!(!page.contains("\"'>") && !page.contains("'><"), "{number}");
    }
}

#[test]
fn it_needs_nothing_from_elsewhere() {
    let page = summary(30, "t").to_html();
    for word in ["<link", "<img", "src=", "href=", "@import", "url(", "http://", "https://", "<script", "onload"] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(page.starts_with("<!doctype html>\n<html lang=\"en\">") && !page.contains("{{") && !page.contains("}}"));
}

/// Beside each picture stands a table, and each has a name.
#[test]
fn pictures_have_names_and_tables() {
    for number in [3, 100] {
        let page = summary(number, "t").to_html();
        let pictures = page.matches("<svg role=\"img\" aria-label=\"").count();
        assert_eq!((pictures, page.matches("<svg").count()), (6, 6), "{number}");
        let sections = page.split("<section>").filter(|section| section.contains("<svg"));
        assert!(sections.clone().count() == 4 && sections.into_iter().all(|it| it.contains("<table")), "{number}");
    }
}

#[test]
fn all_of_it_is_there_for_a_few_batches() {
    let page = summary(3, "t").to_html();
    for text in ["day=0", "day=2", "1,002", "3 of 3", "verified", "$0.01", "2025-11-27 06:50:09", "50 %", "finished"] {
        assert!(page.contains(text), "{text}");
    }
    let mut wrong = summary(2, "t");
    if let Some(side) = &mut wrong.batches[1].target {
        side.rows -= 1;
    }
    assert_eq!(wrong.to_html().matches("differs\">").count(), 1);
}

/// Pictures do not grow with the batches, and the table has a short line for each.
#[test]
fn ten_thousand_batches_are_readable() {
    let page = summary(10_000, "t").to_html();
    let (few, many) = (summary(1_000, "t").to_html().matches("<rect").count(), page.matches("<rect").count());
    assert!(few < 500 && many < 500, "{few} and {many} bars");
    assert!(page.len() < 4_000_000, "{} bytes", page.len());
    assert_eq!(page.matches("day=4711<").count(), 1);
}

#[test]
fn an_empty_migration_has_a_page() {
    let mut empty = summary(0, "t");
    empty.costs.plan = None;
    empty.costs.actual = TrafficSummary::default();
    empty.pin.snapshot = None;
    let page = empty.to_html();
    assert!(page.contains("nothing to copy") && page.contains("the source had no rows") && !page.contains("NaN"));
}

/// Programs read these names: a change here is a change for them.
#[test]
fn the_json_is_this() {
    let json = summary(1, "t").to_json().unwrap();
    assert_eq!(json, include_str!("one.json"), "{json}");
    assert_eq!(serde_json::from_str::<MigrationSummary>(&json).unwrap(), summary(1, "t"));
}
