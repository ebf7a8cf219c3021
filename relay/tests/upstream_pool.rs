//! Connections to a provider are used again, and one that the provider has closed costs no request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncWriteExt as _;
use tokio::sync::Notify;

use crate::support::{TestRelay, raw_provider, read_head};

const MODELS: &str = "/providers/openai/v1/models";
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";

/// How often it was connected to, and when a connection has been closed by it.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    closed: Notify,
}

/// A provider whose connections answer so many requests and then close without a word.
async fn provider(answers: usize) -> (SocketAddr, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let counted = Arc::clone(&seen);
    let address = raw_provider(move |mut stream| {
        let seen = Arc::clone(&counted);
        async move {
            seen.connections.fetch_add(1, Ordering::Relaxed);
            for _ in 0..answers {
                let head = read_head(&mut stream).await;
                if head.is_empty() {
                    return;
                }
                assert_eq!(head.matches("host: ").count(), 1, "{head}");
                assert!(head.starts_with("GET /v1/models HTTP/1.1\r\n"), "{head}");
                stream.write_all(ANSWER).await.unwrap();
            }
            drop(stream);
            seen.closed.notify_one();
        }
    })
    .await;
    (address, seen)
}

#[tokio::test]
async fn one_connection_serves_one_request_after_the_other() {
    let (address, seen) = provider(usize::MAX).await;
    let relay = TestRelay::with_provider(address, "").await;
    for _ in 0..5 {
        assert_eq!(relay.get(MODELS).await.status, 200);
    }
    assert_eq!(seen.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_connection_the_provider_closed_costs_no_request() {
    let (address, seen) = provider(1).await;
    let relay = TestRelay::with_provider(address, "").await;
    for number in 1..=5 {
        assert_eq!(relay.get(MODELS).await.status, 200, "request {number}");
        seen.closed.notified().await;
    }
    assert_eq!(seen.connections.load(Ordering::Relaxed), 5);
}
