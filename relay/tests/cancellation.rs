//! A client that leaves takes the provider connection with it, in every phase, within a second; and
//! what it is charged.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
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

/// Far above what a settlement needs on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
const QUESTION: &str = r#"{"model":"my-model","messages":[]}"#;

/// A provider over HTTP/1.1 that answers [`QUESTION`], and to anything else reads so many bytes of
/// the body and says no word.
async fn silent(bytes: usize) -> (SocketAddr, mpsc::UnboundedReceiver<()>) {
    let (report, reports) = mpsc::unbounded_channel();
    let address = raw_provider(move |mut stream| {
        let report = report.clone();
        async move {
            let head = read_head(&mut stream).await;
            if head.contains(&format!("content-length: {}\r\n", QUESTION.len())) {
                stream.read_exact(&mut [0; QUESTION.len()]).await.unwrap();
                let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
                stream.write_all(answer.as_bytes()).await.unwrap();
                return;
            }
            stream.read_exact(&mut vec![0; bytes]).await.unwrap();
            report.send(()).unwrap();
            std::future::pending::<()>().await;
        }
    })
    .await;
    (address, reports)
}

/// Sends a request that says its body has `length` bytes, leaves when the provider has read what
/// it reads, and returns the line of use that comes of it.
async fn line_of_a_client_that_left(reads: usize, length: usize, body: &str) -> serde_json::Value {
    let (address, mut reports) = silent(reads).await;
    let relay = TestRelay::with_provider(address, "").await;
    // Nothing is kept of a key that was never good for anything.
    assert_eq!(relay.post(PATH, QUESTION).await.status, 200);
    let client = client(&relay, PATH, length, body.as_bytes()).await;
    reports.recv().await.unwrap();
    drop(client);
    tokio::time::timeout(PATIENCE, async {
        loop {
            let report = relay.get("/v1/usage").await.json();
            let lines = report["usage"].as_array().unwrap();
            if let Some(line) = lines.iter().find(|line| line["model"] != "my-model") {
                return line.clone();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_client_that_leaves_the_provider_at_work_is_charged_its_input() {
    let text = "word ".repeat(8000);
    let question = json!({ "model": "gpt-4o", "messages": [{ "role": "user", "content": text }] });
    let question = question.to_string();
    // What follows the request keeps hyper from reading on, so that it is not told of the end.
    let sent = format!("{question}GET / ");
    let line = line_of_a_client_that_left(question.len(), question.len(), &sent).await;
    assert_eq!(
        (
            &line["requests"],
            &line["errors"],
            &line["estimatedRequests"]
        ),
        (&json!(1), &json!(0), &json!(1)),
        "{line}"
    );
    assert!(line["inputTokens"].as_u64().unwrap() > 5000, "{line}");
    assert!(line["costUsd"].as_f64().unwrap() > 0.0, "{line}");
}

#[tokio::test]
async fn a_client_that_leaves_in_its_upload_is_charged_nothing() {
    let some = "x".repeat(40_000);
    let line = line_of_a_client_that_left(20_000, 1_000_000, &some).await;
    assert_eq!(
        (
            &line["requests"],
            &line["errors"],
            &line["estimatedRequests"]
        ),
        (&json!(1), &json!(1), &json!(0)),
        "{line}"
    );
    assert_eq!(
        (&line["inputTokens"], &line["costUsd"]),
        (&json!(0), &json!(0.0))
    );
}
