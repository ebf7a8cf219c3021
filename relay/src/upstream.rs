//! The HTTP client: the only file that knows how providers are reached.
//!
//! hyper-util's pooled client rather than a general-purpose one: it follows no redirect, reads no
//! proxy variable, puts no URL into an error and copies no body, so there is nothing to turn off.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower::Service;

use crate::config::{Config, defaults};

/// Calls providers over pooled connections, HTTP/2 where the provider offers it.
#[derive(Clone, Debug)]
pub struct Upstream {
    client: Client<Connector, Body>,
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
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(defaults::POOL_IDLE_TIMEOUT)
            .timer(TokioTimer::new())
            .http2_keep_alive_interval(Duration::from_secs(30))
            .build(Connector {
                https,
                timeout: timeouts.connect,
            });
        Ok(Self {
            client,
            first_byte: timeouts.first_byte,
        })
    }

    /// Sends `request` and waits for the response head. Dropping the future, or the response's
    /// body later, closes the HTTP/1 connection or resets the HTTP/2 stream.
    ///
    /// # Errors
    /// See [`UpstreamError`]; a response with any status is not an error.
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, UpstreamError> {
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
    ) -> Result<Response<Incoming>, UpstreamError> {
        match tokio::time::timeout(limit, self.client.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_connect() => Err(UpstreamError::Connect),
            Ok(Err(_)) => Err(UpstreamError::Closed),
            Err(_) => Err(UpstreamError::Timeout),
        }
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
