//! How long a call of Glue may take and how often it is sent, by the names of Iceberg's Java library and of PyIceberg.

use std::time::Duration;

use aws_sdk_glue::config::retry::RetryConfig;
use aws_sdk_glue::config::timeout::TimeoutConfig;

use crate::error::Result;
use crate::options::Options;

/// The option for the wait for one answer, which messages name.
pub(super) const SOCKET_TIMEOUT: &str = "http-client.apache.socket-timeout-ms";

const RETRIES_MAX: u32 = 100;

/// The limits of each call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    connect: Duration,
    attempt: Duration,
    /// Of all attempts and the waits between them, where the SDK makes them.
    call: Duration,
    pub retries: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            attempt: Duration::from_secs(30),
            call: Duration::from_secs(120),
            retries: 4,
        }
    }
}

impl Limits {
    /// Takes the options.
    pub fn take(options: &mut Options) -> Result<Self> {
        let default = Self::default();
        let connect = options.take_millis("http-client.apache.connection-timeout-ms")?.unwrap_or(default.connect);
        let attempt = options.take_millis(SOCKET_TIMEOUT)?.unwrap_or(default.attempt);
        let retries = options.take_number("glue.max-retries", 0_u32)?.unwrap_or(default.retries).min(RETRIES_MAX);
        // Who waits longer for one answer is not to be cut off by the limit of all.
        Ok(Self { connect, attempt, call: default.call.max(attempt), retries })
    }

    pub fn timeouts(&self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .operation_attempt_timeout(self.attempt)
            .operation_timeout(self.call)
            .build()
    }

    pub fn attempts(&self) -> RetryConfig {
        RetryConfig::standard().with_max_attempts(self.retries + 1)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Limits, Options, RETRIES_MAX};

    fn taken(given: &[(&str, &str)]) -> crate::error::Result<Limits> {
        let given = given.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        let mut options = Options::new("g", given.collect());
        let limits = Limits::take(&mut options)?;
        options.finish().map(|()| limits)
    }

    #[test]
    fn one_answer_may_take_as_long_as_is_said() {
        let limits = taken(&[]).unwrap();
        assert_eq!((limits.attempt.as_secs(), limits.call.as_secs(), limits.retries), (30, 120, 4));
        let limits = taken(&[("http-client.apache.socket-timeout-ms", "300000"), ("glue.max-retries", "0")]).unwrap();
        assert_eq!((limits.attempt.as_secs(), limits.call.as_secs(), limits.retries), (300, 300, 0));
        assert_eq!(limits.attempts().max_attempts(), 1);
        let limits = taken(&[("http-client.apache.connection-timeout-ms", "7"), ("glue.max-retries", "999")]).unwrap();
        assert_eq!((limits.connect, limits.retries), (Duration::from_millis(7), RETRIES_MAX));
        let error = taken(&[("http-client.apache.socket-timeout-ms", "0")]).unwrap_err();
        assert!(error.to_string().contains("`http-client.apache.socket-timeout-ms` must be a number"), "{error}");
    }
}
