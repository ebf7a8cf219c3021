//! Limits of a connection and requests that two parsers could read differently.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{CANARY, StandIn, TestRelay, raw_exchange};

fn request(relay: &TestRelay, head: &str) -> Vec<u8> {
    head.replace("HOST", &format!("localhost:{}", relay.address.port()))
        .replace("KEY", CANARY)
        .into_bytes()
}

#[tokio::test]
async fn smuggling_shapes_reach_no_provider_as_two_requests() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, "").await;
    let hidden = "GET /v1/files HTTP/1.1\r\nhost: HOST\r\n\r\n";
    let post = "POST /providers/openai/v1/chat/completions HTTP/1.1\r\nhost: HOST\r\nx-byok-key: KEY\r\ncontent-type: application/json\r\n";
    for (name, head) in [
        (
            "two lengths",
            format!("{post}content-length: 2\r\ncontent-length: 40\r\n\r\n{{}}{hidden}"),
        ),
        (
            "folded header",
            format!("{post}x-a: b\r\n content-length: 40\r\n\r\n{{}}{hidden}"),
        ),
        (
            "space before colon",
            format!("{post}content-length : 40\r\n\r\n{{}}{hidden}"),
        ),
        (
            "signed length",
            format!("{post}content-length: +2\r\n\r\n{{}}"),
        ),
        (
            "unknown coding",
            format!("{post}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}"),
        ),
        (
            "chunked not last",
            format!("{post}transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
        ),
        (
            "bare LF chunk",
            format!("{post}transfer-encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n"),
        ),
        (
            "NUL in header",
            format!("{post}x-a: \0\r\ncontent-length: 2\r\n\r\n{{}}"),
        ),
    ] {
        let answer = raw_exchange(
            relay.address,
            &request(&relay, &head),
            Duration::from_millis(500),
        )
        .await;
        let status = answer.get(9..12).unwrap_or_default();
        assert!(["400", "501", "413"].contains(&status), "{name}: {answer}");
        assert_eq!(provider.count(), 0, "{name}");
    }
    // Both framings at once: whichever is believed, the provider sees one request framed anew.
    let both = format!(
        "{post}content-length: 60\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n{hidden}"
    );
    raw_exchange(
        relay.address,
        &request(&relay, &both),
        Duration::from_millis(500),
    )
    .await;
    for seen in provider.seen() {
        assert_eq!(seen.uri.path(), "/v1/chat/completions");
        assert!(
            !seen.headers.contains_key("transfer-encoding")
                || !seen.headers.contains_key("content-length")
        );
        assert_eq!(seen.body, "{}");
    }
}

#[tokio::test]
async fn oversized_heads_are_refused() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(
        provider.address,
        "[server]\nmax_header_bytes = 8192\nmax_headers = 20\n",
    )
    .await;
    let get = "GET /providers/openai/v1/models HTTP/1.1\r\nhost: HOST\r\nx-byok-key: KEY\r\n";
    let long = format!("{get}x-a: {}\r\n\r\n", "a".repeat(9000));
    let many = format!("{get}{}\r\n", "x-a: b\r\n".repeat(30));
    for head in [long, many] {
        let answer = raw_exchange(
            relay.address,
            &request(&relay, &head),
            Duration::from_secs(1),
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    assert_eq!(provider.count(), 0);
}

#[tokio::test]
async fn slow_heads_and_bodies_are_given_up() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(
        provider.address,
        "[timeouts]\nheader_ms = 300\nbody_idle_ms = 300\n",
    )
    .await;
    // A head that trickles in, and a connection that says nothing at all.
    for first in ["GET / HTTP/1.1\r\n", ""] {
        let begun = Instant::now();
        let mut stream = TcpStream::connect(relay.address).await.unwrap();
        stream.write_all(first.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert!(begun.elapsed() < Duration::from_secs(3), "{first:?}");
    }
    // A body that stops.
    let head = "POST /providers/openai/v1/files HTTP/1.1\r\nhost: HOST\r\nx-byok-key: KEY\r\ncontent-length: 100\r\n\r\nabc";
    let answer = raw_exchange(
        relay.address,
        &request(&relay, head),
        Duration::from_secs(3),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("request_timeout"), "{answer}");
    assert_eq!(provider.count(), 0);
}

#[tokio::test]
async fn connections_are_limited() {
    let provider = StandIn::ok().await;
    let relay = TestRelay::with_provider(provider.address, "[server]\nmax_connections = 2\n").await;
    let held: Vec<TcpStream> = {
        let mut held = Vec::new();
        for _ in 0..2 {
            held.push(TcpStream::connect(relay.address).await.unwrap());
        }
        held
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    let probe = request(
        &relay,
        "GET /healthz HTTP/1.1\r\nhost: HOST\r\nconnection: close\r\n\r\n",
    );
    let waiting = raw_exchange(relay.address, &probe, Duration::from_millis(300)).await;
    assert_eq!(waiting, "", "a third connection waits");
    drop(held);
    let served = raw_exchange(relay.address, &probe, Duration::from_secs(2)).await;
    assert!(served.starts_with("HTTP/1.1 200"), "{served}");
}
