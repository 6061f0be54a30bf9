//! Randomness by address instead of by sequence: the value of a cell needs no other cell.
//!
//! Integers and the four operations of floating-point arithmetic only: every platform draws the same.

/// A well-mixed number for the pair (splitmix64's finaliser).
#[inline]
pub fn mix(key: u64, index: u64) -> u64 {
    let mut z = key.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number from 0 to 1, without 1.
pub(super) fn fraction(random: u64) -> f64 {
    (random >> 11) as f64 / (1_u64 << 53) as f64
}

/// A number of the exponential distribution with mean 1.
pub(super) fn exponential(random: u64) -> f64 {
    // -ln(random / 2^64), the number taken apart as mantissa (half to one) and exponent.
    let random = random | 1;
    let exponent = random.leading_zeros();
    let mantissa = ((random << exponent) >> 11) as f64 / (1_u64 << 53) as f64;
    let z = (mantissa - 1.0) / (mantissa + 1.0);
    // ln m = 2 atanh z; z is at most a third, so twelve terms are plenty.
    let series: f64 = (0..12).rev().fold(0.0, |sum, term| sum * z * z + 1.0 / f64::from(2 * term + 1));
    f64::from(exponent) * std::f64::consts::LN_2 - 2.0 * z * series
}
