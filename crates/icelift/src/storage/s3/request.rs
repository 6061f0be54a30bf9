//! What a request to S3 is: what it is counted as, and which bytes its answer must have.

use std::ops::Range;

use object_store::client::HttpRequest;
use reqwest::Method;
use reqwest::header::{CONTENT_RANGE, HeaderMap, RANGE};

use crate::storage::meter::Request;

/// A request as far as retries and checks depend on it.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    /// What it is counted as.
    pub class: Request,
    /// The bytes of the object that are asked for, if not all.
    pub range: Option<Range<u64>>,
    /// S3 answers 200 before it knows, and may put an error into the body.
    pub late_error: bool,
    pub sent_bytes: usize,
}

impl Operation {
    pub fn of(request: &HttpRequest) -> Self {
        let query = request.uri().query().unwrap_or("");
        let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
        let class = match *request.method() {
            Method::HEAD => Request::Head,
            Method::GET if has("list-type") || has("uploads") => Request::List,
            Method::GET => Request::Get,
            Method::DELETE => Request::Delete,
            _ => Request::Put,
        };
        Self {
            class,
            range: request.headers().get(RANGE).and_then(|it| it.to_str().ok()).and_then(asked_range),
            late_error: *request.method() == Method::POST && has("uploadId"),
            sent_bytes: request.body().content_length(),
        }
    }
}

/// `bytes=<first>-<last>`.
fn asked_range(header: &str) -> Option<Range<u64>> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    Some(first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?)
}

/// `bytes <first>-<last>/<size>` of an answer: the range and the size of the object.
pub(super) fn answered_range(headers: &HeaderMap) -> Option<(Range<u64>, u64)> {
    let header = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, size) = header.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?, size.parse().ok()?))
}

/// Whether `answered` is what was asked for: all of it, or up to the end of the object.
pub(super) fn is_asked_range(asked: &Range<u64>, answered: &Range<u64>, size: u64) -> bool {
    answered.start == asked.start && answered.end == asked.end.min(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_end_with_the_object() {
        let asked = asked_range("bytes=10-19");
        assert_eq!(asked, Some(10..20));
        assert!(is_asked_range(&(10..20), &(10..20), 100));
        assert!(is_asked_range(&(10..20), &(10..15), 15));
        assert!(!is_asked_range(&(10..20), &(10..15), 100));
        assert!(!is_asked_range(&(10..20), &(11..20), 100));
        assert_eq!(asked_range("bytes=-5"), None);
        assert_eq!(asked_range(&format!("bytes=0-{}", u64::MAX)), None);
    }
}
