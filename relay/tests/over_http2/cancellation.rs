//! A client that leaves, over either version of HTTP, has the provider's stream reset within a
//! second, in every phase.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::peer::{DATA, Frames, Pieces, accepting};
use super::{CHAT, PATIENCE, QUESTION};
use crate::support::authority::Authority;
use crate::support::{CANARY, ChannelBody, TestRelay};

/// What a provider reports: that it is where the client should leave, then how it was left.
#[derive(Debug, PartialEq)]
enum Event {
    Here,
    /// With the code of the stream's reset, if there was one in time.
    Left(Option<u32>),
}

/// A provider that plays `play`, then waits a second to be left.
async fn scene<F, R>(authority: &Authority, play: F) -> (TestRelay, UnboundedReceiver<Event>)
where
    F: Fn(Frames) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Frames> + Send + 'static,
{
    let (events, received) = mpsc::unbounded_channel();
    let address = accepting(authority, move |_, stream| {
        let (play, events) = (play.clone(), events.clone());
        async move {
            let mut frames = play(Frames::open(stream).await).await;
            events.send(Event::Here).unwrap();
            let left = timeout(Duration::from_secs(1), frames.given_up()).await;
            events.send(Event::Left(left.unwrap_or_default())).unwrap();
        }
    })
    .await;
    (authority.relay(address, "").await, received)
}

/// How a client speaks with the relay.
#[derive(Clone, Copy, Debug)]
enum Over {
    Http1,
    Http2,
}

/// A client that is making a request.
struct Asking {
    tasks: Vec<JoinHandle<()>>,
    /// Goes on when one request is given up.
    connection: Option<http2::SendRequest<Body>>,
}

/// Sends a request with `body` and takes what comes.
async fn ask(authority: &Authority, relay: &TestRelay, over: Over, body: Body) -> Asking {
    let request = Request::post(CHAT)
        .header("x-byok-key", CANARY)
        .header("content-type", "application/json");
    let host = format!("localhost:{}", relay.address.port());
    match over {
        Over::Http1 => {
            let stream = TcpStream::connect(relay.address).await.unwrap();
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
            let request = request.header("host", host).body(body).unwrap();
            let connection = tokio::spawn(async move {
                let _ = connection.await;
            });
            let asking = tokio::spawn(async move { take(sender.send_request(request)).await });
            Asking {
                tasks: vec![connection, asking],
                connection: None,
            }
        }
        Over::Http2 => {
            let mut sender = authority.client(relay).await;
            let request = request
                .uri(format!("https://{host}{CHAT}"))
                .body(body)
                .unwrap();
            let connection = Some(sender.clone());
            let asking = tokio::spawn(async move { take(sender.send_request(request)).await });
            Asking {
                tasks: vec![asking],
                connection,
            }
        }
    }
}

async fn take(asked: impl Future<Output = hyper::Result<Response<Incoming>>>) {
    if let Ok(mut answer) = asked.await {
        while answer.body_mut().frame().await.is_some() {}
    }
}

async fn leaves(asking: Asking, mut events: UnboundedReceiver<Event>, over: Over) {
    let here = timeout(PATIENCE, events.recv()).await.unwrap();
    assert_eq!(here, Some(Event::Here), "{over:?}");
    for task in asking.tasks {
        task.abort();
    }
    let left = timeout(PATIENCE, events.recv()).await.unwrap();
    assert!(
        matches!(left, Some(Event::Left(Some(_)))),
        "{over:?}: {left:?}"
    );
    drop(asking.connection);
}

#[tokio::test]
async fn a_client_leaves_before_the_first_byte() {
    let authority = Authority::new();
    for over in [Over::Http1, Over::Http2] {
        let (relay, events) = scene(&authority, |mut frames| async move {
            frames.request().await.unwrap();
            frames
        })
        .await;
        let asking = ask(&authority, &relay, over, Body::from(QUESTION)).await;
        leaves(asking, events, over).await;
    }
}

#[tokio::test]
async fn a_client_leaves_while_uploading() {
    let authority = Authority::new();
    for over in [Over::Http1, Over::Http2] {
        let (relay, events) = scene(&authority, |mut frames| async move {
            while frames.next().await.unwrap().kind != DATA {}
            frames
        })
        .await;
        let (chunks, body) = mpsc::channel(1);
        chunks.send(vec![b' '; 2000]).await.unwrap();
        let asking = ask(&authority, &relay, over, Body::new(ChannelBody(body))).await;
        leaves(asking, events, over).await;
    }
}

#[tokio::test]
async fn a_client_leaves_while_its_upload_waits_for_the_provider() {
    let authority = Authority::new();
    for over in [Over::Http1, Over::Http2] {
        // Takes as much as it must, 64 KiB, and no more.
        let (relay, events) = scene(&authority, |mut frames| async move {
            let mut taken = 0;
            while taken < 65_535 {
                taken += match frames.next().await.unwrap() {
                    frame if frame.kind == DATA => frame.payload.len(),
                    _ => 0,
                };
            }
            frames
        })
        .await;
        let upload = Pieces {
            left: 2,
            piece: Bytes::from(vec![b' '; 64 * 1024]),
            taken: Arc::default(),
        };
        let asking = ask(&authority, &relay, over, Body::new(upload)).await;
        leaves(asking, events, over).await;
    }
}

#[tokio::test]
async fn a_client_leaves_in_a_whole_answer() {
    let authority = Authority::new();
    for over in [Over::Http1, Over::Http2] {
        let (relay, events) = scene(&authority, |mut frames| async move {
            let (stream, _) = frames.request().await.unwrap();
            frames.head(stream).await;
            frames.send(DATA, 0, stream, b"{").await;
            frames
        })
        .await;
        let asking = ask(&authority, &relay, over, Body::from(QUESTION)).await;
        leaves(asking, events, over).await;
    }
}
