//! The HTTP client: the only place that knows how providers are reached.
//!
//! hyper's own connections in a pool of ours rather than a general-purpose client: it follows no
//! redirect, reads no proxy variable, puts no URL into an error and copies no body, so there is
//! nothing to turn off, and a call does no work twice.

mod body;
mod pool;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response, Uri, header};
use hyper::client::conn::{http1, http2};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connection as _, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower::{Service, ServiceExt as _};

pub use body::AnswerBody;
use pool::{Host, Lease, Place, Pool};

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
    /// The connection was lost after sending began.
    #[error("the provider closed the connection without an answer")]
    Closed,
    /// No response head within the first-byte timeout.
    #[error("the provider did not answer in time")]
    Timeout,
}

/// TLS for provider connections could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The cryptography lacks what is needed.
    #[error("TLS for provider connections: {0}")]
    Unavailable(#[from] rustls::Error),
    /// The operator's authorities cannot be read.
    #[error("upstream.extra_ca: cannot read certificates from {path}: {reason}")]
    ExtraCa {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Upstream {
    /// A client that trusts Mozilla's authorities, as compiled in, and the operator's own.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn new(config: &Config) -> Result<Self, TlsError> {
        let timeouts = &config.timeouts;
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(Duration::from_secs(60)));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls(config.upstream.extra_ca.as_deref())?)
            // Which scheme a provider may have is decided when the configuration is checked.
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(http);
        Ok(Self {
            connector: Connector {
                https,
                timeout: timeouts.connect,
            },
            pool: Arc::default(),
            first_byte: timeouts.first_byte,
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
        self.send_within(request, self.first_byte).await
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
        match tokio::time::timeout(limit, self.call(request)).await {
            Ok(result) => result,
            Err(_) => Err(UpstreamError::Timeout),
        }
    }

    async fn call(
        &self,
        mut request: Request<Body>,
    ) -> Result<Response<AnswerBody>, UpstreamError> {
        let host = self
            .pool
            .host(request.uri())
            .ok_or(UpstreamError::Connect)?;
        // A kept connection may be closed by the other end at any moment. A request of which
        // nothing was sent goes to the next one, and at last to a new one, which is tried once.
        if let Some((sender, place)) = host.shared() {
            match call_http2(sender, place, request).await {
                Ok(response) => return Ok(response),
                Err(unsent) => request = unsent.ok_or(UpstreamError::Closed)?,
            }
        }
        while let Some(lease) = host.take() {
            match call_http1(lease, request).await {
                Ok(response) => return Ok(response),
                Err(unsent) => request = unsent.ok_or(UpstreamError::Closed)?,
            }
        }
        // Rare, and large: not to be made room for in every call.
        let called = match Box::pin(self.connect(&host)).await? {
            Fresh::Http1(lease) => call_http1(lease, request).await,
            Fresh::Http2(sender, place) => call_http2(sender, place, request).await,
        };
        called.map_err(|_| UpstreamError::Closed)
    }

    /// A new connection. It lives in a task of its own.
    async fn connect(&self, host: &Arc<Host>) -> Result<Fresh, UpstreamError> {
        let uri = host.uri().ok_or(UpstreamError::Connect)?;
        let stream = self
            .connector
            .clone()
            .oneshot(uri)
            .await
            .map_err(|_| UpstreamError::Connect)?;
        if stream.connected().is_negotiated_h2() {
            let (sender, connection) = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .keep_alive_interval(defaults::UPSTREAM_PING_INTERVAL)
                .handshake(stream)
                .await
                .map_err(|_| UpstreamError::Closed)?;
            tokio::spawn(async move {
                // How it ended is told to the calls on it.
                let _ = connection.await;
            });
            let (sender, place) = host.share(sender);
            return Ok(Fresh::Http2(sender, place));
        }
        let (mut sender, connection) = http1::handshake(stream)
            .await
            .map_err(|_| UpstreamError::Closed)?;
        tokio::spawn(async move {
            let _ = connection.await;
        });
        sender.ready().await.map_err(|_| UpstreamError::Closed)?;
        Ok(Fresh::Http1(host.lease(sender)))
    }
}

/// A connection nobody has used.
enum Fresh {
    Http1(Lease),
    Http2(http2::SendRequest<Body>, Place),
}

/// What became of a request that has no answer: itself when nothing of it was sent.
type Unsent = Option<Request<Body>>;

async fn call_http1(
    mut lease: Lease,
    mut request: Request<Body>,
) -> Result<Response<AnswerBody>, Unsent> {
    // The address is told by `Host` (RFC 9112 §3.2.1), and is needed again when this fails.
    let address = request.uri().clone();
    if let Some(path) = address.path_and_query() {
        *request.uri_mut() = Uri::from(path.clone());
    }
    request
        .headers_mut()
        .insert(header::HOST, lease.host_header());
    match lease.sender().try_send_request(request).await {
        Ok(response) => Ok(response.map(|body| AnswerBody::leased(body, lease))),
        Err(mut error) => Err(error.take_message().map(|mut request| {
            *request.uri_mut() = address;
            request
        })),
    }
}

async fn call_http2(
    mut sender: http2::SendRequest<Body>,
    place: Place,
    mut request: Request<Body>,
) -> Result<Response<AnswerBody>, Unsent> {
    // A request that failed on another connection names its host twice.
    request.headers_mut().remove(header::HOST);
    match sender.try_send_request(request).await {
        Ok(response) => Ok(response.map(|body| AnswerBody::placed(body, place))),
        Err(mut error) => Err(error.take_message()),
    }
}

fn tls(extra: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = extra {
        let failed = |reason: String| TlsError::ExtraCa {
            path: path.to_owned(),
            reason,
        };
        let certificates =
            CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| failed(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| failed(error.to_string()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// Adds one limit over name lookup, TCP and TLS, which the inner connectors only have for TCP.
#[derive(Clone, Debug)]
struct Connector {
    https: HttpsConnector<HttpConnector>,
    timeout: Duration,
}

type Connection = MaybeHttpsStream<TokioIo<TcpStream>>;
type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Service<Uri> for Connector {
    type Response = Connection;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Connection, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(cx)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let connecting = self.https.call(target);
        let limit = self.timeout;
        Box::pin(async move { tokio::time::timeout(limit, connecting).await? })
    }
}
