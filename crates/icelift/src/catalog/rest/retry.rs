//! When a call is sent again, and after how long.
//!
//! | what happened | idempotent call | other call |
//! |---|---|---|
//! | nothing reached the server, and another try may | again | again |
//! | 429 | again: turned away before it was looked at | again |
//! | 503 with `Retry-After` | again | again if fenced: a second copy fails should the first have been carried out |
//! | 503 without it, 408, 502, 504, no or half an answer | again | never: its caller has to look |
//! | anything else | never | never |
//!
//! Bounded by attempts and by time; a server that asks for a longer wait than is left gets no further call.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use super::call::Call;
use super::failure::{Cause, may_pass};

const MIN_WAIT: Duration = Duration::from_millis(200);
const MAX_WAIT: Duration = Duration::from_secs(20);

/// How often a call is sent again, and how long the whole of it may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retries {
    pub count: usize,
    pub total: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self { count: 5, total: Duration::from_secs(300) }
    }
}

/// What is left of the patience with one call.
pub(super) struct Patience {
    waits: ExponentialBackoff,
    deadline: Instant,
}

impl Retries {
    pub fn start(&self) -> Patience {
        let waits = ExponentialBuilder::default()
            .with_min_delay(MIN_WAIT)
            .with_max_delay(MAX_WAIT)
            .with_max_times(self.count)
            .with_jitter()
            .build();
        Patience { waits, deadline: Instant::now() + self.total }
    }
}

impl Patience {
    /// How long to wait before the call is sent again. None if it must not be, or has been often enough.
    pub fn next(&mut self, call: &Call, cause: &Cause) -> Option<Duration> {
        self.next_if(is_repeatable(call, cause), cause)
    }

    pub fn next_if(&mut self, is_repeatable: bool, cause: &Cause) -> Option<Duration> {
        if !is_repeatable {
            return None;
        }
        let asked = cause.refusal().and_then(|refusal| refusal.retry_after);
        let wait = self.waits.next()?.max(asked.unwrap_or_default());
        let left = self.deadline.saturating_duration_since(Instant::now());
        (wait < left).then_some(wait)
    }
}

/// The table above.
fn is_repeatable(call: &Call, cause: &Cause) -> bool {
    let is_idempotent = call.operation.is_idempotent();
    match cause {
        Cause::Unreachable(source) => may_pass(source),
        Cause::Lost(_) => is_idempotent,
        Cause::Garbled { is_cut, .. } => *is_cut && is_idempotent,
        Cause::Stopped(_) => false,
        Cause::Refused(refusal) => match refusal.status {
            429 => true,
            503 if refusal.retry_after.is_some() => is_idempotent || call.is_fenced,
            408 | 502 | 503 | 504 => is_idempotent,
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::catalog::rest::call::Operation;
    use crate::catalog::rest::failure::Refusal;

    fn refused(status: u16, seconds: Option<u64>) -> Cause {
        let retry_after = seconds.map(Duration::from_secs);
        Cause::Refused(Refusal { status, retry_after, ..Refusal::default() })
    }

    fn call(operation: Operation, is_fenced: bool) -> Call {
        Call { is_fenced, ..Call::new(operation, String::new()) }
    }

    #[test]
    fn what_is_sent_again() {
        let read = call(Operation::LoadTable, false);
        let commit = call(Operation::UpdateTable, true);
        let unfenced = call(Operation::UpdateTable, false);
        let drop = call(Operation::DropTable, false);
        for (status, seconds, expected) in [
            (429, None, [true, true, true, true]),
            (503, Some(1), [true, true, false, false]),
            (503, None, [true, false, false, false]),
            (502, Some(1), [true, false, false, false]),
            (504, None, [true, false, false, false]),
            (408, None, [true, false, false, false]),
            (500, None, [false; 4]),
            (409, None, [false; 4]),
            (400, Some(1), [false; 4]),
        ] {
            let found = [&read, &commit, &unfenced, &drop].map(|call| is_repeatable(call, &refused(status, seconds)));
            assert_eq!(found, expected, "{status} {seconds:?}");
        }
        let garbled = |is_cut| Cause::Garbled { found: String::new(), is_cut };
        assert!(is_repeatable(&read, &garbled(true)));
        assert!(!is_repeatable(&read, &garbled(false)) && !is_repeatable(&commit, &garbled(true)));
    }

    #[test]
    fn patience_ends_by_count_and_by_time() {
        let read = call(Operation::LoadTable, false);
        let mut patience = Retries { count: 2, total: Duration::from_secs(60) }.start();
        let waits: Vec<_> = (0..3).map(|_| patience.next(&read, &refused(503, None)).is_some()).collect();
        assert_eq!(waits, [true, true, false]);
        let mut patience = Retries::default().start();
        assert_eq!(patience.next(&read, &refused(429, Some(60))), Some(Duration::from_secs(60)));
        assert_eq!(patience.next(&read, &refused(429, Some(3600))), None);
    }
}
