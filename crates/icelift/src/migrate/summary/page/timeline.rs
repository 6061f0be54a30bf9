//! Batches over time: each on its line where they are few, rows by slots of time where they are many.

use super::axis::TimeAxis;
use super::bars::{NAMED_MAX, close, nice, open, shortened};
use super::figures::{bytes, count, counted, duration, formatted, short, time};
use super::markup::{Markup, Px};
use crate::migrate::summary::{BatchSummary, BatchVerdict};

const WIDTH_PX: f64 = 960.0;
const LABEL_PX: f64 = 170.0;
const LINE_PX: f64 = 22.0;
/// The picture of many batches has as many slots as it takes for some batches to fall into each.
const SLOTS: std::ops::RangeInclusive<usize> = 12..=96;
const STANDING_PX: f64 = 170.0;
const LEFT_PX: f64 = 64.0;
const RIGHT_PX: f64 = 48.0;
/// Labels of times that are nearer to each other are left out.
const LABEL_GAP_PX: f64 = 68.0;

/// A batch and its time.
struct Timed<'a> {
    batch: &'a BatchSummary,
    begun_ms: u64,
    ended_ms: u64,
}

/// Rows that arrived in a slot of time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Slot {
    batches: u64,
    rows: u64,
    bytes: u64,
    from_ms: u64,
    to_ms: u64,
}

/// The picture, and the table beside it. Empty if of no batch a time is known.
pub(super) fn timeline(batches: &[BatchSummary]) -> Markup {
    let mut timed: Vec<Timed> = batches.iter().filter_map(timed).collect();
    timed.sort_by_key(|timed| (timed.ended_ms, timed.begun_ms));
    if timed.is_empty() {
        return Markup::default();
    }
    if timed.len() <= NAMED_MAX { lines(&timed) } else { slots(&timed) }
}

fn timed(batch: &BatchSummary) -> Option<Timed<'_>> {
    let ended_ms = batch.ended_unix_ms?;
    let begun_ms = batch.begun_unix_ms.unwrap_or(ended_ms).min(ended_ms);
    Some(Timed { batch, begun_ms, ended_ms })
}

/// Rows of batches, as far as a time is known of them.
fn rows(timed: &Timed<'_>) -> u64 {
    timed.batch.target.map_or(0, |side| side.rows)
}

fn lines(timed: &[Timed<'_>]) -> Markup {
    let intervals = timed.iter().map(|it| (it.begun_ms, it.ended_ms)).collect();
    let axis = TimeAxis::new(intervals, LABEL_PX, WIDTH_PX - 70.0);
    let floor = 8.0 + LINE_PX * timed.len() as f64;
    let mut svg = Markup::default();
    open(&mut svg, "When each batch was copied and verified", floor + 42.0);
    grid(&mut svg, &axis, 4.0, floor);
    for (at, it) in timed.iter().enumerate() {
        let (top, left) = (8.0 + at as f64 * LINE_PX, axis.px(it.begun_ms));
        let width = (axis.px(it.ended_ms) - left).max(2.0);
        let name = shortened(&it.batch.batch, 22);
        let took = duration((it.ended_ms - it.begun_ms) as f64 / 1e3);
        svg.add(r#"<text class="label" x="{}" y="{}">{}</text>"#, &[&Px(LABEL_PX - 10.0), &Px(top + 12.0), &name]);
        svg.add(
            r#"<rect class="{}" x="{}" y="{}" width="{}" height="14" rx="3"><title>{}: {} rows in {}, until {}</title></rect>"#,
            &[
                &class(it.batch.verdict),
                &Px(left),
                &Px(top + 1.0),
                &Px(width),
                &it.batch.batch,
                &count(rows(it)),
                &took,
                &time(it.ended_ms),
            ],
        );
        svg.add(r#"<text class="value" x="{}" y="{}">{}</text>"#, &[&Px(left + width + 6.0), &Px(top + 12.0), &took]);
    }
    close(&mut svg);
    lines_table(&mut svg, timed);
    svg
}

fn class(verdict: BatchVerdict) -> &'static str {
    match verdict {
        BatchVerdict::Verified | BatchVerdict::VerifiedPortable => "target",
        _ => "counted",
    }
}

fn lines_table(page: &mut Markup, timed: &[Timed<'_>]) {
    page.add("<details><summary>The same as a table</summary><div class=\"scroll\"><table><thead><tr><th scope=\"col\">Batch</th><th scope=\"col\" class=\"n\">Begun (UTC)</th><th scope=\"col\" class=\"n\">Verified (UTC)</th><th scope=\"col\" class=\"n\">Time</th><th scope=\"col\" class=\"n\">Rows</th></tr></thead><tbody>\n", &[]);
    for it in timed {
        page.add(
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
            &[
                &it.batch.batch,
                &time(it.begun_ms),
                &time(it.ended_ms),
                &duration((it.ended_ms - it.begun_ms) as f64 / 1e3),
                &count(rows(it)),
            ],
        );
    }
    page.add("</tbody></table></div></details>\n", &[]);
}

fn slots(timed: &[Timed<'_>]) -> Markup {
    let intervals = timed.iter().map(|it| (it.begun_ms, it.ended_ms)).collect();
    let (left, right) = (LEFT_PX, WIDTH_PX - RIGHT_PX);
    let axis = TimeAxis::new(intervals, left, right);
    let number = (timed.len() / 3).clamp(*SLOTS.start(), *SLOTS.end());
    let slot_px = (right - left) / number as f64;
    let mut slots = vec![Slot::default(); number];
    for it in timed {
        let at = ((axis.px(it.ended_ms) - left) / slot_px).max(0.0) as usize;
        let Some(slot) = slots.get_mut(at.min(number - 1)) else { continue };
        if slot.batches == 0 {
            slot.from_ms = it.ended_ms;
        }
        slot.to_ms = it.ended_ms;
        slot.batches += 1;
        slot.rows += rows(it);
        slot.bytes += it.batch.target.map_or(0, |side| side.bytes);
    }
    let mut svg = Markup::default();
    let floor = 12.0 + STANDING_PX;
    open(&mut svg, "Rows that arrived, by time, and the share of all that had arrived by then", floor + 42.0);
    let most = slots.iter().map(|slot| slot.rows).max().unwrap_or(0);
    let top_value = nice(most as f64);
    for quarter in 0..=4 {
        let (value, y) = (top_value * f64::from(quarter) / 4.0, floor - STANDING_PX * f64::from(quarter) / 4.0);
        svg.add(r#"<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>"#, &[&Px(left), &Px(right), &Px(y), &Px(y)]);
        svg.add(r#"<text class="label" x="{}" y="{}">{}</text>"#, &[&Px(left - 8.0), &Px(y + 4.0), &short(value)]);
        let share = format!("{} %", quarter * 25);
        svg.add(r#"<text class="value" x="{}" y="{}">{}</text>"#, &[&Px(right + 8.0), &Px(y + 4.0), &share]);
    }
    grid(&mut svg, &axis, 12.0, floor);
    for (at, slot) in slots.iter().enumerate().filter(|(_, slot)| slot.batches > 0) {
        let height = (slot.rows as f64 / top_value * STANDING_PX).max(1.0);
        svg.add(
            r#"<rect class="target" x="{}" y="{}" width="{}" height="{}"><title>until {}: {}, {} rows</title></rect>"#,
            &[
                &Px(left + at as f64 * slot_px + 0.5),
                &Px(floor - height),
                &Px(slot_px - 1.0),
                &Px(height),
                &time(slot.to_ms),
                &counted(slot.batches, "batch", "batches"),
                &count(slot.rows),
            ],
        );
    }
    line(&mut svg, &slots, (left, slot_px), floor);
    close(&mut svg);
    slots_table(&mut svg, &slots);
    svg
}

/// The share of all rows that had arrived by the end of each slot.
fn line(svg: &mut Markup, slots: &[Slot], (left, slot_px): (f64, f64), floor: f64) {
    let all = slots.iter().map(|slot| slot.rows).sum::<u64>().max(1) as f64;
    svg.add(r#"<polyline class="share" points="{},{}"#, &[&Px(left), &Px(floor)]);
    let mut sum = 0;
    for (at, slot) in slots.iter().enumerate() {
        sum += slot.rows;
        let (x, y) = (left + (at + 1) as f64 * slot_px, floor - sum as f64 / all * STANDING_PX);
        svg.add(" {},{}", &[&Px(x), &Px(y)]);
    }
    svg.add(r#""/>"#, &[]);
}

fn slots_table(page: &mut Markup, slots: &[Slot]) {
    page.add("<details><summary>The same as a table</summary><div class=\"scroll\"><table><thead><tr><th scope=\"col\">Arrived (UTC)</th><th scope=\"col\" class=\"n\">Batches</th><th scope=\"col\" class=\"n\">Rows</th><th scope=\"col\" class=\"n\">Bytes written</th></tr></thead><tbody>\n", &[]);
    for slot in slots.iter().filter(|slot| slot.batches > 0) {
        page.add(
            "<tr><th scope=\"row\">{} to {}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
            &[&time(slot.from_ms), &time(slot.to_ms), &count(slot.batches), &count(slot.rows), &bytes(slot.bytes)],
        );
    }
    page.add("</tbody></table></div></details>\n", &[]);
}

/// Times below a picture, and the pauses in it.
fn grid(svg: &mut Markup, axis: &TimeAxis, top: f64, floor: f64) {
    for (from, to, ms) in axis.pauses() {
        svg.add(
            r#"<rect class="pause" x="{}" y="{}" width="{}" height="{}"><title>nothing for {}</title></rect>"#,
            &[&Px(from), &Px(top), &Px(to - from), &Px(floor - top), &duration(ms as f64 / 1e3)],
        );
    }
    let mut last_px = f64::NEG_INFINITY;
    for tick in axis.ticks() {
        if tick.px - last_px < LABEL_GAP_PX {
            continue;
        }
        last_px = tick.px;
        let x = Px(tick.px);
        svg.add(r#"<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>"#, &[&x, &x, &Px(top), &Px(floor + 4.0)]);
        svg.add(r#"<text class="middle" x="{}" y="{}">{}</text>"#, &[&x, &Px(floor + 18.0), &tick.label]);
    }
    let (mut last_px, mut last_day) = (f64::NEG_INFINITY, String::new());
    for span in &axis.spans {
        let day = formatted(span.from_ms, "%Y-%m-%d");
        if day != last_day && span.from_px - last_px >= LABEL_GAP_PX {
            let x = Px(span.from_px);
            svg.add(r#"<text class="below day" x="{}" y="{}">{}</text>"#, &[&x, &Px(floor + 34.0), &day]);
            (last_px, last_day) = (span.from_px, day);
        }
    }
}
