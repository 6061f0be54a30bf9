//! What clients have asked for, without their secrets.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::StatusCode;

use super::call::Call;
use crate::signature::Authorization;

/// Requests that are kept one by one; sums go on beyond.
const KEPT_MAX: usize = 100_000;

/// Headers that are never written down.
const SECRET: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "x-amz-security-token"];

/// The two services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// R2 Data Catalog.
    Catalog,
    /// R2's S3 API.
    S3,
}

/// What a request costs on R2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// One operation of the catalog.
    Catalog,
    /// Writing and listing objects.
    A,
    /// Reading objects.
    B,
    /// Deleting and aborting.
    Free,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The service that was asked.
    pub side: Side,
    /// The operation by the service's own name, such as `updateTable` or `UploadPart`.
    pub operation: &'static str,
    /// The HTTP method.
    pub method: String,
    /// The path as it was sent.
    pub path: String,
    /// The query as it was sent, without signatures.
    pub query: String,
    /// The headers without those that hold secrets.
    pub headers: Vec<(String, String)>,
    /// Who asks: the access key of the signature, or `Bearer`; none if the request says neither.
    pub signed_by: Option<String>,
    /// What it costs.
    pub class: Class,
    /// The status of the answer; none if the connection was cut or there is no answer yet.
    pub status: Option<u16>,
    /// The size of the request's body, if it was read.
    pub bytes_in: u64,
    /// How much of the answer's body has been sent.
    pub bytes_out: u64,
}

/// Sums over all requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Operations of the catalog.
    pub catalog: u64,
    /// S3 operations of class A.
    pub class_a: u64,
    /// S3 operations of class B.
    pub class_b: u64,
    /// S3 operations without a price.
    pub free: u64,
}

#[derive(Default)]
pub(super) struct Log {
    entries: Mutex<VecDeque<Arc<Entry>>>,
    counts: Mutex<Counts>,
    violations: Mutex<Vec<String>>,
}

/// One request while it is served, and afterwards.
pub(super) struct Entry {
    request: Recorded,
    /// Zero is no status.
    status: AtomicU16,
    bytes_in: AtomicU64,
    bytes_out: Arc<AtomicU64>,
}

impl Log {
    pub(super) fn begin(&self, side: Side, operation: &'static str, call: &Call) -> Arc<Entry> {
        let class = class(side, operation);
        self.count(class);
        let headers = call.headers.iter().filter(|(name, _)| !SECRET.contains(&name.as_str()));
        let shown = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let signed = |pair: &&str| !pair.starts_with("X-Amz-");
        let request = Recorded {
            side,
            operation,
            method: call.method.to_string(),
            path: call.path.clone(),
            query: call.query.split('&').filter(signed).collect::<Vec<_>>().join("&"),
            headers: headers.map(|(name, value)| (name.to_string(), shown(value))).collect(),
            signed_by: signed_by(call),
            class,
            status: None,
            bytes_in: 0,
            bytes_out: 0,
        };
        let entry = Arc::new(Entry {
            request,
            status: AtomicU16::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: Arc::default(),
        });
        let mut entries = locked(&self.entries);
        if entries.len() == KEPT_MAX {
            entries.pop_front();
        }
        entries.push_back(Arc::clone(&entry));
        entry
    }

    fn count(&self, class: Class) {
        let mut counts = locked(&self.counts);
        *match class {
            Class::Catalog => &mut counts.catalog,
            Class::A => &mut counts.class_a,
            Class::B => &mut counts.class_b,
            Class::Free => &mut counts.free,
        } += 1;
    }

    pub(super) fn violation(&self, operation: &str, call: &Call, message: &str) {
        let mut violations = locked(&self.violations);
        if violations.len() < KEPT_MAX {
            violations.push(format!("{operation} {}: {message}", call.path));
        }
    }

    pub(super) fn requests(&self) -> Vec<Recorded> {
        locked(&self.entries).iter().map(|entry| entry.recorded()).collect()
    }

    pub(super) fn counts(&self) -> Counts {
        *locked(&self.counts)
    }

    pub(super) fn violations(&self) -> Vec<String> {
        locked(&self.violations).clone()
    }
}

impl Entry {
    pub(super) fn count_in(&self, bytes: usize) {
        self.bytes_in.store(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn answered(&self, status: StatusCode) {
        self.status.store(status.as_u16(), Ordering::Relaxed);
    }

    pub(super) fn bytes_out(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.bytes_out)
    }

    fn recorded(&self) -> Recorded {
        Recorded {
            status: Some(self.status.load(Ordering::Relaxed)).filter(|status| *status != 0),
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
            ..self.request.clone()
        }
    }
}

/// The name of the key, never the secret.
fn signed_by(call: &Call) -> Option<String> {
    let header = call.header("authorization")?;
    match Authorization::parse(header) {
        Some(found) => Some(found.access_key),
        None => header.split(' ').next().map(str::to_owned),
    }
}

fn class(side: Side, operation: &str) -> Class {
    match (side, operation) {
        (Side::Catalog, _) => Class::Catalog,
        (Side::S3, "GetObject" | "HeadObject" | "HeadBucket") => Class::B,
        (Side::S3, "DeleteObject" | "DeleteObjects" | "AbortMultipartUpload") => Class::Free,
        (Side::S3, _) => Class::A,
    }
}

/// A panic elsewhere leaves nothing half-done behind such a lock.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
