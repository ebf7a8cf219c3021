//! A provider's answer as it arrives, with the connection it arrives on.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::connect::Stream;
use super::http1::{Broken, Incoming};
use super::pool::{Host, Place};

/// The body of an answer. Read to its end it gives its HTTP/1 connection back for the next call;
/// dropped before that it closes it, or resets its HTTP/2 stream.
#[derive(Debug)]
pub struct AnswerBody {
    over: Over,
}

#[derive(Debug)]
enum Over {
    Http1 {
        incoming: Incoming<Stream>,
        host: Arc<Host>,
    },
    Http2 {
        incoming: hyper::body::Incoming,
        _place: Place,
    },
}

/// Why an answer's body has no end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// On an HTTP/1 connection.
    #[error(transparent)]
    Http1(#[from] Broken),
    /// On an HTTP/2 connection.
    #[error(transparent)]
    Http2(#[from] hyper::Error),
}

impl AnswerBody {
    /// Of an HTTP/1 connection to `host`.
    pub(super) fn of_http1(incoming: Incoming<Stream>, host: Arc<Host>) -> Self {
        let mut body = Self {
            over: Over::Http1 { incoming, host },
        };
        body.give_back();
        body
    }

    /// Of an HTTP/2 connection.
    pub(super) fn of_http2(incoming: hyper::body::Incoming, place: Place) -> Self {
        Self {
            over: Over::Http2 {
                incoming,
                _place: place,
            },
        }
    }

    fn give_back(&mut self) {
        if let Over::Http1 { incoming, host } = &mut self.over
            && incoming.is_end()
            && let Some(stream) = incoming.take_stream()
        {
            host.put(stream);
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        match &mut this.over {
            Over::Http1 { incoming, .. } => {
                let polled = incoming.poll_data(cx);
                this.give_back();
                polled.map_ok(Frame::data).map_err(BodyError::from)
            }
            Over::Http2 { incoming, .. } => {
                Pin::new(incoming).poll_frame(cx).map_err(BodyError::from)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.over {
            Over::Http1 { incoming, .. } => incoming.is_end(),
            Over::Http2 { incoming, .. } => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.over {
            Over::Http1 { incoming, .. } => incoming.size_hint(),
            Over::Http2 { incoming, .. } => incoming.size_hint(),
        }
    }
}
