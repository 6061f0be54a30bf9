//! The time axis: the time in which something was done, with the pauses between runs cut to a mark.

use super::figures::formatted;

/// A pause is cut where it is longer than this share of the time in which something was done.
const CUT_SHARE: f64 = 0.2;
/// How wide a cut pause is, and how much of the picture all of them may take.
const PAUSE_PX: f64 = 26.0;
const PAUSES_SHARE: f64 = 0.3;
/// Between two marks.
const TICK_PX: f64 = 90.0;
/// What may lie between two marks, in milliseconds.
const STEPS_MS: [u64; 22] = [
    1,
    10,
    50,
    100,
    200,
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    1_800_000,
    3_600_000,
    7_200_000,
    21_600_000,
    43_200_000,
    86_400_000,
    604_800_000,
];

/// From times to pixels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TimeAxis {
    pub spans: Vec<Span>,
    per_ms: f64,
}

/// A time in which something was done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub from_ms: u64,
    pub to_ms: u64,
    pub from_px: f64,
    pub to_px: f64,
}

/// A mark on the axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    pub px: f64,
    pub label: String,
}

impl TimeAxis {
    /// An axis between two pixels for what was done in these intervals.
    pub fn new(mut intervals: Vec<(u64, u64)>, from_px: f64, to_px: f64) -> Self {
        intervals.sort_unstable();
        let runs = merged(&intervals, 0);
        let busy_ms: u64 = runs.iter().map(|(from, to)| to - from).sum();
        let runs = merged(&runs, (busy_ms as f64 * CUT_SHARE) as u64);
        let shown_ms = runs.iter().map(|(from, to)| to - from).sum::<u64>().max(1) as f64;
        let pauses = runs.len().saturating_sub(1) as f64;
        let pause_px = PAUSE_PX.min((to_px - from_px) * PAUSES_SHARE / pauses.max(1.0));
        let per_ms = (to_px - from_px - pauses * pause_px) / shown_ms;
        let mut px = from_px;
        let span = |(from_ms, to_ms): (u64, u64)| {
            let from_px = px;
            let to_px = from_px + (to_ms - from_ms) as f64 * per_ms;
            px = to_px + pause_px;
            Span { from_ms, to_ms, from_px, to_px }
        };
        Self { spans: runs.into_iter().map(span).collect(), per_ms }
    }

    /// Where a time is. What lies in a pause is at its end.
    pub fn px(&self, at_ms: u64) -> f64 {
        let span = self.spans.iter().find(|span| at_ms <= span.to_ms).or(self.spans.last());
        let Some(span) = span else { return 0.0 };
        let within = at_ms.clamp(span.from_ms, span.to_ms) - span.from_ms;
        span.from_px + within as f64 * self.per_ms
    }

    /// The pauses that were cut: from where to where, and how long.
    pub fn pauses(&self) -> impl Iterator<Item = (f64, f64, u64)> + '_ {
        self.spans.windows(2).filter_map(|pair| match pair {
            [left, right] => Some((left.to_px, right.from_px, right.from_ms - left.to_ms)),
            _ => None,
        })
    }

    /// Marks at even times. The first one of a span has its day.
    pub fn ticks(&self) -> Vec<Tick> {
        let least_ms = TICK_PX / self.per_ms.max(f64::MIN_POSITIVE);
        let step = STEPS_MS.iter().copied().find(|step| *step as f64 >= least_ms).unwrap_or(least_ms as u64).max(1);
        let format = match step {
            ..1_000 => "%H:%M:%S%.3f",
            1_000..60_000 => "%H:%M:%S",
            60_000..86_400_000 => "%H:%M",
            _ => "%m-%d",
        };
        let mut ticks = Vec::new();
        for span in &self.spans {
            let mut next = span.from_ms.div_ceil(step).checked_mul(step);
            while let Some(at) = next.filter(|at| *at <= span.to_ms) {
                ticks.push(Tick { px: self.px(at), label: formatted(at, format) });
                next = at.checked_add(step);
            }
        }
        ticks
    }
}

/// Intervals in order, those joined between which there is no more than `gap_ms`.
fn merged(intervals: &[(u64, u64)], gap_ms: u64) -> Vec<(u64, u64)> {
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for &(from, to) in intervals {
        match merged.last_mut() {
            Some(last) if from <= last.1.saturating_add(gap_ms) => last.1 = last.1.max(to),
            _ => merged.push((from, to.max(from))),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_pauses_are_cut_and_short_ones_are_not() {
        let day = 86_400_000;
        let axis = TimeAxis::new(vec![(1_000, 5_000), (5_100, 9_000), (day, day + 4_000)], 0.0, 1_000.0);
        assert_eq!(
            axis.spans.iter().map(|it| (it.from_ms, it.to_ms)).collect::<Vec<_>>(),
            [(1_000, 9_000), (day, day + 4_000)]
        );
        assert_eq!(axis.pauses().map(|(_, _, ms)| ms).collect::<Vec<_>>(), [day - 9_000]);
        let px = [0, 1_000, 9_000, 40_000, day + 4_000, u64::MAX].map(|at| axis.px(at).round());
        assert_eq!(px, [0.0, 0.0, 649.0, 675.0, 1_000.0, 1_000.0]);
        let ticks = axis.ticks();
        assert_eq!(
            ticks.iter().map(|tick| tick.label.as_str()).collect::<Vec<_>>(),
            ["00:00:02", "00:00:04", "00:00:06", "00:00:08", "00:00:00", "00:00:02", "00:00:04"]
        );
    }

    #[test]
    fn nothing_breaks_it() {
        assert!(TimeAxis::new(Vec::new(), 0.0, 100.0).ticks().is_empty());
        let one = TimeAxis::new(vec![(7, 7)], 0.0, 100.0);
        assert_eq!((one.px(7), one.ticks().len()), (0.0, 1));
        let many: Vec<_> = (0..400_u64).map(|at| (at * 1_000_000, at * 1_000_000 + 1)).collect();
        let axis = TimeAxis::new(many, 0.0, 1_000.0);
        assert!(axis.pauses().count() == 399 && axis.ticks().len() <= 401);
        assert!(axis.spans.windows(2).all(|pair| pair[0].to_px < pair[1].from_px));
        let wide = TimeAxis::new(vec![(0, u64::MAX / 4)], 0.0, 1_000.0);
        assert!(wide.ticks().len() < 20, "{}", wide.ticks().len());
    }
}
