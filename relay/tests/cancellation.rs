//! A client that leaves takes the provider connection with it, in every phase, within a second.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::{CANARY, TestRelay, closes_within_a_second, raw_provider, read_head};

/// What the provider reports: that it is where the client should leave, then whether it was left.
#[derive(Debug, PartialEq)]
enum Event {
    Here,
    Closed(bool),
}

/// Runs a provider that plays `play`, then waits to be left.
async fn scene<F, R>(play: F) -> (TestRelay, mpsc::UnboundedReceiver<Event>)
where
    F: Fn(TcpStream) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = TcpStream> + Send + 'static,
{
    let (events, received) = mpsc::unbounded_channel();
    let provider = raw_provider(move |stream| {
        let (play, events) = (play.clone(), events.clone());
        async move {
            let mut stream = play(stream).await;
            events.send(Event::Here).unwrap();
            let closed = closes_within_a_second(&mut stream).await;
            events.send(Event::Closed(closed)).unwrap();
        }
    })
    .await;
    (TestRelay::with_provider(provider, "").await, received)
}

async fn client(relay: &TestRelay, path: &str, length: usize, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(relay.address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost:{}\r\nx-byok-key: {CANARY}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n",
        relay.address.port()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    stream
}

async fn leaves(client: TcpStream, mut events: mpsc::UnboundedReceiver<Event>) {
    let wait = Duration::from_secs(5);
    assert_eq!(
        tokio::time::timeout(wait, events.recv()).await.unwrap(),
        Some(Event::Here)
    );
    drop(client);
    assert_eq!(
        tokio::time::timeout(wait, events.recv()).await.unwrap(),
        Some(Event::Closed(true))
    );
}

const PATH: &str = "/providers/openai/v1/chat/completions";

#[tokio::test]
async fn while_uploading() {
    let (relay, events) = scene(|mut stream| async move {
        read_head(&mut stream).await;
        let mut some = [0; 100];
        stream.read_exact(&mut some).await.unwrap();
        stream
    })
    .await;
    let client = client(&relay, PATH, 1_000_000, &[b'x'; 2000]).await;
    leaves(client, events).await;
}

#[tokio::test]
async fn before_the_first_byte() {
    let (relay, events) = scene(|mut stream| async move {
        read_head(&mut stream).await;
        stream
    })
    .await;
    let client = client(&relay, PATH, 2, b"{}").await;
    leaves(client, events).await;
}

#[tokio::test]
async fn while_streaming() {
    let (relay, events) = scene(|mut stream| async move {
        read_head(&mut stream).await;
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream
    })
    .await;
    let mut client = client(&relay, PATH, 2, b"{}").await;
    let mut some = [0; 64];
    client.read_exact(&mut some).await.unwrap();
    leaves(client, events).await;
}

#[tokio::test]
async fn in_a_whole_answer() {
    let (relay, events) = scene(|mut stream| async move {
        read_head(&mut stream).await;
        let answer =
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{";
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream
    })
    .await;
    let mut client = client(&relay, PATH, 2, b"{}").await;
    let mut some = [0; 64];
    client.read_exact(&mut some).await.unwrap();
    leaves(client, events).await;
}
