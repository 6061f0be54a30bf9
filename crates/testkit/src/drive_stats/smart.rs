//! What the SMART attributes report: which family of drives has them, and how their values run.

use super::models::Family;
use super::random::mix;

/// How the raw values of an attribute run over a drive's life.
#[derive(Debug, Clone, Copy)]
pub(super) enum Course {
    /// Counts of errors: zero on most drives, growing on some, and on failing drives in their last month.
    Errors,
    /// The same, with three counters packed into one number.
    PackedErrors,
    /// Noise in 28 bits.
    Noise,
    Hours,
    Temperature,
    /// One number for life.
    Constant,
    /// A few in a life, such as power cycles.
    Rare,
    /// Some every day, such as load cycles.
    Daily,
    Seeks,
    /// Hours of head flight, in milliseconds.
    Flight,
    /// Sectors written or read.
    Sectors,
}

/// A drive on a day, as its attributes see it.
pub(super) struct State {
    /// Days since it was installed.
    pub(super) age: i64,
    /// Days until it fails, if it does.
    pub(super) left: Option<i32>,
}

const SEAGATE: u8 = Family::Seagate as u8;
const HGST: u8 = Family::Hgst as u8;
const TOSHIBA: u8 = Family::Toshiba as u8;
const WDC: u8 = Family::Wdc as u8;
const SSD: u8 = Family::Ssd as u8;
const DISKS: u8 = SEAGATE | HGST | TOSHIBA | WDC;
const ALL: u8 = DISKS | SSD;

/// The attributes that reports had before February 2014, raw values only.
pub(super) const EARLY: [u8; 5] = [1, 5, 9, 194, 197];

/// The families that report an attribute, as a set of bits, and its course; `None` for those that stay empty.
pub(super) fn course(attribute: u8) -> Option<(u8, Course)> {
    use Course::*;
    Some(match attribute {
        1 => (DISKS, Noise),
        2 | 8 => (HGST | TOSHIBA, Constant),
        3 => (DISKS, Constant),
        4 => (DISKS, Rare),
        5 => (ALL, Errors),
        7 => (DISKS, Seeks),
        9 => (ALL, Hours),
        10 | 197 | 198 => (DISKS, Errors),
        12 => (ALL, Rare),
        18 | 183 | 184 | 187 | 189 => (SEAGATE, Errors),
        22 => (HGST, Constant),
        23 | 24 | 226 => (TOSHIBA, Constant),
        188 => (SEAGATE, PackedErrors),
        190 => (SEAGATE, Temperature),
        191 => (SEAGATE | TOSHIBA, Daily),
        192 => (ALL, Daily),
        193 => (DISKS, Daily),
        194 => (ALL, Temperature),
        195 => (SEAGATE, Noise),
        196 => (HGST | TOSHIBA | WDC, Errors),
        199 => (ALL, Errors),
        200 => (SEAGATE | WDC, Errors),
        220 => (TOSHIBA, Flight),
        222 => (TOSHIBA, Hours),
        223 | 224 => (TOSHIBA, Errors),
        240 => (SEAGATE, Flight),
        241 | 242 => (SEAGATE | SSD, Sectors),
        173 | 177 | 231 | 232 | 245 => (SSD, Constant),
        170 | 174 | 175 | 180 | 202 | 206 | 210 | 218 => (SSD, Rare),
        230 | 233 | 234 | 235 | 246 | 247 | 248 => (SSD, Sectors),
        _ => return None,
    })
}

impl Course {
    /// The normalized and the raw value; `base` is the drive's number for this attribute, `noise` the day's.
    #[inline]
    pub(super) fn values(self, state: &State, base: u64, noise: impl FnOnce() -> u64) -> (i64, i64) {
        let age = state.age;
        let below = |random: u64, limit: u64| (random % limit) as i64;
        let wear = 100 - below(base, 4) - age / 120;
        match self {
            Course::Errors => {
                let errors = errors(state, base);
                (100 - errors / 64, errors)
            }
            Course::PackedErrors => {
                (100, if base.is_multiple_of(10) { below(base / 10, 9) * 4_295_032_833 } else { 0 })
            }
            Course::Noise => {
                let raw = (noise() >> 36) as i64;
                (70 + (raw >> 23), raw)
            }
            Course::Hours => (wear, age * 24 + below(base, 24)),
            Course::Temperature => {
                let raw = 21 + below(base, 14) + below(noise(), 4);
                (100 - raw, raw)
            }
            Course::Constant => (100, below(base, 8) * 12),
            Course::Rare => (100, below(base, 30) + age / 180),
            Course::Daily => (wear, below(base, 3_000) + age * (1 + below(base, 6))),
            Course::Seeks => (wear, below(base, 900_000_000) + age * 100_000 + below(noise(), 90_000)),
            Course::Flight => (100, age * 24_000 + below(noise(), 60_000)),
            Course::Sectors => (100, below(base, 60_000_000_000) + age * 60_000_000 + below(noise(), 50_000_000)),
        }
    }
}

fn errors(state: &State, base: u64) -> i64 {
    let old = if base % 1_000 < 35 { (base >> 10) % 7 * 8 + state.age as u64 / (20 + (base >> 16) % 90) } else { 0 };
    let month = state.left.filter(|left| (0..30).contains(left) && mix(base, 1) % 5 < 3);
    old as i64 + month.map_or(0, |left| i64::from(30 - left) * (1 + (base >> 24) as i64 % 8))
}
