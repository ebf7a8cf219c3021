//! The HTTP client: the only place that knows how providers are reached.
//!
//! HTTP/1.1 is spoken by a client side of our own, HTTP/2 by hyper's connections, both in a pool of
//! ours rather than by a general-purpose client: it follows no redirect, reads no proxy variable,
//! puts no URL into an error and copies no body, so there is nothing to turn off, and a call does
//! no work twice.

mod body;
mod connect;
mod http1;
mod http2;
mod pool;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, Request, Response, header};
use hyper::client::conn::http2::SendRequest;

pub use body::{AnswerBody, BodyError};
pub use connect::TlsError;
use connect::{Connector, Stream};
pub use http1::{Broken, Everything, Keep, read_answer};
use http2::Replay;
use pool::{Host, Place, Pool};

use crate::config::Config;

/// Calls providers over pooled connections, HTTP/2 where the provider offers it.
#[derive(Clone, Debug)]
pub struct Upstream {
    connector: Connector,
    pool: Arc<Pool>,
    first_byte: Duration,
}

/// Why a call yielded no response. Holds no URL and no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// No connection could be made: nothing of the request was sent.
    #[error("no connection to the provider")]
    Connect,
    /// The connection was lost after sending began, or what came over it is no answer.
    #[error("the provider closed the connection without an answer")]
    Closed,
    /// No response head within the first-byte timeout.
    #[error("the provider did not answer in time")]
    Timeout,
}

impl Upstream {
    /// A client that trusts Mozilla's authorities, as compiled in, and the operator's own.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn new(config: &Config) -> Result<Self, TlsError> {
        let extra_ca = config.upstream.extra_ca.as_deref();
        Ok(Self {
            connector: Connector::new(extra_ca, config.timeouts.connect)?,
            pool: Arc::default(),
            first_byte: config.timeouts.first_byte,
        })
    }

    /// Sends `request` and waits for the response head. Dropping the future, or the response's
    /// body later, closes the HTTP/1 connection or resets the HTTP/2 stream.
    ///
    /// # Errors
    /// See [`UpstreamError`]; a response with any status is not an error.
    pub async fn send(
        &self,
        request: Request<Body>,
    ) -> Result<Response<AnswerBody>, UpstreamError> {
        self.send_keeping(request, &Everything).await
    }

    /// [`Upstream::send`], of whose answer's fields only some are kept.
    ///
    /// # Errors
    /// As [`Upstream::send`].
    pub async fn send_keeping(
        &self,
        request: Request<Body>,
        keep: &dyn Keep,
    ) -> Result<Response<AnswerBody>, UpstreamError> {
        self.call_within(request, keep, self.first_byte).await
    }

    /// [`Upstream::send`] with its own limit on the wait for the head.
    ///
    /// # Errors
    /// As [`Upstream::send`].
    pub async fn send_within(
        &self,
        request: Request<Body>,
        limit: Duration,
    ) -> Result<Response<AnswerBody>, UpstreamError> {
        self.call_within(request, &Everything, limit).await
    }

    async fn call_within(
        &self,
        request: Request<Body>,
        keep: &dyn Keep,
        limit: Duration,
    ) -> Result<Response<AnswerBody>, UpstreamError> {
        // Boxed: it goes through many hands, each of which would keep room for it.
        let request = Box::new(request);
        match tokio::time::timeout(limit, self.call(request, keep)).await {
            Ok(result) => result,
            Err(_) => Err(UpstreamError::Timeout),
        }
    }

    async fn call(
        &self,
        mut request: Box<Request<Body>>,
        keep: &dyn Keep,
    ) -> Result<Response<AnswerBody>, UpstreamError> {
        let host = self
            .pool
            .host(request.uri())
            .ok_or(UpstreamError::Connect)?;
        let mut refused = None;
        loop {
            match self.attempt(&host, request, keep, refused.as_ref()).await {
                Ok(response) => return Ok(response),
                // Once: who refuses twice has a reason that does not pass.
                Err(Unanswered::Refused(again, place)) if refused.is_none() => {
                    (request, refused) = (again, Some(place));
                }
                Err(Unanswered::Failed(error)) => return Err(error),
                Err(_) => return Err(UpstreamError::Closed),
            }
        }
    }

    /// Sends `request` once, over another HTTP/2 connection than that of `besides`.
    async fn attempt(
        &self,
        host: &Arc<Host>,
        mut request: Box<Request<Body>>,
        keep: &dyn Keep,
        besides: Option<&Place>,
    ) -> Result<Response<AnswerBody>, Unanswered> {
        // A kept connection may be closed by the other end at any moment. A request of which
        // nothing was sent goes to the next one, and at last to a new one, which is tried once.
        if let Some((sender, place)) = host.shared(besides) {
            match Box::pin(call_http2(sender, place, request, keep)).await {
                Err(Unanswered::Unsent(unsent)) => request = unsent,
                called => return called,
            }
        }
        while let Some(stream) = host.take() {
            match call_http1(stream, host, request, keep).await {
                Err(Unanswered::Unsent(unsent)) => request = unsent,
                called => return called,
            }
        }
        // Rare, and large: not to be made room for in every call.
        Box::pin(async {
            match self.connect(host).await.map_err(Unanswered::Failed)? {
                Fresh::Http1(stream) => call_http1(stream, host, request, keep).await,
                Fresh::Http2(sender, place) => call_http2(sender, place, request, keep).await,
            }
        })
        .await
    }

    /// A new connection.
    async fn connect(&self, host: &Arc<Host>) -> Result<Fresh, UpstreamError> {
        let uri = host.uri().ok_or(UpstreamError::Connect)?;
        let connected = self.connector.connect(uri).await;
        let (stream, http2) = connected.ok_or(UpstreamError::Connect)?;
        if !http2 {
            return Ok(Fresh::Http1(stream));
        }
        let sender = http2::open(stream).await;
        let sender = sender.map_err(|_| UpstreamError::Closed)?;
        let (sender, place) = host.share(sender);
        Ok(Fresh::Http2(sender, place))
    }
}

/// A connection nobody has used.
enum Fresh {
    Http1(Stream),
    Http2(SendRequest<Body>, Place),
}

/// A request without an answer.
enum Unanswered {
    /// Nothing of it was sent.
    Unsent(Box<Request<Body>>),
    /// The provider did not begin with it, on this connection.
    Refused(Box<Request<Body>>, Place),
    /// It is lost.
    Failed(UpstreamError),
}

async fn call_http1(
    stream: Stream,
    host: &Arc<Host>,
    request: Box<Request<Body>>,
    keep: &dyn Keep,
) -> Result<Response<AnswerBody>, Unanswered> {
    // The address is told by `Host` (RFC 9112 §3.2.1).
    match http1::exchange(stream, request, host.header(), keep).await {
        Ok(response) => {
            Ok(response.map(|incoming| AnswerBody::of_http1(incoming, Arc::clone(host))))
        }
        Err(http1::Failed::Unsent(request)) => Err(Unanswered::Unsent(request)),
        Err(http1::Failed::Lost) => Err(Unanswered::Failed(UpstreamError::Closed)),
    }
}

async fn call_http2(
    mut sender: SendRequest<Body>,
    place: Place,
    mut request: Box<Request<Body>>,
    keep: &dyn Keep,
) -> Result<Response<AnswerBody>, Unanswered> {
    // The address says it.
    request.headers_mut().remove(header::HOST);
    let failed = Unanswered::Failed(UpstreamError::Closed);
    let Ok(replay) = Replay::of(&mut request).await else {
        return Err(failed);
    };
    match sender.try_send_request(*request).await {
        Ok(mut response) => {
            let fields = std::mem::take(response.headers_mut());
            *response.headers_mut() = kept(fields, keep);
            Ok(response.map(|incoming| AnswerBody::of_http2(incoming, place)))
        }
        Err(mut error) => Err(match (error.take_message(), replay) {
            (Some(request), _) => Unanswered::Unsent(Box::new(request)),
            (None, Some(replay)) if http2::is_unprocessed(error.error()) => {
                Unanswered::Refused(Box::new(replay.into_request()), place)
            }
            _ => failed,
        }),
    }
}

/// Those fields that `keep` wants.
fn kept(fields: HeaderMap, keep: &dyn Keep) -> HeaderMap {
    let mut kept = HeaderMap::with_capacity(fields.len());
    for (name, value) in &fields {
        if let Some(name) = keep.keep(name.as_str(), value.as_bytes()) {
            kept.append(name, value.clone());
        }
    }
    kept
}
