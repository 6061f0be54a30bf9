//! Numbers of rows, from metadata alone.

use super::rows::{Check, Verdict};
use super::sides::{BatchPair, Sides};
use crate::pipeline::verify::Level;

/// Compares the numbers of rows of a batch. Where a number is not exact, nothing is verified.
pub(super) fn counts(sides: &Sides, pair: &BatchPair, level: Level) -> Check {
    let source = match (&pair.source, &pair.recorded) {
        // The record tells of what was copied; the plan of a pin whose files have no deletes tells the same.
        (_, Some(recorded)) => Some((recorded.print.rows, true)),
        (Some(batch), None) => Some((batch.rows.count, batch.rows.exact && sides.counts_are_comparable())),
        (None, None) => None,
    };
    let target = pair.target.as_ref().map(|batch| (batch.rows.count, batch.rows.exact));
    let verdict = match (source, target) {
        (Some((source, true)), Some((target, true))) if source == target => Verdict::Same,
        (Some((0, true)), None) | (None, Some((0, true))) => Verdict::Same,
        (Some((_, true)), Some((_, true))) | (Some(_), None) | (None, Some(_)) => Verdict::Different,
        // The rows themselves are compared behind this.
        _ if level > Level::Metadata => Verdict::Ignored,
        _ => Verdict::NotVerified,
    };
    let shown = |count: Option<(u64, bool)>| {
        count.map(|(count, exact)| if exact { count.to_string() } else { format!("about {count}") })
    };
    let (source, target) = (shown(source), shown(target));
    Check { batch: pair.key.clone(), partition: None, check: "rows", source, target, verdict }
}
