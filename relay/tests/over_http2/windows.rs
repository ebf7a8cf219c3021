//! Flow control: what nobody takes holds up nothing else.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use keyferry_relay::Upstream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::peer::{Pieces, accepting};
use super::{CHAT, PATIENCE, QUESTION};
use crate::support::authority::Authority;
use crate::support::{CANARY, TestRelay, parse_config, raw_provider, read_head};

/// What a provider of [`Pieces`] has seen.
#[derive(Clone, Default)]
struct Served {
    connections: Arc<AtomicUsize>,
    taken: Arc<AtomicUsize>,
}

/// A provider of `count` pieces of `size` bytes, and of one at `/one`.
async fn of_pieces(authority: &Authority, count: usize, size: usize) -> (SocketAddr, Served) {
    let served = Served::default();
    let (counted, piece) = (served.clone(), Bytes::from(vec![b'x'; size]));
    let address = accepting(authority, move |_, stream| {
        counted.connections.fetch_add(1, Ordering::Relaxed);
        let (taken, piece) = (Arc::clone(&counted.taken), piece.clone());
        async move {
            let service = hyper::service::service_fn(move |request: Request<_>| {
                let _: &hyper::body::Incoming = request.body();
                let left = if request.uri().path() == "/one" {
                    1
                } else {
                    count
                };
                let (taken, piece) = (Arc::clone(&taken), piece.clone());
                std::future::ready(Ok::<_, Infallible>(Response::new(Pieces {
                    left,
                    piece,
                    taken,
                })))
            });
            let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        }
    })
    .await;
    (address, served)
}

/// Waits until `count` has come to `least`, as long as it makes sense.
async fn reaches(count: &AtomicUsize, least: usize) {
    let _ = timeout(PATIENCE, async {
        while count.load(Ordering::Relaxed) < least {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

fn get(address: SocketAddr, path: &str) -> Request<Body> {
    Request::get(format!("https://localhost:{}{path}", address.port()))
        .body(Body::empty())
        .unwrap()
}

#[tokio::test]
async fn answers_that_nobody_reads_hold_up_no_other() {
    let authority = Authority::new();
    let (address, served) = of_pieces(&authority, 32, 16 * 1024).await;
    let upstream = Upstream::new(&parse_config(&authority.trusted())).unwrap();
    let mut unread = Vec::new();
    for _ in 0..99 {
        unread.push(upstream.send(get(address, "/")).await.unwrap());
    }
    // Three times as much as hyper's own windows let through.
    reaches(&served.taken, 1000).await;
    let one = async {
        let one = upstream.send(get(address, "/one")).await.unwrap();
        one.collect().await.unwrap().to_bytes()
    };
    let one = timeout(PATIENCE, one).await.expect("it is held up");
    assert_eq!(one.len(), 16 * 1024);
    assert_eq!(served.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn small_events_that_nobody_reads_close_no_connection() {
    let authority = Authority::new();
    let (address, served) = of_pieces(&authority, 4500, 60).await;
    let upstream = Upstream::new(&parse_config(&authority.trusted())).unwrap();
    let mut unread = Vec::new();
    for _ in 0..8 {
        unread.push(upstream.send(get(address, "/")).await.unwrap());
    }
    reaches(&served.taken, 8 * 4300).await;
    upstream.send(get(address, "/one")).await.unwrap();
    for answer in unread {
        let answer = answer.collect().await.expect("the connection is open");
        assert_eq!(answer.to_bytes().len(), 4500 * 60);
    }
    assert_eq!(served.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_upload_that_its_provider_does_not_take_holds_up_no_other() {
    let authority = Authority::new();
    let provider = raw_provider(|mut stream| async move {
        let head = read_head(&mut stream).await;
        if head.starts_with("POST /v1/audio/") {
            std::future::pending::<()>().await;
        }
        stream.read_exact(&mut [0; QUESTION.len()]).await.unwrap();
        let answer =
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let relay = TestRelay::with_provider(provider, "").await;
    let mut client = authority.client(&relay).await;
    let post = |path: &str, kind: &str, body: Body| {
        Request::post(format!("https://localhost:{}{path}", relay.address.port()))
            .header("x-byok-key", CANARY)
            .header("content-type", kind)
            .body(body)
            .unwrap()
    };
    // More than all buffers on the way take.
    let taken = Arc::new(AtomicUsize::new(0));
    let upload = Pieces {
        left: 384,
        piece: Bytes::from(vec![b'x'; 64 * 1024]),
        taken: Arc::clone(&taken),
    };
    let upload = post(
        "/providers/openai/v1/audio/transcriptions",
        "multipart/form-data; boundary=x",
        Body::new(upload),
    );
    let upload = tokio::spawn(client.send_request(upload));
    // It is stuck when nothing more of it is taken for a while.
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = taken.load(Ordering::Relaxed);
        if now > 0 && now == before {
            break;
        }
        before = now;
    }
    let question = post(CHAT, "application/json", Body::from(QUESTION));
    let answer = timeout(PATIENCE, client.send_request(question)).await;
    assert_eq!(answer.expect("it is held up").unwrap().status(), 200);
    assert!(!upload.is_finished());
}
