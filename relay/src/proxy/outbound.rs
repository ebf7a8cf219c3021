//! A provider's answer on its way to the client: passed on as it arrives, searched for the key
//! where providers echo it, and never ended cleanly when the provider did not end it.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Bytes;
use http_body::{Frame, SizeHint};
use keyferry_protocol::ErrorCode;
use keyferry_protocol::scrub::Scrubber;

use super::answer::Source;
use crate::edge::Ending;
use crate::error::ApiError;
use crate::idle::IdleTimer;
use crate::usage::Meter;

/// A response body that turns a provider's failure into something the client notices: an error
/// event in a stream of server-sent events, a broken body elsewhere.
pub(crate) struct Outbound {
    source: Source,
    idle: IdleTimer,
    form: Form,
    scrubber: Option<Box<Scrubber>>,
    meter: Box<Meter>,
    ending: Arc<Ending>,
    /// The source failed, which the next turn tells.
    broken: bool,
    done: bool,
}

/// How an answer is framed, as far as a failure is concerned.
#[derive(Clone, Copy, Debug)]
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
    /// Guards `source`; `ending` is told when it fails.
    pub(crate) fn new(
        source: Source,
        events: bool,
        scrubber: Option<Scrubber>,
        mut meter: Box<Meter>,
        idle: Duration,
        ending: Arc<Ending>,
    ) -> Self {
        let form = if events {
            Form::Events {
                at_line_start: true,
            }
        } else {
            Form::Bytes
        };
        if source.is_end() {
            // A body without content is never asked for it.
            meter.finish();
        }
        Self {
            source,
            idle: IdleTimer::new(idle),
            form,
            scrubber: scrubber.map(Box::new),
            meter,
            ending,
            broken: false,
            done: false,
        }
    }

    /// What of `data` goes on now.
    fn pass(&mut self, data: Bytes) -> Bytes {
        let data = self.meter.feed(data);
        self.scrub(data)
    }

    fn scrub(&mut self, data: Bytes) -> Bytes {
        let Some(scrubber) = &mut self.scrubber else {
            return data;
        };
        match scrubber.feed(&data) {
            Cow::Borrowed(part) if part.len() == data.len() => data.clone(),
            Cow::Borrowed(part) => data.slice_ref(part),
            Cow::Owned(text) => text.into(),
        }
    }

    /// What was held back at the end, be it one or a break.
    fn rest(&mut self, whole: bool) -> Vec<u8> {
        let held = if whole {
            self.meter.finish()
        } else {
            self.meter.interrupt()
        };
        let mut rest = Vec::from(self.scrub(held));
        if let Some(scrubber) = &mut self.scrubber {
            rest.append(&mut scrubber.finish());
        }
        rest
    }

    fn fail(&mut self, code: ErrorCode) -> Result<Frame<Bytes>, Interrupted> {
        self.done = true;
        self.ending.interrupted.store(true, Ordering::Relaxed);
        let mut last = self.rest(false);
        let Form::Events { at_line_start } = self.form else {
            return Err(Interrupted);
        };
        let detail = match code {
            ErrorCode::ProviderTimeout => "the provider stopped sending",
            _ => "the provider ended the stream before its end",
        };
        // A line that was cut is ended first, or the event would become part of it.
        let gap: &[u8] = if at_line_start && last.is_empty() {
            b"\n"
        } else {
            b"\n\n"
        };
        last.extend_from_slice(gap);
        last.extend_from_slice(ApiError::new(code, detail).sse_event().as_bytes());
        Ok(Frame::data(last.into()))
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
        if this.broken {
            return Poll::Ready(Some(this.fail(ErrorCode::StreamInterrupted)));
        }
        loop {
            match this.source.poll_data(cx) {
                Poll::Ready(Some(Ok(data))) => {
                    this.idle.progressed();
                    let mut data = this.pass(data);
                    if this.source.is_end() {
                        // Once the announced length is sent nobody asks for more.
                        this.done = true;
                        let rest = this.rest(true);
                        if !rest.is_empty() {
                            data = [data.as_ref(), &rest].concat().into();
                        }
                        if data.is_empty() {
                            return Poll::Ready(None);
                        }
                    }
                    let Some(last) = data.last() else { continue };
                    if let Form::Events { at_line_start } = &mut this.form {
                        *at_line_start = *last == b'\n';
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Poll::Ready(Some(Err(_))) => {
                    if matches!(this.form, Form::Bytes) {
                        // hyper drops what it has not written when a body fails: what came before
                        // the failure gets a turn to be written.
                        this.broken = true;
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    return Poll::Ready(Some(this.fail(ErrorCode::StreamInterrupted)));
                }
                Poll::Ready(None) => {
                    this.done = true;
                    let rest = this.rest(true);
                    return Poll::Ready(
                        (!rest.is_empty()).then(|| Ok(Frame::data(Bytes::from(rest)))),
                    );
                }
                Poll::Pending => {
                    ready!(this.idle.poll_expired(cx));
                    return Poll::Ready(Some(this.fail(ErrorCode::ProviderTimeout)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.done || (self.scrubber.is_none() && !self.meter.alters() && self.source.is_end())
    }

    fn size_hint(&self) -> SizeHint {
        match self.form {
            Form::Bytes if self.scrubber.is_none() && !self.meter.alters() => {
                self.source.size_hint()
            }
            // An error event may be added, or a part replaced: no length is promised.
            _ => SizeHint::default(),
        }
    }
}
