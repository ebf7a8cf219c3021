//! Accepting connections, with the limits a server on the open internet needs, and ending them
//! without losing a request.

mod socket;

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::util::Oneshot;
use tower::{Service, ServiceExt as _};

pub use socket::Liveness;
use socket::Socket;

use crate::config::{Config, defaults};
use crate::edge::Peer;
use crate::metrics::Metrics;

/// What answers requests: the relay's own application, or any router.
pub trait Application:
    Service<Request<Body>, Response = Response, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Application for S where
    S: Service<Request<Body>, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// Limits of one connection.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    header_timeout: Duration,
    write_idle: Duration,
    max_header_bytes: usize,
    max_headers: usize,
}

impl ConnectionLimits {
    /// As configured.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            header_timeout: config.timeouts.header,
            write_idle: config.timeouts.write_idle,
            max_header_bytes: config.server.max_header_bytes,
            max_headers: config.server.max_headers,
        }
    }
}

/// Listeners of one process: they share the connection limit and end together.
#[derive(Debug)]
pub struct Server {
    limits: ConnectionLimits,
    slots: Arc<Semaphore>,
    max_connections: usize,
    closing: watch::Sender<bool>,
    /// Listeners still being accepted from.
    accepting: watch::Sender<usize>,
    metrics: Option<Arc<Metrics>>,
}

impl Server {
    /// A server that accepts nothing yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let max_connections = config.server.max_connections.min(Semaphore::MAX_PERMITS);
        Self {
            limits: ConnectionLimits::new(config),
            slots: Arc::new(Semaphore::new(max_connections)),
            max_connections,
            closing: watch::Sender::new(false),
            accepting: watch::Sender::new(0),
            metrics: None,
        }
    }

    /// Counts open connections in `metrics`.
    #[must_use]
    pub fn counted_by(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Serves `listener` in plain HTTP/1.1 until [`Server::close`]; returns once it is closed.
    pub async fn run(&self, listener: TcpListener, app: impl Application) {
        self.accept(listener, app, None).await;
    }

    /// [`Server::run`] over TLS, with HTTP/2 for clients that ask for it.
    pub async fn run_tls(
        &self,
        listener: TcpListener,
        app: impl Application,
        tls: Arc<ServerConfig>,
    ) {
        self.accept(listener, app, Some(TlsAcceptor::from(tls)))
            .await;
    }

    async fn accept(&self, listener: TcpListener, app: impl Application, tls: Option<TlsAcceptor>) {
        self.accepting.send_modify(|listeners| *listeners += 1);
        self.accept_until_closed(listener, app, tls).await;
        self.accepting.send_modify(|listeners| *listeners -= 1);
    }

    async fn accept_until_closed(
        &self,
        listener: TcpListener,
        app: impl Application,
        tls: Option<TlsAcceptor>,
    ) {
        let mut closing = self.closing.subscribe();
        loop {
            // A slot first: what cannot be served waits in the kernel's queue.
            let slot = tokio::select! {
                biased;
                slot = Arc::clone(&self.slots).acquire_owned() => slot,
                () = closed(&mut closing) => return,
            };
            let Ok(slot) = slot else { return };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                // What the kernel has connected already was promised an answer.
                () = closed(&mut closing) => match poll_now(|cx| listener.poll_accept(cx)).await {
                    Some(accepted) => accepted,
                    None => return,
                },
            };
            match accepted {
                Ok((stream, peer)) => {
                    let open = self
                        .metrics
                        .as_ref()
                        .map(|metrics| metrics.open_connection());
                    let serving = serve_connection(
                        stream,
                        peer,
                        tls.clone(),
                        app.clone(),
                        self.limits,
                        closing.clone(),
                    );
                    tokio::spawn(async move {
                        serving.await;
                        drop((slot, open));
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most often: trying again at once would spin.
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    /// Stops accepting and lets every connection end after its running request.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Waits until all connections have ended, `deadline` at most. True when none was cut.
    pub async fn drained(&self, deadline: Duration) -> bool {
        let all = u32::try_from(self.max_connections).unwrap_or(u32::MAX);
        let mut accepting = self.accepting.subscribe();
        let ended = async {
            // The listeners first: whoever waits for all slots keeps others from getting one.
            let _ = accepting.wait_for(|listeners| *listeners == 0).await;
            let _ = self.slots.acquire_many(all).await;
        };
        tokio::time::timeout(deadline, ended).await.is_ok()
    }
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    app: impl Application,
    limits: ConnectionLimits,
    closing: watch::Receiver<bool>,
) {
    // Events are small and must not wait for each other.
    let _ = stream.set_nodelay(true);
    let socket = Socket::new(stream, limits.write_idle);
    let peer = Peer {
        address: peer.ip(),
        liveness: socket.liveness(),
    };
    match tls {
        None => serve_http1(socket, peer, app, limits, closing).await,
        // Boxed: plain connections would otherwise hold room for a handshake and for HTTP/2.
        Some(tls) => Box::pin(serve_tls(socket, tls, peer, app, limits, closing)).await,
    }
}

async fn serve_tls(
    socket: Socket,
    tls: TlsAcceptor,
    peer: Peer,
    app: impl Application,
    limits: ConnectionLimits,
    closing: watch::Receiver<bool>,
) {
    // A client that never finishes its handshake is as slow as one that never sends its head.
    match tokio::time::timeout(limits.header_timeout, tls.accept(socket)).await {
        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
            serve_http2(stream, peer, app, limits, closing).await;
        }
        Ok(Ok(stream)) => serve_http1(stream, peer, app, limits, closing).await,
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => tracing::debug!("TLS handshake timed out"),
    }
}

/// The application as hyper calls it.
fn call<A: Application>(
    app: A,
    peer: Peer,
    request: Request<Incoming>,
) -> Oneshot<A, Request<Body>> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    app.oneshot(request)
}

/// Plain connections are HTTP/1.1 only: they come from a proxy or from this machine, and telling
/// HTTP/2 by its preface would wait for bytes that a slow client need never send.
async fn serve_http1(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    app: impl Application,
    limits: ConnectionLimits,
    mut closing: watch::Receiver<bool>,
) {
    let service = service_fn(move |request| call(app.clone(), peer.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(limits.max_headers)
        .max_buf_size(limits.max_header_bytes)
        .serve_connection(TokioIo::new(io), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closed(&mut closing) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    report(ended);
}

/// HTTP/2, as agreed on in the TLS handshake.
async fn serve_http2(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    app: impl Application,
    limits: ConnectionLimits,
    mut closing: watch::Receiver<bool>,
) {
    let service = service_fn(move |request| call(app.clone(), peer.clone(), request));
    let max_header_bytes = u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX);
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(defaults::MAX_STREAMS_PER_CONNECTION)
        .initial_stream_window_size(defaults::STREAM_WINDOW)
        .initial_connection_window_size(defaults::CONNECTION_WINDOW)
        .max_header_list_size(max_header_bytes)
        .keep_alive_interval(defaults::HTTP2_PING_INTERVAL)
        .keep_alive_timeout(defaults::HTTP2_PING_TIMEOUT)
        .serve_connection(TokioIo::new(io), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closed(&mut closing) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    report(ended);
}

fn report(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        // hyper's own words: which rule of HTTP was broken, never the bytes that broke it.
        tracing::debug!(%error, "connection ended early");
    }
}

/// What `poll` has ready at this moment.
async fn poll_now<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    poll_fn(|cx| match poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Waits for [`Server::close`].
async fn closed(closing: &mut watch::Receiver<bool>) {
    // An error means that the server is gone, which is closed too.
    let _ = closing.wait_for(|closing| *closing).await;
}
