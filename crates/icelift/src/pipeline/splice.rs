//! The fast path: row groups that are copied and not decoded.
//!
//! In: the plan of a query over one scan, and the table that its rows go to. Out: the row groups of the scan that can be copied
//! into files of the table as they are, chunk by chunk, and the plan of the rest. What must hold: a row group is copied only if
//! that is proved to give the rows that the query gives, in the partition where they belong; what is copied does not come out
//! of the plan of the rest, and nothing else is left out of it.

mod chunk;
mod codec;
mod constant;
mod copy;
mod domain;
mod evaluate;
mod fetch;
pub(crate) mod hybrid;
mod layout;
mod mark;
mod mode;
mod plan;
mod proof;
mod query;
mod read_back;
mod report;

pub(crate) use self::chunk::{Chunk, Hollow};
pub(crate) use self::codec::PageCompressor;
pub(crate) use self::constant::no_values;
pub(crate) use self::copy::RowGroupCopy;
pub(crate) use self::domain::{Domain, Nulls};
pub(crate) use self::layout::Layout;
pub(crate) use self::mark::{copied_mark, copied_row_groups};
pub(crate) use self::mode::{Settings, SpliceMode};
pub(crate) use self::plan::{Splice, SpliceTarget, SplicedRowGroup};
pub(crate) use self::read_back::CopiedRowGroup;
pub(crate) use self::report::Report;

#[cfg(test)]
mod tests;
