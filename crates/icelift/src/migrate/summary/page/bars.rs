//! Bars beside each other: one group for each label, in it one bar for each series. Few lie, with their names; many stand.

use super::markup::{Markup, Px};

/// Labels that have a line of their own.
pub(super) const NAMED_MAX: usize = 24;
const WIDTH_PX: f64 = 960.0;
const LABEL_PX: f64 = 170.0;
const VALUE_PX: f64 = 90.0;
const BAR_PX: f64 = 11.0;
const STANDING_PX: f64 = 190.0;
/// How many labels fit below standing bars, and how many letters of each.
const LABELS_BELOW: usize = 6;
const LETTERS: usize = 22;

/// One value for each label.
pub(super) struct Series {
    pub name: &'static str,
    /// The class of its bars, which has the colour.
    pub class: &'static str,
    pub values: Vec<f64>,
}

pub(super) struct Bars<'a> {
    /// What the picture shows, for who does not see it.
    pub title: &'static str,
    pub labels: &'a [String],
    pub series: &'a [Series],
    pub format: fn(f64) -> String,
}

impl Bars<'_> {
    pub fn draw(&self) -> Markup {
        if self.labels.len() <= NAMED_MAX { self.lying() } else { self.standing() }
    }

    fn largest(&self) -> f64 {
        let values = self.series.iter().flat_map(|series| &series.values);
        values.copied().filter(|value| value.is_finite()).fold(0.0, f64::max)
    }

    fn lying(&self) -> Markup {
        let group_px = BAR_PX * self.series.len() as f64 + 9.0;
        let scale = (WIDTH_PX - LABEL_PX - VALUE_PX) / self.largest().max(f64::MIN_POSITIVE);
        let height = group_px * self.labels.len() as f64 + 6.0;
        let mut svg = Markup::default();
        open(&mut svg, self.title, height);
        for (at, label) in self.labels.iter().enumerate() {
            let top = 6.0 + at as f64 * group_px;
            let middle = top + BAR_PX * self.series.len() as f64 / 2.0 + 4.0;
            let name = shortened(label, LETTERS);
            svg.add(r#"<text class="label" x="{}" y="{}">{}</text>"#, &[&Px(LABEL_PX - 10.0), &Px(middle), &name]);
            for (line, series) in self.series.iter().enumerate() {
                let Some(value) = series.values.get(at) else { continue };
                let (y, width) =
                    (top + line as f64 * BAR_PX, (value * scale).max(if *value > 0.0 { 1.0 } else { 0.0 }));
                let said = (self.format)(*value);
                svg.add(
                    r#"<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="1.5"><title>{}, {}: {}</title></rect>"#,
                    &[&series.class, &Px(LABEL_PX), &Px(y), &Px(width), &Px(BAR_PX - 1.0), label, &series.name, &said],
                );
                let x = LABEL_PX + width + 6.0;
                if *value > 0.0 {
                    svg.add(r#"<text class="value" x="{}" y="{}">{}</text>"#, &[&Px(x), &Px(y + BAR_PX - 2.0), &said]);
                }
            }
        }
        close(&mut svg);
        svg
    }

    fn standing(&self) -> Markup {
        let (left, top) = (64.0, 12.0);
        let top_value = nice(self.largest());
        let (width, scale) = (WIDTH_PX - left - 8.0, STANDING_PX / top_value);
        let group_px = width / self.labels.len().max(1) as f64;
        let bar_px = (group_px * 0.78 / self.series.len().max(1) as f64).max(0.5);
        let mut svg = Markup::default();
        open(&mut svg, self.title, top + STANDING_PX + 26.0);
        for quarter in 0..=4 {
            let value = top_value * f64::from(quarter) / 4.0;
            let y = top + STANDING_PX - value * scale;
            svg.add(
                r#"<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>"#,
                &[&Px(left), &Px(WIDTH_PX - 8.0), &Px(y), &Px(y)],
            );
            let said = (self.format)(value);
            svg.add(r#"<text class="label" x="{}" y="{}">{}</text>"#, &[&Px(left - 8.0), &Px(y + 4.0), &said]);
        }
        for (at, label) in self.labels.iter().enumerate() {
            let x = left + at as f64 * group_px;
            for (line, series) in self.series.iter().enumerate() {
                let Some(value) = series.values.get(at).filter(|value| **value > 0.0) else { continue };
                let height = (value * scale).max(0.5);
                let said = (self.format)(*value);
                svg.add(
                    r#"<rect class="{}" x="{}" y="{}" width="{}" height="{}"><title>{}, {}: {}</title></rect>"#,
                    &[
                        &series.class,
                        &Px(x + line as f64 * bar_px),
                        &Px(top + STANDING_PX - height),
                        &Px(bar_px),
                        &Px(height),
                        label,
                        &series.name,
                        &said,
                    ],
                );
            }
        }
        let step = self.labels.len().div_ceil(LABELS_BELOW).max(1);
        for (at, label) in self.labels.iter().enumerate().step_by(step) {
            let x = left + at as f64 * group_px;
            let (first, _) = label.split_once(" … ").unwrap_or((label, ""));
            let name = shortened(first, LETTERS);
            svg.add(r#"<text class="below" x="{}" y="{}">{}</text>"#, &[&Px(x), &Px(top + STANDING_PX + 18.0), &name]);
        }
        close(&mut svg);
        svg
    }
}

/// Begins a picture with a name for those who do not see it.
pub(super) fn open(svg: &mut Markup, title: &'static str, height: f64) {
    svg.add(
        r#"<div class="picture"><svg role="img" aria-label="{}" viewBox="0 0 {} {}" width="{}" height="{}">"#,
        &[&title, &Px(WIDTH_PX), &Px(height), &Px(WIDTH_PX), &Px(height)],
    );
}

pub(super) fn close(svg: &mut Markup) {
    svg.add("</svg></div>\n", &[]);
}

/// A round number that is not smaller.
pub(super) fn nice(value: f64) -> f64 {
    if !value.is_finite() || value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 4.0, 5.0, 8.0, 10.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= value * 0.999_999).unwrap_or(10.0 * power)
}

/// The first letters of a long name.
pub(super) fn shortened(name: &str, letters: usize) -> String {
    match name.char_indices().nth(letters) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or(name)),
        None => name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_at_round_numbers() {
        assert_eq!([0.0, 1.0, 3.0, 41.0, 99.0, f64::NAN].map(nice), [1.0, 1.0, 4.0, 50.0, 100.0, 1.0]);
        assert_eq!([shortened("äöü", 2), shortened("äöü", 3)], ["äö…", "äöü"]);
    }
}
