//! A provider's answer on its way to the client: passed on as it arrives, never ended cleanly
//! when the provider did not end it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use keyferry_protocol::ErrorCode;

use crate::error::ApiError;
use crate::idle::IdleTimer;

/// A response body that turns a provider's failure into something the client notices: an error
/// event in a stream of server-sent events, a broken body elsewhere.
pub(crate) struct Outbound {
    inner: Incoming,
    idle: IdleTimer,
    form: Form,
    interrupted: Arc<AtomicBool>,
    done: bool,
}

enum Form {
    /// Server-sent events; true between two lines, where an event can be put.
    Events { at_line_start: bool },
    /// Anything else.
    Bytes,
}

/// Breaks the connection to the client off; the text reaches no one.
#[derive(Debug, thiserror::Error)]
#[error("the provider ended its answer early")]
pub(crate) struct Interrupted;

impl Outbound {
    /// Guards `inner`; `interrupted` is set when it fails.
    pub(crate) fn new(
        inner: Incoming,
        events: bool,
        idle: Duration,
        interrupted: Arc<AtomicBool>,
    ) -> Self {
        let form = if events {
            Form::Events {
                at_line_start: true,
            }
        } else {
            Form::Bytes
        };
        Self {
            inner,
            idle: IdleTimer::new(idle),
            form,
            interrupted,
            done: false,
        }
    }

    fn fail(&mut self, code: ErrorCode) -> Result<Frame<Bytes>, Interrupted> {
        self.done = true;
        self.interrupted.store(true, Ordering::Relaxed);
        let Form::Events { at_line_start } = self.form else {
            return Err(Interrupted);
        };
        let error = ApiError::new(
            code,
            match code {
                ErrorCode::ProviderTimeout => "the provider stopped sending",
                _ => "the provider ended the stream before its end",
            },
        );
        // A line that was cut is ended first, or the event would become part of it.
        let gap = if at_line_start { "\n" } else { "\n\n" };
        Ok(Frame::data(Bytes::from(format!(
            "{gap}{}",
            error.sse_event()
        ))))
    }
}

impl http_body::Body for Outbound {
    type Data = Bytes;
    type Error = Interrupted;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Interrupted>>> {
        let this = self.get_mut();
        if this.done {
            return Poll::Ready(None);
        }
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.idle.progressed();
                let Ok(data) = frame.into_data() else {
                    // Trailers are not on the allow-list and nothing may follow them.
                    this.done = true;
                    return Poll::Ready(None);
                };
                if let (Form::Events { at_line_start }, Some(last)) = (&mut this.form, data.last())
                {
                    *at_line_start = *last == b'\n';
                }
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(this.fail(ErrorCode::StreamInterrupted))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => match this.idle.poll_expired(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(()) => Poll::Ready(Some(this.fail(ErrorCode::ProviderTimeout))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.done || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.form {
            // An error event may be added, so no length is promised.
            Form::Events { .. } => SizeHint::default(),
            Form::Bytes => self.inner.size_hint(),
        }
    }
}
