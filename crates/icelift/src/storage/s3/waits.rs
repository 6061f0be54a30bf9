//! How long to wait before a request is sent again.
//!
//! What must hold: waits grow, with jitter; a server's `Retry-After` is kept, up to a limit; attempts and time are
//! bounded.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};

use super::failure::Problem;
use super::settings::RetrySettings;

/// Retries of a connection while the endpoint has never answered: its name may be wrong.
const FIRST_CONTACT_RETRIES: usize = 2;

/// The attempts of one request, and how long to wait before the next one.
pub(super) struct Waits {
    settings: RetrySettings,
    growing: backon::ExponentialBackoff,
    pub started: Instant,
    pub attempts: usize,
}

impl Waits {
    pub fn new(settings: RetrySettings) -> Self {
        let growing = ExponentialBuilder::default()
            .with_min_delay(settings.min_wait)
            .with_max_delay(settings.max_wait)
            .with_max_times(settings.count)
            .with_jitter()
            .build();
        Self { settings, growing, started: Instant::now(), attempts: 0 }
    }

    /// The wait before the next attempt: what the server asks for, up to a limit, or what the growing wait has reached.
    pub fn next(&mut self, problem: &Problem, reached: bool) -> Option<Duration> {
        let first_contact = matches!(problem, Problem::Unreachable(_)) && !reached;
        if !problem.is_passing() || first_contact && self.attempts > FIRST_CONTACT_RETRIES {
            return None;
        }
        let asked = problem.retry_after().unwrap_or_default().min(self.settings.retry_after_max);
        let wait = self.growing.next()?.max(asked);
        Some(wait).filter(|wait| self.started.elapsed() + *wait <= self.settings.total)
    }
}
