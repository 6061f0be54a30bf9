//! What icelift's demo, tests and benchmarks share.
//!
//! - [`drive_stats`] makes data like Backblaze's Drive Stats, as much as is asked for and always the same.
//! - [`r2_proxy`] stands in front of an Iceberg REST catalog and an S3 server and gives both the rules of Cloudflare R2,
//!   and faults on request.
//! - [`s3_client`] looks into an S3 server from outside, with the [`signature`] of its own.

#![forbid(unsafe_code)]

pub mod drive_stats;
pub mod r2_proxy;
pub mod s3_client;
pub mod signature;
