//! The body of an answer on its way out: counted, and cut short or spoilt if a fault says so.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::answer::Body;
use super::listen::Cut;
use crate::s3_client::Error;

/// What is to become of a body.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shape {
    pub(super) truncate_at: Option<u64>,
    pub(super) corrupt_at: Option<u64>,
}

pub(super) struct Shaped {
    inner: Body,
    shape: Shape,
    passed: u64,
    counter: Arc<AtomicU64>,
}

impl Shaped {
    pub(super) fn boxed(inner: Body, shape: Shape, counter: Arc<AtomicU64>) -> Body {
        Self { inner, shape, passed: 0, counter }.boxed()
    }

    /// The next piece of the body in its final shape.
    fn shaped(&mut self, mut data: Bytes) -> Bytes {
        let end = self.passed + data.len() as u64;
        if let Some(cut) = self.shape.truncate_at.filter(|cut| *cut < end) {
            data.truncate(usize::try_from(cut.saturating_sub(self.passed)).unwrap_or(0));
        }
        if let Some(at) = self.shape.corrupt_at.and_then(|at| at.checked_sub(self.passed)) {
            let at = usize::try_from(at).unwrap_or(usize::MAX);
            let mut bytes = data.to_vec();
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 0xff;
                data = bytes.into();
            }
        }
        self.passed = end;
        self.counter.fetch_add(data.len() as u64, Ordering::Relaxed);
        data
    }
}

impl HttpBody for Shaped {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.shape.truncate_at.is_some_and(|cut| cut <= self.passed) {
            return Poll::Ready(Some(Err(Cut.into())));
        }
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(|data| self.shaped(data)))))
    }

    fn is_end_stream(&self) -> bool {
        self.shape.truncate_at.is_none() && self.inner.is_end_stream()
    }

    /// That of the whole body: who is cut off has been promised more.
    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
