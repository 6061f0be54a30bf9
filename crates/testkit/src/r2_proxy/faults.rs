//! What goes wrong on request.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::answer::{iceberg_error_body, s3_error_body};
use super::call::Call;
use super::log::{Side, locked};

/// One thing that goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Answers with this status and body instead.
    Status {
        /// The status code.
        code: u16,
        /// The body: JSON, XML or text.
        body: String,
        /// The header `Retry-After`.
        retry_after_seconds: Option<u64>,
    },
    /// Cuts the connection. Afterwards: the upstream has done it, and the client cannot know.
    Reset,
    /// Cuts the connection after so many bytes of the answer's body; before the upstream the same as [`Fault::Reset`].
    Truncate {
        /// How much gets through.
        bytes: u64,
    },
    /// Flips the bits of one byte: of the request's body before, of the answer's body afterwards.
    Corrupt {
        /// Which byte; none if the body is shorter.
        at: u64,
    },
    /// Waits.
    Delay(Duration),
    /// Cuts the connection, and passes the request on after so long: the client has given up, the server has not. Afterwards
    /// the same as [`Fault::Reset`].
    Late(Duration),
    /// Never answers.
    Hang,
    /// Says that the credentials are too old: `ExpiredToken` on the S3 side, a plain 401 of the catalog.
    ExpiredToken,
}

impl Fault {
    /// An answer of the catalog such as 503 `SlowDownException`.
    pub fn iceberg_error(code: u16, name: &str) -> Self {
        let body = iceberg_error_body(code, name, "injected").to_string();
        Self::Status { code, body, retry_after_seconds: None }
    }

    /// An answer of S3 such as 503 `SlowDown`.
    pub fn s3_error(code: u16, name: &str) -> Self {
        Self::Status { code, body: s3_error_body(name, "injected"), retry_after_seconds: None }
    }

    /// The same answer with `Retry-After`; other faults have none.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        if let Self::Status { retry_after_seconds, .. } = &mut self {
            *retry_after_seconds = Some(seconds);
        }
        self
    }
}

/// Whether the upstream has seen the request when the fault comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// It has not, and will not unless the fault lets the request pass.
    Before,
    /// It has, and has done what it was asked.
    After,
}

/// Which requests meet which fault. Without conditions it is every request of one side, once.
#[derive(Clone, Debug)]
pub struct FaultRule {
    side: Side,
    when: When,
    fault: Fault,
    operation: Option<String>,
    method: Option<String>,
    path_contains: Option<String>,
    query_contains: Option<String>,
    skip: u64,
    times: u64,
}

impl FaultRule {
    /// The fault comes before the upstream sees the request.
    pub fn before(side: Side, fault: Fault) -> Self {
        let any = None;
        Self {
            side,
            when: When::Before,
            fault,
            operation: any.clone(),
            method: any.clone(),
            path_contains: any.clone(),
            query_contains: any,
            skip: 0,
            times: 1,
        }
    }

    /// The fault comes when the upstream has answered.
    pub fn after(side: Side, fault: Fault) -> Self {
        Self { when: When::After, ..Self::before(side, fault) }
    }

    /// Only this operation, by the service's own name, as in [`Recorded`](super::Recorded).
    #[must_use]
    pub fn operation(mut self, name: &str) -> Self {
        self.operation = Some(name.to_owned());
        self
    }

    /// Only this HTTP method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only paths, as they are sent, with this in them.
    #[must_use]
    pub fn path_contains(mut self, text: &str) -> Self {
        self.path_contains = Some(text.to_owned());
        self
    }

    /// Only queries, as they are sent, with this in them.
    #[must_use]
    pub fn query_contains(mut self, text: &str) -> Self {
        self.query_contains = Some(text.to_owned());
        self
    }

    /// Lets the first matching requests pass.
    #[must_use]
    pub fn skip(mut self, requests: u64) -> Self {
        self.skip = requests;
        self
    }

    /// Comes so many times instead of once.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Comes every time.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(u64::MAX)
    }

    fn matches(&self, side: Side, operation: &str, call: &Call) -> bool {
        let within = |wanted: &Option<String>, text: &str| wanted.as_deref().is_none_or(|wanted| text.contains(wanted));
        let equal = |wanted: &Option<String>, text: &str| wanted.as_deref().is_none_or(|wanted| wanted == text);
        self.side == side
            && equal(&self.operation, operation)
            && equal(&self.method, call.method.as_str())
            && within(&self.path_contains, &call.path)
            && within(&self.query_contains, &call.query)
    }
}

/// A rule in force: tells whether it has come, takes it back.
#[derive(Clone, Debug)]
pub struct FaultHandle(Arc<Armed>);

impl FaultHandle {
    /// How many requests have met the fault. A test of a fault that never came tests nothing.
    pub fn hits(&self) -> u64 {
        self.0.hits.load(Ordering::SeqCst)
    }

    /// From now on nothing meets the fault; what already hangs goes on hanging.
    pub fn remove(&self) {
        self.0.removed.store(true, Ordering::SeqCst);
    }
}

#[derive(Debug)]
struct Armed {
    rule: FaultRule,
    seen: AtomicU64,
    hits: AtomicU64,
    removed: AtomicBool,
}

#[derive(Default)]
pub(super) struct Faults {
    rules: Mutex<Vec<Arc<Armed>>>,
}

/// The fault that a request meets.
pub(super) struct Hit {
    pub(super) when: When,
    pub(super) fault: Fault,
}

impl Faults {
    pub(super) fn add(&self, rule: FaultRule) -> FaultHandle {
        let armed =
            Arc::new(Armed { rule, seen: AtomicU64::new(0), hits: AtomicU64::new(0), removed: AtomicBool::new(false) });
        locked(&self.rules).push(Arc::clone(&armed));
        FaultHandle(armed)
    }

    /// At most one fault a request, of the first rule that has one left. The lock makes counting exact.
    pub(super) fn meet(&self, side: Side, operation: &str, call: &Call) -> Option<Hit> {
        let mut rules = locked(&self.rules);
        rules.retain(|armed| !armed.removed.load(Ordering::SeqCst));
        let armed =
            rules.iter().filter(|armed| armed.rule.matches(side, operation, call)).find(|armed| armed.fires())?;
        Some(Hit { when: armed.rule.when, fault: armed.rule.fault.clone() })
    }
}

impl Armed {
    fn fires(&self) -> bool {
        let seen = self.seen.fetch_add(1, Ordering::SeqCst);
        let fires = seen >= self.rule.skip && self.hits.load(Ordering::SeqCst) < self.rule.times;
        if fires {
            self.hits.fetch_add(1, Ordering::SeqCst);
        }
        fires
    }
}
