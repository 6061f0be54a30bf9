//! Source against target: fingerprints of rows, and files read again after they were written.
//!
//! In: batches as they pass, or data files that are in no snapshot yet. Out: fingerprints that are equal if, and but for a
//! chance of about 2⁻¹²⁸ only if, both sides hold the same rows the same number of times. What must hold: "verified" is said
//! of bytes that were read from the target, never of what was meant to be written.

mod content;
mod fingerprint;

pub(crate) use self::content::ContentHasher;
pub(crate) use self::fingerprint::Fingerprint;
