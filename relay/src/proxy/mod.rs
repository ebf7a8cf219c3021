//! One call to a provider: the client's request with the key swapped in, the answer streamed back.

mod headers;
mod inbound;
mod outbound;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use keyferry_protocol::{ErrorCode, Provider};

pub(crate) use inbound::{Fault, Inbound};

use crate::edge::{Outcome, Peer};
use crate::error::ApiError;
use crate::secret::Secret;
use crate::state::{Live, Relay};
use crate::upstream::UpstreamError;

/// A request as a provider is to see it, apart from the key.
pub(crate) struct Call<'a> {
    pub(crate) provider: &'a Provider,
    pub(crate) method: Method,
    pub(crate) target: PathAndQuery,
    /// The client's, edge fields already taken out.
    pub(crate) headers: &'a HeaderMap,
}

/// A provider's response head and unread body.
pub(crate) struct Answer {
    pub(crate) response: Response<Incoming>,
    /// From sending the request to the response head.
    pub(crate) took: Duration,
}

/// Sends the call with `key`.
///
/// # Errors
/// See [`CallError`]; a response with any status is not an error.
pub(crate) async fn send(
    relay: &Relay,
    live: &Live,
    call: &Call<'_>,
    key: &Secret,
    body: Body,
    client: Option<&Peer>,
) -> Result<Answer, CallError> {
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
    let begun = Instant::now();
    let upload = watch(client, request.body());
    let response = tokio::select! {
        response = relay.upstream().send(request) => response?,
        () = upload => return Err(CallError::ClientGone),
    };
    Ok(Answer {
        response,
        took: begun.elapsed(),
    })
}

/// Bodies up to this many bytes are taken in whole by socket and client buffers even when the
/// provider reads nothing, after which hyper itself notices a client that leaves.
const BUFFERED_UPLOAD: u64 = 64 * 1024;

/// Returns when the client of a large upload is gone, never otherwise.
fn watch(client: Option<&Peer>, body: &Body) -> impl Future<Output = ()> + use<> {
    let large = body.size_hint().upper().is_none_or(|length| length > BUFFERED_UPLOAD);
    let liveness = client.filter(|_| large).map(|client| client.liveness.clone());
    async move {
        match liveness {
            Some(liveness) => liveness.gone().await,
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
    /// The client left while sending; nobody reads the answer to this.
    #[error("the client is gone")]
    ClientGone,
    /// The provider gave no response.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

impl CallError {
    /// The answer the client gets.
    pub(crate) fn into_api(self, provider: &Provider) -> ApiError {
        let (code, detail) = match self {
            Self::Unbuildable => (
                ErrorCode::BadKeyHeader,
                "the key cannot be sent in a header",
            ),
            Self::ClientGone => (ErrorCode::BadRequest, "the request body broke off"),
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

/// Streams a provider's answer to the client.
pub(crate) fn relay_answer(
    live: &Live,
    provider: &Provider,
    key: &Secret,
    answer: Answer,
    mut outcome: Outcome,
) -> Response {
    outcome.provider = Some(provider.id.to_string());
    outcome.provider_time = Some(answer.took);
    let (head, body) = answer.response.into_parts();
    let refused = head.status.is_informational()
        || (head.status.is_redirection() && head.status != StatusCode::NOT_MODIFIED);
    let mut response = if refused {
        ApiError::new(
            ErrorCode::ProviderBadResponse,
            "the provider answered with a redirect, which is never followed with a key",
        )
        .provider(&provider.id)
        .into_response()
    } else {
        let events = headers::is_event_stream(&head.headers);
        let body = outbound::Outbound::new(
            body,
            events,
            live.config.timeouts.idle,
            Arc::clone(&outcome.interrupted),
        );
        let mut response = Response::new(Body::new(body));
        *response.status_mut() = head.status;
        *response.headers_mut() = headers::incoming(&head.headers, key);
        if events {
            // nginx would otherwise collect the stream before passing it on.
            response.headers_mut().insert(
                HeaderName::from_static("x-accel-buffering"),
                HeaderValue::from_static("no"),
            );
        }
        response
    };
    response.extensions_mut().insert(outcome);
    response
}
