//! The client's body on its way to a provider: counted, limited, never held.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body::{Body as _, Frame, SizeHint};
use keyferry_protocol::ErrorCode;

use crate::error::ApiError;
use crate::idle::IdleTimer;

/// A request body that ends in an error when it grows past its limit or stops arriving.
pub(crate) struct Inbound {
    inner: Body,
    left: u64,
    idle: IdleTimer,
    arrival: Arrival,
}

/// How far an [`Inbound`] has come, readable after the HTTP client has swallowed its error.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrival(Arc<AtomicU8>);

const TOO_LARGE: u8 = 1;
const TOO_SLOW: u8 = 2;
const BROKEN: u8 = 3;
const WHOLE: u8 = 4;

impl Arrival {
    fn set(&self, value: u8) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Of a body that is here in full.
    pub(crate) fn whole() -> Self {
        Self(Arc::new(AtomicU8::new(WHOLE)))
    }

    /// The client has sent all of its body.
    pub(crate) fn is_whole(&self) -> bool {
        self.0.load(Ordering::Relaxed) == WHOLE
    }

    /// The client's fault as an answer, if there is one.
    pub(crate) fn error(&self) -> Option<ApiError> {
        match self.0.load(Ordering::Relaxed) {
            TOO_LARGE => Some(too_large()),
            TOO_SLOW => Some(ApiError::new(
                ErrorCode::RequestTimeout,
                "the request body stopped arriving",
            )),
            BROKEN => Some(ApiError::new(
                ErrorCode::BadRequest,
                "the request body broke off",
            )),
            _ => None,
        }
    }
}

pub(crate) fn too_large() -> ApiError {
    ApiError::new(
        ErrorCode::BodyTooLarge,
        "the request body is larger than this relay takes",
    )
}

impl Inbound {
    /// Guards `inner`.
    ///
    /// # Errors
    /// `body_too_large` at once when the announced length exceeds `limit` bytes.
    pub(crate) fn new(
        inner: Body,
        limit: u64,
        idle: Duration,
    ) -> Result<(Self, Arrival), ApiError> {
        if inner.size_hint().lower() > limit {
            return Err(too_large());
        }
        let arrival = if inner.is_end_stream() {
            Arrival::whole()
        } else {
            Arrival::default()
        };
        let guard = Self {
            inner,
            left: limit,
            idle: IdleTimer::new(idle),
            arrival: arrival.clone(),
        };
        Ok((guard, arrival))
    }
}

/// What the HTTP client is told; the reason is in its [`Arrival`].
#[derive(Debug, thiserror::Error)]
#[error("the client's body ended early")]
pub(crate) struct EndedEarly;

impl http_body::Body for Inbound {
    type Data = Bytes;
    type Error = EndedEarly;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, EndedEarly>>> {
        let this = self.get_mut();
        loop {
            let fault = match Pin::new(&mut this.inner).poll_frame(cx) {
                Poll::Ready(None) => {
                    this.arrival.set(WHOLE);
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Ok(frame))) => {
                    this.idle.progressed();
                    // Trailers carry nothing a provider needs, and could smuggle header fields.
                    let Ok(data) = frame.into_data() else {
                        continue;
                    };
                    match this.left.checked_sub(data.len() as u64) {
                        Some(left) => {
                            this.left = left;
                            // Once the announced length is there nobody asks for more.
                            if this.inner.is_end_stream() {
                                this.arrival.set(WHOLE);
                            }
                            return Poll::Ready(Some(Ok(Frame::data(data))));
                        }
                        None => TOO_LARGE,
                    }
                }
                Poll::Ready(Some(Err(_))) => BROKEN,
                Poll::Pending => match this.idle.poll_expired(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(()) => TOO_SLOW,
                },
            };
            this.arrival.set(fault);
            return Poll::Ready(Some(Err(EndedEarly)));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
