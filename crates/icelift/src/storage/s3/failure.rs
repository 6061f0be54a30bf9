//! Why a request to S3 failed for good, as it travels through `object_store`'s errors.
//!
//! What must hold: URLs and headers are never kept, and of bodies what an [`Answer`] keeps.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use object_store::client::{HttpError, HttpErrorKind};
use reqwest::StatusCode;

use super::answer::Answer;

/// A request that failed, after all retries.
#[derive(Debug, Clone)]
pub(in crate::storage) struct Failure(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    problem: Problem,
    attempts: usize,
    elapsed: Duration,
    in_doubt: bool,
    host: String,
    region: String,
}

/// What went wrong with one attempt.
#[derive(Debug, Clone)]
pub(in crate::storage) enum Problem {
    /// The server refused.
    Answer(Box<Answer>),
    /// No connection was made.
    Unreachable(Cause),
    /// The other side cannot be trusted, or does not speak TLS.
    Tls(Cause),
    /// The connection broke before an answer came.
    Interrupted(Cause),
    /// There was no progress for so long.
    TimedOut(Duration),
    /// The body ended early, or is longer than it should be.
    Length { found_bytes: u64, expected_bytes: u64 },
    /// Other bytes than those that were asked for.
    OtherRange { asked: Range<u64>, answered: Option<Range<u64>> },
    /// No keys to sign with.
    Credentials(Cause),
}

/// An error of another library, shared between the copies of a [`Failure`].
pub(in crate::storage) type Cause = Arc<dyn StdError + Send + Sync>;

impl Problem {
    /// What `object_store`'s client says of a request that got no answer.
    pub fn transport(error: HttpError) -> Self {
        let words = ["certificate", "handshake", "corrupt message", "fatal alert"];
        let says_tls = |it: &(dyn StdError + 'static)| {
            let text = it.to_string();
            words.iter().any(|word| text.contains(word))
        };
        // The kind calls a connection that takes too long a timeout.
        let is_connect = chain(&error).find_map(|it| it.downcast_ref()).is_some_and(reqwest::Error::is_connect);
        let is_tls = chain(&error).any(says_tls);
        match (is_connect, is_tls, Arc::new(error)) {
            (true, true, cause) => Problem::Tls(cause),
            (true, false, cause) => Problem::Unreachable(cause),
            (false, _, cause) => Problem::Interrupted(cause),
        }
    }

    /// Whether the same request may succeed later.
    pub fn is_passing(&self) -> bool {
        match self {
            Problem::Answer(answer) => answer.is_passing(),
            Problem::Tls(_) | Problem::Credentials(_) => false,
            _ => true,
        }
    }

    /// Whether the server may have done what it was asked, though no answer says so.
    pub fn is_in_doubt(&self) -> bool {
        match self {
            Problem::Answer(answer) => answer.status.is_server_error() || answer.is_late(),
            Problem::Interrupted(_) | Problem::TimedOut(_) | Problem::Length { .. } => true,
            _ => false,
        }
    }

    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Problem::Answer(answer) => answer.retry_after,
            _ => None,
        }
    }
}

/// How a request was tried.
#[derive(Debug)]
pub(super) struct Attempts {
    pub count: usize,
    pub elapsed: Duration,
    /// Of some attempt it is not known whether the server did what it was asked.
    pub in_doubt: bool,
}

impl Failure {
    pub(super) fn new(problem: Problem, attempts: Attempts, host: &str, region: &str) -> Self {
        let Attempts { count, elapsed, in_doubt } = attempts;
        let (host, region) = (host.to_string(), region.to_string());
        Self(Arc::new(Inner { problem, attempts: count, elapsed, in_doubt, host, region }))
    }

    /// The failure behind an error of `object_store`, if it is one of ours.
    pub fn find(error: &object_store::Error) -> Option<Self> {
        chain(error).find_map(|it| it.downcast_ref::<Self>()).cloned()
    }

    pub fn problem(&self) -> &Problem {
        &self.0.problem
    }

    pub fn answer(&self) -> Option<&Answer> {
        match &self.0.problem {
            Problem::Answer(answer) => Some(answer),
            _ => None,
        }
    }

    /// The server that was asked.
    pub fn host(&self) -> &str {
        &self.0.host
    }

    /// The region that the request was signed for.
    pub fn region(&self) -> &str {
        &self.0.region
    }

    pub fn attempts(&self) -> usize {
        self.0.attempts
    }

    pub fn elapsed(&self) -> Duration {
        self.0.elapsed
    }

    /// Whether the server may have done what it was asked.
    pub fn is_in_doubt(&self) -> bool {
        self.0.in_doubt
    }

    /// Whether there is no such object; its bucket may be missing too, which is another error.
    pub fn is_object_missing(&self) -> bool {
        self.answer()
            .is_some_and(|it| it.status == StatusCode::NOT_FOUND && ["", "NoSuchKey"].contains(&it.code.as_str()))
    }

    /// Whether there is no such upload: it was completed or aborted.
    pub fn is_upload_missing(&self) -> bool {
        self.answer().is_some_and(|it| it.code == "NoSuchUpload")
    }

    pub(super) fn into_http(self) -> HttpError {
        // `Unknown` is what `object_store` does not retry.
        HttpError::new(HttpErrorKind::Unknown, self)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { attempts, elapsed, host, .. } = self.0.as_ref();
        match &self.0.problem {
            Problem::Answer(answer) => write!(f, "{host} answered {answer}")?,
            Problem::Unreachable(_) => write!(f, "no connection to {host}")?,
            Problem::Tls(_) => write!(f, "no TLS connection to {host}")?,
            Problem::Interrupted(_) => write!(f, "the connection to {host} broke")?,
            Problem::TimedOut(limit) => write!(f, "{host} was silent for {limit:?}")?,
            Problem::Length { found_bytes, expected_bytes } => {
                write!(f, "{host} sent {found_bytes} of {expected_bytes} bytes")?
            }
            Problem::OtherRange { asked, answered: Some(found) } => {
                write!(f, "{host} sent the bytes {found:?}, asked for {asked:?}")?
            }
            Problem::OtherRange { asked, answered: None } => {
                write!(f, "{host} sent the whole object, asked for the bytes {asked:?}")?
            }
            Problem::Credentials(_) => write!(f, "there are no credentials for {host}")?,
        }
        if *attempts > 1 {
            write!(f, ", {attempts} attempts in {:.1} s", elapsed.as_secs_f64())?;
        }
        Ok(())
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.problem {
            Problem::Unreachable(cause)
            | Problem::Tls(cause)
            | Problem::Interrupted(cause)
            // The level around the cause says what the cause says.
            | Problem::Credentials(cause) => Some(cause.source().unwrap_or(cause.as_ref())),
            _ => None,
        }
    }
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| (*error).source())
}
