//! The lives of all drives: which model stood where, from when until when, and whether it failed.

use std::fmt::Write;

use super::calendar::{FIRST_DAY, LAST_DAY, epoch_day};
use super::models::{Family, MODELS, Model, day_of};
use super::random::{exponential, fraction, mix};

/// Drives in service at the end of 2024 with the counts of [`MODELS`].
const REAL_DRIVES: f64 = 296_000.0;
const REPORT: (i32, i32) = (epoch_day(2024, 4, 1), epoch_day(2024, 7, 1));
/// Failures that the report on the second quarter of 2024 should have at least.
const REPORT_FAILURES: f64 = 40.0;
/// The share of drives that fail in a quarter, as the rates of the models have it.
const QUARTERLY_FAILURES: f64 = 0.0035;
const SERIAL_DIGITS: u64 = 36 * 36 * 36 * 36 * 36 * 36;

/// A drive. Days count from 1970-01-01; both ends are included.
pub(super) struct Drive {
    /// Where its randomness comes from.
    pub(super) key: u64,
    pub(super) model: u16,
    pub(super) installed: i32,
    pub(super) first: i32,
    pub(super) last: i32,
    pub(super) failed: Option<i32>,
    /// Some report on after their failure, and a few of those fail again on their last day.
    pub(super) fails_again: bool,
    /// Its place, counted through all vaults, pods and slots.
    pub(super) place: u32,
}

pub(super) struct Fleet {
    pub(super) drives: Vec<Drive>,
    serials: String,
    ends: Vec<u32>,
}

impl Fleet {
    pub(super) fn new(seed: u64, drives: usize) -> Self {
        let scale = drives as f64 / REAL_DRIVES;
        let haste = (REPORT_FAILURES / (drives.max(1) as f64 * QUARTERLY_FAILURES)).clamp(1.0, 25.0);
        let mut fleet = Vec::new();
        let mut place = 0.0;
        for (index, model) in MODELS.iter().enumerate() {
            let key = mix(seed, index as u64);
            // Rounded up or down at random: small models are missing from small fleets, but not all of them.
            let count = (f64::from(model.count) * scale + fraction(mix(key, u64::MAX))) as u64;
            for slot in 0..count {
                let chain = Chain { key: mix(key, slot), model: index as u16, place: place as u32, haste };
                chain.push_drives(model, &mut fleet);
                // A small fleet is spread over the vaults of a big one.
                place += 1.0 / scale;
            }
        }
        // Rows come in this order: as mixed as in reality.
        fleet.sort_by_key(|drive| (drive.key, drive.first));
        let (serials, ends) = serials(&fleet);
        Self { drives: fleet, serials, ends }
    }

    pub(super) fn serial(&self, drive: usize) -> &str {
        let start = if drive == 0 { 0 } else { self.ends[drive - 1] };
        &self.serials[start as usize..self.ends[drive] as usize]
    }
}

/// The drives that stand in one place, one after another.
struct Chain {
    key: u64,
    model: u16,
    place: u32,
    haste: f64,
}

impl Chain {
    fn push_drives(&self, model: &Model, fleet: &mut Vec<Drive>) {
        let time = |(from, to): (f64, f64), random| day_of(from + (to - from) * fraction(random));
        let mut installed = time(model.arrival, mix(self.key, 0));
        let end = time(model.departure, mix(self.key, 1)).min(LAST_DAY + 1);
        for number in 2.. {
            if installed >= end {
                break;
            }
            let key = mix(self.key, number);
            let failed = self.failure_day(model, installed, exponential(mix(key, 0)));
            if failed >= end {
                self.push(fleet, key, installed, end - 1, None);
                break;
            }
            let lingers = mix(key, 1) % 1_000 < 43;
            let extra = if lingers { 1 + (mix(key, 2) % 800) as i32 } else { 0 };
            self.push(fleet, key, installed, (failed + extra).min(LAST_DAY), Some(failed));
            installed = failed + 1 + (mix(key, 3) % 5) as i32;
        }
    }

    fn push(&self, fleet: &mut Vec<Drive>, key: u64, installed: i32, last: i32, failed: Option<i32>) {
        if last < FIRST_DAY {
            return;
        }
        let fails_again = failed.is_some_and(|failed| failed < last) && mix(key, 4) % 100 < 5;
        let first = installed.max(FIRST_DAY);
        fleet.push(Drive { key, model: self.model, installed, first, last, failed, fails_again, place: self.place });
    }

    /// The day on which a drive has spent its `lives`: a year takes its failure rate of them, and the days of the report
    /// take more from a small fleet.
    fn failure_day(&self, model: &Model, installed: i32, lives: f64) -> i32 {
        let days = lives * 36_500.0 / model.failure_rate;
        let before = f64::from((REPORT.0 - installed).max(0));
        let during = f64::from((REPORT.1 - REPORT.0.max(installed)).max(0));
        let days = if days <= before {
            days
        } else if days <= before + during * self.haste {
            before + (days - before) / self.haste
        } else {
            days - during * (self.haste - 1.0)
        };
        installed.saturating_add(days as i32)
    }
}

/// The serial numbers of all drives and where each of them ends: a vendor's prefix and six digits that are unique.
fn serials(fleet: &[Drive]) -> (String, Vec<u32>) {
    const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut text = String::with_capacity(fleet.len() * 12);
    let mut ends = Vec::with_capacity(fleet.len());
    for (index, drive) in fleet.iter().enumerate() {
        let decade = drive.key % 10;
        let written = match MODELS[usize::from(drive.model)].family {
            Family::Seagate => write!(text, "Z{decade}"),
            Family::Hgst => write!(text, "PL{decade}"),
            Family::Toshiba => write!(text, "{decade}8X0A0"),
            Family::Wdc => write!(text, "WD-WMC{decade}T"),
            Family::Ssd => write!(text, "7QT0{decade}"),
        };
        debug_assert!(written.is_ok());
        // The factor has no divisor in common with 36, so different indexes stay different.
        let mut number = (index as u64).wrapping_mul(1_073_676_287) % SERIAL_DIGITS;
        for _ in 0..6 {
            text.push(char::from(DIGITS[(number % 36) as usize]));
            number /= 36;
        }
        ends.push(text.len() as u32);
    }
    (text, ends)
}
