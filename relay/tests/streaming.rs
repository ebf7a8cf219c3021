//! Answers arrive as the provider sends them, and never end cleanly when the provider did not.

use std::time::{Duration, Instant};

use axum::body::Body;
use http_body_util::BodyExt as _;
use tokio::io::AsyncWriteExt as _;

use crate::support::{CANARY, ChannelBody, TestRelay, raw_provider, read_head, send};

const SSE_HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}

async fn open(relay: &TestRelay, path: &str) -> http::Response<hyper::body::Incoming> {
    let request = relay
        .request("POST", path)
        .header("x-byok-key", CANARY)
        .body(Body::from("{\"model\":\"gpt-4o\",\"stream\":true}"))
        .unwrap();
    relay.send(request).await
}

#[tokio::test]
async fn events_arrive_one_by_one() {
    let (next, steps) = tokio::sync::watch::channel(0);
    let provider = raw_provider(move |mut stream| {
        let mut steps = steps.clone();
        async move {
            read_head(&mut stream).await;
            stream.write_all(SSE_HEAD).await.unwrap();
            for step in 1..=3 {
                steps.wait_for(|reached| *reached >= step).await.unwrap();
                stream
                    .write_all(&chunk(&format!("data: {step}\n\n")))
                    .await
                    .unwrap();
            }
            stream.write_all(b"0\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let relay = TestRelay::with_provider(provider, "").await;
    let response = open(&relay, "/providers/openai/v1/chat/completions").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    assert_eq!(
        response.headers()["cache-control"],
        "no-store, no-transform"
    );
    let mut body = response.into_body();
    for step in 1..=3 {
        // The provider sends the next event only now: nothing may wait for the one after it.
        next.send(step).unwrap();
        let frame = tokio::time::timeout(Duration::from_secs(1), body.frame())
            .await
            .unwrap();
        let data = frame.unwrap().unwrap().into_data().unwrap();
        assert_eq!(data, format!("data: {step}\n\n"));
    }
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_provider_that_dies_in_an_event_stream_ends_it_with_an_error_event() {
    for (sent, gap) in [("data: {\"a\":1}\n\n", "\n"), ("data: {\"a\":", "\n\n")] {
        let provider = raw_provider(move |mut stream| async move {
            read_head(&mut stream).await;
            stream.write_all(SSE_HEAD).await.unwrap();
            stream.write_all(&chunk(sent)).await.unwrap();
        })
        .await;
        let relay = TestRelay::with_provider(provider, "").await;
        let response = open(&relay, "/providers/openai/v1/chat/completions").await;
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = std::str::from_utf8(&body).unwrap();
        let rest = text.strip_prefix(sent).unwrap();
        let event = rest.strip_prefix(gap).unwrap();
        assert!(event.starts_with("event: error\ndata: {"), "{text}");
        assert!(event.contains("\"code\":\"stream_interrupted\""), "{text}");
        assert!(!text.contains("[DONE]"));
    }
}

#[tokio::test]
async fn a_provider_that_dies_elsewhere_breaks_the_body() {
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"a\":",
        "HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n",
    ] {
        let provider = raw_provider(move |mut stream| async move {
            read_head(&mut stream).await;
            stream.write_all(head.as_bytes()).await.unwrap();
        })
        .await;
        let relay = TestRelay::with_provider(provider, "").await;
        let response = open(&relay, "/providers/openai/v1/audio/speech").await;
        assert_eq!(response.status(), 200);
        assert!(response.into_body().collect().await.is_err(), "{head}");
    }
}

#[tokio::test]
async fn a_provider_that_dies_before_the_head_is_a_typed_error() {
    let provider = raw_provider(|mut stream| async move {
        read_head(&mut stream).await;
    })
    .await;
    let relay = TestRelay::with_provider(provider, "").await;
    let reply = relay.get("/providers/openai/v1/models").await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (502, "provider_bad_response")
    );
}

#[tokio::test]
async fn silence_is_limited_in_every_phase() {
    let provider = raw_provider(|mut stream| async move {
        let head = read_head(&mut stream).await;
        if head.contains("/v1/chat/completions") {
            stream.write_all(SSE_HEAD).await.unwrap();
            stream.write_all(&chunk("data: 1\n\n")).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(30)).await;
    })
    .await;
    let relay =
        TestRelay::with_provider(provider, "[timeouts]\nfirst_byte_ms = 200\nidle_ms = 200\n")
            .await;
    let begun = Instant::now();
    let reply = relay.get("/providers/openai/v1/models").await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (504, "provider_timeout")
    );

    let response = open(&relay, "/providers/openai/v1/chat/completions").await;
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let text = std::str::from_utf8(&body).unwrap();
    assert!(text.starts_with("data: 1\n\n"), "{text}");
    assert!(text.contains("\"code\":\"provider_timeout\""), "{text}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn uploads_stream_too() {
    let (seen, mut pieces) = tokio::sync::mpsc::unbounded_channel();
    let provider = raw_provider(move |mut stream| {
        let seen = seen.clone();
        async move {
            use tokio::io::AsyncReadExt as _;
            read_head(&mut stream).await;
            let mut buffer = [0; 4096];
            let mut last = false;
            while !last {
                let read = stream.read(&mut buffer).await.unwrap();
                last = buffer[..read].ends_with(b"0\r\n\r\n") || read == 0;
                seen.send(String::from_utf8_lossy(&buffer[..read]).into_owned())
                    .unwrap();
            }
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                .await
                .unwrap();
        }
    })
    .await;
    let relay = TestRelay::with_provider(provider, "").await;
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let request = relay
        .request("POST", "/providers/openai/v1/files")
        .header("x-byok-key", CANARY)
        .body(Body::new(ChannelBody(receiver)))
        .unwrap();
    let address = relay.address;
    let reply = tokio::spawn(async move { send(address, request).await });
    for piece in ["first", "second"] {
        sender.send(piece.as_bytes().to_vec()).await.unwrap();
        let arrived = tokio::time::timeout(Duration::from_secs(1), pieces.recv())
            .await
            .unwrap()
            .unwrap();
        assert!(arrived.contains(piece), "{arrived}");
    }
    drop(sender);
    assert_eq!(reply.await.unwrap().status(), 200);
}
