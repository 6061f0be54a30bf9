//! Source against target: fingerprints of rows, and files read again after they were written.
//!
//! In: batches as they pass, or data files that are in no snapshot yet. Out: fingerprints that are equal if, and but for a
//! chance of about 2⁻¹²⁸ only if, both sides hold the same rows the same number of times. What must hold: "verified" is said
//! of bytes that were read from the target, never of what was meant to be written.

mod compare;
mod content;
mod emit;
mod fingerprint;
mod level;
mod portable;
mod prints;
mod read_back;

pub(crate) use self::compare::compare;
pub(crate) use self::content::ContentHasher;
pub(crate) use self::emit::{Dialect, emit};
pub(crate) use self::fingerprint::Fingerprint;
pub(crate) use self::level::Level;
pub(crate) use self::portable::{PortableFingerprint, PortableHasher};
pub(crate) use self::prints::{Hashers, PortableColumns, Prints, is_zero};
pub(crate) use self::read_back::{Readback, Wanted, read_back};
