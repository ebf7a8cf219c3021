//! Accepting connections, with the limits a server on the open internet needs, and ending them
//! without losing a request.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt as _;

use crate::config::Config;
use crate::edge::Peer;

/// Limits of one connection.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    header_timeout: Duration,
    max_header_bytes: usize,
    max_headers: usize,
}

impl ConnectionLimits {
    /// As configured.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            header_timeout: config.timeouts.header,
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
        }
    }

    /// Serves `listener` until [`Server::close`]; returns once it is closed.
    pub async fn run(&self, listener: TcpListener, app: Router) {
        let mut closing = self.closing.subscribe();
        loop {
            // A slot first: what cannot be served waits in the kernel's queue.
            let slot = tokio::select! {
                slot = Arc::clone(&self.slots).acquire_owned() => slot,
                () = closed(&mut closing) => return,
            };
            let Ok(slot) = slot else { return };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = closed(&mut closing) => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let serving =
                        serve_connection(stream, peer, app.clone(), self.limits, closing.clone());
                    tokio::spawn(async move {
                        serving.await;
                        drop(slot);
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
        tokio::time::timeout(deadline, self.slots.acquire_many(all))
            .await
            .is_ok()
    }
}

/// HTTP/1.1 only: plain connections come from a proxy or from this machine, and telling HTTP/2 by
/// its preface would wait for bytes that a slow client need never send.
async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    app: Router,
    limits: ConnectionLimits,
    mut closing: watch::Receiver<bool>,
) {
    // Events are small and must not wait for each other.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let app = app.clone();
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer.ip()));
            app.oneshot(request)
                .await
                .map_err(|never: Infallible| never)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(limits.max_headers)
        .max_buf_size(limits.max_header_bytes)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closed(&mut closing) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // hyper's own words: which rule of HTTP was broken, never the bytes that broke it.
        tracing::debug!(%error, "connection ended early");
    }
}

/// Waits for [`Server::close`].
async fn closed(closing: &mut watch::Receiver<bool>) {
    // An error means that the server is gone, which is closed too.
    let _ = closing.wait_for(|closing| *closing).await;
}
