//! One call to a provider: the client's request with the key swapped in, the answer streamed back.

mod answer;
mod headers;
mod inbound;
mod outbound;

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body::Body as _;
use keyferry_protocol::scrub::{self, Scrubber};
use keyferry_protocol::{ErrorCode, Provider, header as names};

pub(crate) use answer::Answer;
pub(crate) use inbound::{Arrival, Inbound, too_large};

use crate::edge::{Context, Ending, Outcome, Peer};
use crate::error::ApiError;
use crate::secret::Secret;
use crate::state::{Live, Relay};
use crate::upstream::UpstreamError;
use crate::usage::Meter;

const PRICE: HeaderName = HeaderName::from_static(names::PRICE);
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// A request as a provider is to see it, apart from the key.
pub(crate) struct Call<'a> {
    pub(crate) provider: &'a Provider,
    pub(crate) method: Method,
    pub(crate) target: PathAndQuery,
    /// The client's, edge fields already taken out.
    pub(crate) headers: &'a HeaderMap,
}

/// Sends the call with `key`.
///
/// # Errors
/// See [`CallError`]; a response with any status is not an error.
pub(crate) async fn send<'k>(
    relay: &Relay,
    live: &Live,
    call: &Call<'_>,
    key: &'k Secret,
    body: Body,
    upload: Option<Upload<'_>>,
) -> Result<Answer<'k>, CallError> {
    let headers = headers::outgoing(call.headers, call.provider, call.target.path(), key)
        .ok_or(CallError::Unbuildable)?;
    let uri = live
        .providers
        .uri(call.provider, call.target.clone())
        .ok_or(CallError::Unbuildable)?;
    let mut request = Request::new(body);
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    // Exposed to search the answer for it.
    let key = key.expose_str().unwrap_or_default();
    let secret = scrub::secret_part(live.providers.catalogue(), key);
    let relayed = headers::Relayed::new(secret);
    let begun = Instant::now();
    let gone = gone(upload, request.body());
    let response = tokio::select! {
        response = relay.upstream().send_keeping(request, &relayed) => response?,
        uploaded = gone => return Err(CallError::ClientGone { uploaded }),
    };
    Ok(Answer::new(response, begun.elapsed(), secret))
}

/// A client whose body may still be arriving.
#[derive(Clone, Copy)]
pub(crate) struct Upload<'a> {
    pub(crate) client: &'a Peer,
    /// How far its body has come.
    pub(crate) arrival: &'a Arrival,
}

/// Bodies up to this many bytes are read to their end by whatever sends them to the provider, even
/// when that reads nothing. The server then notices a client that leaves by itself.
const BUFFERED_UPLOAD: u64 = 16 * 1024;

/// Returns when the client of a large upload is gone, never otherwise; whether it had sent all.
fn gone(upload: Option<Upload<'_>>, body: &Body) -> impl Future<Output = bool> + use<> {
    let large = body
        .size_hint()
        .upper()
        .is_none_or(|length| length > BUFFERED_UPLOAD);
    let watched = upload
        .filter(|_| large)
        .map(|upload| (upload.client.liveness.clone(), upload.arrival.clone()));
    async move {
        match watched {
            Some((liveness, arrival)) => {
                liveness.gone().await;
                arrival.is_whole()
            }
            None => std::future::pending().await,
        }
    }
}

/// Why a call has no answer.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The key or the address cannot be written into a request.
    #[error("the request cannot be built")]
    Unbuildable,
    /// The client left; nobody reads the answer to this.
    #[error("the client is gone")]
    ClientGone {
        /// It had sent all of its request, so the provider is at work.
        uploaded: bool,
    },
    /// The provider gave no response.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

impl CallError {
    /// The failure of the connection to the provider, if it was that.
    pub(crate) fn upstream(self) -> Option<UpstreamError> {
        match self {
            Self::Upstream(error) => Some(error),
            Self::Unbuildable | Self::ClientGone { .. } => None,
        }
    }

    /// Settles the call's use: nothing when the provider cannot have worked, else an estimate.
    pub(crate) fn settle(self, meter: Box<Meter>) {
        match self {
            Self::Unbuildable
            | Self::ClientGone { uploaded: false }
            | Self::Upstream(UpstreamError::Connect) => meter.failed(),
            Self::ClientGone { uploaded: true }
            | Self::Upstream(UpstreamError::Closed | UpstreamError::Timeout) => drop(meter),
        }
    }

    /// The answer the client gets.
    pub(crate) fn into_api(self, provider: &Provider) -> ApiError {
        let (code, detail) = match self {
            Self::Unbuildable => (
                ErrorCode::BadKeyHeader,
                "the key cannot be sent in a header",
            ),
            Self::ClientGone { .. } => (ErrorCode::BadRequest, "the request body broke off"),
            Self::Upstream(UpstreamError::Connect) => (
                ErrorCode::ProviderUnreachable,
                "no connection to the provider could be made",
            ),
            Self::Upstream(UpstreamError::Closed) => (
                ErrorCode::ProviderBadResponse,
                "the provider closed the connection without an answer",
            ),
            Self::Upstream(UpstreamError::Timeout) => (
                ErrorCode::ProviderTimeout,
                "the provider did not answer in time",
            ),
        };
        ApiError::new(code, detail).provider(&provider.id)
    }
}

/// What reads a call's use from its answer.
pub(crate) struct Metered {
    /// Settles the call.
    pub(crate) meter: Box<Meter>,
    /// The request was changed to report its use; the client did not ask for it.
    pub(crate) asked: bool,
}

/// Streams a provider's answer to the client.
pub(crate) fn relay_answer(
    context: &Context,
    provider: &Provider,
    answer: Answer<'_>,
    metered: Metered,
    mut outcome: Outcome,
) -> Response {
    outcome.provider = Some(provider.id.clone());
    outcome.provider_time = Some(answer.took);
    let response = match refusal(&answer.head) {
        Some(detail) => {
            metered.meter.failed();
            ApiError::new(ErrorCode::ProviderBadResponse, detail)
                .provider(&provider.id)
                .into_response()
        }
        None => {
            let ending = Arc::clone(outcome.ending.get_or_insert_default());
            stream(&context.live, answer, metered, ending)
        }
    };
    context.conclude(outcome);
    response
}

/// Why an answer must not reach the client.
fn refusal(head: &http::response::Parts) -> Option<&'static str> {
    let status = head.status;
    if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
        return Some("the provider answered with a redirect, which is never followed with a key");
    }
    if status.is_informational() {
        return Some("the provider answered with a status that ends no request");
    }
    let packed = head
        .headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if packed && is_searched(head) {
        return Some("the provider compressed an answer that must be searched for the key");
    }
    None
}

/// Providers echo keys in errors, and in the error events of a stream.
fn is_searched(head: &http::response::Parts) -> bool {
    head.status.is_client_error()
        || head.status.is_server_error()
        || headers::is_event_stream(&head.headers)
}

fn stream(live: &Live, answer: Answer<'_>, metered: Metered, ending: Arc<Ending>) -> Response {
    let Answer {
        head,
        source,
        secret,
        ..
    } = answer;
    let Metered { mut meter, asked } = metered;
    let content_type = head
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    meter.tell(Arc::clone(&ending));
    meter.answered(head.status.as_u16(), content_type, asked);
    let price = meter
        .price()
        .and_then(|price| HeaderValue::try_from(price).ok());
    let events = headers::is_event_stream(&head.headers);
    let body = outbound::Outbound::new(
        source,
        events,
        is_searched(&head).then(|| Scrubber::new(secret)),
        meter,
        live.config.timeouts.idle,
        ending,
    );
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    if let Some(price) = price.filter(|_| head.status.is_success()) {
        response.headers_mut().insert(PRICE, price);
    }
    if events {
        // nginx would otherwise collect the stream before passing it on.
        response
            .headers_mut()
            .insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    }
    response
}
