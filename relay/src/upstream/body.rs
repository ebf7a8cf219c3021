//! A provider's answer as it arrives, with the connection it arrives on.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::pool::{Lease, Place};

/// The body of an answer. Read to its end it gives its HTTP/1 connection back for the next call;
/// dropped before that it closes it, or resets its HTTP/2 stream.
#[derive(Debug)]
pub struct AnswerBody {
    inner: Incoming,
    lease: Option<Lease>,
    _place: Option<Place>,
}

impl AnswerBody {
    /// Of an HTTP/1 connection.
    pub(super) fn leased(inner: Incoming, lease: Lease) -> Self {
        let mut body = Self {
            inner,
            lease: Some(lease),
            _place: None,
        };
        body.put_at_end();
        body
    }

    /// Of an HTTP/2 connection.
    pub(super) fn placed(inner: Incoming, place: Place) -> Self {
        Self {
            inner,
            lease: None,
            _place: Some(place),
        }
    }

    fn put_at_end(&mut self) {
        if self.inner.is_end_stream()
            && let Some(lease) = self.lease.take()
        {
            lease.put();
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        match &polled {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(_))) => this.put_at_end(),
            Poll::Ready(Some(Err(_))) => this.lease = None,
            Poll::Ready(None) => {
                if let Some(lease) = this.lease.take() {
                    lease.put();
                }
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
