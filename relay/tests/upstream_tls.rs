//! Providers as they really are: behind TLS, over HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::support::authority::Authority;
use crate::support::{CANARY, ChannelBody, TestRelay, parse_config, send};

/// An HTTP/2 provider that streams what it is told to, and reports the auth header it saw and
/// when the client's side of the stream was reset.
async fn provider(
    authority: &Authority,
) -> (
    SocketAddr,
    mpsc::Sender<Vec<u8>>,
    mpsc::UnboundedReceiver<String>,
) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (events, chunks) = mpsc::channel::<Vec<u8>>(1);
    let chunks = Arc::new(tokio::sync::Mutex::new(Some(chunks)));
    let (report, reports) = mpsc::unbounded_channel();
    let acceptor = authority.acceptor();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, chunks, report) = (acceptor.clone(), chunks.clone(), report.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let service = hyper::service::service_fn(move |request: http::Request<_>| {
                    let (chunks, report) = (chunks.clone(), report.clone());
                    async move {
                        let (head, _): (http::request::Parts, hyper::body::Incoming) =
                            request.into_parts();
                        report
                            .send(format!(
                                "{:?} {}",
                                head.version,
                                head.headers["authorization"].to_str().unwrap()
                            ))
                            .unwrap();
                        let chunks = chunks.lock().await.take().unwrap();
                        let body = Watched {
                            inner: ChannelBody(chunks),
                            report,
                        };
                        Ok::<_, std::convert::Infallible>(
                            http::Response::builder()
                                .header("content-type", "text/event-stream")
                                .body(Body::new(body))
                                .unwrap(),
                        )
                    }
                });
                let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    (address, events, reports)
}

/// Reports when it is dropped, which a reset stream causes.
struct Watched {
    inner: ChannelBody,
    report: mpsc::UnboundedSender<String>,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        std::pin::Pin::new(&mut self.inner).poll_frame(cx)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.report.send("dropped".to_owned());
    }
}

fn at(address: SocketAddr) -> String {
    format!(
        "[providers.openai]\nbase_url = \"https://localhost:{}\"\n",
        address.port()
    )
}

#[tokio::test]
async fn streams_over_http2_and_resets_when_the_client_leaves() {
    let authority = Authority::new();
    let (address, events, mut reports) = provider(&authority).await;
    let relay = TestRelay::start(&format!("{}{}", authority.trusted(), at(address))).await;
    let request = relay
        .request("POST", "/providers/openai/v1/chat/completions")
        .header("x-byok-key", CANARY)
        .body(Body::from("{}"))
        .unwrap();
    let asking = {
        let address = relay.address;
        tokio::spawn(async move { send(address, request).await })
    };
    assert_eq!(
        reports.recv().await.unwrap(),
        format!("HTTP/2.0 Bearer {CANARY}")
    );
    events.send(b"data: 1\n\n".to_vec()).await.unwrap();
    let mut response = asking.await.unwrap();
    let frame = tokio::time::timeout(Duration::from_secs(1), response.body_mut().frame()).await;
    assert_eq!(
        frame.unwrap().unwrap().unwrap().into_data().unwrap(),
        "data: 1\n\n"
    );
    assert!(reports.try_recv().is_err());
    drop(response);
    let reset = tokio::time::timeout(Duration::from_secs(1), reports.recv()).await;
    assert_eq!(reset.unwrap().unwrap(), "dropped");
}

/// An HTTP/2 provider of endless streams, a hundred to a connection. Counts the connections.
async fn crowded(authority: &Authority) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let (counted, acceptor) = (Arc::clone(&connections), authority.acceptor());
    tokio::spawn(async move {
        loop {
            let stream = acceptor.accept(listener.accept().await.unwrap().0).await;
            counted.fetch_add(1, Ordering::Relaxed);
            let service = hyper::service::service_fn(|_| async {
                let (events, chunks) = mpsc::channel(1);
                events.send(b"data: 1\n\n".to_vec()).await.unwrap();
                tokio::spawn(async move { events.closed().await });
                Ok::<_, std::convert::Infallible>(http::Response::new(ChannelBody(chunks)))
            });
            tokio::spawn(
                hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .max_concurrent_streams(100)
                    .serve_connection(TokioIo::new(stream.unwrap()), service),
            );
        }
    });
    (address, connections)
}

#[tokio::test]
async fn no_stream_waits_for_another_to_end() {
    let authority = Authority::new();
    let (address, connections) = crowded(&authority).await;
    let relay = TestRelay::start(&format!(
        "{}{}[limits]\nconcurrent_requests = 1000\n",
        authority.trusted(),
        at(address)
    ))
    .await;
    let mut open = Vec::new();
    for number in 1..=201 {
        let request = relay
            .request("POST", "/providers/openai/v1/chat/completions")
            .header("x-byok-key", CANARY)
            .body(Body::from("{}"))
            .unwrap();
        let asked = tokio::time::timeout(Duration::from_secs(10), relay.send(request)).await;
        let response = asked.unwrap_or_else(|_| panic!("stream {number} waits"));
        assert_eq!(response.status(), 200);
        open.push(response);
    }
    assert_eq!(connections.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn an_unknown_authority_gets_no_key() {
    let authority = Authority::new();
    let (address, _events, mut reports) = provider(&authority).await;
    let relay = TestRelay::start(&at(address)).await;
    let reply = relay.get("/providers/openai/v1/models").await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (502, "provider_unreachable")
    );
    assert!(reports.try_recv().is_err());
}

#[tokio::test]
async fn unreadable_authorities_stop_the_start() {
    let config = parse_config("[upstream]\nextra_ca = \"/nowhere/ca.pem\"\n");
    let error = keyferry_relay::Upstream::new(&config)
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("upstream.extra_ca: "), "{error}");
}
