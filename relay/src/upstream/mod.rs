//! The HTTP client: the only place that knows how providers are reached.
//!
//! HTTP/1.1 is spoken by a client side of our own, HTTP/2 by hyper's connections, both in a pool of
//! ours rather than by a general-purpose client: it follows no redirect, reads no proxy variable,
//! puts no URL into an error and copies no body, so there is nothing to turn off, and a call does
//! no work twice.

mod body;
mod connect;
mod http1;
mod pool;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, Request, Response, header};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

pub use body::{AnswerBody, BodyError};
pub use connect::TlsError;
use connect::{Connector, Stream};
pub use http1::{Broken, Everything, Keep, read_answer};
use pool::{Host, Place, Pool};

use crate::config::{Config, defaults};

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
        // A kept connection may be closed by the other end at any moment. A request of which
        // nothing was sent goes to the next one, and at last to a new one, which is tried once.
        if let Some((sender, place)) = host.shared() {
            match Box::pin(call_http2(sender, place, request, keep)).await {
                Ok(response) => return Ok(response),
                Err(unsent) => request = unsent.ok_or(UpstreamError::Closed)?,
            }
        }
        while let Some(stream) = host.take() {
            match call_http1(stream, &host, request, keep).await {
                Ok(response) => return Ok(response),
                Err(unsent) => request = unsent.ok_or(UpstreamError::Closed)?,
            }
        }
        // Rare, and large: not to be made room for in every call.
        let called = Box::pin(async {
            Ok(match self.connect(&host).await? {
                Fresh::Http1(stream) => call_http1(stream, &host, request, keep).await,
                Fresh::Http2(sender, place) => call_http2(sender, place, request, keep).await,
            })
        });
        called.await?.map_err(|_| UpstreamError::Closed)
    }

    /// A new connection. One for HTTP/2 lives in a task of its own.
    async fn connect(&self, host: &Arc<Host>) -> Result<Fresh, UpstreamError> {
        let uri = host.uri().ok_or(UpstreamError::Connect)?;
        let connected = self.connector.connect(uri).await;
        let (stream, http2) = connected.ok_or(UpstreamError::Connect)?;
        if !http2 {
            return Ok(Fresh::Http1(stream));
        }
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(defaults::UPSTREAM_PING_INTERVAL)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| UpstreamError::Closed)?;
        tokio::spawn(async move {
            // How it ended is told to the calls on it.
            let _ = connection.await;
        });
        let (sender, place) = host.share(sender);
        Ok(Fresh::Http2(sender, place))
    }
}

/// A connection nobody has used.
enum Fresh {
    Http1(Stream),
    Http2(http2::SendRequest<Body>, Place),
}

/// What became of a request that has no answer: itself when nothing of it was sent.
type Unsent = Option<Box<Request<Body>>>;

async fn call_http1(
    stream: Stream,
    host: &Arc<Host>,
    request: Box<Request<Body>>,
    keep: &dyn Keep,
) -> Result<Response<AnswerBody>, Unsent> {
    // The address is told by `Host` (RFC 9112 §3.2.1).
    match http1::exchange(stream, request, host.header(), keep).await {
        Ok(response) => {
            Ok(response.map(|incoming| AnswerBody::of_http1(incoming, Arc::clone(host))))
        }
        Err(http1::Failed::Unsent(request)) => Err(Some(request)),
        Err(http1::Failed::Lost) => Err(None),
    }
}

async fn call_http2(
    mut sender: http2::SendRequest<Body>,
    place: Place,
    mut request: Box<Request<Body>>,
    keep: &dyn Keep,
) -> Result<Response<AnswerBody>, Unsent> {
    // The address says it.
    request.headers_mut().remove(header::HOST);
    match sender.try_send_request(*request).await {
        Ok(mut response) => {
            let fields = std::mem::take(response.headers_mut());
            *response.headers_mut() = kept(fields, keep);
            Ok(response.map(|incoming| AnswerBody::of_http2(incoming, place)))
        }
        Err(mut error) => Err(error.take_message().map(Box::new)),
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
