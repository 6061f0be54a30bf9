//! The path of the rows, in the order in which a folder listing prints it:
//! `scan → select → shuffle → sink → snapshot → verify`.

pub(crate) mod scan;
pub(crate) mod select;
pub(crate) mod shuffle;
pub(crate) mod sink;
pub(crate) mod snapshot;
pub(crate) mod splice;
pub(crate) mod values;
pub(crate) mod verify;

#[cfg(test)]
pub(crate) mod warehouse;
