//! Source against target: fingerprints of rows, and files read again after they were written.
//!
//! In: batches as they pass, or data files that are in no snapshot yet. Out: fingerprints that are equal if, and but for a
//! chance of about 2⁻¹²⁸ only if, both sides hold the same rows the same number of times. What must hold: "verified" is said
//! of bytes that were read from the target, never of what was meant to be written.

pub(crate) mod content;
pub(crate) mod emit;
pub(crate) mod fingerprint;
pub(crate) mod level;
pub(crate) mod portable;
pub(crate) mod read_back;
#[cfg(test)]
mod warehouse;
