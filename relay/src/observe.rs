//! One record per request, complete when the last byte of its answer was sent or given up.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use keyferry_protocol::{ErrorCode, FallbackReason, Payer, header as names};

use crate::edge::Outcome;
use crate::error::AboutProvider;
use crate::metrics::{FinishedRequest, Metrics, OpenGuard, UpstreamFailure};
use crate::request_id::RequestId;

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const REQUEST_ID: HeaderName = HeaderName::from_static(names::REQUEST_ID);

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Sent whole.
    Complete,
    /// The source failed on the way.
    Failed,
    /// The client went away first.
    Cancelled,
}

impl End {
    /// The word in logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What is known of one request. Holds no header, path, query or body.
#[derive(Debug)]
pub struct Record {
    metrics: Arc<Metrics>,
    request_id: RequestId,
    method: &'static str,
    started: Instant,
    route: &'static str,
    status: StatusCode,
    code: Option<ErrorCode>,
    outcome: Outcome,
    head_after: Duration,
    body_bytes: u64,
    finished: bool,
}

impl Record {
    pub(crate) fn begin(
        metrics: Arc<Metrics>,
        request_id: RequestId,
        method: &Method,
        route: &'static str,
    ) -> Self {
        Self {
            metrics,
            request_id,
            method: known(method),
            started: Instant::now(),
            route,
            status: StatusCode::OK,
            code: None,
            outcome: Outcome::default(),
            head_after: Duration::ZERO,
            body_bytes: 0,
            finished: false,
        }
    }

    pub(crate) fn request_id(&self) -> &RequestId {
        &self.request_id
    }

    pub(crate) fn outcome(&mut self, outcome: Outcome) {
        self.outcome = outcome;
    }

    /// Notes the response head and writes the request's id and timings into it.
    pub(crate) fn head(&mut self, response: &mut Response) {
        self.head_after = self.started.elapsed();
        self.status = response.status();
        self.code = response.extensions().get::<ErrorCode>().copied();
        if let Some(AboutProvider(id)) = response.extensions_mut().remove()
            && self.outcome.provider.is_none()
        {
            self.outcome.provider = Some(id.into());
        }
        let provider = self.outcome.provider_time.unwrap_or_default();
        let own = self.head_after.saturating_sub(provider);
        let mut timing = String::with_capacity(48);
        timing.push_str("relay;dur=");
        push_hundredths(&mut timing, own);
        if self.outcome.provider_time.is_some() {
            timing.push_str(", provider;dur=");
            push_hundredths(&mut timing, provider);
        }
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::try_from(timing) {
            headers.insert(SERVER_TIMING, value);
        }
        if let Some(value) = self.request_id.header_value() {
            headers.insert(REQUEST_ID, value);
        }
    }

    fn finish(&mut self, end: End) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        let ending = self.outcome.ending.as_deref();
        let failed = ending.is_some_and(|ending| ending.interrupted.load(Ordering::Relaxed));
        let end = if failed && end == End::Complete {
            End::Failed
        } else {
            end
        };
        self.count(end);
        let used = ending.and_then(|ending| ending.used.get());
        tracing::info!(
            target: "keyferry_relay::access",
            request_id = self.request_id.as_str(),
            method = self.method,
            route = self.route,
            status = self.status.as_u16(),
            code = self.code.map(ErrorCode::as_str),
            provider = self.outcome.provider.as_deref(),
            payer = self.outcome.payer.map(Payer::as_str),
            fallback = self.outcome.fallback.map(FallbackReason::as_str),
            provider_ms = self.outcome.provider_time.map(ms),
            head_ms = ms(self.head_after),
            total_ms = ms(self.started.elapsed()),
            input_tokens = used.map(|used| used.input),
            output_tokens = used.map(|used| used.output),
            estimated = used.map(|used| used.estimated),
            body_bytes = self.body_bytes,
            end = end.as_str(),
            "request"
        );
    }
}

impl Record {
    fn count(&self, end: End) {
        let provider = self.outcome.provider.as_deref();
        let provider_time = self.outcome.provider_time;
        self.metrics.request(&FinishedRequest {
            route: self.route,
            provider,
            payer: self.outcome.payer,
            status: self.status.as_u16(),
            end: end.as_str(),
            code: self.code,
            fallback: self.outcome.fallback,
            first_byte: provider_time,
            overhead: self
                .head_after
                .saturating_sub(provider_time.unwrap_or_default()),
        });
        let failure = match self.code {
            Some(ErrorCode::ProviderUnreachable) => Some(UpstreamFailure::Connect),
            Some(ErrorCode::ProviderBadResponse) => Some(UpstreamFailure::Closed),
            Some(ErrorCode::ProviderTimeout) => Some(UpstreamFailure::Timeout),
            Some(_) => None,
            None if end == End::Failed => Some(UpstreamFailure::Interrupted),
            None => UpstreamFailure::from_status(self.status.as_u16()),
        };
        if let (Some(provider), Some(failure)) = (provider, failure) {
            self.metrics.upstream_error(provider, failure);
        }
    }
}

impl Drop for Record {
    /// Whatever was not finished by then was dropped by the server: the client is gone.
    fn drop(&mut self) {
        self.finish(End::Cancelled);
    }
}

/// The method's name when it is one that HTTP defines: any other token is the client's own words,
/// and may be a key that slipped to the front of a request.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => "other",
    }
}

fn ms(duration: Duration) -> f64 {
    // Microsecond steps: finer is noise in a log line.
    (duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

/// Milliseconds with two decimals.
fn push_hundredths(text: &mut String, duration: Duration) {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let hundredths = micros.saturating_add(5) / 10;
    let mut digits = itoa::Buffer::new();
    text.push_str(digits.format(hundredths / 100));
    text.push('.');
    text.push_str(
        digits
            .format(100 + hundredths % 100)
            .get(1..)
            .unwrap_or_default(),
    );
}

/// A response body that completes its [`Record`] when it ends, fails or is dropped.
pub(crate) struct Observed {
    inner: Body,
    record: Record,
    _open: OpenGuard,
    /// Announced length: hyper stops asking once it has sent that much.
    length: Option<u64>,
}

impl Observed {
    pub(crate) fn new(inner: Body, record: Record) -> Self {
        let length = inner.size_hint().exact();
        let open = record.metrics.open_stream();
        Self {
            inner,
            record,
            _open: open,
            length,
        }
    }
}

impl http_body::Body for Observed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                this.record.body_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                if this.inner.is_end_stream() || this.length == Some(this.record.body_bytes) {
                    this.record.finish(End::Complete);
                }
            }
            Poll::Ready(Some(Err(_))) => this.record.finish(End::Failed),
            Poll::Ready(None) => this.record.finish(End::Complete),
            Poll::Pending => {}
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

impl Drop for Observed {
    fn drop(&mut self) {
        // A body that has nothing to send is never polled.
        if self.inner.is_end_stream() {
            self.record.finish(End::Complete);
        }
    }
}
