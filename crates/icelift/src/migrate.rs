//! Many batches, each exactly once.

#[cfg(test)]
mod model;
