//! Moves a table batch by batch: what a migration is made of, what it costs, and what it does not carry over.

pub(crate) mod batches;
pub(crate) mod explain;
pub(crate) mod lint;
pub(crate) mod price;
